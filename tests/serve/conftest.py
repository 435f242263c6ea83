"""Tiny models in folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.serve.running import CLASSES, Running, make_model, running


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``colours`` and ``warm`` on one backbone, ``others`` on another."""
    root = tmp_path_factory.mktemp("served")
    backbones = [root / "backbone", root / "other-backbone"]
    for backbone, side in zip(backbones, (32, 48), strict=True):
        tiny.backbone_folder(backbone, image_size=side)
    names = {"colours": CLASSES, "warm": ("red", "yellow"), "others": CLASSES}
    for name, classes in names.items():
        make_model(root / name, backbones[name == "others"], classes)
    return {name: root / name for name in names}


@pytest.fixture(scope="module")
def service(models: dict[str, Path]) -> Iterator[Running]:
    """All three, as whoever says nothing else has them."""
    with running(models) as found:
        yield found
