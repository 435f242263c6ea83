"""The page Teach in this process: every state, and numbers that change."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.testing.v1 import AppTest

from tests.app_pages import (
    EXPLORE,
    TEACH,
    Open,
    bars,
    everything,
    fine,
    finish,
    go,
    png,
    session_of,
    sums,
    uploader,
    with_photo,
)


def teach(at: AppTest, counts: dict[str, int], names: str | None = None, epochs: int = 2) -> AppTest:
    at = go(at, TEACH)
    at.text_area(key="taught names").set_value(names or "\n".join(counts)).run()
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            uploader(at, f"Photos of {name}").upload(f"{i}.png", png(100 * number + i, name))
        fine(at.run())
    at.number_input(key="epochs").set_value(epochs)
    return fine(at.run())


def train(at: AppTest) -> AppTest:
    next(button for button in at.button if button.label == "Train").click()
    return fine(at.run())


def test_one_class_or_an_empty_one_cannot_be_taught(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    teach(at, {"red": 1})
    button = next(button for button in at.button if button.label == "Train")
    assert button.disabled
    assert "two or more classes" in everything(at)
    at.text_area(key="taught names").set_value("red\ngreen\nblue")
    fine(at.run())
    assert "green and blue have no photos yet" in everything(at)


def test_teaching_changes_the_answer_and_says_by_how_much(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GALLOP_CACHE", str(tmp_path / "cache"))
    at = with_photo(tiny_app, "red\ngreen")
    zero_shot = bars(at, "probabilities")
    teach(at, {"red": 4, "green": 4}, epochs=8)
    at = finish(train(at))
    assert "Done: 8 steps on 8 photos of 2 classes" in at.success[0].value.replace("\\", "")
    at = go(at, EXPLORE)
    assert bars(at, "probabilities") != zero_shot
    labels = {metric.label: metric for metric in at.metric}
    assert labels["Right on the 8 photos it learned from"].value.endswith("%")
    assert any("points" in metric.delta for metric in at.metric)
    assert "outlier score" in everything(at), "a limit for none of these was found"
    assert list(tmp_path.iterdir()) == [], "the privacy line says that nothing is written to disk"
    # The frozen answer is still there, and the same.
    at.session_state["model"] = "Zero-shot"
    fine(at.run())
    assert bars(at, "probabilities") == zero_shot


def test_the_taught_classes_become_the_list_and_a_name_may_be_added_or_taken_off(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "cat\ndog")
    teach(at, {"red": 2, "green": 2})
    at = go(finish(train(at)), EXPLORE)
    assert at.text_area(key="names").value == "red\ngreen"
    at.text_area(key="names").set_value("red\ngreen\nyellow")
    fine(at.run())
    assert "Added without training again: yellow" in everything(at)
    assert set(at.dataframe[0].value["class"]) == {"red", "green", "yellow"}
    at.text_area(key="names").set_value("red\nyellow")
    fine(at.run())
    assert "Back to zero-shot" in at.info[0].value
    assert "green is not" in at.info[0].value
    at.text_area(key="names").set_value("red\ngreen")
    fine(at.run())
    assert any(metric.label.startswith("This photo is") for metric in at.metric)


def test_cancel_keeps_what_was_learned_and_the_page_stays_usable(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red\ngreen")
    zero_shot = bars(at, "probabilities")
    teach(at, {"red": 2, "green": 2}, epochs=200)
    at = train(at)
    end = time.monotonic() + 30
    while not any("Training, step" in bar.text for bar in at.progress):
        assert time.monotonic() < end
        fine(at.run())
    at = go(at, EXPLORE)
    at.slider(key="k 1").set_value(2)
    fine(at.run())
    assert sums(at)[1].startswith("k = 2: mean of 2 regions")
    at = go(at, TEACH)
    next(button for button in at.button if button.label.startswith("Cancel")).click()
    at = finish(fine(at.run()))
    assert "Cancelled after step" in at.info[-1].value
    taught = session_of(at).taught
    assert 0 < taught.steps < 200
    at = go(at, EXPLORE)
    assert bars(at, "probabilities") != zero_shot


def test_a_second_session_waits_and_is_told(tiny_app: Open) -> None:
    import resources

    go = threading.Event()

    class Long:
        def run(self) -> Any:
            go.wait(30)
            yield None

        def result(self) -> None:
            return None

    resources.jobs().submit(Long())
    at = with_photo(tiny_app)
    teach(at, {"red": 1, "green": 1}, epochs=1)
    at = train(at)
    assert "Waiting: one other training is before yours" in at.progress[0].text
    other = fine(tiny_app())
    assert session_of(other).job is None
    assert not other.progress
    go.set()
    at = finish(at)
    assert session_of(at).taught is not None
    assert session_of(fine(other.run())).taught is None


def test_a_training_that_fails_is_told_in_a_sentence(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import gallop

    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("a secret path")

    at = with_photo(tiny_app)
    teach(at, {"red": 1, "green": 1}, epochs=1)
    monkeypatch.setattr(gallop.GalLoPClassifier, "fit_steps", broken)
    at = finish(train(at))
    assert "The training stopped" in at.error[0].value
    assert "secret" not in everything(at)
