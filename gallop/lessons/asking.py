"""A question as it is asked: buttons where a notebook is open, plain text everywhere else."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

from gallop.errors import ConfigError
from gallop.lessons.question import QuizQuestion, questions_of

WIDTH = 95
"""Characters of a line, as in the cells of the notebooks."""


def quiz(notebook: int, number: int, answer: str | None = None) -> None:
    """Ask a question about a notebook, or say what there is to say to an answer.

    The question is printed. In a notebook, with ipywidgets, buttons stand below it, and what is said to an answer
    appears beside them; elsewhere the call is repeated with a letter.

    Args:
        notebook: its number.
        number: of the question, from 1.
        answer: its letter; None asks.

    Raises:
        ConfigError: there is no such notebook, question or letter.

    >>> quiz(11, 1)  # doctest: +SKIP
    >>> quiz(11, 1, "b")  # doctest: +SKIP
    """
    found = questions_of(notebook)
    if number not in range(1, len(found) + 1):
        raise ConfigError(f"There is no question {number!r} about notebook {notebook}; it has 1 to {len(found)}.")
    question = found[number - 1]
    if answer is not None:
        _say(textwrap.fill(question.reply(answer), WIDTH))
        return
    _say(in_plain_text(question))
    if _in_a_notebook():
        from IPython.display import display

        display(answer_buttons(question))  # type: ignore[no-untyped-call]
    else:
        _say(f'Answer with quiz({notebook}, {number}, "a"), or another letter.')


def in_plain_text(question: QuizQuestion) -> str:
    """Return question and answers, in lines that fit a page."""
    lines = [textwrap.fill(question.text, WIDTH)]
    for letter, answer in zip(question.letters, question.answers, strict=True):
        lines.append(textwrap.fill(answer.text, WIDTH, initial_indent=f"  {letter}) ", subsequent_indent="     "))
    return "\n".join(lines)


def answer_buttons(question: QuizQuestion) -> Any:
    """Return a box of ipywidgets: the letters, and what is said to the one that was pressed."""
    import ipywidgets as widgets

    letters = widgets.ToggleButtons(
        options=list(question.letters), value=None, description="Answer", style={"button_width": "3em"}
    )
    said = widgets.HTML()

    def reply(change: dict[str, Any]) -> None:
        said.value = "" if change["new"] is None else escape(question.reply(change["new"]))

    letters.observe(reply, "value")
    return widgets.VBox([letters, said])


def _say(text: str) -> None:
    print(text)


def _in_a_notebook() -> bool:
    """Whether there is a kernel, and so something that may show widgets."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
