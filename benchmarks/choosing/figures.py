"""Figures of candidates: accuracy with the error of its difference to another, calibration, unknown photos, a shift."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from benchmarks.choosing.candidates import Answers, Candidate, answers, outlier
from benchmarks.choosing.runs import Run
from gallop.evaluation.metrics import auroc, calibration_error, fpr_at_tpr
from gallop.model import scores


def of_folds(candidate: Candidate, runs: Sequence[Run], asked: str = "held out") -> list[Answers]:
    """Return what each fold answers; of single shots none is held out, so the temperature is 1."""
    alone = int(runs[0].labels.bincount().min()) < 2
    return [answers(candidate, run, [] if alone else [*runs[:i], *runs[i + 1 :]], asked) for i, run in enumerate(runs)]


@dataclass(frozen=True)
class SetFigures:
    """Of one candidate on one set, at one number of shots, over its folds.

    Attributes:
        right: of each photo, 1 or 0, in the order of the folds.
        error: expected calibration error, in percent.
        area, passed: of GL-MCM, AUROC and FPR95 (%) against photos of the next set, the mean over the folds.
        shift: accuracy (%) on the shifted photos; None where the set has none.
    """

    right: Tensor
    error: float
    area: float
    passed: float
    shift: float | None

    @cached_property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * float(self.right.mean())


def figures(candidate: Candidate, runs: Sequence[Run]) -> SetFigures:
    """Return them of the folds of a set."""
    folds = of_folds(candidate, runs)
    sure = torch.cat([some.logits.softmax(dim=-1).amax(dim=-1) for some in folds])
    right = torch.cat([some.right for some in folds])
    known, other = (
        [outlier(candidate.looks, run.asked[name])[scores.VERDICT].numpy() for run in runs]
        for name in ("held out", "unknown")
    )
    shifted = of_folds(candidate, runs, "shift") if "shift" in runs[0].asked else []
    return SetFigures(
        right,
        100 * calibration_error(sure, right.bool()),
        statistics.mean(auroc(a, b) for a, b in zip(known, other, strict=True)),
        statistics.mean(100 * fpr_at_tpr(a, b) for a, b in zip(known, other, strict=True)),
        100 * float(torch.cat([some.right for some in shifted]).mean()) if shifted else None,
    )


def difference(some: Sequence[SetFigures], others: Sequence[SetFigures]) -> tuple[float, float]:
    """Return by how many points the mean accuracy over sets is higher, and the standard error of that, over photos."""
    gaps = [a.right - b.right for a, b in zip(some, others, strict=True)]
    spread = sum(float(gap.var()) / len(gap) for gap in gaps)
    return 100 * statistics.mean(float(gap.mean()) for gap in gaps), 100 * math.sqrt(spread) / len(gaps)
