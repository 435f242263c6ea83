"""Batches of answers: equal to ``predict``'s, however the photos are read, and pickled by the model's name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop import GalLoPClassifier
from gallop.answers import Extras, PhotoScorer
from gallop.answers.scorer import answers, fingerprint
from gallop.answers.sources import open_source
from gallop.features.encoding import BATCH
from gallop.model.calibration import Calibration
from tests import tiny

NAMES = ["red", "green", "blue"]
ALL = Extras(probabilities=True, embedding=True, regions=True)


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 4, "green": 4, "blue": 4})
    fitted = tiny.classifier().fit(images, labels)
    fitted.calibration_ = Calibration(1.3, float(np.median(fitted.predict_all(images).ood["GL-MCM"])), "for a test")
    return fitted


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 20, "green": 15, "blue": 7}, first_seed=50)
    (folder / "green" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (folder / "red" / "page.jpg").write_bytes(b"<html>")
    return folder


def rows(worker: PhotoScorer, photos: Path) -> list[dict[str, Any]]:
    batches = list(answers(worker, open_source(str(photos))))
    assert len({len(column) for column in batches[0].values()}) == 1
    return [dict(zip(columns, row, strict=True)) for columns in batches for row in zip(*columns.values(), strict=True)]


def test_answers_are_those_of_predict(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    found = rows(PhotoScorer(taught, extras=ALL), photos)
    assert [row["key"] for row in found] == [item.key for item in open_source(str(photos))]
    bad, good = ([row for row in found if bool(row["error"]) == failed] for failed in (True, False))
    assert [(row["key"], row["label"], row["regions"]) for row in bad] == [
        ("green/broken.png", None, None),
        ("red/page.jpg", None, None),
    ]
    assert "a web page, not a picture" in bad[1]["error"]
    expected = taught.predict_all([photos / row["key"] for row in good])
    given = list(zip(expected.labels, tiny.there(expected.is_ood), strict=True))
    assert [(row["label"], row["is_ood"]) for row in good] == given
    for name, column in (("probabilities", expected.probabilities), *expected.ood.items()):
        np.testing.assert_allclose([row[name] for row in good], column, atol=1e-5)
    for row, shares in zip(good, expected.probabilities, strict=True):
        assert row["probability"] == pytest.approx(shares.max(), abs=1e-5)
        assert [entry["label"] for entry in row["top"]] == [taught.classes_[k] for k in np.argsort(-shares)]
    backbone = taught.model_.backbone
    features, _ = backbone.encode_image(backbone.preprocess.centre(tiny.picture(50, "red"))[0][None])
    red = next(row["embedding"] for row in good if row["key"] == "red/0.png")
    np.testing.assert_allclose(np.array(red, np.float32), (features / features.norm()).numpy()[0], atol=1e-3)


def test_regions_are_those_that_decided(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    for row in rows(PhotoScorer(taught, extras=ALL), photos)[:6]:
        found = taught.explain(photos / row["key"])
        boxes = found.regions(found.label, 0)
        assert len(row["regions"]) == found.topk[0] == 2
        for mine, box in zip(row["regions"], boxes, strict=True):
            assert [mine[name] for name in ("left", "top", "right", "bottom")] == list(map(float, box.rounded()))
            assert mine["score"] == pytest.approx(box.score, abs=1e-5)


def test_all_photos_of_a_batch_may_be_bad(taught: GalLoPClassifier, tmp_path: Path) -> None:
    for path in tiny.write_images(tmp_path / "photos", [tiny.picture(i) for i in range(3)]):
        path.write_bytes(b"")
    found = rows(PhotoScorer(taught, extras=ALL), tmp_path / "photos")
    assert [row["error"].split(" is empty")[0] for row in found] == ["0.png", "1.png", "2.png"]


def test_without_local_prompts_and_without_a_limit(photos: Path, tmp_path: Path) -> None:
    plain = tiny.classifier(topk=(), global_prompts=1).zero_shot(NAMES)
    good = [row for row in rows(PhotoScorer(plain, extras=ALL), photos) if not row["error"]]
    assert all(row["regions"] == [] and row["is_ood"] is None for row in good)


def test_what_is_read_in_parts_passes_the_backbone_together(
    taught: GalLoPClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: sixteen at a time are read, 32 are encoded, bad ones among them."""
    worker = PhotoScorer(taught, extras=ALL)
    (photos / "blue" / "0.png").write_bytes(b"")  # the first of all, too
    small = rows(worker, photos)
    monkeypatch.setattr("gallop.answers.scorer.batch_for", lambda _: 2 * BATCH)
    for mine, other in zip(rows(worker, photos), small, strict=True):
        assert (mine["key"], mine["error"], mine["label"]) == (other["key"], other["error"], other["label"])
        assert mine["probabilities"] == (other["probabilities"] and pytest.approx(other["probabilities"], abs=1e-5))
        assert [box["left"] for box in mine["regions"] or []] == [box["left"] for box in other["regions"] or []]


def test_jpegs_decoded_smaller_are_answered_nearly_alike(taught: GalLoPClassifier, tmp_path: Path) -> None:
    """Their boxes lie where they lay, in pixels of the photo."""
    (tmp_path / "photos").mkdir()
    for i, colour in enumerate(NAMES):
        large = tiny.picture(i, colour).resize((640, 512), Image.Resampling.BICUBIC)
        large.save(tmp_path / "photos" / f"{i}.jpg", quality=95)
    exact, draft = (rows(PhotoScorer(taught, extras=ALL, draft=how), tmp_path / "photos") for how in (False, True))
    for mine, other in zip(draft, exact, strict=True):
        np.testing.assert_allclose(mine["probabilities"], other["probabilities"], atol=0.05)
        assert mine["probabilities"] != other["probabilities"], "the pixels are others"
        sides = [[round(box[name]) for name in ("left", "top", "right", "bottom")] for box in mine["regions"]]
        grid = {(left - 64) // 128 for left, *_ in sides} | {top // 128 for _, top, *_ in sides}
        assert grid <= {0, 1, 2, 3}, "cells of the 512 x 512 pixels in the photo's middle"
        assert {right - left for left, _, right, _ in sides} == {128}


def test_the_fingerprint_follows_all_that_answers_depend_on(taught: GalLoPClassifier, tmp_path: Path) -> None:
    first = fingerprint(taught)
    taught.save(tmp_path / "model")
    again = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    assert fingerprint(again) == first
    again.calibration_ = Calibration(2.0)
    assert fingerprint(again) != first
    again = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    again.model_.prompts.global_contexts.data.add_(1e-3)
    assert fingerprint(again) != first


# The workers by themselves -------------------------------------------------------------------------------------------


def test_a_scorer_of_a_folder_travels_as_its_name(backbone: Path, tmp_path: Path) -> None:
    GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu").zero_shot(NAMES).save(tmp_path / "model")
    scorer = PhotoScorer(str(tmp_path / "model"), device="cpu", extras=ALL)
    paths = tiny.write_images(tmp_path / "some", [tiny.picture(i) for i in range(3)])
    here = scorer({"path": np.array([str(path) for path in paths])})
    sent = pickle.dumps(scorer)
    assert len(sent) < 2000, "no weights"
    there = pickle.loads(sent)({"path": [str(path) for path in paths]})
    assert here["label"] == there["label"]
    np.testing.assert_allclose(here["probabilities"], there["probabilities"], atol=1e-6)
    given = scorer({"bytes": [path.read_bytes() for path in paths], "key": ["a", "b", "c"]})
    assert (given["key"], given["label"]) == (["a", "b", "c"], here["label"])
