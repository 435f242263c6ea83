"""Photos from a bucket and tables into it, by S3's own interface: moto's server, asked through s3fs as any other is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import fsspec
import pytest
from pyarrow import parquet

from gallop.answers import PhotoScorer
from gallop.answers.sources import Opener
from gallop.errors import KeysRefused
from gallop.service.tables.layout import MANIFEST
from tests import tiny
from tests.cli.test_cli import Outcome, call
from tests.conftest import leave_out_without

CLASSES = ("--classes", "red,green")


@dataclass
class Service:
    """An S3 service of its own, empty but for a bucket ``photos``."""

    server: Any
    address: str = ""
    system: Any = None

    def begin(self) -> None:
        from moto.server import ThreadedMotoServer

        self.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.address = f"http://{host}:{port}"

    def ask_for_rights(self) -> None:
        """From now on, who has no key that it knows may do nothing: nobody has."""
        self._set("reset-auth", b"0")

    def ask_for_no_rights(self) -> None:
        self._set("reset-auth", b"inf")

    def reset(self) -> None:
        self.ask_for_no_rights()
        self._set("reset", b"")
        self.system.invalidate_cache()
        self.system.mkdir("photos")

    def _set(self, what: str, value: bytes) -> None:
        asked = Request(f"{self.address}/moto-api/{what}", value, {"Content-Type": "text/plain"}, method="POST")
        urlopen(asked, timeout=30).close()

    def files(self, folder: str) -> dict[str, bytes]:
        self.system.invalidate_cache()
        return {name.removeprefix(f"{folder}/"): self.system.cat_file(name) for name in self.system.find(folder)}


@pytest.fixture(scope="module")
def started() -> Iterator[Service]:
    missing = [name for name in ("moto", "s3fs", "flask") if find_spec(name) is None]
    leave_out_without(f"{' and '.join(missing)} must be installed: pip install 'moto[server]' s3fs" if missing else "")
    begun = Service(None)
    begun.begin()
    with pytest.MonkeyPatch.context() as patch:
        keys = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1", "MAX_ATTEMPTS": "1"}
        for name, value in {"ENDPOINT_URL": begun.address, **keys}.items():
            patch.setenv(f"AWS_{name}", value)
        begun.system = fsspec.filesystem("s3")
        yield begun
        begun.system.clear_instance_cache()
        begun.server.stop()


@pytest.fixture
def service(started: Service, waits: list[float]) -> Service:
    started.reset()
    return started


@pytest.fixture
def photos(tmp_path: Path, service: Service) -> Path:
    """On disk and in the bucket; one is empty."""
    folder = tiny.write_folder(tmp_path / "photos", {"red": 14, "green": 9})
    (folder / "green" / "7.png").write_bytes(b"")
    for path in folder.rglob("*.png"):
        service.system.pipe_file(f"photos/new/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def scorer() -> PhotoScorer:
    return PhotoScorer(tiny.classifier().zero_shot(["red", "green"]), opener=Opener(home="s3://photos"))


def predict(source: object, out: object, backbone: Path, *more: object) -> Outcome:
    return call("predict", source, *CLASSES, "--backbone", backbone, "--out", out, "--shard-size", 10, *more)


def test_from_a_bucket_into_a_bucket_it_is_what_it_is_on_disk(
    photos: Path, service: Service, backbone: Path, tmp_path: Path
) -> None:
    assert predict(photos, tmp_path / "out", backbone).code == 2
    outcome = predict("s3://photos/new", "s3://photos/out/", backbone, "--json")
    assert outcome.code == 2, "one photo has no answer"
    assert (outcome.json["answered"], outcome.json["errors"], outcome.json["tables"]) == (22, 1, 3)
    mine, disk = service.files("photos/out"), {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(mine) == sorted(disk)
    for name in set(mine) - {MANIFEST}:
        assert mine[name] == disk[name], f"{name}, byte by byte"
    assert json.loads(mine[MANIFEST])["source"] == "s3://photos/new"
    other = predict("s3://photos/new/red", "s3://photos/out/", backbone)
    assert other.code == 2
    assert "s3://photos/out/ already contains results made with another source. Use another folder" in other.err


def test_a_list_on_disk_that_names_a_bucket_is_told_so_and_read_where_that_is_allowed(
    photos: Path, service: Service, backbone: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("s3://photos/new/red/0.png\n")
    assert predict(tmp_path / "list.txt", tmp_path / "out", backbone).code == 2
    (error,) = parquet.read_table(tmp_path / "out")["error"].to_pylist()
    assert error.startswith("s3://photos/new/red/0.png is in a different bucket or share from the source")
    assert predict(tmp_path / "list.txt", tmp_path / "allowed", backbone, "--buckets").code == 0


def test_without_rights_nothing_is_begun_and_nothing_is_lost(
    photos: Path, service: Service, backbone: Path, tmp_path: Path
) -> None:
    assert predict("s3://photos/new", "s3://photos/out", backbone).code == 2
    before = service.files("photos/out")
    service.ask_for_rights()
    service.system.invalidate_cache()
    for source, out in (
        ("s3://photos/new", tmp_path / "o"),
        (photos, "s3://photos/other"),
        (photos, "s3://photos/out"),
    ):
        outcome = predict(source, out, backbone)
        assert (outcome.code, outcome.out, "Traceback" in outcome.err) == (2, "", False)
        assert outcome.err.splitlines()[-1].startswith("gallop: error: s3://photos")
        assert " cannot be " in outcome.err or " rejects your credentials (" in outcome.err
    assert not (tmp_path / "o").exists()
    worker = scorer()
    with pytest.raises(
        KeysRefused, match=r"s3://photos rejects your credentials \(.*Access Key.*\): use different ones"
    ):
        worker({"path": ["s3://photos/new/red/0.png"]})
    service.ask_for_no_rights()
    assert service.files("photos/out") == before


def test_a_bucket_that_is_not_there(photos: Path, service: Service, backbone: Path, tmp_path: Path) -> None:
    for source, out, said in (
        (photos, "s3://no-such-bucket/out", f"/out/{MANIFEST} cannot be written: the bucket does not exist."),
        ("s3://no-such-bucket/photos", tmp_path / "o", "/photos is not a folder, or it is empty: check the URL."),
    ):
        outcome = predict(source, out, backbone)
        assert (outcome.code, f"s3://no-such-bucket{said}" in outcome.err) == (2, True), outcome.err


def test_a_service_that_stops_answering_while_tables_are_written_keeps_the_finished_ones(
    photos: Path, service: Service, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, seen = service.system.pipe_file, []

    def stops(path: str, value: bytes) -> None:
        seen.append(path)
        if len(seen) >= 3:  # the manifest, a table, and no more
            raise ConnectionError("the service is gone")
        put(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(service.system, "pipe_file", stops)
        outcome = predict(photos, "s3://photos/out", backbone)
    assert outcome.code == 75
    assert "s3://photos does not respond (the service is gone)" in outcome.err
    assert "1 table was written to s3://photos/out. Run the same command again to continue." in outcome.err
    assert sorted(service.files("photos/out")) == [MANIFEST, "part-000000.parquet"]
    assert predict(photos, "s3://photos/out", backbone, "--json").json["skipped"] == 10
    assert len(service.files("photos/out")) == 4
