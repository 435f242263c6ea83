"""The paper's numerics, against figures that its own implementation produced (``tests/golden``)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gallop.config import TrainConfig
from gallop.core.gallop import gallop_loss
from gallop.evaluation import metrics
from gallop.model.answers import answers
from gallop.parts import REGISTERED
from gallop.training.loop import Batch, StepResult, Trainer
from tests.reference import LEARNED, Golden, figures, golden, meta, relative_error, tensor

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=["vit", "rn"])
def case(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


def check(found: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> None:
    assert relative_error(found.detach(), wanted) < tolerance


def test_features_of_images_regions_prompts_and_the_template(case: Golden) -> None:
    check(case.features.global_, case.figure("image_features"))
    check(case.features.regions, case.figure("local_features_raw"))
    projection = case.model.prompts.projection(case.model.backbone.vision.region_projection)
    check(case.features.regions @ projection, case.figure("local_features"))
    text = case.model.text_features()
    check(text.global_, case.figure("text_global"))
    check(text.local, case.figure("text_local"))
    texts = [meta()["template"].format(name) for name in meta()["class_names"]]
    features = torch.nn.functional.normalize(case.model.backbone.text.encode_texts(texts), dim=-1)
    check(features, case.figure("text_template"))


def test_cosines_topk_probabilities_and_ood_scores(case: Golden) -> None:
    found = case.model.similarities(case.features, case.model.text_features())
    rule = case.model.rule()
    answer = answers(found, rule)
    check(found.image_cosines, case.figure("global_logits"))
    check(found.looks[0].region_cosines, case.figure("local_logits"))
    check(answer.local, case.figure("local_topk"))
    check(answer.probabilities, case.figure("probs"))
    check(rule.probabilities(found.image_cosines.mean(-1)), case.figure("probs_global"))
    check(rule.probabilities(answer.local.mean(-1)), case.figure("probs_local"))
    for name in ("MCM", "L-MCM", "GL-MCM"):
        check(found.ood[name], case.figure(f"ood/{name}"))


def test_gradients_of_the_first_step(case: Golden) -> None:
    model = case.model
    loss, _, _ = model.loss(case.features, case.labels, case.figure("kept_prompts")[0])
    gradients = torch.autograd.grad(loss.total, [getattr(model.prompts, own) for own in LEARNED])
    check(loss.total, case.figure("losses")[0])
    for gradient, theirs in zip(gradients, LEARNED.values(), strict=True):
        check(gradient, case.figure(f"grad/{theirs}"))


def test_five_steps_of_sgd(case: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses, parameters and, stricter, the change of the parameters, at the reference's constant learning rate."""
    start = golden(case.kind)  # its own copy: training changes parameters in place
    kept = start.figure("kept_prompts")

    def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
        images = batches[0].images
        features = start.features[images]
        # The recorded draw belongs to the reference's order of images; ours is shuffled.
        loss, global_, _ = start.model.loss(features, start.labels[images], kept[epoch][images])
        right = global_.mean(-1).argmax(-1) == start.labels[images]
        return StepResult(loss, right, right, right, kept[epoch])

    sgd = meta()["sgd"]
    rates = {key: sgd[key] for key in ("lr", "momentum", "weight_decay")}
    config = TrainConfig(epochs=5, batch_size=6, scheduler="constant", **rates)
    monkeypatch.setitem(REGISTERED["scheduler"], "constant", lambda epoch, epochs: 1.0)
    trainer = Trainer(list(start.model.prompts.parameters()), compute, [6], config)
    check(torch.tensor([event.loss for event in trainer.run()], dtype=torch.float64), start.figure("losses"))
    for own, theirs in LEARNED.items():
        before = start.figure(f"learned/{theirs}").float()
        after = start.figure(f"after5/{theirs}")
        parameter = getattr(start.model.prompts, own).detach()
        check(parameter, after)
        check(parameter - before, after - before, tolerance=1e-4)


def test_loss_is_the_sum_of_the_named_terms(case: Golden) -> None:
    """Against the formula written out with one cross-entropy a prompt."""
    global_, local = case.figure("global_logits"), case.figure("local_topk")
    kept, scale = case.figure("kept_prompts")[0], case.model.backbone.logit_scale
    loss = gallop_loss(global_, local, case.labels, scale, kept)
    ce = torch.nn.functional.cross_entropy
    picked = torch.stack([global_[b, :, kept[b]].mean(-1) for b in range(6)])
    wanted_local = sum(ce(scale * local[..., n], case.labels) for n in range(4)) / 4
    assert torch.allclose(loss.global_, ce(scale * picked, case.labels))
    assert torch.allclose(loss.local, wanted_local)
    assert torch.allclose(loss.total, loss.global_ + loss.local)


def test_auroc_and_fpr95_exactly() -> None:
    inliers, outliers = figures()["metrics/id_scores"], figures()["metrics/ood_scores"]
    assert metrics.fpr_at_tpr(inliers, outliers) == float(tensor("metrics/fpr95"))
    assert metrics.auroc(inliers, outliers) == float(tensor("metrics/auroc"))
