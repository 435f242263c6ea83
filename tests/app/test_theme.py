"""The app's two themes, read from its configuration: every contrast that they promise, and where the colour goes."""

from __future__ import annotations

import re

import pytest

from tests.app.test_rules import APP

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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_written_is_read_on_buttons_on_the_page_and_on_widgets(theme: str) -> None:
    found = colours(theme)
    assert contrast("#ffffff", found["primaryColor"]) >= 4.5
    assert contrast(found["primaryColor"], found["backgroundColor"]) >= 4.5, "a slider's value is written in it"
    for page in (found["backgroundColor"], found["secondaryBackgroundColor"]):
        assert contrast(found["textColor"], page) >= 7
        assert contrast(found["linkColor"], page) >= 4.5
        assert contrast(over(found["textColor"], 0.6, page), page) >= 4.5
