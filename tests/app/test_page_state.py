"""What the pages stand at: which state a place belongs to, and what is remembered there."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from app.visitor.page_state import AskedRegion, PhotoEdit
from gallop.images import CropBox
from gallop.predictions.heatmaps import region_box
from tests.app_pages import there

WHOLE = CropBox(0, 0, 336, 336)


@pytest.mark.parametrize("sent", [16, -1, "<b>", None, 2.5, [3]])
def test_a_region_that_there_is_not_is_ignored(sent: Any) -> None:
    assert AskedRegion.of(sent, (4, 4)) is None


def test_regions_that_are_covered_are_uncovered_on_another_grid() -> None:
    covered = PhotoEdit("photo", (4, 4), part=1, regions=(3, 15), fill="grey")
    assert covered.on("photo", (4, 4)) == covered
    assert covered.on("photo", (2, 2)) == PhotoEdit("photo", (2, 2), part=1, fill="grey")


GRIDS = [(1, 1), (4, 4), (7, 7), (14, 14), (16, 7), (24, 24)]


@pytest.mark.parametrize("grid", GRIDS)
def test_a_region_is_asked_at_the_same_place_of_another_backbones_grid(grid: tuple[int, int]) -> None:
    for other, region in product(GRIDS, range(grid[0] * grid[1])):
        asked = there(AskedRegion.of(region, grid))
        assert asked.on(grid) == region
        found, mine = region_box(asked.on(other), 0.0, other, WHOLE), region_box(region, 0.0, grid, WHOLE)
        assert found.left - 1e-6 <= (mine.left + mine.right) / 2 <= found.right + 1e-6
        assert found.top - 1e-6 <= (mine.top + mine.bottom) / 2 <= found.bottom + 1e-6
