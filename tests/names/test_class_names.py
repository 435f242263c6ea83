"""Class names: one line of visible text, and no two that a person would take for the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gallop.errors import ClassNameError
from gallop.names.class_names import (
    MAX_NAME_LENGTH,
    clean_name,
    clean_names,
    folder_to_name,
    missing_names,
    parse_names,
    spelled_as,
)

RLO, ZWSP, ZWJ, BOM, SHY = "\u202e", "\u200b", "\u200d", "\ufeff", "\u00ad"
LINE_SEPARATORS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  golden\tretriever ", "golden retriever"),
        (f"ab{RLO}cd", "abcd"),
        (f"c{ZWSP}a{ZWJ}t{BOM}", "cat"),
        (f"co{SHY}operate", "cooperate"),
        ("cat\x00dog", "cat dog"),
        ("cat\x1b[31m", "cat [31m"),
        ("cafe\u0301", "caf\u00e9"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("-rf", "-rf"),
        ("--", "--"),
        *((f"cat{separator}dog", "cat dog") for separator in LINE_SEPARATORS),
        ("cat\ud83d", "cat"),
        ("\u72ac", "\u72ac"),
        ("$x^2$ <b>bold</b> {}", "$x^2$ <b>bold</b> {}"),
    ],
)
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean_name(raw) == cleaned


@pytest.mark.parametrize(
    ("call", "given", "words"),
    [
        *(
            (clean_name, empty, "no visible characters")
            for empty in ["", "   ", "\n\t", RLO, ZWSP + BOM, "\x00", "\u2028"]
        ),
        (clean_name, "\ud83d", "no visible characters"),
        *((clean_name, wrong, "must be text") for wrong in [None, 3, 1.5, b"cat", ["cat"]]),
        (clean_names, [], "at least one"),
        (clean_names, "cat, dog", "parse_names"),
        *((parse_names, nothing, "at least one") for nothing in ["", ",,,", " \n , "]),
        (parse_names, "cat, CAT", "'cat' and ' CAT'"),
        (folder_to_name, "___", "folder '___'"),
    ],
)
def test_what_is_no_name_is_refused(call: Callable[[Any], Any], given: object, words: str) -> None:
    with pytest.raises(ClassNameError, match=words):
        call(given)


def test_the_longest_name_and_one_more() -> None:
    assert clean_name("a" * MAX_NAME_LENGTH) == "a" * MAX_NAME_LENGTH
    for length in (MAX_NAME_LENGTH + 1, 10**6):
        with pytest.raises(
            ClassNameError, match=rf"{length}.* characters; the maximum is {MAX_NAME_LENGTH}"
        ) as refused:
            clean_name("a" * length)
        assert len(str(refused.value)) < 300, "the sentence is not a page long"


@example(f"e{ZWSP}\u0301")  # composed only once the invisible character between them is gone
@example("\u2126 \u212b \ufb01 \u0344")
@given(st.text(max_size=60))
def test_cleaning_is_idempotent_and_gives_one_visible_line(raw: str) -> None:
    try:
        cleaned = clean_name(raw)
    except ClassNameError:
        return
    assert (clean_name(cleaned), cleaned, len(cleaned.splitlines())) == (cleaned, cleaned.strip(), 1)
    assert "  " not in cleaned
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert unicodedata.normalize("NFC", cleaned).encode("utf-8") == cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cat", "cat"),
        ("cat", "Cat"),
        ("cat", " cat "),
        ("caf\u00e9", "cafe\u0301"),
        ("cat", f"c{ZWSP}at"),
        ("caf\u00e9", f"cafe{ZWSP}\u0301"),
        ("cat dog", "cat\u2028dog"),
        ("stra\u00dfe", "STRASSE"),
        ("\u0130stanbul", "i\u0307stanbul"),
    ],
)
def test_names_equal_after_cleaning_are_refused_and_both_are_named(first: str, second: str) -> None:
    with pytest.raises(ClassNameError) as refused:
        clean_names(["other", first, second])
    named = [repr(name) for name in (first, second, "other") if repr(name) in str(refused.value)]
    assert named == [repr(first), repr(second)]


def test_clean_names_keeps_order_and_case() -> None:
    assert clean_names(name for name in ["Zebra", "ant  eater", "Bee"]) == ("Zebra", "ant eater", "Bee")


def test_parsing_takes_commas_and_newlines_and_skips_empty_pieces() -> None:
    assert parse_names("cat, dog,\n\n golden retriever ,, bird\r\nfish") == (
        "cat",
        "dog",
        "golden retriever",
        "bird",
        "fish",
    )
    assert parse_names("cat\u2028dog, a\x0bb, c\x85d") == ("cat dog", "a b", "c d"), "these separate no names"


@given(st.lists(st.text(max_size=12), max_size=5))
def test_what_parsing_accepts_is_what_cleaning_accepts(pieces: list[str]) -> None:
    try:
        parsed = parse_names(",".join(pieces))
    except ClassNameError:
        return
    assert clean_names(parsed) == parsed


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("golden_retriever", "golden retriever"),
        ("a__b_", "a b"),
        ("001.Black_footed", "001.Black footed"),
        ("-x", "-x"),
    ],
)
def test_underscore_is_a_space_in_folder_names(folder: str, name: str) -> None:
    assert folder_to_name(folder) == name


def test_missing_names_in_order() -> None:
    assert (missing_names(["d", "a", "c"], ["a", "b"]), missing_names([], ["a"])) == (["d", "c"], [])


def test_names_are_spelled_as_those_that_are_known() -> None:
    assert spelled_as(["great dane", "cat", "bird"], ["cat", "great_dane"]) == ["great_dane", "cat", "bird"]
    assert spelled_as(["a b", "a_b"], ["a_b", "a b"]) == ["a b", "a_b"], "an equal one comes first"
    assert spelled_as(["a_b"], ["a b"]) == ["a_b"], "folders and tables have no underscores left"
