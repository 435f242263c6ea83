"""The same training over several draws of shots and seeds, as papers report it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import clone

from gallop.data import AskedPhotos, GivenPhotos
from gallop.estimator.classifier import GalLoPClassifier
from gallop.model.scores import VERDICT


def repeat(
    classifier: GalLoPClassifier,
    data: GivenPhotos,
    test: GivenPhotos | None = None,
    *,
    shots: int | Sequence[int] = 4,
    seeds: int | Sequence[int] = 3,
    unknown: AskedPhotos | None = None,
) -> Any:
    """Train copies of a classifier on several draws of shots; return a pandas DataFrame with a row of figures a run.

    Columns: shots, seed, accuracy, low, high (the 95% interval), accuracy_global, accuracy_local, calibration_error, n
    and, with ``unknown``, fpr95 and auroc of GL-MCM. The mean and spread over seeds:
    ``frame.groupby("shots").accuracy.agg(["mean", "std"])``. Features of shots come from the classifier's cache, those
    of the test are encoded in each run.

    Args:
        classifier: its settings; it is not fitted itself. With a ``shot_seed`` all seeds learn from that draw.
        data: as ``fit`` takes it; of a folder that holds ``train/`` and ``test/`` each part is taken for its purpose.
        test: as ``score`` takes it; None takes ``data``.
        shots: images a class, one number or several.
        seeds: how many, counted from 0, or which; each is that of the draw and of the training.
        unknown: photos of none of the classes.

    Raises:
        ImportError: pandas is not installed.
        DataError, ImageError, ConfigError: as ``fit`` and ``score``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for count in [shots] if isinstance(shots, int) else shots:
        for seed in range(seeds) if isinstance(seeds, int) else seeds:
            fitted = clone(classifier).set_params(shots=count, seed=seed).fit(data)
            figures = fitted.evaluate(data if test is None else test, unknown=unknown).figures()
            low, high = figures["interval"]
            row = {"shots": count, "seed": seed, "accuracy": figures["accuracy"], "low": low, "high": high}
            row |= {key: figures[key] for key in ("accuracy_global", "accuracy_local", "calibration_error", "n")}
            for by_score in figures["ood"].values():
                row |= {key: by_score[VERDICT][key] for key in ("fpr95", "auroc")}
            rows.append(row)
    return pd.DataFrame(rows)
