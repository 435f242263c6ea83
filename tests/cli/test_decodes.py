"""How often each photo is decoded: what takes the time before a training, where the photos are large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from gallop import draw_shots, read_folder
from gallop.backbones import Backbone
from gallop.images import photo
from tests.cli.test_cli import done
from tests.tiny import write_folder

SHOTS, VIEWS = 3, 4

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos a class to draw from and two to test with; no two files have one name."""
    for split, count, first in (("train", 6, 0), ("test", 2, 50)):
        for path in write_folder(tmp_path / "photos" / split, {"red": count, "green": count}, first_seed=first).rglob(
            "*.png"
        ):
            path.rename(path.with_name(f"{split} {path.parent.name} {path.name}"))
    return tmp_path / "photos"


@pytest.fixture
def drawn(folder: Path) -> set[str]:
    return {path.name for path in draw_shots(read_folder(folder), SHOTS).paths}


@pytest.fixture
def decodes(drawn: set[str], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded, by its name."""
    counts: Counter[str] = Counter()
    decode = photo._decoded

    def counted(data: bytes, label: str, *limits: Any) -> Any:
        counts[label] += 1
        return decode(data, label, *limits)

    monkeypatch.setattr(photo, "_decoded", counted)
    return counts


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many photos each pass of a backbone takes."""
    found: list[int] = []
    encode = Backbone.encode_image

    def counted(self: Backbone, pixels: Tensor) -> tuple[Tensor, Tensor]:
        found.append(len(pixels))
        return encode(self, pixels)

    monkeypatch.setattr(Backbone, "encode_image", counted)
    return found


def test_a_training_decodes_a_drawn_photo_as_often_as_it_has_views(
    folder: Path,
    backbone: Path,
    tmp_path: Path,
    drawn: set[str],
    decodes: Counter[str],
    encoded: list[int],
) -> None:
    """For the draw, for all of its views, and held out, which the accuracy at the end is told from. Others for the draw
    alone. No view and no centre is encoded twice, and a made-up photo once, on which the folder of the backbone is
    tried; the next training, with other settings of its steps, decodes nothing.
    """
    settings = ("--backbone", backbone, "--json", "--shots", SHOTS, "--views", VIEWS, "--batch-size", 4)
    first = done("train", folder, "--out", tmp_path / "out", "--epochs", VIEWS, *settings).json
    assert (len(decodes), sum(encoded)) == (16, 1 + 2 * SHOTS * (VIEWS + 1))
    assert decodes == {name: 3 if name in drawn else 1 for name in decodes}
    decodes.clear()
    again = done("train", folder, "--out", tmp_path / "again", "--epochs", VIEWS, *settings).json
    assert (again, decodes) == (first | {name: again[name] for name in ("out", "seconds")}, {})
    done("train", folder, "--out", tmp_path / "other", "--epochs", 1, "--seed", 1, *settings)
    views_and_centre = dict(decodes)
    other = {path.name for path in draw_shots(read_folder(folder), SHOTS, seed=1).paths}
    assert views_and_centre == {name: 1 if name in drawn else 2 for name in other}, "centres are those of any seed"
