"""Several models: loaded when the service starts, on one backbone where they share it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gallop.errors import CheckpointError
from gallop.service.http.options import ServeOptions
from gallop.service.http.service import Service
from tests.serve.running import Running, photo


def test_each_model_answers_by_its_name(service: Running, models: dict[str, Path]) -> None:
    assert [entry["name"] for entry in service.get("/models").json()["models"]] == list(models)
    for name in models:
        assert service.post(f"/models/{name}/predict", photo()).json()["model"] == name


def test_models_of_one_backbone_share_it(service: Running) -> None:
    colours, warm, others = (service.service.classifier(name).model_ for name in ("colours", "warm", "others"))
    assert colours.backbone is warm.backbone
    assert colours.backbone is not others.backbone


def test_a_folder_that_is_no_model_is_named_at_the_start(models: dict[str, Path], tmp_path: Path) -> None:
    folders = {"colours": str(models["colours"]), "none": str(tmp_path)}
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        Service(ServeOptions(folders, device="cpu"))


def test_a_damaged_model_is_told_at_the_start(models: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(models["colours"], broken)
    (broken / "prompts.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors"):
        Service(ServeOptions({"colours": str(models["colours"]), "broken": str(broken)}, device="cpu"))
