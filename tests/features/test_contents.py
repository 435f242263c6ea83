"""What files were decoded to is remembered by their bytes: never wrong, whatever becomes of files, memory and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gallop import load_image, read_folder
from gallop.errors import CorruptImage, EmptyImage, ImageError, NotAnImage
from gallop.features import contents
from gallop.features.cache import FeatureCache, MemoryCache
from gallop.features.contents import KnownContents, contents_beside, decoder
from tests.tiny import picture, write_folder

Decoded = list[str]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The names of the files that were decoded."""
    names: Decoded = []

    def noted(source: Any, **named: Any) -> Any:
        found = load_image(source, **named)
        names.append(found.name)
        return found

    monkeypatch.setattr(contents, "load_image", noted)
    return names


def saved(path: Path, seed: int, **how: Any) -> Path:
    picture(seed).save(path, **how)
    return path


def test_a_file_is_decoded_once_wherever_it_lies_and_whoever_asks(tmp_path: Path, decoded: Decoded) -> None:
    first = saved(tmp_path / "a.png", 0)
    assert KnownContents(tmp_path).sha256(first) == load_image(first).sha256
    copy = shutil.copy(first, tmp_path / "b.png")
    again = KnownContents(tmp_path)
    assert again.sha256(Path(copy)) == again.sha256(first) == load_image(first).sha256
    assert decoded == ["a.png"]
    packed = saved(tmp_path / "c.png", 0, compress_level=0)
    assert again.sha256(packed) == load_image(first).sha256, "other bytes of the same picture"
    assert decoded == ["a.png", "c.png"]


def test_a_file_that_was_changed_behind_its_name_and_times_is_seen(tmp_path: Path) -> None:
    """As a copy with its times, or an edit within a tick of the clock, leaves it."""
    path = saved(tmp_path / "a.bmp", 0)
    before, known = path.stat(), KnownContents(tmp_path)
    first = known.sha256(path)
    other = saved(tmp_path / "other.bmp", 1).read_bytes()
    assert len(other) == before.st_size
    with path.open("r+b") as file:
        file.write(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ino == before.st_ino
    assert known.sha256(path) == load_image(path).sha256 != first


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-20],
    "turned": lambda data: data.replace(b"a", b"b"),
    "nothing": lambda data: b"",
    "noise": lambda data: bytes(range(256)) * 9,
    "twice": lambda data: data * 2,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_the_memory_is_not_believed(
    tmp_path: Path, decoded: Decoded, damage: Callable[[bytes], bytes]
) -> None:
    paths = [saved(tmp_path / f"{seed}.png", seed) for seed in range(5)]
    wanted = [load_image(path).sha256 for path in paths]
    known = KnownContents(tmp_path)
    assert [known.sha256(path) for path in paths] == wanted
    (memory,) = (tmp_path / "contents").iterdir()
    memory.write_bytes(damage(memory.read_bytes()))
    for _ in range(3):
        decoded.clear()
        known = KnownContents(tmp_path)
        assert [known.sha256(path) for path in paths] == wanted
    assert not decoded, "what was decoded after the damage stands behind it"


def test_another_decoder_decodes_anew(tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch) -> None:
    path, usual = saved(tmp_path / "a.png", 0), decoder()
    KnownContents(tmp_path).sha256(path)
    monkeypatch.setattr("PIL.__version__", "1.1.7")
    assert decoder() != usual
    KnownContents(tmp_path).sha256(path)
    assert decoded == ["a.png"] * 2
    monkeypatch.undo()
    monkeypatch.setattr(contents.features, "version", lambda library: "9" if library == "libjpeg_turbo" else None)
    assert decoder() != usual


def test_a_line_of_this_projects_code_for_images_makes_another_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(contents.images.__file__).parent, tmp_path / "images")
    monkeypatch.setattr(contents.images, "__file__", str(tmp_path / "images" / "__init__.py"))
    usual = decoder()
    with (tmp_path / "images" / "pixels.py").open("a") as code:
        code.write("BACKGROUND = (0, 0, 0)\n")
    assert decoder() != usual


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda path: path.write_bytes(b""), EmptyImage),
        (lambda path: path.write_bytes(b"words"), NotAnImage),
        (lambda path: path.write_bytes(saved(path, 0).read_bytes()[:-60]), CorruptImage),
        (lambda path: path.mkdir(), NotAnImage),
        (lambda path: None, NotAnImage),
    ],
)
def test_what_cannot_be_read_is_told_as_it_always_was_and_not_remembered(
    tmp_path: Path, write: Callable[[Path], object], error: type[ImageError]
) -> None:
    path = tmp_path / "a.png"
    write(path)
    with pytest.raises(error) as usual:
        load_image(path)
    known = KnownContents(tmp_path)
    for _ in range(2):
        with pytest.raises(error) as found:
            known.sha256(path)
        assert str(found.value) == str(usual.value)
    assert not (tmp_path / "contents").exists()


def test_a_disk_that_refuses_or_is_full_stops_nobody(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "contents").write_text("a file where the folder should be")
    paths = [saved(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    wanted = [load_image(path).sha256 for path in paths]
    assert [KnownContents(tmp_path).sha256(path) for path in paths] == wanted

    KnownContents(tmp_path / "full").sha256(saved(tmp_path / "first.png", 9))
    (memory,) = (tmp_path / "full" / "contents").iterdir()
    whole = memory.stat().st_size

    def full(path: Path, content: bytes) -> None:
        with path.open("ab") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(contents, "append_quickly", full)
        known = KnownContents(tmp_path / "full")
        assert [known.sha256(path) for path in paths] == wanted
    assert whole < memory.stat().st_size < 2 * whole, "after the first refusal nothing more is tried"
    for _ in range(2):
        assert [KnownContents(tmp_path / "full").sha256(path) for path in paths] == wanted
    assert len(memory.read_bytes().split()) == 3 + 2 + 3 * 3, "what was there, half a line, and three whole ones"


def test_the_memory_has_an_end(tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CONTENTS_BYTES", 300)
    paths = [saved(tmp_path / f"{seed}.png", seed) for seed in range(4)]
    for _ in range(2):
        known = KnownContents(tmp_path)
        assert [known.sha256(path) for path in paths] == [load_image(path).sha256 for path in paths]
    (memory,) = (tmp_path / "contents").iterdir()
    assert memory.stat().st_size <= 300
    assert decoded == ["0.png", "1.png", "2.png", "3.png", "2.png", "3.png"]


def test_a_pipe_in_its_place_is_neither_waited_for_nor_written_to(tmp_path: Path) -> None:
    (tmp_path / "contents").mkdir()
    os.mkfifo(tmp_path / "contents" / f"{decoder()}.txt")
    path = saved(tmp_path / "a.png", 0)
    assert KnownContents(tmp_path).sha256(path) == load_image(path).sha256


def test_what_a_folder_holds_is_the_same_with_and_without_a_memory(tmp_path: Path, decoded: Decoded) -> None:
    write_folder(tmp_path / "photos", {"red": 3, "green": 2})
    shutil.copy(next((tmp_path / "photos" / "red").iterdir()), tmp_path / "photos" / "red" / "copy.png")
    (tmp_path / "photos" / "green" / "broken.png").write_bytes(b"no")
    usual = read_folder(tmp_path / "photos")
    for times in (5, 0):
        decoded.clear()
        assert read_folder(tmp_path / "photos", content=KnownContents(tmp_path / "cache").sha256) == usual
        assert len(decoded) == times


def test_without_a_cache_on_disk_nothing_is_kept(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an app, which may write nothing of anybody's photos to disk."""
    monkeypatch.chdir(tmp_path)

    path = saved(tmp_path / "a.png", 0)
    for cache in (None, MemoryCache()):
        assert contents_beside(cache)(path) == load_image(path).sha256
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    contents_beside(FeatureCache(tmp_path / "own"))(path)
    assert [entry.name for entry in (tmp_path / "own").iterdir()] == ["contents"]
