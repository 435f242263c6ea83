"""``gallop sample``: what README's commands begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallop.sample import sample_photos
from tests.cli.test_cli import call, done
from tests.conftest import ROOT


def test_it_writes_the_sample_and_says_what_comes_next(tmp_path: Path) -> None:
    out = tmp_path / "photos"
    told = call("sample", out, "--json").json
    parts = {part: sum(photo.part == part for photo in sample_photos()) for part in ("train", "test", "other")}
    assert told == {
        "out": str(out),
        "classes": ["candle", "mug", "teapot", "vase"],
        **parts,
        "model": str(out / "model"),
    }
    assert f"Next: gallop train {tmp_path / 'more'} --out my-model --shots 8" in call("sample", tmp_path / "more").out


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / "checkpoints" / "mini" / "mini.safetensors").is_file(), reason="the weights of mini are not here"
)
def test_the_commands_of_the_readme_work_on_it(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand there, one after the other, but for a short training."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = next(block for block in readme.split("```") if block.startswith("\ngallop sample")).strip().splitlines()
    assert len(commands) > 4
    monkeypatch.chdir(tmp_path)

    for command in commands:
        words = command.partition("#")[0].split()
        assert words[0] == "gallop"
        short = ("--epochs", "1", "--views", "1") if words[1] == "train" else ()
        done(*words[1:], *short)
