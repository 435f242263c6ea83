"""Whether prompts differ, on cases one can work out by hand and on a trained tiny model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gallop.core.gallop import TextFeatures
from gallop.evaluation.diversity import (
    best_photos,
    best_regions,
    chosen_regions,
    diversity_of,
    ensembling,
    overlaps,
    text_cosines,
    worths,
)
from gallop.model.answers import Rule, answers
from gallop.model.similarities import Look, Similarities
from tests import tiny


def made(global_: torch.Tensor, regions: torch.Tensor) -> Similarities:
    return Similarities((Look(global_, regions, regions.mean(dim=-1)),))


def random(b: int = 5, r: int = 9, k: int = 3, m: int = 2, n: int = 3) -> Similarities:
    generator = torch.Generator().manual_seed(0)
    return made(torch.randn(b, k, m, generator=generator), torch.randn(b, r, k, n, generator=generator))


def test_cosines_of_text_are_averaged_over_classes() -> None:
    text = torch.tensor([[[1.0, 0.0], [3.0, 4.0]], [[0.0, 2.0], [0.0, 1.0]]])  # (K, P, D)
    assert text_cosines(text) == pytest.approx(np.array([[1.0, 0.8], [0.8, 1.0]]))


def test_untaught_prompts_all_say_the_same_and_taught_ones_do_not() -> None:
    before = tiny.classifier().zero_shot(["red", "green"])
    after = tiny.classifier(epochs=8, dropout=0.5, lr=0.5).fit(*tiny.pictures({"red": 4, "green": 4}))
    for untaught, taught in zip(before.prompts.cosines(), after.prompts.cosines(), strict=True):
        assert (untaught, np.diag(taught)) == (pytest.approx(1.0, abs=1e-5), pytest.approx(1.0, abs=1e-5))
        assert taught.min() < 0.999


def test_the_chosen_regions_are_those_the_score_is_the_mean_of() -> None:
    found, classes, topk = random(), [0, 2, 1, 1, 0], (1, 4, 20)
    chosen = torch.from_numpy(chosen_regions(found, classes, topk))
    assert chosen.sum(dim=2).tolist() == [[1, 4, 9]] * 5  # k is clamped to R
    for b, c in enumerate(classes):
        for n in range(3):
            mean = found.looks[0].region_cosines[b, chosen[b, n], c, n].mean()
            assert float(mean) == pytest.approx(float(answers(found, Rule(topk)).local[b, c, n]), abs=1e-6)


def test_photos_that_prompts_answer_differently_are_counted() -> None:
    """Each is wrong about another photo. Figures by hand."""
    right, wrong = [0.3, 0.1], [0.1, 0.2]  # of the true class 0 and of the other one
    photos = [[right, right, wrong], [right, wrong, right], [wrong, right, right], [right, right, right]]
    found = ensembling(torch.tensor(photos).movedim(-1, 1), [0, 0, 0, 0])
    assert found.disagree == 3


def test_overlap_is_jaccards() -> None:
    two, eight, shifted = [1, 1, 0, 0, 0, 0, 0, 0], [1] * 8, [0, 1, 1, 0, 0, 0, 0, 0]
    chosen = np.array([[two, eight], [two, shifted]], dtype=bool)  # two lie within eight; one of three is shared
    assert overlaps(chosen) == pytest.approx(np.array([[1.0, (2 / 8 + 1 / 3) / 2], [(2 / 8 + 1 / 3) / 2, 1.0]]))


def test_a_prompt_counts_by_what_it_says_of_the_classes_apart() -> None:
    """Prompt 0 decides, prompt 1 says the same of both classes, prompt 2 is wrong."""
    truth = [0, 0, 0, 1]
    sign = 1.0 - 2.0 * torch.tensor(truth)  # +1 for class 0
    decides = torch.stack([sign, -sign], dim=1)
    local = made(torch.stack([decides, torch.full((4, 2), 7.0)], dim=-1), -0.1 * decides[:, None, :, None])
    found = worths(answers(local, Rule((1,))), truth)
    assert [worth.influence for worth in found] == pytest.approx([2.0, 0.0, 1.0])
    assert [(worth.alone, worth.silent, worth.ignorant, worth.dead) for worth in found] == [
        (4, False, False, False),
        (3, True, True, True),
        (0, False, True, True),
    ]
    # Without the first, the flat one and the wrong one are left, and nothing is right.
    assert [(worth.without, worth.gained, worth.lost) for worth in found] == [(0, 0, 4), (4, 0, 0), (4, 0, 0)]


def test_without_a_prompt_is_the_ensemble_of_the_others() -> None:
    found, truth = random(b=40), torch.arange(40) % 3
    local = answers(found, Rule((2, 3, 4))).local
    worth = worths(answers(found, Rule((2, 3, 4))), truth.tolist())
    assert len(worth) == 5
    global_ = found.image_cosines.mean(-1)
    ensembles = (
        found.image_cosines[..., 1] + local.mean(-1),
        global_ + local[..., :2].mean(-1),
        global_ + local.mean(-1),
    )
    without_first, without_last, right = (int((sums.argmax(-1) == truth).sum()) for sums in ensembles)
    assert (worth[0].without, worth[4].without) == (without_first, without_last)
    assert all(each.without == right + each.gained - each.lost for each in worth)


def test_the_best_regions_of_a_local_prompt_are_one_a_photo_for_the_class_of_that_photo() -> None:
    found, truth = random(), [0, 2, 1, 1, 0]
    best = best_regions(found, truth, prompt=2, most=3)
    cosines = [found.looks[0].region_cosines[b, :, c, 2] for b, c in enumerate(truth)]
    assert [each.score for each in best] == sorted((float(each.max()) for each in cosines), reverse=True)[:3]
    assert [float(cosines[each.photo][each.region]) for each in best] == [each.score for each in best]


def test_the_best_photos_of_a_prompt_are_those_that_it_alone_gets_right_and_then_its_surest() -> None:
    """Scores of two classes by two prompts, by hand: photo 3 is right by the first alone, 2 by the second alone."""
    first, second = [[0.9, 0.1], [0.5, 0.1], [0.1, 0.2], [0.3, 0.2]], [[0.5, 0.2], [0.8, 0.0], [0.4, 0.1], [0.1, 0.2]]
    scores = torch.tensor([first, second]).movedim(0, -1)  # (B, K, P)
    assert [best_photos(scores, [0] * 4, prompt) for prompt in (0, 1)] == [[3, 0, 1], [2, 1, 0]]
    assert best_photos(scores, [0] * 4, 0, most=2) == [3, 0]
    assert best_photos(scores, [1] * 4, 0) == [2], "right is what the class of the photo says"
    assert best_photos(scores[:, :1], [0] * 4, 1) == [0, 1, 2, 3], "one class has none to be ahead of"


def text_at(cosine: float, prompts: int) -> torch.Tensor:
    """(K, P, D) of two classes: every two prompts have this cosine."""
    gram = torch.full((prompts, prompts), cosine).fill_diagonal_(1).double()
    root = torch.linalg.cholesky(gram).float()
    return torch.stack([root, root.flip(-1)])


@pytest.mark.parametrize(
    ("cosines", "wanted"),
    [
        (
            (0.96, 0.951),
            "4 global prompts answer as one (cosine 0.960); 3 local prompts differ only in their k (cosine 0.951). One "
            "global prompt would do as well, and each local one adds its scale alone",
        ),
        (
            (0.999, 0.94),
            "4 global prompts answer as one (cosine 0.999); 3 local prompts differ (cosine 0.940). One global",
        ),
        (
            (0.5, 0.999),
            "4 global prompts differ (cosine 0.500); 3 local prompts differ only in their k (cosine 0.999). Each local",
        ),
        (
            (0.5, 0.5),
            "4 global prompts differ (cosine 0.500); 3 local prompts differ (cosine 0.500). Their scores are averaged",
        ),
    ],
)
def test_one_sentence_says_whether_prompts_differ_and_what_to_do(cosines: tuple[float, float], wanted: str) -> None:
    found = diversity_of(TextFeatures(text_at(cosines[0], 4), text_at(cosines[1], 3)))
    assert found.words.startswith(wanted)


def test_a_prompt_that_alone_is_right_is_named_with_its_photos() -> None:
    """Global prompts answer 0, 1; 0, 0; 1, 0 to photos of class 0; the local ones always alike."""
    global_ = torch.nn.functional.one_hot(torch.tensor([[0, 1], [0, 0], [1, 0]]), 2).movedim(-1, 1).float()
    local = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).expand(3, 1, 2, 2)
    found = diversity_of(
        TextFeatures(text_at(0.5, 2), text_at(1 - 1e-4, 2)), answers(made(global_, local), Rule((1, 1))), [0, 0, 0]
    )
    each = tiny.there(found.answers)[0]
    assert (each.only, each.disagree) == ((1, 1), 2)
    assert "2 global prompts differ (cosine 0.500): only global 1 is right on 1 of 3 photos; " in found.words
    assert "2 local prompts differ only in their k (cosine 1.000): the same answers to 3 photos. Each" in found.words


def test_prompts_that_disagree_and_are_wrong_where_they_do_are_counted() -> None:
    global_ = torch.nn.functional.one_hot(torch.tensor([[1, 2], [0, 0]]), 3).movedim(-1, 1).float()
    text = TextFeatures(text_at(0.5, 2), text_at(0.5, 1))
    assert diversity_of(text, answers(made(global_, global_[:, None, :, :1]), Rule((1,))), [0, 0]).words.startswith(
        "2 global prompts differ (cosine 0.500): they answer 1 of 2 photos differently. Their scores"
    )


def test_one_prompt_has_nothing_to_be_compared_with_and_cannot_be_taken_away() -> None:
    alone, truth = answers(random(m=1, n=0), Rule()), [0, 1, 2, 0, 1]
    (only,) = worths(alone, truth)
    assert (only.without, only.gained, only.lost, only.influence) == (None, 0, 0, 1.0)
    found = diversity_of(TextFeatures(text_at(0.5, 1), text_at(0.5, 2)[:, :0]), alone, truth)
    assert (found.global_, found.local, found.prompts, found.as_one) == (None, None, (1, 0), (False, False))
    assert found.words == "No two prompts of a kind, so nothing to compare"
