"""Archives made to do harm: what of them is taken, what is refused in a sentence, and what it costs."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from app.photos.archives import Member, read_zip, sorted_out
from gallop.data.zip_files import ArchiveError
from tests.app.test_photos import file, jpeg
from tests.tiny import zip_of


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    return file(zip_of(members, method), "photos.zip")


def places(members: dict[str, bytes]) -> tuple[list[tuple[str, bool, str]], list[str]]:
    """(class, for testing, file name) of what is taken, and the refusals."""
    found = list(read_zip(zipped(members), "photos.zip"))
    taken = [(m.place.class_name, m.place.test, m.place.name) for m in found if isinstance(m, Member)]
    return taken, [sentence for sentence in found if isinstance(sentence, str)]


PHOTO = jpeg(1).getvalue()


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        pytest.param(
            ("ant/1.jpg", "long-sleeve_top/2.JPG", "photos/train/bee/3.png", "photos/test/bee/4.png"),
            [
                ("ant", False, "1.jpg"),
                ("long-sleeve top", False, "2.JPG"),
                ("bee", False, "3.png"),
                ("bee", True, "4.png"),
            ],
            id="the folder names the class and a test folder keeps for testing",
        ),
        pytest.param(("cafe\u0301/1.jpg",), [("café", False, "1.jpg")], id="names are composed"),
        pytest.param(
            ("__MACOSX/ant/._1.jpg", "ant/._1.jpg", "ant/.DS_Store", "ant/Thumbs.db", "ant/"),
            [],
            id="clutter is skipped without a word",
        ),
    ],
)
def test_each_member_has_its_place_by_its_path(members: tuple[str, ...], taken: list[tuple[str, bool, str]]) -> None:
    assert places(dict.fromkeys(members, PHOTO)) == (taken, [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../ant/1.jpg", "is not a safe path"),
        ("/etc/ant/1.jpg", "is not a safe path"),
        ("C:/ant/1.jpg", "is not a safe path"),
        ("..\\..\\ant\\1.jpg", "is not a safe path"),
        ("ant/../../1.jpg", "is not a safe path"),
        ("ant/\u202e1.jpg", "invisible"),
        ("a\u200bnt/1.jpg", "invisible"),
        ("ant\n/1.jpg", "invisible"),
        ("1.jpg", "is not in a folder"),
        ("a/b/c/d/1.jpg", "nested too deeply"),
        ("ant/run.exe", "does not have an image file extension"),
        ("ant/notes.txt", "does not have an image file extension"),
        ("_/1.jpg", "no name"),
        ("x" * 201 + "/1.jpg", "too long"),
    ],
)
def test_a_hostile_path_is_refused_in_a_sentence_the_good_one_beside_it_taken_and_nothing_written_to_disk(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken, refused = places({name: PHOTO, "ant/good.jpg": PHOTO})
    assert (taken, len(refused), list(tmp_path.rglob("*"))) == ([("ant", False, "good.jpg")], 1, [])
    assert (words in refused[0], refused[0].isprintable()) == (True, True)


def test_a_bomb_is_stopped_whatever_it_declares() -> None:
    bomb, good = read_zip(zipped({"ant/1.png": bytes(19 * 2**20), "ant/2.jpg": PHOTO}), "photos.zip")
    assert ("100 times" in str(bomb), type(good)) == (True, Member)

    lying = zipped({"ant/1.png": bytes(19 * 2**20)}).getvalue()
    real, small = struct.pack("<I", 19 * 2**20), struct.pack("<I", 1000)
    assert lying.count(real) == 2  # beside the member and in the list at the end
    tracemalloc.start()
    found = list(read_zip(io.BytesIO(lying.replace(real, small)), "photos.zip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(entry) for entry in found] == [str]
    assert peak < 2 * 2**20


def test_a_member_above_the_cap_of_a_photo_is_refused() -> None:
    big = b"\xff\xd8\xff" + bytes(range(256)) * (21 * 4096)
    found = list(read_zip(zipped({"ant/1.jpg": big}, zipfile.ZIP_STORED), "photos.zip"))
    assert found == ["ant/1.jpg in photos.zip is larger than 20 MB, the limit for such a file. Use a smaller one."]


def test_sizes_that_lie_give_nothing() -> None:
    lying = bytearray(zipped({f"ant/{i}.jpg": PHOTO for i in range(4)}, zipfile.ZIP_STORED).getvalue())
    for at in [i for i in range(len(lying)) if lying[i : i + 4] == b"PK\x01\x02"]:
        lying[at + 24 : at + 28] = struct.pack("<I", 1)
    assert [type(entry) for entry in read_zip(io.BytesIO(bytes(lying)), "photos.zip")] == [str] * 4


def test_a_stream_without_end_is_stopped_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """zipfile stops at the declared size; the caps do not rely on it."""
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda _, size: bytes(size))
    (refused,) = read_zip(zipped({"ant/1.jpg": PHOTO}, zipfile.ZIP_STORED), "photos.zip")
    assert "more than 100 times" in str(refused)


@pytest.mark.parametrize(
    ("limit", "most", "photo", "words"),
    [
        ("MAX_TOTAL_BYTES", 3 * len(PHOTO), PHOTO, "unpacks to more than"),
        ("MAX_MEMBERS", 3, b"", "may contain at most 3"),
    ],
)
def test_too_much_altogether_is_refused_before_any_is_read(
    limit: str, most: int, photo: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"gallop.data.zip_files.{limit}", most)
    with pytest.raises(ArchiveError, match=words):
        next(read_zip(zipped({f"ant/{i}.jpg": photo for i in range(4)}), "photos.zip"))


def test_what_comes_out_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.data.zip_files.MAX_TOTAL_BYTES", 3 * len(PHOTO))
    found = read_zip(zipped({f"ant/{i}.jpg": b"x" for i in range(4)}), "photos.zip")
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: io.BytesIO(2 * PHOTO))
    assert isinstance(next(found), Member)
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        next(found)


def test_a_list_of_members_that_would_fill_the_memory_is_not_read() -> None:
    many = zipped({f"ant/{i:06}.jpg": b"" for i in range(20_000)}, zipfile.ZIP_STORED)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="too many"):
        next(read_zip(many, "photos.zip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_an_encrypted_or_damaged_member_is_refused_and_the_next_is_read() -> None:
    content = bytearray(zipped({"ant/1.jpg": PHOTO, "ant/2.jpg": PHOTO}, zipfile.ZIP_STORED).getvalue())
    content[60] ^= 0xFF  # in the first member's bytes: its checksum is wrong now
    damaged, good = read_zip(io.BytesIO(bytes(content)), "photos.zip")
    assert ("damaged" in str(damaged), type(good)) == (True, Member)
    encrypted = bytearray(zipped({"ant/1.jpg": PHOTO}).getvalue())
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    assert "without a password" in str(next(read_zip(io.BytesIO(bytes(encrypted)), "photos.zip")))


@pytest.mark.parametrize("content", [b"", b"words", b"PK\x03\x04", zipped({"ant/1.jpg": PHOTO}).getvalue()[:-30]])
def test_what_is_no_zip_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"x\.zip"):
        next(read_zip(io.BytesIO(content), "x.zip"))


def test_uploads_are_told_apart_by_their_content_not_by_their_name() -> None:
    archive = file(zip_of({"bee/1.jpg": PHOTO, "2.jpg": PHOTO}), "holiday.jpg")
    found = list(sorted_out([jpeg(2, "a.jpg"), archive, file(b"PK\x03\x04", "b.zip")], "ant"))
    assert [m.place.class_name for m in found if isinstance(m, Member)] == ["ant"] * 3
    assert "b.zip" in str(found[-1])


def test_a_folder_gives_paths() -> None:
    files = [jpeg(1, "things/bee/1.jpg"), file(b"x", "bee/.DS_Store"), jpeg(2, "loose.jpg")]
    member, loose = sorted_out(files)
    assert isinstance(member, Member)
    assert (member.place.class_name, "is not in a folder" in str(loose)) == ("bee", True)
