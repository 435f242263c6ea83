"""A checkpoint is a folder: ``gallop.json`` (settings, readable) and ``prompts.safetensors`` (what was learned).

The backbone's weights are not in it, only its name and fingerprint. No photo, no path and no name of a file is ever in
it. Of a branch it holds class sums and one matrix, and features of single shots where that is wanted. Everything read
from disk is checked: tensor names, shapes, number format and finiteness, because safetensors itself accepts anything. A
setting (``gallop.checkpoints.settings_file``) or a tensor that is not known here is refused by name: this version does
not know its meaning, and would ignore it.

A save ends when the prompts' file is renamed. The settings are beside it by then, in ``gallop.next.json``, and become
``gallop.json`` last: where both exist, a reader takes the one with the prompts' hash, so at every moment one model is
complete.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from gallop.backbones import Backbone, load_backbone, stored_backbone
from gallop.checkpoints.settings_file import (
    FORMAT,
    BranchSettings,
    Checkpoint,
    checked_settings,
)
from gallop.data import resolve_split
from gallop.errors import BackboneError, CheckpointError, ConfigError, UnknownPart, warn_caller
from gallop.images.photo_files import walk_photos
from gallop.model.branches.branch import Branch
from gallop.model.branches.kinds import KINDS
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import ShotFeatures, ShotSums
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel, Prompts
from gallop.runtime.reading import parse_json, read_bytes, read_text
from gallop.runtime.tensor_file import read_tensor_file
from gallop.runtime.writing import locked, write_file
from gallop.wording import listed, printable, quoted

SETTINGS, TENSORS = "gallop.json", "prompts.safetensors"
NEXT, LOCK = "gallop.next.json", ".gallop-lock"
"""Present while a checkpoint is saved: settings of the new prompts, and a lock against others that save."""
LARGEST_SETTINGS, LARGEST_TENSORS = 16 * 2**20, 512 * 2**20
"""Bytes of these files: ten times what a hundred thousand classes, and the most and longest prompts, need."""
_TRIES = 5  # to read a checkpoint that others may be saving, before it is called damaged
_PROMPTS = {"global_contexts", "local_contexts", "local_projection", "global_projection"}
_SUMS, _SHOTS, _TEXTS = ("counts", "sums", "scatter"), ("shots", "labels"), "texts"
"""A branch's tensors. The texts are there where it is drawn to them."""
_BRANCH_TENSOR = re.compile(rf"head([2-9]|[1-9]\d+)?\.({'|'.join((*_SUMS, *_SHOTS, _TEXTS))})")
"""The names of theirs: the first branch has no number."""


def save_checkpoint(folder: str | PathLike[str], checkpoint: Checkpoint, model: PromptModel) -> None:
    """Write a checkpoint folder and read it back. Failed or killed, it leaves the old one or the new one, never a part.
    Warns where it cannot be loaded without the backbone, and where its files will lie among folders of photos.

    Raises:
        OSError: it cannot be written.
        CheckpointError: it is a file, or lies in one; what was written is not what can be read.
    """
    place = Path(folder)
    there = next(path for path in (place, *place.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise CheckpointError(f"A model is saved as a folder, but {there} is a file. Save to a different folder.")
    folders = (each for each in resolve_split(place, "train").glob("[!.]*") if each.is_dir())
    if not (place / SETTINGS).exists() and any(any(walk_photos(str(each), recursive=False)) for each in folders):
        warn_caller(
            f"{folder} contains folders of photos, and the model's files will lie among them. Save models to a folder "
            "of their own."
        )
    _save(place, checkpoint, model)
    if model.backbone.again is None:
        warn_caller(
            f"The backbone {model.backbone.name} cannot be loaded by its name. To load {folder}, pass the backbone as "
            "well: load(..., backbone=...)."
        )


def _save(folder: Path, checkpoint: Checkpoint, model: PromptModel) -> None:
    # No setting, since no answer depends on it: a version that does not know it need not refuse the model. One entry:
    # of several the order, and so the hash, would change from save to save.
    held_out = f"{checkpoint.calibration.right} of {checkpoint.calibration.asked}"
    data = save(learned_tensors(checkpoint, model), {"right": held_out} if checkpoint.calibration.asked else None)
    record = replace(checkpoint, prompts_sha256=hashlib.sha256(data).hexdigest()).record()
    settings = json.dumps(record, indent=2, ensure_ascii=False).encode()
    with locked(folder / LOCK):
        settle(folder)
        try:
            write_file(folder / NEXT, settings)
            write_file(folder / TENSORS, data)
        finally:
            settle(folder)
        read_checkpoint(folder)
        if (read_bytes(folder / SETTINGS, len(settings)), read_bytes(folder / TENSORS, len(data))) != (settings, data):
            raise CheckpointError(
                f"The files in {folder} differ from what was just saved there: another process may have written to it. "
                "Save to a different folder."
            )


def checkpoint_bytes(checkpoint: Checkpoint, model: PromptModel) -> dict[str, bytes]:
    """Return the files that ``save_checkpoint`` writes, by their names, to send to another machine or to the Hub.

    Raises:
        OSError: the folder for temporary files has no room for them.
    """
    with tempfile.TemporaryDirectory(prefix="gallop-") as folder:
        _save(Path(folder), checkpoint, model)
        return {
            SETTINGS: read_bytes(Path(folder, SETTINGS), LARGEST_SETTINGS),
            TENSORS: read_bytes(Path(folder, TENSORS), LARGEST_TENSORS),
        }


def learned_tensors(checkpoint: Checkpoint, model: PromptModel) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint's file by their names: of the prompts, and of each branch."""
    tensors = {key: value.detach().cpu().float().contiguous() for key, value in model.prompts.state_dict().items()}
    for i, (branch, settings) in enumerate(zip(model.branches, checkpoint.branches, strict=True), 1):
        parts = dict(zip(_SUMS, (branch.sums.counts, branch.sums.sums, branch.sums.scatter), strict=True))
        if settings.shots and branch.shots is not None:
            parts |= zip(_SHOTS, (branch.shots.features, branch.shots.labels.clone()), strict=True)  # heads share them
        if settings.names and branch.texts is not None:
            parts[_TEXTS] = branch.texts
        tensors |= {f"head{i if i > 1 else ''}.{name}": tensor.contiguous() for name, tensor in parts.items()}
    return tensors


def settle(folder: Path) -> None:
    """End a save, of a killed process too: settings that match the prompts become those of the folder, others go."""
    if _coming(folder) is not None:
        os.replace(folder / NEXT, folder / SETTINGS)
    else:
        (folder / NEXT).unlink(missing_ok=True)


def _coming(folder: Path) -> str | None:
    """The text of settings that are not renamed yet, although the prompts that they describe are there."""
    try:
        text = read_text(folder / NEXT, LARGEST_SETTINGS)
        digest = hashlib.sha256(read_bytes(folder / TENSORS, LARGEST_TENSORS)).hexdigest()
        return text if json.loads(text)["prompts_sha256"] == digest else None
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no other OSError: what cannot be read now may be the only settings that fit


def read_checkpoint(folder: str | PathLike[str]) -> Checkpoint:
    """Return the settings of a checkpoint, checked.

    Raises:
        CheckpointError: no checkpoint, a newer format, or settings that make no sense.
    """
    path = Path(folder) / SETTINGS
    try:
        coming = _coming(Path(folder))
        if coming is None and not path.exists():
            raise CheckpointError(f"{folder} is not a checkpoint: it does not contain {SETTINGS}.")
        text = read_text(path, LARGEST_SETTINGS) if coming is None else coming
        raw = parse_json(text)
        version = raw.get("format") if isinstance(raw, dict) else None
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"the format is {quoted(version)}")
        if version > FORMAT:
            raise CheckpointError(
                f"{path} has format {version}, but this version of gallop only reads formats up to {FORMAT}. "
                "Update gallop."
            )
        return checked_settings(raw)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be read ({error.strerror}). Check its permissions, or copy the folder "
            "again."
        ) from error
    except (UnknownPart, BackboneError) as error:
        raise CheckpointError(f"{path} cannot be used here. {error}") from error
    except (KeyError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path} is damaged or was not written by gallop ({why}).") from error


def read_model(folder: str | PathLike[str]) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Return the settings and the tensors of a checkpoint, of one save; it reads again while another save runs.

    Raises:
        CheckpointError: as ``read_checkpoint``; prompts that are missing, damaged, or of another save.
    """
    path = Path(folder) / TENSORS
    for _ in range(_TRIES):
        checkpoint = read_checkpoint(folder)
        try:
            file = read_tensor_file(path, LARGEST_TENSORS)
            foreign = sorted(name for name in set(file.names) - _PROMPTS if not _BRANCH_TENSOR.fullmatch(name))
            tensors = {} if foreign else file.tensors()
            right, _, asked = file.metadata.get("right", "0 of 0").partition(" of ")
            checkpoint = replace(
                checkpoint, calibration=replace(checkpoint.calibration, right=int(right), asked=int(asked))
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CheckpointError(f"{path} is missing or damaged ({why}).") from error
        if foreign:
            raise CheckpointError(
                f"{path} does not match its settings: it contains tensors that gallop does not know: {listed(foreign)}."
            )
        if checkpoint.prompts_sha256 in ("", hashlib.sha256(file.data).hexdigest()):
            return checkpoint, tensors
    raise CheckpointError(
        f"{path} and {SETTINGS} are from two different saves, or one of them is damaged. Save the model again, or "
        "train it again."
    )


@dataclass(frozen=True)
class SavedModel:
    """What a checkpoint holds, on its backbone, by the names of ``GalLoPClassifier``: enough to answer. Who only asks
    loads no scikit-learn, which takes as long as some photos.
    """

    checkpoint: Checkpoint
    model_: PromptModel
    calibration_: Calibration
    classes_: NDArray[np.str_]


def load_model(folder: Path, backbone: str | Backbone | None = None, device: str = "auto") -> SavedModel:
    """Return the model of a checkpoint folder; arguments as of ``GalLoPClassifier.load``.

    Raises:
        CheckpointError: as ``read_model``; another backbone, or other region features, than in training; tensors that
            do not fit.
        BackboneError: its backbone cannot be loaded.
    """
    checkpoint, tensors = read_model(folder)
    if not isinstance(backbone, Backbone):
        load = load_backbone if backbone else stored_backbone
        backbone = load(backbone or checkpoint.backbone, device=device, regions=checkpoint.regions)
    if checkpoint.regions != backbone.region_kind:
        raise CheckpointError(
            f"{folder} was trained on region features of the kind {checkpoint.regions!r}, but this backbone gives "
            f"{backbone.region_kind!r}. Load the backbone with regions={checkpoint.regions!r}, or train again."
        )
    if checkpoint.fingerprint != backbone.fingerprint:
        raise CheckpointError(
            f"{folder} was trained on different weights of {quoted(checkpoint.backbone)} than those loaded now "
            f"(fingerprints {printable(checkpoint.fingerprint[:12])} and {backbone.fingerprint[:12]}). Train "
            "again on its photos, or load the same weights (those of 'mini' come with each version of this package)."
        )
    try:
        for name, tensor in tensors.items():
            labels = name.endswith(f".{_SHOTS[1]}")
            if not labels and not (tensor.is_floating_point() and torch.isfinite(tensor).all()):
                raise ValueError(f"{name} holds values that are not finite")
        prompts, branches = _prompts(checkpoint, tensors, backbone), _branches(checkpoint, tensors, backbone)
    except (ValueError, ConfigError) as error:
        raise CheckpointError(f"{folder / TENSORS} does not match its settings: {error}.") from error
    names = checkpoint.class_names
    model = PromptModel(backbone, names, checkpoint.method, prompts, checkpoint.templates, branches)
    return SavedModel(checkpoint, model, checkpoint.calibration.for_classes(len(names)), np.array(names))


def _prompts(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], backbone: Backbone) -> Prompts:
    learned = {name: tensor for name, tensor in tensors.items() if name in _PROMPTS}
    method, contexts = checkpoint.method, learned.get("global_contexts", torch.empty(0))
    context = torch.zeros(contexts.shape[1] if contexts.ndim == 3 else 1, backbone.text.width)
    prompts = Prompts(context, method, backbone)
    wanted = {name: tuple(tensor.shape) for name, tensor in prompts.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in learned.items()}
    if wanted != shapes:
        raise ValueError(f"it contains tensors of the shapes {shapes} instead of {wanted}")
    projection = learned["local_projection"]
    if not method.local_projection and not torch.equal(projection, torch.eye(len(projection)).to(projection)):
        raise ValueError("the settings say that no projection was learned, but the projection is not the identity")
    prompts.load_state_dict(learned)
    return prompts.to(backbone.device)


def _branches(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], backbone: Backbone) -> tuple[Branch, ...]:
    """The branches that have learned something: all of the method's, or none."""
    kinds, heads = checkpoint.method.branches, dict[str, dict[str, Tensor]]()
    if len(checkpoint.branches) not in (0, len(kinds)):
        raise ValueError(f"it contains {len(checkpoint.branches)} heads, but its settings name {len(kinds)}")
    if sum(each.weight for each in checkpoint.branches) > 1 + 1e-6:
        raise ValueError("the weights of its heads sum to more than 1")
    for name, tensor in tensors.items():
        if found := _BRANCH_TENSOR.fullmatch(name):
            heads.setdefault(found[1] or "1", {})[found[2]] = tensor
    each = enumerate(zip(kinds, checkpoint.branches, strict=False), 1)
    made = [_branch(kind, said, heads.pop(str(i), {}), checkpoint, backbone) for i, (kind, said) in each]
    if heads:
        raise ValueError("it contains a head that the settings do not mention")
    return tuple(made)


def _branch(
    kind: str, settings: BranchSettings, tensors: Mapping[str, Tensor], checkpoint: Checkpoint, backbone: Backbone
) -> Branch:
    how, mix, classes = KINDS[kind], Mix(settings.weight, settings.temperature), len(checkpoint.class_names)
    if settings.names and not how.names:
        raise ValueError(f"the settings say that its head uses the class names, but a {kind} head does not use them")
    wanted = {*_SUMS, *(_SHOTS if settings.shots else ()), *((_TEXTS,) if settings.names else ())}
    if wanted != set(tensors):
        raise ValueError(f"the head's tensors are {sorted(tensors)} instead of {sorted(wanted)}")
    width = backbone.feature_sizes[-1] if how.extra is None else math.isqrt(tensors["scatter"].numel())
    counts, sums, scatter = (tensors[name].double() for name in _SUMS)
    if (counts.shape, sums.shape, scatter.shape) != ((classes,), (classes, width), (width, width)):
        raise ValueError(f"the head's sums do not fit {classes} classes and {width} features")
    if not torch.equal(counts, counts.round().clamp_min(0)) or int((counts > 0).sum()) < 2:
        raise ValueError("the head's counts must be integers, and at least two classes must have a count above 0")
    of_shots = ShotSums(counts, sums, scatter, checkpoint.method.balanced)
    shots = _shots(tensors, settings.shots, counts, width) if settings.shots else None
    texts = tensors[_TEXTS].float() if settings.names else None
    if texts is not None and texts.shape != (classes, width):
        raise ValueError(f"the text features of the head do not fit {classes} classes and {width} features")
    return Branch(kind, of_shots, how.fit(of_shots, shots, texts), mix, shots, texts)


def _shots(tensors: Mapping[str, Tensor], count: int, counts: Tensor, width: int) -> ShotFeatures:
    features, labels = (tensors[name] for name in _SHOTS)
    fits = features.ndim == 3 and features.shape[1] > 0 and (len(features), features.shape[-1]) == (count, width)
    if not fits or labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"the head must contain {count} shots, each with {width} features and a class")
    if int(labels.min()) < 0 or not torch.equal(labels.bincount(minlength=len(counts)).double(), counts):
        raise ValueError("the classes of the head's shots do not match its counts")
    return ShotFeatures(features.float(), labels)
