"""A checkpoint is a folder: ``gallop.json`` (settings, readable) and ``prompts.safetensors`` (what was learned).

The backbone's weights are not in it, only its name and fingerprint. Everything read from disk is checked: tensor
names, shapes, number format and finiteness, because safetensors itself accepts anything.

A save ends when the prompts' file is renamed. The settings lie beside it by then, in ``gallop.next.json``, and become
``gallop.json`` last: whoever finds both takes those that name the prompts' hash, so at every moment one model is whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from gallop.backbones import Backbone, pick_regions
from gallop.classes import clean_names
from gallop.config import MethodConfig, RegionKind, TrainConfig
from gallop.errors import BackboneError, CheckpointError
from gallop.model import GalLoP
from gallop.prompts import Prompts
from gallop.templates import clean_templates
from gallop.trainer import TrainState
from gallop.writing import locked, write_file

FORMAT = 1
SETTINGS, TENSORS = "gallop.json", "prompts.safetensors"
NEXT, LOCK = "gallop.next.json", ".gallop-lock"
"""There while a checkpoint is saved: settings of the prompts that come, and what keeps others from saving, too."""
TRAINING = "training.safetensors"


@dataclass(frozen=True)
class Calibration:
    """What was fitted on held-out shots.

    Attributes:
        temperature: divides the logits in probabilities; 1 is the paper's.
        threshold: GL-MCM above it means "none of these"; None when it could not be found or is void.
        note: why there is no threshold, or why it is unreliable; empty when it is sound.
    """

    temperature: float = 1.0
    threshold: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """What ``gallop.json`` says; ``prompts_sha256``, of the file beside it, is filled in by ``save_checkpoint``.

    ``templates`` are there where nothing was learned and sentences stand in the prompts' place. ``regions`` is the kind
    of the backbone's region features.
    """

    backbone: str
    fingerprint: str
    class_names: tuple[str, ...]
    method: MethodConfig
    training: TrainConfig | None
    calibration: Calibration
    data_fingerprint: str = ""
    templates: tuple[str, ...] | None = None
    prompts_sha256: str = ""
    regions: RegionKind = "value"
    format: int = FORMAT

    @staticmethod
    def of(
        model: GalLoP, training: TrainConfig | None, calibration: Calibration, data_fingerprint: str = ""
    ) -> Checkpoint:
        """What there is to say of a model, and of how it was learned."""
        return Checkpoint(
            model.backbone.name,
            model.backbone.fingerprint,
            model.class_names,
            method=model.config,
            training=training,
            calibration=calibration,
            data_fingerprint=data_fingerprint,
            templates=model.templates,
            regions=model.backbone.region_kind,
        )


def save_checkpoint(folder: str | Path, checkpoint: Checkpoint, prompts: Prompts) -> None:
    """Write a checkpoint folder and read it back. Failed or killed, it leaves the old one or the new one, never a half.

    Raises:
        OSError: it cannot be written.
        CheckpointError: what was written is not what can be read.
    """
    folder = Path(folder)
    tensors = {key: value.detach().cpu().float().contiguous() for key, value in prompts.state_dict().items()}
    data = save(tensors)
    said = asdict(replace(checkpoint, prompts_sha256=hashlib.sha256(data).hexdigest()))
    settings = json.dumps(said, indent=2, ensure_ascii=False).encode()
    with locked(folder / LOCK):
        settle(folder)
        try:
            write_file(folder / NEXT, settings)
            write_file(folder / TENSORS, data)
        finally:
            settle(folder)
        read_checkpoint(folder)
        if ((folder / SETTINGS).read_bytes(), (folder / TENSORS).read_bytes()) != (settings, data):
            raise CheckpointError(f"What was saved in {folder} is not what can be read there now; save into another.")


def settle(folder: Path) -> None:
    """End a save, of a killed process too: settings that describe the prompts become those of the folder, others go."""
    if _coming(folder) is not None:
        os.replace(folder / NEXT, folder / SETTINGS)
    else:
        (folder / NEXT).unlink(missing_ok=True)


def _coming(folder: Path) -> str | None:
    """The text of settings that have not got their name yet, although the prompts that they describe are there."""
    try:
        text = (folder / NEXT).read_text(encoding="utf-8")
        found = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
        return text if json.loads(text)["prompts_sha256"] == found else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """The settings of a checkpoint, checked.

    Raises:
        CheckpointError: no checkpoint, a newer format, or settings that make no sense.
    """
    path, coming = Path(folder) / SETTINGS, _coming(Path(folder))
    if coming is None and not path.is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {SETTINGS}.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8") if coming is None else coming)
        version = raw["format"]
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"the format is {version!r}")
        if version > FORMAT:
            raise CheckpointError(
                f"{path} has format {version}, but this version of gallop reads up to {FORMAT}; update gallop."
            )
        return _parse(raw)
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, BackboneError) as error:
        raise CheckpointError(f"{path} is damaged or not written by gallop ({error}).") from error


def _parse(raw: Mapping[str, Any]) -> Checkpoint:
    method = dict(raw["method"])
    method["topk"] = tuple(method["topk"])
    calibration = Calibration(**raw["calibration"])
    if not 0 < calibration.temperature < float("inf"):
        raise ValueError(f"the temperature is {calibration.temperature}")
    if calibration.threshold is not None and not math.isfinite(calibration.threshold):
        raise ValueError(f"the threshold is {calibration.threshold}")
    if str(calibration.note) != calibration.note:
        raise ValueError(f"the note is {calibration.note!r}")
    return Checkpoint(
        backbone=str(raw["backbone"]),
        fingerprint=str(raw["fingerprint"]),
        class_names=clean_names(raw["class_names"]),
        method=MethodConfig(**method),
        training=TrainConfig(**raw["training"]) if raw["training"] is not None else None,
        calibration=calibration,
        data_fingerprint=str(raw.get("data_fingerprint", "")),
        templates=None if raw.get("templates") is None else clean_templates(raw["templates"]),
        prompts_sha256=str(raw.get("prompts_sha256", "")),
        regions=pick_regions(raw.get("regions", "value")),  # older ones do not say
        format=int(raw["format"]),
    )


def load_prompts(folder: str | Path, checkpoint: Checkpoint, backbone: Backbone) -> Prompts:
    """The learned prompts of a checkpoint, on the backbone's device.

    Raises:
        CheckpointError: another backbone, or other region features, than those trained with; tensors that do not fit.
    """
    if checkpoint.regions != backbone.region_kind:
        raise CheckpointError(
            f"{folder} was trained on region features of the kind {checkpoint.regions!r}, but this backbone gives "
            f"{backbone.region_kind!r}; load it with regions={checkpoint.regions!r}, or train again."
        )
    if checkpoint.fingerprint != backbone.fingerprint:
        raise CheckpointError(
            f"{folder} was trained on other weights of {checkpoint.backbone!r} than those loaded now (fingerprints "
            f"{checkpoint.fingerprint[:12]} and {backbone.fingerprint[:12]}). Load the same weights, or train again."
        )
    path = Path(folder) / TENSORS
    tensors = _load_tensors(path)
    context_tokens = (
        tensors["global_contexts"].shape[1] if tensors.get("global_contexts", torch.empty(0)).ndim == 3 else 1
    )
    prompts = Prompts(
        torch.zeros(context_tokens, backbone.text.width),
        global_prompts=checkpoint.method.global_prompts,
        local_prompts=checkpoint.method.local_prompts,
        region_width=backbone.vision.region_width,
        local_projection=checkpoint.method.local_projection,
    )
    wanted = {key: tuple(value.shape) for key, value in prompts.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    if wanted != found:
        raise CheckpointError(f"{path} does not fit its settings: it holds {found}, but {wanted} is needed.")
    for key, value in tensors.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise CheckpointError(f"{path} is damaged: {key} holds values that are not finite numbers.")
    projection = tensors["local_projection"]
    if not checkpoint.method.local_projection and not torch.equal(
        projection, torch.eye(len(projection)).to(projection)
    ):
        raise CheckpointError(
            f"{path} does not fit its settings: they say that no projection was learned, but it is not the identity."
        )
    if checkpoint.prompts_sha256 not in ("", hashlib.sha256(path.read_bytes()).hexdigest()):
        raise CheckpointError(f"{path} and {SETTINGS} are of two different saves, or damaged; save or train again.")
    prompts.load_state_dict(tensors)
    return prompts.to(backbone.device)


def save_training(folder: str | Path, state: TrainState, key: str) -> None:
    """Keep a training that is under way, atomically. ``key`` names settings and data, so that no other resumes it."""
    tensors = {"generators": state.generators}
    for i, (parameter, momentum) in enumerate(zip(state.parameters, state.momentum, strict=True)):
        tensors[f"parameter.{i}"], tensors[f"momentum.{i}"] = parameter.contiguous(), momentum.contiguous()
    write_file(Path(folder) / TRAINING, save(tensors, metadata={"key": key, "epoch": str(state.epoch)}))


def load_training(folder: str | Path, key: str) -> TrainState | None:
    """The training kept in ``folder``, or None when there is none.

    Raises:
        CheckpointError: it is damaged, or belongs to other settings or other data.
    """
    path = Path(folder) / TRAINING
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = _load_tensors(path)
        count = sum(name.startswith("parameter.") for name in tensors)
        state = TrainState(
            epoch=int(metadata["epoch"]),
            parameters=[tensors[f"parameter.{i}"] for i in range(count)],
            momentum=[tensors[f"momentum.{i}"] for i in range(count)],
            generators=tensors["generators"],
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again without resuming.") from error
    if metadata["key"] != key:
        raise CheckpointError(
            f"The training kept in {folder} had other settings, another backbone or other images; resume with the same "
            "ones, or train again without resuming."
        )
    return state


def drop_training(folder: str | Path) -> None:
    """Forget the training kept in ``folder``."""
    (Path(folder) / TRAINING).unlink(missing_ok=True)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is missing or damaged ({error}).") from error
