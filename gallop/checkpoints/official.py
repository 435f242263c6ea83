"""Checkpoints of the paper's own implementation (github.com/MarcLafon/gallop), turned into ours.

Such a file is a torch file: a pickle, which can run anything when it is opened carelessly. Here it is opened as data:
torch reads it with ``weights_only``, so tensors, numbers, texts and lists, and of all classes ``argparse.Namespace``
alone, in which the paper's authors keep their options. Whatever else it holds is refused by name; there is no other way
around.

Three tensors were learned; the texts and numbers beside them help where they are there. The class names are not in the
file, nor how many they were: whoever converts it gives them.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.checkpoints.folder import save_checkpoint
from gallop.checkpoints.settings import Checkpoint
from gallop.config import CONTEXT_INIT, MethodConfig, default_topk
from gallop.errors import CheckpointError
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel, Prompts
from gallop.runtime.reading import open_file
from gallop.setting import number_between, whole_between

LARGEST_FILE = 4 * 2**30
"""Bytes: all of a large CLIP and its optimiser fit."""

LARGEST_PICKLE = 16 * 2**20
"""Bytes of all that is not a tensor's numbers."""

_WANTED = "give the .ckpt or .pt file that the official code wrote"
_NESTED = ("state_dict", "model", "model_state_dict")
_reading = threading.Lock()
_NAMES = {
    "global_contexts": "global_prompt",
    "local_contexts": "local_prompts",
    "local_projection": "local_proj.linear.weight",
}
"""Our name of each learned tensor -> the official one."""

_CLIPS = {
    "clip_vit_b16": "ViT-B-16/openai",
    "clip_vit_b32": "ViT-B-32/openai",
    "clip_resnet50": "RN50/openai",
    "clip_resnet101": "RN101/openai",
}
_UNDERSCORED = ("oxfordpets", "ucf101")
"""The authors' names of the sets whose class names have underscores, which their code leaves there."""

_PER_CLASS = ("token_prefix", "token_suffix", "tokenized_prompts")
"""Entries that other prompt learners keep for each class, and that forks of the code may have."""

_MOST_PROMPTS = 64


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What such a file says; None is what it does not say.

    Attributes:
        tensors: the learned ones under our names, and ``local_contexts`` is missing where there are none.
        frozen: ``logit_scale`` and ``token_embedding.weight`` of the CLIP trained with, where the file holds them.
        backbone: the name of that CLIP for ``load_backbone``.
        classes: how many there were.
        underscored: whether it was trained on names in which ``_`` stands for a space.
    """

    path: str
    tensors: Mapping[str, Tensor]
    frozen: Mapping[str, Tensor]
    backbone: str | None
    topk: tuple[int, ...] | None
    dropout: float | None
    classes: int | None
    underscored: bool

    @property
    def sizes(self) -> tuple[int, int]:
        """(M, N)"""
        return len(self.tensors["global_contexts"]), len(self.tensors.get("local_contexts", ()))


def read_official(path: str | Path) -> OfficialCheckpoint:
    """Read the file without running anything of it.

    Raises:
        CheckpointError: no such file, no torch file, damaged, too large, with objects that are not data, or without
            prompts; the sentence says which.
        ConfigError: its options make no sense.
    """
    path = Path(path)
    _check_file(path)
    loaded = _load(path)
    state = _state(loaded, path)
    options = next((vars(value) for value in loaded.values() if type(value) is Namespace), {})
    tensors = {own: state[theirs] for own, theirs in _NAMES.items() if theirs in state}
    _check_learned(tensors, options, path)
    clip, dropout = options.get("clip_name"), options.get("global_dropout_p")
    if clip is not None and clip not in list(_CLIPS):
        raise CheckpointError(f"{path} names the CLIP {str(clip)[:60]!r}; the known ones are {', '.join(_CLIPS)}.")
    found = OfficialCheckpoint(
        path=str(path),
        tensors=tensors,
        frozen={key: state[key] for key in ("logit_scale", "token_embedding.weight") if _is_plain(state.get(key))},
        backbone=None if clip is None else _CLIPS[clip],
        topk=_topk(options.get("topk"), path) if "local_contexts" in tensors else (),
        dropout=None if dropout is None else number_between("global_dropout_p of the file", dropout, 0, 1),
        classes=_classes(state, options, path),
        underscored=options.get("dataset_name") in _UNDERSCORED,
    )
    for name, count in zip(("n_global_prompts", "n_local_prompts"), found.sizes, strict=True):
        given = options.get(name)
        if given is not None and count and whole_between(f"{name} of the file", given, 1, _MOST_PROMPTS) != count:
            raise CheckpointError(f"{path} contradicts itself: its options say {name} = {given}, but it holds {count}.")
    return found


def convert(
    official: OfficialCheckpoint,
    backbone: Backbone,
    class_names: Sequence[str],
    *,
    topk: Sequence[int] | None = None,
    dropout: float | None = None,
) -> PromptModel:
    """Return a model of ours with these prompts, which answers as theirs does.

    Args:
        topk: one k a local prompt, or one for all of them; None takes the file's, else the paper's 5, 10, 15, ...
        dropout: None takes the file's, else the paper's 0.75. It matters when the training is gone on with.

    Raises:
        CheckpointError: prompts of another CLIP, numbers that are not finite, or another number of classes.
        ClassNameError: names that cannot be used.
        ConfigError: scales that are not one a local prompt.
    """
    global_prompts, local_prompts = official.sizes
    scales = tuple(topk) if topk is not None else official.topk
    scales = default_topk(local_prompts) if scales is None else scales
    scales = scales * local_prompts if len(scales) == 1 else scales
    if len(scales) != local_prompts:
        raise CheckpointError(
            f"{official.path} holds {local_prompts} local prompts, but {len(scales)} values of topk were given; give "
            "one for each of them, or one for all."
        )
    if dropout is None:  # in the official code 1 keeps one prompt, as does the largest number below it
        dropout = MethodConfig.dropout if official.dropout is None else min(official.dropout, 1 - 2**-53)
    config = MethodConfig(global_prompts, scales, dropout)
    if official.classes is not None and official.classes != len(class_names):
        raise CheckpointError(
            f"{official.path} was trained on {official.classes} classes, but {len(class_names)} names were given; "
            "give the names it was trained with."
        )
    _check_backbone(official, backbone)
    return PromptModel(backbone, class_names, config, _prompts(official, backbone, config))


def save_converted(model: PromptModel, folder: str | Path) -> None:
    """Write it as a checkpoint folder, for ``GalLoPClassifier.load``."""
    calibration = Calibration(note="none: nothing was held out to find it, in a checkpoint that was converted")
    save_checkpoint(folder, Checkpoint.of(model, None, calibration), model.prompts)


def _check_file(path: Path) -> None:
    """Refuse what is no torch file of a sensible size, before anything of it is read as one."""
    try:
        with open_file(path, LARGEST_FILE) as file:
            start, size = file.read(9), os.fstat(file.fileno()).st_size
    except OSError as error:
        way_out = "keep its state_dict alone" if error.errno == errno.EFBIG else _WANTED
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {way_out}.") from error
    if start[8:] == b"{":
        raise CheckpointError(
            f"{path} is a safetensors file; the official code writes torch files (.ckpt, .pt), and gallop's own "
            "checkpoints are folders that need no conversion."
        )
    if start[:4] == b"PK\x03\x04":
        _check_archive(path)
    elif start[:1] != b"\x80":
        raise CheckpointError(f"{path} is no torch file; {_WANTED}.")
    elif size > LARGEST_FILE // 4:
        raise CheckpointError(
            f"{path} is in torch's old format and too large for it; save it again with a newer torch."
        )


def _check_archive(path: Path) -> None:
    """A zip as torch writes it: nothing compressed, so that it cannot hold more than the file's size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); copy it again.") from error
    if any("/code/" in entry.filename for entry in entries):
        raise CheckpointError(
            f"{path} is a TorchScript archive, which holds code; give the official code's checkpoint."
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{path} is a compressed archive; give the file that is in it.")
    if sum(entry.file_size for entry in entries) > LARGEST_FILE:
        raise CheckpointError(f"{path} claims to hold more than its own size; it is damaged or made to do harm.")
    if any(entry.filename.endswith(".pkl") and entry.file_size > LARGEST_PICKLE for entry in entries):
        raise CheckpointError(f"{path} holds much besides tensors; keep its state_dict and args alone.")


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with _allowing_namespaces(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and the objects themselves raise what they like
        named = re.search(r"GLOBAL ([\w.]+)|<class '([\w.]+)'", str(error))
        if named is not None:
            raise CheckpointError(
                f"{path} holds an object that is not data, {named[1] or named[2]}, so it is refused, and nothing of it "
                "was run. Where you trust it, save its state_dict and args alone."
            ) from error
        raise CheckpointError(f"{path} is damaged, cut short or no torch file ({type(error).__name__}).") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds no state dict but a {type(loaded).__name__}.")
    return loaded


@contextmanager
def _allowing_namespaces() -> Iterator[None]:
    """For the time of one reading. A second one waits: the list is the whole process', and the first clears it."""
    with _reading:
        allowed = Namespace in torch.serialization.get_safe_globals()
        with nullcontext() if allowed else torch.serialization.safe_globals([Namespace]):
            yield


def _state(loaded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state dict, wherever the file has it, without the prefix of a parallel training."""
    state: Any = loaded
    for _ in _NESTED:
        state = next((state[key] for key in _NESTED if isinstance(state.get(key), dict)), state)
    found: dict[str, Any] = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        if name in found:
            raise CheckpointError(f"{path} holds {name} twice, with and without 'module.' before it.")
        found[name] = value
    return found


def _is_plain(value: Any) -> bool:
    """A tensor of numbers that lie in memory as they are."""
    return (
        type(value) in (Tensor, torch.nn.Parameter)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    )


def _check_learned(tensors: dict[str, Any], options: Mapping[str, Any], path: Path) -> None:
    """All three are there, or the file's own options say why one is not."""
    excused = {
        "local_contexts": options.get("use_local_features") is False,
        "local_projection": options.get("learn_local_proj") is False or options.get("use_local_features") is False,
    }
    missing = [theirs for own, theirs in _NAMES.items() if own not in tensors and not excused.get(own, False)]
    if missing:
        raise CheckpointError(
            f"{path} holds no {', no '.join(missing)}, so it is no checkpoint of GalLoP with global and local prompts."
        )
    if excused["local_contexts"]:
        tensors.pop("local_contexts", None)  # the official code does not ask them then
    for own, value in tensors.items():
        if not _is_plain(value):
            raise CheckpointError(f"{path} is damaged: {_NAMES[own]} is no tensor of floating-point numbers.")
        if own != "local_projection" and (value.ndim != 3 or not 1 <= len(value) <= _MOST_PROMPTS):
            raise CheckpointError(
                f"{path} is damaged: {_NAMES[own]} has the shape {tuple(value.shape)}, but (prompts, tokens, width) "
                f"with 1 to {_MOST_PROMPTS} prompts is needed."
            )


def _topk(option: Any, path: Path) -> tuple[int, ...] | None:
    if option is None:
        return None
    if not isinstance(option, list | tuple) or not 1 <= len(option) <= _MOST_PROMPTS:
        raise CheckpointError(f"{path} is damaged: topk of its options is no list of numbers.")
    return tuple(whole_between("topk of the file", k, 1, 1_000_000) for k in option)


def _classes(state: Mapping[str, Any], options: Mapping[str, Any], path: Path) -> int | None:
    """K, where anything in the file tells."""
    told = {
        key: len(v) for key, v in state.items() if key.split(".")[-1] in _PER_CLASS and isinstance(v, Tensor) and v.ndim
    }
    names = options.get("class_names")
    if isinstance(names, list | tuple):
        told["class_names"] = len(names)
    if len(set(told.values())) > 1:
        raise CheckpointError(f"{path} contradicts itself about its number of classes: {told}.")
    return next(iter(told.values()), None)


def _check_backbone(official: OfficialCheckpoint, backbone: Backbone) -> None:
    """Whether the file's frozen weights, as far as they are in it, are those of the backbone."""
    other = CheckpointError(
        f"{official.path} was trained with other frozen weights than those of {backbone.name!r}; name its CLIP with "
        "backbone=..."
    )
    scale = official.frozen.get("logit_scale")
    if scale is not None and (scale.numel() != 1 or not abs(float(scale.exp()) / backbone.logit_scale - 1) < 0.01):
        raise other
    table = official.frozen.get("token_embedding.weight")
    if table is None:
        return
    if table.ndim != 2 or table.shape[1] != backbone.text.width:
        raise other
    for row in backbone.text.embed(CONTEXT_INIT).cpu().float():
        if not float((table.float() - row).norm(dim=1).min()) < 0.01 * float(row.norm()):
            raise other


def _prompts(official: OfficialCheckpoint, backbone: Backbone, config: MethodConfig) -> Prompts:
    """The learned tensors in fp32, each checked against what the backbone takes."""
    context_tokens, width = official.tensors["global_contexts"].shape[1], backbone.text.width
    if not 1 <= context_tokens < backbone.text.context_length:
        raise CheckpointError(f"{official.path} is damaged: its prompts have {context_tokens} tokens.")
    prompts = Prompts(
        torch.zeros(context_tokens, width),
        global_prompts=config.global_prompts,
        local_prompts=config.local_prompts,
        region_width=backbone.vision.region_width,
    )
    state = prompts.state_dict()
    for own, value in official.tensors.items():
        if value.shape != state[own].shape:
            raise CheckpointError(
                f"{official.path} does not fit {backbone.name!r}: {_NAMES[own]} has the shape {tuple(value.shape)}, "
                f"but {tuple(state[own].shape)} is needed; name the CLIP it was trained with by backbone=..."
            )
        state[own] = value.detach().float().contiguous()
        if not torch.isfinite(state[own]).all():
            raise CheckpointError(
                f"{official.path} is damaged: {_NAMES[own]} holds values that are not finite numbers."
            )
    prompts.load_state_dict(state)
    return prompts.to(backbone.device)
