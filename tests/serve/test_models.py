"""Several models: loaded when the service starts, on one backbone where they share it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gallop.errors import CheckpointError
from gallop.service.http.options import ServeOptions
from gallop.service.http.service import Service
from tests.serve.running import Running


def test_models_of_one_backbone_share_it(service: Running) -> None:
    colours, warm, others = (service.service.classifier(name).model_ for name in ("colours", "warm", "others"))
    assert colours.backbone is warm.backbone
    assert colours.backbone is not others.backbone


def test_a_damaged_model_is_told_at_the_start(models: dict[str, Path], tmp_path: Path) -> None:
    broken = shutil.copytree(models["colours"], tmp_path / "broken")
    (broken / "prompts.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors"):
        Service(ServeOptions({"colours": str(models["colours"]), "broken": str(broken)}, device="cpu"))
