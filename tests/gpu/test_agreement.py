"""A GPU computes what the CPU does: features, losses, gradients, steps and scores, within what its precision allows.

Each test computes once on the CPU, and once on a GPU (marked ``gpu``). On the CPU they show that they are sound, on
backbones of a few thousand weights; what they are for is the GPU. There is one command for them and the rates beside
them: ``make gpu``. Backbones are asked in two precisions, as they are run there and in plain fp32, which differ by
rounding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from open_clip import SimpleTokenizer
from open_clip.model import CustomTextCLIP

from gallop import GalLoPClassifier, load_image
from gallop.backbones import Backbone, load_backbone
from gallop.config import REGION_KINDS
from gallop.features.cache import MemoryCache
from gallop.features.encoding import encode_looks
from gallop.model.answers import answers
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.training.loop import StepEvent
from tests import reference, tiny
from tests.backbones.test_encoders import PREPROCESS, TINY_VISION, draw_parameters
from tests.reference import LEARNED, golden, relative_error

EXACT = 1e-4
"""Relative difference of two devices in fp32: the order of sums."""

HALF = 2e-2
"""The same of a half precision and fp32: fp16 for images on a GPU, bf16 for text that is learned from."""

IMAGES = {"cpu": 0.1, "cuda": HALF}
"""The same of image features, by device: through fifty layers, bf16 has three bits less than fp16."""
CPU = torch.device("cpu")
COUNTS = {"red": 5, "green": 5, "blue": 5, "yellow": 5}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """A device that is there; without a GPU the tests that are for one are left out, and named."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    return torch.device(request.param)


def backbone_of(name: str, device: torch.device) -> Backbone:
    """``mini``, one of the reference's two, or "plain": text that is not causal, and an image pooled by attention;
    on a CPU in bf16, which stands for a GPU's half precision there.
    """
    ways = {
        "mini": lambda: load_backbone("mini", device="cpu"),
        "vit": tiny.new_vit,
        "rn": lambda: reference.backbone("rn"),
        "plain": _plain,
    }
    made: Backbone = ways[name]()
    if device.type == "cpu":
        made.precision = "bf16"
    return made.to(device)


def _plain() -> Backbone:
    torch.manual_seed(0)
    vision = {**TINY_VISION, "layers": 2, "head_width": 16, "patch_size": 8, "attentional_pool": True}
    text = {"width": 64, "heads": 2, "layers": 2, "context_length": 24, "no_causal_mask": True, "pool_type": "last"}
    model = CustomTextCLIP(32, vision, text)
    draw_parameters(model)
    return Backbone("plain", model, SimpleTokenizer(context_length=24), replace(PREPROCESS, size=32))


@contextmanager
def exact() -> Iterator[None]:
    """All backbones in fp32, on a GPU too, and its convolutions without TF32."""

    def plain(self: Backbone, on_gpu: torch.dtype) -> torch.autocast:
        return torch.autocast(self.device.type, enabled=False)

    usual = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with mock.patch.object(Backbone, "autocast", plain):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = usual


def learned(made: GalLoPClassifier) -> torch.Tensor:
    """Return all that a classifier has learned, as one row on the CPU."""
    return torch.cat([value.detach().cpu().flatten() for value in made.model_.prompts.parameters()])


def pixels(backbone: Backbone) -> torch.Tensor:
    """Of four pictures of different colours."""
    made = [load_image(tiny.picture(i, colour, (320, 240))) for i, colour in enumerate(COUNTS)]
    return torch.stack([backbone.preprocess.centre(photo.image)[0] for photo in made])


SEEN = [*(("vit", kind) for kind in REGION_KINDS), ("rn", "value"), ("plain", "value"), ("mini", "value")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SEEN)
def test_features_are_those_of_the_cpu(device: torch.device, name: str, kind: Any) -> None:
    with exact():
        wanting = backbone_of(name, CPU).with_regions(kind)
        seen = pixels(wanting)
        wanted = wanting.encode_image(seen)
    here = backbone_of(name, device).with_regions(kind)
    assert here.vision_fingerprint == wanting.vision_fingerprint, "weights are the same wherever they are"
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


def test_answers_stay_on_the_device_and_their_parts_add_up(device: torch.device) -> None:
    model = classifier(backbone_of("vit", device)).zero_shot(list(COUNTS)).model_
    with torch.no_grad():
        features = encode_looks(model.backbone, [pixels(model.backbone)])
        rule, text = model.rule(Calibration(threshold=-1.0)), model.cached_text_features()
        found = answers(model.similarities(features, text), rule)
    tensors = [found.scores, found.probabilities, found.labels, found.verdict, *found.parts.values()]
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {device.type}
    assert torch.allclose(sum(found.parts.values(), torch.zeros_like(found.scores)), found.scores, atol=1e-6)


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
    steps = [event.step for event in resumed.fit_steps(*images, work=tmp_path) if isinstance(event, StepEvent)]
    assert steps[0] == 6, "from the end of the last whole epoch"
    moved = learned(whole) - learned(made().zero_shot(list(COUNTS)))
    apart = [float((learned(one) - learned(whole)).norm() / moved.norm()) for one in (resumed, other)]
    assert apart[0] < (1e-6 if device.type == "cpu" else 0.05)
    assert apart[1] > 0.1
