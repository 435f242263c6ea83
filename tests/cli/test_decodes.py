"""How often each photo is decoded: what takes the time before a training, where the photos are large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gallop import GalLoPClassifier, draw_shots, read_folder
from gallop.features.encoding import VIEWS_AT_ONCE, TrainingViews
from gallop.images import photo
from tests.cli.test_cli import backbone, cache_folder, call  # noqa: F401
from tests.tiny import picture, vit

SHOTS, VIEWS = 3, 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos a class to draw from and two to test with; no two files have one name."""
    for split, count, first in (("train", 6, 0), ("test", 2, 50)):
        for colour in ("red", "green"):
            (tmp_path / "photos" / split / colour).mkdir(parents=True)
            for i in range(first, first + count):
                picture(i, colour).save(tmp_path / "photos" / split / colour / f"{split} {colour} {i}.png")
    return tmp_path / "photos"


@pytest.fixture
def drawn(folder: Path) -> set[str]:
    return {path.name for path in draw_shots(read_folder(folder), SHOTS).paths}


@pytest.fixture
def decodes(drawn: set[str], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded, by its name."""
    counts: Counter[str] = Counter()
    decode = photo._from_bytes

    def counted(data: bytes, label: str, limits: Any) -> Any:
        counts[label] += 1
        return decode(data, label, limits)

    monkeypatch.setattr(photo, "_from_bytes", counted)
    return counts


def test_a_training_decodes_a_drawn_photo_as_often_as_it_has_views(
    folder: Path,
    backbone: Path,  # noqa: F811
    tmp_path: Path,
    drawn: set[str],
    decodes: Counter[str],
) -> None:
    """For the draw, for all of its views, held out, and for the accuracy at the end. Others for the draw alone."""
    settings = ("--shots", SHOTS, "--views", VIEWS, "--epochs", VIEWS, "--batch-size", 4)
    outcome = call("train", folder, "--out", tmp_path / "out", "--backbone", backbone, "--json", *settings)
    assert outcome.code == 0, outcome.err
    assert len(decodes) == 16
    assert decodes == {name: VIEWS if name in drawn else 1 for name in decodes}


def test_fitting_a_folder_decodes_a_drawn_photo_for_its_content_its_views_and_held_out(
    folder: Path, drawn: set[str], decodes: Counter[str]
) -> None:
    GalLoPClassifier(vit(), shots=SHOTS, views=VIEWS, epochs=1, cache=False).fit(folder)
    assert len(decodes) == 12
    assert decodes == {name: 3 if name in drawn else 1 for name in decodes}


def test_views_are_made_some_at_once(folder: Path, decodes: Counter[str]) -> None:
    """All of many would fill the memory with pixels."""
    paths = sorted(folder.rglob("train*.png"))
    views = TrainingViews(vit(), paths, views=2 * VIEWS_AT_ONCE + 1, seed=0)
    assert list(views.encode())[-1] == 12 * (2 * VIEWS_AT_ONCE + 1)
    assert decodes == {path.name: 3 for path in paths}
