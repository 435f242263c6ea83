"""Load a frozen CLIP by name: from a folder or a repository of the Hub, or open_clip's architecture with weights by tag
or from a file.

Only this package imports open_clip and timm. They take longer to load than torch itself, so they are loaded with the
first backbone that ``gallop.backbones.built_in`` does not build, and not with the library.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gallop.backbones.built_in import built_in_model
from gallop.backbones.clip import Backbone, Damping
from gallop.backbones.device import pick_device, pick_precision
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.text.tokenizers import clip_tokenizer, hub_tokenizer
from gallop.backbones.vision import pick_regions
from gallop.backbones.weights import (
    CONFIG,
    HUB_FILES,
    LARGEST_CONFIG,
    LARGEST_WEIGHTS,
    ON_HUB,
    OPEN_CLIP_CONFIG,
    available_models,
    cached_weights,
    download_weights,
    hub_folder,
    known_elsewhere,
    offered_backbones,
    pair_settings,
)
from gallop.config import BackbonePreset
from gallop.errors import BackboneError, UnsupportedBackbone, first_line, suggesting
from gallop.runtime.reading import check_file, read_text
from gallop.runtime.tensor_file import check_tensor_file
from gallop.wording import did_you_mean, listed, quoted

# Entries that only OpenAI's files have, all of which were trained with QuickGELU.
_OPENAI_MARKERS = ("input_resolution", "context_length", "vocab_size")


@suggesting
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
            ``ARCH/FILE`` with a local weights file; a folder that holds ``config.json`` and one ``.safetensors`` file,
            laid out as ``checkpoints/mini`` is; a folder in open_clip's format, with ``open_clip_config.json``; or
            ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``, a repository of the Hub in that format.
        device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:1".
        precision: of the backbone on a CPU: "fp32", which gives the same prompts on every machine; "bf16"; or "auto",
            bf16 where the processor multiplies it faster.
        regions: the kind of a ViT's region features, as ``gallop.backbones.vision`` defines them: one of
            ``gallop.config.REGION_KINDS``, of which "value" is the paper's; other encoders have "value" alone.
        download: whether weights that are not on this machine may be asked for; without, no network is.

    Raises:
        BackboneError: unknown name, precision or kind of regions, weights missing or not fitting, no network for them,
            a GPU that is not there or cannot be used.
        UnsupportedBackbone: a text encoder that learned contexts cannot be put into, or an image encoder without
            regions.
    """
    target, chosen, kind = pick_device(device), pick_precision(precision), pick_regions(regions)
    name = os.fspath(name).removeprefix("local-dir:")  # as open_clip writes a folder
    backbone = moved(_load(name, download=download), target)
    backbone.precision = chosen
    if known_elsewhere(name):
        backbone.again = loaded_again
    return backbone.with_regions(kind)


def loaded_again(name: str, fingerprint: str, device: str, precision: str, regions: str) -> Backbone:
    """Return a backbone that was pickled by its name, as ``load_backbone`` finds it here.

    Raises:
        BackboneError: as there, or its weights are others here.
    """
    backbone = load_backbone(name, device=device, precision=precision, regions=regions)
    if backbone.fingerprint != fingerprint:
        raise BackboneError(
            f"The pickle was made with weights of {name!r} that differ from those on this machine (fingerprints "
            f"{fingerprint[:12]} and {backbone.fingerprint[:12]}). Use the same weights, or train again."
        )
    return backbone


def moved(backbone: Backbone, device: torch.device) -> Backbone:
    """Return the backbone itself, on a device that is tried first: some GPUs are listed but cannot be used.

    Raises:
        BackboneError: it is full, reserved by another process, or too old or new for this torch.
    """
    try:
        torch.zeros(1, device=device).add_(1).item()
        return backbone.to(device)
    except RuntimeError as error:
        raise BackboneError(
            f"The device {device} cannot be used ({first_line(error)}). Use device='cpu'. Where there is no such "
            "option, as in the app, set the environment variable CUDA_VISIBLE_DEVICES to an empty string."
        ) from error


def _load(name: str, *, download: bool) -> Backbone:
    if name.startswith(ON_HUB):
        return _load_open_clip(name, hub_folder(name, download=download))
    folder = available_models().get(name, Path(name))
    if folder.is_dir():
        return (_load_open_clip if (folder / OPEN_CLIP_CONFIG).is_file() else _load_folder)(name, folder)
    arch, _, source = name.partition("/")
    if source:
        return load_pair(name, arch, source, download=download)
    pairs = {known.name.partition("/")[0]: known.name for known in reversed(offered_backbones())}
    near = did_you_mean(name, available_models()) or did_you_mean(name, pairs, shown=pairs)
    raise BackboneError(
        f"There is no backbone {name!r}. Use 'mini', an open_clip pair such as 'ViT-B-16/openai', a folder, or "
        f"hf-hub:OWNER/NAME.{near}"
    )


def _load_folder(name: str, folder: Path) -> Backbone:
    """``config.json`` (open_clip's model settings, the trunk's, preprocessing) and one safetensors file beside it."""
    try:
        config = json.loads(read_text(folder / CONFIG, LARGEST_CONFIG))
        model_cfg, pre = config["model_cfg"], config["preprocess"]
        preprocess = Preprocess(
            size=int(model_cfg["vision_cfg"]["image_size"]),
            mean=tuple(map(float, pre["mean"])),
            std=tuple(map(float, pre["std"])),
            interpolation=pre["interpolation"],
        )
        damping = Damping(**config.get("damping", {}))
        preset = config.get("preset", "paper")
        if preset not in get_args(BackbonePreset):
            raise ValueError(f"there is no preset {preset!r}")
        trunk = config.get("trunk") or {}
        model = built_in_model(model_cfg, trunk) or _open_clip_model(model_cfg, trunk=trunk)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BackboneError(
            f"{folder / CONFIG} is missing or does not contain valid backbone settings ({error!r})."
        ) from error
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise BackboneError(
            f"{folder} must contain exactly one .safetensors file next to {CONFIG}; it contains {len(files)}."
        )
    load_strictly(model, read_state(str(files[0])), name)
    return Backbone(name, model.float(), clip_tokenizer(), preprocess, damping=damping, preset=preset)


def _open_clip_model(settings: dict[str, Any], *, trunk: Mapping[str, Any] | None = None, custom: bool = False) -> Any:
    from open_clip.model import CLIP, CustomTextCLIP

    model = (CustomTextCLIP if custom else CLIP)(**settings)
    if trunk:
        import timm

        # open_clip's settings cannot say a trunk's output stride, so the trunk is built again with it.
        model.visual.trunk = timm.create_model(settings["vision_cfg"]["timm_model_name"], num_classes=0, **trunk)
    return model


def _load_open_clip(name: str, folder: Path) -> Backbone:
    """``open_clip_config.json`` and the weights beside it; nothing that the settings name is fetched or run."""
    weights = next((folder / file for file in HUB_FILES if (folder / file).is_file()), None)
    if weights is None:
        raise BackboneError(f"{folder} contains {OPEN_CLIP_CONFIG}, but neither {' nor '.join(HUB_FILES)}.")
    try:
        config = json.loads(read_text(folder / OPEN_CLIP_CONFIG, LARGEST_CONFIG))
        settings: dict[str, Any] = dict(config["model_cfg"])
        vision, text = settings["vision_cfg"], settings["text_cfg"]
        _check_open_clip(name, settings, weights.stat().st_size)
        custom = settings.pop("custom_text", False)
        model = _open_clip_model(settings | {"vision_cfg": vision | {"timm_model_pretrained": False}}, custom=custom)
        preprocess = pair_preprocess(model.visual.image_size, config.get("preprocess_cfg") or {})
    except UnsupportedBackbone:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise BackboneError(
            f"{folder / OPEN_CLIP_CONFIG} does not contain valid settings of an open_clip model "
            f"({first_line(error) or type(error).__name__})."
        ) from error
    load_strictly(model, _as_open_clip_writes(model, read_state(str(weights))), name)
    if not text.get("hf_tokenizer_name"):
        return Backbone(name, model.float(), clip_tokenizer(), preprocess)
    _require_transformers(name)
    return Backbone(name, model.float(), hub_tokenizer(name, text, folder, download=False), preprocess)


def _check_open_clip(name: str, settings: Mapping[str, Any], bytes_there: int) -> None:
    """Refuse settings that are not read here, would fetch or run something, or build more than the weights could fill.

    Raises:
        UnsupportedBackbone: the text encoder, trunk or tokenizer that they name.
        ValueError: they describe more weights than there are.
    """
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    trunk, options = vision.get("timm_model_name"), text.get("tokenizer_kwargs") or {}
    refused = None
    if text.get("hf_model_name"):
        refused = f"its text encoder is {quoted(text['hf_model_name'])} from Hugging Face, and prompts can only be "
        refused += "learned with open_clip's text transformers"
    elif "multimodal_cfg" in settings:
        refused = "it has a decoder for captions (multimodal_cfg)"
    elif unknown := options.keys() - {"clean", "strip_sep_token", "language"}:
        refused = f"its tokenizer_kwargs contain {listed(sorted(unknown))}"
    elif trunk:
        import timm

        if not timm.is_model(trunk):
            refused = f"timm does not know its image encoder {quoted(trunk)}"
    if refused is not None:
        raise UnsupportedBackbone(f"{name} cannot be used: {refused}.")
    described = _least_weights(vision, trunk) + _least_weights({"vocab_size": 49408, "context_length": 77} | text, None)
    if 2 * described > 1.1 * bytes_there:  # in half precision
        raise ValueError(f"it describes at least {described:,} weights, but their file has {bytes_there:,} bytes")


def _least_weights(encoder: Mapping[str, Any], trunk: object) -> int:
    """Return how many weights an encoder has at least, by its settings; those of a trunk of timm's are not in them."""
    if trunk:
        return 0
    layers, width = encoder.get("layers", 12), int(encoder.get("width", 512))
    deep = sum(layers) if isinstance(layers, list) else int(layers)
    positions = int(encoder.get("context_length", 0))
    if isinstance(layers, int) and "image_size" in encoder:
        side, patch = (np.max(encoder.get(key, 16)) for key in ("image_size", "patch_size"))  # a pair, or one for both
        positions += (int(side) // int(patch)) ** 2
    per_layer = width**2 * (4 + 2 * float(encoder.get("mlp_ratio", 4.0))) if isinstance(layers, int) else width**2
    return int(deep * per_layer + (positions + int(encoder.get("vocab_size", 0))) * width)


def load_pair(name: str, arch: str, source: str, *, download: bool) -> Backbone:
    """Return a backbone of open_clip's: an architecture, and a tag of its weights or a file.

    Raises:
        BackboneError: unknown architecture or tag, weights or tokenizer missing or not fitting.
        UnsupportedBackbone: an encoder that is not read here.
    """
    import open_clip

    settings = open_clip.get_model_config(arch)
    if settings is None:
        raise BackboneError(
            f"open_clip does not know the architecture {arch!r}. `open_clip.list_models()` lists those it knows."
            f"{did_you_mean(arch, open_clip.list_models())}"
        )
    if theirs := settings["text_cfg"].get("hf_model_name"):  # refused before gigabytes are downloaded for nothing
        raise UnsupportedBackbone(
            f"{name} cannot be used: its text encoder is {theirs} from Hugging Face, and prompts can only be learned "
            "with open_clip's text transformers."
        )
    tokenizer = settings["text_cfg"].get("hf_tokenizer_name")
    if tokenizer:
        _require_transformers(name)
    tag = pair_settings(f"{arch}/{source}")
    if tag:
        path = cached_weights(tag) or (download_weights(name, tag) if download else None)
        if path is None:
            raise BackboneError(f"The weights of {name} are not on this machine, and downloading is turned off.")
    elif Path(source).is_file():
        path, tag = Path(source), _tag_of_file(arch, Path(source).name)
    else:
        known = open_clip.list_pretrained_tags_by_model(arch)
        raise BackboneError(
            f"{source!r} is neither a file nor a weights tag of {arch}, whose tags are: "
            f"{', '.join(known) or 'none'}.{did_you_mean(source, known)}"
        )
    state = read_state(str(path))
    model = open_clip_model(
        arch, force_quick_gelu=bool(tag.get("quick_gelu", False)) or any(key in state for key in _OPENAI_MARKERS)
    )
    state = {key: value for key, value in state.items() if key not in _OPENAI_MARKERS}
    load_strictly(model, _as_open_clip_writes(model, state), name)
    preprocess = pair_preprocess(model.visual.image_size, tag)
    if not tokenizer:
        return Backbone(name, model, open_clip.get_tokenizer(arch), preprocess)
    return Backbone(name, model, hub_tokenizer(name, settings["text_cfg"], path.parent, download=download), preprocess)


def _require_transformers(name: str) -> None:
    if find_spec("transformers") is None:
        raise BackboneError(
            f"{name} uses a Hugging Face tokenizer, which needs the transformers package. Install it: pip install "
            "'gallop-explorer[tokenizers]'."
        )


def open_clip_model(arch: str, **settings: Any) -> Any:
    """Return open_clip's model of an architecture, with random weights."""
    import open_clip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip warns that it loads no weights: they are loaded here, strictly
        return open_clip.create_model(arch, pretrained=None, pretrained_text=False, **settings)


def _as_open_clip_writes(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that open_clip gives them today: some files have older names, or Apple's."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    expected = model.state_dict()
    for scalar in {"logit_scale", "logit_bias"} & expected.keys() & state.keys():
        if state[scalar].numel() == 1:  # some are stored as a vector of one
            state[scalar] = state[scalar].reshape(expected[scalar].shape)
    return state


def _tag_of_file(arch: str, file: str) -> Mapping[str, Any]:
    """The settings of published weights by their file's name: QuickGELU and normalisation are not in the file.

    Of a file with another name, the preprocessing that all published weights of the architecture were trained with.
    """
    from open_clip import list_pretrained_tags_by_model

    tags = [pair_settings(f"{arch}/{tag}") for tag in list_pretrained_tags_by_model(arch)]
    for tag in tags:
        if str(tag.get("url", "")).rpartition("/")[2] == file:
            return tag
    wanted = ("mean", "std", "interpolation", "resize_mode")
    return {key: tags[0][key] for key in wanted if tags and len({tag.get(key) for tag in tags}) == 1 and key in tags[0]}


def pair_preprocess(size: int | tuple[int, int], tag: Mapping[str, Any]) -> Preprocess:
    """Return how photos become the input of a pair, by open_clip's settings of its weights.

    Raises:
        BackboneError: in a way that is not supported here.
    """
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    height, width = (size, size) if isinstance(size, int) else size
    resize = tag.get("resize_mode", "shortest")
    if height != width or resize not in ("shortest", "squash"):
        raise BackboneError(
            "Only square inputs and the resize modes 'shortest' and 'squash' are supported; these weights use "
            f"{height} x {width} and {resize!r}."
        )
    return Preprocess(
        size=height,
        mean=tuple(tag.get("mean", OPENAI_DATASET_MEAN)),
        std=tuple(tag.get("std", OPENAI_DATASET_STD)),
        interpolation=tag.get("interpolation", "bicubic"),
        squash=resize == "squash",
    )


def read_state(path: str) -> dict[str, Tensor]:
    """Return a state dict from safetensors, from a torch file (weights only) or from OpenAI's TorchScript archive.

    Raises:
        BackboneError: no weights, or none that can be read safely.
    """
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
        raise BackboneError(
            f"{path} does not contain weights that can be read safely ({type(error).__name__})."
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(f"{path} does not contain a state dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_strictly(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Put every weight into its place.

    Raises:
        BackboneError: some are missing, unexpected or of another shape; the message says which.
    """
    expected = model.state_dict()
    # A causal mask and position ids are computed, not learned; some files carry them.
    state = {
        key: value for key, value in state.items() if key in expected or not key.endswith(("attn_mask", "position_ids"))
    }
    wrong = {
        "missing": expected.keys() - state.keys(),
        "unexpected": state.keys() - expected.keys(),
        "of a different shape": {k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape},
    }
    problems = [f"{len(keys)} {what} ({listed(sorted(keys), 3)})" for what, keys in wrong.items() if keys]
    if problems:
        raise BackboneError(
            f"The weights do not fit {name}: {'; '.join(problems)}. Check the architecture and the file."
        )
    model.load_state_dict(state, strict=True)
