"""The questions about a notebook, asked with buttons where a notebook is open, in plain text everywhere else.

They lie apart from the notebooks, so that the answer is not read beside the question, and a notebook that is stored or
handed on does not hold it. ``questions/NN.yaml`` is a list of

    question: What is asked?
    cell: The heading under which the answer is given
    answers:
      - wrong: A plausible mistake.
        feedback: What to think of.
      - right: What is so.
        feedback: Why it is so.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gallop.errors import ConfigError
from gallop.wording import listed

QUESTIONS = Path(__file__).with_name("questions")
WIDTH = 95
"""Characters of a line, as in the cells of the notebooks."""


@dataclass(frozen=True)
class PossibleAnswer:
    """One of the answers to choose from, whether it is right, and a sentence that is displayed once it is chosen."""

    text: str
    right: bool
    feedback: str


@dataclass(frozen=True)
class QuizQuestion:
    """A question about a notebook.

    Attributes:
        text: what is asked.
        cell: the heading under which the answer is given.
        answers: one of them is right.
    """

    text: str
    cell: str
    answers: tuple[PossibleAnswer, ...]

    @property
    def letters(self) -> str:
        return "abcdef"[: len(self.answers)]

    def reply(self, letter: str) -> str:
        """Return the reply to an answer: why it is right, or a hint and the cell to look at again.

        Raises:
            ConfigError: it is not one of the letters.
        """
        chosen = str(letter).strip().lower()  # whatever was given
        if len(chosen) != 1 or chosen not in self.letters:
            raise ConfigError(f"{letter!r} is not one of the answers; choose one of {listed(list(self.letters))}.")
        answer = self.answers[self.letters.index(chosen)]
        if answer.right:
            return f"{chosen}) is right. {answer.feedback}"
        return f"{chosen}) is not right. {answer.feedback} Look again at the cells under “{self.cell}”."


def questions_of(notebook: int) -> tuple[QuizQuestion, ...]:
    """Return the questions of a notebook, in their order. Raises ConfigError where there is no such notebook."""
    import yaml

    files = {int(file.stem): file for file in sorted(QUESTIONS.glob("*.yaml"))}
    if notebook not in files:
        raise ConfigError(
            f"There are no questions for notebook {notebook!r}; choose one of the notebooks "
            f"{listed([str(number) for number in files], most=len(files))}."
        )
    return tuple(_question(entry) for entry in yaml.safe_load(files[notebook].read_text(encoding="utf-8")))


def _question(entry: dict[str, Any]) -> QuizQuestion:
    return QuizQuestion(
        text=entry["question"],
        cell=entry["cell"],
        answers=tuple(
            PossibleAnswer(each["right" if "right" in each else "wrong"], "right" in each, each["feedback"])
            for each in entry["answers"]
        ),
    )


def quiz(notebook: int, number: int, answer: str | None = None) -> None:
    """Ask a question about a notebook, or reply to an answer.

    The question is printed. In a notebook, with ipywidgets, buttons are displayed below it, and the reply to
    an answer below them; elsewhere the call is repeated with a letter.

    Args:
        notebook: its number.
        number: of the question, from 1.
        answer: its letter; None asks.

    Raises:
        ConfigError: there is no such notebook, question or letter.

    >>> quiz(11, 1)  # doctest: +SKIP
    >>> quiz(11, 1, "b")  # doctest: +SKIP
    """
    questions = questions_of(notebook)
    if number not in range(1, len(questions) + 1):
        raise ConfigError(
            f"Notebook {notebook} has no question {number!r}; its questions are numbered 1 to {len(questions)}."
        )
    question = questions[number - 1]
    if answer is not None:
        print(textwrap.fill(question.reply(answer), WIDTH))
        return
    print(in_plain_text(question))
    if _in_a_notebook():
        from IPython.display import display

        display(answer_buttons(question))  # type: ignore[no-untyped-call]
    else:
        print(f'Answer with quiz({notebook}, {number}, "a"), or another letter.')


def in_plain_text(question: QuizQuestion) -> str:
    """Return question and answers, in lines that fit a page."""
    answers = (
        textwrap.fill(answer.text, WIDTH, initial_indent=f"  {letter}) ", subsequent_indent="     ")
        for letter, answer in zip(question.letters, question.answers, strict=True)
    )
    return "\n".join([textwrap.fill(question.text, WIDTH), *answers])


def answer_buttons(question: QuizQuestion) -> Any:
    """Return a box of ipywidgets: the letters, and the reply to the one that was pressed."""
    import ipywidgets as widgets

    letters = widgets.ToggleButtons(
        options=list(question.letters), value=None, description="Answer", style={"button_width": "3em"}
    )
    reply_text = widgets.HTML()

    def reply(change: dict[str, Any]) -> None:
        reply_text.value = "" if change["new"] is None else escape(question.reply(change["new"]))

    letters.observe(reply, "value")
    return widgets.VBox([letters, reply_text])


def _in_a_notebook() -> bool:
    """Whether there is a kernel, and so something that may show widgets."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
