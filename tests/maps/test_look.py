"""A map is drawn in one place: plots, notebooks and picture files show it, and browsers follow its rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from gallop import Explanation, plot_explanation
from gallop.images import CropBox
from gallop.maps.map_style import (
    COLOURS,
    DARKENED,
    DIMMED,
    GREYED,
    SIGNED_COLOURS,
    Scale,
    Style,
    Subject,
    colour_table,
    painted,
    scale_of,
    shared_scale,
)
from gallop.maps.pictures import (
    borders,
    map_picture,
    outlined,
    region_picture,
    seen_picture,
)
from gallop.predictions.heatmaps import photo_map, place_in_words
from tests import tiny
from tests.maps.test_explainer import answer_of

BLOCKS = Style("cividis", drawn="Cells")
BLACK, WHITE, RED, BLUE = [0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]


def explanation(size: tuple[int, int] = (320, 320)) -> Explanation:
    return tiny.classifier().zero_shot(["red", "green"]).explain(tiny.picture(3, size=size))


def under(photo: Image.Image) -> NDArray[np.float64]:
    """What lies under a map, as the filters of CSS have it: grayscale(0.85) brightness(0.94)."""
    pixels = np.asarray(photo, dtype=np.float64)
    grey = pixels @ [0.2126, 0.7152, 0.0722]
    return DARKENED * (GREYED * grey[..., None] + (1 - GREYED) * pixels)


def test_a_cell_has_the_colour_of_its_score_over_the_greyed_photo() -> None:
    found = explanation()
    subject = Subject(found, "red")
    scores, scale = subject.scores(0), scale_of([subject.scores(0)])
    layer = painted(scores, scale, BLOCKS)
    picture = np.asarray(map_picture(subject, 0, scale=scale, style=BLOCKS))
    photo = under(found.image)
    for row, column in np.ndindex(4, 4):
        strength = float((scores[row, column] - scale.low) / (scale.high - scale.low))
        share = BLOCKS.opacity * strength * (2 - strength)
        colour = colour_table("cividis")[round(255 * strength)]
        y, x = 80 * row + 40, 80 * column + 40
        assert np.abs(picture[y, x] - (share * colour + (1 - share) * photo[y, x])).max() <= 1
        assert layer[row, column] == pytest.approx([*colour, 255 * share], abs=0.51)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.99])
def test_below_the_threshold_a_map_is_clear(threshold: float) -> None:
    scores = Subject(explanation(), "red").scores(0)
    seen = painted(scores, scale_of([scores]), Style(threshold=threshold))[..., 3] > 0
    places = (scores - scores.min()) / (scores.max() - scores.min())
    assert (seen == ((places >= threshold) & (places > 0))).all(), "the weakest of all has faded"


def test_a_signed_map_has_zero_in_the_middle_and_a_threshold_on_both_sides() -> None:
    scores = np.array([-0.2, -0.05, 0.0, 0.1], np.float32)
    scale = scale_of([scores], signed=True)
    assert (scale.low, scale.high) == (pytest.approx(-0.2), pytest.approx(0.2))
    found, clear = (painted(scores, scale, Style(opacity=1.0, threshold=limit)) for limit in (0.0, 0.4))
    assert [layer[:, 3].tolist() for layer in (found, clear)] == [
        [255, round(255 * 0.25 * 1.75), 0, round(255 * 0.5 * 1.5)],
        [255, 0, 0, found[3, 3]],
    ]
    violet, middle, orange = found[[0, 2, 3], :3].astype(int)
    assert violet[2] > violet[1]
    assert orange[0] > orange[2] + 50
    assert middle.min() > 235


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"colours": "jet"}, "colours is 'jet'"),
        ({"opacity": 1.5}, "opacity is 1.5"),
        ({"threshold": -1}, "threshold is"),
    ],
)
def test_a_style_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Style(**settings)


@pytest.mark.parametrize("name", [*COLOURS, SIGNED_COLOURS])
def test_colours_can_be_told_apart_without_their_hue(name: str) -> None:
    """Lightness alone tells the score; on a signed map it tells how far it is from zero."""
    table = colour_table(name).astype(float)
    linear = np.where(table <= 10.31, table / 3294.6, ((table / 255 + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    halves = [light] if name in COLOURS else [light[:128], light[:127:-1]]
    for half in halves:
        assert (np.diff(half) > -0.002).all()
        assert half[-1] - half[0] > 0.5


def test_a_plot_lays_out_the_pictures_and_its_bar_has_their_colours() -> None:
    found = explanation((400, 320))
    figure = plot_explanation(found, "red")
    photo, _, *maps, bar = figure.axes
    assert (np.asarray(photo.images[0].get_array()) == np.asarray(seen_picture(found))).all()
    scale = shared_scale(found)
    for prompt, axes in enumerate(maps):
        (shown,) = axes.images
        assert np.array_equal(shown.get_array(), map_picture(Subject(found, "red"), prompt, scale=scale))
        assert not axes.patches, "nothing is drawn over it"
    assert bar.get_ylim() == pytest.approx((scale.low, scale.high))
    figure.draw_without_rendering()
    heights = [axes.get_position(original=False).transformed(axes.figure.transSubfigure).y1 for axes in maps]
    top = photo.get_position(original=False).transformed(photo.figure.transSubfigure).y0
    assert max(heights) < top, "one map a scale, below the photo"
    assert max(heights) - min(heights) < 1, "side by side"
    (mesh,) = bar.collections[-1:]
    assert (np.rint(255 * mesh.get_facecolors()[:, :3]) == colour_table(Style().colours)).all()


def test_bars_of_nearly_equal_scores_are_their_differences_from_the_mean() -> None:
    found = explanation((400, 320))
    scores = torch.tensor([0.07, 0.072, 0.3]).expand(1, len(found.class_names), -1)

    def bars(*prompts: int) -> list[float]:
        look = replace(found.similarities.looks[0], image_cosines=scores[..., list(prompts)])
        drawn = replace(found, similarities=replace(found.similarities, looks=(look,)))
        return [bar.get_height() for bar in plot_explanation(drawn, "red").axes[1].patches]

    assert (bars(0, 1), bars(0, 1, 2), bars(0)) == (
        pytest.approx([-0.001, 0.001], abs=1e-6),
        pytest.approx([0.07, 0.072, 0.3]),
        pytest.approx([0.07]),
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("threshold", "opacity"), [(0.0, 0.8), (0.4, 1.0)])
def test_the_browser_paints_as_python_does(node: str, signed: bool, threshold: float, opacity: float) -> None:
    """Colours one step of the table apart, opacity one of 255: JavaScript counts in doubles and rounds halves up."""
    scores = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    scale = Scale(-2.0, 2.0, signed=True) if signed else Scale(-0.5, 1.5)
    style = Style("inferno", opacity, threshold)
    table, kept = colour_table(style.palette(signed=signed)), [0, 1, 8, 9, 20, 34, 33, 27]
    said = answer_of(
        node,
        "painted.mjs",
        scores=scores.ravel().tolist(),
        scale={"low": scale.low, "high": scale.high, "signed": signed},
        style={"opacity": opacity, "threshold": threshold},
        colours=table.ravel().tolist(),
        kept=kept,
        rows=5,
        columns=7,
        fine=8,
    )
    theirs, ours = np.array(said["painted"]).reshape(5, 7, 4), painted(scores, scale, style)
    assert np.abs(theirs[..., 3] - ours[..., 3]).max() <= 1
    assert np.abs(theirs[..., :3] - ours[..., :3]).max() <= np.abs(np.diff(table.astype(int), axis=0)).max()
    smooth = np.array(said["smoothed"]).reshape(40, 56)
    assert np.abs(smooth - photo_map(scores, CropBox(0, 0, 56, 40), (56, 40))).max() < 1e-5
    found = [{tuple(line) for line in said["borders"][kind]} for kind in ("around", "within")]
    assert found == [set(lines) for lines in borders(kept, (5, 7))]


def test_a_region_is_shown_outlined_in_the_middle_of_what_is_around_it() -> None:
    """Cells of 20 px: three of them around the region are 120 x 80 px, 1.6 times as large in the picture."""
    photo = Image.new("RGB", (240, 160), "blue")
    photo.paste("red", (120, 60, 140, 80))
    drawn = np.asarray(region_picture(photo, 3 * 8 + 4, (8, 8), CropBox(40, 0, 200, 160)))
    assert drawn.shape == (128, 192, 3)
    across, down = drawn[64, [76, 78, 79, 96, 113, 114, 116]], drawn[[45, 46, 47, 64, 81, 82, 84], 96]
    assert across.tolist() == down.tolist() == [BLUE, BLACK, WHITE, RED, WHITE, BLACK, BLUE]
    assert region_picture(Image.new("RGB", (3, 2)), 0, (16, 16), CropBox(0, 0, 2, 2)).width == 192, "smaller, too"


def test_what_the_model_did_not_see_is_dimmed_and_has_no_map() -> None:
    found = explanation((480, 320))
    photo, crop = np.asarray(found.image, dtype=np.float64), found.crop
    outside = np.ones((320, 480), dtype=bool)
    outside[:, round(crop.left) : round(crop.right)] = False
    seen = np.asarray(seen_picture(found))
    assert (seen[~outside] == photo[~outside]).all()
    rim = [round(crop.left) - 1, round(crop.right)]
    assert (seen[:, rim] == 255).all()
    outside[:, rim] = False
    assert np.abs(seen[outside] - (1 - DIMMED) * photo[outside]).max() <= 0.51
    mapped = np.asarray(map_picture(Subject(found, "red"), 0))
    away = outside.copy()
    away[:, round(crop.left) - 4 : round(crop.right) + 4] = False  # where outlines at the rim end
    assert np.abs(mapped[away] - (1 - DIMMED) * under(found.image)[away]).max() <= 1


def test_an_outline_is_white_within_black_around_what_lies_together() -> None:
    """Lines of whole pixels: regions of 90 on a picture of 360, whose white is 2 pixels wide and whose black 5."""
    grey = np.full((360, 360, 3), 100, dtype=np.float32)
    drawn = np.asarray(outlined(grey, CropBox(0, 0, 360, 360), (4, 4), regions=[5, 6], rival=[15]))
    assert (np.stack([drawn[89:91, 120], drawn[135, 89:91], drawn[135, 269:271]]) == 255).all()
    assert (drawn[[88, 91], 120] == 25).all(), "three quarters black"
    assert sorted(drawn[135, 178:182, 0]) == [100, 100, 100, 170], "one line, fainter than around them"
    assert (drawn[135, 225] == 100).all(), "the region itself"
    assert (drawn[315, 315] == 255).all(), "a dot in the rival one"
    assert (drawn[315, 315 + 5] < 255).all()
    assert (drawn[20:60, 20:60] == 100).all()


@pytest.mark.parametrize("side", [7, 14, 24])
def test_an_outline_leaves_most_of_its_cell_whatever_the_grid(side: int) -> None:
    cell = 672 // side
    grey = np.full((672, 872, 3), 100, dtype=np.float32)
    drawn = np.asarray(outlined(grey, CropBox(100, 0, 772, 672), (side, side), regions=[2 * side + 2]))[:, 100:]
    own = (drawn[2 * cell : 3 * cell, 2 * cell : 3 * cell] != 100).any(axis=2)
    assert own[:, 0].all()
    assert own.mean() < 0.6
    assert own[cell // 2].mean() < 0.36


@pytest.mark.parametrize(
    ("size", "wanted", "small"),
    [
        ((3200, 1600), (1600, 800), (64, 32)),
        ((1601, 300), (1600, 300), (64, 12)),
        ((320, 200), (320, 200), (64, 40)),
        ((24, 24), (200, 200), (64, 64)),  # enlarged: outlines would hide it
        ((1601, 40), (1600, 40), (64, 2)),
        ((7, 5), (280, 200), (64, 46)),
        ((1, 1), (200, 200), (64, 64)),
    ],
)
def test_a_picture_is_as_large_as_its_photo_but_neither_tiny_nor_larger_than_asked_for(
    size: tuple[int, int], wanted: tuple[int, int], small: tuple[int, int]
) -> None:
    found = explanation(size)
    for side, each in ((1600, wanted), (64, small)):
        assert map_picture(Subject(found, "red"), 0, side=side).size == seen_picture(found, side=side).size == each


def test_on_an_enlarged_photo_a_region_has_its_colour_at_its_place() -> None:
    subject = Subject(explanation((32, 32)), "red")
    picture = np.asarray(map_picture(subject, 0, style=Style("cividis", opacity=1.0, drawn="Cells")))
    row, column = np.unravel_index(subject.scores(0).argmax(), (4, 4))
    assert (picture[50 * row + 25, 50 * column + 25] == colour_table("cividis")[255]).all()


@pytest.mark.parametrize("side", [1, 2, 4, 7, 14, 16, 24])
def test_words_of_places_are_the_ninth_that_a_regions_centre_lies_in(side: int) -> None:
    for row in range(side):
        for column in range(side):
            vertical, horizontal = (np.floor(3 * (n + 0.5) / side) for n in (row, column))
            words = ("upper", "middle", "lower")[int(vertical)], ("left", "centre", "right")[int(horizontal)]
            place = place_in_words(side * row + column, (side, side))
            assert place == ("centre" if words == ("middle", "centre") else " ".join(words))


def test_a_scale_does_not_count_what_lies_outside_of_the_crop() -> None:
    scores = np.array([[np.nan, 0.25], [-0.5, np.nan]], dtype=np.float32)
    plain, signed = scale_of([scores]), scale_of([scores], signed=True)
    assert (plain.low, plain.high, signed.low, signed.high) == (-0.5, 0.25, -0.5, 0.5)
