"""Parts of the method that a program replaces: trained with, saved by name, found again, and refused where unknown."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from gallop import GalLoP, GalLoPClassifier, MethodConfig, TrainConfig, plot_explanation, register
from gallop import parts as registry
from gallop.errors import CheckpointError, ConfigError, UnknownPart
from gallop.maps.explainer.data import explainer_data
from tests import tiny
from tests.conftest import ROOT

IMAGES, LABELS = tiny.pictures({"red": 3, "green": 3})
ASKED = [tiny.picture(seed, colour) for seed, colour in ((50, "red"), (51, "green"), (52, "blue"))]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave no registered part to other tests."""
    with mock.patch.dict(registry._REGISTERED, {part: dict(known) for part, known in registry._REGISTERED.items()}):
        yield


def soft(region_cosines: Tensor, topk: Sequence[int]) -> Tensor:
    """Softmax over the regions in place of the top-k."""
    return ((20 * region_cosines).softmax(dim=1) * region_cosines).sum(dim=1)


def adamw(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=config.lr)


def test_a_pooling_of_ones_own_makes_answers_and_explanations() -> None:
    made = tiny.classifier().fit(IMAGES, LABELS, pooling=soft)
    for image, explained in zip(ASKED, made.explain(ASKED), strict=True):
        expected = soft(explained.similarities.looks[0].region_cosines, ())[0].numpy()
        assert np.allclose(explained.local_scores, expected, atol=1e-6)
        assert explained.probabilities[explained.label] == pytest.approx(made.predict_proba(image).max(), abs=1e-5)
    assert not np.allclose(made.predict_proba(ASKED), tiny.classifier().fit(IMAGES, LABELS).predict_proba(ASKED))


def halved(parameters: Any, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=config.lr / 2)


def test_it_is_saved_by_its_name_and_found_again_and_missed_where_it_is_called(tmp_path: Path) -> None:
    """What only training calls, when the model is trained again and not before."""
    made = tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS, pooling=soft, optimizer=halved)
    made.save(tmp_path / "model")
    registry._REGISTERED["optimizer"].clear()
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit(), device="cpu")
    assert np.allclose(loaded.predict_proba(ASKED), made.predict_proba(ASKED), atol=1e-6)
    with pytest.raises(UnknownPart, match="No optimizer called 'halved' is registered"):
        loaded.fit(IMAGES, LABELS)
    registry._REGISTERED["pooling"].clear()
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
    why = made.explain(ASKED[0])
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
        register(part, name, function)


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
