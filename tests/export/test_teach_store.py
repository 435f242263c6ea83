"""The project on the page that teaches, by Node alone: what is done, and what undo takes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

LIMITS = {"classes": 3, "shots": 3, "altogether": 4}


def test_a_recording_and_a_name_are_undone_as_one_and_limits_are_told(run_script: Callable[[str, Any], Any]) -> None:
    deeds: list[list[Any]] = [
        *(["photos", 0, ["a"], "recording"], ["photos", 0, ["b"], "recording"], ["photos", 1, ["c"], "another"]),
        *(["rename", 1, "gr"], ["rename", 1, "grass"], ["removePhoto", 0, "a"], ["remove", 0]),
        *(["add"], ["add"], ["add"]),
        *[["undo"]] * 7,
        *(["photos", 0, ["d", "e", "f"]], ["room", 0], ["room", 1], ["photos", 1, ["g"]], ["room", 1]),
    ]
    levels = np.random.default_rng(0).uniform(0, 255, 576)
    seen, near, far = levels.tolist(), (levels + 7.9).tolist(), (levels + 8.1).tolist()
    given = {"limits": LIMITS, "deeds": deeds, "sketches": [[seen, far], [seen, far, near], [seen]]}
    found = run_script("teach_script/store.mjs", given)
    states = [one["classes"] for one in found["said"]]
    assert states[6] == [["grass", "c"]]
    assert states[8] == [["grass", "c"], ["class 2"], ["class 3"]]
    assert (states[9], found["said"][9]["problem"]) == (states[8], "3 classes are the most.")
    undone = [(one["undone"], one["classes"]) for one in found["said"][10:17]]
    assert undone == [
        ("add", [["grass", "c"], ["class 2"]]),
        ("add", [["grass", "c"]]),
        ("removeClass", [["red", "b"], ["grass", "c"]]),
        ("removePhoto", [["red", "a", "b"], ["grass", "c"]]),
        ("rename", [["red", "a", "b"], ["green", "c"]]),
        ("photos", [["red", "a", "b"], ["green"]]),
        ("photos", [["red"], ["green"]]),
    ]
    problems = [one.get("problem") for one in found["said"][17:]]
    some, all_ = "3 photos of a class are the most; remove some first.", "4 photos are the most; remove some first."
    assert problems == [None, some, None, None, all_]
    assert found["apart"] == [True, False, True]
