"""What a program adds or replaces: a branch, which is in every answer, map, file and list, and parts of the method,
which are trained with, saved by name, found again, and refused where unknown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop import GalLoP, GalLoPClassifier, MethodConfig, TrainConfig, load_image, plot_explanation
from gallop import parts as registry
from gallop.cli import main
from gallop.config import HEADS, HeadWords
from gallop.documents.model_card import model_card
from gallop.errors import CheckpointError, ConfigError, UnknownPart
from gallop.export.report import html_report
from gallop.features.encoding import Extra, MemoryCache, encode_photos
from gallop.maps.explainer.data import explainer_data
from gallop.model.branches.forms import LinearForm
from gallop.model.branches.kinds import KINDS, Kind, register
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import ShotFeatures, ShotSums
from tests import tiny
from tests.conftest import ROOT

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
    """Two branches; nothing that is registered is left to other tests."""
    parts = {part: dict(known) for part, known in registry.REGISTERED.items()}
    with mock.patch.dict(KINDS), mock.patch.dict(HEADS), mock.patch.dict(registry.REGISTERED, parts):
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
    assert (shown["linear"], shown["weight"]) == (True, pytest.approx(found.model_.branch_weights[kind.name]))


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


# Parts of the method --------------------------------------------------------------------------------------------------


def soft(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
    """Softmax over the regions in place of the top-k."""
    return ((20 * region_cosines).softmax(dim=1) * region_cosines).sum(dim=1)


def adamw(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=config.lr)


def test_a_pooling_of_ones_own_makes_answers_and_explanations() -> None:
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=soft)
    for image, explained in zip(PHOTOS, made.explain(PHOTOS), strict=True):
        expected = soft(explained.similarities.looks[0].region_cosines, ())[0].numpy()
        assert np.allclose(explained.local_scores, expected, atol=1e-6)
        assert explained.probabilities[explained.label] == pytest.approx(made.predict_proba(image).max(), abs=1e-5)
    assert not np.allclose(made.predict_proba(PHOTOS), tiny.classifier().fit(IMAGES, LABELS).predict_proba(PHOTOS))


def halved(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=config.lr / 2)


def test_it_is_saved_by_its_name_and_found_again_and_missed_where_it_is_called(tmp_path: Path) -> None:
    """What only training calls, when the model is trained again and not before."""
    made = tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS, pooling=soft, optimizer=halved)
    made.save(tmp_path / "model")
    registry.REGISTERED["optimizer"].clear()
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit(), device="cpu")
    assert np.allclose(loaded.predict_proba(PHOTOS), made.predict_proba(PHOTOS), atol=1e-6)
    with pytest.raises(UnknownPart, match="No optimizer called 'halved' is registered"):
        loaded.fit(IMAGES, LABELS)
    registry.REGISTERED["pooling"].clear()
    sentence = r"cannot be used here\. No pooling called 'soft' is registered.*gallop\.register\('pooling'"
    with pytest.raises(CheckpointError, match=sentence):
        GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit(), device="cpu")


@pytest.mark.slow
def test_a_saved_model_causes_no_import(tmp_path: Path) -> None:
    tiny.classifier().fit(IMAGES, LABELS, pooling=soft).save(tmp_path / "model")
    (tmp_path / "soft.py").write_text("raise SystemExit('imported')")
    code = f"from gallop import GalLoPClassifier\nGalLoPClassifier.load({str(tmp_path / 'model')!r})"
    paths = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=paths)
    assert (done.returncode, "imported" in done.stderr) == (1, False)
    assert "No pooling called 'soft' is registered" in done.stderr


def test_what_needs_the_top_k_refuses_another_pooling() -> None:
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=soft)
    why = made.explain(PHOTOS[0])
    for ask in (
        lambda: why.regions("red", 0),
        lambda: explainer_data(why),
        lambda: made.prompts.overlap(IMAGES, LABELS),
    ):
        with pytest.raises(ConfigError, match="needs top-k pooling, but this model uses 'soft' pooling"):
            ask()
    assert (len(plot_explanation(why).axes) > 0, why.to_dict()["regions"]) == (True, {})


def test_own_dropout_loss_optimizer_and_schedule_are_used() -> None:
    seen: dict[str, Any] = {"draws": [], "losses": 0, "lr": []}

    def first(images: int, prompts: int, kept: int, generator: torch.Generator) -> Tensor:
        seen["draws"].append((images, prompts, kept))
        return torch.zeros(images, 1, dtype=torch.long)

    def large(model: GalLoP, global_: Tensor, regions: Tensor, labels: Tensor) -> Tensor:
        assert len(global_) == len(regions) == len(labels)
        seen["losses"] += 1
        return 100 + 0 * model.prompts.global_contexts.sum()

    def constant(epoch: int, epochs: int) -> float:
        return 1.0

    made = tiny.classifier()
    own: Any = {"keep_rule": first, "extra_loss": large, "optimizer": adamw, "scheduler": constant}
    made.fit(IMAGES, LABELS, callback=lambda event: seen["lr"].append(getattr(event, "lr", None)), **own)
    assert seen["losses"] == len(made.history_) == len(seen["draws"])
    assert all(event.loss > 100 and (event.kept == 0).all() for event in made.history_)
    assert {lr for lr in seen["lr"] if lr is not None} == {made.training_.lr}  # type: ignore[union-attr]
    plain = tiny.classifier().fit(IMAGES, LABELS)
    assert not np.allclose(*(each.model_.prompts.global_contexts.detach() for each in (made, plain)))
    assert (tiny.there(made.training_).optimizer, made.model_.config.keep_rule) == ("adamw", "first")


def test_the_paper_parts_written_out_give_the_same_training() -> None:
    def own_sgd(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)

    def mean_of_largest(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
        ranked = region_cosines.sort(dim=1, descending=True).values
        return torch.stack([ranked[:, :k, :, n].mean(dim=1) for n, k in enumerate(topk)], dim=-1)

    own: Any = {"optimizer": own_sgd, "pooling": mean_of_largest}
    one, other = tiny.classifier().fit(IMAGES, LABELS, **own), tiny.classifier().fit(IMAGES, LABELS)
    for key, value in tiny.learned(one).items():
        assert torch.allclose(value, tiny.learned(other)[key], atol=1e-5), key


@pytest.mark.parametrize(
    ("part", "name", "function", "words"),
    [
        ("colour", "mine", soft, "Unknown part 'colour'"),
        ("pooling", "topk", soft, "cannot be the name"),
        ("pooling", "<lambda>", soft, "cannot be the name"),
        ("pooling", "mine", 3, "is not a function"),
        ("pooling", getattr(partial(soft), "__name__", ""), partial(soft), "cannot be the name"),
    ],
)
def test_what_cannot_be_registered_is_a_sentence(part: str, name: str, function: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.register(part, name, function)


def test_an_unknown_name_is_a_sentence_that_says_what_to_register() -> None:
    for ask in (lambda: MethodConfig(pooling="softmax"), lambda: tiny.classifier().fit(IMAGES, LABELS, pooling="sof")):
        with pytest.raises(ConfigError, match=r"gallop\.register\('pooling'"):
            ask()


def test_a_training_with_an_own_optimizer_is_not_resumed(tmp_path: Path) -> None:
    events = tiny.classifier().fit_steps(IMAGES, LABELS, work=tmp_path, optimizer=adamw)
    with pytest.raises(ConfigError, match="cannot be saved and resumed"):
        list(events)


def past_the_last(images: int, prompts: int, kept: int, generator: torch.Generator) -> Tensor:
    return torch.full((images, 1), prompts)


def flat(images: int, prompts: int, kept: int, generator: torch.Generator) -> Tensor:
    return torch.zeros(images, dtype=torch.long)


def by_image(model: GalLoP, global_: Tensor, regions: Tensor, labels: Tensor) -> Tensor:
    return global_.sum(dim=1)


def a_number(model: GalLoP, global_: Tensor, regions: Tensor, labels: Tensor) -> float:
    return 1.0


def not_pooled(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
    return region_cosines


@pytest.mark.parametrize(
    ("part", "function", "sentence"),
    [
        (
            "keep_rule",
            past_the_last,
            r"indices \(images, kept\) of the kept prompts, from 0; its result was shape \(4, 1\)",
        ),
        ("keep_rule", flat, r"its result was shape \(4,\)"),
        ("extra_loss", by_image, r"scalar, added to the loss; its result was shape \(4,\)"),
        ("extra_loss", a_number, r"its result was 1\.0"),
        ("pooling", not_pooled, r"local logits \(B, K, N\); its result was shape"),
        (
            "optimizer",
            torch.optim.AdamW,
            r"optimizer cannot be .*write a function with def, of the form \(parameters, config\)",
        ),
        ("pooling", lambda cosines, topk: cosines, "pooling cannot be .*write a function with def"),
    ],
)
def test_a_part_of_another_form_is_a_sentence(part: str, function: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        tiny.classifier().fit(IMAGES, LABELS, **{part: function})
