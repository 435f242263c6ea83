"""Words of strangers within our sentences."""

from __future__ import annotations

import pickle

import pytest

from gallop.errors import CheckpointError, DataError, GallopError, sentence_of
from gallop.wording import LONGEST_SENTENCE, answer_in_words, listed, printable, shortened


def test_control_characters_and_broken_names_become_escapes() -> None:
    assert printable("a\x1b[2Jb\udcffc\n") == "a\\x1b[2Jb\\udcffc\\n"


def test_a_long_text_loses_its_middle_and_keeps_the_way_out() -> None:
    short = shortened("There is no " + "x" * 10_000 + "; name another.", 60)
    assert len(short) == 60
    assert short.startswith("There is no xxx")
    assert " ... " in short
    assert short.endswith("; name another.")
    assert shortened("short", 60) == "short"


def test_many_names_are_the_first_and_a_count() -> None:
    assert (listed(["a"]), listed(["a", "b", "c"], most=3)) == ("a", "a, b, c")
    assert listed(["a", "b", "c", "d"], most=3) == "a, b, c and 1 more"
    flood = listed([f"\x1b[2J{'x' * 100_000}{i}" for i in range(1000)])
    assert len(flood) < 600
    assert flood.isprintable()
    assert flood.endswith(" and 994 more")


@pytest.mark.parametrize("kind", [GallopError, CheckpointError, DataError])
def test_no_error_is_longer_than_a_page_whatever_it_quotes(kind: type[GallopError]) -> None:
    error = kind(f"names {'x' * 1_600_000}; take them away.")
    for told in (str(error), sentence_of(error) or "", str(pickle.loads(pickle.dumps(error)))):
        assert len(told) == LONGEST_SENTENCE
        assert told.endswith("; take them away.")
    assert str(kind("No such thing.")) == "No such thing."


def test_what_the_system_says_of_a_long_name_is_short_too() -> None:
    assert len(sentence_of(OSError(36, "File name too long", "x" * 100_000)) or "") <= LONGEST_SENTENCE


def test_an_answer_is_none_of_these_where_the_limit_says_so() -> None:
    assert answer_in_words("lemon", True) == "none of these (nearest: lemon)"
    assert answer_in_words("lemon", False) == answer_in_words("lemon", None) == "lemon"
