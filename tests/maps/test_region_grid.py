"""What the region grid shows, and the widget that shows it in a notebook."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gallop.estimator import GalLoPClassifier
from gallop.maps import look, photo
from gallop.maps.look import Scale, Style, Subject
from gallop.maps.region_grid import JAVASCRIPT, panel
from gallop.predictions.explanation import Explanation
from tests import tiny

NAMES = ("red", "green", "blue")
SIZES = [(32, 32), (40, 32), (32, 50), (96, 32), (300, 20), (7, 90), (1, 1)]


def explanation(size: tuple[int, int] = (40, 32), topk: tuple[int, ...] = (1, 3, 5, 16)) -> Explanation:
    classifier = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot(NAMES)
    return classifier.explain(tiny.picture(3, "green", size)).with_topk(topk)


def pixels(url: str) -> NDArray[np.uint8]:
    head, data = url.split(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def drawn(found: Explanation, prompt: int, **settings: Any) -> dict[str, Any]:
    return panel.map_panel(Subject(found, "red"), prompt, photo="data:,", **settings)


@pytest.mark.parametrize("prompt", range(4))
def test_exactly_the_regions_that_entered_the_score_are_kept(prompt: int) -> None:
    found = explanation()
    kept = drawn(found, prompt)["kept"]
    assert len(kept) == found.topk[prompt]
    scores = found.region_scores("red", prompt).ravel()
    assert sorted(scores[kept]) == sorted(np.sort(scores)[-len(kept) :])
    assert scores[kept].mean() == pytest.approx(found.local_scores[0, prompt], abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_grid_lies_on_what_the_model_saw(size: tuple[int, int]) -> None:
    """Each cell's place on the panel, read back in the photo's pixels, is the region's box."""
    found = explanation(size)
    shown = drawn(found, 3)
    left, top, width, height = photo.shown(found)
    across, down, share_across, share_down = shown["crop"]
    assert shown["ratio"] == pytest.approx(width / height)
    for box in found.regions("red", 3):
        row, column = divmod(box.region, shown["columns"])
        assert left + width * (across + share_across * column / shown["columns"]) == pytest.approx(box.left)
        assert top + height * (down + share_down * (row + 1) / shown["rows"]) == pytest.approx(box.bottom)


@pytest.mark.parametrize("size", SIZES)
def test_the_photo_is_small_and_shows_all_that_the_model_saw(size: tuple[int, int]) -> None:
    found = explanation(size)
    picture = pixels(photo.photo_url(found))
    assert min(picture.shape[:2]) == photo.SIDE
    assert max(picture.shape[:2]) <= 1.5 * photo.SIDE
    left, top, width, height = photo.shown(found)
    crop = found.crop
    if max(size) <= 1.5 * min(size):
        assert (left, top, width, height) == (0, 0, *size)
    assert left <= crop.left + 0.5
    assert crop.right <= left + width + 0.5
    assert top <= crop.top + 0.5
    assert crop.bottom <= top + height + 0.5


def test_cells_have_the_colour_of_their_score() -> None:
    found = explanation()
    scores = found.region_scores("red", 0)
    scale = Scale(float(scores.min()) - 0.1, float(scores.max()) + 0.2)
    picture = pixels(panel.map_url(scores, scale, Style(smooth=False, colours="cividis")))
    assert picture.shape == (4, 4, 4)
    for row, column in np.ndindex(4, 4):
        place = (scores[row, column] - scale.low) / (scale.high - scale.low)
        assert (picture[row, column, :3] == look.colour_table("cividis")[round(255 * float(place))]).all()


def test_a_smooth_map_passes_over_between_the_centres_of_the_cells() -> None:
    """A ramp stays a ramp: halfway between two centres lies the mean of their scores."""
    scores = np.tile(np.arange(4, dtype=np.float32), (3, 1))
    picture = pixels(panel.map_url(scores, Scale(0, 3), Style(colours="gray")))
    assert picture.shape == (3 * panel.SMOOTH, 4 * panel.SMOOTH, 4)
    places = np.clip((np.arange(4 * panel.SMOOTH) + 0.5) / panel.SMOOTH - 0.5, 0, 3)
    assert np.abs(picture[..., 0] - 255 * places / 3).max() < 2


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.99])
def test_below_the_threshold_a_map_is_clear(threshold: float) -> None:
    scores = explanation().region_scores("red", 0)
    scale = look.scale_of([scores])
    seen = pixels(panel.map_url(scores, scale, Style(smooth=False, threshold=threshold)))[..., 3] > 0
    places = (scores - scores.min()) / (scores.max() - scores.min())
    assert (seen == ((places >= threshold) & (places > 0))).all(), "the weakest of all has faded"


def test_a_signed_map_has_zero_in_the_middle_and_a_threshold_on_both_sides() -> None:
    scores = np.array([[-0.2, -0.05, 0.0, 0.1]], np.float32)
    scale = look.scale_of([scores], signed=True)
    assert (scale.low, scale.high) == (pytest.approx(-0.2), pytest.approx(0.2))
    picture = pixels(panel.map_url(scores, scale, Style(smooth=False, opacity=1.0)))[0]
    assert picture[:, 3].tolist() == [255, round(255 * 0.25 * 1.75), 0, round(255 * 0.5 * 1.5)]
    violet, orange = picture[0].astype(int), picture[3].astype(int)
    assert violet[2] > violet[1]
    assert orange[0] > orange[2] + 50
    assert picture[2, :3].min() > 235
    clear = pixels(panel.map_url(scores, scale, Style(smooth=False, opacity=1.0, threshold=0.4)))[0, :, 3]
    assert clear.tolist() == [255, 0, 0, picture[3, 3]]


def test_why_this_class_and_not_that_one_is_the_difference_of_their_scores() -> None:
    found = explanation()
    red, blue = Subject(found, "red"), Subject(found, "blue")
    wanted = found.region_scores("red", 1) - found.region_scores("blue", 1)
    assert np.array_equal(red.scores(1, blue), wanted)
    shown = panel.map_panel(red, 1, minus=blue, photo="data:,")
    assert set(shown["rival"]) == {box.region for box in found.regions("blue", 1)}
    assert set(shown["kept"]) == {box.region for box in found.regions("red", 1)}
    assert "red minus blue" in shown["name"]
    for label, score in zip(shown["labels"], wanted.ravel(), strict=True):
        assert f": {score:+.4f}" in label


def test_every_region_is_named_by_place_score_and_whether_it_counts() -> None:
    found = explanation()
    shown = drawn(found, 1)
    scores = found.region_scores("red", 1).ravel()
    assert len(shown["labels"]) == 16
    assert shown["labels"][0].startswith(f"Upper left, row 1, column 1: {scores[0]:.4f}")
    assert shown["labels"][15].startswith(f"Lower right, row 4, column 4: {scores[15]:.4f}")
    outlined = {region for region, label in enumerate(shown["labels"]) if label.endswith(", outlined")}
    assert outlined == set(shown["kept"])
    assert found.describe("red", 1) in shown["name"]


def test_the_plain_photo_says_what_each_region_is_most_like() -> None:
    found = explanation()
    shown = panel.answer_panel(found, photo="data:,")
    assert shown["map"] == ""
    for region, label in enumerate(shown["labels"]):
        scores = found.at_region(region).mean(axis=1).astype(np.float64)
        shares = np.exp(found.scale * (scores - scores.max()))
        shares /= shares.sum()
        best = int(scores.argmax())
        share = f"{shares[best]:.0%}" if shares[best] <= 0.99 else "over 99%"
        assert label.endswith(f": most like {NAMES[best]}, {share}")
        assert found.region_probabilities[region] == pytest.approx(shares, abs=1e-5)


def test_a_region_can_be_asked() -> None:
    found = explanation()
    for region in (0, 5, 15):
        scores = found.at_region(region)
        for k, name in enumerate(NAMES):
            for n in range(4):
                assert scores[k, n] == found.region_scores(name, n).ravel()[region]
    for region in (-1, 16):
        with pytest.raises(ValueError, match=f"no region {region} in a grid of 4 x 4"):
            found.at_region(region)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"colours": "jet"}, "colours 'jet'"), ({"opacity": 1.5}, "opacity is 1.5"), ({"threshold": -1}, "threshold is")],
)
def test_a_style_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Style(**settings)


@pytest.mark.parametrize("name", [*look.COLOURS, look.SIGNED_COLOURS])
def test_colours_can_be_told_apart_without_their_hue(name: str) -> None:
    """Lightness alone tells the score; on a signed map it tells how far it is from zero."""
    table = look.colour_table(name).astype(float)
    linear = np.where(table <= 10.31, table / 3294.6, ((table / 255 + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    halves = [light] if name in look.COLOURS else [light[:128], light[:127:-1]]
    for half in halves:
        assert (np.diff(half) > -0.002).all()
        assert half[-1] - half[0] > 0.5


# In a notebook ------------------------------------------------------------------------------------------------------


def widget(**traits: Any) -> Any:
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    from gallop.maps.region_grid.widget import RegionGrid

    return RegionGrid(explanation(), **traits)


def test_the_widget_carries_the_files_and_what_it_shows_is_json() -> None:
    from gallop.maps.region_grid import JAVASCRIPT, STYLE

    grid = widget()
    assert str(grid._esm) == JAVASCRIPT.read_text(encoding="utf-8")
    assert str(grid._css) == STYLE.read_text(encoding="utf-8")
    state = json.loads(json.dumps(grid.get_state(["panel", "region"])))
    assert state["panel"]["columns"] == 4
    assert state["region"] is None


def test_the_script_is_one_and_knows_its_two_hosts(node: str) -> None:
    """Where there is no browser, this is all that reads it."""
    script = base64.b64encode(JAVASCRIPT.read_bytes()).decode()
    program = f"""
        const {{ default: grid }} = await import("data:text/javascript;base64,{script}");
        console.log(Object.keys(grid()).join(), grid.length);
    """
    command = [node, "--input-type=module", "-"]
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["render", "1"]


def test_setting_a_value_redraws_the_widget() -> None:
    grid = widget(class_name="red", prompt=1)
    found = explanation()
    before = grid.panel
    assert set(before["kept"]) == {box.region for box in found.regions("red", 1)}
    grid.k = 7
    assert len(grid.panel["kept"]) == 7
    assert grid.panel["map"] == before["map"]
    grid.class_name = "blue"
    assert (
        grid.panel["labels"] == panel.map_panel(Subject(found.with_topk((1, 7, 5, 16)), "blue"), 1, photo="")["labels"]
    )
    grid.against = "red"
    assert "blue minus red" in grid.panel["name"]
    assert grid.panel["rival"]
    smooth = grid.panel["map"]
    grid.smooth = False
    assert grid.panel["map"] != smooth
    grid.opacity = 0.2
    assert pixels(grid.panel["map"])[..., 3].max() == round(255 * 0.2)
    grid.opacity = 0
    assert grid.panel["clear"]
    grid.region = 9  # as a click does
    assert grid.panel["selected"] == 9
    assert grid.panel["photo"] == before["photo"]


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("class_name", "pink", "no class 'pink'"),
        ("against", "pink", "no class 'pink'"),
        ("prompt", 4, "between 0 and 3"),
        ("k", 0, "between 1 and 16"),
        ("region", 16, "between 0 and 15"),
        ("colours", "jet", "jet"),
        ("opacity", 1.1, "opacity"),
    ],
)
def test_the_widget_refuses_what_makes_no_sense_and_keeps_what_it_shows(trait: str, value: Any, words: str) -> None:
    from traitlets import TraitError

    grid = widget()
    before = getattr(grid, trait), grid.panel
    with pytest.raises(TraitError, match=words):
        setattr(grid, trait, value)
    assert (getattr(grid, trait), grid.panel) == before


def test_without_local_prompts_there_is_nothing_to_show() -> None:
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    from gallop.maps.region_grid.widget import RegionGrid

    coop = GalLoPClassifier(backbone=tiny.vit(), topk=(), cache=False).zero_shot(NAMES)
    with pytest.raises(ValueError, match="no local prompts"):
        RegionGrid(coop.explain(tiny.picture(1)))


def test_without_anywidget_the_widget_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "gallop.maps.region_grid.widget", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'gallop-explorer\[notebooks\]'"):
        import gallop.maps.region_grid.widget  # noqa: F401
