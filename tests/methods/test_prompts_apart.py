"""Prompts that start apart (``starts``, ``init``), and a penalty in training on those alike (``diversity``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import SETTINGS
from gallop.config import MethodConfig, method_preset
from gallop.core.gallop import Prompts, TextFeatures
from gallop.errors import ConfigError
from gallop.evaluation.diversity import mean_of_pairs, text_cosines
from gallop.model.prompted import PromptModel, initial_prompts, likeness, starting_prompts
from tests.tiny import classifier, equal, learned, picture, pictures, vit

SHOTS = {"red": 4, "green": 4}
APART = MethodConfig(global_prompts=2, topk=(2, 4), init=1.0)


def fit(method: MethodConfig, **changes: Any) -> GalLoPClassifier:
    return classifier(**{"epochs": 4, "method": method, "topk": None, "global_prompts": None, **changes}).fit(
        *pictures(SHOTS)
    )


def alike(model: PromptModel) -> float:
    """The mean over both branches of the mean cosine of two prompts."""
    text = model.cached_text_features()
    means = [mean_of_pairs(text_cosines(part)) for part in (text.global_, text.local)]
    return float(np.mean([mean for mean in means if mean is not None]))


def test_the_core_takes_a_start_for_each_prompt() -> None:
    start = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Prompts(start, global_prompts=2, local_prompts=1, region_width=6).contexts().detach(), start)


def test_without_it_a_training_starts_from_the_papers_words() -> None:
    start, first = (make(vit(), MethodConfig()).contexts() for make in (starting_prompts, initial_prompts))
    assert torch.equal(start, first)


def test_prompts_of_both_kinds_start_from_the_words_in_turn() -> None:
    config = MethodConfig(3, (2, 4), starts="A photo of a; a sketch of a")
    photo, sketch = (vit().text.embed(words) for words in ("A photo of a", "a sketch of a"))
    start = starting_prompts(vit(), config).contexts().detach()
    assert torch.equal(start, torch.stack([photo, sketch, photo, photo, sketch]))


def test_starting_words_of_other_lengths_are_refused() -> None:
    config = MethodConfig(2, (2,), starts="a photo of a; a blurry photo of a")
    with pytest.raises(ConfigError, match="'a photo of a' has 4 tokens where 'a blurry photo of a' has 5"):
        starting_prompts(vit(), config)


def test_noise_is_in_deviations_of_the_words_numbers_and_always_the_same() -> None:
    words = vit().text.embed("A photo of a").float()
    config = MethodConfig(global_prompts=32, topk=[5] * 32, init=0.5)
    moved = starting_prompts(vit(), config).contexts().detach() - words
    assert float(moved.std() / words.std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(starting_prompts(vit(), config).contexts(), starting_prompts(vit(), config).contexts())


def test_what_has_learned_nothing_is_still_the_papers_words() -> None:
    photos, names = [picture(7, "red")], sorted(SHOTS)
    plain, apart = (classifier(method=method).zero_shot(names).predict_proba(photos) for method in (None, APART))
    assert np.array_equal(plain, apart)


def test_prompts_that_start_apart_end_apart_in_every_fold() -> None:
    together, apart = (fit(method, calibration_folds=2) for method in (MethodConfig(2, (2, 4)), APART))
    for a, b in zip(together.cross_fit_.models, apart.cross_fit_.models, strict=True):  # type: ignore[union-attr]
        assert alike(b) < alike(a) - 0.01
    assert alike(apart.model_) < alike(together.model_) - 0.01


def test_the_penalty_is_the_mean_cosine_of_two_prompts() -> None:
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(3, 4, 8, generator=draw), torch.randn(3, 2, 8, generator=draw))
    wanted = np.mean([mean_of_pairs(text_cosines(part)) for part in (text.global_, text.local)])
    assert float(likeness(text)) == pytest.approx(float(wanted), abs=1e-6)


def test_one_prompt_of_a_branch_is_like_no_other() -> None:
    assert float(likeness(TextFeatures(torch.ones(3, 1, 8), torch.ones(3, 0, 8)))) == 0


def test_the_penalty_parts_prompts() -> None:
    plain, pushed = (fit(MethodConfig(2, (2, 4), init=0.2, diversity=weight)) for weight in (0.0, 5.0))
    assert alike(pushed.model_) < alike(plain.model_) - 0.01


def test_a_model_keeps_both_and_one_without_has_no_trace(tmp_path: Path) -> None:
    fit(MethodConfig(2, (2, 4), init=0.5, diversity=1.0)).save(tmp_path / "with")
    fit(MethodConfig(2, (2, 4))).save(tmp_path / "without")
    said, plain = (json.loads((tmp_path / name / SETTINGS).read_text())["method"] for name in ("with", "without"))
    assert (said["init"], said["diversity"]) == (0.5, 1.0)
    assert not {"init", "diversity"} & {*plain}
    loaded = GalLoPClassifier.load(tmp_path / "with", backbone=vit())
    assert (loaded.model_.config.init, loaded.model_.config.diversity) == (0.5, 1.0)


def test_a_training_that_continues_starts_from_what_was_learned() -> None:
    taught = fit(APART, warm_start=True, epochs=1)
    before = learned(taught)
    again = taught.set_params(epochs=1, preset=taught.training_).fit(*pictures(SHOTS))
    assert not any(equal(learned(again), other) for other in (learned(fit(APART, epochs=1)), before))


def test_the_papers_preset_has_neither() -> None:
    assert (method_preset("paper").init, method_preset("paper").diversity) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("init", -0.1), ("diversity", -1.0), ("init", 11.0), ("starts", "a photo of a;"), ("starts", 3)],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is "):
        MethodConfig(**{field: value})
