"""What the service answers is what Python answers, alone and in company, and an error has one shape."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from gallop import GalLoPClassifier
from gallop.errors import CheckpointError
from gallop.predictions.rows import explained_row
from gallop.service.http.options import ServeOptions
from gallop.service.http.service import Service
from tests import nasty_images
from tests.serve.running import CLASSES, Running, photo, refusal, running
from tests.until import until

IN_COMPANY = 2e-6
"""By how much a probability may move with the photos that pass the backbone together; alone it is the same bits."""


@pytest.fixture(scope="module")
def colours(model: Path) -> GalLoPClassifier:
    return GalLoPClassifier.load(model, device="cpu")


def assert_close(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(answer["probabilities"]) == list(expected["probabilities"])
    assert answer == {
        name: value if name in ("label", "is_ood") else pytest.approx(value, abs=IN_COMPANY)
        for name, value in expected.items()
    }


def expected_of(classifier: GalLoPClassifier, data: bytes) -> dict[str, Any]:
    found = classifier.predict_all(data)
    probabilities = dict(zip(classifier.classes_.tolist(), found.probabilities[0].tolist(), strict=True))
    return {
        "label": found.labels[0],
        "probability": max(probabilities.values()),
        "probabilities": probabilities,
        "ood_score": float(found.ood["GL-MCM"][0]),
        "is_ood": None if found.is_ood is None else bool(found.is_ood[0]),
    }


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_photo_alone_is_answered_as_in_python_to_the_digit(
    service: Running, colours: GalLoPClassifier, form: str
) -> None:
    data = photo(3, "blue", form)
    said = service.post("/predict", data).json()
    assert (said["model"], said["photos"]) == ("colours", [expected_of(colours, data)])


def test_many_photos_of_one_request_are_answered_in_their_order(service: Running, colours: GalLoPClassifier) -> None:
    sent = [photo(i, colour) for i, colour in enumerate(CLASSES)]
    answers = service.post("/predict", sent[0], b"not a photo", *sent[1:]).json()["photos"]
    error = answers.pop(1)["error"]
    assert (error["code"], error["message"].startswith("photo 2 is not a picture")) == ("not_an_image", True)
    for data, answer in zip(sent, answers, strict=True):
        assert_close(answer, expected_of(colours, data))


def test_an_explanation_is_pythons(service: Running, colours: GalLoPClassifier) -> None:
    data = photo(5, "yellow")
    why = colours.explain(data)
    said = service.post("/explain", data).json()
    wanted = explained_row(why, why.label) | {
        "probabilities": why.probabilities,
        "probabilities_global": why.global_probabilities,
        "probabilities_local": why.local_probabilities,
        "ood_score": why.ood_score,
        "is_ood": why.is_ood,
        "size": [40, 32],
        "seen": [4, 0, 36, 32],
    }
    assert {key: said[key] for key in wanted} == wanted
    shown = service.post("/explain?class=green", data).json()
    found = shown["class"], shown["label"], shown["regions"]
    assert found == ("green", why.label, explained_row(why, "green")["regions"])


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("?format=png", "*/*", "image/png"),
        ("", "image/png", "image/png"),
        ("", "image/png, application/json", "application/json"),
        ("?format=json", "image/png", "application/json"),
        ("", "*/*", "application/json"),
    ],
)
def test_an_explanation_is_a_picture_where_one_is_asked_for(
    service: Running, query: str, accept: str, kind: str
) -> None:
    answer = service.post(f"/explain{query}", photo(), headers={"accept": accept})
    assert answer.headers["content-type"] == kind
    if kind == "image/png":
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50


@pytest.mark.parametrize(
    ("path", "sent", "status", "code", "words"),
    [
        ("/explain", [photo(), photo()], 422, "several_photos", "Only one photo can be explained at a time"),
        ("/explain?class=dragon", [photo()], 422, "no_class", "The classes are red, green, blue, yellow"),
        ("/explain?format=gif", [photo()], 422, "bad_parameter", "format"),
        ("/predicts", [photo()], 404, "not_found", "see /openapi.json"),
        ("/predict", [photo()] * 33, 413, "too_many_photos", "32 photos"),
    ],
)
def test_what_cannot_be_answered_is_one_shape_with_a_sentence(
    service: Running, path: str, sent: list[bytes], status: int, code: str, words: str
) -> None:
    answer = service.post(path, *sent)
    assert (answer.status_code, answer.json().keys(), answer.json()["error"]["code"]) == (status, {"error"}, code)
    assert words in answer.json()["error"]["message"]
    assert len(answer.headers["x-request-id"]) == 16


HOSTILE = {
    "empty": (b"", 422, "empty_image"),
    "text": (b"hello", 422, "not_an_image"),
    "web page": (b"<!doctype html><html>", 422, "not_an_image"),
    "bomb": (nasty_images.png_bomb(8000), 422, "too_many_pixels"),
    "claims too much": (nasty_images.webp_header(16000, 16000, "VP8X"), 422, "too_many_pixels"),
    "long side": (nasty_images.gif_header(60000, 1), 422, "too_many_pixels"),
    "half a photo": (photo(form="JPEG")[:300], 422, "corrupt_image"),
    "pixels missing": (nasty_images.png((100, 100), b"\0" * 50), 422, "corrupt_image"),
    "too many bytes": (b"\xff\xd8\xff" + bytes(21 * 2**20), 413, "image_too_large"),
    "pdf": (b"%PDF-1.7", 422, "unsupported_image"),
}


@pytest.mark.parametrize(("data", "status", "code"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_photos_get_a_status_and_a_sentence(service: Running, data: bytes, status: int, code: str) -> None:
    for path in ("/predict", "/explain"):
        answer = service.post(path, data)
        assert refusal(answer) == (status, code)
        assert answer.json()["error"]["message"].startswith("photo 1 ")
    until(lambda: service.service.held == 0)


def test_what_the_model_knows(service: Running) -> None:
    refused = service.get("/predict")
    assert (refusal(refused), refused.headers["allow"]) == ((405, "wrong_method"), "POST")
    said = service.get("/classes").json()
    assert (said["model"], said["classes"], said["threshold"], said["temperature"]) == (
        "colours",
        [*CLASSES],
        -0.4,
        1.5,
    )


def test_a_mistake_of_ours_is_told_without_its_words(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = mock.Mock(side_effect=ValueError("of secret-0.jpg"))
    monkeypatch.setattr("gallop.service.http.service.predict", broken)
    answer = service.post("/predict", photo())
    assert (refusal(answer), "secret" in answer.text) == ((500, "internal"), False)
    monkeypatch.undo()
    assert service.post("/predict", photo()).status_code == 200


def test_a_model_that_looks_twice(model: Path, tmp_path: Path) -> None:
    closer = GalLoPClassifier.load(model, device="cpu")
    with pytest.warns(UserWarning, match="threshold is void"):
        closer.set_detail(2).save(tmp_path / "closer")
    data = photo(3, "blue")
    with running(tmp_path / "closer") as service:
        assert_close(service.post("/predict", data).json()["photos"][0], expected_of(closer, data))
        why = service.post("/explain", data).json()
    assert len(why["regions"][0]["boxes"]) == 2 * closer.model_.config.topk[0]


def test_a_damaged_model_is_told_at_the_start(model: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(model, tmp_path / "broken")
    (broken / "prompts.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors"):
        Service(ServeOptions(str(broken), device="cpu"))
