"""The paper as a module of its own: the reference's figures by a loop of ten lines, and the same as the fast path."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from gallop import GalLoP
from gallop.core.gallop import Prompts, TextFeatures, draw_kept_prompts, gallop_loss
from tests.reference import LEARNED, Golden, golden, meta, relative_error


class Recorded(GalLoP):
    """With the draws of prompt dropout that the reference made."""

    kept_prompts: Tensor

    def draw(self, images: int, generator: torch.Generator | None = None) -> Tensor:
        return self.kept_prompts


@pytest.fixture(params=["vit", "rn"])
def case(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


@pytest.fixture
def module(case: Golden) -> Recorded:
    made = Recorded.of(case.model.backbone, meta()["class_names"], topk=tuple(meta()["topk"]))
    made.prompts.load_state_dict(case.model.prompts.state_dict())
    assert isinstance(made, Recorded)
    return made


def test_five_steps_of_a_plain_loop_give_the_references_losses_and_prompts(case: Golden, module: Recorded) -> None:
    sgd, (images, regions) = meta()["sgd"], (case.features.global_, case.features.regions)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=sgd["lr"], momentum=sgd["momentum"], weight_decay=sgd["weight_decay"]
    )
    losses = []
    for kept in case.figure("kept_prompts"):
        module.kept_prompts = kept
        loss = module.loss(images, regions, case.labels).total
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses == pytest.approx(case.figure("losses").tolist(), rel=1e-5)
    for own, theirs in LEARNED.items():
        assert relative_error(getattr(module.prompts, own).detach(), case.figure(f"after5/{theirs}")) < 1e-5


def test_probabilities_and_outlier_scores_are_the_references(case: Golden, module: Recorded) -> None:
    with torch.no_grad():
        found = module.probabilities(case.features.global_, case.features.regions)
        outlier = module.ood_score(case.features.global_, case.features.regions)
    assert relative_error(found, case.figure("probs")) < 1e-5
    assert relative_error(outlier, case.figure("ood/GL-MCM")) < 1e-5


def test_the_fast_path_has_the_same_loss_and_gradients(case: Golden, module: Recorded) -> None:
    module.kept_prompts = kept = case.figure("kept_prompts")[0]
    plain = module.loss(case.features.global_, case.features.regions, case.labels).total
    fast = case.model.loss(case.features, case.labels, kept)[0].total
    assert float(plain.detach()) == pytest.approx(float(fast.detach()), rel=1e-6)
    for one, other in zip(
        torch.autograd.grad(plain, list(module.parameters())),
        torch.autograd.grad(fast, list(case.model.prompts.parameters())),
        strict=True,
    ):
        assert relative_error(one, other) < 1e-5


def small() -> tuple[GalLoP, Tensor, Tensor]:
    """Without a backbone: three classes, five images of nine regions."""
    torch.manual_seed(0)
    classes = torch.randn(3, 16)
    made = GalLoP(
        lambda contexts: classes[:, None] + contexts.mean(dim=1) + 0.1 * contexts.std(dim=1, correction=0),
        Prompts(torch.zeros(4, 16), global_prompts=4, local_prompts=2, region_width=8),
        topk=(3, 1),
        kept=2,
        scale=20.0,
        visual_projection=torch.randn(8, 16),
    )
    return made, torch.randn(5, 16), torch.randn(5, 9, 8)


def test_it_draws_prompt_dropout_itself_from_a_generator() -> None:
    module, images, regions = small()
    with torch.no_grad():
        module.prompts.global_contexts.normal_()
    labels, text = torch.tensor([0, 1, 2, 0, 1]), module.text()
    kept = draw_kept_prompts(5, 4, 2, torch.Generator().manual_seed(7))
    wanted = gallop_loss(module.image_cosines(images, text), module.local_logits(regions, text), labels, 20.0, kept)
    assert torch.equal(module.loss(images, regions, labels, torch.Generator().manual_seed(7)).total, wanted.total)
    assert not torch.equal(module.loss(images, regions, labels, torch.Generator().manual_seed(8)).total, wanted.total)


def test_the_loss_with_weights_is_that_of_repeated_images() -> None:
    drawn = torch.Generator().manual_seed(3)
    global_, local = torch.randn(4, 2, 3, generator=drawn), torch.randn(4, 2, 2, generator=drawn)
    labels, kept = torch.tensor([0, 0, 0, 1]), draw_kept_prompts(4, 3, 2, drawn)
    found = gallop_loss(global_, local, labels, 20.0, kept, torch.tensor([4 / 6, 4 / 2]))
    again = torch.tensor([0, 1, 2, 3, 3, 3])
    wanted = gallop_loss(global_[again], local[again], labels[again], 20.0, kept[again])
    assert torch.allclose(found.global_, wanted.global_, atol=1e-6)
    assert torch.allclose(found.local, wanted.local, atol=1e-6)


def test_its_cosines_and_probabilities_are_those_of_the_formula() -> None:
    module, images, regions = small()
    with torch.no_grad():
        module.prompts.local_projection.normal_()
        module.prompts.local_contexts.normal_()
        text = module.text()
        whole, places = module(images, regions, text)
        joint = regions @ module.prompts.local_projection.T @ module.visual_projection
        cosine = torch.nn.functional.cosine_similarity
        assert torch.allclose(whole, cosine(images[:, None, None], text.global_, dim=-1), atol=1e-6)
        assert torch.allclose(places, cosine(joint[:, :, None, None], text.local, dim=-1), atol=1e-6)
        best = places.sort(dim=1, descending=True).values
        local = torch.stack([best[:, :3, :, 0].mean(dim=1), best[:, :1, :, 1].mean(dim=1)], dim=-1)
        mean = (whole.mean(dim=-1) + local.mean(dim=-1)) / 2
        assert torch.allclose(module.probabilities(images, regions), (20 * mean).softmax(dim=-1), atol=1e-6)


def test_a_pooling_of_ones_own_reaches_the_loss_and_the_answer() -> None:
    class Flat(GalLoP):
        def pool(self, region_cosines: Tensor) -> Tensor:
            return region_cosines.new_zeros(len(region_cosines), *region_cosines.shape[2:])

    module, images, regions = small()
    flat = Flat(module.encode_text, module.prompts, topk=(1, 3), scale=20.0, visual_projection=module.visual_projection)
    text: TextFeatures = flat.text()
    wanted = (10 * flat.image_cosines(images, text).mean(dim=-1)).softmax(dim=-1)
    assert torch.allclose(flat.probabilities(images, regions), wanted, atol=1e-6)
    labels = torch.tensor([0, 1, 2, 0, 1])
    assert float(flat.loss(images, regions, labels).local.detach()) == pytest.approx(torch.tensor(3.0).log().item())


def test_prompts_that_a_copy_of_a_model_is_given_are_not_the_originals(case: Golden) -> None:
    before, other = case.model.prompts, copy.copy(case.model)
    other.prompts = copy.deepcopy(before)
    assert case.model.prompts is before
    assert other.prompts is not before
