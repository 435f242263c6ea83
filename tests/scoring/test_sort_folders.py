"""Photos into folders by class: names, nothing outside the folder, nothing overwritten, and calls that end anywhere."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from unittest import mock

import pytest

from gallop.errors import DataError
from gallop.runtime.writing import free_names
from gallop.service.sorting import sort_into_folders
from gallop.service.sorting.sort_into_folders import place, undo

HOSTILE = ["..", "../up", "a/b", "a\\b", "CON", "nul.txt", "com1", ".hidden", "  ", "...", "x" * 300, "é\n\x00", "~"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve files in two folders, six of which have the names of the other six, and other bytes."""
    for folder in ("one", "two"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for i in range(6):
            (tmp_path / "photos" / folder / f"{i}.png").write_bytes(f"{folder} {i}".encode())
    return tmp_path / "photos"


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def targets_of(photos: Path) -> dict[str, str]:
    return {key: "even" if int(key[4]) % 2 == 0 else "odd" for key in files(photos)}


def done(photos: Path, out: Path, *, move: bool, steps: int | None = None) -> list[str]:
    """The problems of a call that places photos, or of as many steps of one that is killed then."""
    placing = place(photos, out, out / "record.json", targets_of(photos), move=move)
    return [problem for problem in islice(placing, steps) if problem]


def test_a_class_of_any_name_gets_a_folder_of_its_own_that_every_system_takes(tmp_path: Path) -> None:
    names = free_names([*HOSTILE, "mug", "Mug?", "mug_", "a/b"], taken=["MUG"])
    assert len({folder.casefold() for folder in names}) == len(names) == len(HOSTILE) + 4
    for folder in names:
        (tmp_path / folder).mkdir()
        assert (tmp_path / folder).parent.resolve() == (tmp_path / folder).resolve().parent == tmp_path.resolve()
        assert folder.split(".")[0].upper() not in {"CON", "NUL", "COM1"}
        assert folder == folder.lstrip(".").rstrip(". ")
        assert not set(folder) & set('<>:"/\\|?*\n\x00')
    assert names[len(HOSTILE)] == "mug 2"


@pytest.mark.parametrize("move", [False, True])
def test_what_is_there_already_stays(photos: Path, tmp_path: Path, move: bool) -> None:
    (tmp_path / "out" / "odd").mkdir(parents=True)
    (tmp_path / "out" / "odd" / "1.png").write_bytes(b"mine")
    assert done(photos, tmp_path / "out", move=move) == []
    placed = files(tmp_path / "out")
    assert placed["odd/1.png"] == b"mine"
    assert {placed["odd/1 (2).png"], placed["odd/1 (3).png"]} == {b"one 1", b"two 1"}


def test_a_file_that_comes_in_between_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(photos, out, move=True, steps=1)
    (out / "odd").mkdir()
    (out / "odd" / "1.png").write_bytes(b"mine")
    (problem,) = done(photos, out, move=True)
    assert "is there already, and is another file" in problem
    assert (files(out)["odd/1.png"], files(photos)["one/1.png"]) == (b"mine", b"one 1")


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 5, 12])
def test_a_call_that_ends_anywhere_is_finished_by_the_next_and_photos_of_one_name_are_all_kept(
    photos: Path, tmp_path: Path, steps: int, move: bool
) -> None:
    before, out = files(photos), tmp_path / "out"
    done(photos, out, move=move, steps=steps)
    assert done(photos, out, move=move) == []
    placed = files(out)
    del placed["record.json"]
    assert sorted(placed.values()) == sorted(before.values())
    assert (placed["odd/1.png"], placed["odd/1 (2).png"]) == (b"one 1", b"two 1")
    assert files(photos) == ({} if move else before)
    for most in (steps, None):
        assert not any(islice(undo(photos, out, out / "record.json"), most))
    assert (files(photos), files(out)) == (before, {"record.json": b"{}"})


def test_a_move_to_another_disk_copies_before_it_removes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, other_disk = files(photos), OSError(sort_into_folders.errno.EXDEV, "Invalid cross-device link")
    monkeypatch.setattr(sort_into_folders.os, "rename", mock.Mock(side_effect=other_disk))
    killed = mock.patch.object(Path, "unlink", side_effect=KeyboardInterrupt("between copy and removal"))
    with killed, pytest.raises(KeyboardInterrupt):
        done(photos, tmp_path / "out", move=True)
    assert files(photos) == before
    assert (done(photos, tmp_path / "out", move=True), files(photos)) == ([], {})
    assert not any(undo(photos, tmp_path / "out", tmp_path / "out" / "record.json"))
    assert files(photos) == before


def test_undo_takes_copies_away_and_leaves_what_others_put_there(photos: Path, tmp_path: Path) -> None:
    before, out = files(photos), tmp_path / "out"
    done(photos, out, move=False)
    (out / "odd" / "mine.txt").write_bytes(b"mine")
    assert not any(undo(photos, out, out / "record.json"))
    assert (files(photos), (out / "even").exists()) == (before, False)
    assert files(out) == {"odd/mine.txt": b"mine", "record.json": b"{}"}


def test_what_could_not_be_moved_back_is_remembered_until_it_can_be(photos: Path, tmp_path: Path) -> None:
    before, out = files(photos), tmp_path / "out"
    done(photos, out, move=True)
    (photos / "one" / "1.png").write_bytes(b"mine")
    (photos / "two").rmdir()
    (photos / "two").write_bytes(b"mine as well")
    problems = [problem for problem in undo(photos, out, out / "record.json") if problem]
    kept = json.loads((out / "record.json").read_text())
    assert kept.keys() == {"one/1.png", *(f"two/{i}.png" for i in range(6))}
    assert (len(problems), all((out / path).is_file() for path in kept.values())) == (7, True)
    (photos / "one" / "1.png").unlink()
    (photos / "two").unlink()
    assert not any(undo(photos, out, out / "record.json"))
    assert (files(photos), files(out)) == (before, {"record.json": b"{}"})


def test_what_links_lead_to_is_copied_and_never_moved(photos: Path, tmp_path: Path) -> None:
    """Links to folders and to photos, out of the pile and within it, one of them to a photo that is itself moved."""
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (elsewhere / "1.png").write_bytes(b"elsewhere 1")
    (photos / "far").symlink_to(elsewhere)
    (photos / "0.png").symlink_to(elsewhere / "1.png")
    (photos / "zero.png").symlink_to(photos / "one" / "0.png")
    (photos / "also").symlink_to(photos / "two")
    links = ["0.png", "zero.png", "far/1.png", "also/0.png"]
    keys = [f"{folder}/{i}.png" for folder in ("one", "two") for i in range(6)]
    before = {key: (photos / key).read_bytes() for key in [*keys, *links]}
    for _ in range(2):
        assert not any(place(photos, out, out / "record.json", dict.fromkeys([*keys, *links], "odd"), move=True))
    assert sorted(path.read_bytes() for path in (out / "odd").iterdir()) == sorted(before.values())
    assert (files(elsewhere), [key for key in keys if (photos / key).exists()]) == ({"1.png": b"elsewhere 1"}, [])
    assert all((photos / name).is_symlink() for name in ("0.png", "zero.png", "far", "also"))
    assert not any(undo(photos, out, out / "record.json"))
    assert {key: (photos / key).read_bytes() for key in before} == before
    assert (files(out), files(elsewhere)) == ({"record.json": b"{}"}, {"1.png": b"elsewhere 1"})


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"../../up.png": "odd/up.png"}, "leads out"),
        ({"one/1.png": ".gallop/pile.json"}, "leads out"),
        ({"one/1.png": 3}, r"record.json is damaged"),
        ({"one/1.png": "odd/1\0.png"}, r"record.json is damaged"),
        ({"one/1.png": "../up.png"}, "leads out"),
        ({"/etc/hosts": "odd/hosts"}, "leads out"),
        ({"one/1.png": "/tmp/up"}, "leads out"),
        ([1], r"record.json is damaged"),
    ],
)
def test_a_record_that_leads_outside_or_is_damaged_moves_nothing(
    photos: Path, tmp_path: Path, record: object, said: str
) -> None:
    out, before = tmp_path / "out", files(photos)
    out.mkdir()
    for step in (undo(photos, out, out / "record.json"), place(photos, out, out / "record.json", {}, move=True)):
        (out / "record.json").write_text(json.dumps(record))
        with pytest.raises(DataError, match=said):
            list(step)
    assert files(photos) == before
    assert [path.name for path in out.iterdir()] in (["record.json"], ["record.json", "odd"], ["odd", "record.json"])


def test_a_class_folder_that_is_a_link_elsewhere_is_refused(photos: Path, tmp_path: Path) -> None:
    for name in ("elsewhere", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "out" / "odd").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads out"):
        done(photos, tmp_path / "out", move=False)
    assert not any((tmp_path / "elsewhere").iterdir())
