"""Tiny models in folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.serve.running import Running, make_model, running


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``colours`` and ``warm`` on one backbone, ``others`` on another."""
    root = tmp_path_factory.mktemp("served")
    backbones = [root / "backbone", root / "other-backbone"]
    for backbone, side in zip(backbones, (32, 48), strict=True):
        tiny.backbone_folder(backbone, image_size=side)
    make_model(root / "colours", backbones[0])
    make_model(root / "warm", backbones[0], ["red", "yellow"])
    make_model(root / "others", backbones[1])
    return {name: root / name for name in ("colours", "warm", "others")}


@pytest.fixture(scope="module")
def service(models: dict[str, Path]) -> Iterator[Running]:
    """All three, as whoever says nothing else has them."""
    with running(models) as found:
        yield found
