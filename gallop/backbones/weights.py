"""Files of weights: those on this machine, those that can be downloaded, and their download. No weights are read here.

On this machine are those that ship, those that the user names, and those in the caches of downloads. Only the caches
need open_clip's list of pairs, and torch with it; only a download uses the network, with the client of the Hugging Face
Hub and into its cache.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, cast

from safetensors import SafetensorError, safe_open

from gallop.config import REGION_KINDS, BackbonePreset, RegionKind
from gallop.errors import BackboneError
from gallop.runtime.reading import check_file, parse_json, read_text
from gallop.runtime.writing import make_folder, write_quickly

CONFIG = "config.json"
"""The settings of a folder that is laid out as ``checkpoints/mini``."""
OPEN_CLIP_CONFIG = "open_clip_config.json"
"""The settings of a folder, or of a repository of the Hub, in open_clip's format."""
ON_HUB = "hf-hub:"
"""Before OWNER/NAME of such a repository, and perhaps @REVISION, as open_clip writes it."""
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
# After the digest of a file of which a part is downloaded. The client's own ends alike, so `hf cache prune` knows it.
_PARTIAL = ".gallop.incomplete"
_CATALOGUE = Path(__file__).with_name("catalogue.json")
"""What is offered to be downloaded, and licences of weights with the page that states each and the day of a look at it.
They are listed by whole names of repositories, and by beginnings of open_clip's tags."""


class Licence(NamedTuple):
    """A licence of weights, the page that states it, and the day of the look at that page; empty where not known."""

    words: str = ""
    source: str = ""
    date: str = ""

    def __str__(self) -> str:
        return self.words or "not known"

    @property
    def cited(self) -> str:
        """Return it in words with its source and date."""
        return f"{self} ({self.source}, {self.date})" if self.words else str(self)


UNKNOWN = Licence()


@dataclass(frozen=True)
class KnownBackbone:
    """A backbone that is on this machine, or that can be downloaded.

    Attributes:
        name: what it is called. ``load_backbone`` takes it, for a file or a folder that lies in the working folder.
        source: what ``load_backbone`` takes here; empty where its weights are not on this machine.
        bytes: of its weights, as a file; an estimate for one that is not here.
        memory: bytes that its weights take once they are loaded.
        licence: of its weights.
        input: side of its square input in pixels; None where the settings do not contain it, as for ``grid``.
        grid: rows and columns of its regions.
        needs: what else must be installed for it, where something must.
        preset: settings of a training that go with it, as ``Backbone`` has them.
        kinds: of region features that it has, as far as its settings show.
        about: what is worth knowing of one that can be downloaded, as a sentence; empty for others.
    """

    name: str
    source: str = ""
    bytes: int = 0
    memory: int = 0
    licence: Licence = UNKNOWN
    input: int | None = None
    grid: tuple[int, int] | None = None
    needs: str = ""
    preset: BackbonePreset = "paper"
    kinds: tuple[RegionKind, ...] = ("value",)
    about: str = ""

    @property
    def here(self) -> bool:
        """Whether its weights are on this machine."""
        return bool(self.source)

    def with_settings(self, settings: Mapping[str, Any], trunk: Mapping[str, Any] | None = None) -> KnownBackbone:
        """Return it with what open_clip's settings of its architecture say; ``trunk`` are those of timm's trunk."""
        vision, text = settings.get("vision_cfg", {}), settings.get("text_cfg", {})
        return replace(
            self,
            input=_number(vision.get("image_size", 224)),
            grid=_grid(vision, trunk or {}),
            needs=TOKENIZERS if text.get("hf_tokenizer_name") else self.needs,
            kinds=REGION_KINDS if _at_class_token(vision) else self.kinds,
        )


@cache
def catalogue() -> dict[str, Any]:
    """Return the table of what is ``offered`` and of ``licences``, as it is written."""
    return cast(dict[str, Any], json.loads(_CATALOGUE.read_text(encoding="utf-8")))


def licence_of(weights: str) -> Licence:
    """Return the licence of weights by open_clip's tag of them, or by OWNER/NAME of their repository."""
    fitting: dict[str, Licence] = {}
    for each in catalogue()["licences"]:
        licence = Licence(each["licence"], each["source"], each["date"])
        fits = weights.__eq__ if "/" in weights else weights.startswith
        fitting |= {begins: licence for begins in each["weights"] if fits(begins)}
    return fitting[max(fitting, key=len)] if fitting else UNKNOWN


def memory_of(path: Path, *, halved: bool = False) -> int:
    """Return the bytes that the weights of a file take once loaded: in single precision, whatever the file has.

    Args:
        halved: the file has half precision. It is asked for where the file does not say: of all but safetensors.
    """
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return 2 * size if halved else size
    try:
        check_file(path, LARGEST_WEIGHTS)
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
    """Return backbones worth a download, the smallest of the usual kind first; whether one is here is not looked up.

    Everything else that open_clip lists, and any repository of the Hub in its format, works by its name as well.
    """
    return [
        KnownBackbone(
            each["name"],
            bytes=each["bytes"],
            memory=_FP32 * each["parameters"],
            licence=licence_by_name(each["name"]),
            input=each["input"],
            grid=tuple(each["grid"]),
            about=each["about"],
        )
        for each in catalogue()["offered"]
    ]


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
    shipped = [_of_folder(name, name, folder) for name, folder in available_models().items()]
    listed = [*shipped, *map(named_backbone, named)]
    if seek:
        listed = [*map(_described, listed), *cached_backbones(), *cached_repositories()]
    return list({known.name: known for known in reversed(listed)}.values())[::-1]


def hub_folder(name: str, *, download: bool, **options: Any) -> Path:
    """Return the folder of a repository in open_clip's format, ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``.

    A file that is in the Hub's cache is not asked for again. All files are of one commit: that of the settings.

    Args:
        options: of ``http_get`` and ``hf_hub_download``.

    Raises:
        BackboneError: no such name, no settings or weights in it, or as ``download_weights``.
    """
    from huggingface_hub import try_to_load_from_cache

    repository, revision = hub_address(name)

    def file_of(file: str, revision: str | None, ask: bool = download) -> Path | None:
        cached = try_to_load_from_cache(repository, file, cache_dir=hub_cache(), revision=revision)
        if cached is not None or not ask:
            return Path(cached) if isinstance(cached, str) else None
        return _downloaded(name, repository, file, revision, **options)

    config = file_of(OPEN_CLIP_CONFIG, revision)
    commit = None if config is None else config.parent.name
    if config is None or not any(file_of(file, commit, ask) for ask in (False, download) for file in HUB_FILES):
        if not download:
            raise not_here(name)
        raise BackboneError(
            f"{repository} has no {OPEN_CLIP_CONFIG} with {' or '.join(HUB_FILES)}. Use a repository that open_clip "
            "can load."
        )
    if '"hf_tokenizer_name"' in read_text(config, LARGEST_CONFIG):
        for file in TOKENIZER_FILES:
            file_of(file, commit)
    return config.parent


def not_here(name: str) -> BackboneError:
    """Return the error about weights that would have to be downloaded, and may not be."""
    return BackboneError(
        f"The weights of {name} are not on this machine, and downloading is turned off. Download them with `gallop "
        f"backbones get {name}`, or allow it by naming the backbone yourself: backbone={name!r}."
    )


def hub_address(name: str) -> tuple[str, str | None]:
    """Return repository and revision of ``hf-hub:OWNER/NAME[@REVISION]``.

    Raises:
        BackboneError: it has another form.
    """
    # As its client takes them, which raises errors of its own for others.
    part = r"\b[\w.-]{1,96}\b"
    address = rf"{ON_HUB}(?![^@]*(?:\.\.|--|\.git(?:@|$)))({part}/{part})(?:@(?!.*\.\.)(\w[\w./-]*))?"
    fits = re.fullmatch(address, name, re.ASCII)
    if fits is None:
        raise BackboneError(f"{name!r} is not {ON_HUB}OWNER/NAME or {ON_HUB}OWNER/NAME@REVISION.")
    return fits[1], fits[2]


def known_elsewhere(name: str) -> bool:
    """Return whether a name loads the same weights on other machines: those that ship, and open_clip's tags."""
    return name in available_models() or not (Path(name).is_dir() or Path(name.partition("/")[2]).is_file())


def licence_by_name(name: str) -> Licence:
    """Return the licence of a backbone's weights by what ``load_backbone`` was given."""
    if name.startswith(ON_HUB):
        return licence_of(hub_address(name)[0])
    if Path(name).suffix or Path(name).is_dir():  # it may be anything
        return UNKNOWN
    return licence_of(name if name in available_models() else name.partition("/")[2])


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
    return dict(get_pretrained_cfg(arch, tag) or {})


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


def _of_folder(name: str, source: str, folder: Path) -> KnownBackbone:
    files = sorted(folder.glob("*.safetensors"))
    known = KnownBackbone(
        name,
        source,
        bytes=sum(file.stat().st_size for file in files),
        memory=sum(map(memory_of, files)),
        licence=licence_by_name(source),
    )
    try:
        settings = OPEN_CLIP_CONFIG if (folder / OPEN_CLIP_CONFIG).is_file() else CONFIG
        config = parse_json(read_text(folder / settings, LARGEST_CONFIG))
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
            known = KnownBackbone(
                name, name, path.stat().st_size, memory_of(path, halved=tag == "openai"), licence_of(tag)
            )
            cached.append(known.with_settings(settings))
    return cached


def cached_repositories() -> list[KnownBackbone]:
    """Return the repositories in open_clip's format that are in the hub's cache, by their main branch."""
    cached = []
    for folder in sorted(hub_cache().glob("models--*--*")):
        name = ON_HUB + folder.name.removeprefix("models--").replace("--", "/")
        with suppress(BackboneError, OSError, ValueError):
            settings = read_text(hub_folder(name, download=False) / OPEN_CLIP_CONFIG, LARGEST_CONFIG)
            if '"hf_model_name"' not in settings:  # Hugging Face's text encoders are not supported
                cached.append(named_backbone(name))
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


def in_cache(repository: str) -> Path:
    """Return the folder of a repository in the hub's cache."""
    return hub_cache() / f"models--{repository.replace('/', '--')}"


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
    """Download the weights of a pair such as ``ViT-B-16/openai``, or a repository ``hf-hub:OWNER/NAME``, and report on
    each file of it; nothing where they are here.

    A connection that breaks is taken up where it broke. Closing the iterator ends the download; the next call continues
    the file that was being downloaded.

    Raises:
        BackboneError: no such pair, or as ``download_weights``.
    """
    fetching = _fetching(name)
    if fetching is None:
        return
    from tqdm import tqdm

    reports, errors, cancelled = [Fetched(0, 0)], list[BackboneError](), threading.Event()

    class Reported(tqdm):  # type: ignore[misc]
        """A progress bar that draws nothing, reports, and raises where the download was cancelled."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, "disable": True})
            self.done = 0
            self.update(settings.get("initial"))

        def update(self, more: float | None = 1) -> None:
            if cancelled.is_set():
                raise InterruptedError("cancelled")
            self.done += int(more or 0)
            reports.append(Fetched(self.done, int(self.total or 0)))

    def download() -> None:
        try:
            fetching(tqdm_class=Reported)
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


def _fetching(name: str) -> Callable[..., Path] | None:
    """Return what downloads a pair or a repository; None for a pair that is here."""
    if name.startswith(ON_HUB):
        hub_address(name)
        return partial(hub_folder, name, download=True)
    pair = pair_settings(name)
    if not pair:
        raise BackboneError(
            f"open_clip lists no weights named {name!r}. Use an ARCHITECTURE/WEIGHTS pair that open_clip "
            "lists, such as ViT-B-16/openai, or a repository as hf-hub:OWNER/NAME."
        )
    return None if cached_weights(pair) else partial(download_weights, name, pair)


def download_weights(name: str, pair: Mapping[str, Any], **options: Any) -> Path:
    """Return the file of a pair's weights, downloaded by the hub's client and equal to the digest that the Hub gives.

    Args:
        pair: open_clip's settings of it.
        options: of ``http_get`` and ``hf_hub_download``.

    Raises:
        BackboneError: no network, a licence that has to be accepted first, a full disk, another content than the Hub
            announced; with the way out.
    """
    from huggingface_hub.errors import EntryNotFoundError

    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    for candidate in hub_names(file):
        if (found := _downloaded(name, repository, candidate, None, **options)) is not None:
            return found
    raise _problem(name, repository, EntryNotFoundError("none of the files that open_clip looks for"))


def _downloaded(name: str, repository: str, file: str, revision: str | None, **options: Any) -> Path | None:
    """Return a file of the Hub once it is in the cache of its client; None where the repository has no such file."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    try:
        # Without a network this fails at once, where a download is tried for 23 seconds.
        asked = get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), token=get_token())
        fits = re.fullmatch(r"([0-9a-f]{40}) ([0-9a-f]{40}|[0-9a-f]{64})", f"{asked.commit_hash} {asked.etag}")
        if fits is None:  # what cannot be compared is not continued either
            return Path(hf_hub_download(repository, file, revision=revision, **options))
        commit, digest = fits.groups()
        _complete(repository, file, commit, digest, asked.size, **options)
        if revision != commit:
            write_quickly(in_cache(repository) / "refs" / (revision or "main"), commit.encode())
        return Path(hf_hub_download(repository, file, revision=commit))  # it finds the file, and links it
    except EntryNotFoundError:
        return None
    except BackboneError:
        raise
    except Exception as error:  # the hub's client also raises errors of its HTTP library
        raise _problem(name, repository, error) from error


def _complete(repository: str, file: str, commit: str, digest: str, size: int | None, **options: Any) -> None:
    """Download a file of a commit into the Hub's cache, where its client finds it; what is there of it is continued.

    The client begins anew at every call, for the sake of file systems whose locks hold nobody off (its issue 4228).
    There two processes write the same bytes at the same places here, and the digest is compared before a file is named.

    Args:
        digest: the SHA-256 that the Hub gives of large files, or git's SHA-1, which it gives of others.
        size: in bytes, as far as the Hub tells.
        options: of ``http_get``.

    Raises:
        BackboneError: it has another digest, and was deleted.
        Exception: of the client or its HTTP library; what is there stays.
    """
    from huggingface_hub import hf_hub_url, utils
    from huggingface_hub.file_download import are_symlinks_supported

    client: Any = utils  # which has no types for these
    headers = {**client.build_hf_headers(), "Accept-Encoding": "identity"}  # a part is one of the file as it is
    place = in_cache(repository)
    named, blob = place / "snapshots" / commit / file, place / "blobs" / digest
    partial_file, lock = blob.with_name(digest + _PARTIAL), hub_cache() / ".locks" / place.name / f"{digest}.lock"
    for path in (named, blob, lock):
        make_folder(path.parent)
    with client.WeakFileLock(lock):  # the one that the client takes
        found = next((path for path in (named, blob) if path.exists()), partial_file)
        if found == partial_file:
            _fetch_rest(found, hf_hub_url(repository, file, revision=commit), size, headers=headers, **options)
        if not _has_digest(found, digest):
            found.resolve().unlink()
            raise BackboneError(
                f"What was downloaded as {file} of {repository} is not what the Hub announced (another SHA-256), so it "
                "was deleted. Start again; if that does not help, the network or its proxy changes files."
            )
        if found == partial_file:
            found.replace(blob if are_symlinks_supported(hub_cache()) else named)


def _fetch_rest(path: Path, url: str, size: int | None, **options: Any) -> None:
    """Download the rest of a file. A wrong length or a refused range raises nothing: the digest check finds it."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    path.touch()
    with path.open("r+b") as file:
        there = file.seek(0, os.SEEK_END)
        if size is not None and there > size:
            there = file.truncate(file.seek(0))
        try:
            http_get(url, file, resume_size=there, expected_size=size, **options)
        except HfHubHTTPError as error:
            if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        except (OSError, ValueError) as error:
            # The client raises these very types, without a number, where length or range of what was sent are wrong.
            if type(error) not in (OSError, ValueError) or getattr(error, "errno", None):
                raise


def _has_digest(path: Path, digest: str) -> bool:
    """Whether a file has the SHA-256 that the Hub gives of large files, or git's SHA-1, which it gives of others."""
    hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if len(digest) == 40 else hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            hashed.update(piece)
    return hashed.hexdigest() == digest


def remove_weights(name: str) -> int:
    """Remove the weights of a backbone from the caches of downloads, and return how many bytes that frees.

    From the Hub's cache goes all that was downloaded of the repository, by other programs too, and what is there of a
    download that was stopped.

    Raises:
        BackboneError: it is not in a cache: it ships with the package, is a file of the user's, or is not here.
    """
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    if name in available_models() or Path(name).is_dir() or Path(name.partition("/")[2]).is_file():
        raise BackboneError(f"{name} was not downloaded, so it is not removed. Remove its files yourself.")
    by_hand = clip_cache() / str({} if name.startswith(ON_HUB) else pair_settings(name).get("url", "")).split("/")[-1]
    partial_files = (in_cache(repository_of(name)) / "blobs").glob(f"*{_PARTIAL}")
    freed = 0
    for file in filter(Path.is_file, (by_hand, *partial_files)):
        freed += file.stat().st_size
        file.unlink()
    with suppress(CacheNotFound):
        cache = scan_cache_dir(hub_cache())
        revisions = [
            revision.commit_hash
            for repository in cache.repos
            if (repository.repo_type, repository.repo_id) == ("model", repository_of(name))
            for revision in repository.revisions
        ]
        deletion = cache.delete_revisions(*revisions)
        freed += deletion.expected_freed_size
        deletion.execute()
    if not freed:
        raise BackboneError(f"{name} is not in {hub_cache()}, so there is nothing to remove.")
    return freed


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
            "there and start it again to continue it, or set HF_HOME to a folder on another disk; `gallop backbones rm "
            f"{name}` removes what is there."
        )
    return BackboneError(
        f"The weights of {name} are not on this machine and could not be downloaded ({type(error).__name__}). Start a "
        "download that broke off again to continue it, or download them on a machine with a network, and copy "
        f"{in_cache(repository).name} from its Hugging Face cache into {hub_cache()}. "
        "The shipped model 'mini' works without a network."
    )
