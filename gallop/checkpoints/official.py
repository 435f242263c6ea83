"""Checkpoints of the paper's own implementation (github.com/MarcLafon/gallop), turned into ours.

``gallop.checkpoints.torch_file`` opens them, as data alone. Three tensors were learned; the texts and numbers beside
them help where they are there. The class names are not in the file, nor how many they were: whoever converts it
gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.checkpoints.folder import save_checkpoint
from gallop.checkpoints.settings import Checkpoint
from gallop.checkpoints.torch_file import read_torch_file
from gallop.config import CONTEXT_INIT, MethodConfig, default_topk
from gallop.errors import CheckpointError
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel, Prompts
from gallop.setting import number_between, whole_between

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
"""The authors' names of the sets whose class names have underscores, which their code leaves there for the tower."""

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
    state, options = read_torch_file(path)
    tensors = {own: _tensor(state, theirs, path) for own, theirs in _NAMES.items() if theirs in state}
    _check_learned(tensors, options, path)
    dropout = options.get("global_dropout_p")
    found = OfficialCheckpoint(
        path=str(path),
        tensors=tensors,
        frozen={key: state[key] for key in ("logit_scale", "token_embedding.weight") if _is_plain(state.get(key))},
        backbone=_backbone(options.get("clip_name"), path),
        topk=_topk(options.get("topk"), path) if "local_contexts" in tensors else (),
        dropout=None if dropout is None else number_between("global_dropout_p of the file", dropout, 0, 1),
        classes=_classes(state, options, path),
        underscored=options.get("dataset_name") in _UNDERSCORED,
    )
    for name, count in zip(("n_global_prompts", "n_local_prompts"), found.sizes, strict=True):
        said = options.get(name)
        if said is not None and count and whole_between(f"{name} of the file", said, 1, _MOST_PROMPTS) != count:
            raise CheckpointError(f"{path} contradicts itself: its options say {name} = {said}, but it holds {count}.")
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
    note = "none: nothing was held out to find it, in a checkpoint that was converted"
    checkpoint = Checkpoint(
        model.backbone.name,
        model.backbone.fingerprint,
        model.class_names,
        method=model.config,
        training=None,
        calibration=Calibration(note=note),
    )
    save_checkpoint(folder, checkpoint, model.prompts)


def _is_plain(value: Any) -> bool:
    """A tensor of numbers that lie in memory as they are."""
    return (
        type(value) in (Tensor, torch.nn.Parameter)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    )


def _tensor(state: Mapping[str, Any], name: str, path: Path) -> Tensor:
    value: Tensor = state[name]
    if not _is_plain(value):
        raise CheckpointError(f"{path} is damaged: {name} is no tensor of floating-point numbers.")
    return value.detach()


def _check_learned(tensors: dict[str, Tensor], options: Mapping[str, Any], path: Path) -> None:
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
    for own in ("global_contexts", "local_contexts"):
        if own in tensors and (tensors[own].ndim != 3 or not 1 <= len(tensors[own]) <= _MOST_PROMPTS):
            raise CheckpointError(
                f"{path} is damaged: {_NAMES[own]} has the shape {tuple(tensors[own].shape)}, but (prompts, tokens, "
                f"width) with 1 to {_MOST_PROMPTS} prompts is needed."
            )


def _backbone(said: Any, path: Path) -> str | None:
    if said is None:
        return None
    if not isinstance(said, str) or said not in _CLIPS:
        raise CheckpointError(f"{path} names the CLIP {str(said)[:60]!r}; the known ones are {', '.join(_CLIPS)}.")
    return _CLIPS[said]


def _topk(said: Any, path: Path) -> tuple[int, ...] | None:
    if said is None:
        return None
    if not isinstance(said, list | tuple) or not 1 <= len(said) <= _MOST_PROMPTS:
        raise CheckpointError(f"{path} is damaged: topk of its options is no list of numbers.")
    return tuple(whole_between("topk of the file", k, 1, 1_000_000) for k in said)


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
        state[own] = value.float().contiguous()
        if not torch.isfinite(state[own]).all():
            raise CheckpointError(
                f"{official.path} is damaged: {_NAMES[own]} holds values that are not finite numbers."
            )
    prompts.load_state_dict(state)
    return prompts.to(backbone.device)
