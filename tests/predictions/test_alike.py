"""Where else a region is: against all cosines and contributions, made one photo at a time."""

from __future__ import annotations

from typing import Any

import pytest

from gallop import GalLoPClassifier
from gallop.errors import ConfigError
from gallop.features.encoding import encode_photos
from gallop.model.prompted import PromptModel
from gallop.predictions.alike import RegionAlike, where_else
from gallop.predictions.contributions import contributions, joint_regions
from tests import tiny

NAMES = ("red", "green", "blue")
PHOTOS = [tiny.picture(i, NAMES[i % 3]) for i in range(20)]


def made(**settings: Any) -> PromptModel:
    return GalLoPClassifier(backbone=tiny.vit(), cache=False, topk=(2, 5), **settings).zero_shot(NAMES).model_


def found_by(model: PromptModel, photo: Any, region: int, **how: Any) -> tuple[RegionAlike, ...]:
    *events, found = where_else(model, photo, region, PHOTOS, "red", **how)
    assert [(event.done, event.total) for event in events] == [(16, 20), (20, 20)]
    return found


@pytest.mark.parametrize("settings", [{}, {"detail": 2.0}], ids=["one look", "two"])
def test_of_each_photo_the_region_most_like_it_with_what_it_adds(settings: dict[str, Any]) -> None:
    model = made(**settings)
    regions = 64 if settings else 16
    asked = tiny.picture(50, "green")
    wanted = joint_regions(model, encode_photos(model.backbone, [asked], model.sight)[0])[0, -regions:][3]
    best = []
    for i, photo in enumerate(PHOTOS):
        features, _ = encode_photos(model.backbone, [photo], model.sight)
        cosines = (joint_regions(model, features)[0, -regions:] @ wanted).tolist()
        region = cosines.index(max(cosines))
        adds = float(contributions(model, features, (regions, regions)).regions[0, -regions:, 0][region])
        best.append((max(cosines), i, region, adds))
    found = found_by(model, asked, 3, topk=(regions, regions))
    assert all(each.adds for each in found)
    assert (
        [(each.cosine, each.photo, each.region, each.adds) for each in found]
        == [
            (pytest.approx(cosine, abs=1e-3), i, region, pytest.approx(adds, abs=1e-5))  # in half precision
            for cosine, i, region, adds in sorted(best, reverse=True)[:12]
        ]
    )
    assert len(found_by(model, asked, 3, most=5)) == 5


def test_the_region_itself_comes_first_where_its_photo_is_among_them() -> None:
    first = found_by(made(), PHOTOS[7], 9)[0]
    assert (first.photo, first.region, first.cosine) == (7, 9, pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize("region", [-1, 16])
def test_a_region_that_is_not_there_is_refused(region: int) -> None:
    with pytest.raises(ConfigError, match="between 0 and 15"):
        list(where_else(made(), PHOTOS[0], region, PHOTOS, "red"))
