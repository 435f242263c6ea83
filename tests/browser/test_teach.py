"""The page Teach in a real browser: teach, cancel, reload, queue, zips, hostile names and files. No request leaves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browsing import (
    HOSTILE,
    PATIENCE,
    Page,
    answer,
    choose_photo,
    expect,
    files_into,
    metric,
    name_classes,
    number,
    open_sample,
    photo,
    pick,
    reads,
    rounds,
    settled,
    shots,
    upload,
)
from tests.nasty_images import png_bomb


def add_classes(page: Page, names: str) -> None:
    settled(page)
    field = page.get_by_role("textbox", name="New class")
    field.fill(names)
    field.press("Enter")


def card(page: Page, name: str) -> Any:
    return page.locator("[class*='st-key-card-']").filter(has=page.get_by_role("heading", name=name, exact=True))


def two_cards(page: Page, count: int = 3) -> None:
    """A kitten and a tiger cat, told by pieces of two photos."""
    add_classes(page, "kitten, tiger cat")
    for name, sample in (("kitten", "Cat"), ("tiger cat", "Coffee")):
        files_into(page, f"Photos of {name}", shots(sample, count))
        expect(card(page, name).get_by_text(f"{count} photos")).to_be_visible()


@pytest.mark.slow
def test_the_button_that_takes_a_photo_is_on_the_screen_of_a_laptop(new_page: Any) -> None:
    page = new_page("teach", viewport={"width": 1280, "height": 800})
    add_classes(page, "ant, bee, wasp")
    card(page, "wasp").get_by_role("button", name="Camera").click()
    page.wait_for_function("() => document.querySelector('video')?.readyState === 4")
    page.wait_for_timeout(500)  # the menu grows around the picture
    expect(page.get_by_role("button", name="Take Photo")).to_be_in_viewport(ratio=1)


@pytest.mark.slow
def test_the_settings_stay_open_when_another_way_to_teach_is_chosen(new_page: Any) -> None:
    page = new_page("teach")
    two_cards(page, 2)
    rounds(page, 3)
    field = page.get_by_role("spinbutton", name="Rounds")
    for way in ("As in the paper", "Quick", "Custom"):
        pick(page, way)
        settled(page)
        expect(field).to_be_visible()


@pytest.mark.slow
def test_dropout_beside_the_answer_moves_it_while_the_prompts_learn_and_leads_back(page: Page) -> None:
    open_sample(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    explainer, back = page.locator(".explainer"), page.get_by_role("button", name="Back to the run before")
    expect(explainer).to_contain_text("before teaching")
    settled(page)
    before = page.locator(".explainer .prompts").inner_text()
    expect(page.get_by_role("switch", name="Retrain as I change it")).to_be_checked()
    page.get_by_role("slider", name="Prompt dropout").press("ArrowLeft")
    expect(explainer).to_contain_text("it is that of the run before until calibration is done")
    expect(explainer).to_contain_text("in the run before")
    expect(back).to_be_visible(timeout=4 * PATIENCE)
    expect(page.get_by_text(re.compile("Dropout 0.75 → 0.5: the global prompts"))).to_be_visible()
    settled(page)
    assert page.locator(".explainer .prompts").inner_text() != before
    back.click()
    expect(back).to_have_count(0)
    settled(page)
    expect(page.locator(".explainer .prompts")).to_have_text(before, use_inner_text=True)


@pytest.mark.slow
def test_on_a_narrow_page_no_button_is_cut_and_the_training_is_one_click_away(new_page: Any) -> None:
    page = new_page("teach")
    for width in (1280, 1000, 820, 390):
        page.set_viewport_size({"width": width, "height": 844})
        expect(page.get_by_role("button", name="Add class")).to_be_visible()
        page.wait_for_function(  # the sidebar takes its place for a moment, while it closes
            "() => ![...document.querySelectorAll('button div')].some(box => box.scrollWidth > box.clientWidth + 1)"
        )
    heading = page.get_by_role("heading", name="Train", exact=True)
    link = page.get_by_role("link", name="On to training")
    expect(link).to_have_count(0)
    add_classes(page, "ant, bee, wasp, fly, moth, gnat")
    settled(page)
    address = page.url
    expect(heading).not_to_be_in_viewport()
    link.click()
    expect(heading).to_be_in_viewport()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_in_viewport()
    expect(page).to_have_url(f"{address}#train")
    settled(page)
    expect(page.get_by_text("0 photos")).to_have_count(6)


def test_teaching_on_a_few_photos_changes_the_probabilities(page: Page) -> None:
    choose_photo(page, "Cat")
    name_classes(page, "kitten, tiger cat")
    expect(answer(page)).to_contain_text("tiger cat")

    page.get_by_role("link", name="Teach").click()
    two_cards(page)
    rounds(page, 3)
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text("Done: 3 steps on 6 photos of 2 classes")).to_be_visible(timeout=2 * PATIENCE)
    settled(page)
    assert 50 <= number(metric(page, "Right on 6 training photos").inner_text().replace(" %", ".0")) <= 100
    # A photo it has not seen, answered wrongly or not, becomes a shot with one click.
    files_into(page, "Photos to try", [upload("rocket.jpg", photo("Rocket"))])
    expect(page.get_by_role("combobox", name="Photo shown")).to_have_value("rocket.jpg")
    reads(page, "Wrong? Then rocket.jpg is really")
    page.locator(".st-key-correction").get_by_role("button", name="tiger cat", exact=True).click()
    expect(card(page, "tiger cat").get_by_text("4 photos")).to_be_visible()
    reads(page, "moved rocket.jpg to tiger cat")
    expect(page.get_by_role("button", name="Back to the run before")).to_be_visible(timeout=2 * PATIENCE)

    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_role("button", name="Take rocket.jpg away")).to_be_visible()
    # With so few shots the limit decides nothing, as the answer says; other photos keep the classes they had.
    files_into(page, "Upload photos", [upload("mine.jpg", photo("Cat"))])
    expect(answer(page)).to_have_text(re.compile("^Nearest: kitten .*This threshold is unreliable here: "))
    choose_photo(page, "Cat")
    expect(answer(page)).to_have_text(re.compile("^cat"))


@pytest.mark.slow
def test_hostile_names_and_files_are_told_in_words_and_ask_nothing(new_page: Any, tmp_path: Path) -> None:
    page = new_page("teach")
    names, headings = [HOSTILE, "<b>bold</b>", "cat"], page.locator("[class*='st-key-card-'] h3")
    for count, name in enumerate(names, 1):
        add_classes(page, name)
        expect(headings).to_have_count(count)
    assert [found.replace("\u2060", "") for found in headings.all_inner_texts()] == names
    expect(page.locator("img[src*='example.invalid'], a[href*='example.invalid']")).to_have_count(0)
    bomb = {"name": "bomb.png", "mimeType": "image/png", "buffer": png_bomb(12_000)}
    files_into(page, "Photos of cat", [bomb, upload("cat.jpg", photo("Cat"))])
    reads(page, "1 added, 1 not added:")
    expect(page.get_by_test_id("stAlert").get_by_role("listitem")).to_contain_text("12000 x 12000")
    huge = tmp_path / "huge.jpg"
    huge.write_bytes(b"\xff\xd8\xff" + bytes(30 * 2**20))
    settled(page)  # the uploader of the run before is gone
    files_into(page, "Photos of cat", [huge])
    reads(page, "File must be 20.0MB or smaller.")
    expect(card(page, "cat").get_by_text("1 photo")).to_be_visible()


@pytest.mark.slow
def test_everything_to_a_training_can_be_done_from_the_keyboard(new_page: Any) -> None:
    """Files apart, which the browser's own dialog takes."""
    page = new_page("teach")
    two_cards(page, 2)
    rounds(page, 500)  # it shall last until it is cancelled
    names = page.locator("[class*='st-key-card-'] h3")

    def reach(role: str, name: str) -> None:
        wanted = page.get_by_role(role, name=name, exact=True).first
        for _ in range(150):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {name}")

    reach("textbox", "New class")
    page.keyboard.type("rocket")
    page.keyboard.press("Enter")
    expect(names).to_have_count(3)
    page.get_by_role("button", name="Undo").press("Enter")
    expect(names).to_have_count(2)
    settled(page)
    for name in ("Train again", "Cancel, and keep what it has learned"):
        reach("button", name)
        page.keyboard.press("Enter")
    reads(page, re.compile("cancelled|Cancelled"))


@pytest.mark.slow
def test_photos_dropped_while_others_are_read_are_all_taken_once(new_page: Any) -> None:
    """Streamlit can run a visitor's page twice at a time; then both runs would take the first photos."""
    page = new_page("teach")
    add_classes(page, "kitten, tiger cat")
    files_into(page, "Photos of tiger cat", shots("Rocket", 2))  # the model is loaded with the first photos
    expect(card(page, "tiger cat").get_by_text("2 photos")).to_be_visible()
    settled(page)
    large = Image.radial_gradient("L").resize((4000, 3000))  # which take long to read
    turned = [upload(f"{turn}.png", large.rotate(10 * turn), "PNG", compress_level=1) for turn in range(8)]
    files_into(page, "Photos of kitten", turned)
    page.locator('[data-testid="stApp"][data-test-script-state="running"]').wait_for()
    files_into(page, "Photos of tiger cat", shots("Coffee", 3))
    expect(card(page, "kitten").get_by_text("8 photos")).to_be_visible()
    expect(card(page, "tiger cat").get_by_text("5 photos")).to_be_visible()
    expect(page.get_by_text("not added")).to_have_count(0)
