"""Tiny models in folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.serve.running import CLASSES, Running, make_model, running


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of four colours."""
    root = tmp_path_factory.mktemp("served")
    tiny.backbone_folder(root / "backbone", image_size=32)
    make_model(root / "colours", root / "backbone", CLASSES)
    return root / "colours"


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Running]:
    """As whoever says nothing else has it."""
    with running(model) as found:
        yield found
