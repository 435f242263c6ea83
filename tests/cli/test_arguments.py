"""How a call is read."""

from __future__ import annotations

import pytest

from gallop.cli import main
from gallop.cli.arguments import build_parser, known_commands, parse


def test_sizes_are_read_in_their_units() -> None:
    read = parse(["serve", "model", "--body", "32", "--answer-within", "2m"])
    assert (read.body, read.answer_within) == (32 * 2**20, 120.0)


def test_a_call_is_read_alike_whether_other_commands_are_known_or_not() -> None:
    everything = build_parser(known_commands())
    for words in (["doctor", "--json"], ["predict", "a.jpg", "--classes", "a,b"], ["data", "list"], ["app"]):
        assert parse(words) == everything.parse_args(words)
    assert parse(["predict", "a.jpg", "--classes=-minus"]).classes == "-minus"


def test_an_unknown_command_is_told_all_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    told = capsys.readouterr().err
    assert all(name in told for name in known_commands())
