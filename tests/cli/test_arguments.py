"""A command is two files: its words in ``gallop/cli/arguments``, and what it does in ``gallop/cli/commands``."""

from __future__ import annotations

import sys
from pathlib import Path
from pkgutil import walk_packages

import pytest

from gallop.cli import arguments, commands, main
from gallop.cli.arguments import build_parser, command_modules, known_commands, parse

WORDS = """
from gallop.cli.shared_options import add_common

def add_greet(commands):
    parser = commands.add_parser("greet", help="good manners")
    parser.add_argument("--classes")
    add_common(parser)
"""
DEED = """
def run(options, console):
    console.result({"greeting": options.classes}, lambda: [f"Good day, {options.classes}."])
    return 0
"""


@pytest.fixture
def greet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, text in ((arguments, WORDS), (commands, DEED)):
        folder = tmp_path / package.__name__.rpartition(".")[2]
        folder.mkdir()
        (folder / "greet.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.greet", raising=False)


@pytest.mark.usefixtures("greet")
def test_two_files_make_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words, status, said in (
        ("--help", 0, "greet     good manners"),
        ("greet --classes -minus", 0, "Good day, -minus.\n"),
        ("greet --classes cat --json", 0, '"greeting": "cat"'),
        ("greet --loud", 2, "unrecognized arguments: --loud"),
    ):
        assert main(words.split()) == status
        told = capsys.readouterr()
        assert said in told.out + told.err


def test_every_command_has_words_and_does_something() -> None:
    found = walk_packages(commands.__path__, f"{commands.__name__}.")
    assert sorted(command_modules().values()) == sorted(
        module.name.removeprefix(f"{commands.__name__}.") for module in found if not module.ispkg
    )


def test_sizes_are_read_in_their_units() -> None:
    read = parse(["serve", "model", "--body", "32", "--answer-within", "2m"])
    assert (read.body, read.answer_within) == (32 * 2**20, 120.0)


def test_a_call_is_read_alike_whether_other_commands_are_known_or_not() -> None:
    everything, _ = build_parser(known_commands())
    for words in (["doctor", "--json"], ["predict", "a.jpg", "--classes", "a,b"], ["data", "list"], ["app"]):
        assert parse(words) == everything.parse_args(words)


def test_an_unknown_command_is_told_all_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    told = capsys.readouterr().err
    assert all(name in told for name in known_commands())
