"""The frozen backbones that all visitors share: their list, loading them beside the pages, and memory for them.

They are loaded one at a time on a separate thread, used under a lease, and unloaded to free memory for others. A
backbone that was unloaded keeps its identity: classifiers that refer to it continue when its weights are back. Nothing
is unloaded while a page that is being drawn or a job holds a lease of it. A backbone with another kind of region
features counts as another backbone, with a separate name: results of one are never used for the other. Knows no
Streamlit, and loads torch when a backbone is loaded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import finalize

from app.jobs import Counted, PlainError, Work, in_words
from app.library import Backbone
from app.options import Options
from gallop.backbones.weights import KnownBackbone, backbones_here, named_backbone, offered_backbones
from gallop.config import REGION_KINDS
from gallop.errors import GallopError
from gallop.wording import quoted

# The built-in one: the default, and the backbone of runs that were saved before there was a choice.
DEFAULT_BACKBONE = "mini"


_log = logging.getLogger(__name__)

# The kind of region features that is not part of a backbone's name.
PAPERS_KIND = REGION_KINDS[0]


def called(name: str, kind: str) -> str:
    """Return the app's name for a backbone with a kind of region features."""
    return name if kind == PAPERS_KIND else f"{name} ({kind})"


@dataclass(frozen=True)
class Choice:
    """A backbone and the kind of region features that it is to give."""

    known: KnownBackbone
    kind: str = PAPERS_KIND


class BackboneList:
    """The backbones of this machine, each with every kind of its regions. Safe to use from several threads.

    Args:
        named: on the command line.
        usual: the kind of regions that comes first.

    Attributes:
        problem: which of them are missing, as a sentence; empty where none is.
        choices: those known so far by their names in the app; the built-in one comes first.
    """

    def __init__(self, named: Sequence[str], usual: str = PAPERS_KIND) -> None:
        self.problem, self._usual = "", usual
        self._named: list[str] = []
        self._lock = threading.Lock()
        self._sought = False
        for word in named:
            try:
                named_backbone(word)
                self._named.append(word)
            except GallopError as error:
                self.problem = f"{self.problem} {error}".strip()
                _log.warning("%s", error)
        self.choices = self._choices(backbones_here(self._named, seek=False))

    def _choices(self, backbones: Sequence[KnownBackbone]) -> dict[str, Choice]:
        return {
            called(known.name, kind): Choice(known, kind)
            for known in backbones
            for kind in sorted(known.kinds, key=lambda kind: kind != self._usual)
        }

    def seek(self, name: str) -> Choice | None:
        """Return one, by its name with the kind of regions; search the caches, which may take seconds, if it is not
        known yet.
        """
        if name not in self.choices:
            self.look()
        return self.choices.get(name)

    def look(self, *, again: bool = False) -> None:
        """Search the caches once, or ``again`` after a download."""
        with self._lock:
            if self._sought and not again:
                return
            self.choices = self._choices(backbones_here(self._named))
            self._sought = True


class BackboneProblem(PlainError):
    """A backbone that is not available; the message says why and what to do.

    Args:
        backbone_name: given where trying again may help.
    """

    def __init__(self, words: str, backbone_name: str = "") -> None:
        super().__init__(words)
        self.backbone_name = backbone_name


class BackboneLoading(BackboneProblem):
    """A backbone that is still being loaded."""


@dataclass(frozen=True)
class BackboneStatus:
    """The status of a backbone: for how many ``seconds`` it has been loading; once loaded, its device and precision;
    and the kind of its regions.
    """

    known: KnownBackbone
    seconds: float | None = None
    device: str = ""
    precision: str = ""
    regions: str = "value"

    @property
    def sentence(self) -> str:
        size = f"{self.known.memory / 1e6:.0f} MB" if self.known.memory else "its weights"
        return f"Loading {self.known.name} ({size}), {self.seconds or 0.0:.0f} seconds so far"


# Of the device's memory, without a limit for backbones.
_MEMORY_FRACTION = 0.5
# Bytes, where the device's memory is unknown too.
_USUAL = 4 * 2**30
# Seconds: a page that is being drawn holds its backbone for a moment; a training that runs, for minutes.
_POLL, PATIENCE_FOR_ROOM = 0.1, 5.0


@dataclass
class _Place:
    known: KnownBackbone
    kind: str
    backbone: Backbone | None = None
    loading: Future[None] | None = None
    began: float = 0.0
    leases: int = 0
    used: float = 0.0
    problem: str = ""

    @property
    def ready(self) -> bool:
        return self.loading is None and self.backbone is not None and self.backbone.loaded

    @property
    def bytes(self) -> int:
        return self.backbone.bytes if self.backbone is not None else 0


class Lease:
    """A backbone that stays loaded until this is given back or garbage-collected."""

    def __init__(self, room: BackboneRoom, place: _Place) -> None:
        assert place.backbone is not None
        self.backbone: Backbone = place.backbone
        self.give_back = finalize(self, room.take_back, place)  # a second call does nothing


def load_known(known: KnownBackbone, options: Options) -> Backbone:
    """Load one under its public name, so that no path of this machine is shown. Uses no network.

    Args:
        options: with the kind of its regions.

    Raises:
        BackboneError, UnsupportedBackbone: its weights are missing or do not fit, it has no such kind of regions, or
            the device cannot be used.
    """
    from gallop.backbones import load_backbone, pick_regions

    # The built-in one gives the same figures on every machine.
    backbone = load_backbone(
        known.source,
        device=options.device,
        precision="fp32" if known.name == DEFAULT_BACKBONE else options.precision,
        download=False,
    )
    backbone.name = known.name
    return backbone.with_regions(pick_regions(options.regions))


@dataclass
class BackboneRoom:
    """All backbones of this server. Safe to use from several threads.

    Attributes:
        listing: which backbones there are to choose from.
    """

    options: Options = field(default_factory=Options)
    load: Callable[[KnownBackbone, Options], Backbone] = load_known
    listing: BackboneList = field(init=False)
    _places: dict[str, _Place] = field(default_factory=dict, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _loader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "backbones"), init=False)

    def __post_init__(self) -> None:
        self.listing = BackboneList(self.options.named, self.options.regions)

    def lease(self, name: str, patience: float = 0.0) -> Lease | None:
        """Return a lease of a backbone; None if it is not loaded within so many seconds. Starts loading it if needed.

        Raises:
            BackboneProblem: there is no such backbone, it cannot be loaded, or there is no room for it.
        """
        end = time.monotonic() + patience
        while True:
            with self._lock:
                place = self._place(name)
                if place.problem:
                    raise BackboneProblem(place.problem, name)
                if place.ready:
                    place.leases += 1
                    place.used = time.monotonic()
                    return Lease(self, place)
                loading = self._asked_for(place)
            if not wait([loading], max(end - time.monotonic(), 0.0)).done:
                return None

    def take_back(self, place: _Place) -> None:
        """End one lease of a backbone."""
        with self._lock:
            place.leases -= 1
            place.used = time.monotonic()

    def status(self, name: str) -> BackboneStatus:
        """Return the status of one, without loading it. Raises BackboneProblem for an unknown name."""
        with self._lock:
            place = self._place(name)
            if place.ready and place.backbone is not None:
                rows, columns = place.backbone.vision.grid
                device = str(place.backbone.device)
                return BackboneStatus(
                    replace(place.known, grid=place.known.grid or (rows, columns)),
                    None,
                    device,
                    place.backbone.precision if device == "cpu" else "fp16",
                    place.kind,
                )
            seconds = None if place.loading is None else time.monotonic() - place.began
            return BackboneStatus(place.known, seconds, regions=place.kind)

    def try_again(self, name: str) -> None:
        with self._lock:
            if name in self._places:
                self._places[name].problem = ""

    def named_by(self, fingerprint: str) -> str:
        """Return the name of a backbone with these weights, among those loaded since the start; empty for none."""
        with self._lock:
            held = ((name, place.backbone) for name, place in self._places.items())
            return next((name for name, backbone in held if backbone and backbone.fingerprint == fingerprint), "")

    @property
    def used(self) -> int:
        with self._lock:
            return sum(place.bytes for place in self._places.values())

    def close(self) -> None:
        """Wait for what is being loaded and load nothing more."""
        self._loader.shutdown(cancel_futures=True)

    # The lock is held, but in _load and what it calls ----------------------------------------------------------------

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            choice = self.listing.choices.get(name)
            if choice is None:
                raise BackboneProblem(
                    f"The backbone {quoted(name)} is not available: it is not on this machine, or it was not named in "
                    "--backbones when the app was started."
                )
            self._places[name] = _Place(choice.known, choice.kind)
        return self._places[name]

    def _asked_for(self, place: _Place) -> Future[None]:
        if place.loading is None:
            place.began = time.monotonic()
            place.loading = self._loader.submit(self._load, place)
        return place.loading

    def _load(self, place: _Place) -> None:
        """Load a backbone, on the loader's thread."""
        problem = ""
        try:
            self._make_room(place)
            backbone = self.load(place.known, replace(self.options, regions=place.kind))
            backbone.fingerprint, backbone.vision_fingerprint  # noqa: B018  computed once, before anything is unloaded
            if place.backbone is None:
                place.backbone = backbone
            else:
                place.backbone.take_weights(backbone)
        except Exception as error:
            problem = in_words(error, f"{place.known.name} could not be loaded")
        with self._lock:
            place.problem, place.loading, place.used = problem, None, time.monotonic()
        self.listing.look()

    def _make_room(self, place: _Place) -> None:
        """Unload the least recently used until there is room; the built-in one is small and always fits."""
        needed, most = place.known.memory, self._budget()
        end = time.monotonic() + PATIENCE_FOR_ROOM
        while place.known.name != DEFAULT_BACKBONE:
            with self._lock:
                if self.used + needed <= most:
                    return
                held = [other for other in self._places.values() if other is not place and other.bytes]
                free = [other for other in held if not other.leases]
                if needed <= most and free:
                    oldest = min(free, key=lambda other: other.used)
                    assert oldest.backbone is not None
                    oldest.backbone.let_go()
                    continue
            if needed > most or not held or time.monotonic() > end:
                raise BackboneProblem(
                    f"{place.known.name} needs {needed / 1e9:.1f} GB of memory, and the limit here is "
                    f"{most / 1e9:.1f} GB for all backbones in use. Choose a smaller one, try again when trainings "
                    "have ended, or ask whoever started the app to raise --backbone-memory."
                )
            time.sleep(_POLL)

    def _budget(self) -> int:
        if self.options.memory is not None:
            return self.options.memory
        from gallop.backbones.device import memory_bytes

        return int(_MEMORY_FRACTION * memory_bytes(self.options.device)) or _USUAL


# Seconds that one step waits.
_STEP = 0.5


def on_backbone(room: BackboneRoom, name: str, make: Callable[[Backbone], Work]) -> Work:
    """Do work that is made with a backbone, by its name, once that is loaded; it stays loaded to the end."""
    while (lease := room.lease(name, _STEP)) is None:
        yield Counted(0.0, room.status(name).sentence)
    try:
        return (yield from make(lease.backbone))
    finally:
        lease.give_back()


# Seconds without progress after which a download is given up.
STALLED = 120.0


def to_download(room: BackboneRoom) -> list[KnownBackbone]:
    return [known for known in offered_backbones() if known.name not in room.listing.choices]


def downloading(room: BackboneRoom, name: str) -> Work:
    """Return the work of one download, from the short list alone; its result is the backbone's name.

    Raises:
        PlainError: the app was started without downloads, or it is not on the list.
    """
    if not room.options.downloads:
        raise PlainError("Downloads are off because the app was started without --allow-downloads.")
    if name not in [known.name for known in offered_backbones()]:
        raise PlainError(f"{name!r} is not on the list of backbones that can be downloaded.")

    def steps() -> Generator[Any, None, str]:
        from gallop.backbones.weights import fetch_weights

        yield from fetch_weights(name)
        room.listing.look(again=True)
        return name

    return steps()
