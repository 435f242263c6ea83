from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from app import text

HOSTILE = [
    "![x](http://example.invalid/x.png)",
    "[link](http://example.invalid)",
    "<b>bold</b>",
    "<img src=http://example.invalid/x.png>",
    ":red[red] :smile: :material/lock:",
    "$x^2$ `code` **bold** # head",
    "http://example.invalid www.example.invalid a@example.invalid",
    "\\![x](http://example.invalid/x.png)",
    "| a | b |\n|---|---|",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_every_name_as_typed_and_nothing_looks_like_an_address(name: str) -> None:
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text.markdown(name))
    read = html.unescape(shown.removeprefix("<p>").removesuffix("</p>\n"))
    assert read.replace("\u2060", "") == " ".join(name.split())
    assert not re.search(r"https?://|www\.\w|:\w+[:\[/]|\w@\w", read)


def test_plotly_gets_no_tags_and_no_mathematics() -> None:
    assert text.plotly("<b>a & b</b> $x$", 80) == "&lt;b&gt;a &amp; b&lt;/b&gt; &#36;x&#36;"
    assert text.plotly("<" * 50, 5) == "&lt;&lt;&lt;&lt;…", "shortened before it is escaped"
    assert len(text.shorten("x" * 50)) == 32


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.5, "50.0 %"), (0.99999, "> 99.9 %"), (1.0, "> 99.9 %"), (0.9991, "99.9 %"), (1e-9, "< 0.1 %"), (0.0, "0.0 %")],
)
def test_percent(share: float, shown: str) -> None:
    assert text.percent(share) == shown


def test_no_gain_is_no_words_and_so_no_arrow() -> None:
    assert (text.gain(3.2, "zero-shot"), text.gain(-0.25, "B", 1)) == ("+3 points vs zero-shot", "-0.2 points vs B")
    assert (text.gain(0.04, "B", 1), text.gain(-0.4, "zero-shot")) == (None, None)


def test_joined() -> None:
    assert (text.joined(["a"]), text.joined(["a", "b", "c"])) == ("a", "a, b and c")
    assert text.joined(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def test_a_clock_shows_the_browsers_time_and_takes_any_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (text.time_of_day(1700000000, "UTC"), text.time_of_day(1700000000, "Asia/Kolkata")) == ("22:13", "03:43")
    here = text.time_of_day(1700000000)
    for zone in ("", "nowhere", "../../etc/passwd", "/etc/passwd", "\0", "Europe", "x" * 5000):
        assert text.time_of_day(1700000000, zone) == here


def test_a_span_is_as_exact_as_it_matters() -> None:
    said = {120: "a few minutes", 1800: "30 minutes", 5400: "90 minutes", 7200: "2 hours", 86400: "24 hours"}
    assert {seconds: text.roughly(seconds) for seconds in said} == said
