"""Templates escape by their kind of page, and say so when a fact is missing."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markdown_it import MarkdownIt
from markupsafe import Markup

from gallop.documents.markdown import plain_markdown
from gallop.documents.rendering import jinja_environment, render
from tests.conftest import ROOT

HOSTILE = '<b>&"x"</b> [a](b) | *c*\n# d'


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        (False, "&lt;b&gt;&amp;&#34;x&#34;&lt;/b&gt; [a](b) | *c*\n# d, -0.50"),
        (True, r"\<b\>\&" + '"x"' + r"\</b\> \[a\](b) \| \*c\* # d, -0.50"),
    ],
)
def test_what_is_printed_is_escaped_once_through_macros_and_joins_too(markdown: bool, shown: str) -> None:
    environment = jinja_environment(markdown)
    for line in (
        '{{ words }}, {{ number|figure(".2f") }}',
        '{% macro both(a, b) %}{{ a }}, {{ b|figure(".2f") }}{% endmacro %}{{ both(words, number) }}',
    ):
        assert environment.from_string(line).render(words=HOSTILE, number=-0.5) == shown
    with pytest.raises(TypeError, match="is not a number"):
        environment.from_string('{{ words|figure("") }}').render(words=HOSTILE)
    assert environment.from_string("{{ words }}").render(words=Markup("<b>*</b>")) == "<b>*</b>"


@given(st.text(alphabet="ab 1-+.)(#=*_`~[]<>|&!\\\"':/@w\n", max_size=14))
def test_any_text_in_markdown_is_one_paragraph_that_reads_as_typed(text: str) -> None:
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    words = " ".join(text.split())
    assert html.unescape(renderer.render(plain_markdown(text))) == (f"<p>{words}</p>\n" if words else "")


def test_a_sentence_is_left_as_it_is() -> None:
    sentence = 'Few-shot (16 a class): 91.5 % right, +0.3; a/b, it\'s "x"!'
    assert plain_markdown(sentence) == sentence


def test_names_joined_in_markdown_are_escaped_each() -> None:
    line = jinja_environment(markdown=True).from_string('{{ names|map("plain")|join(", ") }}')
    assert line.render(names=["a, b", "*c*"]) == r"a, b, \*c\*"


def test_a_line_is_read_unrendered_too_and_holds_no_html_link_or_border() -> None:
    line = jinja_environment(markdown=True).from_string("{{ words|line }}")
    assert line.render(words=HOSTILE) == r'&lt;b>&amp;"x"&lt;/b> \[a\](b) \| *c* # d'


def test_a_fact_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="is undefined"):
        render("export/report.html.j2")


def test_no_template_prints_text_of_strangers_as_it_is() -> None:
    """``|safe`` is for a string that stands in the template, our own version, words and catalogue, numbers of checked
    settings, and what ``load`` takes, which stands in code: a folder of ours, a repository whose name the Hub has
    checked, or a backbone that open_clip lists or the Hub may have.
    """
    for path in (ROOT / "gallop").rglob("*.j2"):
        text = path.read_text()
        assert "autoescape" not in text
        words = r"\b(version|alike|licence|branch\.what|calibration\.promise|place|named)"
        ours = rf"""('[^']*'|{words}|\btraining\|join\(", "\))$"""
        assert all(re.search(ours, before) for before in text.split("|safe")[:-1]), path
