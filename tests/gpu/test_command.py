"""``make gpu`` measures what it says, and writes it where a later run replaces it; its figures are not judged here."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import report, text
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import rates, table
from gallop.names.class_names import clean_names

CPU = torch.device("cpu")
FULL = RuntimeError("CUDA error: out of memory")


def test_without_a_gpu_it_says_so_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = report.README.read_bytes()
    assert command.main(["--write"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("make gpu measures a GPU. A GPU was asked for, but torch sees none here")
    assert said.out == ""
    with pytest.raises(SystemExit):
        command.main(["--device", "cpu", "--write"])
    assert report.README.read_bytes() == before


@pytest.mark.slow
def test_everything_is_measured_at_small_sizes() -> None:
    sizes = rates.Sizes(("mini",), (3,), images=2, photos=2, many=2, repeats=1)
    towers, classes = rates.everything(CPU, sizes)
    assert [row.tower for row in towers] == ["mini"]
    assert [(row.tower, row.classes) for row in classes] == [("mini", 3)]
    for row in (*towers, *classes):
        assert all(isinstance(value, str) or value >= 0 for value in astuple(row)), "numbers"
        assert not {rates.TOO_LARGE, rates.TOO_LATE} & set(astuple(row))
    written = table.table(CPU, table.Tests(14, 14), towers, classes)
    assert "14 of 14 tests passed on it." in written
    assert written.count("| mini") == 2


def test_what_does_not_fit_or_comes_too_late_is_a_word_and_ends_nothing() -> None:
    def full() -> None:
        raise FULL

    def wrong() -> None:
        raise RuntimeError("shapes differ")

    now = rates.Measuring(CPU, 1, until=float("inf"))
    assert now.seconds(full) == rates.TOO_LARGE
    assert now.rate(4, full) == rates.TOO_LARGE
    assert float(now.seconds(lambda: None)) >= 0
    with pytest.raises(RuntimeError, match="shapes differ"):
        now.seconds(wrong)
    late = rates.Measuring(CPU, 1, until=0.0)
    assert late.seconds(wrong) == late.bytes(wrong) == rates.TOO_LATE


@pytest.mark.parametrize(("tests", "status"), [((14, 14), 0), ((14, 13), 1), ((0, 0), 1)])
def test_another_run_replaces_the_table_and_a_failed_test_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tests: tuple[int, int], status: int
) -> None:
    def measured(*_: Any, **__: Any) -> tuple[list[rates.TowerRates], list[rates.ClassRates]]:
        figures = [0.5, 1.25, rates.TOO_LARGE, 3e9, 2345.6, rates.TOO_LATE]
        return [rates.TowerRates("mini", 1.0, 2345.6, 9.87, 1e9)], [rates.ClassRates("mini", 21_841, *figures)]

    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    monkeypatch.setattr(command, "README", readme)
    monkeypatch.setattr(command, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(command, "agreement", lambda _: table.Tests(*tests))
    monkeypatch.setattr(rates, "everything", measured)
    monkeypatch.setattr(table, "card", lambda _: "A card")
    assert command.main(["--write"]) == status
    assert command.main(["--write"]) == status
    written = readme.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert written.count("**A card**") == 1
    assert f"{tests[1]} of {tests[0]} tests passed on it." in written
    assert "| mini | 1.0 s | 2,346 | 9.9 | 1.00 GB |" in written
    assert "| mini, K = 21,841 | 500.0 ms | 1.25 s | out of memory | 3.00 GB | 2,346 | not reached |" in written
    assert all(mark in report.README.read_text(encoding="utf-8") for mark in (table.BEGIN, table.END))


def test_as_many_names_as_the_whole_of_imagenet_has() -> None:
    names = text.imagenet_names(21_841)
    assert names[:1000] == text.imagenet_names(1000)
    assert len(clean_names(names)) == 21_841
