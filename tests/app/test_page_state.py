"""What the pages stand at: which state a place belongs to, and what is remembered there."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import product
from typing import Any

import pytest

from app.visitor.page_state import AskedRegion, ExploreState, PhotoEdit, Place, TeachState
from app.visitor.session import Session
from gallop.errors import GallopError
from gallop.images import CropBox
from gallop.predictions.heatmaps import region_box
from tests.app_pages import there

WHOLE = CropBox(0, 0, 336, 336)


def test_every_place_is_read_and_written_where_the_session_holds_it() -> None:
    places: dict[str, Place[Any]] = {
        f"{name}.{field.name}": place
        for name, state in vars(Session()).items()
        if type(state).__name__.endswith("State")
        for field in fields(state)
        if isinstance(place := getattr(type(state), field.name), Place)
    }
    assert all(where == f"{place.page}.{place.field}" for where, place in places.items())
    assert len({place.key for place in places.values()}) == len(places) > 0
    for place in places.values():
        session, something = Session(), object()
        before = {name: value for name, value in vars(session).items() if is_dataclass(value)}
        place.write(session, something)
        assert place.read(session) is something
        assert [name for name, value in before.items() if getattr(session, name) is not value] == [place.page]
        state = getattr(session, place.page)
        assert replace(state, **{place.field: getattr(before[place.page], place.field)}) == before[place.page]


def test_parts_of_a_field_are_remembered_one_by_one() -> None:
    session = Session()
    assert ExploreState.scales.at(0).read(session) is None
    for n, k in enumerate((5, 10, 20)):
        ExploreState.scales.at(n).write(session, k)
    ExploreState.scales.at(1).write(session, 7)
    assert session.explore == ExploreState(scales=(5, 7, 20))
    assert [ExploreState.scales.at(n).read(session) for n in (1, 3)] == [7, None]
    usual, epochs = TeachState().settings, TeachState.settings.at("epochs")
    epochs.write(session, 3)
    assert session.teach.settings == replace(usual, epochs=3) != usual
    with pytest.raises(GallopError, match="epochs"):
        epochs.write(session, -1)
    assert (epochs.read(session), session.teach) == (3, TeachState(settings=replace(usual, epochs=3)))


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
