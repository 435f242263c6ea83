"""``gallop sort``: a pile, a page to check on, checks, and folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from gallop import GalLoPClassifier
from gallop.cli.commands import sort as sort_command
from gallop.evaluation.promise import Promise, checks_needed
from gallop.model.calibration import Calibration
from gallop.runtime.writing import locked
from gallop.service.sorting import scores_file
from gallop.service.sorting.scored_pile import Pile
from tests import tiny
from tests.cli.test_cli import Outcome, call

PHOTOS = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, backbone: Path) -> Path:
    """A model that knows nothing of two classes, without a limit for "none of these"."""
    return save(tmp_path_factory.mktemp("model"), backbone, "red", "../green")


def save(folder: Path, backbone: Path, *names: str) -> Path:
    with pytest.warns(UserWarning, match="cannot be loaded by its name"):
        GalLoPClassifier(backbone=str(backbone), topk=(4,)).zero_shot(names).save(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """120 photos, of which one cannot be read."""
    folder = tiny.write_folder(tmp_path / "photos", {"red": PHOTOS // 2, "green": PHOTOS // 2})
    (folder / "green" / "7.png").write_bytes(b"")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def sort(photos: Path, model: Path, out: Path, *more: object) -> Outcome:
    return call("sort", photos, "--model", model, "--out", out, "--json", *more)


@pytest.fixture
def first(photos: Path, model: Path, out: Path) -> Outcome:
    """A call that accepts nearly all."""
    return sort(photos, model, out, "--line", 0.1)


def facts_of(out: Path) -> dict[str, Any]:
    """What the page knows."""
    text = (out / "check.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    return dict(json.loads(tiny.there(found)[1]))


def checked(out: Path, number: int, wrong: dict[int, str] | None = None) -> dict[str, str]:
    """Save checks of the page's first photos, right but for some that are said to be something else."""
    facts = facts_of(out)
    checks = {photo["key"]: photo["label"] for photo in facts["photos"][:number]}
    checks |= {facts["photos"][i]["key"]: name for i, name in (wrong or {}).items()}
    (out / "checks.json").write_text(json.dumps({"pile": facts["pile"], "checks": facts["earlier"] | checks}))
    return checks


def placed(out: Path) -> dict[str, bytes]:
    """All photos in class folders."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.glob("*/*.png")}


def test_checks_earn_a_promise_and_photos_are_copied(photos: Path, model: Path, out: Path, first: Outcome) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    assert (first.code, "1 photo cannot be read" in first.err) == (2, True)
    needed = int(checks_needed(0.05, PHOTOS - 1)[0])
    wanted = {
        "photos": PHOTOS,
        "errors": 1,
        "accepted": PHOTOS - 1,
        "remaining": needed,
        "placed": 0,
        "next_line": None,
    }
    assert wanted.items() <= first.json.items(), "nothing was checked yet"
    assert placed(out) == {}
    facts = facts_of(out)
    assert len({photo["key"] for photo in facts["photos"]}) == len(facts["photos"]) >= needed
    assert all(photo["url"].startswith("data:image/jpeg;base64,") for photo in facts["photos"])
    checked(out, needed - 1)
    almost = sort(photos, model, out).json
    assert (almost["remaining"], placed(out), len(facts_of(out)["earlier"])) == (1, {}, needed - 1)
    checked(out, 1)
    after = sort(photos, model, out)
    wanted = {"promise": Promise(0.05, PHOTOS - 1, needed).words, "remaining": 0, "placed": PHOTOS - 1}
    assert wanted.items() <= after.json.items()
    assert sorted(placed(out).values()) == sorted(data for data in before.values() if data)
    assert {path.split("/")[0] for path in placed(out)} <= {"red", "_green"}
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before
    assert sort(photos, model, out).json == after.json


@pytest.mark.usefixtures("first")
def test_errors_cost_checks_and_go_where_the_checker_says(photos: Path, model: Path, out: Path) -> None:
    label = facts_of(out)["photos"][0]["label"]
    other = next(name for name in ("red", "../green") if name != label)
    needed = checks_needed(0.05, PHOTOS - 1)
    keys = list(checked(out, int(needed[0]), {0: other, 1: ""}))
    told = sort(photos, model, out).json
    assert (told["wrong"], told["remaining"]) == (2, int(needed[2] - needed[0]))
    checked(out, told["remaining"])
    assert sort(photos, model, out).json["remaining"] == 0
    found = placed(out)
    assert len(found) == PHOTOS - 2, "all but the one that shows none of these, and the one that cannot be read"
    contents = {path.split("/")[0]: data for path, data in found.items() if data == (photos / keys[0]).read_bytes()}
    assert list(contents) == [{"red": "red", "../green": "_green"}[other]]
    assert str(photos / keys[1]) in (out / "rest.txt").read_text().splitlines()


@pytest.mark.usefixtures("first")
def test_a_line_that_is_moved_after_errors_is_another_promise(photos: Path, model: Path, out: Path) -> None:
    free = sort(photos, model, out, "--line", 0.11).json
    assert free["remaining"] == checks_needed(0.05, PHOTOS - 1)[0], "nothing was checked yet"
    checked(out, 10, {3: ""})
    moved = sort(photos, model, out, "--line", 0.12)
    left = PHOTOS - 1 - 10
    assert (moved.json["accepted"], moved.json["checked"]) == (left, 0)
    assert moved.json["remaining"] == checks_needed(0.05, left, 1)[0]
    again = sort(photos, model, out)
    assert "has checks of another line, or of other photos: the promise takes new ones" in again.err
    checked(out, moved.json["remaining"])
    kept = sort(photos, model, out).json
    assert (kept["remaining"], kept["placed"]) == (0, PHOTOS - 2)


def test_a_promise_that_failed_is_not_forgotten_by_asking_for_less(photos: Path, model: Path, out: Path) -> None:
    sort(photos, model, out, "--line", 0.1, "--promise", 1)
    checked(out, int(checks_needed(0.05, PHOTOS - 1)[1]), {0: ""})
    assert sort(photos, model, out, "--promise", 5).json["remaining"] == 0
    left = sort(photos, model, out, "--promise", 1, "--line", 0.2).json["accepted"]
    assert sort(photos, model, out, "--promise", 1).json["remaining"] == Promise(0.01, left, moved=1).remaining


@pytest.mark.usefixtures("first")
def test_only_checks_that_follow_each_other_count(photos: Path, model: Path, out: Path) -> None:
    """Else one could leave out the photos that look wrong."""
    checks = checked(out, 50)
    del checks[list(checks)[7]]
    (out / "checks.json").write_text(json.dumps({"pile": facts_of(out)["pile"], "checks": checks}))
    assert sort(photos, model, out).json["checked"] == 7


def test_without_a_promise_nothing_is_asked_and_nothing_promised(photos: Path, model: Path, out: Path) -> None:
    told = sort(photos, model, out, "--promise", "none", "--line", 0.1).json
    found = len(placed(out)), told["placed"], told["promise"], told["page"]
    assert found == (PHOTOS - 1, PHOTOS - 1, "none", None)


def test_moves_are_undone(photos: Path, model: Path, out: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    sort(photos, model, out, "--promise", "none", "--line", 0.1, "--move")
    assert [path.name for path in photos.rglob("*.png")] == ["7.png"]
    again = sort(photos, model, out, "--promise", "none", "--move")
    assert again.json["placed"] == PHOTOS - 1, "photos that were moved are not missed"
    assert "pass that folder" in sort(photos / "red", model, out, "--undo").err, "they came from another one"
    assert sort(photos, model, out, "--undo").json == {"moved back": PHOTOS - 1, "failed": 0}
    assert ({path: path.read_bytes() for path in photos.rglob("*.png")}, placed(out)) == (before, {})


@pytest.mark.usefixtures("first")
def test_a_limit_that_is_unreliable_decides_nothing(
    photos: Path, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, as everywhere, and "none of these" is no reason to leave a photo where it is."""
    remembered = out / ".gallop" / "pile.json"
    state = json.loads(remembered.read_text())
    assert (state["doubt"], sort(photos, model, out).json["none_of_these"]) == ("", 0), "this model has no limit"
    two = [{"key": key, "label": "red", "probability": 0.9, "is_ood": key == "a"} for key in "ab"]
    assert Pile(two, state, 0.05).accepted == ["b"]
    assert sorted(Pile(two, state | {"doubt": "unreliable"}, 0.05).accepted) == ["a", "b"]
    monkeypatch.setattr(Calibration, "doubt", "The limit is unreliable.")
    assert "warning: The limit is unreliable." in sort(photos, model, out).err


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_two_calls_do_not_work_on_one_folder(photos: Path, model: Path, out: Path) -> None:
    with locked(out / ".gallop" / "lock"):
        assert "Another gallop sort is at work" in sort(photos, model, out).err


def test_a_pile_that_is_too_small_is_told(model: Path, out: Path, tmp_path: Path) -> None:
    photos = tiny.write_folder(tmp_path / "few", {"red": 8})
    told = sort(photos, model, out, "--line", 0.1).json
    assert told["promise"] == "Too few to promise that at most 5 % are wrong (8 photos): check them all."
    checked(out, 8)
    assert "all checked" in sort(photos, model, out).json["promise"]


@pytest.mark.parametrize("checks", ["[1]", "{}", '{"checks": 3}', '{"pile": "x", "checks": {"a": "blue"}}'])
def test_a_file_that_has_no_checks_is_refused(photos: Path, model: Path, out: Path, checks: str) -> None:
    out.mkdir()
    (out / "checks.json").write_text(checks)
    outcome = sort(photos, model, out, "--line", 0.1)
    assert (outcome.code, "damaged" in outcome.err) == (2, True)


def test_what_cannot_be_sorted_is_refused(photos: Path, model: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for pile, to, said in (
        (photos, photos / "red" / "sorted", "lies in"),
        (photos / "nowhere", out, "is not a folder"),
        (tmp_path / "empty", out, "contains no photos"),
    ):
        assert said in sort(pile, model, to).err
    assert sort(photos / "red", model, out, "--line", 0.1).json["photos"] == PHOTOS // 2, "nothing was taken up by it"
    assert "does not exist" in sort(photos / "red", model, out, "--checks", tmp_path / "none.json").err
    sort(photos, model, tmp_path / "other", "--line", 0.1)
    assert "choose another --out" in sort(photos / "red", model, tmp_path / "other").err


@pytest.mark.usefixtures("first")
def test_checks_of_a_photo_that_is_not_there_are_refused_and_nothing_is_remembered(
    photos: Path, model: Path, out: Path
) -> None:
    checks = checked(out, facts_of(out)["needed"][0])
    told = json.loads((out / "checks.json").read_text())
    (out / "checks.json").write_text(json.dumps(told | {"checks": told["checks"] | {"../7.png": "red"}}))
    refused = sort(photos, model, out)
    assert (refused.code, "not in this pile" in refused.err, placed(out)) == (2, True, {})
    (out / "checks.json").write_text(json.dumps(told | {"checks": told["checks"] | checks}))
    assert sort(photos, model, out).json["placed"] == PHOTOS - 1


def test_photos_of_an_earlier_call_that_nothing_is_promised_of_are_told(photos: Path, model: Path, out: Path) -> None:
    sort(photos, model, out, "--promise", "none", "--line", 0.1)
    assert sort(photos, model, out, "--promise", "none", "--line", 0.99).json["accepted"] == 0
    again = sort(photos, model, out, "--promise", "none", "--line", 0.99)
    assert f"{PHOTOS - 1} photos of an earlier call would not go there now" in again.err
    assert (out / "rest.txt").read_text() == "", "what was placed is not what is left"


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
def test_a_name_that_is_not_utf8_ends_nothing(model: Path, out: Path, tmp_path: Path) -> None:
    photos = tiny.write_folder(tmp_path / "odd", {"red": 4})
    (photos / "red" / "0.png").rename(photos / "red" / "bad\udcff.png")
    for _ in range(2):
        told = sort(photos, model, out, "--line", 0.1, "--promise", "none")
        assert (told.code, told.json["photos"], len(placed(out))) == (0, 4, 4), told.err
    assert sort(photos, model, out, "--undo").json == {"moved back": 4, "failed": 0}


# A pile that is not what it was ------------------------------------------------------------------------------------


def state_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / ".gallop" / "pile.json").read_text()))


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / ".gallop" / "scores.jsonl").read_text().splitlines() if line]


def replace(photo: Path) -> None:
    tiny.picture(1000, "blue", (48, 48)).save(photo)


@pytest.mark.usefixtures("first")
def test_photos_that_came_changed_or_went_are_scored_or_left_out_and_said(
    photos: Path, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(photos / "red" / "new.png")
    replace(photos / "red" / "0.png")
    replace(photos / "green" / "7.png")
    (photos / "red" / "1.png").unlink()
    scored = list[str]()
    answered = scores_file.answers
    monkeypatch.setattr(
        scores_file,
        "answers",
        lambda worker, items: answered(worker, [scored.append(item.key) or item for item in items]),
    )
    told = sort(photos, model, out)
    assert "Since the last call 3 photos came or changed (scored now), 1 went (left out)." in told.err
    assert (told.code, told.json["photos"], scored) == (0, PHOTOS, ["green/7.png", "red/0.png", "red/new.png"])
    assert "Since the last call" not in sort(photos, model, out).err
    assert len(scored) == 3, "all scores are there"


def test_photos_that_came_after_a_promise_are_another_promise(photos: Path, model: Path, out: Path) -> None:
    sort(photos, model, out, "--line", 0.1)
    needed = int(checks_needed(0.05, PHOTOS - 1)[0])
    keys = checked(out, needed)
    replace(photos / "red" / "new.png")
    told = sort(photos, model, out)
    wanted = {"accepted": PHOTOS - needed, "checked": 0, "placed": 0}
    assert wanted.items() <= told.json.items(), "what was checked is known, and not asked again"
    assert ("the promise takes new ones" in told.err, placed(out)) == (True, {})
    assert (state_of(out)["known"], state_of(out)["moved"]) == (keys, 0), "the promise before was kept"
    checked(out, told.json["remaining"])
    assert sort(photos, model, out).json["placed"] == PHOTOS


def test_photos_that_were_moved_are_on_the_page_that_follows(photos: Path, model: Path, out: Path) -> None:
    """After a promise, photos came: those that were moved are among what is promised next."""
    sort(photos, model, out, "--line", 0.1)
    checked(out, int(checks_needed(0.05, PHOTOS - 1)[0]))
    assert sort(photos, model, out, "--move").json["placed"] == PHOTOS - 1
    replace(photos / "red" / "new.png")
    sort(photos, model, out, "--move")
    assert all(photo["url"].startswith("data:image/jpeg;base64,") for photo in facts_of(out)["photos"])


@pytest.mark.usefixtures("first")
def test_photos_that_are_taken_away_while_checks_find_errors_cost_as_a_moved_line(
    photos: Path, model: Path, out: Path
) -> None:
    """Else one would remove what was found wrong until the rest looks right."""
    keys = list(checked(out, 10, {3: ""}))
    (photos / keys[3]).unlink()
    told = sort(photos, model, out).json
    assert told["remaining"] == Promise(0.05, PHOTOS - 11, moved=1).remaining
    assert state_of(out)["known"].keys() == {*keys[:3], *keys[4:]}


@pytest.mark.usefixtures("first")
def test_checks_say_nothing_of_a_photo_that_was_replaced_whatever_its_class(
    photos: Path, model: Path, out: Path
) -> None:
    """Among the others that are accepted, only what was not checked may have changed: they are no sample of that."""
    keys = checked(out, 5)
    row = next(row for row in rows_of(out) if row["key"] not in keys)
    os.utime(photos / row["key"], ns=(0, 0))
    told = sort(photos, model, out).json
    assert (told["checked"], told["accepted"], state_of(out)["known"]) == (0, PHOTOS - 6, keys)


@pytest.mark.usefixtures("first")
def test_what_was_said_of_a_photo_that_was_replaced_is_forgotten(photos: Path, model: Path, out: Path) -> None:
    keys = list(checked(out, 3))
    sort(photos, model, out, "--line", 0.11)
    assert state_of(out)["known"].keys() == set(keys)
    replace(photos / keys[1])
    told = sort(photos, model, out).json
    assert (told["accepted"], state_of(out)["known"].keys()) == (PHOTOS - 3, {keys[0], keys[2]})


@pytest.mark.usefixtures("first")
def test_a_change_below_the_line_leaves_the_checks_as_they_are(photos: Path, model: Path, out: Path) -> None:
    rows = sorted(rows_of(out), key=lambda row: row["probability"])
    sort(photos, model, out, "--line", rows[10]["probability"])
    checked(out, 5)
    (photos / rows[0]["key"]).unlink()
    told = sort(photos, model, out)
    assert (told.json["checked"], "1 went" in told.err, state_of(out)["moved"]) == (5, True, 0)


def test_scores_of_another_model_are_not_used(photos: Path, out: Path, tmp_path: Path, backbone: Path) -> None:
    """It was replaced, or it is gone; undoing needs none."""
    mine = save(tmp_path / "mine", backbone, "red", "../green")
    sort(photos, mine, out, "--line", 0.1, "--promise", "none", "--move")
    before = placed(out), state_of(out)
    save(mine, backbone, "red", "blue")
    replaced = sort(photos, mine, out, "--promise", "none")
    assert (replaced.code, "sorted by another model" in replaced.err) == (2, True)
    shutil.rmtree(mine)
    gone = sort(photos, mine, out, "--promise", "none")
    assert (gone.code, "mine" in gone.err, (placed(out), state_of(out))) == (2, True, before)
    assert sort(photos, mine, out, "--undo").json == {"moved back": PHOTOS - 1, "failed": 0}
    save(mine, backbone, "red", "../green")
    assert "Since the last call" not in sort(photos, mine, out).err, "the same model, and the same photos again"


def test_a_call_that_was_stopped_while_it_scored_leaves_nothing_to_another_model(
    photos: Path, model: Path, out: Path, tmp_path: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        answered = scores_file.answers
        patched.setattr(scores_file, "answers", lambda *given: islice(answered(*given), 2))
        patched.setattr(sort_command, "read_scores", stop)
        assert sort(photos, model, out).code == 130
    other = save(tmp_path / "other", backbone, "blue", "green")
    assert {row["label"] for row in rows_of(out)} <= {"red", "../green"}
    assert sort(photos, other, out, "--line", 0.1).json["photos"] == PHOTOS
    assert {row["label"] for row in rows_of(out)} <= {"blue", "green"}
