"""What becomes of a classifier after its first training: classes that go, more shots, another limit."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import SETTINGS
from gallop.cli import main
from gallop.errors import ClassNameError, ConfigError, DataError
from gallop.model import calibration
from gallop.model.calibration import NOT_HELD_OUT, ONE_CLASS, Calibration
from tests import tiny
from tests.estimator.test_heads import saved
from tests.reference import relative_error

COUNTS = {"red": 6, "green": 6, "blue": 6}
IMAGES, LABELS = tiny.pictures(COUNTS)
ASKED = [tiny.picture(seed, colour) for seed, colour in ((90, "red"), (91, "green"), (92, "blue"), (93, "yellow"))]


def taught(**settings: Any) -> GalLoPClassifier:
    return tiny.classifier(calibration_folds=2, lr=0.3, **settings).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], GalLoPClassifier]:
    folder, model = tmp_path_factory.mktemp("model"), taught()
    return lambda: saved(model, folder)


def held_out(model: GalLoPClassifier) -> dict[str, int]:
    """How many photos of each class its last training had: with folds each was held out once."""
    found = tiny.there(model.evaluation)
    return {name: found.truth.tolist().count(k) for k, name in enumerate(model.classes_.tolist())}


# ------------------------------------------------------------------ remove_class


@pytest.mark.parametrize("gone", ["red", "green", "blue"])
def test_what_is_left_answers_as_if_the_class_had_never_been_known(gone: str) -> None:
    model = taught()
    whole, temperature = model.predict_proba(ASKED).astype(np.float64), model.calibration_.temperature
    assert model.remove_class(gone) is model
    left = [name for name in COUNTS if name != gone]
    assert model.classes_.tolist() == left
    before = whole[:, [list(COUNTS).index(name) for name in left]] ** temperature
    now = model.predict_proba(ASKED).astype(np.float64) ** model.calibration_.temperature
    assert np.allclose(now / now.sum(1, keepdims=True), before / before.sum(1, keepdims=True), atol=1e-5)


def test_the_limit_is_found_anew_on_the_shots_of_the_classes_that_are_left() -> None:
    model = taught()
    cross_fit, scores = tiny.there(model.cross_fit_), []
    model.remove_class("green")
    for fold, features, index in zip(cross_fit.models, cross_fit.features, cross_fit.index, strict=True):
        alone = tiny.classifier().zero_shot(["red", "blue"])
        alone.model_.prompts.load_state_dict(fold.prompts.state_dict())
        scores += alone.ood_score(features[cross_fit.labels[index] != 1]).tolist()
    assert (len(scores), len(model.calibration_.held_out)) == (12, 12)
    assert model.calibration_.threshold == pytest.approx(sorted(scores)[math.ceil(0.95 * 12) - 1], abs=1e-6)


def test_a_class_that_is_removed_and_added_again_changes_nothing() -> None:
    model = taught()
    whole, calibrated = model.predict_proba(ASKED), model.calibration_
    model.remove_class("blue").add_class("blue")
    assert model.calibration_ == calibrated
    assert np.allclose(model.predict_proba(ASKED), whole, atol=1e-6)


def test_after_loading_a_class_that_goes_voids_the_limit(loaded: Callable[[], GalLoPClassifier]) -> None:
    model = loaded()
    with pytest.warns(UserWarning, match="void: the class 'red' was removed after the threshold was computed"):
        model.remove_class("red")
    assert (model.calibration_.threshold, model.calibration_.held_out) == (None, ())
    assert model.is_ood(ASKED) is None


def test_a_head_forgets_the_shots_of_a_class_that_goes(tmp_path: Path) -> None:
    """It is then the head of the other classes' shots, unless shots are not kept."""
    model = tiny.classifier(head="ridge", calibration_folds=2, keep_shots=False).fit(IMAGES, LABELS)
    again = saved(model, tmp_path)
    model.remove_class("green")
    alone = tiny.classifier(head="ridge").fit([*IMAGES[:6], *IMAGES[12:]], [*LABELS[:6], *LABELS[12:]])
    ours, theirs = (tiny.head_of(each).form.weights for each in (model, alone))
    assert relative_error(ours, theirs) < 1e-4
    assert np.isfinite(model.predict_proba(ASKED)).all()
    assert len(model.calibration_.held_out) == 12
    with pytest.raises(ConfigError, match=r"only stores sums of its shots.*recall_shots"):
        again.remove_class("green")
    assert again.classes_.tolist() == list(COUNTS), "nothing has changed"
    again.add_class("yellow")


def test_an_unknown_class_and_the_last_one_are_not_removed() -> None:
    model = tiny.classifier().zero_shot(["golden retriever", "cat"])
    with pytest.raises(ClassNameError, match=r"no class 'golden retreiver'; its.*Did you mean golden retriever\?"):
        model.remove_class("golden retreiver")
    model.remove_class("cat")
    with pytest.raises(ClassNameError, match="is the only class"):
        model.remove_class(model.classes_[0])


# ------------------------------------------------------------------ the limit


def test_a_limit_keeps_the_share_of_held_out_shots_that_is_asked_for(loaded: Callable[[], GalLoPClassifier]) -> None:
    for model in (taught(), loaded()):
        held_out = np.array(model.calibration_.held_out)
        assert len(held_out) == len(IMAGES)
        for tpr in (0.1, 0.5, 0.9, 0.95, 1):
            limit = model.set_threshold(tpr).calibration_.threshold
            assert np.mean(held_out < limit) < tpr <= np.mean(held_out <= limit) + 1e-9
            assert model.calibration_.tpr == tpr


def test_asked_once_another_limit_is_not_kept(loaded: Callable[[], GalLoPClassifier]) -> None:
    model = loaded()
    before, scores = model.calibration_, model.ood_score(ASKED)
    for tpr in (0.2, 0.6, 1.0):
        limit = calibration.threshold_at_tpr(before.held_out, tpr)
        assert np.array_equal(model.is_ood(ASKED, tpr=tpr), scores > limit)
    assert model.calibration_ == before


@pytest.mark.parametrize("tpr", [0, -0.1, 1.01, "0.9", None, True, float("nan")])
def test_a_share_that_is_none_is_refused(loaded: Callable[[], GalLoPClassifier], tpr: Any) -> None:
    with pytest.raises(ConfigError, match=r"tpr is .*above 0 and at most 1"):
        loaded().set_threshold(tpr)


def test_where_nothing_was_held_out_it_is_said_and_photos_do_instead() -> None:
    model = tiny.classifier().zero_shot(["red", "green"])
    for ask in (lambda: model.set_threshold(0.9), lambda: model.is_ood(ASKED, tpr=0.9)):
        with pytest.raises(ConfigError, match=r"held-out shots, but this model has none.*set_threshold\(tpr, photos\)"):
            ask()
    found = model.set_threshold(0.75, ASKED).calibration_
    assert np.count_nonzero(model.is_ood(ASKED)) == 1
    assert (found.note, found.tpr) == ("computed from 4 known photos given to set_threshold", 0.75)


def test_a_limit_of_another_share_survives_a_save_a_new_class_and_one_class_alone(tmp_path: Path) -> None:
    model = taught()
    usual = model.calibration_.threshold
    again = saved(model.set_threshold(0.8), tmp_path)
    assert again.calibration_ == model.calibration_
    assert again.set_threshold(0.95).calibration_.threshold == usual
    assert model.add_class("yellow").remove_class("yellow").calibration_.tpr == 0.8
    with pytest.warns(UserWarning, match="with one class"):
        model.remove_class("red").remove_class("green")
    assert model.add_class("green").calibration_.threshold is not None
    assert model.calibration_.tpr == 0.8


def test_of_very_many_scores_quantiles_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST_SCORES", 101)
    scores = np.random.default_rng(0).normal(size=5000)
    found = Calibration.on(scores, len(scores))
    assert len(found.held_out) == 101
    assert found.threshold == calibration.threshold_at_tpr(scores), "of all of them"
    assert found.at(0.5).threshold == pytest.approx(np.quantile(scores, 0.5), abs=0.05)


# ------------------------------------------------------------------ partial_fit


def test_the_first_call_is_a_fit_and_more_shots_are_a_warm_start_on_all_of_them() -> None:
    """Bit by bit what ``fit`` with ``warm_start`` learns from old and new ones together."""
    more, names = tiny.pictures({"red": 2, "yellow": 3}, first_seed=40)
    model = tiny.classifier(calibration_folds=2).partial_fit(IMAGES, LABELS)
    other = tiny.classifier(calibration_folds=2, warm_start=True).fit(IMAGES, LABELS)
    assert tiny.equal(tiny.learned(model), tiny.learned(other))
    assert model.partial_fit(more, names) is model
    other.fit([*IMAGES, *more], [*LABELS, *names])
    assert model.classes_.tolist() == ["red", "green", "blue", "yellow"]
    assert tiny.equal(tiny.learned(model), tiny.learned(other))
    assert model.calibration_ == other.calibration_
    assert len(model.calibration_.held_out) == len(IMAGES) + 5


def test_one_class_is_enough_and_a_picture_counts_once() -> None:
    model = tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS)
    model.partial_fit([tiny.picture(41), IMAGES[0]], [LABELS[0], LABELS[0]])
    assert held_out(model) == COUNTS | {LABELS[0]: COUNTS[LABELS[0]] + 1}
    assert model.partial_fit([tiny.picture(41, "yellow")], ["yellow"]).classes_.tolist() == [*COUNTS, "yellow"]
    with pytest.raises(DataError, match="the same picture, but they are labelled 'red' and 'blue'"):
        model.partial_fit([IMAGES[0]], ["blue"])


def test_all_pictures_with_two_labels_are_named_at_once() -> None:
    with pytest.raises(DataError) as told:
        tiny.classifier().fit([*IMAGES[:7], *IMAGES[:7]], [*LABELS[:7], *["yellow"] * 7])
    assert str(told.value).count("are the same picture") == 5
    assert "; and 2 more. Remove one of each pair" in str(told.value)


def test_classes_may_be_named_before_their_photos_come() -> None:
    model = tiny.classifier().partial_fit(IMAGES[:6], LABELS[:6], classes=["red", "yellow"])
    assert model.classes_.tolist() == ["red", "yellow"]
    model.partial_fit(IMAGES, LABELS, classes=model.classes_)
    assert model.classes_.tolist() == ["red", "yellow", "green", "blue"]
    with pytest.raises(DataError, match="'red' is the only class"):
        tiny.classifier().partial_fit(IMAGES[:2], LABELS[:2])


def test_photos_of_a_class_that_was_removed_do_not_come_back() -> None:
    model = tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS).remove_class("green")
    model.partial_fit([tiny.picture(50, "red")], ["red"])
    assert (model.classes_.tolist(), held_out(model)) == (["red", "blue"], {"red": 7, "blue": 6})


def test_numbers_count_in_the_class_list() -> None:
    model, numbers = tiny.classifier(calibration_folds=2), [list(COUNTS).index(label) for label in LABELS]
    model.fit(IMAGES, numbers, class_names=list(COUNTS))
    more = [tiny.picture(50, "yellow"), tiny.picture(52, "yellow"), tiny.picture(51, "red")]
    model.partial_fit(more, iter([3, 3, 0]), classes=["yellow"])
    assert model.classes_.tolist() == ["red", "green", "blue", "yellow"]
    assert held_out(model) == COUNTS | {"yellow": 2, "red": COUNTS["red"] + 1}
    with pytest.raises(DataError, match="is the number 4, but"):
        model.partial_fit([tiny.picture(52, "red")], [4])


def test_a_pickle_holds_no_photos() -> None:
    model = pickle.loads(pickle.dumps(tiny.classifier().fit(IMAGES, LABELS)))
    with pytest.warns(UserWarning, match="not in memory"):
        model.partial_fit(IMAGES[3:15], LABELS[3:15])
    assert model.classes_.tolist() == ["red", "green", "blue"]


FEW = {  # class names of photos for a model of red, green and blue whose photos are not in memory -> who is forgotten
    "two of a new class": (["yellow", "yellow"], "red, green, blue"),
    "one of a known class": (["red"], "green, blue"),
    "all but one": (["red", "green", "yellow"], "blue"),
}


@pytest.mark.parametrize("names", FEW)
def test_a_loaded_model_does_not_forget_without_being_asked(names: str, loaded: Callable[[], GalLoPClassifier]) -> None:
    model, (labels, forgotten) = loaded(), FEW[names]
    before, photos = tiny.learned(model), [tiny.picture(70 + i, label) for i, label in enumerate(labels)]
    sentence = rf"forget the classes without photos here: {forgotten}\. Call add_shots .* drop_classes=True"
    with pytest.raises(ConfigError, match=sentence):
        model.partial_fit(photos, labels, classes=model.classes_)
    assert tiny.equal(tiny.learned(model), before)


def test_a_head_of_added_shots_is_not_forgotten_either() -> None:
    model = tiny.classifier(head="ridge").zero_shot(list(COUNTS)).add_shots(IMAGES, LABELS)
    with pytest.raises(ConfigError, match="without photos here: green, blue"):
        model.partial_fit(IMAGES[:1], LABELS[:1])


def test_classes_are_given_up_where_that_is_asked_for(loaded: Callable[[], GalLoPClassifier]) -> None:
    more, names = tiny.pictures({"yellow": 2, "red": 2}, first_seed=70)
    with pytest.warns(UserWarning, match="with the new photos only"):
        model = loaded().partial_fit(more, names, drop_classes=True)
    assert model.classes_.tolist() == ["red", "yellow"]
    model.partial_fit([tiny.picture(80, "blue")], ["blue"], classes=["green"])
    assert model.classes_.tolist() == ["red", "yellow", "green", "blue"]
    model.partial_fit([tiny.picture(81, "blue")], ["blue"], drop_classes=True)
    assert model.classes_.tolist() == ["red", "yellow", "blue"], "green has no photo to this day"


# ------------------------------------------------------------------ on the command line


def test_the_command_line_sets_a_limit_at_training_and_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    backbone = str(tiny.backbone_folder(tmp_path / "backbone"))
    photos = str(tiny.write_folder(tmp_path / "photos", {"red": 4, "green": 4}))
    model = str(tmp_path / "model")
    quick = ["--shots", "4", "--epochs", "1", "--views", "1", "--backbone", backbone, "--json"]
    assert main(["train", photos, "--out", model, *quick, "--tpr", "0.5"]) == 0
    said = json.loads(Path(model, SETTINGS).read_text())["calibration"]
    held_out, printed = said["held_out"], json.loads(capsys.readouterr().out)
    assert (said["tpr"], said["threshold"], printed["threshold"]) == (0.5, held_out[3], held_out[3])
    kept = []
    for tpr, limit in (("0.1", held_out[0]), ("1", held_out[-1])):
        assert main(["predict", photos, "--model", model, "--backbone", backbone, "--json", "--tpr", tpr]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["is_ood"] for row in rows] == [row["ood_score"] > limit for row in rows]
        kept.append(sum(not row["is_ood"] for row in rows))
    assert kept[0] < kept[1]
    for words, error in (
        (
            ["--classes", "red, green", "--backbone", backbone, "--tpr", "0.9"],
            "gallop: error: A threshold that accepts 90 % of the known photos",
        ),
        (["--model", model, "--tpr", "95"], "'95' is not a fraction above 0 and at most 1, such as 0.9"),
    ):
        assert main(["predict", photos, *words]) == 2
        assert error in capsys.readouterr().err


# ------------------------------------------------------------------ prompts that somebody else changes


@pytest.mark.parametrize("way", ["load_state_dict", "data", "an optimizer", "another object"])
def test_prompts_changed_in_place_answer_as_after_save_and_load(way: str, tmp_path: Path) -> None:
    model, other = tiny.classifier().zero_shot(list(COUNTS)), taught().model_.prompts
    before, kept = model.predict_proba(ASKED), model.model_.cached_text_features()
    assert model.model_.cached_text_features() is kept
    prompts = model.model_.prompts
    if way == "load_state_dict":
        prompts.load_state_dict(other.state_dict())
    elif way == "data":
        prompts.local_contexts.data.mul_(2)
    elif way == "an optimizer":
        prompts.global_contexts.grad = torch.ones_like(prompts.global_contexts)
        torch.optim.SGD([prompts.global_contexts], lr=0.1).step()
    else:
        model.model_.prompts = other
    found = model.predict_proba(ASKED)
    assert not np.array_equal(found, before)
    assert np.array_equal(found, saved(model, tmp_path).predict_proba(ASKED))


@pytest.mark.parametrize(
    ("found", "before", "now", "note"),
    [
        (Calibration(2.0, -1.5), 2, 3, "void: the class 'blue' was added after"),
        (Calibration(2.0, -1.5), 3, 2, "void: the class 'blue' was removed after"),
        (Calibration(2.0, note=NOT_HELD_OUT), 2, 3, NOT_HELD_OUT),
        (Calibration(2.0, -1.5), 2, 1, ONE_CLASS),
        (Calibration(note=ONE_CLASS), 1, 2, NOT_HELD_OUT),
    ],
)
def test_without_held_out_shots_a_limit_is_void(found: Calibration, before: int, now: int, note: str) -> None:
    names = ["red", "green", "blue"]
    left = found.after_change(names[:before], names[:now])
    assert (left.threshold, left.note[: len(note)]) == (None, note)
