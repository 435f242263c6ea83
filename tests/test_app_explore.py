"""The page Explore in this process: every state, and numbers that change."""

from __future__ import annotations

from typing import Any

import pytest

from tests import tiny

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.testing.v1 import AppTest

from tests.app_pages import (
    HOSTILE,
    Open,
    answer,
    bars,
    everything,
    fine,
    png,
    score,
    session_of,
    sums,
    uploader,
    with_photo,
)


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
    (photo,) = session_of(at).shelf.photos.values()
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


def test_without_a_model_the_page_says_what_to_do(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import gallop.backbones

    def missing(*_: object, **__: object) -> Any:
        raise gallop.backbones.BackboneError("The weights of mini are missing; put them back.")

    monkeypatch.setattr(gallop.backbones, "load_backbone", missing)
    at = with_photo(tiny_app)
    assert "weights of mini are missing" in at.error[0].value
