"""What a class relies on: on photos whose regions were made by hand, and on a tiny model; what if it were not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import binary_dilation

from gallop import GalLoPClassifier
from gallop.errors import ConfigError, DataError
from gallop.evaluation.evidence import Evidence, evidence, evidence_steps
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.what_if import Outcome, WhatIf, _elsewhere, what_if
from gallop.features.encoding import ImageFeatures
from gallop.predictions.covering import covered
from gallop.runtime.progress import StageEvent
from tests import tiny

PLACES = [(0, 6, 12), (24, 18, 3), (7, 8, 9), (20, 21, 16), (1, 11, 23), (4, 14, 2), (5, 10, 15), (22, 17, 13)]
"""Where the cue is on each photo of the class that has it, on a grid of 5 x 5."""


@pytest.fixture(scope="module")
def planted() -> tuple[GalLoPClassifier, Evidence]:
    """Eight photos of "even", on which three regions are a cue, and eight of "odd": all else is the same noise."""
    draw = torch.Generator().manual_seed(0)
    clip = tiny.new_vit()
    width = clip.feature_sizes[-1]
    backbone = clip.with_features(grid=(5, 5), region_width=width, projection=torch.eye(width))
    common, cue = torch.randn(2, width, generator=draw)
    regions = common + 0.1 * torch.randn(16, 25, width, generator=draw)
    for photo, places in enumerate(PLACES):
        regions[2 * photo, list(places)] += 3 * cue
    features = ImageFeatures(regions.mean(dim=1), regions)
    names = ["even", "odd"] * 8
    classifier = tiny.classifier(backbone=backbone, head="ridge").fit(features, names)
    return classifier, evidence(classifier, features, names)


@pytest.fixture(scope="module")
def told() -> Evidence:
    """Of a tiny ViT with names that it confuses, so that there are mistakes."""
    return evidence(tiny.classifier().zero_shot(["red", "green", "blue"]), *tiny.pictures({"red": 4, "green": 4}))


def test_the_cue_is_a_cluster_of_its_own_and_adds_most(planted: tuple[GalLoPClassifier, Evidence]) -> None:
    each = planted[1].of("even")
    assert repr(planted[1]).startswith("Evidence(16 photos; ")
    first = each.clusters[0]
    cues = [np.flatnonzero(each.member[row] == 0).tolist() for row in range(8)]
    assert cues == [sorted(places) for places in PLACES]
    assert (first.share > 0.5, len(first.photos), first.mistakes) == (True, 8, ())
    assert {(found.photo, found.region) for found in first.gallery} <= {
        (2 * i, region) for i, places in enumerate(PLACES) for region in places
    }


def test_clusters_and_rest_are_the_mean_score(told: Evidence, planted: tuple[GalLoPClassifier, Evidence]) -> None:
    for found in (told, planted[1]):
        for each in found.classes:
            k = found.data.class_names.index(each.class_name)
            assert each.score == pytest.approx(found.scores[list(each.photos), k].mean(), abs=1e-6)
            assert sum(cluster.adds for cluster in each.clusters) + each.rest == pytest.approx(each.score, abs=1e-5)


def test_clusters_come_in_the_order_of_what_one_region_of_them_adds(told: Evidence) -> None:
    for each in told.classes:
        member, adds = each.member[: len(each.photos)], each.adds[: len(each.photos)]
        means = [adds[member == c].mean() for c in range(len(each.clusters))]
        assert (means, len(means) > 1) == (sorted(means, reverse=True), True)


def test_the_cluster_that_leads_on_a_photo_adds_most_to_its_score(told: Evidence) -> None:
    each = told.of("red")
    assert [*each.leading] == [*each.photos]
    for row, led in enumerate(each.leading.values()):
        parts: dict[int, float] = {}
        for cluster, adds in zip(each.member[row].tolist(), each.adds[row].tolist(), strict=True):
            parts[cluster] = parts.get(cluster, 0) + adds
        assert parts[led] == max(parts.values())


def test_answers_are_those_of_the_classifier(planted: tuple[GalLoPClassifier, Evidence]) -> None:
    classifier, found = planted
    photos = list(found.data.photos)
    assert found.probabilities == pytest.approx(classifier.predict_proba(photos), abs=2e-3), "half precision"
    assert found.scores.mean(axis=1) == pytest.approx(0, abs=1e-6)


def test_mistakes_are_counted_where_they_were_answered_and_where_they_belong(told: Evidence) -> None:
    wrong = set(np.flatnonzero(told.predicted != told.truth).tolist())
    assert wrong
    for each in told.classes:
        k = told.data.class_names.index(each.class_name)
        mine = {i for i in wrong if k in (told.truth[i], told.predicted[i])}
        assert {i for cluster in each.clusters for i in cluster.mistakes} <= mine
        assert {i for i in mine if told.predicted[i] == k and told.truth[i] != k} <= {*each.shown}


def test_a_large_rest_leads_the_sentence(told: Evidence) -> None:
    each = max(told.classes, key=lambda each: each.rest_share)
    assert each.rest_share > 0.3, "half of the score of a ViT's prompts is of the entire photo"
    assert each.words.split(" relies on ")[1].startswith(f"{100 * each.rest_share:.0f} % in no cluster")


def test_the_table_adds_up_to_one_and_the_figure_has_a_row_a_class(planted: tuple[GalLoPClassifier, Evidence]) -> None:
    assert planted[1].to_frame().groupby("class")["share"].sum().tolist() == pytest.approx([1, 1], abs=1e-5)
    (axes,) = planted[1].plot().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["even", "odd"]
    assert planted[1].to_dict()["classes"][0]["clusters"][0]["photos"] == list(range(0, 16, 2))


def test_it_tells_how_far_it_is() -> None:
    *events, _ = evidence_steps(tiny.classifier().zero_shot(["red", "green"]), *tiny.pictures({"red": 2, "green": 2}))
    last = {event.stage: (event.done, event.total) for event in events if isinstance(event, StageEvent)}
    assert last == {"regions": (4, 4), "clusters": (2, 2)}


def test_blurred_photos_that_fail_are_named_whatever_their_light_and_contrast() -> None:
    draw, colours = np.random.default_rng(0), {"red": (1, 0, 0), "green": (0, 1, 0)}
    blurred, names, photos = draw.permutation(40)[:8], [*colours] * 20, list[Image.Image]()
    for i, (light, contrast) in enumerate(draw.uniform((80, 10), (140, 20), size=(40, 2))):
        grain = 60 + light * np.array(colours[names[i]]) + contrast * draw.normal(size=(64, 64, 1))
        sharp = Image.fromarray(grain.clip(0, 255).astype(np.uint8))
        photos.append(sharp.filter(ImageFilter.GaussianBlur(2)) if i in blurred else sharp)
    classifier = tiny.classifier(head="ridge").fit(photos, names)
    labels = [names[i + 1 - 2 * (i % 2)] if i in blurred else name for i, name in enumerate(names)]
    named = {group.name: sorted(group.photos) for group in evidence(classifier, photos, labels).groups.found}
    assert named == {"blurred photos": sorted(blurred.tolist())}


@pytest.mark.filterwarnings("ignore:'red' is the only class")
@pytest.mark.parametrize(
    ("classes", "error", "said"),
    [
        (["red"], ConfigError, "nothing speaks for it rather than another"),
        (["red", "blue"], DataError, "does not know the classes green"),
    ],
)
def test_one_class_alone_and_unknown_classes_are_refused(classes: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        evidence(tiny.classifier().zero_shot(classes), *tiny.pictures({"red": 2, "green": len(classes) - 1}))


# What if a cluster were not there ------------------------------------------------------------------------------------


def test_a_covered_cluster_gives_what_covering_each_photo_gives_and_random_regions_spread_as_is_said() -> None:
    classifier = tiny.classifier().fit(*tiny.pictures({"red": 4, "green": 4}))
    found = evidence(classifier, *tiny.pictures({"red": 5, "green": 5}, first_seed=50))
    each, (*events, made) = found.of("red"), what_if(classifier, found, "red", 0, fill="grey", draws=60)
    assert isinstance(made, WhatIf)
    assert [event.done for event in events if isinstance(event, StageEvent)] == list(range(1, len(made.photos) + 1))
    assert (made.photos, len(made.photos) > 1) == (each.clusters[0].photos, True)
    alone = []
    for i in made.photos:
        mine, decides = (part[each.shown.index(i)] for part in (each.member == 0, each.decides))
        near = binary_dilation((mine & decides).reshape(found.grids[0]), np.ones((3, 3))).ravel()
        regions, why = np.flatnonzero(mine & near).tolist(), classifier.explain(found.data.photos[i])
        assert regions != np.flatnonzero(mine).tolist(), "a cluster's other regions stay"
        alone.append(covered(classifier.model_, why, regions, "grey"))
    assert (made.without.right, made.without.confidence) == (
        Proportion(sum(why.label == "red" for why in alone), len(alone)),
        pytest.approx(np.mean([why.probabilities["red"] for why in alone]), abs=1e-5),
    )
    assert (60, np.std([each.score for each in made.at_random], ddof=1)) == (
        len(made.at_random),
        pytest.approx(made.spread, rel=0.2),
    ), "the spread is of the mean"
    assert (made.before.confidence, made.to_dict()["drop"]) == (
        pytest.approx(found.probabilities[list(made.photos), found.data.class_names.index("red")].mean(), abs=1e-6),
        made.drop,
    )


@pytest.mark.parametrize(
    "cells", [np.pad(np.ones((2, 3)), ((2, 4), (3, 2))) > 0, np.indices((7, 9)).sum(axis=0) < 10, np.eye(1, 5) > 0]
)
def test_other_places_are_all_of_the_quarter_that_overlaps_what_is_covered_least(cells: NDArray[np.bool_]) -> None:
    every = sorted((np.roll(cells, place, axis=(0, 1)) & cells).sum() for place in np.ndindex(cells.shape))
    first, *others = _elsewhere(torch.from_numpy(cells), 999, np.random.default_rng(0)).numpy()
    assert (first.tolist(), len(others), {other.sum() for other in others}) == (cells.tolist(), 999, {cells.sum()})
    assert sorted((np.unique(others, axis=0) & cells).sum(axis=(1, 2))) == [
        overlap for overlap in every if overlap <= every[len(every) // 4]
    ]


def test_the_interval_is_students_for_one_more_draw() -> None:
    """Falls of 10, 20 and 30 % have the mean 20 %, the spread is 10 %, t of 4 x (3 - 1) degrees of freedom is 2.306."""
    before, less, least, *at_random = (
        Outcome(Proportion(3, 4), 0.5, score) for score in (2.0, 1.4, 1.0, 1.8, 1.6, 1.4)
    )
    made = WhatIf("mug", 0, (0, 1, 2, 3), before, less, tuple(at_random), 0.2, "blur")
    half = 2.306004 * 0.1 * np.sqrt(1 + 1 / 3)
    assert (made.interval, made.drop) == (pytest.approx((0.2 - half, 0.2 + half)), pytest.approx(0.3))
    cases = made, replace(made, without=replace(least, right=Proportion(2, 4)))
    assert [(each.stands_out, each.words.split(" are ")[0]) for each in cases] == [
        (False, "without it 3 of 4"),
        (True, "without it 2 instead of 3 of 4"),
    ]


@pytest.mark.parametrize(
    ("asked", "how", "error", "said"),
    [
        (("red", 99), {}, ValueError, "has no cluster 99"),
        (("green", 0), {}, ValueError, "There is no evidence of 'green'; there is of red"),
        (("red", 0), {"draws": 1}, ConfigError, "use at least two draws and one photo"),
        (("red", 0), {"most": 0}, ConfigError, "use at least two draws and one photo"),
    ],
)
def test_what_cannot_be_covered_is_refused(
    asked: tuple[str, int], how: dict[str, Any], error: type[Exception], said: str
) -> None:
    classifier = tiny.classifier().zero_shot(["red", "green"])
    found = evidence(classifier, *tiny.pictures({"red": 2}))
    with pytest.raises(error, match=said):
        next(what_if(classifier, found, *asked, **how))
