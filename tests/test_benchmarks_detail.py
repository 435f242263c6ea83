"""What a second look costs, and what else could be done at its size: the measurements, on backbones that are small."""

from __future__ import annotations

import pytest

from benchmarks import costs
from tests.tiny import vit


@pytest.mark.slow
def test_costs_are_told_over_one_look_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SHOTS", 1)
    for name, value in (("DETAILS", (1.0, 2.0)), ("HEADS", ("none", "ridge")), ("EPOCHS", 1), ("BATCH", 4)):
        monkeypatch.setattr(costs, name, value)
    _, _, *rows, _, took = costs.table(vit(), repeats=1).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert cells[0][:6] == ["1", "none", "1.00", "1.00", "1.00", "1.00"]
    assert [(row[0], row[1]) for row in cells] == [("1", "none"), ("1", "ridge"), ("2", "none"), ("2", "ridge")]
    regions, width, joint = vit().feature_sizes
    ratio = (5 * regions * width + 2 * joint) / (regions * width + joint)
    assert {row[-1] for row in cells if row[0] == "2"} == {f"{ratio:.2f}"}
    assert "ms to encode a photo" in took
