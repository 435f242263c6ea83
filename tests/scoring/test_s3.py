"""Photos from a bucket and tables into it, by S3's own interface: moto's server, asked through s3fs as any other is."""

from __future__ import annotations

import itertools
import json
import re
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
from tests.conftest import leave_out_without
from tests.scoring.test_outages import failing, predict


@dataclass
class Service:
    """An S3 service of its own, empty but for a bucket ``photos``."""

    address: str
    system: Any

    def ask_for_rights(self, rights: bool = True) -> None:
        """From now on, who has no key that it knows may do nothing: nobody has."""
        self.set("reset-auth", b"0" if rights else b"inf")

    def set(self, what: str, value: bytes = b"") -> None:
        asked = Request(f"{self.address}/moto-api/{what}", value, {"Content-Type": "text/plain"}, method="POST")
        urlopen(asked, timeout=30).close()

    def files(self, folder: str) -> dict[str, bytes]:
        self.system.invalidate_cache()
        return {name.removeprefix(f"{folder}/"): self.system.cat_file(name) for name in self.system.find(folder)}


@pytest.fixture(scope="module")
def started() -> Iterator[Service]:
    missing = [name for name in ("moto", "s3fs", "flask") if find_spec(name) is None]
    leave_out_without(f"{' and '.join(missing)} must be installed: pip install 'moto[server]' s3fs" if missing else "")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        keys = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1", "MAX_ATTEMPTS": "1"}
        for name, value in {"ENDPOINT_URL": address, **keys}.items():
            patch.setenv(f"AWS_{name}", value)
        system = fsspec.filesystem("s3")
        yield Service(address, system)
        system.clear_instance_cache()
        server.stop()


@pytest.fixture
def service(started: Service, waits: list[float]) -> Service:
    started.ask_for_rights(False)
    started.set("reset")
    started.system.invalidate_cache()
    started.system.mkdir("photos")
    return started


@pytest.fixture
def photos(tmp_path: Path, service: Service) -> Path:
    """On disk and in the bucket; one is empty."""
    folder = tiny.write_folder(tmp_path / "photos", {"red": 14, "green": 9})
    (folder / "green" / "7.png").write_bytes(b"")
    for path in folder.rglob("*.png"):
        service.system.pipe_file(f"photos/new/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def test_from_a_bucket_into_a_bucket_it_is_what_it_is_on_disk(
    photos: Path, service: Service, backbone: Path, tmp_path: Path
) -> None:
    assert predict(photos, tmp_path / "out", backbone).code == 2
    outcome = predict("s3://photos/new", "s3://photos/out/", backbone, "--json")
    assert outcome.code == 2, "one photo has no answer"
    assert (outcome.json["answered"], outcome.json["errors"], outcome.json["tables"]) == (22, 1, 3)
    mine, disk = service.files("photos/out"), {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert json.loads(mine.pop(MANIFEST))["source"] == "s3://photos/new"
    del disk[MANIFEST]
    assert mine == disk, "byte by byte"
    other = predict("s3://photos/new/red", "s3://photos/out/", backbone)
    said = "s3://photos/out/ already contains results made with another source. Use another folder"
    assert (other.code, said in other.err) == (2, True), other.err


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
        assert re.match(
            "gallop: error: s3://photos.* (cannot be|rejects your credentials) ", outcome.err.splitlines()[-1]
        )
    assert not (tmp_path / "o").exists()
    worker = PhotoScorer(tiny.classifier().zero_shot(["red", "green"]), opener=Opener(home="s3://photos"))
    with pytest.raises(
        KeysRefused, match=r"s3://photos rejects your credentials \(.*Access Key.*\): use different ones"
    ):
        worker({"path": ["s3://photos/new/red/0.png"]})
    service.ask_for_rights(False)
    assert service.files("photos/out") == before


def test_a_bucket_that_is_not_there(photos: Path, service: Service, backbone: Path, tmp_path: Path) -> None:
    for source, out, said in (
        (photos, "s3://no-such-bucket/out", f"/out/{MANIFEST} cannot be written: the bucket does not exist."),
        ("s3://no-such-bucket/photos", tmp_path / "o", "/photos is not a folder, or it is empty: check the URL."),
    ):
        outcome = predict(source, out, backbone)
        assert (outcome.code, f"s3://no-such-bucket{said}" in outcome.err) == (2, True), outcome.err


def test_a_service_that_stops_answering_while_tables_are_written_keeps_the_finished_ones(
    photos: Path, service: Service, backbone: Path
) -> None:
    calls, gone = itertools.count(1), ConnectionError("the service is gone")
    with failing(
        service.system, "pipe_file", lambda *_: gone if next(calls) >= 3 else None
    ):  # a table and the manifest
        outcome = predict(photos, "s3://photos/out", backbone)
    assert outcome.code == 75
    assert re.search(
        r"s3://photos does not respond \(the service is gone\).* 1 table was written to s3://photos/out\. "
        r"Run the same command again to continue\.",
        outcome.err,
    )
    assert sorted(service.files("photos/out")) == [MANIFEST, "part-000000.parquet"]
    assert predict(photos, "s3://photos/out", backbone, "--json").json["skipped"] == 10
    assert len(service.files("photos/out")) == 4
