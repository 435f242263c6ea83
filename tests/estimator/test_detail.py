"""``detail`` from end to end: learned, saved, loaded, changed, answered in every way, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from gallop import GalLoPClassifier, MethodConfig, load_image
from gallop.answers import Extras, PhotoScorer
from gallop.checkpoints.folder import read_checkpoint
from gallop.cli import main
from gallop.documents.model_card import model_card
from gallop.errors import CheckpointError, ConfigError
from gallop.features.encoding import MemoryCache
from gallop.lab.methods import MethodClassifier, make_method
from gallop.predictions.explanation import Explanation, explain_first_look
from gallop.service.tables.layout import fingerprint
from tests import tiny
from tests.tiny import there

IMAGES, LABELS = tiny.pictures({"red": 3, "green": 3})
TESTS, TRUTH = tiny.pictures({"red": 2, "green": 2}, first_seed=50)


def taught(detail: float = 2, detail_in: str = "answers", **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(detail=detail, detail_in=detail_in)
    return tiny.classifier(method=method, **changes).fit(IMAGES, LABELS)


def first_look(found: GalLoPClassifier) -> Explanation:
    return explain_first_look(found.model_, load_image(IMAGES[0]), found.calibration_)


def test_answers_alone_learn_what_is_learned_without() -> None:
    plain, answers, learned = taught(1), taught(), taught(detail_in="training")
    assert tiny.equal(tiny.learned(plain), tiny.learned(answers))
    assert not tiny.equal(tiny.learned(plain), tiny.learned(learned))
    assert not np.array_equal(plain.predict_proba(TESTS), answers.predict_proba(TESTS))
    assert np.array_equal(plain.predict_proba(TESTS), taught(detail_in="maps").predict_proba(TESTS))


def test_held_out_shots_are_looked_at_as_closely_as_photos_are() -> None:
    found = taught(calibration_folds=2)
    assert {len(features.looks) for features in there(found.cross_fit_).features} == {2}
    assert found.calibration_.threshold is not None


def test_the_first_look_alone_answers_as_it_does_within_both() -> None:
    found = taught(calibration_folds=2)
    first, both = first_look(found), found.explain(IMAGES[0])
    assert first.grids == both.grids[:1]
    assert first.probabilities == pytest.approx(both.looks[0].probabilities, abs=1e-6)
    assert first.threshold is None
    assert found.calibration_.threshold is not None
    assert found.explain(IMAGES[0]).probabilities == both.probabilities
    once = taught(1, calibration_folds=2)
    assert first_look(once).threshold == once.calibration_.threshold
    finer = taught(detail_in="maps")
    assert len(first_look(finer).grids) == 2, "its answers are of one look anyway"


def test_prompts_are_measured_on_both_looks() -> None:
    found = taught()
    asked = zip(TESTS, map(found.classes_.tolist().index, TRUTH), strict=True)
    spread = np.mean([found.explain(photo).global_scores[k].std() for photo, k in asked])
    assert there(found.prompts.diversity(TESTS, TRUTH).answers)[0].spread == pytest.approx(spread, rel=1e-3)


def test_it_is_saved_and_loaded_and_older_versions_refuse_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = taught(1.5, "training")
    found.save(tmp_path / "model")
    said = json.loads((tmp_path / "model" / "gallop.json").read_text())
    assert (said["format"], said["method"]["detail"], said["method"]["detail_in"]) == (2, 1.5, "training")
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    assert loaded.model_.config == found.model_.config
    assert np.array_equal(loaded.predict_proba(TESTS), found.predict_proba(TESTS))
    monkeypatch.setattr("gallop.checkpoints.folder.FORMAT", 1)  # as a version knows that has no detail
    with pytest.raises(CheckpointError, match="has format 2, but this version of gallop only reads formats up to 1"):
        read_checkpoint(tmp_path / "model")


def test_one_look_leaves_no_trace(tmp_path: Path) -> None:
    taught(1).save(tmp_path / "model")
    said = json.loads((tmp_path / "model" / "gallop.json").read_text())
    wanted = {"global_prompts", "topk", "dropout", "local_projection"}
    assert (said["format"], {*said["method"]}) == (1, wanted)
    assert "detail" not in model_card(taught(1)).lower()
    twice = "Detail 2: each photo gets a second look at that many times the size, for answers and maps\n"
    assert twice in model_card(taught())


def test_what_a_folder_of_answers_was_made_with_is_said_as_before() -> None:
    plain = taught(1)
    assert fingerprint(plain) != fingerprint(taught())
    assert fingerprint(plain) == fingerprint(taught(1))


def test_a_taught_classifier_may_look_closer_without_training() -> None:
    found, wanted = taught(1, calibration_folds=2), taught(2)
    threshold = there(found.calibration_.threshold)
    found.set_detail(2, "maps")
    assert (found.calibration_.threshold, found.explain(TESTS[0]).grid) == (threshold, (8, 8))
    with pytest.warns(UserWarning, match="threshold is void: it was computed with detail=1; train again"):
        assert found.set_detail(2) is found
    assert (found.calibration_.threshold, wanted.calibration_.temperature) == (None, 1)
    assert np.array_equal(found.predict(TESTS), wanted.predict(TESTS))
    assert (found.get_params()["method"], found.detail) == (found.model_.config, 2)
    found.set_detail(1)
    assert clone(found).zero_shot(["red"]).model_.config.detail == 1
    assert np.array_equal(found.predict(TESTS), taught(1).predict(TESTS))
    with pytest.raises(ConfigError, match="only during training"):
        found.set_detail(2, "training")
    with pytest.raises(ConfigError, match="detail is 4"):
        found.set_detail(4)


def test_many_photos_are_answered_as_one_is(tmp_path: Path) -> None:
    found = taught()
    scorer = PhotoScorer(found, extras=Extras(probabilities=True, regions=True))
    columns = scorer({"path": [str(path) for path in tiny.write_images(tmp_path, TESTS)]})
    assert np.allclose(columns["probabilities"], found.predict_proba(TESTS), atol=1e-6)
    why = found.explain(TESTS[0])
    boxes = {(*box.rounded(), round(box.score, 5)) for box in why.regions(why.label, 0)}
    sides = ("left", "top", "right", "bottom")
    told = {(*(int(box[side]) for side in sides), round(box["score"], 5)) for box in columns["regions"][0]}
    assert told == boxes


def test_a_linear_probe_looks_twice_too() -> None:
    def made(name: str, **settings: Any) -> MethodClassifier:
        method = make_method(name, settings)
        return MethodClassifier(method, backbone=tiny.vit(), cache=MemoryCache()).fit(IMAGES, LABELS)

    plain, closer = made("linear-probe"), made("linear-probe", detail=2)
    assert plain.fitted_.regression.coef_.shape[1] * 2 == closer.fitted_.regression.coef_.shape[1]
    assert closer.predict(TESTS).shape == (4,)
    assert made("GalLoP", detail=2, epochs=1, views=1).predict_proba(TESTS).shape == (4, 2)


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, (photo,) = tiny.backbone_folder(tmp_path), tiny.write_images(tmp_path / "photos", [tiny.picture(0)])
    common = [str(photo), "--classes", "red,green", "--backbone", str(folder), "--device", "cpu", "--json"]
    assert main(["explain", *common, "--out", str(tmp_path / "why.png"), "--detail", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["regions"][0]["k"] == 10, "five of each size"
    assert main(["predict", *common, "--detail", "1.5"]) == 0
    assert main(["predict", *common, "--detail", "3"]) != 0
    assert "detail is 3.0; it must be 1, 1.5 or 2." in capsys.readouterr().err
