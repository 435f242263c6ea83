"""How a call is read; the settings: which options there are, and what stands where none is given."""

from __future__ import annotations

from importlib import reload

import pytest

from gallop.cli.arguments import COMMANDS, build_parser, known_commands, learning, parse
from gallop.cli.commands import train
from gallop.config import PRESETS, MethodConfig, TrainConfig, method_preset, train_preset
from tests.cli.test_cli import call

CALL = ("train", "photos", "--out", "model")
OPTIONS = {
    *("--global-prompts", "--local-prompts", "--topk", "--dropout", "--no-projection"),
    *("--epochs", "--lr", "--views", "--batch-size", "--seed"),
}
"""Which scripts of others pass."""


def test_sizes_are_read_in_their_units() -> None:
    read = parse(["serve", "model", "--body", "32", "--answer-within", "2m"])
    assert (read.body, read.answer_within) == (32 * 2**20, 120.0)


def test_a_call_is_read_alike_whether_other_commands_are_known_or_not() -> None:
    everything = build_parser(known_commands())
    for words in (["backbones", "--json"], ["predict", "a.jpg", "--classes", "a,b"], ["data", "photos"], ["app"]):
        assert parse(words) == everything.parse_args(words)
    assert parse(["predict", "a.jpg", "--classes=-minus"]).classes == "-minus"


def test_the_word_check_may_be_left_out() -> None:
    for words in (["photos"], ["--curve", "photos"], ["photos", "--json"]):
        assert parse(["data", *words]) == parse(["data", "check", *words])


def test_an_unknown_command_is_told_all_there_are() -> None:
    told = call("trian")
    assert (told.code, [name for name in known_commands() if name not in told.err]) == (2, [])


# The settings --------------------------------------------------------------------------------------------------------


def train_help() -> str:
    return " ".join(call("train", "--help").out.split())


def test_no_option_is_the_preset_itself() -> None:
    options = parse(CALL)
    for named, own, preset in (
        (options, "default", "default"),  # mini's own
        (options, "paper", "paper"),  # any other backbone's
        (parse([*CALL, "--preset", "paper"]), "default", "paper"),
    ):
        assert train.method_of(named, own) == method_preset(preset)
        assert train.training_of(named, own) == train_preset(preset)


def test_every_option_reaches_its_setting() -> None:
    words = "--global-prompts 2 --topk 3,4 --dropout 0 --no-projection --epochs 7 --lr 0.5 --views 0 --batch-size 9"
    options = parse([*CALL, *words.split(), "--seed", "11"])
    assert train.method_of(options, "paper") == MethodConfig(2, (3, 4), 0.0, local_projection=False)
    wanted = train_preset("default", epochs=7, lr=0.5, views=0, batch_size=9, seed=11)
    assert train.training_of(options, "default") == wanted
    assert train.method_of(parse([*CALL, "--local-prompts", "2"]), "default").topk == (5, 10)
    assert train.method_of(parse([*CALL, "--local-prompts", "0"]), "default").topk == ()


def test_options_keep_their_names() -> None:
    told = train_help()
    said = (
        "how many times the training goes through all the photos; with 0 only the head learns (30; paper 200)",
        "(0.1; paper 0.002)",
        "(5,10,15,20)",
    )
    assert [words for words in (*OPTIONS, *said, "--momentum") if words not in told] == ["--momentum"]


def test_options_go_before_what_a_preset_says(monkeypatch: pytest.MonkeyPatch) -> None:
    own = MethodConfig(2, (2, 3), head="ridge", local_projection=False)
    monkeypatch.setitem(PRESETS, "default", (own, TrainConfig()))
    monkeypatch.setitem(COMMANDS, "train", reload(learning).TRAIN)  # whose help is made of the presets
    assert train.method_of(parse(CALL), "default") == own
    words = ["--head", "none", "--projection", "--local-prompts", "1"]
    assert train.method_of(parse([*CALL, *words]), "default") == MethodConfig(2, (5,))
    said = ("(ridge; paper none)", "(2,3; paper 5,10,15,20)", "--projection the opposite of --no-projection")
    assert [words for words in said if words not in train_help()] == []
