"""The questions, a file a notebook, and what is said to each answer.

They lie apart from the notebooks, so that nobody reads the answer beside the question, and a notebook that is stored or
handed on does not hold it. ``questions/NN.yaml`` is a list of

    question: What is asked?
    cell: The heading under which the answer is found
    answers:
      - wrong: What somebody might think.
        said: What to think of.
      - right: What is so.
        said: Why it is so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gallop.errors import ConfigError
from gallop.wording import listed

QUESTIONS = Path(__file__).with_name("questions")
LETTERS = "abcdef"
"""Of the answers, in their order."""


@dataclass(frozen=True)
class PossibleAnswer:
    """One of the answers to choose from, whether it is right, and a sentence for whoever chooses it."""

    text: str
    right: bool
    said: str


@dataclass(frozen=True)
class QuizQuestion:
    """A question about a notebook.

    Attributes:
        text: what is asked.
        cell: the heading under which the answer is found.
        answers: one of them is right.
    """

    text: str
    cell: str
    answers: tuple[PossibleAnswer, ...]

    @property
    def letters(self) -> str:
        """Of the answers, such as "abc"."""
        return LETTERS[: len(self.answers)]

    def reply(self, letter: str) -> str:
        """Return what is said to an answer: why it is right, or a hint and the cell to look at again.

        Raises:
            ConfigError: it is none of the letters.
        """
        given: Any = letter  # whatever was given
        found = given.strip().lower() if isinstance(given, str) else ""
        if len(found) != 1 or found not in self.letters:
            raise ConfigError(f"{letter!r} is none of the answers; choose one of {listed(list(self.letters))}.")
        answer = self.answers[self.letters.index(found)]
        if answer.right:
            return f"{found}) is right. {answer.said}"
        return f"{found}) is not it. {answer.said} Look again at the cells under “{self.cell}”."


def questions_of(notebook: int) -> tuple[QuizQuestion, ...]:
    """Return the questions of a notebook, in their order.

    Raises:
        ConfigError: there is no such notebook.
    """
    import yaml

    files = {int(file.stem): file for file in sorted(QUESTIONS.glob("*.yaml"))}
    if notebook not in files:
        known = listed([str(number) for number in files], most=len(files))
        raise ConfigError(f"There are no questions about a notebook {notebook!r}; choose one of {known}.")
    return tuple(_question(entry) for entry in yaml.safe_load(files[notebook].read_text(encoding="utf-8")))


def _question(entry: dict[str, Any]) -> QuizQuestion:
    answers = tuple(
        PossibleAnswer(each["right" if "right" in each else "wrong"], "right" in each, each["said"])
        for each in entry["answers"]
    )
    return QuizQuestion(entry["question"], entry["cell"], answers)
