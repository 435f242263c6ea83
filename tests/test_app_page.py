"""The first page in this process: every state, and numbers that change."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.testing.v1 import AppTest

HOSTILE = ["![x](http://example.invalid/x.png)", "<b>bold</b>", ":red[red] `code` $x$"]
Open = Callable[[], AppTest]


def png(seed: int, colour: str = "red", size: tuple[int, int] = (40, 32)) -> bytes:
    stream = io.BytesIO()
    tiny.picture(seed, colour, size).save(stream, "PNG")
    return stream.getvalue()


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def uploader(at: AppTest, label: str) -> Any:
    return next(found for found in at.file_uploader if label in found.label)


def with_photo(open_app: Open, names: str = "red\ngreen\nblue") -> AppTest:
    at = fine(open_app())
    uploader(at, "Upload photos").upload("photo.png", png(1))
    at.text_area(key="names").set_value(names)
    return fine(at.run())


def answer(at: AppTest) -> str:
    found: str = next(metric.value for metric in at.metric if metric.label == "Most probable")
    return found


def sums(at: AppTest) -> list[str]:
    return [found.value for found in at.markdown if found.value.startswith("k = ")]


def score(at: AppTest) -> str:
    return next(found.value for found in at.markdown if found.value.startswith("Together"))


def bars(at: AppTest, key: str) -> str:
    spec: str = next(found.proto.spec for found in at.get("plotly_chart") if key in found.proto.id)
    return spec


def everything(at: AppTest) -> str:
    """All text that Streamlit would render as Markdown."""
    kinds = (at.markdown, at.caption, at.error, at.warning, at.info, at.success, at.subheader, at.header)
    written = [element.value for kind in kinds for element in kind]
    widgets = (at.button, at.slider, at.selectbox, at.file_uploader, at.text_area, at.number_input, at.metric)
    labels = [element.label for kind in widgets for element in kind]
    return "\n".join([*written, *labels, *(metric.value for metric in at.metric)])


def teach(at: AppTest, counts: dict[str, int], names: str | None = None, epochs: int = 2) -> AppTest:
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


def finish(at: AppTest, seconds: float = 60) -> AppTest:
    end = time.monotonic() + seconds
    while at.session_state["session"].job is not None:
        assert time.monotonic() < end, "the training does not end"
        time.sleep(0.05)
        fine(at.run())
    return at


def test_the_empty_page_says_what_to_do(tiny_app: Open) -> None:
    at = fine(tiny_app())
    assert "upload a photo, or take a sample" in at.info[0].value
    assert not at.metric
    assert "written to no disk, sent to no other machine" in everything(at)


def test_a_sample_is_answered_at_once_by_the_shipped_model() -> None:
    pytest.importorskip("skimage")
    import resources
    from tests.conftest import MAIN

    resources.backbone.clear()
    at = fine(AppTest.from_file(str(MAIN), default_timeout=60).run())
    at.button(key="sample Cat").click()
    fine(at.run())
    assert answer(at).startswith("cat: ")
    at.button(key="sample Coffee").click()
    fine(at.run())
    assert answer(at).startswith("cup of coffee: ")
    assert len(sums(at)) == 4
    at.button(key="sample Cat").click()
    fine(at.run())
    assert answer(at).startswith("cat: ")
    assert len(at.selectbox(key="photo").options) == 2


def test_an_uploaded_photo_is_kept_small_and_the_upload_is_dropped(tiny_app: Open) -> None:
    at = fine(tiny_app())
    uploader(at, "Upload photos").upload("big.png", png(1, size=(1500, 900)))
    fine(at.run())
    (photo,) = at.session_state["session"].shelf.photos.values()
    assert photo.image.size == (1024, 614)
    assert at.selectbox(key="photo").value == photo.sha256
    assert not uploader(at, "Upload photos").value


def test_a_bad_file_gets_a_sentence_and_the_good_one_is_shown(tiny_app: Open) -> None:
    at = fine(tiny_app())
    box = uploader(at, "Upload photos")
    box.upload("good.png", png(1))
    box.upload("words.png", b"these are words")
    box.upload("huge.png", b"\x89PNG\r\n\x1a\n" + bytes(21 * 2**20))
    fine(at.run())
    (warning,) = at.warning
    assert "1 taken, 2 not taken" in warning.value
    assert "words\\.png" in warning.value
    assert "20 MB" in warning.value
    assert answer(at)


@pytest.mark.parametrize(
    ("typed", "words"), [("cat\nCat", "the same after cleaning"), ("", "No class names"), (" , ", "No class")]
)
def test_names_that_cannot_be_used_are_told_in_a_sentence(tiny_app: Open, typed: str, words: str) -> None:
    at = with_photo(tiny_app, typed)
    assert words in at.error[0].value
    assert not at.metric


def test_a_name_too_long_for_the_model_is_told_in_a_sentence(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "cat\n" + "a b " * 49)
    assert "Use a shorter name" in at.error[0].value


def test_one_class_is_answered_with_a_hint(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red")
    assert answer(at).startswith("red: ")
    assert "Name a second one" in everything(at)


def test_hostile_names_are_shown_as_typed(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "\n".join(HOSTILE))
    teach(at, {}, names="\n".join(HOSTILE))
    at.selectbox(key="class").select(HOSTILE[1])
    fine(at.run())
    shown = everything(at)
    for raw in ("![x](", "<b>", ":red[", "`code`", "$x$", "http://"):
        assert raw not in shown
    assert "\\!\\[x\\]" in shown
    assert "\\<b\\>bold" in shown
    for chart in at.get("plotly_chart"):
        assert "<b>" not in chart.proto.spec
        assert "\\u003cb" not in chart.proto.spec


def test_a_hostile_file_name_is_shown_as_it_is(tiny_app: Open) -> None:
    at = fine(tiny_app())
    uploader(at, "Upload photos").upload("![x](http:example.invalid).png", b"words")
    fine(at.run())
    assert "![x](" not in at.warning[0].value
    assert "\\!\\[x\\]" in at.warning[0].value


def test_k_changes_outlines_scores_and_probabilities_without_a_tower(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = with_photo(tiny_app)
    before = (sums(at), score(at), bars(at, "probabilities"))

    def no_tower(*_: object) -> None:
        raise AssertionError("a tower ran")

    monkeypatch.setattr(type(tiny.vit()), "encode_image", no_tower)
    monkeypatch.setattr(type(tiny.vit().text), "encode", no_tower)
    at.slider(key="k 0").set_value(1)
    fine(at.run())
    assert sums(at)[0].startswith("k = 1: mean of 1 region ")
    assert sums(at)[0] != before[0][0]
    assert sums(at)[1:] == before[0][1:]
    assert score(at) != before[1]
    assert bars(at, "probabilities") != before[2]
    assert all(line.endswith("= the score") for line in sums(at))
    next(button for button in at.button if button.label.startswith("Back to k")).click()
    fine(at.run())
    assert (sums(at), score(at)) == before[:2]


def test_every_class_can_be_explained(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    seen = set()
    for name in ("red", "green", "blue"):
        at.selectbox(key="class").select(name)
        fine(at.run())
        assert f"score of {name}" in score(at)
        seen.add(score(at))
    assert len(seen) == 3


def test_the_table_holds_every_number(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    table = at.dataframe[0].value
    assert set(table["class"]) == {"red", "green", "blue"}
    assert table["probability"].sum() == pytest.approx(1, abs=1e-5)
    assert len(table.columns) == 2 + 4 + 4


def test_a_photo_can_be_taken_away(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    next(button for button in at.button if button.label == "Take this photo away").click()
    fine(at.run())
    assert not at.metric
    assert "upload a photo" in at.info[0].value


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
    at = finish(train(at))
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
    at.slider(key="k 1").set_value(2)
    fine(at.run())
    assert sums(at)[1].startswith("k = 2: mean of 2 regions")
    next(button for button in at.button if button.label.startswith("Cancel")).click()
    at = finish(fine(at.run()))
    assert "Cancelled after step" in at.info[-1].value
    taught = at.session_state["session"].taught
    assert 0 < taught.steps < 200
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
    assert other.session_state["session"].job is None
    assert not other.progress
    go.set()
    at = finish(at)
    assert at.session_state["session"].taught is not None
    assert fine(other.run()).session_state["session"].taught is None


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


def test_without_a_model_the_page_says_what_to_do(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import gallop.backbones

    def missing(*_: object, **__: object) -> Any:
        raise gallop.backbones.BackboneError("The weights of mini are missing; put them back.")

    monkeypatch.setattr(gallop.backbones, "load_backbone", missing)
    at = with_photo(tiny_app)
    assert "weights of mini are missing" in at.error[0].value
