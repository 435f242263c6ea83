"""A score is one entry of the registry: everything that tells of scores follows from it."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop.bench.definition.spec import parse_spec
from gallop.bench.reporting.charts import _look_of_score
from gallop.bench.running.photo_answers import among
from gallop.bench.running.runner import separation_figures
from gallop.cli import main
from gallop.data import LabelledPhotos
from gallop.errors import BenchError
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.metrics import auroc
from gallop.features.encoding import encode_sources
from gallop.methods import ZeroShot
from gallop.methods.interface import Setup, from_probabilities
from gallop.model.scores import SCORES, Cosines, OODScore
from tests import tiny
from tests.bench_things import SPEC

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


def call(*words: object) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert main([str(word) for word in words]) == 0
    return out.getvalue()


def test_an_added_score_is_in_the_figures_of_evaluate(tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    backbone = tiny.backbone_folder(tmp_path / "backbone")
    data = tiny.write_folder(tmp_path / "data", {"red": 3, "green": 2})
    odd = tmp_path / "odd"
    tiny.write_images(odd, [tiny.picture(seed, "blue") for seed in range(3)])
    words = ("evaluate", "zero-shot", data, "--ood", f"odd={odd}", "--backbone", backbone)
    found: dict[str, Any] = json.loads(call(*words, "--json"))["ood"]["odd"]
    assert list(found) == ["MCM", "L-MCM", "GL-MCM", "Energy"]
    assert set(found["Energy"]) == {"fpr95", "fpr95_authors", "auroc"}
    assert 0 <= found["Energy"]["auroc"] <= 1
    assert "Energy" in call(*words)


def test_an_added_score_is_in_the_help_of_the_command_line() -> None:
    told = " ".join(call("evaluate", "--help").split())
    assert "GL-MCM looks at both and is their sum. (Miyai et al., arXiv 2304.04521)" in told
    assert "Energy looks at all classes at once. (Liu et al., NeurIPS 2020)" in told
    assert "Margin" not in told, "nothing that evaluate measures gives it"


@pytest.mark.parametrize("metric", ["fpr95/Energy", "auroc/Margin"])
def test_an_added_score_may_be_claimed_of_by_a_benchmark(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = SPEC.replace("better: ours,", f"metric: {metric}, better: ours,")
    assert parse_spec(text, "tiny.yaml").claims[0].better.metric == metric
    monkeypatch.delitem(SCORES, metric.partition("/")[2])
    with pytest.raises(BenchError, match=f"no metric '{metric}'.*where SCORE is one of MCM, L-MCM, GL-MCM, MSP"):
        parse_spec(text, "tiny.yaml")


def test_an_added_score_is_measured_and_drawn_by_the_benchmark() -> None:
    backbone = tiny.vit()
    fitted = ZeroShot().fit(LabelledPhotos((), (), (), ("red", "green")), Setup(backbone))
    known, other = (
        among(fitted.predict(encoded), None)
        for colour in ("red", "blue")
        for encoded in encode_sources(backbone, [tiny.picture(seed, colour) for seed in range(3)])
    )
    evaluation = Evaluation(("red", "green"), np.zeros(3, dtype=int), known)
    figures = {each.metric: each.value for each in separation_figures(evaluation, other, "first", "odd")}
    assert figures["auroc/Energy"] == auroc(known.ood["Energy"], other.ood["Energy"])
    assert len({_look_of_score(name) for name in SCORES}) == len(SCORES)


def test_an_added_score_of_probabilities_is_given_by_methods_that_have_nothing_else() -> None:
    found = from_probabilities(("a", "b", "c"), np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], dtype=np.float32))
    assert list(found.ood) == ["MSP", "Margin"]
    np.testing.assert_allclose(found.ood["Margin"], [0.2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(found.ood["MSP"], [-0.5, -0.8])


def test_scores_that_share_a_softmax_take_it_once() -> None:
    cosines = Cosines(torch.randn(2, 3), torch.randn(2, 4, 3))
    assert cosines.largest_region_share is cosines.largest_region_share
