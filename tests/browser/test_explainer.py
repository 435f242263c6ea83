"""The explainer's script where it lives: in a page of its own, and in a notebook, through the hooks of anywidget."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop.maps.explainer import STYLE_SHEET, script
from gallop.maps.explainer.payload import COSINE_BYTES, explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Scale, Style, Subject, scale_of, shared_scale
from gallop.maps.pictures import map_picture
from gallop.maps.shown_photo import picture_url
from gallop.predictions.explanation import Explanation
from tests import tiny
from tests.browsing import HOSTILE, Page, axe_faults, expect, figure, lone_page, next_frame, press
from tests.maps.test_explainer import made_up

NOTEBOOK = """
async ([source, data]) => {
  const state = { data, browser_state: {} };
  const heard = {};
  const model = {
    saved: [],
    get: (name) => state[name],
    set: (name, value) => (state[name] = value),
    save_changes: () => model.saved.push(structuredClone(state.browser_state)),
    on: (event, call) => (heard[event] = call),
    off: (event) => delete heard[event],
    send: (changed) => { state.data = changed; heard["change:data"]?.(); },
  };
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const el = document.body.appendChild(document.createElement("div")); // of each cell its own
  window.leave = module.default().render({ model, el });
  window.model = model;
  (window.models ??= []).push(model);
}
"""
FOLDED = "Compare classes, figures, colours"
HEAD = f"<!doctype html><style>{STYLE_SHEET.read_text(encoding='utf-8')}</style>"


page = pytest.fixture(lone_page)


def show(page: Page, *all_data: dict[str, Any]) -> None:
    """In a page of its own, one below the other."""
    blocks = "".join(
        f'<script type="application/json" class="explainer-data">{json.dumps(data).replace("<", chr(92) + "u003c")}'
        "</script><div></div>"
        for data in all_data
    )
    page.set_content(f"{HEAD}<body>{blocks}<script type=module>{script()}</script>")
    expect(page.locator(".explainer")).to_have_count(len(all_data))


def in_notebook(page: Page, *all_data: dict[str, Any]) -> None:
    """In a notebook, one below the other."""
    page.set_content(f"{HEAD}<body></body>")
    for data in all_data:
        page.evaluate(NOTEBOOK, [script(), data])


def apart(page: Page, found: Explanation) -> float:
    """The largest difference between Python's probabilities and the bars: of classes together, and of each branch."""
    next_frame(page)
    bars = page.locator("button.bar:visible").evaluate_all(
        """bars => bars.map(bar => [bar.querySelector(".name").textContent,
            ...[...bar.querySelectorAll(".fill")].map(fill => new DOMMatrix(fill.style.transform).a)])"""
    )
    assert len(bars) == 6
    shares = (found.probabilities, found.global_probabilities, found.local_probabilities)
    return max(abs(mine - each[name]) for name, *drawn in bars for mine, each in zip(drawn, shares, strict=True))


def outlines(page: Page, regions: set[int], which: int = 0) -> None:
    """Wait until exactly these regions are outlined: what a hand does is drawn with the next frame."""
    page.wait_for_function(
        """([which, regions]) => {
            const cells = document.querySelectorAll(".explainer")[which].querySelectorAll(".cell.outlined");
            return [...cells].map(cell => Number(cell.dataset.region)).sort((a, b) => a - b).join() === regions.join();
        }""",
        arg=[which, sorted(regions)],
    )


def kept(found: Explanation, name: str, prompt: int, k: int) -> set[int]:
    return {box.region for box in found.with_topk([k] * len(found.topk)).regions(name, prompt)}


def test_a_hand_moves_k_and_the_host_hears_of_it_when_it_lets_go(page: Page) -> None:
    drawn = made_up(20, 7)
    found = replace(drawn, rule=replace(drawn.rule, threshold=None))
    in_notebook(page, explainer_data(found))
    outlines(page, kept(found, found.label, 0, 5))

    left, top, width, height = tiny.there(page.locator(".k .track-range").bounding_box()).values()
    page.mouse.move(left + 9 + (width - 18) * 0.8, top + height / 2)
    page.mouse.down()
    page.mouse.move(left + 9 + (width - 18) * 0.8 + 1, top + height / 2)
    next_frame(page)
    k = int(page.get_by_label("Local prompt 1: its k best regions").input_value())
    assert k > 10
    expect(page.locator(".cell.outlined")).to_have_count(k)
    now = found.with_topk((k, 10, 15, 20))
    outlines(page, kept(found, now.label, 0, k))
    score = now.local_scores[found.class_names.index(now.label), 0]
    expect(page.locator(".sum")).to_contain_text(f"{score:.4f}")
    expect(page.locator(".best .name")).to_have_text(now.label)
    page.wait_for_timeout(400)
    assert page.evaluate("model.saved.length") == 0, "it is still moving"
    page.mouse.up()
    page.wait_for_function("model.saved.length == 1")
    told = ExplainerState.from_browser(page.evaluate("model.saved[0]"))
    assert (told.topk, told.turn) == ((k, 10, 15, 20), 1)

    page.locator(".cell").nth(8).focus()
    # An answer to what it was told before does not take a hand's place; one to its last movement does.
    page.evaluate("data => model.send(data)", explainer_data(found, state=ExplainerState(topk=(2, 10, 15, 20), turn=0)))
    expect(page.locator(".cell.outlined")).to_have_count(k)
    page.evaluate("data => model.send(data)", explainer_data(found, state=ExplainerState(topk=(2, 10, 15, 20), turn=1)))
    expect(page.locator(".cell.outlined")).to_have_count(2)
    assert page.evaluate("document.activeElement.dataset.region") == "8", "the focus stays"
    expect(page.locator(".explainer")).to_have_count(1)
    page.evaluate("leave()")
    page.evaluate("data => model.send(data)", explainer_data(found))
    expect(page.locator(".cell.outlined")).to_have_count(2)


@pytest.mark.slow
def test_by_keyboard_alone(page: Page) -> None:
    found = made_up(20, 7)
    show(page, explainer_data(found, state=ExplainerState("class 3")))
    grid = page.get_by_role("grid")
    expect(grid).to_have_accessible_name(
        f"Map of local prompt 1. Where it sees class 3; its 5 best regions: {found.describe('class 3', 0)}."
    )
    expect(grid.get_by_role("row")).to_have_count(7)
    expect(grid.get_by_role("gridcell")).to_have_count(49)
    assert grid.locator("[tabindex='0']").count() == 1, "one stop for the tab key"
    grid.locator("[tabindex='0']").focus()
    press(page, "Control+Home", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp")  # at the edge it stays
    number = figure(found.region_scores("class 3", 0).ravel()[1])
    like = found.class_names[found.region_probabilities[1].argmax()]
    expect(page.locator(".pointed")).to_have_text(
        re.compile(f"Upper left, row 1, column 2: {re.escape(number)}.*most like {like}, ")
    )
    page.keyboard.press("Enter")
    expect(grid.get_by_role("gridcell", selected=True)).to_have_attribute("data-region", "1")
    expect(page.locator(".asked .bar .name").first).to_have_text(like)
    page.keyboard.press("Escape")
    expect(page.locator(".asked")).to_be_hidden()

    slider, outlined = page.get_by_role("slider", name="k of local prompt 1"), page.locator(".cell.outlined")
    slider.press("ArrowRight")
    expect(outlined).to_have_count(6)
    slider.evaluate(  # faster than frames are
        "n => [1, 2, 3].forEach(() => n.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' })))"
    )
    expect(outlined).to_have_count(9)
    page.keyboard.press("End")
    expect(outlined).to_have_count(49)
    expect(slider).to_have_attribute("aria-valuetext", "49 of 49 regions")
    page.get_by_label("Local prompt 1: its k best regions").fill("12")
    expect(outlined).to_have_count(12)
    page.get_by_role("button", name="Back to k = 5, 10, 15, 20").click()
    expect(outlined).to_have_count(5)
    page.get_by_role("button", name="Local prompt 3, the 15 regions most like class 3").click()
    outlines(page, kept(found, "class 3", 2, 15))
    page.get_by_role("button", name="All large").click()
    expect(page.locator(".stage")).to_be_hidden()


def test_why_this_class_and_not_that_one_and_what_teaching_changed(page: Page) -> None:
    found, before = made_up(20, 7), made_up(20, 7, seed=1)
    show(page, explainer_data(found, before=before, state=ExplainerState("class 3")))
    row = found.local_scores[3, 0]
    page.get_by_text(FOLDED).click()
    for option, about, other in (
        ("class 5", "Why class 3, not class 5", found.local_scores[5, 0]),
        (
            *("Itself before teaching", "Where it sees more or less of class 3 than before teaching"),
            before.local_scores[3, 0],
        ),
    ):
        page.get_by_label("Compared with").select_option(option)
        expect(page.locator(".about")).to_contain_text(about)
        told = f"{row:.4f} minus {other:.4f} is {row - other:+.4f}".replace("-", "\u2212")
        expect(page.locator(".sum")).to_have_text(told)
    page.locator("button.bar").first.click()
    expect(page.locator("button.bar").first).to_have_attribute("aria-pressed", "true")


def test_no_words_of_another_question_stay_and_the_prompt_with_the_highest_score_is_named_above_the_scores(
    page: Page,
) -> None:
    found = made_up(4, 7)
    in_notebook(page, explainer_data(made_up(20, 7)))
    expect(page.locator(".bars .name")).to_have_count(6)
    page.evaluate("data => model.send(data)", explainer_data(found))
    expect(page.locator(".bars .name")).to_have_text(sorted(found.probabilities, key=lambda c: -found.probabilities[c]))
    row = found.class_names.index(found.label)
    scores = {
        f"{kind} {n}": score
        for kind, each in (("global", found.global_scores), ("local", found.local_scores))
        for n, score in enumerate(each[row].tolist(), 1)
    }
    highest = max(scores, key=scores.__getitem__)
    said = f"Highest for {found.label}: {highest}, {scores[highest]:.4f}".replace("-", "\u2212")
    expect(page.get_by_text(said)).to_be_visible()


@pytest.mark.slow
def test_where_not_all_classes_are_sent_and_nobody_answers_old_shares_stay_marked(page: Page) -> None:
    drawn = made_up(1000, 24)
    found = replace(drawn, rule=replace(drawn.rule, threshold=None))
    data = explainer_data(found, asks=False)
    show(page, data)
    page.get_by_label("Local prompt 1: its k best regions").fill("30")
    outlines(page, kept(found, page.locator(".bar.explained .name").inner_text(), 0, 30))
    expect(page.locator(".stale")).to_have_text("Probabilities are those of k = 5, 10, 15, 20.")
    expect(page.get_by_label("Class explained").locator("option")).to_have_count(len(data["offered"]) + 1)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "side"), [(20, 7), (20, 24), (1000, 7), (1000, 24)])
def test_what_is_shown_unmarked_is_pythons_and_the_rest_is_marked_until_python_answered(
    page: Page, classes: int, side: int
) -> None:
    """To 1e-5, with the widget itself behind the page."""
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    from gallop.maps.explainer.widget import Explainer

    found = made_up(classes, side)
    shown = Explainer(found, state=ExplainerState(found.label))
    waits = "last" in shown.data["takes"][0]["branches"][1]
    assert waits == (classes * side**2 * 16 > COSINE_BYTES)
    in_notebook(page, shown.data)
    told = [apart(page, found)]
    page.get_by_label("Local prompt 1: its k best regions").fill("30")
    moved = found.with_topk((30, 10, 15, 20))
    outlines(page, kept(found, found.label, 0, 30))
    score = moved.local_scores[found.class_names.index(found.label), 0]
    expect(page.locator(".sum")).to_contain_text(f"{score:.4f}")  # of maps nothing has to be waited for
    page.keyboard.press("Tab")  # the hand lets go
    if waits:
        expect(page.locator(".stale")).to_have_text("Probabilities are those of k = 5, 10, 15, 20.")
        told.append(apart(page, found))
        page.wait_for_function("model.saved.length == 1")
        expect(page.locator(".stale")).to_have_text("Probabilities are those of k = 5, 10, 15, 20.")
        shown.browser_state = page.evaluate("model.saved[0]")
        page.evaluate("data => model.send(data)", shown.data)
    expect(page.locator(".stale")).to_be_hidden()
    told.append(apart(page, moved))
    print(f"{classes} classes, {side} x {side}: {max(told):.1e} at most apart")
    assert max(told) < 1e-5


def test_two_in_a_notebook_stand_alone_and_hostile_names_are_text(page: Page) -> None:
    classifier = tiny.classifier(topk=(3, 7)).zero_shot([HOSTILE, "</script><b>bold</b>"])
    found, other = made_up(20, 7), classifier.explain(tiny.picture(3, "green"))
    in_notebook(page, explainer_data(found), explainer_data(other))
    first, second = page.locator(".explainer").nth(0), page.locator(".explainer").nth(1)
    first.get_by_label("Local prompt 1: its k best regions").fill("9")
    page.keyboard.press("Tab")
    expect(first.locator(".cell.outlined")).to_have_count(9)
    expect(second.locator(".cell.outlined")).to_have_count(3)
    page.wait_for_function("models[0].saved.length == 1")
    assert page.evaluate("models[1].saved.length") == 0
    second.get_by_text(FOLDED).click()
    second.get_by_label("Class explained").select_option(HOSTILE)
    page.wait_for_function("models[1].saved.length == 1")
    assert ExplainerState.from_browser(page.evaluate("models[1].saved[0]")).class_name == HOSTILE
    assert page.evaluate("models[0].saved.length") == 1
    outlines(page, kept(other, HOSTILE, 0, 3), which=1)
    for name in other.class_names:
        expect(second.locator("button.bar .name").get_by_text(name, exact=True)).to_be_visible()
    expect(page.locator("img:not(.photo), b")).to_have_count(0)


def test_without_local_prompts_there_is_no_map_and_regions_can_still_be_asked(page: Page) -> None:
    found = made_up(5, 7, topk=())
    show(page, explainer_data(found))
    expect(page.locator(".maps")).to_be_hidden()
    expect(page.locator(".key .entry")).to_have_count(0)
    page.locator(".cell").nth(8).click()
    like = found.class_names[found.region_probabilities[8].argmax()]
    expect(page.locator(".asked .bar .name").first).to_have_text(like)


def test_cells_lie_on_what_the_model_saw_and_nothing_jumps(page: Page) -> None:
    classifier = tiny.classifier(topk=(3,)).zero_shot(["red", "green"])
    data = explainer_data(classifier.explain(tiny.picture(3, "green", (60, 40))))
    show(page, data)
    (x, y, width, height), cells = (
        [*tiny.there(page.locator(name).bounding_box()).values()] for name in (".stage", ".cells")
    )
    assert width / height == pytest.approx(data["ratio"], rel=0.01)
    assert cells == pytest.approx([x, y, 0, 0] + np.array([width, height] * 2) * data["crop"], abs=0.6)
    height = page.evaluate("document.body.scrollHeight")
    page.locator(".cell").nth(3).hover()
    expect(page.locator(".pointed")).to_contain_text("row 1, column 4")
    assert page.evaluate("document.body.scrollHeight") == height


@pytest.mark.parametrize(
    ("style", "against"),
    [(Style(), None), (Style("inferno", 1.0, 0.3, drawn="Cells"), None), (Style(), "green")],
    ids=["as it is at first", "cells above a threshold", "a difference"],
)
@pytest.mark.slow
def test_what_is_drawn_is_the_picture_that_python_draws(page: Page, style: Style, against: str | None) -> None:
    """Pixel by pixel at the photo's own size: 1 of 255 apart at the median, and 12 where no line's soft edge is.

    A browser draws eight pixels a region and stretches them, Python every pixel; and they soften lines differently.
    """
    classifier = tiny.classifier(topk=(3, 5)).zero_shot(["red", "green", "blue"])
    found = classifier.explain(tiny.picture(3, "green", (480, 320)))
    minus, red = Subject(found, against) if against else None, Subject(found, "red")
    differences = [red.scores(n, minus) for n in range(2)]
    scale = scale_of(differences, signed=True) if minus else shared_scale(found)
    wanted = np.asarray(map_picture(red, 0, minus=minus, scale=scale, style=style)).astype(int)
    stands = ExplainerState("red", against, style=style)
    show(page, explainer_data(found, state=stands, photo=picture_url(found.image, "PNG")))
    page.add_style_tag(content=".explainer .stage { width: 480px; border-radius: 0 } .cell:hover { background: none }")
    outlines(page, kept(found, "red", 0, 3))
    page.wait_for_function("document.querySelector('.stage .seen canvas:nth-of-type(2)').width === 320")
    next_frame(page)
    drawn = np.asarray(Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")).astype(int)
    assert drawn.shape == wanted.shape
    apart = np.abs(drawn - wanted).max(axis=-1)
    assert apart.mean() < 1.5
    assert np.median(apart) <= 1
    assert (apart > 12).mean() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    stands = ExplainerState("class 3", "class 5", topk=(3, 10, 15, 20), region=9)
    show(page, explainer_data(made_up(20, 7), before=made_up(20, 7, seed=1), state=stands))
    page.evaluate(
        """() => {
            const root = Object.assign(document.documentElement, { lang: "en" });
            root.style.cssText = "color-scheme: light dark; background: light-dark(#fff, #040606)";
            document.title = "An explainer";
        }"""
    )
    page.get_by_text(FOLDED).click()
    assert axe_faults(page, ".explainer") == []


def test_a_compact_one_is_a_map_and_what_is_asked_of_it(page: Page) -> None:
    found = made_up(3, 7)
    stands = ExplainerState(found.class_names[2], prompt=1)
    in_notebook(page, explainer_data(found, state=stands, scale=Scale(-0.5, 0.75), compact=True))
    outlines(page, {box.region for box in found.regions(found.class_names[2], 1)})
    expect(page.locator(".legend :is(.low, .high)")).to_have_text(["\u22120.5000", "0.7500"])
    expect(page.locator(".best, .bars, .track-range, .tile, select, details")).to_have_count(0)
    page.locator('.cell[data-region="9"]').click()
    page.wait_for_function("model.saved.length == 1")
    assert ExplainerState.from_browser(page.evaluate("model.saved[0]")).region == 9
    expect(page.locator(".asked")).to_contain_text("alone it would be")
    # Another map in its place: the host chooses.
    page.evaluate(
        "data => model.send(data)", explainer_data(found, state=ExplainerState(found.label, turn=1), compact=True)
    )
    outlines(page, {box.region for box in found.regions(found.label, 0)})
