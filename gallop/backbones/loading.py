"""Load a frozen CLIP by name: from a folder or a repository of the Hub, or open_clip's architecture with weights by tag
or from a file.

Only this package imports open_clip and timm. They take longer to load than torch itself, so they are loaded with the
first backbone that ``gallop.backbones.built_in`` does not build, and not with the library.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gallop.backbones.allowed import CLIP_TOKENS, OPEN_CLIPS, OURS, THEIR_TEXT, check_settings
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
    memory_of,
    not_here,
    offered_backbones,
    pair_settings,
)
from gallop.errors import BackboneError, UnsupportedBackbone, first_line
from gallop.runtime.reading import check_file, open_file, parse_json, read_text
from gallop.runtime.tensor_file import check_tensor_file
from gallop.wording import did_you_mean, listed, quoted

# What photos are normalized by where settings do not say.
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# A path of another machine on Windows (\\host\share, and \??\UNC\host\share), as a folder or as the file of a pair.
_ELSEWHERE = re.compile(r"(?:local-dir:)?(?:[^/]*/)?[\\/](?:\?\?)?[\\/]")
# It begins as a path does, and no architecture.
_PATH = re.compile(r"[./~\\]|[A-Za-z]:")
# Bytes of what torch unpickles of a state dict, ten times those of the largest models: names, shapes and offsets.
_LARGEST_PICKLE = 2**23
# Three times those of open_clip's largest photos.
_MOST_REGIONS = 2**12
# Entries that only OpenAI's files have, all of which were trained with QuickGELU.
_OPENAI_MARKERS = ("input_resolution", "context_length", "vocab_size")


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


def stored_backbone(name: str, *, device: str = "auto", precision: str = "fp32", regions: str = "value") -> Backbone:
    """Return the backbone that a saved model names, as ``load_backbone`` does, from what is on this machine.

    A stranger may have written the name, so no network is asked, on Windows neither by a path of another machine.

    Raises:
        BackboneError: as there, or it is not on this machine; the message says how to allow that it is fetched.
    """
    if _ELSEWHERE.match(name):
        raise BackboneError(
            f"The model names {quoted(name)} as its backbone, a path of another machine, which is not followed. Pass "
            "the backbone as well, if you trust it: backbone=..."
        )
    if _PATH.match(name) and not os.path.exists(name):
        raise BackboneError(
            f"The model names {quoted(name)} as its backbone, and that is not on this machine. Pass the place where it "
            "lies now: backbone=..."
        )
    return load_backbone(name, device=device, precision=precision, regions=regions, download=False)


def loaded_again(name: str, fingerprint: str, device: str, precision: str, regions: str) -> Backbone:
    """Return a backbone that was pickled by its name, as ``stored_backbone`` finds it here.

    Raises:
        BackboneError: as there, or its weights are others here.
    """
    backbone = stored_backbone(name, device=device, precision=precision, regions=regions)
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
        return _load_folder(name, hub_folder(name, download=download))
    folder = available_models().get(name, Path(name))
    if os.path.isdir(folder):
        return _load_folder(name, folder)
    arch, _, source = name.partition("/")
    path = _PATH.match(name)
    if source and not path:
        return load_pair(name, arch, source, download=download)
    pairs = {known.name.partition("/")[0]: known.name for known in reversed(offered_backbones())}
    near = did_you_mean(name, available_models()) or did_you_mean(name, pairs, shown=pairs)
    raise BackboneError(
        f"There is no {'folder' if path else 'backbone'} {name!r}. Use 'mini', an open_clip pair such as "
        f"'ViT-B-16/openai', a folder, or hf-hub:OWNER/NAME.{near}"
    )


def _load_folder(name: str, folder: Path) -> Backbone:
    """Either layout: ``config.json`` (open_clip's model settings, the trunk's, preprocessing) and one safetensors file,
    or ``open_clip_config.json`` and open_clip's file. Nothing that the settings name is fetched or run.
    """
    theirs = (folder / OPEN_CLIP_CONFIG).is_file()
    place = folder / (OPEN_CLIP_CONFIG if theirs else CONFIG)
    with _in_words(f"{place} is missing or does not contain valid backbone settings"):
        config = parse_json(read_text(place, LARGEST_CONFIG))
        check_settings(name, config, OPEN_CLIPS if theirs else OURS)
        weights, how = _weights_in(folder, theirs), config.get("preprocess_cfg" if theirs else "preprocess", {})
        if not theirs:  # as fingerprints have them
            how |= {key: list(map(float, how[key])) for key in ("mean", "std")}
        text, tokenizer = config["model_cfg"]["text_cfg"], clip_tokenizer()
        if text.get("hf_tokenizer_name"):
            _require_transformers(name)
            tokenizer = hub_tokenizer(name, text, folder, download=None)
        elif text.get("vocab_size", CLIP_TOKENS) < CLIP_TOKENS:
            raise ValueError(f"its text encoder has no place for the {CLIP_TOKENS} tokens of CLIP, and names no others")
        build = partial(_built, name, config["model_cfg"], config.get("trunk") or {})
        if name not in available_models():
            _check_size(name, build, weights)
        model, state = build(), read_state(str(weights))
        load_strictly(model, _as_open_clip_writes(model, state) if theirs else state, name)
        preprocess, damping = pair_preprocess(model.visual.image_size, how), Damping(**config.get("damping", {}))
        preset = config.get("preset", "paper")
        backbone = Backbone(name, model.float(), tokenizer, preprocess, damping=damping, preset=preset)
        if name not in available_models():
            _check_features(backbone)
        return backbone


@contextmanager
def _in_words(sentence: str) -> Iterator[None]:
    """Turn whatever open_clip, timm and torch raise for what a stranger wrote into a sentence."""
    try:
        yield
    except (BackboneError, UnsupportedBackbone):
        raise
    except Exception as error:
        raise BackboneError(f"{sentence} ({first_line(error)}).") from error


def _weights_in(folder: Path, theirs: bool) -> Path:
    files = [folder / file for file in HUB_FILES if (folder / file).is_file()][:1]
    wanted = f"{OPEN_CLIP_CONFIG}, but neither {' nor '.join(HUB_FILES)}"
    if not theirs:
        files = sorted(folder.glob("*.safetensors"))
        wanted = f"{len(files)} .safetensors files, but must contain exactly one next to {CONFIG}"
    if len(files) != 1:
        raise BackboneError(f"{folder} contains {wanted}.")
    return files[0]


def _built(name: str, settings: Mapping[str, Any], trunk: Mapping[str, Any]) -> Any:
    """Build a model of settings that were checked, with random weights: without open_clip where that is possible."""
    if (model := built_in_model(settings, trunk)) is not None:
        return model
    import timm
    from open_clip import CLIP, CoCa, CustomTextCLIP

    vision = settings["vision_cfg"] | {"timm_model_pretrained": False}
    if (known := vision.get("timm_model_name")) and known not in timm.list_models():
        raise UnsupportedBackbone(f"{name} cannot be used: timm does not know its image encoder {quoted(known)}.")
    kind = CoCa if "multimodal_cfg" in settings else CustomTextCLIP if settings.get("custom_text") else CLIP
    model = kind(**{key: settings[key] for key in settings.keys() - {"custom_text"}} | {"vision_cfg": vision})
    if trunk:  # open_clip's settings cannot say a trunk's output stride, so the trunk is built again with it
        model.visual.trunk = timm.create_model(known, num_classes=0, **trunk)
    return model


def _check_size(name: str, build: Callable[[], Any], weights: Path) -> None:
    """Build a model without its numbers, and refuse one that has a tenth more of them than the file of its weights.

    Raises:
        BackboneError: it has.
        Exception: of open_clip, timm and torch, for settings of which nothing can be built.
    """
    (check_tensor_file if weights.suffix == ".safetensors" else check_file)(weights, LARGEST_WEIGHTS)
    with torch.device("meta"), torch.no_grad():
        described = sum(value.numel() for value in build().state_dict().values())
    if 4 * described > 1.1 * memory_of(weights, halved=True):
        raise BackboneError(
            f"The settings of {name} describe {described:,} weights, more than {weights} holds. Check the architecture "
            "and the file."
        )


def _check_features(backbone: Backbone) -> None:
    """Encode a photo and a text once: settings may be possible each, and not fit each other.

    Raises:
        ValueError: they give no features, or far too many.
        Exception: of open_clip, timm and torch.
    """
    if prod(backbone.vision.grid) > _MOST_REGIONS:
        raise ValueError(f"it has {prod(backbone.vision.grid):,} regions, and at most {_MOST_REGIONS:,} are read")
    side = backbone.preprocess.size
    image, _ = backbone.encode_image(torch.linspace(-2, 2, 3 * side**2).reshape(1, 3, side, side))
    text = backbone.text.encode_texts(["a"])
    if image.shape != text.shape or not (image.isfinite().all() and text.isfinite().all()):
        raise ValueError("a photo and a text do not get features of finite numbers in one space")


def load_pair(name: str, arch: str, source: str, *, download: bool) -> Backbone:
    """Return a backbone of open_clip's: an architecture, and a tag of its weights or a file.

    Raises:
        BackboneError: unknown architecture or tag, weights or tokenizer missing or not fitting.
        UnsupportedBackbone: an encoder that is not read here.
    """
    import open_clip

    # By no other name: open_clip would follow those that begin with hf-hub: or local-dir:.
    settings: Any = open_clip.get_model_config(arch) if arch in open_clip.list_models() else None
    if settings is None:
        raise BackboneError(
            f"There is no folder {name!r}, and open_clip does not know the architecture {arch!r}. "
            f"`open_clip.list_models()` lists those it knows.{did_you_mean(arch, open_clip.list_models())}"
        )
    if theirs := settings["text_cfg"].get("hf_model_name"):  # refused before gigabytes are downloaded for nothing
        raise UnsupportedBackbone(f"{name} cannot be used: {THEIR_TEXT.format(theirs)}.")
    tokenizer = settings["text_cfg"].get("hf_tokenizer_name")
    if tokenizer:
        _require_transformers(name)
    tag = pair_settings(f"{arch}/{source}")
    if tag:
        path = cached_weights(tag) or (download_weights(name, tag) if download else None)
        if path is None:
            raise not_here(name)
    elif os.path.isfile(source):
        path, tag = Path(source), _tag_of_file(arch, Path(source).name)
    else:
        known = open_clip.list_pretrained_tags_by_model(arch)
        raise BackboneError(
            f"{source!r} is neither a file nor a weights tag of {arch}, whose tags are: "
            f"{', '.join(known) or 'none'}.{did_you_mean(source, known)}"
        )
    with _in_words(f"{path} does not contain the weights of {arch}"):
        _check_size(name, partial(open_clip_model, arch), path)
        state = read_state(str(path))
        quick = bool(tag.get("quick_gelu", False)) or any(key in state for key in _OPENAI_MARKERS)
        model = open_clip_model(arch, **({"quick_gelu": True} if quick else {}))
        state = {key: value for key, value in state.items() if key not in _OPENAI_MARKERS}
        load_strictly(model, _as_open_clip_writes(model, state), name)
        if not all(weight.isfinite().all() for weight in model.state_dict().values()):
            raise BackboneError(f"{path} holds weights that are not finite numbers: use another copy of the file.")
    preprocess = pair_preprocess(model.visual.image_size, tag)
    if not tokenizer:
        return Backbone(name, model, open_clip.get_tokenizer(arch), preprocess)
    return Backbone(name, model, hub_tokenizer(name, settings["text_cfg"], path.parent, download=download), preprocess)


def open_clip_model(arch: str, **settings: Any) -> Any:
    """Return open_clip's model of an architecture, with random weights.

    Args:
        settings: in place of its own.
    """
    from open_clip import get_model_config

    return _built(arch, get_model_config(arch) | settings, {})


def _require_transformers(name: str) -> None:
    if find_spec("transformers") is None:
        raise BackboneError(
            f"{name} uses a Hugging Face tokenizer, which needs the transformers package. Install it: pip install "
            "'gallop-explorer[tokenizers]'."
        )


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
    height, width = (size, size) if isinstance(size, int) else size
    resize = tag.get("resize_mode", "shortest")
    if height != width or resize not in ("shortest", "squash"):
        raise BackboneError(
            "Only square inputs and the resize modes 'shortest' and 'squash' are supported; these weights use "
            f"{height} x {width} and {resize!r}."
        )
    return Preprocess(
        size=height,
        mean=tuple(tag.get("mean", _CLIP_MEAN)),
        std=tuple(tag.get("std", _CLIP_STD)),
        interpolation=tag.get("interpolation", "bicubic"),
        squash=resize == "squash",
    )


def read_state(path: str) -> dict[str, Tensor]:
    """Return a state dict from safetensors, from a torch file (weights only), or from one of OpenAI's own files.

    Those are TorchScript archives, which run what they contain while they are opened: each is known by its digest.

    Raises:
        BackboneError: no weights, or none that can be read safely.
    """
    try:
        if path.endswith(".safetensors"):
            check_tensor_file(path, LARGEST_WEIGHTS)
            return dict(load_file(path))
        with open_file(path, LARGEST_WEIGHTS) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _check_archive(file)
                loaded = torch.load(file, map_location="cpu", weights_only=True)
            except RuntimeError:
                file.seek(0)
                content = file.read(2**31)  # the largest of OpenAI's has 1.3 GB
                if not _is_openais(hashlib.sha256(content).hexdigest()):
                    raise
                loaded = torch.jit.load(io.BytesIO(content), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise BackboneError(
            f"{path} does not contain weights that can be read safely ({type(error).__name__}): neither safetensors, "
            "nor a state dict of torch, nor a file of OpenAI's."
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(f"{path} does not contain a state dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _check_archive(file: IO[bytes]) -> None:
    """Refuse what torch never writes and would unpack before it compares a size, or go through for minutes.

    Raises:
        RuntimeError: a zip archive with a packed part, or with far more to unpickle than names of tensors.
    """
    if zipfile.is_zipfile(file):
        for part in zipfile.ZipFile(file).infolist():
            unpickled = part.filename.endswith("data.pkl")
            if part.compress_type != zipfile.ZIP_STORED or (unpickled and part.file_size > _LARGEST_PICKLE):
                raise RuntimeError(f"{part.filename} is packed, or too large")
    file.seek(0)


def _is_openais(digest: str) -> bool:
    """Whether the digest is in the address of one of the files that OpenAI has published, as open_clip lists them."""
    from open_clip import list_pretrained

    pairs = (f"{arch}/{tag}" for arch, tag in list_pretrained() if tag == "openai")
    return any(f"/clip/models/{digest}/" in pair_settings(pair).get("url", "") for pair in pairs)


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
