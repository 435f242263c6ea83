"""Backbones in memory: one load at a time, under a budget, never let go while in use; and work that waits for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app.jobs import Counted, JobManager, PlainError, Snapshot, State, Work
from app.options import Options
from app.shared_backbones import BackboneProblem, BackboneRoom, Lease, downloading, on_backbone, to_download
from gallop.backbones import Backbone, weights
from gallop.backbones.weights import KnownBackbone
from gallop.errors import BackboneError
from tests import tiny
from tests.app.test_jobs import Counting, wait
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
    monkeypatch.setattr("app.shared_backbones.PATIENCE_FOR_ROOM", 0.3)
    return Loads()


@pytest.fixture
def make(tmp_path: Path, loads: Loads) -> Iterator[Any]:
    """A function for a room of three backbones of equal size, and memory for so many of them."""
    with ExitStack() as stack:

        def room(backbones: float = 10, **options: Any) -> BackboneRoom:
            folders = tuple(str(tiny.backbone_folder(tmp_path / name)) for name in NAMES)
            options["memory"] = int(backbones * tiny.vit().bytes)
            found = stack.enter_context(closing(BackboneRoom(Options(folders, **options), loads)))
            for known in (choice.known for choice in found.listing.choices.values()):
                object.__setattr__(known, "memory", tiny.vit().bytes)
            return found

        yield room


def waits(snapshot: Snapshot) -> bool:
    """Whether a job waits for its backbone."""
    return isinstance(snapshot.progress, Counted)


def leased(room: BackboneRoom, name: str) -> Lease:
    return tiny.there(room.lease(name, 30))


def refused(room: BackboneRoom, name: str, why: str) -> None:
    with pytest.raises(BackboneProblem, match=why):
        room.lease(name, 30)


@pytest.fixture
def room(make: Any) -> Any:
    return make()


def test_a_backbone_is_loaded_once_beside_the_page(room: Any, loads: Loads) -> None:
    loads.may_end.clear()
    assert (room.lease("a"), room.lease("a", 0.05), room.status("a").seconds is None) == (None, None, False)
    assert "Loading a (" in room.status("a").sentence
    loads.may_end.set()
    lease = leased(room, "a")
    assert leased(room, "a").backbone is lease.backbone
    assert (loads.begun, room.status("a").device, room.used) == (["a"], "cpu", tiny.vit().bytes)


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
    assert (a.backbone.loaded, room.used) == (False, 2 * tiny.vit().bytes), "a was used before b"
    with pytest.raises(BackboneError, match="are not loaded"):
        classifier.explain(tiny.picture(2))
    assert leased(room, "a").backbone is a.backbone
    assert (classifier.explain(tiny.picture(1)).probabilities, room.used) == (before, 2 * tiny.vit().bytes)
    assert loads.begun == ["a", "b", "c", "a"]


def test_what_is_used_is_never_let_go(make: Any) -> None:
    room = make(backbones=2)
    held = leased(room, "a")
    leased(room, "b").give_back()
    leased(room, "c").give_back()
    assert held.backbone.loaded, "b went, though it was used later"
    both = [held, leased(room, "c")]
    refused(room, "b", r"b needs 0\.0 GB.*try again when trainings have ended")
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
    refused(room, "a", "Choose a smaller one")
    assert loads.begun == []
    leased(room, "mini")


def test_what_cannot_be_loaded_is_a_sentence_until_somebody_tries_again(room: Any, loads: Loads) -> None:
    loads.fails = {"a": BackboneError("The weights do not fit."), "b": KeyError("oops")}
    for _ in range(2):
        refused(room, "a", "do not fit")
    refused(room, "b", "details are in the terminal")
    assert loads.begun == ["a", "b"]
    leased(room, "c")
    loads.fails = {}
    room.try_again("a")
    leased(room, "a")


@pytest.mark.parametrize("name", ["/etc/passwd", "", "../a", "ViT-B-16//etc/passwd", "a/", "nothing"])
def test_a_name_that_is_not_listed_opens_nothing(room: Any, loads: Loads, name: str) -> None:
    refused(room, name, "not on this machine")
    assert (loads.begun, room.listing.seek(name)) == ([], None)


def test_a_named_backbone_that_is_not_there_is_told_and_the_others_stay(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path)
    room = BackboneRoom(Options((str(tmp_path / "gone"), str(folder))))
    assert "is not a backbone" in room.listing.problem
    assert [*room.listing.choices] == ["mini", folder.name, f"{folder.name} (query-query)"]


def test_a_wrong_file_is_the_librarys_sentence(tmp_path: Path) -> None:
    (tmp_path / "wrong.safetensors").write_bytes(b"no weights at all")
    with closing(BackboneRoom(Options((f"ViT-B-16-quickgelu={tmp_path / 'wrong.safetensors'}",)))) as room:
        refused(room, "ViT-B-16-quickgelu/wrong.safetensors", "does not contain the weights of ViT-B-16-quickgelu")


def test_with_another_kind_of_regions_it_is_another_backbone(tmp_path: Path) -> None:
    options = Options((str(tiny.backbone_folder(tmp_path / "mine")),), precision="fp32", regions="query-query")
    with closing(BackboneRoom(options)) as room:
        own, other = (leased(room, name).backbone for name in ("mine (query-query)", "mine"))
        # The name is one that can be loaded.
        assert [(each.name, each.region_kind) for each in (own, other)] == [("mine", "query-query"), ("mine", "value")]
        assert room.status("mine (query-query)").regions == "query-query"
        assert other.fingerprint != own.fingerprint
        assert [room.named_by(each.fingerprint) for each in (own, other)] == ["mine (query-query)", "mine"]
        assert leased(room, "mini").backbone.region_kind == "value", "it has no other"
        refused(room, "mini (query-query)", "not on this machine")


# Work ----------------------------------------------------------------------------------------------------------------


def held(backbone: Backbone) -> Work:
    return Held(backbone).run()


class Held(Counting):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__(3, threading.Event())
        self.backbone = backbone

    def made(self) -> Any:
        return super().made(), self.backbone.loaded


def test_work_waits_for_its_backbone_in_steps_and_holds_it_to_its_end(
    make: Any, loads: Loads, manager: JobManager
) -> None:
    room, made = make(backbones=1), list[Held]()

    def work(backbone: Backbone) -> Work:
        made.append(Held(backbone))
        return made[-1].run()

    loads.may_end.clear()
    job = manager.submit(on_backbone(room, "a", work))
    assert wait(job, waits).state is State.RUNNING
    loads.may_end.set()
    until(lambda: made)
    refused(room, "b", "for all backbones in use")
    tiny.there(made[0].go).set()
    assert wait(job).result == (3, True)
    room.try_again("b")
    leased(room, "b")


def test_work_that_is_cancelled_or_fails_gives_its_backbone_back(make: Any, loads: Loads, manager: JobManager) -> None:
    room, fail = make(backbones=1), mock.Mock(side_effect=BackboneError("It went wrong."))
    loads.may_end.clear()
    job = manager.submit(on_backbone(room, "a", held))
    wait(job, waits)
    job.cancel()
    assert (wait(job).state, job.snapshot().result) == (State.CANCELLED, None)
    loads.may_end.set()
    assert wait(manager.submit(on_backbone(room, "b", fail))).error == "It went wrong."
    assert "not on this machine" in wait(manager.submit(on_backbone(room, "/etc/passwd", held))).error
    leased(room, "c")


# Downloads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("ViT-B-16/openai", {}, "--allow-downloads"),
        ("ViT-B-16/nothing", {"downloads": True}, "not on the list"),
        ("/etc/passwd", {"downloads": True}, "not on the list"),
        ("http://example.invalid/x", {"downloads": True}, "not on the list"),
    ],
)
def test_nothing_is_downloaded_unless_it_is_allowed_and_on_the_list(
    make: Any, name: str, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(PlainError, match=why):
        downloading(make(**options), name)


def test_a_downloaded_backbone_is_listed(make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room, clip = make(downloads=True), tmp_path / ".cache" / "clip"
    monkeypatch.setenv("HOME", str(tmp_path))

    def fetched(name: str) -> Iterator[weights.Fetched]:
        yield weights.Fetched(1, 2)
        clip.mkdir(parents=True)
        (clip / "ViT-B-16.pt").write_bytes(b"xx")
        yield weights.Fetched(2, 2)

    monkeypatch.setattr(weights, "fetch_weights", fetched)
    assert "ViT-B-16/openai" in [backbone.name for backbone in to_download(room)]
    with closing(JobManager()) as manager:
        assert wait(manager.submit(downloading(room, "ViT-B-16/openai"))).result == "ViT-B-16/openai"
    assert "ViT-B-16/openai" in room.listing.choices
    assert "ViT-B-16/openai" not in [known.name for known in to_download(room)]
    assert next(iter(room.listing.choices)) == "mini"
