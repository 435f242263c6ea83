"""Questions about the notebooks: whole, answerable from the cells they name, asked alike with and without widgets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gallop.errors import ConfigError
from gallop.lab.lessons import asking, quiz
from gallop.lab.lessons.asking import QUESTIONS, PossibleAnswer, QuizQuestion, questions_of
from tests.conftest import ROOT

WHAT_HAS_MANY = QuizQuestion(
    text="Which <scale> has the most regions?",
    cell="Scales",
    answers=(PossibleAnswer("k = 5.", False, "Count again."), PossibleAnswer("k = 20 & more.", True, "20 > 5.")),
)


@pytest.mark.parametrize("file", sorted(QUESTIONS.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_question_has_one_right_answer_and_a_hint_that_names_a_heading(file: Path) -> None:
    (script,) = (ROOT / "notebooks").glob(f"{file.stem}_*.py")
    lines = script.read_text(encoding="utf-8").splitlines()
    headings = {line.lstrip("# ") for line in lines if line.startswith(("# ## ", "# ### "))}
    for question in questions_of(int(file.stem)):
        assert question.text.endswith("?")
        assert question.cell in headings
        assert [answer.right for answer in question.answers].count(True) == 1
        assert len({answer.text for answer in question.answers}) == len(question.answers) > 1


def test_a_wrong_answer_gets_a_hint_and_the_cell_a_right_one_the_reason() -> None:
    assert WHAT_HAS_MANY.reply("a") == "a) is not right. Count again. Look again at the cells under “Scales”."
    assert WHAT_HAS_MANY.reply(" B") == "b) is right. 20 > 5."


@pytest.mark.parametrize("letter", ["c", "", "ab", "1", None])
def test_another_letter_is_refused_with_those_there_are(letter: Any) -> None:
    with pytest.raises(ConfigError, match=r"is not one of the answers; choose one of a, b\."):
        WHAT_HAS_MANY.reply(letter)


@pytest.mark.parametrize("wrong", [99, 0, "11", None])
def test_another_notebook_or_question_is_refused_with_those_there_are(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"no questions for notebook .*; choose one of .*11"):
        quiz(wrong, 1)
    with pytest.raises(ConfigError, match=r"Notebook 11 has no question .*; its questions are numbered 1 to 3"):
        quiz(11, wrong)


def test_without_a_notebook_it_asks_and_answers_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    question = questions_of(11)[0]
    quiz(11, 1)
    asked = capsys.readouterr().out
    assert question.text in asked.replace("\n", " ")
    assert asked.endswith('Answer with quiz(11, 1, "a"), or another letter.\n')
    assert max(map(len, asked.splitlines())) <= asking.WIDTH
    for letter, answer in zip(question.letters, question.answers, strict=True):
        assert f"  {letter}) {answer.text}" in asked
        quiz(11, 1, letter)
        assert " ".join(capsys.readouterr().out.split()) == question.reply(letter)


def test_it_asks_in_plain_text_where_no_widgets_are_installed() -> None:
    code = "import sys; sys.modules['ipywidgets'] = None\nfrom gallop.lab.lessons import quiz\nquiz(11, 2)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith('Answer with quiz(11, 2, "a"), or another letter.\n')


def test_in_a_notebook_buttons_answer_and_what_they_say_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ipywidgets", reason="needs the extra 'notebooks'")
    shown: list[Any] = []
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr("IPython.display.display", shown.append)
    quiz(11, 1)
    asked = capsys.readouterr().out
    assert ("  c) " in asked, "Answer with" in asked) == (True, False)
    letters, said = shown[0].children
    assert (letters.options, letters.value, said.value) == (("a", "b", "c"), None, "")
    for letter in "abc":
        letters.value = letter
        assert said.value.startswith(f"{letter}) is ")
    letters.value = None
    assert said.value == ""
    letters, said = asking.answer_buttons(WHAT_HAS_MANY).children
    letters.value = "b"
    assert said.value == "b) is right. 20 &gt; 5."
