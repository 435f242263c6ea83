"""Backbones in memory: one load at a time, under a budget, never let go while in use; and work that waits for one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app import backbones as rooms
from app.backbones import BackboneProblem, BackboneRoom, OnBackbone, download_manager, downloading, to_download
from app.jobs import Counted, JobManager, PlainError, State
from app.options import Options
from gallop.backbones import Backbone, weights
from gallop.backbones.weights import KnownBackbone
from gallop.errors import BackboneError
from tests import tiny
from tests.app_pages import there
from tests.until import until

NAMES = ("a", "b", "c")


class Loads:
    """Loads that take as long as they are told to, each of a backbone of its own."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.at_once = self.most_at_once = 0
        self.may_end = threading.Event()
        self.may_end.set()
        self.fails: dict[str, Exception] = {}

    def __call__(self, known: KnownBackbone, options: Options) -> Backbone:
        self.begun.append(known.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert self.may_end.wait(60)
            if known.name in self.fails:
                raise self.fails[known.name]
            return tiny.new_vit()
        finally:
            self.at_once -= 1


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    monkeypatch.setattr(rooms, "PATIENCE_FOR_ROOM", 0.3)
    return Loads()


def size() -> int:
    return tiny.vit().bytes


@pytest.fixture
def make(tmp_path: Path, loads: Loads) -> Iterator[Any]:
    """A function for a room of three backbones of equal size, and memory for so many of them."""
    made: list[BackboneRoom] = []

    def room(backbones: float = 10, **options: Any) -> BackboneRoom:
        folders = tuple(str(tiny.backbone_folder(tmp_path / name)) for name in NAMES)
        found = BackboneRoom(Options(folders, memory=int(backbones * size()), **options), loads)
        for known in found.listing.backbones():
            object.__setattr__(known, "memory", size())
        made.append(found)
        return found

    yield room
    for found in made:
        found.close()


def leased(room: BackboneRoom, name: str) -> rooms.Lease:
    return there(room.lease(name, 30))


@pytest.fixture
def room(make: Any) -> Any:
    return make()


def test_a_backbone_is_loaded_once_beside_the_page(room: Any, loads: Loads) -> None:
    loads.may_end.clear()
    assert room.lease("a") is None, "nobody waits"
    assert (room.lease("a", 0.05), room.status("a").seconds is None) == (None, False)
    assert "Loading a (" in room.status("a").sentence
    loads.may_end.set()
    lease = leased(room, "a")
    assert leased(room, "a").backbone is lease.backbone
    assert (loads.begun, room.status("a").device, room.used) == (["a"], "cpu", size())


def test_one_load_at_a_time(room: Any, loads: Loads) -> None:
    loads.may_end.clear()
    assert [room.lease(name) for name in NAMES] == [None] * 3
    loads.may_end.set()
    for name in NAMES:
        leased(room, name)
    assert (sorted(loads.begun), loads.most_at_once) == (list(NAMES), 1)


def test_the_one_unused_for_longest_makes_room_and_comes_back_as_itself(make: Any, loads: Loads) -> None:
    room = make(backbones=2)
    a = leased(room, "a")
    classifier = tiny.classifier(backbone=a.backbone).zero_shot(["red", "green"])
    before = classifier.explain(tiny.picture(1)).probabilities
    a.give_back()
    leased(room, "b").give_back()
    leased(room, "c").give_back()
    assert not a.backbone.loaded, "a was used before b"
    assert room.used == 2 * size()
    with pytest.raises(BackboneError, match="are not loaded"):
        classifier.explain(tiny.picture(2))
    assert leased(room, "a").backbone is a.backbone
    assert (classifier.explain(tiny.picture(1)).probabilities, room.used) == (before, 2 * size())
    assert loads.begun == ["a", "b", "c", "a"]


def test_what_is_used_is_never_let_go(make: Any) -> None:
    room = make(backbones=2)
    held = leased(room, "a")
    leased(room, "b").give_back()
    leased(room, "c").give_back()
    assert held.backbone.loaded, "b went, though it was used later"
    both = [held, leased(room, "c")]
    with pytest.raises(BackboneProblem, match=r"b needs 0\.0 GB.* a and c are in use"):
        room.lease("b", 30)
    assert all(lease.backbone.loaded for lease in both)
    both.pop().give_back()
    room.try_again("b")
    leased(room, "b")


def test_a_lease_that_is_forgotten_is_given_back(make: Any) -> None:
    room = make(backbones=1)
    lease = leased(room, "a")
    lease.give_back()
    lease.give_back()
    leased(room, "b")  # nobody keeps it
    assert leased(room, "a").backbone.loaded


def test_one_that_is_larger_than_all_room_is_refused_and_mini_never(make: Any, loads: Loads) -> None:
    room = make(backbones=0.5)
    with pytest.raises(BackboneProblem, match="Choose a smaller backbone"):
        room.lease("a", 30)
    assert loads.begun == []
    leased(room, "mini")


def test_what_cannot_be_loaded_is_a_sentence_until_somebody_tries_again(room: Any, loads: Loads) -> None:
    loads.fails = {"a": BackboneError("The weights do not fit."), "b": KeyError("oops")}
    for _ in range(2):
        with pytest.raises(BackboneProblem, match="do not fit"):
            room.lease("a", 30)
    with pytest.raises(BackboneProblem, match="details are in the terminal"):
        room.lease("b", 30)
    assert loads.begun == ["a", "b"]
    leased(room, "c")
    loads.fails = {}
    room.try_again("a")
    leased(room, "a")


@pytest.mark.parametrize("name", ["/etc/passwd", "", "../a", "ViT-B-16//etc/passwd", "a/", "nothing"])
def test_a_name_that_is_not_listed_opens_nothing(room: Any, loads: Loads, name: str) -> None:
    with pytest.raises(BackboneProblem, match="not on this machine"):
        room.lease(name, 30)
    assert (loads.begun, room.listing.seek(name)) == ([], None)


def test_a_named_backbone_that_is_not_there_is_told_and_the_others_stay(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path)
    room = BackboneRoom(Options((str(tmp_path / "gone"), str(folder))))
    assert "is not a backbone" in room.listing.problem
    assert [known.name for known in room.listing.backbones()] == ["mini", folder.name]


def test_a_wrong_file_is_the_librarys_sentence(tmp_path: Path) -> None:
    (tmp_path / "wrong.safetensors").write_bytes(b"no weights at all")
    room = BackboneRoom(Options((f"ViT-B-16-quickgelu={tmp_path / 'wrong.safetensors'}",)))
    try:
        with pytest.raises(BackboneProblem, match="does not contain weights that can be read safely"):
            room.lease("ViT-B-16-quickgelu/wrong.safetensors", 60)
    finally:
        room.close()


def test_with_another_kind_of_regions_it_is_another_backbone(tmp_path: Path) -> None:
    folder = str(tiny.backbone_folder(tmp_path / "mine"))
    room = BackboneRoom(Options((folder,), precision="fp32", regions="query-query"))
    try:
        backbone = leased(room, "mine (query-query)").backbone
        assert (backbone.name, backbone.region_kind) == ("mine", "query-query"), "the name is one that can be loaded"
        assert room.status("mine (query-query)").regions == "query-query"
        other = leased(room, "mine").backbone
        assert (other.name, other.region_kind) == ("mine", "value")
        assert other.fingerprint != backbone.fingerprint
        assert [room.named_by(found.fingerprint) for found in (backbone, other)] == ["mine (query-query)", "mine"]
        assert leased(room, "mini").backbone.region_kind == "value", "it has no other"
        with pytest.raises(BackboneProblem, match="not on this machine"):
            room.lease("mini (query-query)")
    finally:
        room.close()


# Work ----------------------------------------------------------------------------------------------------------------


class Counting:
    def __init__(self, backbone: Backbone, steps: int = 3) -> None:
        self.backbone, self.steps, self.done = backbone, steps, 0
        self.go_on = threading.Event()
        self.go_on.set()

    def run(self) -> Iterator[int]:
        while self.done < self.steps:
            assert self.go_on.wait(60)
            assert self.backbone.loaded
            self.done += 1
            yield self.done

    def result(self) -> tuple[int, bool]:
        return self.done, self.backbone.loaded


def test_work_waits_for_its_backbone_in_steps_and_holds_it_to_its_end(make: Any, loads: Loads) -> None:
    room, manager, made = make(backbones=1), JobManager(), []

    def work(backbone: Backbone) -> Counting:
        made.append(Counting(backbone))
        made[-1].go_on.clear()
        return made[-1]

    loads.may_end.clear()
    job = manager.submit(OnBackbone(room, "a", work))
    try:
        until(lambda: isinstance(job.snapshot().progress, Counted))
        assert job.snapshot().state is State.RUNNING
        loads.may_end.set()
        until(lambda: made)
        with pytest.raises(BackboneProblem, match="a is in use"):
            room.lease("b", 30)
        made[0].go_on.set()
        until(lambda: not job.snapshot().active)
        assert job.snapshot().result == (3, True)
        room.try_again("b")
        leased(room, "b")
    finally:
        manager.close()


def test_work_that_is_cancelled_or_fails_gives_its_backbone_back(make: Any, loads: Loads) -> None:
    room, manager = make(backbones=1), JobManager()
    fail = mock.Mock(side_effect=BackboneError("It went wrong."))
    try:
        loads.may_end.clear()
        job = manager.submit(OnBackbone(room, "a", Counting))
        until(lambda: isinstance(job.snapshot().progress, Counted))
        job.cancel()
        until(lambda: not job.snapshot().active)
        assert (job.snapshot().state, job.snapshot().result) == (State.CANCELLED, None)
        loads.may_end.set()
        failed = manager.submit(OnBackbone(room, "b", fail))
        until(lambda: not failed.snapshot().active)
        assert failed.snapshot().error == "It went wrong."
        unknown = manager.submit(OnBackbone(room, "/etc/passwd", Counting))
        until(lambda: not unknown.snapshot().active)
        assert "not on this machine" in unknown.snapshot().error
        leased(room, "c")
    finally:
        manager.close()


# Downloads -----------------------------------------------------------------------------------------------------------


def test_nothing_is_downloaded_unless_it_is_allowed_and_on_the_list(make: Any) -> None:
    with pytest.raises(PlainError, match="--allow-downloads"):
        downloading(make(), "ViT-B-16/openai")
    for name in ("ViT-B-16/nothing", "/etc/passwd", "http://example.invalid/x"):
        with pytest.raises(PlainError, match="not on the list"):
            downloading(make(downloads=True), name)


def test_a_downloaded_backbone_is_listed(make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room, manager = make(downloads=True), download_manager()
    clip = tmp_path / ".cache" / "clip"
    monkeypatch.setenv("HOME", str(tmp_path))

    def fetched(name: str) -> Iterator[weights.Fetched]:
        yield weights.Fetched(1, 2)
        clip.mkdir(parents=True)
        (clip / "ViT-B-16.pt").write_bytes(b"xx")
        yield weights.Fetched(2, 2)

    monkeypatch.setattr(weights, "fetch_weights", fetched)
    assert "ViT-B-16/openai" in [backbone.name for backbone in to_download(room)]
    try:
        job = manager.submit(downloading(room, "ViT-B-16/openai"))
        until(lambda: not job.snapshot().active, 60)
        assert job.snapshot().result == "ViT-B-16/openai"
    finally:
        manager.close()
    assert room.listing.find("ViT-B-16/openai") is not None
    assert "ViT-B-16/openai" not in [known.name for known in to_download(room)]
    assert json.dumps([known.name for known in room.listing.backbones()]).startswith('["mini"')
