"""Files of weights: those on this machine, those that can be downloaded, and their download. No weights are read here.

On this machine are those that ship, those that the user names, and those in the caches of downloads. Only the caches
need open_clip's list of pairs, and torch with it; only a download uses the network, with the client of the Hugging Face
Hub and into its cache.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gallop.config import REGION_KINDS, BackbonePreset, RegionKind
from gallop.errors import BackboneError
from gallop.runtime.reading import read_text

CONFIG = "config.json"
"""The settings of a folder that is laid out as ``checkpoints/mini``."""
OPEN_CLIP_CONFIG = "open_clip_config.json"
"""The settings of a folder, or of a repository of the Hub, in open_clip's format."""
ON_HUB = "hf-hub:"
"""Before OWNER/NAME of such a repository, and perhaps @REVISION, as open_clip writes it."""
_LICENCE_OF_SHIPPED = "Apache-2.0"
_QUICK = "-quickgelu"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
"""The files of a tokenizer; with both in the folder of the weights, the Hub is not asked."""
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip looks for in a repository of the hub that names no file, in this order."""
LARGEST_CONFIG, LARGEST_WEIGHTS = 2**20, 64 * 2**30
"""Bytes of the settings of a folder, and of a file of weights."""
TOKENIZERS = "needs the extra tokenizers"
"""Of a backbone that reads text with a tokenizer of the Hub."""
_FP32 = 4
# Seconds between two reports of a download.
_STEP = 0.2
# By the longest prefix that fits the tag of the weights: what the pages of these models stated in 2025. OpenAI was
# asked and has not answered (its issues 203 and 241); of LAION's, open_clip says that MIT is the weights' too (its
# issue 177); Apple's is called apple-amlr on the hub.
_LICENCES = {
    "openai": "MIT for the repository; none is given for the weights; the model card allows research only",
    "laion": "MIT",
    "datacomp_": "MIT",
    "commonpool_": "MIT",
    "metaclip": "CC BY-NC 4.0: no commercial use",
    "dfn": "Apple's model licence, for research only",
    "datacompdr": "Apple's model licence, for research only",
    "webli": "Apache-2.0",
}

# Of an architecture: its weights, its input and, where its settings contain it, the grid of its regions; a test
# compares them with open_clip.
_SIZES: dict[str, tuple[int, int, tuple[int, int] | None]] = {
    "ViT-B-16": (149_620_737, 224, (14, 14)),
    "ViT-B-32": (151_277_313, 224, (7, 7)),
    "ViT-L-14": (427_616_513, 224, (16, 16)),
    "RN50": (102_060_440, 224, (7, 7)),
    "MobileCLIP2-S0": (74_885_875, 256, None),
}
# The paper's first. Everything else that open_clip lists works by its name as well.
_OFFERED = (
    "ViT-B-16/openai",
    "ViT-B-32/openai",
    "RN50/openai",
    "ViT-L-14/openai",
    "ViT-B-32/laion2b_s34b_b79k",
    "ViT-B-16/laion2b_s34b_b88k",
    "ViT-B-16/datacomp_xl_s13b_b90k",
    "ViT-L-14/laion2b_s32b_b82k",
    "ViT-B-16/dfn2b",
    "MobileCLIP2-S0/dfndr2b",
)


@dataclass(frozen=True)
class KnownBackbone:
    """A backbone that is on this machine, or that can be downloaded.

    Attributes:
        name: what it is called. ``load_backbone`` takes it, for a file or a folder that lies in the working folder.
        source: what ``load_backbone`` takes here; empty where its weights are not on this machine.
        bytes: of its weights, as a file; an estimate for one that is not here.
        memory: bytes that its weights take once they are loaded.
        licence: of its weights, where it is known.
        input: side of its square input in pixels; None where the settings do not contain it, as for ``grid``.
        grid: rows and columns of its regions.
        needs: what else must be installed for it, where something must.
        preset: settings of a training that go with it, as ``Backbone`` has them.
        kinds: of region features that it has, as far as its settings show.
    """

    name: str
    source: str = ""
    bytes: int = 0
    memory: int = 0
    licence: str = ""
    input: int | None = None
    grid: tuple[int, int] | None = None
    needs: str = ""
    preset: BackbonePreset = "paper"
    kinds: tuple[RegionKind, ...] = ("value",)

    @property
    def here(self) -> bool:
        """Whether its weights are on this machine."""
        return bool(self.source)

    def with_settings(self, settings: Mapping[str, Any], trunk: Mapping[str, Any] | None = None) -> KnownBackbone:
        """Return it with what open_clip's settings of its architecture say; ``trunk`` are those of timm's trunk."""
        vision, text = settings.get("vision_cfg", {}), settings.get("text_cfg", {})
        needs = TOKENIZERS if text.get("hf_tokenizer_name") else self.needs
        kinds = REGION_KINDS if _at_class_token(vision) else self.kinds
        side, grid = _number(vision.get("image_size", 224)), _grid(vision, trunk or {})
        return replace(self, input=side, grid=grid, needs=needs, kinds=kinds)


def licence_of(tag: str) -> str:
    """Return the licence of weights by open_clip's tag of them; empty where it is not known here."""
    fits = [begins for begins in _LICENCES if tag.startswith(begins)]
    return _LICENCES[max(fits, key=len)] if fits else ""


def memory_of(path: Path, *, halved: bool = False) -> int:
    """Return the bytes that the weights of a file take once loaded: in single precision, whatever the file has.

    Args:
        halved: the file has half precision. It is asked for where the file does not say: of all but safetensors.
    """
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return 2 * size if halved else size
    try:
        with safe_open(path, framework="numpy") as file:
            return sum(_FP32 * prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return size  # it is not such a file; loading it will raise an error


def _at_class_token(vision: Mapping[str, Any]) -> bool:
    """Whether it is open_clip's ViT, read at its class token: such a one has every kind of regions."""
    open_clips = not vision.get("timm_model_name") and isinstance(vision.get("layers", 12), int)
    pooled = vision.get("attentional_pool") or vision.get("final_ln_after_pool")
    return open_clips and not pooled and vision.get("pool_type", "tok") == "tok"


def _grid(vision: Mapping[str, Any], trunk: Mapping[str, Any]) -> tuple[int, int] | None:
    side, layers = _number(vision.get("image_size", 224)), vision.get("layers", 12)
    patch = _number(vision.get("patch_size", 16))
    if name := vision.get("timm_model_name"):
        named = re.search(r"patch(\d+)", str(name))
        patch = _number(trunk.get("output_stride")) or (int(named.group(1)) if named else None)
    elif isinstance(layers, list | tuple):
        patch = 32  # CLIP's ResNets
    return (side // patch, side // patch) if side and patch else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def offered_backbones() -> list[KnownBackbone]:
    """Return backbones worth a download, the paper's first; whether one is here already is not looked up."""
    offered = []
    for name in _OFFERED:
        arch, _, tag = name.partition("/")
        weights, side, grid = _SIZES[arch]
        size, licence = _FP32 * weights, licence_of(tag)
        offered.append(KnownBackbone(name, bytes=size, memory=size, licence=licence, input=side, grid=grid))
    return offered


def available_models() -> dict[str, Path]:
    """Return shipped models by name, with their folders."""
    package = Path(__file__).resolve().parents[1]
    shipped: dict[str, Path] = {}
    for root in (package, package.parent):  # inside an installed wheel, then beside the package in a clone
        for config in sorted(root.glob(f"checkpoints/*/{CONFIG}")):
            shipped.setdefault(config.parent.name, config.parent)
    return shipped


def backbones_here(named: Sequence[str] = (), *, seek: bool = True) -> list[KnownBackbone]:
    """Return all of them: shipped, ``named`` as ``named_backbone`` takes them, cached. The first of a name counts.

    Args:
        seek: look into the caches, and up what is known of the architectures of named files; else torch is not needed.

    Raises:
        BackboneError: a named one is not there.
    """
    shipped = [_of_folder(name, name, folder, _LICENCE_OF_SHIPPED) for name, folder in available_models().items()]
    listed = [*shipped, *map(named_backbone, named)]
    if seek:
        listed = [*map(_described, listed), *cached_backbones()]
    return list({known.name: known for known in reversed(listed)}.values())[::-1]


def hub_folder(name: str, *, download: bool) -> Path:
    """Return the folder of a repository in open_clip's format, ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``.

    A file that is in the Hub's cache is not asked for again.

    Raises:
        BackboneError: no such name, no settings or weights in it, or as ``download_weights``.
    """
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    repository, revision = hub_address(name)

    def fetched(file: str) -> Path | None:
        cached = try_to_load_from_cache(repository, file, cache_dir=hub_cache(), revision=revision)
        if cached is not None or not download:
            return Path(cached) if isinstance(cached, str) else None
        try:
            if file == OPEN_CLIP_CONFIG:  # without a network this fails at once, where a download is tried for long
                get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), token=get_token())
            return Path(hf_hub_download(repository, file, revision=revision))
        except EntryNotFoundError:
            return None
        except Exception as error:  # the hub's client also raises errors of its HTTP library
            raise _problem(name, repository, error) from error

    config = fetched(OPEN_CLIP_CONFIG)
    if config is None or not any(map(fetched, HUB_FILES)):
        here = "" if download else " on this machine, and downloading is turned off"
        raise BackboneError(
            f"{repository} has no {OPEN_CLIP_CONFIG} with {' or '.join(HUB_FILES)}{here}. Use a repository that "
            "open_clip can load."
        )
    if '"hf_tokenizer_name"' in read_text(config, LARGEST_CONFIG):
        for file in TOKENIZER_FILES:
            fetched(file)
    return config.parent


def hub_address(name: str) -> tuple[str, str | None]:
    """Return repository and revision of ``hf-hub:OWNER/NAME[@REVISION]``.

    Raises:
        BackboneError: it has another form.
    """
    fits = re.fullmatch(rf"{ON_HUB}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name)
    if fits is None:
        raise BackboneError(f"{name!r} is not {ON_HUB}OWNER/NAME or {ON_HUB}OWNER/NAME@REVISION.")
    return fits[1], fits[2]


def known_elsewhere(name: str) -> bool:
    """Return whether a name loads the same weights on other machines: those that ship, and open_clip's tags."""
    on_disk = Path(name).is_dir() or Path(name.partition("/")[2]).is_file()
    return name in available_models() or not on_disk


def licence_by_name(name: str) -> str:
    """Return the licence of a backbone's weights by what ``load_backbone`` was given; empty where it is not known."""
    if name in available_models():
        return _LICENCE_OF_SHIPPED
    by_tag = not (name.startswith(ON_HUB) or Path(name).suffix or Path(name).is_dir())  # those may be anything
    return licence_of(name.partition("/")[2]) if by_tag else ""


def repository_of(name: str) -> str:
    """Return the Hub's repository of the weights of a backbone of open_clip; empty for any other backbone."""
    if name.startswith(ON_HUB):
        return hub_address(name)[0]
    if name in available_models() or "/" not in name:
        return ""
    return os.path.split(str(pair_settings(name).get("hf_hub", "")))[0]


def pair_settings(name: str) -> Mapping[str, Any]:
    """Return open_clip's settings of the weights of a pair such as ``ViT-B-16/openai``; empty where it lists none."""
    from open_clip import get_pretrained_cfg

    arch, _, tag = name.partition("/")
    settings: Mapping[str, Any] = get_pretrained_cfg(arch, tag) or {}
    return settings


def named_backbone(word: str) -> KnownBackbone:
    """Return the backbone that is named on a command line: a folder, ``hf-hub:OWNER/NAME``, ``ARCH=FILE`` or
    ``ARCH/FILE``.

    Of a folder it has what its settings say; a file's architecture is not looked up here, which takes seconds.

    Raises:
        BackboneError: there is no such file or folder, or the repository is not on this machine.
    """
    if word.startswith(ON_HUB):
        return _of_folder(word, word, hub_folder(word, download=False))
    path = Path(word)
    if path.is_dir():
        if not any((path / config).is_file() for config in (CONFIG, OPEN_CLIP_CONFIG)):
            raise BackboneError(
                f"{path} contains neither {CONFIG} nor {OPEN_CLIP_CONFIG}, so it is not a backbone folder. See "
                "checkpoints/mini for an example."
            )
        return _of_folder(path.resolve().name, str(path.resolve()), path)
    arch, _, file = word.partition("=") if "=" in word else word.partition("/")
    if not arch or not Path(file).is_file():
        raise BackboneError(
            f"{word!r} is not a backbone on this machine. Use a folder laid out like checkpoints/mini, or an "
            "open_clip architecture and an existing weights file, such as ViT-B-16=weights.safetensors."
        )
    path = Path(file).resolve()
    return KnownBackbone(f"{arch}/{path.name}", f"{arch}/{path}", path.stat().st_size, memory_of(path))


def _described(known: KnownBackbone) -> KnownBackbone:
    """With open_clip's settings of the architecture; a folder contains its settings."""
    if known.input is not None or Path(known.source).is_dir():
        return known
    from open_clip import get_model_config

    return known.with_settings(get_model_config(known.name.partition("/")[0]) or {})


def _of_folder(name: str, source: str, folder: Path, licence: str = "") -> KnownBackbone:
    files = sorted(folder.glob("*.safetensors"))
    size, memory = sum(file.stat().st_size for file in files), sum(map(memory_of, files))
    known = KnownBackbone(name, source, size, memory, licence)
    try:
        settings = OPEN_CLIP_CONFIG if (folder / OPEN_CLIP_CONFIG).is_file() else CONFIG
        config = json.loads(read_text(folder / settings, LARGEST_CONFIG))
        preset: BackbonePreset = "default" if config.get("preset") == "default" else "paper"
        return replace(known.with_settings(config["model_cfg"], config.get("trunk")), preset=preset)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return known  # loading it will raise an error that says why


def cached_backbones() -> list[KnownBackbone]:
    """Return open_clip's pairs whose weights are in its cache or in that of the hub, in its order."""
    if not any(folder.is_dir() and any(folder.iterdir()) for folder in (clip_cache(), hub_cache())):
        return []
    from open_clip import get_model_config, list_pretrained

    pairs: list[tuple[str, str]] = list_pretrained()
    cached = []
    for arch, tag in pairs:
        if arch.endswith(_QUICK) and (arch.removesuffix(_QUICK), tag) in pairs:
            continue  # the same weights, and the tag implies QuickGELU
        name, settings = f"{arch}/{tag}", get_model_config(arch) or {}
        path = cached_weights(pair_settings(name))
        # Hugging Face's text encoders are not supported.
        if path is not None and not settings.get("text_cfg", {}).get("hf_model_name"):
            size = path.stat().st_size
            known = KnownBackbone(name, name, size, memory_of(path, halved=tag == "openai"), licence_of(tag))
            cached.append(known.with_settings(settings))
    return cached


def cached_weights(pair: Mapping[str, Any]) -> Path | None:
    """Return the file of a pair of open_clip, by its settings, where it lies in one of the caches."""
    from huggingface_hub import try_to_load_from_cache

    address = str(pair.get("url", ""))
    by_hand = clip_cache() / address.rsplit("/", 1)[-1]
    if address and by_hand.is_file():
        return by_hand
    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    for name in hub_names(file) if repository else ():
        cached = try_to_load_from_cache(repository, name, cache_dir=hub_cache())
        if isinstance(cached, str) and Path(cached).is_file():
            return Path(cached)
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


@dataclass(frozen=True)
class Fetched:
    """How much of a file is here, in bytes; ``total`` is 0 where it is not known."""

    done: int
    total: int

    @property
    def fraction(self) -> float:
        """Return the fraction that is downloaded, from 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def sentence(self) -> str:
        """Return the progress in words."""
        of = f" of {self.total / 1e6:.0f}" if self.total else ""
        return f"{self.done / 1e6:.0f}{of} MB downloaded"


def fetch_weights(name: str) -> Iterator[Fetched]:
    """Download the weights of a pair such as ``ViT-B-16/openai`` and report on it; nothing where they are here.

    Closing the iterator ends the download; nothing of it is saved.

    Raises:
        BackboneError: no such pair, or as ``download_weights``.
    """
    pair = pair_settings(name)
    if not pair:
        raise BackboneError(
            f"open_clip lists no weights named {name!r}. Use an ARCHITECTURE/WEIGHTS pair that open_clip "
            "lists, such as ViT-B-16/openai."
        )
    if cached_weights(pair) is not None:
        return
    from huggingface_hub import constants
    from tqdm import tqdm

    constants.HF_HUB_DISABLE_XET = True  # transfers by Xet do not end when the progress bar raises
    reports, errors, cancelled = [Fetched(0, 0)], list[BackboneError](), threading.Event()

    class Reported(tqdm):  # type: ignore[misc]
        """A progress bar that draws nothing, reports, and raises where the download was cancelled."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, "disable": True})

        def update(self, more: float | None = 1) -> None:
            if cancelled.is_set():
                raise InterruptedError("cancelled")
            reports.append(Fetched(reports[-1].done + int(more or 0), int(self.total or 0)))

    def download() -> None:
        try:
            download_weights(name, pair, tqdm_class=Reported)
        except BackboneError as error:
            errors.append(error)

    thread = threading.Thread(target=download, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_STEP)
            yield reports[-1]
    finally:
        cancelled.set()
        thread.join()
    if errors:
        raise errors[0]


def download_weights(name: str, pair: Mapping[str, Any], **options: Any) -> Path:
    """Return the file of a pair's weights, downloaded by the hub's client.

    Args:
        pair: open_clip's settings of it.
        options: of ``hf_hub_download``.

    Raises:
        BackboneError: no network, a licence that has to be accepted first, a full disk; with the way out.
    """
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    try:
        for candidate in hub_names(file):
            with suppress(EntryNotFoundError):
                # Without a network this fails at once, where a download is tried for 23 seconds.
                get_hf_file_metadata(hf_hub_url(repository, candidate), token=get_token())
                return Path(hf_hub_download(repository, candidate, **options))
        raise EntryNotFoundError(f"{repository} has none of the files that open_clip looks for")
    except Exception as error:  # the hub's client also raises errors of its HTTP library
        raise _problem(name, repository, error) from error


def _problem(name: str, repository: str, error: Exception) -> BackboneError:
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError):
        return BackboneError(
            f"The weights of {name} are only available to those who have accepted their licence. Accept it on "
            f"https://huggingface.co/{repository}, set HF_TOKEN to your token, and start again."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return BackboneError(
            f"The disk has no space left for the weights of {name}, which are saved in {hub_cache()}. Free some space "
            "there, or set HF_HOME to a folder on another disk. Nothing of the download was saved."
        )
    return BackboneError(
        f"The weights of {name} are not on this machine and could not be downloaded ({type(error).__name__}). "
        f"Download them on a machine with a network, and copy models--{repository.replace('/', '--')} from its "
        f"Hugging Face cache into {hub_cache()}. The shipped model 'mini' works without a network."
    )
