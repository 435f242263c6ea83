"""What a second look costs, and what else could be done at its size: the measurements, on towers that are small."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from benchmarks import closer, costs
from gallop import load_backbone
from gallop.backbones.vision import look_closer
from gallop.backbones.vision.vit import ViTVision
from gallop.sample import sample_photos
from tests.tiny import vit


@pytest.mark.slow
def test_costs_are_told_over_one_look_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SHOTS", 1)
    for name, value in (("DETAILS", (1.0, 2.0)), ("HEAD_KINDS", ("none", "ridge")), ("EPOCHS", 1), ("BATCH", 4)):
        monkeypatch.setattr(costs, name, value)
    _, _, *rows, _, took = costs.table(vit(), repeats=1).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert cells[0][:6] == ["1", "none", "1.00", "1.00", "1.00", "1.00"]
    assert [(row[0], row[1]) for row in cells] == [("1", "none"), ("1", "ridge"), ("2", "none"), ("2", "ridge")]
    regions, width, joint = vit().feature_sizes
    ratio = (5 * regions * width + 2 * joint) / (regions * width + joint)
    assert {row[-1] for row in cells if row[0] == "2"} == {f"{ratio:.2f}"}
    assert "ms to encode a photo" in took


def test_interpolated_positions_are_the_towers_own_at_its_size_and_between_them_at_another() -> None:
    vision = vit().vision
    assert isinstance(vision, ViTVision)
    before = vision.tower.positional_embedding.clone()
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for own, same in zip(vision(pixels), closer.with_positions(vision, 1)(pixels), strict=True):
            torch.testing.assert_close(own, same, atol=1e-5, rtol=1e-5)
        _, regions = closer.with_positions(vision, 2)(pixels.repeat(1, 1, 2, 2))
    assert regions.shape[1] == 4 * vision.grid[0] * vision.grid[1]
    assert torch.equal(vision.tower.positional_embedding, before)
    larger = closer.with_positions(vision, 2).tower.positional_embedding
    assert torch.equal(larger[0], before[0]), "the class token has no place"
    assert larger[1:].mean() == pytest.approx(float(before[1:].mean()), abs=0.02)


def test_windows_of_a_tower_that_takes_any_size() -> None:
    vision = load_backbone("mini", device="cpu").vision
    pixels = torch.randn(1, 3, 448, 448, generator=torch.Generator().manual_seed(0))
    windows = closer.by_windows(vision)
    assert (vision.any_size, windows.any_size) == (True, False)
    with torch.no_grad():
        found = look_closer(windows, 224, pixels)[1].unflatten(1, (28, 28))
        alone = vision(pixels[..., :224, :224])[1].unflatten(1, (14, 14))
    torch.testing.assert_close(found[:, :7, :7], alone[:, :7, :7], atol=1e-4, rtol=1e-4)


def test_the_command_tells_of_windows_and_of_what_else_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = sample_photos()[0].path.parents[2]
    for part in ("train", "test"):
        shutil.copytree(sample / part, tmp_path / "data" / "caltech101" / part)
    page = tmp_path / "README.md"
    page.write_text(f"before\n{closer.BEGIN}\nold\n{closer.END}\nafter\n")
    monkeypatch.setattr(closer, "README", page)
    monkeypatch.setattr(closer, "load_vision", lambda name: vit())
    monkeypatch.setattr(closer, "load_backbone", lambda name: vit())
    words = [
        "closer",
        str(tmp_path / "data"),
        "--shots",
        "1",
        "--most",
        "1",
        "--vits",
        "a",
        "--repeats",
        "1",
        "--write",
    ]
    monkeypatch.setattr("sys.argv", words)
    closer.main()
    text = page.read_text()
    assert "| a | interpolated positions |" in text
    assert "| windows (1 pictures) |" in text
    assert "| caltech101 | 4 |" in text
    assert text.endswith("after\n")
    assert "| mean |" in capsys.readouterr().out
