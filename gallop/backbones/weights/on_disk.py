"""The towers on this machine: those that ship, those that somebody names, and those in the caches of downloads.

Nothing is loaded, and no network asked. Only for the caches is open_clip's list of pairs needed, and torch with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gallop.backbones.weights.known import LARGEST_CONFIG, KnownTower, licence_of, memory_of
from gallop.config import OwnPreset
from gallop.errors import BackboneError
from gallop.runtime.reading import read_text

_CHECKPOINTS, CONFIG = "checkpoints", "config.json"
_LICENCE_OF_SHIPPED = "Apache-2.0"
_QUICK = "-quickgelu"
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip looks for in a repository of the hub that names no file, in this order."""


def available_models() -> dict[str, Path]:
    """Return shipped models by name, with their folders."""
    found: dict[str, Path] = {}
    for root in _checkpoint_roots():
        for config in sorted(root.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, config.parent)
    return found


def _checkpoint_roots() -> list[Path]:
    """Inside an installed wheel, then beside the package in a clone."""
    package = Path(__file__).resolve().parents[2]
    return [package / _CHECKPOINTS, package.parent / _CHECKPOINTS]


def towers_here(named: Sequence[str] = (), *, seek: bool = True) -> list[KnownTower]:
    """Return all of them: shipped, ``named`` as ``named_tower`` takes them, cached. The first of a name counts.

    Args:
        seek: look into the caches, and up what is known of the architectures of named files; else torch is not needed.

    Raises:
        BackboneError: a named one is not there.
    """
    listed = [*_shipped(), *map(named_tower, named)]
    if seek:
        listed = [*map(_described, listed), *cached_towers()]
    return list({tower.name: tower for tower in reversed(listed)}.values())[::-1]


def _shipped() -> Iterator[KnownTower]:
    for name, folder in available_models().items():
        yield _of_folder(name, name, folder, licence=_LICENCE_OF_SHIPPED)


def known_elsewhere(name: str) -> bool:
    """Return whether a name finds the same weights on other machines: those that are shipped, and open_clip's tags."""
    if name in available_models():
        return True
    return not Path(name).is_dir() and not Path(name.partition("/")[2]).is_file()


def licence_by_name(name: str) -> str:
    """Return the licence of a tower's weights by what ``load_backbone`` was given; empty where it is not known."""
    if name in available_models():
        return _LICENCE_OF_SHIPPED
    return "" if Path(name).suffix else licence_of(name.partition("/")[2])  # a file may be anything


def repository_of(name: str) -> str:
    """Return the Hub's repository of the weights of a pair of open_clip; empty for any other tower."""
    if name in available_models() or "/" not in name:
        return ""
    from open_clip.pretrained import get_pretrained_cfg

    arch, _, tag = name.partition("/")
    found: Mapping[str, Any] = get_pretrained_cfg(arch, tag) or {}
    return os.path.split(str(found.get("hf_hub", "")))[0]


def named_tower(word: str) -> KnownTower:
    """Return the tower that somebody names on a command line: a folder, ``ARCH=FILE`` or ``ARCH/FILE``.

    Of a folder it has what its settings say; a file's architecture is not looked up here, which takes seconds.

    Raises:
        BackboneError: there is no such file or folder.
    """
    path = Path(word)
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise BackboneError(f"{path} holds no {CONFIG}, so it is no folder of a tower: see checkpoints/mini.")
        return _of_folder(path.resolve().name, str(path.resolve()), path)
    arch, _, file = word.partition("=") if "=" in word else word.partition("/")
    if not arch or not Path(file).is_file():
        raise BackboneError(
            f"{word!r} names no tower on this machine. Name a folder laid out as checkpoints/mini is, or an "
            "architecture of open_clip and a file of weights that is there, such as ViT-B-16=weights.safetensors."
        )
    path = Path(file).resolve()
    return KnownTower(f"{arch}/{path.name}", f"{arch}/{path}", path.stat().st_size, memory_of(path))


def _described(tower: KnownTower) -> KnownTower:
    """With what open_clip says of the architecture, which a folder says itself."""
    if tower.input is not None or Path(tower.source).is_dir():
        return tower
    from open_clip import get_model_config

    return tower.with_settings(get_model_config(tower.name.partition("/")[0]) or {})


def _of_folder(name: str, source: str, folder: Path, licence: str = "") -> KnownTower:
    files = sorted(folder.glob("*.safetensors"))
    size, memory = sum(file.stat().st_size for file in files), sum(map(memory_of, files))
    found = KnownTower(name, source, size, memory, licence)
    try:
        config = json.loads(read_text(folder / CONFIG, LARGEST_CONFIG))
        own: OwnPreset = "default" if config.get("preset") == "default" else "paper"
        return replace(found.with_settings(config["model_cfg"], config.get("trunk")), preset=own)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return found  # loading it will tell why


def cached_towers() -> list[KnownTower]:
    """Return open_clip's pairs whose weights lie in its own cache or in that of the hub, in its order."""
    if not any(_holds_files(folder) for folder in (clip_cache(), hub_cache())):
        return []
    from open_clip import get_model_config
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained

    pairs: list[tuple[str, str]] = list_pretrained()
    found = []
    for arch, tag in pairs:
        if arch.endswith(_QUICK) and (arch.removesuffix(_QUICK), tag) in pairs:
            continue  # the same weights, and the tag tells that they want QuickGELU
        path = cached_weights(get_pretrained_cfg(arch, tag) or {})
        settings = get_model_config(arch) or {}
        # Text towers of Hugging Face's are not read here.
        if path is not None and not settings.get("text_cfg", {}).get("hf_model_name"):
            name, size = f"{arch}/{tag}", path.stat().st_size
            tower = KnownTower(name, name, size, memory_of(path, halved=tag == "openai"), licence_of(tag))
            found.append(tower.with_settings(settings))
    return found


def cached_weights(pair: Mapping[str, Any]) -> Path | None:
    """Return the file of a pair of open_clip, by its settings, where it lies in one of the caches."""
    from huggingface_hub import try_to_load_from_cache

    address = str(pair.get("url", ""))
    by_hand = clip_cache() / address.rsplit("/", 1)[-1]
    if address and by_hand.is_file():
        return by_hand
    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    for name in hub_names(file) if repository else ():
        found = try_to_load_from_cache(repository, name, cache_dir=hub_cache())
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None


def hub_names(file: str) -> tuple[str, ...]:
    """Return what a file of the hub may be called: safetensors where there are such, else as open_clip names it."""
    if not file:
        return HUB_FILES
    root, ending = os.path.splitext(file)
    return (f"{root}.safetensors", file) if ending in (".bin", ".pth") else (file,)


def clip_cache() -> Path:
    """Return the folder that open_clip downloads into."""
    return Path.home() / ".cache" / "clip"


def hub_cache() -> Path:
    """Return the folder that the hub's client downloads into."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _holds_files(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False
