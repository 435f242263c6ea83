"""``load_backbone``: the one door to frozen CLIP towers. Only this package imports open_clip and timm.

They take longer to load than torch itself, so they are loaded with the first towers and not with the library.
"""

from __future__ import annotations

import json
import os
import socket
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants as hub
from safetensors.torch import load_file
from torch import Tensor, nn

from gallop.backbones.clip import Backbone, Damping
from gallop.backbones.device import moved, pick_device, pick_precision
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.text import NameTokens
from gallop.backbones.vision import pick_regions
from gallop.backbones.weights.fetching import fetch_problem
from gallop.backbones.weights.known import LARGEST_CONFIG, LARGEST_WEIGHTS
from gallop.backbones.weights.on_disk import available_models, cached_weights, clip_cache
from gallop.errors import BackboneError, UnsupportedTower
from gallop.runtime.reading import check_file, read_text
from gallop.runtime.tensor_file import check_tensor_file
from gallop.wording import listed

__all__ = [
    "Backbone",
    "BackboneError",
    "Damping",
    "NameTokens",
    "Preprocess",
    "UnsupportedTower",
    "available_models",
    "load_backbone",
    "pick_device",
    "pick_precision",
    "pick_regions",
]

_OPENAI_MARKERS = ("input_resolution", "context_length", "vocab_size")
"""Entries that only OpenAI's own files have, all of which were trained with QuickGELU."""


def load_backbone(
    name: str | os.PathLike[str] = "mini",
    *,
    device: str = "auto",
    precision: str = "fp32",
    regions: str = "value",
    download: bool = True,
) -> Backbone:
    """Return a frozen backbone by name.

    Args:
        name: ``mini`` (shipped); ``ARCH/TAG`` of open_clip, such as ``ViT-B-16/openai`` (downloaded once by open_clip);
            ``ARCH/FILE`` with a local weights file; or a folder that holds ``config.json`` and one ``.safetensors``
            file, laid out as ``checkpoints/mini`` is.
        device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:1".
        precision: of the towers on a CPU: "fp32", which gives the same prompts on every machine; "bf16"; or "auto",
            bf16 where the processor multiplies it faster.
        regions: the kind of a ViT's region features, as ``gallop.backbones.vision`` defines them: one of
            ``gallop.config.REGION_KINDS``, of which "value" is the paper's; other towers have "value" alone.
        download: whether weights that are not on this machine may be asked for; without, no network is.

    Raises:
        BackboneError: unknown name, precision or kind of regions, weights missing or not fitting, no network for them,
            a GPU that is not there or cannot be used.
        UnsupportedTower: a text tower that learned contexts cannot be put into, or a vision tower without regions.
    """
    target, chosen, kind = pick_device(device), pick_precision(precision), pick_regions(regions)
    backbone = moved(_load(os.fspath(name), download=download), target)
    backbone.precision = chosen
    return backbone.with_regions(kind)


def _load(name: str, *, download: bool) -> Backbone:
    folder = _shipped_folder(name)
    if folder is None and Path(name).is_dir():
        folder = Path(name)
    if folder is not None:
        return _load_folder(name, folder)
    arch, _, source = name.partition("/")
    if not source:
        raise BackboneError(
            f"There is no backbone {name!r}. Use 'mini', an open_clip pair such as 'ViT-B-16/openai', or a folder."
        )
    return _load_open_clip(name, arch, source, download=download)


def _shipped_folder(name: str) -> Path | None:
    return available_models().get(name) if os.sep not in name else None


def _load_folder(name: str, folder: Path) -> Backbone:
    """``config.json`` (open_clip's model settings, the trunk's, preprocessing) and one safetensors file beside it."""
    from open_clip import SimpleTokenizer
    from open_clip.model import CLIP

    try:
        config = json.loads(read_text(folder / "config.json", LARGEST_CONFIG))
        model_cfg, pre = config["model_cfg"], config["preprocess"]
        preprocess = Preprocess(
            size=int(model_cfg["vision_cfg"]["image_size"]),
            mean=_channels(pre["mean"]),
            std=_channels(pre["std"]),
            interpolation=pre["interpolation"],
        )
        damping = Damping(**config.get("damping", {}))
        model = CLIP(**model_cfg)
        if config.get("trunk"):
            import timm

            # open_clip's settings cannot say a trunk's output stride, so the trunk is built again with it.
            architecture = model_cfg["vision_cfg"]["timm_model_name"]
            model.visual.trunk = timm.create_model(architecture, num_classes=0, **config["trunk"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BackboneError(f"{folder / 'config.json'} is missing or not a backbone's settings ({error!r}).") from error
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise BackboneError(
            f"{folder} must hold exactly one .safetensors file beside config.json; it has {len(files)}."
        )
    _load_strict(model, _read_weights(str(files[0])), name)
    tokenizer = SimpleTokenizer(context_length=model.context_length)
    return Backbone(name, model.float(), tokenizer, preprocess, damping=damping)


def _channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _load_open_clip(name: str, arch: str, source: str, *, download: bool) -> Backbone:
    """A pair of open_clip: architecture by name, weights by tag or from a file."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    if open_clip.get_model_config(arch) is None:
        raise BackboneError(f"open_clip knows no architecture {arch!r}; `open_clip.list_models()` lists them.")
    tag: dict[str, Any] = get_pretrained_cfg(arch, source) or {}
    if tag:
        path = _download(name, tag) if download else _cached(name, tag)
    elif Path(source).is_file():
        path, tag = source, _tag_of_file(arch, Path(source).name)
    else:
        tags = ", ".join(list_pretrained_tags_by_model(arch)) or "none"
        raise BackboneError(f"{source!r} is neither a file nor a weights tag of {arch}; its tags are: {tags}.")
    state = _read_weights(path)
    quick = bool(tag.get("quick_gelu", False)) or any(key in state for key in _OPENAI_MARKERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip warns that it loads no weights: they are loaded here, strictly
        model = open_clip.create_model(arch, pretrained=None, force_quick_gelu=quick, pretrained_text=False)
    _load_strict(model, {k: v for k, v in state.items() if k not in _OPENAI_MARKERS}, name)
    return Backbone(name, model, open_clip.get_tokenizer(arch), _open_clip_preprocess(model, tag))


def _url_file(tag: dict[str, Any]) -> str:
    return str(tag.get("url", "")).rsplit("/", 1)[-1]


def _tag_of_file(arch: str, file: str) -> dict[str, Any]:
    """The settings of published weights by their file's name: QuickGELU and normalisation are not in the file."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = (get_pretrained_cfg(arch, tag) for tag in list_pretrained_tags_by_model(arch))
    return next((tag for tag in tags if _url_file(tag) == file), {})


def _open_clip_preprocess(model: nn.Module, tag: dict[str, Any]) -> Preprocess:
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    size = cast(Any, model).visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width or tag.get("resize_mode", "shortest") != "shortest":
        raise BackboneError("Only square inputs made by resizing the short side and cropping are supported.")
    return Preprocess(
        size=height,
        mean=tuple(tag.get("mean", OPENAI_DATASET_MEAN)),
        std=tuple(tag.get("std", OPENAI_DATASET_STD)),
        interpolation=tag.get("interpolation", "bicubic"),
    )


def _cached(name: str, tag: dict[str, Any]) -> str:
    found = cached_weights(tag)
    if found is None:
        raise BackboneError(f"The weights of {name} are not on this machine, and they were not to be downloaded.")
    return str(found)


def _download(name: str, tag: dict[str, Any]) -> str:
    from open_clip.pretrained import download_pretrained

    file = _url_file(tag)
    by_hand = bool(file) and (clip_cache() / file).is_file()
    try:
        with _no_waiting_without_a_network():
            # open_clip asks the hub first, even for a file that somebody put into its own cache.
            return str(download_pretrained(tag, prefer_hf_hub=not by_hand))
    except Exception as error:  # open_clip lets urllib's, the hub's and its own errors through
        raise fetch_problem(name, tag, error) from error


@contextmanager
def _no_waiting_without_a_network() -> Iterator[None]:
    """Where the hub's name is not known, only its cache is asked: its client would try ten times, for 45 seconds."""
    before = hub.HF_HUB_OFFLINE
    if not urllib.request.getproxies():
        try:
            socket.getaddrinfo(urlsplit(hub.ENDPOINT).hostname, 443)
        except OSError:
            hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


def _read_weights(path: str) -> dict[str, Tensor]:
    """A state dict from safetensors, from a torch file (weights only) or from OpenAI's TorchScript archive."""
    try:
        if path.endswith(".safetensors"):
            check_tensor_file(path, LARGEST_WEIGHTS)
            return dict(load_file(path))
        check_file(path, LARGEST_WEIGHTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loaded = torch.load(path, map_location="cpu", weights_only=True)
            except RuntimeError:
                # OpenAI's files are TorchScript archives, which torch.load refuses with weights_only.
                loaded = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise BackboneError(f"{path} holds no weights that can be read safely ({type(error).__name__}).") from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(f"{path} holds no state dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _load_strict(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Every weight there and none too many, or a sentence that says which."""
    own = model.state_dict()
    # A causal mask and position ids are computed, not learned; some files carry them.
    state = {
        key: value for key, value in state.items() if key in own or not key.endswith(("attn_mask", "position_ids"))
    }
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    problems = [
        f"{len(keys)} {what} ({listed(keys, 3)})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        if keys
    ]
    if problems:
        raise BackboneError(f"The weights do not fit {name}: {'; '.join(problems)}. Check architecture and file.")
    model.load_state_dict(state, strict=True)
