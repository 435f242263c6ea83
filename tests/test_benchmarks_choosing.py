"""The choice of a configuration: what is computed from saved trainings."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmarks.choosing import pairs
from benchmarks.choosing.candidates import Candidate
from benchmarks.choosing.figures import SetFigures
from benchmarks.choosing.tables import Judged
from benchmarks.choosing.trainings import Trainings

SETS = ("ants", "pacs/photo")


class Known(Judged):
    """Figures that are given: accuracy and FPR95 by the candidate's name, on every set."""

    given: ClassVar[dict[str, tuple[float, float]]] = {}

    def of(self, candidate: Candidate, count: int, sets: Sequence[str]) -> list[SetFigures]:
        accuracy, passed = self.given[candidate.name]
        right = (torch.arange(1000) < 10 * accuracy).double()
        return [SetFigures(right, 0.0, 0.9, passed, None) for _ in sets]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": (80.0, 30.0), "b": (80.6, 40.0)}, "b"),  # too far below, whatever it notices
        ({"a": (80.2, 30.0), "b": (80.6, 40.0)}, "a"),  # as good but for the error, and fewer pass
        ({"a": (80.2, 30.0), "b": (80.6, 30.0)}, "b"),  # as many pass
        ({"a": (80.0, 30.0), "b": (80.0, 30.0)}, "a"),
    ],
)
def test_of_those_near_the_best_one_that_notices_most_is_chosen(
    given: dict[str, tuple[float, float]], expected: str, tmp_path: Path
) -> None:
    judged = Known(Trainings(tmp_path, tmp_path))
    judged.given = given  # type: ignore[misc]
    assert pairs.chosen(judged, [Candidate(name) for name in given], [4, 1], SETS).name == expected
