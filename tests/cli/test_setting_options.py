"""The settings on the command line: which options there are, and what stands where none is given."""

from __future__ import annotations

import pytest

from gallop.cli.arguments import parse
from gallop.cli.commands import train
from gallop.config import PRESETS, MethodConfig, TrainConfig, method_preset, train_preset

CALL = ("train", "photos", "--out", "model")
OPTIONS = {
    *("--global-prompts", "--local-prompts", "--topk", "--dropout", "--no-projection"),
    *("--epochs", "--lr", "--views", "--batch-size", "--seed"),
}
"""Which scripts of others pass."""


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


def test_options_keep_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    said = (
        "how many times the training goes through all the photos; with 0 only the head learns (30; paper 200)",
        "(0.1; paper 0.002)",
        "(5,10,15,20)",
    )
    assert not [words for words in (*OPTIONS, *said) if words not in told]
    assert "--momentum" not in told


def test_options_go_before_what_a_preset_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = MethodConfig(2, (2, 3), head="ridge", local_projection=False)
    monkeypatch.setitem(PRESETS, "default", (own, TrainConfig()))
    assert train.method_of(parse(CALL), "default") == own
    words = ["--head", "none", "--projection", "--local-prompts", "1"]
    assert train.method_of(parse([*CALL, *words]), "default") == MethodConfig(2, (5,))
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    said = ("(ridge; paper none)", "(2,3; paper 5,10,15,20)", "--projection the opposite of --no-projection")
    assert not [words for words in said if words not in told]
