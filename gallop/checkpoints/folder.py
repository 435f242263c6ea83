"""A checkpoint is a folder: ``gallop.json`` (settings, readable) and ``prompts.safetensors`` (what was learned).

The backbone's weights are not in it, only its name and fingerprint. Everything read from disk is checked: tensor
names, shapes, number format and finiteness, because safetensors itself accepts anything. A setting
(``gallop.checkpoints.settings``) or a tensor that is not known here is refused by name: it means something that this
version would not do.

A save ends when the prompts' file is renamed. The settings lie beside it by then, in ``gallop.next.json``, and become
``gallop.json`` last: whoever finds both takes those that name the prompts' hash, so at every moment one model is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from gallop.backbones import Backbone
from gallop.checkpoints.branches import branch_tensors, is_of_branch, read_branches
from gallop.checkpoints.settings import FORMAT, Checkpoint, checked_settings, parse_settings, unknown_settings
from gallop.errors import BackboneError, CheckpointError, ConfigError
from gallop.model.branches.branch import Branch
from gallop.model.prompted import Prompts
from gallop.runtime.reading import read_bytes, read_text
from gallop.runtime.tensor_file import TensorFile, read_tensor_file
from gallop.runtime.writing import locked, write_file
from gallop.wording import listed, printable, quoted

SETTINGS, TENSORS = "gallop.json", "prompts.safetensors"
NEXT, LOCK = "gallop.next.json", ".gallop-lock"
"""There while a checkpoint is saved: settings of the prompts that come, and what keeps others from saving, too."""
LARGEST_SETTINGS, LARGEST_TENSORS = 16 * 2**20, 512 * 2**20
"""Bytes of these files: ten times what a hundred thousand classes, and the most and longest prompts, need."""
_TRIES = 5
"""At a checkpoint that others may be saving, before it is called damaged."""
_LEARNED = {"global_contexts", "local_contexts", "local_projection", "global_projection"}


def save_checkpoint(
    folder: str | Path, checkpoint: Checkpoint, prompts: Prompts, branches: Sequence[Branch] = ()
) -> None:
    """Write a checkpoint folder and read it back. Failed or killed, it leaves the old one or the new one, never a half.

    Args:
        branches: the model's, where it has some.

    Raises:
        OSError: it cannot be written.
        CheckpointError: what was written is not what can be read.
    """
    folder = Path(folder)
    tensors = {key: value.detach().cpu().float().contiguous() for key, value in prompts.state_dict().items()}
    tensors |= branch_tensors(branches, checkpoint.branches)
    data = save(tensors)
    said = replace(checkpoint, prompts_sha256=hashlib.sha256(data).hexdigest()).said()
    settings = json.dumps(said, indent=2, ensure_ascii=False).encode()
    with locked(folder / LOCK):
        settle(folder)
        try:
            write_file(folder / NEXT, settings)
            write_file(folder / TENSORS, data)
        finally:
            settle(folder)
        read_checkpoint(folder)
        if (read_bytes(folder / SETTINGS, len(settings)), read_bytes(folder / TENSORS, len(data))) != (settings, data):
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
        text = read_text(folder / NEXT, LARGEST_SETTINGS)
        found = hashlib.sha256(read_bytes(folder / TENSORS, LARGEST_TENSORS)).hexdigest()
        return text if json.loads(text)["prompts_sha256"] == found else None
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
            raise CheckpointError(f"{folder} is no checkpoint: it has no {SETTINGS}.")
        raw = parse_settings(read_text(path, LARGEST_SETTINGS) if coming is None else coming)
        version = raw["format"]
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"the format is {quoted(version)}")
        if version > FORMAT:
            raise CheckpointError(
                f"{path} has format {version}, but this version of gallop reads up to {FORMAT}; update gallop."
            )
        unknown = unknown_settings(raw)
        if unknown:
            raise CheckpointError(
                f"{path} holds settings that this version of gallop does not know: {listed(unknown)}. What they mean "
                "would be left out; update gallop, or take them away."
            )
        return checked_settings(raw)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be read ({error.strerror}); copy the folder again."
        ) from error
    except KeyError as error:
        raise CheckpointError(f"{path} is damaged or not written by gallop ({error} is missing).") from error
    except (ValueError, BackboneError) as error:
        raise CheckpointError(f"{path} is damaged or not written by gallop ({error}).") from error


def read_model(folder: str | PathLike[str]) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Return the settings of a checkpoint and what was learned, of one save; it looks again while another is made.

    Raises:
        CheckpointError: as ``read_checkpoint``; prompts that are missing, damaged, or of another save.
    """
    path = Path(folder) / TENSORS
    for _ in range(_TRIES):
        checkpoint = read_checkpoint(folder)
        file, tensors = _learned(path)
        if checkpoint.prompts_sha256 in ("", hashlib.sha256(file.data).hexdigest()):
            return checkpoint, tensors
    raise CheckpointError(f"{path} and {SETTINGS} are of two different saves, or damaged; save or train again.")


def load_prompts(folder: Path, checkpoint: Checkpoint, tensors: Mapping[str, Tensor], backbone: Backbone) -> Prompts:
    """Return the prompts that ``read_model`` found in a folder, on the backbone's device.

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
            f"{folder} was trained on other weights of {quoted(checkpoint.backbone)} than those loaded now "
            f"(fingerprints {printable(checkpoint.fingerprint[:12])} and {backbone.fingerprint[:12]}). Load the same "
            "weights, or train again."
        )
    path = folder / TENSORS
    contexts = tensors.get("global_contexts", torch.empty(0))
    context_tokens = contexts.shape[1] if contexts.ndim == 3 else 1
    prompts = Prompts(
        torch.zeros(context_tokens, backbone.text.width),
        global_prompts=checkpoint.method.global_prompts,
        local_prompts=checkpoint.method.local_prompts,
        region_width=backbone.vision.region_width,
        local_projection=checkpoint.method.local_projection,
        global_width=backbone.feature_sizes[-1] if checkpoint.method.global_projection else None,
    )
    tensors = {key: value for key, value in tensors.items() if not is_of_branch(key)}
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
    prompts.load_state_dict(tensors)
    return prompts.to(backbone.device)


def load_branches(
    folder: Path, checkpoint: Checkpoint, tensors: Mapping[str, Tensor], backbone: Backbone
) -> tuple[Branch, ...]:
    """Return the branches that ``read_model`` found in a folder; none where nothing has taught one.

    Raises:
        CheckpointError: tensors that do not fit the settings.
    """
    own = {name: value for name, value in tensors.items() if is_of_branch(name)}
    kinds, classes = checkpoint.method.branches, len(checkpoint.class_names)
    try:
        return read_branches(kinds, checkpoint.branches, own, classes, backbone)
    except (ValueError, ConfigError) as error:
        raise CheckpointError(f"{folder / TENSORS} does not fit its settings: {error}.") from error


def _learned(path: Path) -> tuple[TensorFile, dict[str, Tensor]]:
    """The file of the prompts, and its tensors."""
    try:
        file = read_tensor_file(path, LARGEST_TENSORS)
        foreign = sorted(name for name in set(file.names) - _LEARNED if not is_of_branch(name))
        if foreign:
            raise CheckpointError(
                f"{path} does not fit its settings: it holds {listed(foreign)}, which no prompts have."
            )
        return file, file.tensors()
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path} is missing or damaged ({why}).") from error
