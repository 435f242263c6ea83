"""What travels to a cluster, and how many workers it has; nothing here needs Ray."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from gallop import GalLoPClassifier, MethodConfig
from gallop.answers import Extras, PhotoScorer
from gallop.answers.sources import Opener
from gallop.errors import CheckpointError, ParallelError
from gallop.model.calibration import Calibration
from gallop.service.tables.destination import open_destination
from gallop.service.tables.layout import fingerprint, schema_of, table_of
from gallop.service.tables.on_ray import Pieces, PieceWriter, PoolSize, joined_to, packed
from gallop.service.tables.run import ScoringProgress
from tests import tiny


@pytest.mark.parametrize(
    ("device", "wanted", "cpus", "gpus", "size"),
    [
        ("auto", None, 16, 0, (16, 0)),
        ("auto", 3, 16, 0, (3, 0)),
        ("auto", 40, 16, 0, (40, 0)),  # a cluster may grow
        ("auto", None, 0.5, 0, (1, 0)),
        ("auto", None, 64, 8, (16, 1 / 2)),
        ("cuda", 8, 64, 8, (8, 1)),
        ("cuda", 3, 64, 8, (3, 1)),
        ("auto", 9, 64, 8, (9, 1 / 2)),  # two on one of them: more than a half each would leave the ninth without
        ("auto", 24, 64, 8, (24, 1 / 3)),
        ("cpu", None, 64, 8, (64, 0)),
    ],
)
def test_the_size_of_a_pool(device: str, wanted: int | None, cpus: float, gpus: float, size: tuple[int, float]) -> None:
    found = PoolSize.of(device, wanted, cpus, gpus)
    assert (found.workers, found.gpu) == size
    if found.gpu:
        assert int(1 / found.gpu) * gpus >= found.workers, "all find room, none on two GPUs"
    with pytest.raises(ParallelError, match=r"has a GPU: leave out device=.cuda."):
        PoolSize.of("cuda", None, cpus, 0)


@mock.patch.dict(os.environ)
def test_a_cluster_is_joined_at_its_address_and_one_that_is_started_is_for_this_machine_alone() -> None:
    with mock.patch.dict(sys.modules, ray=mock.Mock()) as modules:
        for address in ("10.0.0.1:6379", None):
            with joined_to(address, 999):
                pass
        joined, started = modules["ray"].init.call_args_list
    assert (joined.args, started.args) == (("10.0.0.1:6379",), ("local",))
    assert {
        "_node_ip_address": "127.0.0.1",
        "include_dashboard": False,
        "num_cpus": 999,
    }.items() <= started.kwargs.items()
    assert not {"include_dashboard", "num_cpus"} & set(joined.kwargs)


def scorer(backbone: Path, head: str = "none", detail: float = 1) -> PhotoScorer:
    """With a calibration, and with a head where there is one."""
    method = MethodConfig(head=head, detail=detail)
    classifier = GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu", method=method, topk=(2, 4))
    classifier.zero_shot(["red", "green"])
    if head == "none":
        classifier.model_.prompts.global_contexts.data.add_(0.01)
        classifier.calibration_ = Calibration(1.7, -0.5, "for a test")
    else:
        classifier.add_shots(*tiny.pictures({"red": 2, "green": 2}))
    return PhotoScorer(classifier, extras=Extras(probabilities=True, regions=True), opener=Opener(web=True), draft=True)


@pytest.mark.parametrize(("head", "detail"), [("none", 1), ("ridge", 1), ("ridge", 2)])
def test_a_scorer_travels_without_its_backbone_and_answers_alike(
    backbone: Path, tmp_path: Path, head: str, detail: float
) -> None:
    """With its head, and looks as closely; features of single shots stay where they are."""
    here = scorer(backbone, head, detail)
    sent = pickle.dumps(packed(here, "cpu"))
    assert len(sent) < (backbone / "weights.safetensors").stat().st_size / 20
    there = pickle.loads(sent)
    assert fingerprint(there.classifier) == fingerprint(here.classifier)
    assert (there.extras, there.opener, there.draft) == (here.extras, here.opener, True)
    assert [branch.shots for branch in there.classifier.model_.branches] == [None] * (head != "none")
    paths = tiny.write_images(tmp_path, [tiny.picture(i, colour) for i in range(2) for colour in ("red", "green")])
    asked = {"path": [str(path) for path in paths]}
    assert there(asked) == here(asked)
    found = here.classifier.predict_all(asked["path"])
    np.testing.assert_allclose(there(asked)["probabilities"], found.probabilities, atol=1e-6)


def test_photos_without_an_answer_are_counted_as_errors_of_a_piece(backbone: Path, tmp_path: Path) -> None:
    worker, heard = scorer(backbone), list[ScoringProgress]()
    photo, *_ = tiny.write_images(tmp_path, [tiny.picture(1)])
    rows = table_of([worker({"path": [str(photo), "absent.png", str(photo)]})], schema_of(worker))
    PieceWriter(open_destination(str(tmp_path / "answers")), heard.append).take((Pieces(0, missing=2), 0), rows)
    assert [(progress.done, progress.errors) for progress in heard] == [(3, 1)]


def test_another_backbone_of_that_name_is_refused(backbone: Path, tmp_path: Path) -> None:
    sent: Any = packed(scorer(backbone), "cpu")
    other = str(tiny.backbone_folder(tmp_path / "other", patch_size=16)).encode()
    sent.model = {name: file.replace(str(backbone).encode(), other) for name, file in sent.model.items()}
    with pytest.raises(CheckpointError):
        _ = sent.classifier
