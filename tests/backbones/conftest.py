"""What the tests of backbones share: architectures of their own, backbones that are refused, and a pickle that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import pytest

from gallop.backbones import load_backbone
from gallop.errors import BackboneError


@pytest.fixture(scope="module")
def architectures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """open_clip knows those of the module's ``ARCHITECTURES`` by name."""
    folder, known = tmp_path_factory.mktemp("architectures"), open_clip.factory
    for name, config in request.module.ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    with mock.patch.multiple(
        known, _MODEL_CONFIG_PATHS=[*known._MODEL_CONFIG_PATHS], _MODEL_CONFIGS={**known._MODEL_CONFIGS}
    ):
        open_clip.add_model_config(folder)
        yield


def refused(says: str, name: str | PathLike[str], error: type[Exception] = BackboneError, **options: Any) -> None:
    with pytest.raises(error, match=says):
        load_backbone(name, **options)


@dataclass
class Bomb:
    """Unpickling it would leave a file behind."""

    trace: Path

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)
