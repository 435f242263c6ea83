"""The steps of the method: their sums are the library's, and what they hold is told in the photo's own pixels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from gallop import Explanation, MethodConfig
from gallop.core.gallop import gallop_loss
from gallop.images import CropBox
from gallop.maps.explainer.payload import Origins, explainer_data, steps_data
from gallop.model.answers import Rule, answers
from tests.maps.test_explainer import answer_of, explanation, made_up, with_head

CASES: dict[str, Any] = {
    "golden backbones": lambda: explanation(topk=(1, 3, 5, 16)),
    "one global prompt, one scale": lambda: explanation(topk=(3,), global_prompts=1),
    "no local prompts": lambda: explanation(topk=()),
    "20 classes, with a temperature": lambda: made_up(20, 7),
    "golden backbones, ridge regression": lambda: with_head("ridge", topk=(1, 3, 5, 16)),
    "no local prompts, a head": lambda: with_head("ridge", topk=()),
    "20 classes, a head": lambda: made_up(20, 7, head=0.6),
}


@pytest.mark.parametrize("case", CASES)
def test_shares_loss_and_outlier_score_are_the_librarys(case: str, node: str) -> None:
    found: Explanation = CASES[case]()
    prompts = found.global_scores.shape[1]
    kept = list(range(prompts))[: MethodConfig(prompts, found.topk).kept_prompts]
    said = answer_of(node, "steps_said.mjs", data=explainer_data(found), topk=found.topk, c=1, kept=kept)
    assert said["shares"] == pytest.approx(list(found.probabilities.values()), abs=1e-5)
    similarities = found.similarities
    cosines = similarities.image_cosines, answers(similarities, Rule(found.topk)).local
    loss = gallop_loss(*cosines, torch.tensor([1]), found.scale, torch.tensor([kept]))
    assert said["loss"]["total"] == pytest.approx(float(loss.total), rel=1e-4, abs=1e-5)
    assert -said["surest"]["probability"] == pytest.approx(float(similarities.ood["L-MCM"][0]), abs=1e-5)


def test_the_crop_is_told_in_the_photos_pixels() -> None:
    shown = explainer_data(explanation())
    data = steps_data(
        shown, (80, 40), CropBox(20, 0, 60, 40), Origins(32, ("A {}",), kept=2, notes={"regions": "Odd."})
    )
    assert data["method"] == {
        "pixels": [80, 40],
        "side": 32,
        "cut": [20, 0, 60, 40],
        "squeezed": False,
        "texts": ["A {}"],
        "tokens": 4,
        "kept": 2,
        "notes": {"regions": "Odd.", "prompts": "", "cosines": "", "learning": ""},
        "notebooks": {},
    }
    assert {key: data[key] for key in shown} == shown
    assert steps_data(shown, (80, 40), CropBox(0, 0, 80, 40), Origins(32))["method"]["squeezed"], "of another shape"
    assert steps_data(shown, (40, 40), CropBox(0, 0, 40, 40), Origins(32))["method"]["texts"] is None
    assert np.isfinite(json.loads(json.dumps(data))["scale"])
