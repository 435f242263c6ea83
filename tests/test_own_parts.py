"""What a program adds or replaces: a branch, which is in every answer, map, file and list, and parts of the method,
which are trained with, saved by name, found again, and refused where unknown.
"""

from __future__ import annotations

import json
import os
import pickle
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
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch import Tensor

from gallop import GalLoP, GalLoPClassifier, MethodConfig, TrainConfig, load_image, plot_explanation, repeat
from gallop import parts as registry
from gallop.cli import main
from gallop.config import HEADS, HeadWords
from gallop.documents.model_card import model_card
from gallop.errors import CheckpointError, ConfigError, UnknownPart
from gallop.export.report import html_report
from gallop.features.encoding import Extra, MemoryCache, encode_photos
from gallop.lab.bench.plan import canonical
from gallop.lab.methods.prompt_learning import GalLoPMethod
from gallop.maps.explainer.payload import explainer_data
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
    return taught_with(kind.name, **changes)


def taught_with(head: str | Sequence[str], **changes: Any) -> GalLoPClassifier:
    return tiny.classifier(head=head, **changes).fit(IMAGES, LABELS)


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
    assert (why.votes, "Shots that voted" in html_report(why)) == ({}, False), "its score is no sum over shots"
    (shown,) = (each for each in explainer_data(why)["takes"][0]["branches"] if each["name"] == title)
    assert (shown["linear"], shown["weight"]) == (True, pytest.approx(found.model_.branch_weights[kind.name]))


def test_it_answers_beside_the_default_head_in_answers_maps_card_report_and_saved_model(tmp_path: Path) -> None:
    found = taught_with(("ridge", HISTOGRAM.name))
    assert found.model_.config.head == "ridge+colours"
    found.save(tmp_path)
    again = GalLoPClassifier.load(tmp_path, backbone=tiny.vit())
    assert np.array_equal(again.predict_proba(PHOTOS), found.predict_proba(PHOTOS))
    why = again.explain(PHOTOS[0])
    assert tuple(why.parts) == ("global", "local", *why.branches) == ("global", "local", "ridge", "colours")
    for name in why.branches:
        maps = [why.branch_map(name, each).mean() for each in why.class_names]
        assert np.allclose(maps, why.branch_scores[name], atol=1e-5), name
        assert HEADS[name].words in model_card(again)
        assert f"<td>{HEADS[name].title}</td>" in html_report(why)
    shown = [each["name"] for each in explainer_data(why)["takes"][0]["branches"]]
    assert shown[-2:] == ["head", "colours"]


@pytest.mark.parametrize("head", [("ridge", "ridge"), ("ridge", "none"), ("ridge", "forest"), (), 5, "ridge+"])
def test_heads_that_cannot_answer_together_are_refused(head: Any) -> None:
    with pytest.raises(ConfigError, match=r"head is .*; it must be one of none, .*colours, or several joined by \+"):
        MethodConfig(head=head)


def test_one_that_needs_single_shots_comes_back_where_they_are_kept(tmp_path: Path) -> None:
    """And says what is missing where they are not."""

    def brightest(sums: ShotSums, shots: ShotFeatures | None, texts: Tensor | None) -> LinearForm:
        if shots is None:
            raise ConfigError("save the model with keep_shots=True")
        largest = torch.stack([shots.features[shots.labels == k, 0].double().amax(dim=0) for k in range(3)])
        return LinearForm(largest, largest.new_zeros(3))

    found = taught(register(replace(MEANS, name="brightest", fit=brightest)), keep_shots=True)
    found.save(tmp_path)
    again = GalLoPClassifier.load(tmp_path, backbone=tiny.vit())
    assert np.allclose(again.predict_proba(PHOTOS), found.predict_proba(PHOTOS), atol=1e-6)
    found.keep_shots = False
    found.save(tmp_path)
    with pytest.raises(CheckpointError, match="keep_shots=True"):
        GalLoPClassifier.load(tmp_path, backbone=tiny.vit())


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
    registry.register("pooling", "soft", soft)
    registry.register("optimizer", "halved", halved)
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
    registry.register("pooling", "soft", soft)
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
    assert (tiny.there(made.training_).optimizer, made.model_.config.keep_rule) == (adamw, first)


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
    ],
)
def test_a_part_of_another_form_is_a_sentence(part: str, function: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        tiny.classifier().fit(IMAGES, LABELS, **{part: function})


# A model keeps its functions ------------------------------------------------------------------------------------------


def sharp(region_cosines: Tensor, topk: Sequence[int], by: float = 20) -> Tensor:
    return ((by * region_cosines).softmax(dim=1) * region_cosines).sum(dim=1)


def inner(by: float) -> Any:
    def pool(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
        return sharp(region_cosines, topk, by)

    return pool


class Sharp:
    """An object that is called, compared by what it holds, and so without a hash."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sharp) and other.by == self.by

    def __call__(self, region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
        return sharp(region_cosines, topk, self.by)


def named(by: float) -> str:
    registry.register("pooling", "pool", inner(by))
    return "pool"


MAKERS = {
    "inner": inner,
    "lambda": lambda by: lambda region_cosines, topk: sharp(region_cosines, topk, by),
    "partial": lambda by: partial(sharp, by=by),
    "object": Sharp,
    "name": named,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_each_model_of_a_sweep_answers_with_the_function_it_was_fitted_with(make: Any) -> None:
    registered = {part: dict(known) for part, known in registry.REGISTERED.items()}
    swept, at_once = [], []
    for by in (1, 100):
        swept.append(tiny.classifier().fit(IMAGES, LABELS, pooling=make(by)))
        at_once.append(swept[-1].predict_proba(PHOTOS))
    for made, before in zip(swept, at_once, strict=True):
        assert np.array_equal(made.predict_proba(PHOTOS), before)
        made.add_class("yellow").remove_class("yellow")
        assert np.allclose(made.predict_proba(PHOTOS), before, atol=1e-6)
    assert not np.allclose(*at_once, atol=1e-3)
    assert make is named or registered == registry.REGISTERED, "fit registers nothing"


def test_what_is_fitted_or_loaded_after_a_name_is_registered_again_has_the_new_function(tmp_path: Path) -> None:
    made = tiny.classifier(pooling=named(1)).fit(IMAGES, LABELS)
    made.save(tmp_path)
    named(100)
    wanted = tiny.classifier().fit(IMAGES, LABELS, pooling=inner(100)).predict_proba(PHOTOS)
    loaded = GalLoPClassifier.load(tmp_path, backbone=tiny.vit(), device="cpu")
    assert not np.allclose(loaded.predict_proba(PHOTOS), made.predict_proba(PHOTOS), atol=1e-3)
    with pytest.raises(ConfigError, match=r"The pooling 'pool' cannot be saved .* gallop\.register\('pooling', NAME"):
        made.save(tmp_path)
    assert np.array_equal(made.fit(IMAGES, LABELS).predict_proba(PHOTOS), wanted)


def test_a_training_keeps_the_terms_that_it_began_with() -> None:
    def term(by: float) -> Any:
        return lambda model, global_, regions, labels: by + 0 * model.prompts.global_contexts.sum()

    def again(event: Any) -> None:
        registry.register("extra_loss", "term", term(1000))

    registry.register("extra_loss", "term", term(100))
    made = tiny.classifier().fit(IMAGES, LABELS, extra_loss="term", callback=again)
    assert {event.loss // 100 for event in made.history_} == {1}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_parts_are_settings_that_copies_folds_and_further_fits_have(make: Any) -> None:
    wanted = tiny.classifier().fit(IMAGES, LABELS, pooling=inner(1)).predict_proba(PHOTOS)
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=make(1))
    for fitted in (
        clone(made).fit(IMAGES, LABELS),
        tiny.classifier().set_params(pooling=made.get_params()["pooling"]).fit(IMAGES, LABELS),
        made.fit(IMAGES, LABELS),
    ):
        assert np.array_equal(fitted.predict_proba(PHOTOS), wanted)
    assert made.fit(IMAGES, LABELS, pooling="topk").model_.config.pooling == "topk"


def test_the_figures_of_repeat_and_cross_validation_are_those_of_the_part() -> None:
    def useless(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
        return 100 * region_cosines.new_tensor([0.0, 0, 1])[:, None].expand(len(region_cosines), 3, len(topk))

    made = tiny.classifier(epochs=1).fit(IMAGES, LABELS, pooling=useless)
    data = {name: [image for image, label in zip(IMAGES, LABELS, strict=True) if label == name] for name in SHOTS}
    assert made.score(IMAGES, LABELS) == pytest.approx(1 / 3)
    assert repeat(made, data, shots=2, seeds=1).accuracy.tolist() == pytest.approx([1 / 3])
    photos = np.array([np.asarray(image) for image in IMAGES])
    assert cross_val_score(made, photos, np.array(LABELS), cv=2).tolist() == pytest.approx([1 / 3] * 2)


class Learned(torch.nn.Module):
    """A pooling with a number to learn, where it may be learned."""

    def __init__(self, learns: bool = True) -> None:
        super().__init__()
        self.by = torch.nn.Parameter(torch.tensor(20.0), requires_grad=learns)

    def forward(self, region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
        return sharp(region_cosines, topk, self.by)  # type: ignore[arg-type]


def with_number(number: Tensor) -> Any:
    return lambda model, global_, regions, labels: number * global_.sum()


NUMBER = torch.ones(1, requires_grad=True)


@pytest.mark.parametrize(
    ("part", "learns"),
    [
        ("pooling", Learned()),
        ("keep_rule", Learned()),
        ("pooling", partial(sharp, by=NUMBER)),
        ("pooling", lambda region_cosines, topk: sharp(region_cosines, topk, NUMBER)),
        ("extra_loss", lambda model, global_, regions, labels: (NUMBER.exp() * global_.mean()).sum()),
        ("extra_loss", with_number(NUMBER.sum())),
    ],
    ids=["module", "module of no gradient", "partial", "global", "loss", "closure"],
)
def test_a_part_that_would_learn_is_refused_before_the_first_step(part: str, learns: Any) -> None:
    start = tiny.classifier().zero_shot(list(SHOTS))
    made = tiny.classifier()
    with pytest.raises(ConfigError, match=r"only prompts are trained and saved here\. Call requires_grad_\(False\)"):
        made.fit(IMAGES, LABELS, **{part: learns})
    assert not hasattr(made, "model_") or tiny.equal(tiny.learned(made), tiny.learned(start))
    assert getattr(made, "history_", []) == []


def test_a_module_that_learns_nothing_is_a_part_as_any_other() -> None:
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=Learned(learns=False))
    other = tiny.classifier().fit(IMAGES, LABELS, pooling=soft)
    assert np.array_equal(made.predict_proba(PHOTOS), other.predict_proba(PHOTOS))


@pytest.mark.parametrize("make", [make for name, make in MAKERS.items() if name != "name"])
def test_what_is_not_registered_is_neither_saved_nor_pickled(make: Any, tmp_path: Path) -> None:
    own = make(1)
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=own)
    method, sentence = (
        MethodConfig(pooling=own),
        r"The pooling '\S+' cannot be saved.*gallop\.register\('pooling', NAME",
    )
    for keep in (
        lambda: made.save(tmp_path),
        *(partial(pickle.dumps, each) for each in (made, made.model_, method, tiny.classifier(method=method))),
        lambda: list(tiny.classifier(pooling=own).fit_steps(IMAGES, LABELS, work=tmp_path)),
        lambda: canonical(GalLoPMethod(pooling=own)),
    ):
        with pytest.raises(ConfigError, match=sentence):
            keep()
    assert not list(tmp_path.iterdir())
    registry.register("pooling", "mine", own)
    made.save(tmp_path)
    assert json.loads((tmp_path / "gallop.json").read_text())["method"]["pooling"] == "mine"
    again = pickle.loads(pickle.dumps(made))
    assert again.get_params()["pooling"] == canonical(GalLoPMethod(pooling=own))["pooling"] == "mine"
    loaded = GalLoPClassifier.load(tmp_path, backbone=tiny.vit(), device="cpu")
    for other in (again, loaded):
        assert np.allclose(other.predict_proba(PHOTOS), made.predict_proba(PHOTOS), atol=1e-6)
    assert "pooling" in model_card(made)


def test_every_group_of_an_optimizer_is_scheduled_from_its_own_first_rate() -> None:
    rates: list[list[float]] = []

    def in_groups(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
        first, *others = parameters
        made = torch.optim.SGD([{"params": [first]}, {"params": others, "lr": config.lr / 10}], lr=config.lr)
        made.register_step_post_hook(lambda own, *_: rates.append([group["lr"] for group in own.param_groups]))
        return made

    made = tiny.classifier(batch_size=12).fit(IMAGES, LABELS, optimizer=in_groups)
    assert rates == [pytest.approx([lr, lr / 10]) for lr in (0.05, 0.025)]
    assert [event.lr for event in made.history_] == [0.05, 0.025]
