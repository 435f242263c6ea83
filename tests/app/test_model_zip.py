"""A model as a zip and back: bit-equal, and no hostile zip comes in."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest

from app.jobs import PlainError
from app.runs.run import classifier_of, files_of, model_zip, unzipped
from gallop import GalLoPClassifier
from gallop.data.project_file import RUN_FILES
from gallop.data.zip_files import ArchiveError
from tests import tiny


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    return tiny.classifier().fit(images, labels)


@pytest.fixture(scope="module")
def files(taught: GalLoPClassifier) -> dict[str, bytes]:
    return files_of(taught)


def test_a_model_comes_back_bit_equal(taught: GalLoPClassifier, files: dict[str, bytes]) -> None:
    data = model_zip(files, "# A card")
    assert data == model_zip(files, "# A card")  # nothing in it depends on the time
    back = classifier_of(unzipped(io.BytesIO(data), "model.zip"), tiny.vit())
    probe = [tiny.picture(50 + i, colour) for i, colour in enumerate(["red", "green", "blue"])]
    assert tiny.equal(tiny.learned(back), tiny.learned(taught))
    assert np.array_equal(back.predict_proba(probe), taught.predict_proba(probe))
    assert np.array_equal(back.ood_score(probe), taught.ood_score(probe))


@pytest.mark.parametrize("folder", ["", "my model/", "a/b/"])
def test_it_is_found_at_the_top_or_in_a_folder_and_clutter_is_not_read(files: dict[str, bytes], folder: str) -> None:
    members = {f"{folder}{name}": content for name, content in files.items()}
    members |= {"__MACOSX/gallop.json": b"x", "README.md": b"x" * 100, "../../evil.sh": b"x"}
    assert unzipped(io.BytesIO(tiny.zip_of(members)), "model.zip") == files


def test_hostile_zips_are_refused_in_a_sentence(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    locked = bytearray(tiny.zip_of(files))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.find(mark) + at] |= 1
    damaged = bytearray(tiny.zip_of(files, zipfile.ZIP_STORED))
    damaged[100] ^= 0xFF
    cases = {
        "not a zip": b"hello" * 20,
        "contains no prompts.safetensors": tiny.zip_of({"gallop.json": b"{}"}),
        "contains 2 gallop.json": tiny.zip_of({**files, "more/gallop.json": b"{}"}),
        "is encrypted": bytes(locked),
        "is damaged": bytes(damaged),
        "is larger than 4 MB": tiny.zip_of({**files, "gallop.json": b" " * (5 * 2**20)}),
    }
    for words, data in cases.items():
        with pytest.raises(ArchiveError, match=words):
            unzipped(io.BytesIO(data), "model.zip")
    # One that lies about its size gives no more than it declared.
    monkeypatch.setitem(RUN_FILES, "gallop.json", 1000)
    lying = bytearray(tiny.zip_of({**files, "gallop.json": b" " * 5000}, zipfile.ZIP_STORED))
    for at in (lying.find(b"gallop.json") - 30 + 18, lying.rfind(b"gallop.json") - 46 + 20):  # in both headers
        lying[at : at + 8] = struct.pack("<II", 10, 10)
    with pytest.raises(ArchiveError, match=r"damaged|more than"):
        unzipped(io.BytesIO(bytes(lying)), "model.zip")


def test_what_the_files_say_is_checked_by_the_library_and_told_in_few_words(files: dict[str, bytes]) -> None:
    """A page that shows megabytes of error stands still for minutes."""
    settings = json.loads(files["gallop.json"])
    names = [f"{'name' * 20} {i}" for i in range(30_000)]
    header = json.dumps({name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in names * 4}).encode()

    def saying(**changes: object) -> dict[str, bytes]:
        return files | {"gallop.json": json.dumps(settings | changes).encode()}

    cases = {
        "is damaged": files | {"gallop.json": b"[]"},
        "is damaged .*utf-8": files | {"gallop.json": b"\xff\xfe\xfa"},
        "format 99": saying(format=99),
        "different weights": saying(fingerprint="0" * 64),
        "missing or damaged": files | {"prompts.safetensors": b"\x80\x04pickle"},
        "two different saves": saying(prompts_sha256="0" * 64),
        "does not match": saying(method=settings["method"] | {"global_prompts": 7}),
        "its header claims": files | {"prompts.safetensors": (2**33).to_bytes(8, "little") + header},
        "and 29994 more": saying(**dict.fromkeys(names, 1)),
    }
    for words, bad in cases.items():
        with pytest.raises(PlainError, match=words) as raised:
            classifier_of(bad, tiny.vit())
        assert ("/tmp" in str(raised.value), len(str(raised.value)) < 1000) == (False, True)
