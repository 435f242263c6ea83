"""A score is one entry of the registry: everything that tells of scores follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallop.cli import main
from gallop.lab.methods.interface import from_probabilities
from gallop.model.scores import SCORES, OODScore
from tests import tiny

ENERGY = OODScore(
    "Energy", "Energy looks at all classes at once.", "Liu et al., NeurIPS 2020", lambda found: -found.global_.sum(-1)
)
MARGIN = OODScore(
    "Margin", "Margin looks at the two best.", "nobody's", of_probabilities=lambda p: np.ptp(-np.sort(p)[:, -2:], 1)
)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    for score in (ENERGY, MARGIN):
        monkeypatch.setitem(SCORES, score.name, score)


def test_an_added_score_is_in_the_figures_of_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_images(tmp_path / "odd", [tiny.picture(seed, "blue") for seed in range(3)])
    data = tiny.write_folder(tmp_path / "data", {"red": 3, "green": 2})
    backbone = tiny.backbone_folder(tmp_path / "backbone")
    words = f"evaluate zero-shot {data} --ood odd={tmp_path / 'odd'} --backbone {backbone}".split()
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["ood"]["odd"]
    assert list(found) == ["MCM", "L-MCM", "GL-MCM", "Energy"]
    assert set(found["Energy"]) == {"fpr95", "fpr95_authors", "auroc"}
    assert 0 <= found["Energy"]["auroc"] <= 1
    assert main(words) == 0
    assert "Energy" in capsys.readouterr().out


def test_an_added_score_of_probabilities_is_given_by_methods_that_have_nothing_else() -> None:
    found = from_probabilities(("a", "b", "c"), np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], dtype=np.float32))
    assert list(found.ood) == ["MSP", "Margin"]
    np.testing.assert_allclose(found.ood["Margin"], [0.2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(found.ood["MSP"], [-0.5, -0.8])
