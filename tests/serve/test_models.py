"""Several models: loaded when they are asked for, on one backbone where they share it, within a budget of memory."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path

import pytest

from gallop.errors import CheckpointError
from gallop.serve.options import ServeOptions
from gallop.serve.refusals import Refusal
from gallop.serve.service import Service
from tests.serve.running import Running, photo, refusal, running


def loaded(service: Running) -> list[str]:
    return [entry["name"] for entry in service.get("/models").json()["models"] if entry["loaded"]]


def test_models_are_loaded_when_they_are_asked_for_and_share_a_backbone(models: dict[str, Path]) -> None:
    with running(models) as service:
        assert loaded(service) == ["colours"]
        assert service.post("/models/warm/predict", photo()).json()["model"] == "warm"
        assert loaded(service) == ["colours", "warm"]
        service.post("/models/others/explain", photo())
        assert loaded(service) == ["colours", "warm", "others"]


def test_what_was_not_used_for_longest_makes_room(models: dict[str, Path]) -> None:
    with running(models) as service:
        for name in models:
            service.post(f"/models/{name}/predict", photo())
        facts = [service.service.facts(name) for name in models]
    room = sum(facts[0].bytes) + facts[1].bytes[0]
    with running(models, memory=room) as service:
        service.post("/models/warm/predict", photo())
        assert loaded(service) == ["colours", "warm"], "they share a backbone, so there is room for both"
        first = service.post("/predict", photo()).json()["photos"]
        backbone = weakref.ref(service.service._room._loaded["warm"].model_.backbone)
        assert service.post("/models/others/predict", photo()).status_code == 200
        assert loaded(service) == ["others"]
        assert backbone() is None, "nobody holds what was let go"
        assert service.post("/predict", photo()).json()["photos"] == first
        assert loaded(service) == ["colours"]
        assert 'gallop_model_loaded{model="others"} 0.0' in service.get("/metrics").text


def test_a_model_that_never_fits_is_refused_and_the_others_stay(models: dict[str, Path]) -> None:
    with running(models) as service:
        service.post("/models/others/predict", photo())
        own, backbone = service.service.facts("colours").bytes
        larger = sum(service.service.facts("others").bytes)
    assert larger > own + backbone, "its backbone sees larger photos"
    with running(models, memory=own + backbone) as service:
        refused = service.post("/models/others/predict", photo())
        assert refusal(refused) == (503, "no_memory")
        assert "--memory" in refused.json()["error"]["message"]
        assert service.post("/predict", photo()).status_code == 200
    with pytest.raises(Refusal, match="--memory"):
        Service(ServeOptions({"colours": str(models["colours"])}, device="cpu", memory=1000))


def test_a_folder_that_is_no_model_is_named_at_the_start(models: dict[str, Path], tmp_path: Path) -> None:
    folders = {"colours": str(models["colours"]), "none": str(tmp_path)}
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        Service(ServeOptions(folders, device="cpu"))


def test_what_is_wrong_with_a_model_is_told_in_the_log_alone(models: dict[str, Path], tmp_path: Path) -> None:
    """But whoever starts the service with it is told."""
    broken = tmp_path / "broken"
    shutil.copytree(models["colours"], broken)
    (broken / "prompts.safetensors").write_bytes(b"x")
    with running({"colours": models["colours"], "broken": broken}) as service:
        refused = service.post("/models/broken/predict", photo())
        assert refusal(refused) == (503, "not_loaded")
        assert str(tmp_path) not in refused.text
        assert service.post("/predict", photo()).status_code == 200
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors"):
        Service(ServeOptions({"broken": str(broken)}, device="cpu"))
