"""A pair of open_clip's: architecture by name, weights by tag or from a file, and its tokenizer and preprocessing."""

from __future__ import annotations

import socket
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import constants as hub
from torch import Tensor, nn

from gallop.backbones.clip import Backbone
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.state import load_strictly, read_state
from gallop.backbones.text.hub import check_installed, hub_tokenizer
from gallop.backbones.weights.fetching import fetch_problem
from gallop.backbones.weights.on_disk import cached_weights, clip_cache
from gallop.errors import BackboneError, UnsupportedTower
from gallop.wording import did_you_mean

_OPENAI_MARKERS = ("input_resolution", "context_length", "vocab_size")
"""Entries that only OpenAI's own files have, all of which were trained with QuickGELU."""


def load_pair(name: str, arch: str, source: str, *, download: bool) -> Backbone:
    """Return a backbone of open_clip's: an architecture, and a tag of its weights or a file.

    Raises:
        BackboneError: unknown architecture or tag, weights or tokenizer missing or not fitting.
        UnsupportedTower: a tower that is not read here.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    settings = open_clip.get_model_config(arch)
    if settings is None:
        near = did_you_mean(arch, open_clip.list_models())
        raise BackboneError(f"open_clip knows no architecture {arch!r}; `open_clip.list_models()` lists them.{near}")
    check_architecture(name, settings)  # before gigabytes are downloaded for nothing
    tokenizer = settings["text_cfg"].get("hf_tokenizer_name")
    if tokenizer:
        check_installed(name)
    tag: dict[str, Any] = get_pretrained_cfg(arch, source) or {}
    if tag:
        path = _download(name, tag) if download else _cached(name, tag)
    elif Path(source).is_file():
        path, tag = source, _tag_of_file(arch, Path(source).name)
    else:
        known = list_pretrained_tags_by_model(arch)
        tags, near = ", ".join(known) or "none", did_you_mean(source, known)
        raise BackboneError(f"{source!r} is neither a file nor a weights tag of {arch}; its tags are: {tags}.{near}")
    state = read_state(path)
    quick = bool(tag.get("quick_gelu", False)) or any(key in state for key in _OPENAI_MARKERS)
    model = open_clip_model(arch, force_quick_gelu=quick)
    state = {key: value for key, value in state.items() if key not in _OPENAI_MARKERS}
    load_strictly(model, _as_open_clip_writes(model, state), name)
    preprocess = pair_preprocess(model.visual.image_size, tag)
    if not tokenizer:
        return Backbone(name, model, open_clip.get_tokenizer(arch), preprocess)
    with _no_waiting_without_a_network():
        reader = hub_tokenizer(name, settings["text_cfg"], Path(path).parent, download=download)
    return Backbone(name, model, reader, preprocess)


def check_architecture(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse an architecture by open_clip's settings where building it would ask the Hub for settings of its own.

    Raises:
        UnsupportedTower: its text tower is one of Hugging Face's.
    """
    theirs = settings["text_cfg"].get("hf_model_name")
    if theirs:
        raise UnsupportedTower(
            f"The text tower of {name} is Hugging Face's {theirs}; learned contexts are put into open_clip's own text "
            "transformers here."
        )


def open_clip_model(arch: str, **settings: Any) -> Any:
    """Return open_clip's model of an architecture, with random weights."""
    import open_clip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip warns that it loads no weights: they are loaded here, strictly
        return open_clip.create_model(arch, pretrained=None, pretrained_text=False, **settings)


def _as_open_clip_writes(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that open_clip gives them today: some files are older, or Apple's own."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    own = model.state_dict()
    for scalar in {"logit_scale", "logit_bias"} & own.keys() & state.keys():
        if state[scalar].numel() == 1:  # some are kept as a vector of one
            state[scalar] = state[scalar].reshape(own[scalar].shape)
    return state


def _url_file(tag: dict[str, Any]) -> str:
    return str(tag.get("url", "")).rsplit("/", 1)[-1]


def _tag_of_file(arch: str, file: str) -> dict[str, Any]:
    """The settings of published weights by their file's name: QuickGELU and normalisation are not in the file.

    Of a file with another name, the preprocessing that all published weights of the architecture were trained with.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = [get_pretrained_cfg(arch, tag) for tag in list_pretrained_tags_by_model(arch)]
    for tag in tags:
        if _url_file(tag) == file:
            return dict(tag)
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
            "Only square inputs are supported, made by resizing a photo as a whole or its short side before a crop."
        )
    return Preprocess(
        size=height,
        mean=tuple(tag.get("mean", OPENAI_DATASET_MEAN)),
        std=tuple(tag.get("std", OPENAI_DATASET_STD)),
        interpolation=tag.get("interpolation", "bicubic"),
        squash=resize == "squash",
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
