"""The app's two themes, read from its configuration: every contrast that they promise, and where the colour goes."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from tests.app.test_rules import APP, SOURCES
from tests.app_pages import COMPARE, EXPORT, METHOD, PROMPTS, TEACH, TEST, Open, cards, fine, go, train, with_photo

CONFIG = (APP / ".streamlit" / "config.toml").read_text(encoding="utf-8")


def colours(theme: str) -> dict[str, str]:
    section = CONFIG.split(f"[theme.{theme}]")[1].split("\n[")[0]
    return dict(re.findall(r'^(\w+) = "(#[0-9a-f]{6})"', section, re.MULTILINE))


def channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def over(colour: str, share: float, page: str) -> str:
    """A colour that covers a share of what lies below it."""
    mixed = (round(share * a + (1 - share) * b) for a, b in zip(channels(colour), channels(page), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in channels(colour))
        ]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_is_the_known_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert over("#ffffff", 0.5, "#000000") == "#808080"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_primary_button_carries_white_and_stands_off_the_page(theme: str) -> None:
    found = colours(theme)
    assert contrast("#ffffff", found["primaryColor"]) >= 4.5
    assert contrast(found["primaryColor"], found["backgroundColor"]) >= 4.5, "a slider's value is written in it"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_captions_and_links_are_read_on_the_page_and_on_widgets(theme: str) -> None:
    found = colours(theme)
    for page in (found["backgroundColor"], found["secondaryBackgroundColor"]):
        assert contrast(found["textColor"], page) >= 7
        assert contrast(found["linkColor"], page) >= 4.5
        assert contrast(over(found["textColor"], 0.6, page), page) >= 4.5


def test_no_choice_is_drawn_as_segments() -> None:
    """A chosen one is the primary colour on a tenth of itself: in the dark none that carries white is read there."""
    dark = colours("dark")
    tint = over(dark["primaryColor"], 0.1, dark["backgroundColor"])
    assert contrast(dark["primaryColor"], tint) < 4.5, "there is room for segments now: this rule is not needed"
    assert not [path.name for path in SOURCES if re.search(r"st\.(segmented_control|pills)\(", path.read_text("utf-8"))]


def coloured(at: Any) -> list[str]:
    """The primary buttons of a page; one that cannot be clicked yet is grey."""
    kinds = (at.button, at.get("download_button"))
    protos = [found.proto for kind in kinds for found in kind]
    return [proto.label for proto in protos if proto.type == "primary" and not proto.disabled]


def test_a_page_has_at_most_one_coloured_button_and_an_empty_one_says_where_to_go(tiny_app: Open) -> None:
    at = fine(tiny_app())
    wanted = {
        TEACH: ["Add class"],
        TEST: ["On to teaching"],
        PROMPTS: ["On to teaching"],
        COMPARE: ["Teach classes of your own"],
        EXPORT: ["Look at a photo"],
    }
    assert {page: coloured(go(at, page)) for page in wanted} == wanted
    go(at, TEST)
    next(found for found in at.button if found.label == "On to teaching").click()
    assert fine(at.run()).title[0].value == "Teach"


def test_after_teaching_too(tiny_app: Open) -> None:
    at = cards(with_photo(tiny_app), {"red": 2, "green": 2}, tests=1)
    assert coloured(go(at, TEACH)) == ["Train"]
    train(at)
    assert coloured(go(at, TEACH)) == ["Train again"]
    assert coloured(go(at, EXPORT)) == ["Save the model as zip"]
    assert [page for page in (TEST, PROMPTS, COMPARE, METHOD) if coloured(go(at, page))] == []
