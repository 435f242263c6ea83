"""``make gpu`` measures what it says, and writes it where a later run replaces it; its figures are not judged here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import report
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import rates, table


@pytest.mark.parametrize(("tests", "status"), [((14, 14), 0), ((14, 13), 1), ((0, 0), 1)])
def test_another_run_replaces_the_table_and_a_failed_test_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tests: tuple[int, int], status: int
) -> None:
    def measured(*_: Any, **__: Any) -> tuple[list[rates.BackboneRates], list[rates.ClassRates]]:
        figures = [0.5, 1.25, rates.TOO_LARGE, 3e9, 2345.6, rates.TOO_LATE]
        return [rates.BackboneRates("mini", 1.0, 2345.6, 9.87, 1e9)], [rates.ClassRates("mini", 21_841, *figures)]

    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    monkeypatch.setattr(command, "README", readme)
    monkeypatch.setattr(command, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(command, "agreement", lambda _: table.Tests(*tests))
    monkeypatch.setattr(rates, "everything", measured)
    monkeypatch.setattr(table, "card", lambda _: "A card")
    assert [command.main(["--write"]) for _ in range(2)] == [status] * 2
    written = readme.read_text()
    assert (written[:7], written[-6:], "old" in written) == ("before\n", "after\n", False)
    assert written.count("**A card**") == 1
    assert f"{tests[1]} of {tests[0]} tests passed on it." in written
    assert "| mini | 1.0 s | 2,346 | 9.9 | 1.00 GB |" in written
    assert "| mini, K = 21,841 | 500.0 ms | 1.25 s | out of memory | 3.00 GB | 2,346 | not reached |" in written
    assert all(mark in report.README.read_text(encoding="utf-8") for mark in (table.BEGIN, table.END))
