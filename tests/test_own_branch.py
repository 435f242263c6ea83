"""A branch of one's own: registered in one file, it is in every answer, map, file and list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop import GalLoPClassifier, load_image
from gallop.cli import main
from gallop.config import HEADS, HeadWords, MethodConfig
from gallop.documents.model_card import model_card
from gallop.export.report import html_report
from gallop.features.encoding import Extra, MemoryCache, encode_photos
from gallop.maps.explainer.data import explainer_data
from gallop.model.branches.forms import LinearForm
from gallop.model.branches.kinds import KINDS, Kind, register
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import ShotFeatures, ShotSums
from tests import tiny

SHOTS = {"red": 4, "green": 4, "blue": 4}
IMAGES, LABELS = tiny.pictures(SHOTS)
PHOTOS = [tiny.picture(50 + i, colour) for i, colour in enumerate(SHOTS)]


def class_means(sums: ShotSums, shots: ShotFeatures | None, texts: Tensor | None) -> LinearForm:
    """The cosine with the mean of each class's shots."""
    means = F.normalize(sums.sums[sums.known], dim=-1)
    return LinearForm(means, means.new_zeros(len(means)))


def colours(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """A histogram for each region, (B, R, 12): how much of it is brighter than four levels of red, green and blue."""
    brighter = torch.stack([(pixels > level).float() for level in (-1.0, -0.3, 0.3, 1.0)], dim=2).flatten(1, 2)
    cell = pixels.shape[-2] // grid[0], pixels.shape[-1] // grid[1]
    return F.avg_pool2d(brighter, cell).flatten(2).transpose(1, 2)


MEANS = Kind("class-means", HeadWords("the nearest class mean", "class means"), class_means, Mix(0.5, 0.05))
HISTOGRAM = Kind(
    "colours",
    HeadWords("a colour histogram", "colours"),
    class_means,
    Mix(0.5, 0.05),
    extra=Extra("colours 4", colours),
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with mock.patch.dict(KINDS), mock.patch.dict(HEADS):
        for kind in (MEANS, HISTOGRAM):
            register(kind)
        yield


def taught(kind: Kind, **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(head=kind.name, detail=changes.pop("detail", 1))
    return tiny.classifier(method=method, **changes).fit(IMAGES, LABELS)


@pytest.mark.parametrize("detail", [1, 2])
@pytest.mark.parametrize("kind", [MEANS, HISTOGRAM], ids=lambda kind: kind.name)
def test_it_answers_and_is_explained_by_its_own_formula(kind: Kind, detail: float) -> None:
    found = taught(kind, detail=detail)
    model, (branch,) = found.model_, found.model_.branches
    seen, _ = encode_photos(model.backbone, [load_image(image) for image in (*IMAGES, *PHOTOS)], model.sight)
    projection = tiny.there(model.backbone.vision.region_projection)
    regions = [look.regions @ projection if kind is MEANS else look.extras["colours 4"] for look in seen.looks]
    known = F.normalize(torch.stack([each.mean(dim=1) for each in regions]).mean(dim=0), dim=-1).double()
    names = found.classes_.tolist()
    means = [sum(known[i] for i, label in enumerate(LABELS) if label == name) for name in names]
    cosines = known[len(IMAGES) :] @ F.normalize(torch.stack(means), dim=-1).T  # type: ignore[arg-type]
    wanted = (cosines - cosines.mean(dim=1, keepdim=True)) / branch.mix.temperature / model.backbone.logit_scale
    for photo, own in zip(PHOTOS, wanted, strict=True):
        why = found.explain(photo)
        assert why.branches == (kind.name,)
        scores = why.branch_scores[kind.name]
        assert np.allclose(scores - scores.mean(), own, atol=2e-4)
        maps = [np.mean([look.branch_map(kind.name, name).mean() for look in why.looks]) for name in names]
        assert np.allclose(maps, scores, atol=1e-5), "the map is the score, taken apart"
    assert found.predict_all(PHOTOS).branches[kind.name].argmax(axis=1).tolist() == wanted.argmax(dim=1).tolist()


@pytest.mark.parametrize("kind", [MEANS, HISTOGRAM], ids=lambda kind: kind.name)
def test_it_is_saved_learns_more_and_stands_in_card_report_and_explainer(kind: Kind, tmp_path: Path) -> None:
    found = taught(kind, keep_shots=True)
    found.save(tmp_path)
    again = GalLoPClassifier.load(tmp_path, backbone=tiny.vit())
    assert np.array_equal(again.predict_proba(PHOTOS), found.predict_proba(PHOTOS))
    for each in (found, again):
        each.add_shots(PHOTOS[:1], ["red"]).remove_class("blue").add_class("yellow")
    assert np.allclose(again.predict_proba(PHOTOS), found.predict_proba(PHOTOS), atol=1e-4)
    title, words = HEADS[kind.name].title, HEADS[kind.name].words
    assert f"Next to the prompts, a {title} on the whole photo: {words}, fitted to" in model_card(found)
    why = found.explain(PHOTOS[0])
    assert f"<td>{title}</td>" in html_report(why)
    (shown,) = (each for each in explainer_data(why)["takes"][0]["branches"] if each["name"] == title)
    assert (shown["linear"], shown["weight"]) == (True, pytest.approx(found.model_.branches[0].mix.weight))


def test_its_features_are_encoded_once_and_kept() -> None:
    cache, counted = MemoryCache(), mock.Mock(side_effect=colours)
    taught(HISTOGRAM, cache=cache, calibration_folds=2)
    kept = len(cache)
    register(replace(HISTOGRAM, extra=Extra("colours 4", counted)))
    taught(HISTOGRAM, cache=cache, calibration_folds=2)
    assert (len(cache), counted.call_count) == (kept, 0)


@pytest.mark.slow
def test_the_command_line_trains_evaluates_and_explains_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, model = str(tiny.write_folder(tmp_path / "photos", {"red": 3, "green": 3})), str(tmp_path / "model")
    assert main(["train", photos, "--out", model, "--head", MEANS.name, "--epochs", "1", "--allow-fewer"]) == 0
    capsys.readouterr()
    assert main(["evaluate", model, photos, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy_class_means"] == 1.0
    picture = str(tmp_path / "photos" / "red" / "0.png")
    assert main(["explain", picture, "--model", model, "--out", str(tmp_path / "why.png")]) == 0
    assert "class means" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MEANS, HISTOGRAM], ids=lambda kind: kind.name)
def test_it_is_in_the_onnx_file(kind: Kind) -> None:
    from gallop.export.onnx import export_onnx

    assert f"{HEADS[kind.name].title.replace(' ', '_')}_regions" in export_onnx(taught(kind), PHOTOS).parity.by_output
