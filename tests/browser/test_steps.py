"""The steps of the method where they live: walked through by hand and by keys, and nothing is asked of a server."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop.maps.explainer import STEPS, STEPS_STYLE_SHEET, STYLE_SHEET, script
from gallop.maps.explainer.payload import Origins, explainer_data, steps_data
from gallop.maps.explainer.state import ExplainerState
from gallop.predictions.explanation import Explanation
from tests import tiny
from tests.browsing import HOSTILE, Page, axe_faults, expect, figure, lone_page, press, reads
from tests.maps.test_explainer import made_up
from tests.tiny import head_scores, there

TITLES = ["Crop", "Regions", "Prompts", "Cosines", "Top-k", "Ensemble", "Softmax", "None of these?", "Learning"]
COLOURS = {"light": ("#fff", "#0f6b62", "#0f6b62"), "dark": ("#040606", "#158578", "#5ccfc1")}
SHOW = """
async ([script, data]) => {
  window.steps ??= await import("data:text/javascript;base64," + script);
  window.steps.default({ data, parentElement: document.body });
}
"""


page = pytest.fixture(lone_page)


def show(
    page: Page, found: Explanation, origins: Origins, stands: ExplainerState | None = None, scheme: str = "light"
) -> None:
    paper, accent, link = COLOURS[scheme]
    css = "\n".join(path.read_text(encoding="utf-8") for path in (STYLE_SHEET, STEPS_STYLE_SHEET))
    theme = f"color-scheme: {scheme}; --st-primary-color: {accent}; --st-link-color: {link}; background: {paper}"
    page.set_content(f"<!doctype html><html lang=en><title>Steps</title><style>:root {{ {theme} }} {css}</style><main>")
    page.set_viewport_size({"width": 1280, "height": 700})
    data = steps_data(explainer_data(found, state=stands, asks=False), found.image.size, found.crop, origins)
    page.evaluate(SHOW, [base64.b64encode(script(STEPS).encode()).decode(), data])
    expect(page.get_by_role("tab")).to_have_text([f"{i}{title}" for i, title in enumerate(TITLES, 1)])


def step(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()


def asked(page: Page) -> Any:
    """The button of the class that is asked about."""
    return page.get_by_role("button", name="class 3 ")


def test_every_step_says_the_explanations_own_figures(page: Page) -> None:
    found = made_up(20, 7)
    show(
        page, found, Origins(224, ("A photo of a {}", "A drawing of a {}"), kept=1), ExplainerState("class 3", prompt=1)
    )
    step(page, "Prompts")
    expect(page.locator(".texts li").nth(1)).to_have_text("global 2A drawing of a class 3the whole photo")
    step(page, "Cosines")
    page.get_by_role("button", name="global 2").click()
    expect(asked(page)).to_contain_text(figure(found.global_scores[3, 1]))
    page.get_by_role("button", name="local 3").click()
    page.locator(".cell").nth(9).click()
    expect(asked(page)).to_contain_text(figure(found.region_scores("class 3", 2).ravel()[9]))
    step(page, "Top-k")
    page.get_by_role("button", name="local 2, k = 10").click()
    expect(page.locator(".sum")).to_have_text(f"Their mean: {figure(found.local_scores[3, 1])}")
    expect(page.locator(".cell.outlined")).to_have_count(10)
    page.get_by_role("slider").press("ArrowRight")
    moved = found.with_topk((5, 11, 15, 20))
    expect(page.locator(".cell.outlined")).to_have_count(11)
    expect(page.locator(".sum")).to_have_text(f"Their mean: {figure(moved.local_scores[3, 1])}")
    step(page, "Ensemble")
    expect(page.locator(".dots .line").nth(2)).to_have_text(f"together{figure(of_prompts(moved))}")
    step(page, "Softmax")
    share = f"{100 * moved.probabilities['class 3']:.1f} %"
    expect(asked(page)).to_contain_text(share)
    page.get_by_role("slider").press("End")
    expect(asked(page)).not_to_contain_text(share)
    page.get_by_role("button", name="Back to the model's scale").click()
    expect(asked(page)).to_contain_text(share)


def of_prompts(found: Explanation) -> float:
    """What all prompts together give the class that is asked about."""
    return float(np.mean([np.mean(part[3], dtype=np.float64) for part in (found.global_scores, found.local_scores)]))


def test_what_shots_taught_joins_the_prompts_with_its_weight(page: Page) -> None:
    found = made_up(20, 7, head=0.6)
    show(page, found, Origins(224), ExplainerState("class 3", prompt=4))  # the head's map, which no step is about
    step(page, "Ensemble")
    line, shots, prompts = page.locator(".dots .line"), float(head_scores(found)[3]), of_prompts(found)
    together = figure(0.4 * prompts + 0.6 * shots)
    expect(line).to_have_count(4)
    expect(line.nth(2)).to_have_text(f"head{figure(shots)}")
    expect(line.nth(3)).to_have_text(f"together{together}")
    page.get_by_text("Formula", exact=True).click()
    told = f"With the head: 0.40 × {figure(prompts)} + 0.60 × {figure(shots)} = {together}."
    expect(page.locator(".formula")).to_contain_text(told)
    step(page, "Softmax")
    expect(asked(page)).to_contain_text(f"{100 * found.probabilities['class 3']:.1f} %")
    step(page, "Ensemble")
    page.get_by_role("slider", name="What shots count").press("Home")
    expect(line.nth(3)).to_have_text(f"together{figure(prompts)}")
    page.get_by_role("button", name="Back to the model's weight").click()
    expect(line.nth(3)).to_have_text(f"together{together}")
    page.get_by_role("tab", name="Learning", exact=True).click()
    expect(page.locator(".saying")).to_contain_text("The head needs no steps")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_the_softmax_lies_on_the_photo_its_length_is_the_share_and_it_can_be_read(
    page: Page, colour: str, scheme: str
) -> None:
    drawn = made_up(20, 7)
    rule = replace(drawn.rule, temperature=4.0)
    found = replace(drawn, image=Image.new("RGB", (300, 200), colour), rule=rule)
    show(page, found, Origins(224), ExplainerState("class 3"), scheme)
    step(page, "Softmax")
    stage = there(page.locator(".stage").bounding_box())
    bars = page.get_by_role("group", name="Classes by probability").get_by_role("button")
    expect(bars).to_have_count(6)
    for bar in bars.all():
        box, fill = there(bar.bounding_box()), there(bar.locator(".fill").bounding_box())
        for side, size in (("x", "width"), ("y", "height")):
            assert stage[side] - 1 <= box[side] <= stage[side] + stage[size] - box[size] + 1
        share = found.probabilities[bar.locator(".name").inner_text()]
        assert fill["width"] == pytest.approx(share * stage["width"], abs=1)
        seen = np.asarray(Image.open(io.BytesIO(bar.screenshot())).convert("RGB"))[4, 4] / 255
        linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 4.5, "white on it can be read"
    bars.nth(1).click()
    expect(bars.nth(1)).to_have_attribute("aria-pressed", "true")
    step(page, "Ensemble")
    expect(page.locator(".over .bar")).to_have_count(0)
    expect(page.locator(".cell").first).to_be_visible()


def test_a_limit_that_is_moved_turns_the_verdict_and_dropout_changes_the_loss(page: Page) -> None:
    found = made_up(20, 7)
    show(page, found, Origins(224, kept=1, notes={"learning": "In the last step."}))
    step(page, "None of these?")
    score = float(found.similarities.ood["GL-MCM"][0])
    verdict = ("One of these", "None of these")[score > -1.2]
    expect(page.locator(".step .best")).to_have_text(verdict)
    page.get_by_role("slider").press("Home" if score < -1.2 else "End")
    expect(page.locator(".step .best")).not_to_have_text(verdict)
    step(page, "Learning")
    reads(page, "In the last step.")
    loss = page.locator(".step .bar").first
    first = loss.inner_text()
    page.get_by_role("button", name="global 3").click()
    expect(page.get_by_role("button", name="global 3")).to_have_attribute("aria-pressed", "true")
    expect(loss).not_to_have_text(first)
    reads(page, re.compile("Only a random few of the global prompts are kept"))
    show(page, found, Origins(224, kept=4))
    step(page, "Learning")
    reads(page, re.compile("All global prompts are kept"))


def test_it_is_walked_through_by_keys_and_by_next(page: Page) -> None:
    show(page, made_up(3, 7), Origins(224))
    for title in TITLES:
        expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        if title != TITLES[-1]:
            page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("button", name="Next")).to_be_hidden()
    page.get_by_role("tab", name="Learning").focus()
    press(page, "Home", "ArrowRight")
    expect(page.get_by_role("tab", name="Regions")).to_be_focused()
    expect(page.get_by_role("heading", name="Regions")).to_be_visible()  # drawn with the next frame
    page.locator(".cell[tabindex='0']").focus()
    press(page, "Control+End", "Enter")
    reads(page, "Lower right, row 7, column 7")


def test_the_crop_is_seen_as_the_model_gets_it(page: Page) -> None:
    found = tiny.classifier(topk=(3,)).zero_shot(["red", "green"]).explain(tiny.picture(3, "green", (60, 40)))
    show(page, found, Origins(32, ("A {}",)))
    expect(page.locator("canvas.pixels")).to_be_hidden()
    page.get_by_role("button", name="What the model gets, 32 × 32").click()
    expect(page.get_by_role("img", name="The crop, 32 × 32 pixels")).to_be_visible()
    assert page.locator("canvas.pixels").evaluate("canvas => [canvas.width, canvas.height]") == [32, 32]
    page.get_by_text("Formula").click()
    expect(page.locator(".formula")).to_have_text("Of 60 × 40 pixels: 10 to 50 across, 0 to 40 down, 67 %.")


@pytest.mark.slow
@pytest.mark.parametrize("topk", [(), (2,)])
def test_one_class_no_local_prompt_and_hostile_names_are_walked_through(page: Page, topk: tuple[int, ...]) -> None:
    drawn = made_up(1, 4, topk=topk)
    found = replace(drawn, class_names=(HOSTILE,), rule=replace(drawn.rule, threshold=None))
    show(page, found, Origins(224, ("<b>{}</b>",)))
    for title in TITLES:
        step(page, title)
    step(page, "Prompts")
    expect(page.locator(".texts .text b").first).to_have_text(HOSTILE)
    expect(page.locator("img:not(.photo)")).to_have_count(0)
    expect(page.locator(".texts .text").first).to_have_text(f"<b>{HOSTILE}</b>")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_step(page: Page, scheme: str) -> None:
    show(page, made_up(20, 7, head=0.5), Origins(224, kept=2), scheme=scheme)
    for title in TITLES:
        step(page, title)
        for summary in page.get_by_text("Formula", exact=True).all():
            summary.click()
        assert axe_faults(page, ".explainer") == [], title
