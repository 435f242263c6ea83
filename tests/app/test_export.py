"""the page Export in this process: every state, and files that hold what the screen shows."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
import zipfile
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.jobs import JobManager, State
from app.views import export
from app.views.export import exported_question
from gallop import GalLoPClassifier
from gallop.export.formats import FORMATS, ModelToExport
from gallop.export.onnx import ALLOWED
from tests import tiny
from tests.app.test_jobs import wait
from tests.app_pages import (
    EXPLORE,
    METHOD,
    RUNS,
    TAKEN_AWAY,
    TEACH,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    grid,
    hand,
    look,
    png,
    session_of,
    table,
    taught_of,
    there,
    train,
    unsaid,
    uploader,
    with_photo,
)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the last run of the page put behind each download button, by its key."""
    import streamlit as st

    found: dict[str, bytes] = {}
    draw = st.download_button

    def note(label: str, data: Any, *rest: Any, **settings: Any) -> bool:
        made = data() if callable(data) else data
        found[settings["key"]] = made.encode() if isinstance(made, str) else made
        return draw(label, data, *rest, **settings)

    monkeypatch.setattr(st, "download_button", note)
    return found


def unzipped(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


def test_the_map_is_the_one_of_explore(tiny_app: Open, handed: dict[str, bytes]) -> None:
    at = with_photo(tiny_app)
    go(hand(at, k={1: 3}, class_name="blue"), TAKEN_AWAY)
    picture = Image.open(io.BytesIO(first := handed["save map"]))
    assert (picture.format, picture.size) == ("PNG", (250, 200))  # a photo of 40 x 32, enlarged until outlines fit
    screen = there(export.screen(session_of(at), tiny.vit()))
    assert (screen.class_name, screen.explanation.topk[1], first) == ("blue", 3, screen.picture(0))
    fine(at.selectbox(key="export map").set_value(1).run())
    assert handed["save map"] == screen.picture(1) != first


def test_it_is_of_the_photo_that_explore_shows_wherever_that_came_from(
    tiny_app: Open, handed: dict[str, bytes]
) -> None:
    at = train(cards(fine(tiny_app()), {"red": 2, "green": 2}, tests=1))
    for name, first in (("tests 0.png", "green"), ("Rocket", "rocket")):
        go(look(go(at, EXPLORE), name), TAKEN_AWAY)
        assert not unsaid(at, f"**{name}**, explained for", "**green and red**"), "the classifier is what was taught"
        assert name in handed["save report"].decode()
        assert there(export.screen(session_of(at), tiny.vit())).question.names[0] == first


def test_the_report_is_of_what_is_shown(tiny_app: Open, handed: dict[str, bytes]) -> None:
    at = go(with_photo(tiny_app), TAKEN_AWAY)
    page = handed.pop("save report").decode()
    session = session_of(at)
    found = session.answers.explain(
        tiny.vit(), next(iter(session.photos.shelf.photos.values())), export.exported_question(session)
    )
    wanted = ["photo.png", *(f"{100 * share:.2f} %" for share in found.probabilities.values())]
    assert [words for words in wanted if words not in page] == []
    go(hand(go(at, EXPLORE), k={0: 1}), TAKEN_AWAY)
    assert ["local prompt 1, k = 1<" in each for each in (handed["save report"].decode(), page)] == [True, False]


def test_every_format_that_gallop_knows_is_offered_by_its_words(tiny_app: Open) -> None:
    at = go(with_photo(tiny_app), TAKEN_AWAY)
    assert not unsaid(at, *(f"**{format_.title}**: {format_.help}" for format_ in FORMATS.values()))


def test_a_model_goes_out_and_comes_back_bit_equal(tiny_app: Open, handed: dict[str, bytes], tmp_path: Path) -> None:
    at = go(train(cards(with_photo(tiny_app), {"red": 3, "green": 3}, tests=2)), TAKEN_AWAY)
    data, before = handed["save model"], there(session_of(at).training.taught)
    probe = [tiny.picture(60, "red"), tiny.picture(61, "blue")]
    loaded = GalLoPClassifier.load(unzipped(data, tmp_path) / "model", backbone=tiny.vit())
    assert np.array_equal(loaded.predict_proba(probe), before.after.predict_proba(probe))
    assert (tmp_path / "model" / "README.md").read_bytes() == handed["save card"]
    assert f"{100 * before.on_tests.after:.1f} % of 4 test photos" in handed["save card"].decode()

    other = fine(tiny_app())  # another visitor takes it in
    fine(uploader(go(other, TEACH), "Open a model").upload("my model.zip", data).run())
    assert not unsaid(other, "is in use: green and red")
    assert not unsaid(go(other, TAKEN_AWAY), "Trained elsewhere, 2 classes")
    assert np.array_equal(taught_of(other).after.predict_proba(probe), before.after.predict_proba(probe))
    uploader(go(other, EXPLORE), "Upload photos").upload("photo.png", png(1))
    assert grid(go(fine(other.run()), METHOD), "steps")["method"]["texts"] is None, "learned"
    assert {line["run"]: line["photos"] for line in table(go(other, RUNS), "zero-shot")}["from my model.zip"] == "-"
    assert "Opened" in go(other, TEACH).success[0].value


def test_an_added_class_and_another_k_go_with_the_model(
    tiny_app: Open, handed: dict[str, bytes], tmp_path: Path
) -> None:
    at = train(cards(with_photo(tiny_app), {"red": 3, "green": 3}))
    go(at, EXPLORE)
    at.text_area(key="explore names").set_value("red\ngreen\na blue thing")
    go(hand(at, k={0: 7}), TAKEN_AWAY)
    model = GalLoPClassifier.load(unzipped(handed["save model"], tmp_path) / "model", backbone=tiny.vit()).model_
    assert (set(model.class_names), model.config.topk) == ({"red", "green", "a blue thing"}, (7, 4))
    shown = session_of(at).answers.classifier(tiny.vit(), exported_question(session_of(at)))
    assert (taught_of(at).after.model_.config.topk, shown.model_.config.topk) == ((2, 4), (2, 4)), "as they were"


def test_a_limit_that_was_set_by_hand_goes_with_the_model(
    tiny_app: Open, handed: dict[str, bytes], tmp_path: Path
) -> None:
    at = train(cards(with_photo(tiny_app), {"red": 3, "green": 3}))
    session, found = session_of(at), taught_of(at).after.calibration_
    for limit in (-1e9, 1e9):
        session.limit.set_to(limit)
        go(at, TAKEN_AWAY)
        folder = unzipped(handed["save model"], tmp_path / str(limit))
        assert GalLoPClassifier.load(folder / "model", backbone=tiny.vit()).calibration_.threshold == limit
    assert taught_of(at).after.calibration_ == found, "what was taught stays as it is"


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"no zip", "is not a zip"), (tiny.zip_of({"gallop.json": b"{}"}), "no prompts.safetensors")],
)
def test_a_hostile_or_broken_model_is_refused_and_nothing_changes(tiny_app: Open, data: bytes, words: str) -> None:
    at = go(train(cards(fine(tiny_app()), {"red": 2, "green": 2})), TAKEN_AWAY)
    before = session_of(at).training.taught
    fine(uploader(go(at, TEACH), "Open a model").upload("bad.zip", data).run())
    assert words in at.error[0].value.replace("\\", "")
    assert session_of(at).training.taught is before


@pytest.mark.slow
def test_onnx_is_made_checked_and_told(tiny_app: Open, handed: dict[str, bytes]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    at = go(train(cards(with_photo(tiny_app), {"red": 3, "green": 3})), TAKEN_AWAY)
    finish(fine(button(at, "Make the ONNX file").click().run()), 300)
    assert "on 11 pictures" in everything(at)  # four made ones, six shots and the photo
    file = onnxruntime.InferenceSession(handed["save onnx"])
    pixels = tiny.vit().preprocess.centre(tiny.picture(60, "red"))[0][None].numpy()
    shares = file.run(["probabilities"], {"pixels": pixels})[0]
    assert np.abs(shares - taught_of(at).after.predict_proba(tiny.picture(60, "red"))).max() < ALLOWED


@pytest.mark.parametrize(
    ("cancel", "ended", "result"),
    [(False, State.DONE, ("key", True)), (True, State.CANCELLED, None)],
)
def test_an_export_that_takes_long_is_not_given_up_and_one_that_is_cancelled_is_left_to_its_end(
    cancel: bool, ended: State, result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BEAT", 0.01)
    go_on = threading.Event()
    slow = replace(FORMATS["onnx"], make=lambda _: go_on.wait(60))
    with closing(JobManager() if cancel else JobManager(stuck=2)) as manager:
        job = manager.submit(export.exporting(slow, ModelToExport(tiny.classifier()), "key"))
        wait(job, lambda snapshot: snapshot.progress is not None)
        if cancel:
            job.cancel()
        else:
            time.sleep(2.2)
            assert job.snapshot().state is State.RUNNING
            go_on.set()
        assert (wait(job).state, job.snapshot().result) == (ended, result)
        go_on.set()


def test_a_page_for_browsers_is_handed_out_as_a_zip_of_its_folder(
    tiny_app: Open, handed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"index.html": b"<html>", "encoders/vision.onnx.packed": b"1"}
    facts = {"fixed": False, "agreement": {"photos": 5, "difference": 2e-7}}
    monkeypatch.setattr("gallop.export.web.page_files.page_files", lambda *_, **__: (files, facts))
    at = go(with_photo(tiny_app), TAKEN_AWAY)
    finish(fine(button(at, "Make the page for browsers").click().run()))
    assert any("Class names are entered on the page" in told.value for told in at.success)
    assert tiny.members_of(handed["save web"]) == {f"page/{k}": v for k, v in files.items()}


def test_onnx_without_its_extra_says_what_to_install(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    at = go(with_photo(tiny_app), TAKEN_AWAY)
    finish(fine(button(at, "Make the ONNX file").click().run()))
    assert "onnxscript must be installed" in at.warning[0].value.replace("\\", "")


def test_the_code_is_of_the_training_and_comes_with_its_photos(tiny_app: Open, handed: dict[str, bytes]) -> None:
    at = go(cards(with_photo(tiny_app, "red\ngreen"), {"red": 2, "green": 2}, tests=1, seed=7), TAKEN_AWAY)
    assert "seed=7" in at.code[0].value
    assert tiny.members_of(handed["save code"]).keys() == {"code.py", "project.zip"}


def test_one_job_of_a_page_at_a_time(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = go(train(cards(with_photo(tiny_app), {"red": 2, "green": 2})), TAKEN_AWAY)

    monkeypatch.setattr(export, "exporting", lambda *_: repeat(export.Counted(0.5, "Half way")))
    fine(button(at, "Make the ONNX file").click().run())
    assert button(at, "Make the page for browsers").disabled
    finish(fine(button(at, "Cancel this").click().run()))
    assert ("Cancelled" in at.warning[0].value, button(at, "Make the page for browsers").disabled) == (True, False)


def test_names_that_cannot_be_used_are_told_and_leave_a_way_to_open_a_model(tiny_app: Open) -> None:
    at = go(with_photo(tiny_app, "red\nRed"), TAKEN_AWAY)
    assert re.search("Red.*Fix it on the page Explore", at.error[0].value, re.DOTALL)
    assert uploader(go(at, TEACH), "Open a model")
    assert "not sent anywhere else" in everything(at)
