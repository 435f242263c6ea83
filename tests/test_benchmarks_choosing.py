"""The choice of a configuration: what is worked out from kept trainings."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmarks.choosing import heads, kept, pairs
from benchmarks.choosing.candidates import Candidate, answers, features, head_scores
from benchmarks.choosing.figures import SetFigures, difference, figures
from benchmarks.choosing.tables import Judged, over_sets, over_shots
from benchmarks.choosing.trainings import Trainings, fewer
from gallop import read_folder
from gallop.config import MethodConfig
from gallop.features.cache import MemoryCache
from gallop.features.encoding import ImageFeatures, encode_centres
from gallop.model.head.forms import ridge
from gallop.model.head.head import PENALTY
from gallop.model.head.mix import Mix
from gallop.model.head.sums import KeptShots, ShotSums, shot_features
from gallop.training.loop import ALONE
from gallop.training.third import shots_for_heads
from tests import tiny

SETS = ("ants", "pacs/photo")


def said(photos: int, classes: int, right: float, seed: int) -> kept.Said:
    """Of prompts and features that know the class of a photo as well as ``right`` says."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(photos) % classes
    hint = torch.nn.functional.one_hot(labels, classes).float().repeat(2, 1, 1)
    noise = torch.randn(2, photos, classes, generator=draw)
    cosines = 0.02 * (right * hint + noise)
    wide = torch.cat([hint * right, torch.zeros(2, photos, 8)], dim=-1)
    mean = wide + torch.randn(wide.shape, generator=draw)
    scores = torch.rand(2, photos, generator=draw)
    moments = hint[:1] * right + torch.randn(1, photos, classes, generator=draw)
    return kept.Said(cosines, cosines.flip(-1) * 0, scores, scores, mean, moments, labels)


def run(right: float, seed: int, shots: int = 12, classes: int = 3) -> kept.Run:
    own = said(shots * classes, classes, right, seed + 100)
    asked = {"held out": said(24, classes, right, seed), "unknown": said(9, classes, 0.0, seed + 50)}
    asked |= {"shift": asked["unknown"], "test": asked["held out"]}
    texts = features(1, torch.eye(classes, 8 + classes)[None]).float()
    return kept.Run(asked, own.features, own.moments, own.labels, texts, 50.0)


class Folder(Trainings):
    """Two sets whose trainings are numbers; those of the variant "wide" know more."""

    @property
    def sets(self):  # type: ignore[no-untyped-def, override]
        return dict.fromkeys(SETS)

    def inside(self, name: str, variant: str, count: int, seed: int = 0) -> list[kept.Run]:
        return [run(2.0 if variant == "wide" else 0.5, 7 * fold + len(name) + count, count) for fold in range(4)]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    return Judged(Folder(tmp_path, tmp_path))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    before = [run(1.0, 0), run(1.0, 1)]
    kept.save(before, tmp_path / "some.pt")
    after = kept.load(tmp_path / "some.pt", before[0].texts)
    assert list(tmp_path.iterdir()) == [tmp_path / "some.pt"]
    for some, other in zip(before, after, strict=True):
        assert all(torch.equal(getattr(some, name), getattr(other, name)) for name in ("features", "moments", "texts"))
        assert some.asked.keys() == other.asked.keys()
        mine, others = vars(some.asked["test"]), vars(other.asked["test"])
        assert all(torch.equal(mine[name], others[name]) for name in mine)


def test_ridge_regression_is_drawn_to_the_names_as_far_as_a_candidate_says() -> None:
    some = run(1.0, 0)
    sums = ShotSums.of(KeptShots(features(1, some.features)[:, None], some.labels), 3)
    photos = features(1, some.asked["held out"].features)
    for names in (0.0, 2.0):
        one = Candidate("a", head="ridge", strength=0.3, names=names, halved=6.0)
        wanted = ridge(sums, 0.3, names / 4 * some.texts)(photos)  # of 12 shots each
        assert torch.allclose(head_scores(one, some, "held out"), wanted)


def test_a_head_that_knows_covariances_learns_from_these_alone_and_is_drawn_to_no_name() -> None:
    some = run(1.0, 0)
    sums = ShotSums.of(KeptShots(features(1, some.moments)[:, None], some.labels), 3)
    one = Candidate("a", head="covariance", strength=0.3, names=2.0)
    wanted = ridge(sums, 0.3)(features(1, some.asked["held out"].moments))
    assert torch.equal(head_scores(one, some, "held out"), wanted)
    library = ridge(sums, PENALTY)(features(1, some.asked["held out"].moments))
    assert torch.equal(head_scores(replace(one, strength=None), some, "held out"), library)


def test_covariances_are_kept_as_a_model_of_the_same_shots_knows_them(tmp_path: Path) -> None:
    photos, cache = read_folder(tiny.write_folder(tmp_path, {"red": 4, "blue": 4})), MemoryCache(2**24)
    lessons = [kept.Lesson(learned, {"held out": photos.take([0, 1, 4, 5])}) for learned in ([2, 3, 6, 7], [2, 6])]
    config = MethodConfig(global_prompts=1, topk=(2,))
    runs = kept.train(tiny.vit(), config, photos, lessons, cache, seed=0)
    held = ImageFeatures.cat(list(encode_centres(tiny.vit(), photos.take([0, 1, 4, 5]).photos, cache)))
    for one, lesson in zip(runs, lessons, strict=True):
        *_, shots = shots_for_heads("covariance", tiny.vit(), photos.take(lesson.learned), cache, ALONE)
        assert torch.allclose(one.moments[0], shots.features[:, 0], atol=1e-5)
        wanted = shot_features(tiny.vit(), held, shots.channels)
        assert torch.allclose(one.asked["held out"].moments[0], wanted, atol=1e-5)
        assert one.asked["held out"].features.shape[0] == 2  # looks, of which a covariance is of the first
    assert not torch.allclose(*(one.asked["held out"].moments for one in runs), atol=1e-2)


def test_a_head_that_knows_covariances_has_a_line_for_each_strength_of_one_look(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "STRENGTHS", {"ridge": (0.1,), "covariance": heads.STRENGTHS["covariance"]})
    lines = list(heads.over_strengths(judged, "wide", 4))
    found = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines[2:]]
    assert found[:2] == [["ridge", "1", "0.1"], ["ridge", "2", "0.1"]]
    assert found[2:] == [["covariance", "1", strength] for strength in ("0.03", "0.1", "0.3", "1")]
    assert {line.count("|") for line in lines} == {len(heads.WEIGHTS) + 6}


def test_the_first_photos_of_each_class_are_taken() -> None:
    assert fewer([0, 1, 0, 1, 0], [4, 2, 1, 3], 1) == [4, 1]


def test_a_head_without_weight_is_none() -> None:
    folds = [run(1.0, seed) for seed in range(3)]
    plain = answers(Candidate("plain"), folds[0], folds[1:], "held out")
    beside = answers(Candidate("a", head="ridge", mix=Mix(0.0, 1.0), chosen=False), folds[0], folds[1:], "held out")
    assert torch.equal(plain.right, beside.right)
    assert torch.allclose(plain.logits, beside.logits)


def test_features_of_two_looks_are_the_mean_of_both() -> None:
    each = torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]]])
    assert torch.allclose(features(1, each), torch.tensor([[1.0, 0.0]], dtype=torch.double))
    assert torch.allclose(features(2, each), torch.tensor([[0.6, 0.8]], dtype=torch.double))


def test_a_difference_has_the_error_of_a_paired_mean(judged: Judged) -> None:
    one, other = (judged.of(Candidate("a", variant), 4, SETS) for variant in ("wide", "usual"))
    gap, error = difference(one, other)
    gaps = [a.right - b.right for a, b in zip(one, other, strict=True)]
    assert gap == pytest.approx(100 * sum(float(g.mean()) for g in gaps) / 2)
    assert error == pytest.approx(100 * math.hypot(*(float(g.std()) / math.sqrt(len(g)) for g in gaps)) / 2)


def test_figures_of_unknown_photos_are_those_of_the_looks_that_answer() -> None:
    folds = [run(1.0, seed) for seed in range(4)]
    once, twice = (figures(Candidate("a", looks=looks), folds) for looks in (1, 2))
    assert once.area != twice.area


class Known(Judged):
    """Figures that are given: accuracy and FPR95 by the candidate's name, on every set."""

    given: ClassVar[dict[str, tuple[float, float]]] = {}

    def of(self, candidate: Candidate, count: int, sets: Sequence[str]) -> list[SetFigures]:
        accuracy, passed = self.given[candidate.name]
        right = (torch.arange(1000) < 10 * accuracy).double()
        return [SetFigures(right, 0.0, 0.9, passed, None) for _ in sets]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": (80.0, 30.0), "b": (80.6, 40.0)}, "b"),  # too far below, whatever it notices
        ({"a": (80.2, 30.0), "b": (80.6, 40.0)}, "a"),  # as good but for the error, and fewer pass
        ({"a": (80.2, 30.0), "b": (80.6, 30.0)}, "b"),  # as many pass
        ({"a": (80.0, 30.0), "b": (80.0, 30.0)}, "a"),
    ],
)
def test_of_those_near_the_best_one_that_notices_most_is_chosen(
    given: dict[str, tuple[float, float]], expected: str, tmp_path: Path
) -> None:
    judged = Known(Folder(tmp_path, tmp_path))
    judged.given = given  # type: ignore[misc]
    assert pairs.chosen(judged, [Candidate(name) for name in given], [4, 1], SETS).name == expected


def test_tables_have_a_line_for_each_candidate(judged: Judged) -> None:
    some = [Candidate("GalLoP"), Candidate("good", "wide", head="ridge")]
    shots, sets = list(over_shots(judged, some, [4, 1])), list(over_sets(judged, some, 4))
    assert [line.count("|") for line in shots] == [5] * 4
    assert [line.count("|") for line in sets] == [len(SETS) + 7] * 4
    assert "(+" in shots[-1]
