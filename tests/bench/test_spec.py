"""What a benchmark asks: read from YAML as people mean it, and refused with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gallop.errors import BenchError
from gallop.lab.bench.spec import parse_spec, read_spec, shipped_specs
from tests.bench_things import SPEC, spec


def test_everything_is_read() -> None:
    found = spec()
    assert (found.name, found.about, found.backbone) == ("tiny", "For tests.", "mini")
    assert (found.sets, found.shots, found.seeds) == (("first", "second"), (1, 2), (0, 1))
    assert (found.unknown.folder, found.unknown.skip) == ("odd", {"second": ("dots",)})
    assert (found.transfer, found.group()[1].settings) == ({"first": ("second",)}, {"skill": 0.9})
    assert [line.label for line in found.lines] == ["guess", "ours", "theirs", "skill / low", "skill / as ours"]
    assert {(line.shots, line.sets) for line in found.group("skill")} == {((2,), ("first",))}


def test_shipped_benchmarks_are_sound() -> None:
    assert "photos-mini" in shipped_specs()
    for name in shipped_specs():
        assert (read_spec(name).name, read_spec(name).about[-1]) == (name, ".")


def test_names_that_yaml_takes_for_something_else_are_quoted() -> None:
    found = spec(SPEC.replace("first", "'010'").replace("second", "'no'").replace("guess:", "'2024':"))
    assert (found.sets, found.transfer, found.lines[0].heading) == (("010", "no"), {"010": ("no",)}, "2024")


def test_settings_are_values() -> None:
    text = SPEC.replace("skill: 0.9", "skill: 0.9, a: [1, 2], b: false, c: null, d: text, e: 1", 1)
    expected = {"skill": 0.9, "a": [1, 2], "b": False, "c": None, "d": "text", "e": 1}
    assert spec(text).group()[1].settings == expected


REFUSED = [
    ("name: tiny", "", "is missing the key 'name'"),
    ("name: tiny", "title: tiny", "contains the unknown key 'title'; the known keys are name, about"),
    ("name: tiny", "name: [tiny]", "'name' must be text"),
    ("name: tiny", "name: tiny\nname: other", "line 3: the key 'name' appears twice"),
    ("name: tiny", "name: &a tiny\nabout2: *a", "aliases"),
    ("name: tiny", "name: !!python/object:os.system tiny", "is not valid YAML"),
    ("name: tiny", "name: !mine tiny", "is not valid YAML"),
    ("name: tiny", "name: 'tiny", "is not valid YAML"),
    ("name: tiny", "name: tiny\n2024: c", "the key 2024 must be text. Put it in quotes"),
    ("about: For tests.", "about: {}", "'about' must be text"),
    ("about: For tests.", "about: no", "'about' must be text. Put numbers, yes and no in quotes"),
    ("sets: [first, second]", "sets: [no]", "'sets' must be a list of names, with numbers, yes and no in quotes"),
    ("about: For tests.", "about: '  '", "'about' must be text"),
    ("shots: [1, 2]", "shots: []", "'shots' must be a list of integers of 1 or more"),
    ("shots: [1, 2]", "shots: [0]", "'shots' must be a list of integers of 1 or more"),
    ("shots: [1, 2]", "shots: [1.5]", "'shots' must be a list of integers of 1 or more"),
    ("shots: [1, 2]", "shots: [yes]", "'shots' must be a list of integers of 1 or more"),
    ("shots: [1, 2]", "shots: [1, 2, 2]", "'shots' contains 2 twice"),
    ("seeds: [0, 1]", "seeds: [-1]", "'seeds' must be a list of integers of 0 or more"),
    ("seeds: [0, 1]", "", "is missing the key 'seeds'"),
    ("sets: [first, second]", "", "is missing the key 'sets'"),
    ("sets: [first, second]", "sets: [first, first]", "'sets' contains 'first' twice"),
    ("sets: [first, second]", "sets: [first, [second]]", "'sets' must be a list of names"),
    ("sets: [first, second]", "sets: [../first]", "'../first' must be the path of a folder relative to DATA"),
    ("sets: [first, second]", "sets: [/first]", "'/first' must be the path of a folder relative to DATA"),
    ("sets: [first, second]", "sets: [first]", "'transfer' names the set 'second', but 'sets' only lists first"),
    ("folder: odd", "folder: ..", "must be the path of a folder relative to DATA"),
    (
        "folder: odd",
        "fodler: odd",
        "'unknown' contains the unknown key 'fodler'; the known keys are folder, sets, skip",
    ),
    ("transfer: {first: [second]}", "transfer: [first]", "'transfer' must be a mapping"),
    ("ours: {method: fake, skill: 0.9}", "ours: fake", "'ours' must be a mapping"),
    ("ours: {method: fake, skill: 0.9}", "ours: {skill: 0.9}", "'ours' is missing the key 'method'"),
    ("sets: [first]", "sets: [third]", "'ablations' names the set 'third'"),
    (
        "    shots: 2\n",
        "    shot: 2\n",
        "'skill' contains the unknown key 'shot'; the known keys are shots, sets, variants",
    ),
    ("theirs: {method: fake, skill: 0.5}", "skill / low: {method: fake}", "is both a method and a variant. Rename one"),
    ("  guess: {method: fake-untaught}\n", "  {}\n", "is not valid YAML"),
]


@pytest.mark.parametrize(("old", "new", "said"), REFUSED, ids=[f"{new or old}" for old, new, _ in REFUSED])
def test_mistakes_are_sentences(old: str, new: str, said: str) -> None:
    assert old in SPEC
    with pytest.raises(BenchError, match=re.escape(said)) as caught:
        parse_spec(SPEC.replace(old, new, 1), "tiny.yaml")
    assert re.fullmatch(r".*tiny\.yaml.*\.", str(caught.value)), "one line"


@pytest.mark.parametrize("text", ["", "# nothing", "[1]", "3", "methods: {}", "[" * 1500, "a: " * 30, "\x00"])
def test_no_text_is_a_traceback(text: str) -> None:
    with pytest.raises(BenchError):
        parse_spec(text, "some.yaml")


def test_a_benchmark_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("photos-maxi", r"no benchmark 'photos-maxi'. Choose one of paper-ablation"),
        (str(file), "Use a YAML file encoded as UTF-8"),
    ):
        with pytest.raises(BenchError, match=said):
            read_spec(name)
    file.write_text(SPEC)
    assert read_spec(str(file)) == spec()
