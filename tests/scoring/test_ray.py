"""The same folder through Ray: two workers, one killed; one engine after the other; what ends a worker is told; calls.

One cluster serves all tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from gallop.service.tables import on_ray
from gallop.service.tables.destination import open_destination
from gallop.service.tables.on_ray import ActorPool, PoolSize, joined_to, packed, score_on_ray
from gallop.service.tables.run import ScoringProgress, score_source

from gallop import GalLoPClassifier, MethodConfig
from gallop.answers import Extras, PhotoScorer
from gallop.answers.scorer import Prepared
from gallop.answers.sources import Opener, SourceItem, open_source
from gallop.errors import BackboneError, DataError, ParallelError
from tests import tiny
from tests.cli.test_cli import call
from tests.conftest import ROOT, free_port

pytest.importorskip("ray", reason="needs the extra 'ray'")
psutil = pytest.importorskip("psutil", reason="needs psutil, which comes with the extra 'notebooks'")
if sys.platform != "linux":
    pytest.skip("Ray's processes are looked at as Linux shows them", allow_module_level=True)

SHARD, PHOTOS = 50, 200
BUSY = "timed out during startup"
"""What Ray says where its processes had no 15 seconds to start in."""


def too_busy() -> None:
    pytest.skip("Ray gives its own processes 15 seconds to start, and this machine was too busy")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute as a worker with one processor does: on some processors the last bit depends on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def short_path() -> Iterator[Path]:
    """Where Ray's own files lie: the paths of its sockets must be short. In the end nothing of it runs on."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    try:
        yield folder
    finally:
        for process in processes(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with short_path() as folder:
        yield folder


def environment(home: Path) -> dict[str, str]:
    ours = {"HOME": str(home), "RAY_TMPDIR": str(home), "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    return {**os.environ, **ours}


def processes(home: Path, name: str = "") -> list[Any]:
    """Ray's, of this test; ``name`` is how their titles begin."""
    found = []
    for process in psutil.process_iter():
        try:
            if " ".join(process.cmdline()).startswith(name) and process.environ().get("RAY_TMPDIR") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[str]:
    """Its address."""
    port = free_port()
    words = ["start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *words]
    started = subprocess.run(
        command, env=environment(home) | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True
    )
    if started.returncode:
        assert BUSY in started.stdout + started.stderr
        too_busy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # as the cluster is, whatever tokens there are on this machine
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def worker(backbone: Path) -> PhotoScorer:
    """With all that a model may have: a head, and a second look."""
    method = MethodConfig(head="ridge", detail=2)
    classifier = GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu", method=method, topk=(2, 4))
    classifier.zero_shot(["red", "green"]).add_shots(*tiny.pictures({"red": 2, "green": 2}))
    return PhotoScorer(classifier, device="cpu", extras=Extras(probabilities=True, embedding=True, regions=True))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that a worker is killed in the middle of some, and not between them."""
    folder = tmp_path_factory.mktemp("photos")
    for colour in ("red", "green"):
        (folder / colour).mkdir()
        tiny.picture(0, colour, (1400, 1000)).save(folder / colour / "0.jpg")
        for number in range(1, PHOTOS // 2):
            shutil.copy(folder / colour / "0.jpg", folder / colour / f"{number}.jpg")
    (folder / "green" / "7.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def whole(worker: PhotoScorer, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one process."""
    folder = tmp_path_factory.mktemp("whole")
    score_source(open_source(str(photos), Opener()), worker, open_destination(str(folder)), shard_size=SHARD)
    return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def on_cluster(cluster: str, source: Any, worker: PhotoScorer, folder: Path, **options: Any) -> ScoringProgress:
    place = open_destination(str(folder))
    return score_on_ray(source, worker, place, address=cluster, workers=2, shard_size=SHARD, **options)


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_write_what_one_process_does(
    cluster: str, home: Path, worker: PhotoScorer, photos: Path, whole: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(on_ray, "PIECE_PHOTOS", 16)
    monkeypatch.chdir(photos)
    seen: set[int] = set()
    killed: list[int] = []

    def heard(progress: ScoringProgress) -> None:
        seen.update(process.pid for process in processes(home, "ray::ScoringActor"))
        at_work = processes(home, "ray::ScoringActor.answer")
        if at_work and not killed:
            os.kill(at_work[0].pid, signal.SIGKILL)
            killed.append(at_work[0].pid)

    # A worker's working folder is another.
    done = on_cluster(cluster, open_source(".", Opener()), worker, tmp_path, heard=heard)
    assert (done.done, done.errors, done.skipped, done.shards) == (PHOTOS, 1, 0, PHOTOS // SHARD)
    assert files(tmp_path) == whole, "byte by byte"
    assert (len(killed), len(seen)) == (1, 3), "another came for the lost one"


@pytest.mark.slow
def test_either_engine_goes_on_after_the_other_and_what_is_whole_survives_a_source_that_ends_early(
    cluster: str, worker: PhotoScorer, photos: Path, whole: Any, tmp_path: Path
) -> None:
    def ends_early() -> Iterator[SourceItem]:
        for number, item in enumerate(open_source(str(photos), Opener())):
            if number == 3 * SHARD + 10:
                raise DataError("The bucket has gone.")
            yield item

    place = open_destination(str(tmp_path))
    score_source(open_source(str(photos), Opener()), worker, place, shard_size=SHARD, part=(2, 4))
    assert list(files(tmp_path)) == ["part-000001.parquet"]
    first = (tmp_path / "part-000001.parquet").stat().st_mtime_ns
    with pytest.raises(DataError, match="The bucket has gone"):
        on_cluster(cluster, ends_early(), worker, tmp_path)
    assert files(tmp_path) == {name: whole[name] for name in list(whole)[:3]}
    done = score_source(open_source(str(photos), Opener()), worker, place, shard_size=SHARD)
    assert (done.done, done.skipped, done.shards, files(tmp_path)) == (SHARD, 3 * SHARD, 1, whole)
    assert (tmp_path / "part-000001.parquet").stat().st_mtime_ns == first


@pytest.mark.slow
def test_a_photo_that_ends_every_worker_and_a_backbone_that_is_not_there_are_sentences(
    cluster: str, backbone: Path, worker: PhotoScorer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndedByAPhoto(PhotoScorer):
        """As one that a decoder cannot survive."""

        def prepare(self, items: Sequence[SourceItem]) -> Prepared:
            if any(item.key == "deadly.png" for item in items):
                os._exit(1)
            return super().prepare(items)

    monkeypatch.setattr(on_ray, "TRIES", 1)
    model = packed(worker, "cpu").model
    taken: dict[str, Any] = {}
    good, deadly = SourceItem("a.png", str(photos / "red" / "0.jpg")), SourceItem("deadly.png", "x")
    with joined_to(cluster, 2):
        ended = EndedByAPhoto(model, device="cpu", backbone=str(backbone))
        pool = ActorPool(ended, PoolSize(1, 0.0), taken.__setitem__)
        pool.give("good", [good])
        pool.give("bad", [good, deadly])
        with pytest.raises(
            ParallelError, match=r"lost 2 times while it processed the photos from a\.png to deadly\.png"
        ):
            pool.finish()
        assert taken["good"]["key"].to_pylist() == ["a.png"]
        lost = PhotoScorer(model, device="cpu", backbone="nowhere/openai")
        nowhere = ActorPool(lost, PoolSize(1, 0.0), print)
        with pytest.raises(BackboneError, match="does not know the architecture 'nowhere'"):
            nowhere.give("any", [good])


# On the command line -------------------------------------------------------------------------------------------------


def words(photos: Path, backbone: Path) -> list[object]:
    what = ["predict", photos, "--classes", "red,green", "--backbone", backbone]
    return [*what, "--device", "cpu", "--shard-size", SHARD, "--json"]


@pytest.mark.slow
def test_answers_by_a_cluster(cluster: str, backbone: Path, photos: Path, tmp_path: Path) -> None:
    here, there, given = tmp_path / "here", tmp_path / "there", [*words(photos, backbone), "--with", "embedding"]
    assert call(*given, "--out", here).code == 2, "one photo is empty"
    by_ray = ["--engine", "ray", "--address", cluster, "--workers", 2]
    again = call(*given, "--out", here, *by_ray)
    assert (again.code, again.json["skipped_errors"], again.json["tables"]) == (2, 1, 0), "as the rows say"
    outcome = call(*given, "--out", there, *by_ray)
    assert outcome.code == 2, outcome.err
    assert {"answered": PHOTOS - 1, "errors": 1, "tables": PHOTOS // SHARD}.items() <= outcome.json.items()
    assert files(here) == files(there), "byte by byte, the manifest too"


@pytest.mark.slow
def test_where_no_cluster_is_named_one_is_started_and_ends_with_the_call(
    backbone: Path, photos: Path, tmp_path: Path
) -> None:
    given = words(photos, backbone)
    command = [sys.executable, "-m", "gallop", *map(str, given), "--out", str(tmp_path / "there"), "--engine", "ray"]
    with short_path() as home:
        done = subprocess.run(
            [*command, "--workers", "2"], env=environment(home), cwd=tmp_path, capture_output=True, text=True
        )
        if BUSY in done.stderr:
            too_busy()
        assert done.returncode == 2, done.stderr
        assert json.loads(done.stdout)["answered"] == PHOTOS - 1
        assert not processes(home), "nothing of it runs on"
        assert call(*given, "--out", tmp_path / "here").code == 2
        assert files(tmp_path / "there") == files(tmp_path / "here")


def test_where_nobody_listens_it_is_a_sentence(
    backbone: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = mock.Mock(side_effect=ConnectionError("Ray is not running at 127.0.0.1:1.\nDetails"))
    monkeypatch.setattr("ray.init", nobody)
    nowhere = ["--engine", "ray", "--address", "127.0.0.1:1"]
    outcome = call(*words(photos, backbone), *nowhere, "--out", tmp_path / "out")
    said = "gallop: error: Ray cannot be used at 127.0.0.1:1 (Ray is not running at 127.0.0.1:1)."
    assert (outcome.code, outcome.out, outcome.err.splitlines()[-1]) == (2, "", said)
