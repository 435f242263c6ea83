"""The benchmark of maps on pictures and maps whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.maps import __main__ as command
from benchmarks.maps.pictures import Corpus, CutOut
from benchmarks.maps.ways import OURS
from tests.tiny import vit


def thing(colour: tuple[int, int, int], name: str) -> CutOut:
    pixels = np.full((40, 60, 3), colour, dtype=np.uint8)
    return CutOut(pixels, np.ones((40, 60), dtype=bool), name, Path(f"{name}.png"))


def test_the_command_writes_a_table_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (300, 260), (128, 128, 128)).save(tmp_path / "grey.png")
    corpus = Corpus("two things", (thing((250, 0, 0), "red"), thing((0, 0, 250), "blue")), None)
    page = tmp_path / "README.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    changes = {"README": page, "PLOT": tmp_path / "maps.webp", "REGION_KINDS": ("value", "query-query")}
    for name, value in changes.items():
        monkeypatch.setattr(command, name, value)
    monkeypatch.setattr(command, "sample_corpus", lambda: corpus)
    monkeypatch.setattr(command, "load_backbone", lambda name: vit())
    words = ["maps", "--scenes", str(tmp_path), "--sizes", "8", "--draws", "1", "--games", "1", "--write"]
    monkeypatch.setattr("sys.argv", words)
    command.main()
    text = page.read_text()
    assert (text[:7], text[-6:], "old" in text) == ("before\n", "after\n", False)
    assert text.count(f"| {OURS} |") == 2, "a table a kind of regions; nothing to learn from"
    assert text.count(f"| {OURS}, detail 1.5, pooled |") == text.count(f"| {OURS}, detail 2, pooled |") == 2
    assert text.count("zero-shot: detail 2 over one look") == 2
    assert f"| {OURS} |" in capsys.readouterr().out
    assert Image.open(tmp_path / "maps.webp").width > 200
