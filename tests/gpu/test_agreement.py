"""A GPU computes what the CPU does: features, losses, gradients, steps and scores, within what its precision allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier, load_image
from gallop.backbones import Backbone
from gallop.config import REGION_KINDS
from gallop.features.cache import MemoryCache
from gallop.model.prompted import PromptModel
from gallop.training.loop import StepEvent
from tests import tiny
from tests.gpu.backbones import EXACT, HALF, IMAGES, backbone_of, exact, learned
from tests.reference import LEARNED, golden, relative_error

CPU = torch.device("cpu")
COUNTS = {"red": 5, "green": 5, "blue": 5, "yellow": 5}


def pixels(backbone: Backbone) -> torch.Tensor:
    """Of four pictures of different colours."""
    made = [load_image(tiny.picture(i, colour, (320, 240))) for i, colour in enumerate(COUNTS)]
    return torch.stack([backbone.preprocess.centre(photo.image)[0] for photo in made])


SEEN = [*(("vit", kind) for kind in REGION_KINDS), ("rn", "value"), ("plain", "value"), ("mini", "value")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SEEN)
def test_features_are_those_of_the_cpu(device: torch.device, name: str, kind: Any) -> None:
    with exact():
        reference = backbone_of(name, CPU).with_regions(kind)
        seen = pixels(reference)
        wanted = reference.encode_image(seen)
    here = backbone_of(name, device).with_regions(kind)
    assert here.vision_fingerprint == reference.vision_fingerprint, "weights are the same wherever they are"
    as_it_is = here.encode_image(seen)
    with exact():
        plain = here.encode_image(seen)
    for found, precise, own in zip(as_it_is, plain, wanted, strict=True):
        assert (found.device.type, found.dtype) == (device.type, torch.float32)
        assert relative_error(precise.cpu(), own) < EXACT
        assert relative_error(found.cpu(), own) < IMAGES[device.type]


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_loss_and_gradients_are_those_of_the_papers_code(device: torch.device, kind: str) -> None:
    """The figures of ``tests/golden``, so that no second computation of ours stands between."""
    case = golden(kind)
    if device.type == "cpu":
        case.model.backbone.precision = "bf16"
    prompts = case.model.prompts.to(device)
    model = PromptModel(case.model.backbone.to(device), case.model.class_names, case.model.config, prompts)
    kept, wanted = case.figure("kept_prompts")[0], float(case.figure("losses")[0])
    parameters = [getattr(prompts, own) for own in LEARNED]

    def step() -> tuple[float, list[torch.Tensor]]:
        total = model.loss(case.features, case.labels, kept)[0].total
        return float(total.detach()), [g.cpu() for g in torch.autograd.grad(total, parameters)]

    half, gradients = step()
    with exact():
        precise, exact_gradients = step()
    assert (precise, half) == (pytest.approx(wanted, rel=EXACT), pytest.approx(wanted, rel=HALF))
    for own, gradient, rough in zip(LEARNED.values(), exact_gradients, gradients, strict=True):
        figure = case.figure(f"grad/{own}")
        assert relative_error(gradient, figure) < 10 * EXACT
        assert torch.isfinite(rough).all()
        assert torch.cosine_similarity(rough.flatten(), figure.flatten(), dim=0) > 0.95


def classifier(backbone: Backbone, **changes: Any) -> GalLoPClassifier:
    """Five steps of four pictures; nothing kept is rounded, so that devices differ in what they compute alone."""
    settings = {"epochs": 1, "batch_size": 4, "cache": MemoryCache(dtype=torch.float32)}
    return tiny.classifier(backbone=backbone, **{**settings, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit", "plain"])
def test_five_steps_lead_where_they_lead_on_the_cpu(device: torch.device, name: str) -> None:
    def five(where: torch.device) -> tuple[torch.Tensor, torch.Tensor, list[StepEvent]]:
        made = classifier(backbone_of(name, where))
        events = [event for event in made.fit_steps(*tiny.pictures(COUNTS)) if isinstance(event, StepEvent)]
        start = learned(classifier(backbone_of(name, where)).zero_shot(list(COUNTS)))
        assert len(events) == 5
        return learned(made), start, events

    with exact():
        wanted, start, steps = five(CPU)
        found, also_start, others = five(device)
    assert torch.equal(start, also_start)
    moved = wanted - start
    assert relative_error(found - start, moved) < 10 * EXACT
    assert [e.loss for e in others] == pytest.approx([e.loss for e in steps], rel=10 * EXACT)
    assert all(
        torch.equal(a.kept, b.kept) and torch.equal(a.images, b.images) for a, b in zip(steps, others, strict=True)
    )
    half, start, _ = five(device)
    assert torch.cosine_similarity(half - start, moved, dim=0) > 0.95


def test_answers_and_outlier_scores_are_those_of_the_cpu(device: torch.device) -> None:
    images, _ = tiny.pictures(COUNTS)
    with exact():
        wanted = classifier(backbone_of("vit", CPU)).zero_shot(list(COUNTS)).predict_all(images)
    here = classifier(backbone_of("vit", device)).zero_shot(list(COUNTS))
    as_it_is = here.predict_all(images)
    with exact():
        precise = here.predict_all(images)
    assert np.abs(precise.probabilities - wanted.probabilities).max() < EXACT
    assert np.abs(as_it_is.probabilities - wanted.probabilities).max() < 10 * HALF
    for name, scores in wanted.ood.items():
        assert np.abs(precise.ood[name] - scores).max() < EXACT / 10
        assert np.abs(as_it_is.ood[name] - scores).max() < HALF / 4


@pytest.mark.parametrize("name", ["vit", "plain"])
def test_text_for_answers_is_exact_and_text_to_learn_from_is_not(device: torch.device, name: str) -> None:
    with exact():
        wanted = classifier(backbone_of(name, CPU)).zero_shot(list(COUNTS)).model_.cached_text_features()
    here = classifier(backbone_of(name, device)).zero_shot(list(COUNTS))
    found = here.model_.cached_text_features()
    assert relative_error(found.global_.cpu(), wanted.global_) < EXACT
    assert relative_error(found.local.cpu(), wanted.local) < EXACT
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip(f"{torch.cuda.get_device_name(device)} has no bf16, so it learns in fp32")
    learning = here.model_.text_features().global_.detach().cpu()
    assert EXACT < relative_error(learning, wanted.global_) < HALF


def test_a_training_that_was_cut_off_goes_on_on_the_same_device(device: torch.device, tmp_path: Path) -> None:
    """Sums of a GPU have no fixed order, so that two equal trainings differ a little; two seeds differ much more."""
    images = tiny.pictures(COUNTS)
    backbone = backbone_of("vit", device)

    def made(**changes: Any) -> GalLoPClassifier:
        return classifier(backbone, epochs=3, **changes)

    whole, other = made().fit(*images), made(seed=1).fit(*images)
    for event in made().fit_steps(*images, work=tmp_path):
        if isinstance(event, StepEvent) and event.step == 7:
            break
    resumed = made()
    first = next(e for e in resumed.fit_steps(*images, work=tmp_path) if isinstance(e, StepEvent))
    assert first.step == 6, "from the end of the last whole epoch"
    resumed = made()
    list(resumed.fit_steps(*images, work=tmp_path))
    moved = learned(whole) - learned(made().zero_shot(list(COUNTS)))
    apart = [float((learned(one) - learned(whole)).norm() / moved.norm()) for one in (resumed, other)]
    assert apart[0] < (1e-6 if device.type == "cpu" else 0.05)
    assert apart[1] > 0.1
