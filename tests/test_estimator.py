"""``GalLoPClassifier``: scikit-learn's manners, training that can be stopped and resumed, thresholds, explanations."""

from __future__ import annotations

import copy
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from gallop import Explanation, GalLoPClassifier, plot_explanation
from gallop.backbones import Backbone
from gallop.config import PRESETS, MethodConfig, TrainConfig, method_preset, train_preset
from gallop.core import gallop as paper
from gallop.core.gallop import Loss
from gallop.data import stratified_folds
from gallop.errors import (
    CheckpointError,
    ClassNameError,
    ConfigError,
    ImageError,
    TrainingDiverged,
)
from gallop.features.encoding import MemoryCache, encode_photos
from gallop.images import CropBox, load_image
from gallop.model import prompted
from gallop.model.answers import Rule, answers
from gallop.model.prompted import PromptModel
from gallop.predictions.heatmaps import photo_map, region_box, where_in_words
from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import Batch, StepEvent, StepResult, Trainer
from tests.tiny import (
    classifier,
    equal,
    learned,
    new_vit,
    other_vit,
    picture,
    pictures,
    there,
    vit,
    write_folder,
    write_images,
)

SHOTS = {"red": 4, "green": 4, "blue": 4}


@pytest.fixture(scope="module")
def fitted() -> GalLoPClassifier:
    """Trained with a threshold on eight shots of three classes. Shared: tests that change it make their own."""
    return classifier(calibration_folds=2).fit(*pictures(dict.fromkeys(SHOTS, 8)))


def fit(**changes: Any) -> GalLoPClassifier:
    return classifier(**changes).fit(*pictures(SHOTS))


# --- scikit-learn's manners --------------------------------------------------------------------------------------


def test_settings_travel_whole() -> None:
    """Those that are no argument of the constructor, too."""
    method = MethodConfig(2, (3,), 0.0, local_projection=False)
    training = TrainConfig(epochs=2, lr=0.05, batch_size=3, momentum=0.5, weight_decay=0.1, views=1, seed=3)
    made = clone(GalLoPClassifier(vit(), method=method, preset=training, cache=False)).fit(*pictures(SHOTS))
    assert (made.training_, made.model_.config) == (training, method)
    made.set_params(epochs=1, seed=4).fit(*pictures(SHOTS))
    assert made.training_ == replace(training, epochs=1, seed=4)


def test_arguments_go_before_a_whole_method() -> None:
    whole = MethodConfig(1, (1,), 0.5, local_projection=False, head="ridge")

    def config(**arguments: Any) -> MethodConfig:
        return GalLoPClassifier(vit(), cache=False, **arguments).zero_shot(["red"]).model_.config

    assert config(method=whole) == whole
    assert config(method=whole, topk=(3,), head="none") == replace(whole, topk=(3,), head="none")
    assert config(method=whole, local_prompts=2).topk == (5, 10)
    with pytest.raises(ConfigError, match=r"method is 'paper'; it must be a MethodConfig"):
        config(method="paper")


def test_a_clone_of_a_fitted_classifier_is_not_fitted(fitted: GalLoPClassifier) -> None:
    copied = clone(fitted)
    assert copied.backbone is fitted.backbone, "frozen: a copy would only cost memory"
    with pytest.raises(NotFittedError):
        copied.predict(picture(0))


def test_branches_and_scores_of_an_answer_agree_with_each_other(fitted: GalLoPClassifier) -> None:
    """That probabilities, labels and accuracy do is in ``test_scikit_learn``."""
    images, _ = pictures({"red": 3, "green": 3, "blue": 3}, first_seed=30)
    found = fitted.predict_all(images)
    branches = np.stack([there(found.probabilities_global), there(found.probabilities_local)])
    assert branches.shape == (2, 9, 3)
    assert np.allclose(branches.sum(axis=2), 1, atol=1e-6)
    scores = found.ood["GL-MCM"]
    assert np.array_equal(scores, fitted.ood_score(images))
    assert np.allclose(found.ood["MCM"] + found.ood["L-MCM"], scores, atol=1e-6)
    assert there(found.is_ood).tolist() == (scores > there(fitted.calibration_.threshold)).tolist()


def test_one_image_is_a_batch_of_one_in_every_form(fitted: GalLoPClassifier, tmp_path: Path) -> None:
    image = picture(40, "green")
    (path,) = write_images(tmp_path, [image])
    wanted = fitted.predict_proba([picture(41), image, picture(42)])[1:2]
    sources = image, path, str(path), path.read_bytes(), np.asarray(image), load_image(path)
    found = np.stack([fitted.predict_proba(source) for source in sources])
    assert found.shape == (6, 1, 3)
    assert np.allclose(found, wanted, atol=1e-6)
    assert fitted.predict((image, image)).shape == (2,)


def test_what_is_not_set_is_the_backbones_own() -> None:
    """The paper's where nothing was measured; ``mini`` says in its folder that its own was."""
    usual: dict[str, Any] = {"epochs": 1, "views": 1, "lr": None, "batch_size": None}
    assert fit(**usual).training_ == train_preset("paper", epochs=1, views=1, calibration_folds=0)
    assert fit(**usual, preset="default").training_ == train_preset("default", epochs=1, views=1, calibration_folds=0)
    measured = new_vit()
    measured.preset = "default"
    assert fit(**usual, backbone=measured).training_.lr == train_preset("default").lr
    assert measured.copy_on("cpu").preset == "default"


def test_the_method_that_is_not_set_is_the_backbones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset brings the method along; what is said goes before it, and zero-shot is the paper's."""
    own = MethodConfig(2, (2, 3), 0.5, head="ridge")
    monkeypatch.setitem(PRESETS, "default", (own, TrainConfig()))
    measured, other = new_vit(), vit()
    measured.preset = "default"

    def taught(backbone: Any, **arguments: Any) -> MethodConfig:
        how: dict[str, Any] = {"epochs": 1, "views": 1, "calibration_folds": 0, "cache": False}
        return clone(GalLoPClassifier(backbone, **how | arguments)).fit(*pictures(SHOTS)).model_.config

    assert taught(measured) == taught(other, preset="default") == own
    assert taught(other) == taught(measured, preset="paper") == MethodConfig()
    assert taught(measured, preset=TrainConfig(epochs=1)) == own, "training settings alone were given"
    assert taught(measured, head="none", topk=(1,)) == replace(own, head="none", topk=(1,))
    assert taught(measured, local_prompts=1) == replace(own, topk=(5,))
    assert taught(measured, method=MethodConfig()) == MethodConfig(), "a whole method stands in its place"
    assert GalLoPClassifier(measured).zero_shot(["red"]).model_.config == MethodConfig()
    made = GalLoPClassifier(measured, method=MethodConfig())
    assert clone(made).zero_shot(["red"]).model_.config == MethodConfig()


def test_the_papers_preset_trains_and_is_saved_with_the_epochs_for_its_shots(tmp_path: Path) -> None:
    made = GalLoPClassifier(vit(), preset="paper", calibration_folds=0, cache=False)
    made.fit(*pictures({"red": 1, "green": 1}))
    made.save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=vit())
    assert (len(made.history_), there(made.training_).epochs, there(loaded.training_).epochs) == (50, 50, 50)


# --- What can be fitted ------------------------------------------------------------------------------------------


def test_a_folder_is_fitted_with_exactly_its_shots(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"red": 5, "green": 4})
    write_folder(tmp_path / "test", {"red": 2, "green": 2}, first_seed=40)
    made = classifier(shots=3, batch_size=50, epochs=1).fit(str(tmp_path))
    assert made.classes_.tolist() == ["green", "red"]
    assert [len(event.images) for event in made.history_] == [6]
    assert 0 <= made.score(tmp_path) <= 1
    everything = classifier(shots=5, allow_fewer=True, batch_size=50, epochs=1).fit(tmp_path)
    assert len(everything.history_[0].images) == 9


def test_the_order_of_a_folder_does_not_change_the_shots_or_the_prompts(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", {"red": 6, "green": 6})
    for colour in ("red", "green"):
        write_images(tmp_path / "b" / colour, [picture(i, colour) for i in reversed(range(6))])
    first, second = (classifier(shots=3).fit(tmp_path / name) for name in "ab")
    assert equal(learned(first), learned(second))


def test_one_class_can_be_predicted() -> None:
    with pytest.warns(
        UserWarning,
        match=r"'red' is the only class, so every photo is assigned to it with probability 1.*Add the other",
    ):
        alone = classifier().zero_shot(["red"])
    assert alone.predict_proba([picture(0), picture(1)]).tolist() == [[1.0], [1.0]]
    assert (alone.predict(picture(0)).tolist(), alone.explain(picture(0)).label) == (["red"], "red")
    assert alone.is_ood(picture(0)) is None
    assert alone.calibration_.note.startswith("none: with one class")
    assert not alone.add_class("green").calibration_.note.startswith("none: with one class")


def test_a_class_that_is_left_alone_has_no_limit(tmp_path: Path) -> None:
    """Its score is the same for every photo, so that any limit would let everything pass."""
    made = classifier(calibration_folds=2).fit(*pictures({"red": 4, "green": 4}))
    old = made.calibration_
    with pytest.warns(UserWarning, match="The threshold is none: with one class"):
        made.remove_class("green")
    assert (made.calibration_.threshold, made.is_ood(picture(0))) == (None, None)
    made.calibration_ = old  # as in models that were saved before
    made.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit(), device="cpu")
    assert loaded.is_ood(picture(0)) is None
    for ask in (
        lambda: loaded.set_threshold(0.9, [picture(0), picture(1)]),
        lambda: made.set_threshold(0.9),
        lambda: made.is_ood(picture(0), tpr=0.9),
    ):
        with pytest.raises(ConfigError, match=r"'red' is the only class.*add_class"):
            ask()


def test_a_name_longer_than_the_text_encoder_is_refused_by_name() -> None:
    name = "cat " * 49  # within the characters of a name, if not within a backbone of 32 tokens
    short = new_vit()
    short.text.context_length = 32
    with pytest.raises(ClassNameError, match=r"'cat cat.*has 49 tokens.*room for only 26"):
        classifier(backbone=short).zero_shot([name, "dog"])
    made = classifier(backbone=short).zero_shot(["dog"])
    with pytest.raises(ClassNameError, match="49 tokens"):
        made.add_class(name)
    assert made.classes_.tolist() == ["dog"]  # as it was
    assert made.predict(picture(0)).tolist() == ["dog"]


# --- Training ----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_prompts_bit_for_bit() -> None:
    torch.manual_seed(1)
    first = fit(seed=3)
    torch.manual_seed(2)  # numbers of others do not reach the training
    second, other = fit(seed=3), fit(seed=4)
    assert equal(learned(first), learned(second))
    assert not equal(learned(first), learned(other))
    assert [event.loss for event in first.history_] == [event.loss for event in second.history_]


def test_fitting_again_starts_again() -> None:
    made = fit(calibration_folds=2)
    before = learned(made)
    made.fit(*pictures(SHOTS))
    assert equal(before, learned(made))
    assert len(made.history_) == 6
    made.zero_shot(["cat"])
    assert (made.history_, made.calibration_.threshold, made.calibration_.temperature) == ([], None, 1.0)


def test_a_warm_start_goes_on_from_the_prompts_there_are() -> None:
    made = classifier(warm_start=True).fit(*pictures(SHOTS))
    first, before = learned(made), made.model_
    assert equal(first, learned(fit())), "the first fit has nothing to go on from"
    steps = made.fit_steps(*pictures({**SHOTS, "yellow": 3}))
    next(steps)
    assert equal(learned(made), first)
    assert made.classes_.tolist() == ["red", "green", "blue", "yellow"]
    list(steps)
    assert not equal(learned(made), first)
    assert not equal(learned(made), learned(classifier().fit(*pictures({**SHOTS, "yellow": 3}))))
    assert equal(before.prompts.state_dict(), first), "prompts of before are left alone"


def test_a_warm_start_goes_on_from_a_checkpoint_and_from_a_cancelled_fit(tmp_path: Path) -> None:
    made = classifier().fit(*pictures(SHOTS))
    made.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit()).set_params(warm_start=True, cache=False)
    next(loaded.fit_steps(*pictures(SHOTS)))  # cancelled at once
    assert equal(learned(loaded), learned(made))
    next(loaded.fit_steps(*pictures(SHOTS)))
    assert equal(learned(loaded), learned(made))


def test_folds_of_a_warm_start_have_seen_nothing() -> None:
    """Prompts of before may have seen the shots that are held out now: their threshold would be too good."""
    cold = classifier(calibration_folds=2).fit(*pictures(SHOTS))
    warm = classifier(calibration_folds=2, warm_start=True).fit(*pictures(SHOTS)).fit(*pictures(SHOTS))
    assert warm.calibration_ == cold.calibration_


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": other_vit()},
        {"backbone": vit().with_regions("query-query")},
        {"local_projection": False},
        {"method": MethodConfig(global_projection=True)},
    ],
)
def test_a_warm_start_from_other_prompts_is_refused(change: dict[str, Any]) -> None:
    made = classifier(warm_start=True).fit(*pictures(SHOTS))
    before = learned(made)
    with pytest.raises(ConfigError, match="warm_start=False"):
        made.set_params(**change).fit(*pictures(SHOTS))
    assert equal(learned(made), before)
    made.set_params(warm_start=False).fit(*pictures(SHOTS))


def test_a_warm_start_with_another_number_of_prompts_keeps_those_that_both_have() -> None:
    """Further ones begin as in any training: with the starting words."""
    made = classifier(warm_start=True).fit(*pictures(SHOTS))
    before, fresh = learned(made), dict(classifier(global_prompts=3).zero_shot(["red"]).model_.prompts.state_dict())
    next(made.set_params(global_prompts=3, topk=(2,)).fit_steps(*pictures(SHOTS)))
    now = learned(made)
    assert torch.equal(now["global_contexts"][:2], before["global_contexts"])
    assert torch.equal(now["global_contexts"][2:], fresh["global_contexts"][2:])
    assert torch.equal(now["local_contexts"], before["local_contexts"][:1])
    assert torch.equal(now["local_projection"], before["local_projection"])


def test_rounds_are_those_of_prompts_that_go_on_and_folds_begin_anew_with_all_epochs() -> None:
    made = classifier(calibration_folds=2, warm_start=True, epochs=3)
    first = list(made.fit_steps(*pictures(SHOTS), rounds=1))
    assert sum(isinstance(event, StepEvent) for event in first) == 9, "nothing has learned yet"
    cold = made.calibration_
    events = list(made.fit_steps(*pictures(SHOTS), rounds=1))
    assert sum(isinstance(event, StepEvent) for event in events) == 3
    assert made.calibration_ == cold


@pytest.mark.parametrize("more", ["fit", "partial_fit"])
def test_training_after_zero_shot_takes_the_settings_of_a_training(more: str) -> None:
    """They may differ from zero-shot's, and prompts that have learned nothing cannot lose anything."""
    backbone = copy.copy(vit())
    backbone.preset = "default"
    made = GalLoPClassifier(backbone, epochs=1, views=2, cache=False, warm_start=True, calibration_folds=0)
    made.zero_shot(["red", "green"])
    assert getattr(made, more)(*pictures({"red": 3, "green": 3})).model_.config == method_preset("default")


def test_events_tell_everything_in_order() -> None:
    made = classifier(calibration_folds=2, epochs=3, batch_size=5)  # two batches of 6
    events = list(made.fit_steps(*pictures(SHOTS)))
    kinds = [type(event) for event in events]
    assert kinds == sorted(kinds, key=[EncodeEvent, StepEvent, CalibrationEvent].index)
    assert [event for event in events if isinstance(event, EncodeEvent)][-1] == EncodeEvent(36, 36)
    steps = [event for event in events if isinstance(event, StepEvent)]
    ends = [False, True] * 3
    assert [(event.step, event.steps, event.end_of_epoch) for event in steps] == [(i + 1, 6, ends[i]) for i in range(6)]
    assert steps == made.history_
    scored = [event for event in events if isinstance(event, CalibrationEvent)]
    assert [event.step for event in scored] == list(range(1, scored[0].steps + 1))
    for event in steps:
        assert event.loss == pytest.approx(event.loss_global + event.loss_local, rel=1e-5)
        assert (0 <= event.accuracy <= 1, event.kept.shape) == (True, (len(event.images), 1))


@pytest.mark.parametrize("stop", [0, 1, 4, 6])
def test_stopping_at_any_step_keeps_what_was_learned_by_then(stop: int) -> None:
    reference, wanted = classifier(), None
    for event in reference.fit_steps(*pictures(SHOTS)):
        if isinstance(event, StepEvent) and event.step == stop:
            wanted = learned(reference)
    made = classifier()
    steps = made.fit_steps(*pictures(SHOTS))
    for event in steps:
        made.predict(picture(0))  # an app predicts while it trains
        if not stop or (isinstance(event, StepEvent) and event.step == stop):
            break
    steps.close()  # type: ignore[attr-defined]
    assert equal(learned(made), wanted or learned(classifier().zero_shot(["red", "green", "blue"])))
    assert len(made.history_) == stop
    assert np.allclose(made.predict_proba(picture(1)), by_formula(made, [picture(1)]), atol=1e-6)
    assert (made.calibration_.threshold, made.is_ood(picture(0))) == (None, None)


def cut_off(made: GalLoPClassifier, work: Path, step: int) -> None:
    for event in made.fit_steps(*pictures(SHOTS), work=work):
        if isinstance(event, StepEvent) and event.step == step:
            return


@pytest.mark.parametrize(("views", "step"), [(0, 5), (2, 1), (2, 3), (2, 12)])
def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path, views: int, step: int) -> None:
    settings: dict[str, Any] = {"epochs": 4, "views": views, "calibration_folds": 2}
    whole = fit(**settings)
    cut_off(classifier(**settings), tmp_path, step)
    resumed = classifier(**settings)
    events = list(resumed.fit_steps(*pictures(SHOTS), work=tmp_path))
    assert equal(learned(resumed), learned(whole))
    assert resumed.calibration_ == whole.calibration_
    first = next(event.step for event in events if isinstance(event, StepEvent))
    # From the end of the last whole epoch; the last one of all is repeated, so that its events are seen again.
    assert first == min(step // 3 * 3, 9) + 1
    assert len(list(tmp_path.iterdir())) == 1, "kept until it was saved"
    resumed.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_half_a_training_of_an_older_version_is_trained_anew(tmp_path: Path) -> None:
    cut_off(classifier(), tmp_path, 3)
    (path,) = tmp_path.iterdir()
    save_file(load_file(path), path, metadata={"key": "of an older version", "epoch": "1"})
    made = classifier()
    with pytest.warns(UserWarning, match=r"saved in .* was begun by another version of gallop, .* starts anew"):
        list(made.fit_steps(*pictures(SHOTS), work=tmp_path))
    assert equal(learned(made), learned(fit()))


OTHER_SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.2},
    {"seed": 1},
    {"epochs": 5},
    {"dropout": 0.0},
    {"topk": (2, 5)},
    {"global_prompts": 3},
    {"local_projection": False},
    {"backbone": vit().with_regions("query-query")},
    {"backbone": other_vit()},
    {"cache": MemoryCache(dtype=torch.float32)},
]
SWAPPED = pictures(SHOTS)[0], pictures(SHOTS)[1][::-1]


@pytest.mark.parametrize(
    ("change", "given"),
    [*((change, pictures(SHOTS)) for change in OTHER_SETTINGS), ({}, pictures(SHOTS, first_seed=1)), ({}, SWAPPED)],
)
def test_other_settings_images_or_labels_do_not_resume_a_training(
    tmp_path: Path, change: dict[str, Any], given: tuple[Any, Any]
) -> None:
    cut_off(classifier(), tmp_path, 3)
    with pytest.raises(
        CheckpointError, match=r"had different settings, a different backbone or different images.*resuming"
    ):
        list(classifier(**change).fit_steps(*given, work=tmp_path))
    list(classifier().fit_steps(*pictures(SHOTS), work=tmp_path))


def no_number(loss: Loss) -> Loss:
    return replace(loss, total=loss.total * math.nan)


def no_gradient(loss: Loss) -> Loss:
    """A finite loss with a NaN gradient (0 * inf in the chain rule) would poison the prompts one step later."""
    loss.total.register_hook(lambda gradient: gradient * math.nan)  # type: ignore[no-untyped-call]
    return loss


@pytest.mark.parametrize("poisoned", [no_number, no_gradient])
def test_a_loss_or_gradient_that_is_no_number_stops_and_keeps_the_prompts(
    poisoned: Callable[[Loss], Loss], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = classifier()
    before = next(
        learned(reference)
        for event in reference.fit_steps(*pictures(SHOTS))
        if isinstance(event, StepEvent) and event.step == 4
    )
    calls, sound = count(1), paper.gallop_loss

    def loss(*args: Any, **kwargs: Any) -> Loss:
        found = sound(*args, **kwargs)
        return poisoned(found) if next(calls) == 5 else found

    monkeypatch.setattr(prompted, "gallop_loss", loss)
    made = classifier()
    with pytest.raises(TrainingDiverged, match=r"epoch 2.*Lower the learning rate"):
        made.fit(*pictures(SHOTS))
    assert equal(learned(made), before)
    assert len(made.history_) == 4
    assert np.isfinite(made.predict_proba(picture(0))).all()


def test_a_step_that_overflows_is_taken_back() -> None:
    x = torch.full((1,), 2e38, requires_grad=True)

    def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
        total = -x.sum() * 1e-30
        right = torch.ones(len(batches[0].images), dtype=torch.bool)
        return StepResult(Loss(total, total, total * 0), right, right, None, torch.zeros(len(right), 1))

    config = TrainConfig(epochs=3, lr=100.0, weight_decay=100.0, batch_size=4)
    with pytest.raises(TrainingDiverged):
        list(Trainer([x], compute, [4], config).run())
    assert torch.isfinite(x).all()


def test_coop_is_one_global_prompt_alone() -> None:
    made = fit(global_prompts=1, topk=None, local_prompts=0, dropout=0.0, calibration_folds=2)
    found = made.predict_all([picture(0), picture(1, "blue")])
    assert np.array_equal(found.probabilities, found.probabilities_global)
    explanation = made.explain(picture(0))
    local = found.probabilities_local, made.history_[0].accuracy_local, explanation.local_probabilities
    assert (*local, explanation.local_scores.shape) == (None, None, None, (3, 0))
    assert made.calibration_.threshold is not None
    assert torch.equal(learned(made)["local_projection"], torch.eye(64))
    assert explanation.probabilities == explanation.global_probabilities
    assert len(plot_explanation(explanation).axes) >= 2
    with pytest.raises(ValueError, match="this model has 0"):
        explanation.map("red", 0)


# --- Threshold and temperature ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shots", "note"), [(7, r"^unreliable.* 7 shots.* 8 "), (8, "^$")])
def test_below_eight_shots_the_threshold_is_called_unreliable(shots: int, note: str) -> None:
    made = classifier(calibration_folds=2, epochs=1, views=1).fit(*pictures({"red": 9, "green": shots}))
    assert made.calibration_.threshold is not None
    assert re.search(note, made.calibration_.note)


@pytest.mark.parametrize(("shots", "folds", "said"), [(1, 3, "held out"), (4, 0, ".")])
def test_where_nothing_is_held_out_there_is_no_threshold_and_it_is_said_why(shots: int, folds: int, said: str) -> None:
    made = classifier(calibration_folds=folds).fit(*pictures({"red": shots, "green": shots}))
    assert (made.calibration_.threshold, made.calibration_.temperature) == (None, 1.0)
    assert re.search(said, made.calibration_.note)
    assert made.is_ood([picture(0), picture(1)]) is None


def softmax(x: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def gl_mcm(made: GalLoPClassifier, images: list[Image.Image], names: list[str]) -> NDArray[np.float64]:
    """The score from the backbones' plain outputs and the learned tensors, in numpy."""
    backbone, prompts = made.model_.backbone, made.model_.prompts
    with torch.no_grad():
        tokens = backbone.text.tokenize(names, context_tokens=4)
        text = backbone.text.encode(prompts.contexts(), tokens).double().numpy()
        text /= np.linalg.norm(text, axis=-1, keepdims=True)
        pixels = torch.stack([backbone.preprocess.centre(image)[0] for image in images])
        whole, regions = (x.double().numpy() for x in backbone.encode_image(pixels))
        projection = there(backbone.vision.region_projection)
        regions = regions @ prompts.local_projection.double().numpy().T @ projection.double().numpy()
    whole /= np.linalg.norm(whole, axis=-1, keepdims=True)
    regions /= np.linalg.norm(regions, axis=-1, keepdims=True)
    m = len(prompts.global_contexts)
    global_ = np.einsum("bd,kmd->bk", whole, text[:, :m]) / m
    local = np.einsum("brd,knd->brk", regions, text[:, m:]) / (text.shape[1] - m)
    return np.asarray(-softmax(global_).max(-1) - softmax(local).max((1, 2)))


def test_the_threshold_is_that_of_prompts_that_never_saw_the_shot() -> None:
    """From scratch: train without each fold by hand, score it by hand, take the 95th percentile by counting."""
    images, labels = pictures({"red": 6, "green": 6, "blue": 5})
    made = classifier(calibration_folds=3, seed=2).fit(images, labels)
    order = ["red", "green", "blue"]
    scores: dict[int, list[float]] = {3: [], 4: []}
    for fold in stratified_folds([order.index(label) for label in labels], 3, seed=2):
        rest = [i for i in range(len(labels)) if i not in fold]
        without = classifier(seed=2).fit([images[i] for i in rest], [labels[i] for i in rest])
        assert without.classes_.tolist() == order
        held_out = [images[i] for i in fold]
        scores[3] += gl_mcm(without, held_out, order).tolist()
        scores[4] += gl_mcm(without, held_out, [*order, "yellow"]).tolist()
    assert len(scores[3]) == 17
    wanted = sorted(scores[3])[math.ceil(0.95 * 17) - 1]
    assert made.calibration_.threshold == pytest.approx(wanted, abs=1e-5)
    made.add_class("yellow")
    assert made.calibration_.threshold == pytest.approx(sorted(scores[4])[math.ceil(0.95 * 17) - 1], abs=1e-5)
    assert made.calibration_.threshold != pytest.approx(wanted, abs=1e-3)


def test_with_no_rounds_no_prompt_changes_no_view_is_encoded_and_the_head_learns_and_is_calibrated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode, encoded = Backbone.encode_image, []
    monkeypatch.setattr(Backbone, "encode_image", lambda self, seen: encoded.append(len(seen)) or encode(self, seen))
    images, labels = pictures({"red": 6, "green": 6, "blue": 5})
    made = classifier(calibration_folds=3, epochs=0, head="ridge").fit(images, labels)
    assert sum(encoded) == 17
    named = classifier(head="ridge").zero_shot(["red", "green", "blue"])
    assert equal(learned(made), learned(named))
    shown = named.add_shots(images, labels).model_.branches[0].form
    assert torch.equal(made.model_.branches[0].form.weights, shown.weights)
    scores = sorted(gl_mcm(made, images, ["red", "green", "blue"]))  # prompts that learn nothing have seen no shot
    assert made.calibration_.threshold == pytest.approx(scores[math.ceil(0.95 * 17) - 1], abs=1e-5)
    assert (made.history_, made.calibration_.photos) == ([], 17)
    assert made.calibration_.temperature != 1


def test_a_class_that_is_known_by_its_name_alone_is_not_the_smallest_of_those_with_shots() -> None:
    images, labels = pictures({"red": 8, "green": 8})
    notes = [
        classifier(calibration_folds=2, epochs=0).partial_fit(images, labels, classes=names).calibration_.note
        for names in (["blue", "red", "green"], ["red", "blue", "green"], ["red", "green", "blue"])
    ]
    assert notes == ["", "", ""]


def test_a_copy_is_never_held_out_from_its_original() -> None:
    images, labels = pictures(dict.fromkeys(SHOTS, 8))
    once = classifier(calibration_folds=2).fit(images, labels)
    twice = classifier(calibration_folds=2).fit([*images, *images], [*labels, *labels])
    assert twice.calibration_ == once.calibration_
    assert equal(learned(once), learned(twice))


def test_a_class_added_during_a_training_is_in_its_threshold() -> None:
    images, labels = pictures(SHOTS)
    made = classifier(calibration_folds=2)
    for number, _ in enumerate(made.fit_steps(images, labels)):
        if number == 0:
            made.add_class("yellow")
    after = classifier(calibration_folds=2).fit(images, labels).add_class("yellow")
    assert made.calibration_ == after.calibration_
    assert np.allclose(made.predict_proba(images), after.predict_proba(images), atol=1e-5)


def test_a_fit_that_is_refused_leaves_the_classifier_as_it_was(fitted: GalLoPClassifier, tmp_path: Path) -> None:
    before = fitted.predict_proba(picture(3))
    with pytest.raises(ImageError):
        fitted.fit([picture(1), tmp_path / "missing.png"], ["cat", "dog"])
    assert np.array_equal(fitted.predict_proba(picture(3)), before)


def test_many_images_are_answered_a_batch_at_a_time(fitted: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [picture(i) for i in range(5)]
    once = fitted.predict_all(images)
    monkeypatch.setattr("gallop.features.encoding.BATCH", 2)
    parts = fitted.predict_all(images)
    assert parts.labels.tolist() == once.labels.tolist()
    for name in ("probabilities", "probabilities_global", "probabilities_local", "is_ood"):
        assert np.allclose(getattr(parts, name), getattr(once, name), atol=1e-5)
    assert all(np.allclose(parts.ood[name], once.ood[name], atol=1e-5) for name in once.ood)


def test_the_ood_score_is_the_formula(fitted: GalLoPClassifier) -> None:
    images = [picture(70, "yellow"), picture(71)]
    assert np.allclose(fitted.ood_score(images), gl_mcm(fitted, images, fitted.classes_.tolist()), atol=1e-5)


def by_formula(made: GalLoPClassifier, images: list[Image.Image]) -> NDArray[np.float64]:
    """Probabilities by the model's own logits, divided by the temperature."""
    features, _ = encode_photos(vit(), [load_image(image) for image in images])
    with torch.no_grad():
        logits = answers(made.model_.similarities(features, made.model_.text_features()), Rule((2, 4))).scores
    return softmax(logits.double().numpy() * vit().logit_scale / made.calibration_.temperature)


def test_the_temperature_divides_the_logits_and_nothing_else(fitted: GalLoPClassifier) -> None:
    images, _ = pictures({"red": 2, "blue": 2}, first_seed=60)
    assert fitted.calibration_.temperature != 1.0
    assert np.allclose(fitted.predict_proba(images), by_formula(fitted, images), atol=1e-5)


# --- Another class -----------------------------------------------------------------------------------------------


def test_adding_a_class_is_starting_with_it() -> None:
    """Text features, and so every answer, equal those of the same prompts with the longer list."""
    made = fit(calibration_folds=2)
    before, temperature = made.predict_all(picture(5)).probabilities[0], made.calibration_.temperature
    assert made.add_class(" Yellow_submarine of  a kind ") is made
    names = ["red", "green", "blue", "Yellow_submarine of a kind"]
    assert made.classes_.tolist() == names
    fresh = PromptModel(vit(), names, made.model_.config, made.model_.prompts)
    with torch.no_grad():
        wanted, found = fresh.text_features(), made.model_.cached_text_features()
    assert torch.allclose(found.global_, wanted.global_, rtol=1e-4, atol=1e-5)
    assert torch.allclose(found.local, wanted.local, rtol=1e-4, atol=1e-5)
    after = made.predict_all(picture(5)).probabilities
    assert after.shape == (1, 4)
    # The odds of the old classes depend on the temperature alone.
    odds, again = (float(np.log(row[0] / row[1])) for row in (before, after[0]))
    assert again * made.calibration_.temperature == pytest.approx(odds * temperature, rel=1e-3)


def test_a_class_can_be_added_to_a_zero_shot_list() -> None:
    made = classifier().zero_shot(["red"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there was no threshold, so none is lost
        made.add_class("green")
    direct = classifier().zero_shot(["red", "green"])
    assert np.allclose(made.predict_proba(picture(0)), direct.predict_proba(picture(0)), atol=1e-6)


@pytest.mark.parametrize("name", ["red", "RED", " red ", "", "r\u200bed"])
def test_a_class_that_is_there_or_is_no_name_is_not_added(fitted: GalLoPClassifier, name: str) -> None:
    before = fitted.calibration_
    with pytest.raises(ClassNameError):
        fitted.add_class(name)
    assert (fitted.classes_.tolist(), fitted.calibration_) == (["red", "green", "blue"], before)


def test_after_loading_a_new_class_voids_the_threshold_with_a_warning(tmp_path: Path) -> None:
    made = fit(calibration_folds=2)
    made.save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=vit())
    assert loaded.is_ood(picture(0)) is not None
    with pytest.warns(UserWarning, match="void: the class 'yellow'"):
        loaded.add_class("yellow")
    assert loaded.calibration_.temperature == made.calibration_.temperature
    assert (loaded.calibration_.threshold, loaded.is_ood(picture(0)), loaded.explain(picture(0)).is_ood) == (None,) * 3
    loaded.save(tmp_path / "again")
    again = GalLoPClassifier.load(tmp_path / "again", backbone=vit())
    assert again.calibration_ == loaded.calibration_
    assert again.classes_.tolist() == ["red", "green", "blue", "yellow"]


# --- Explanations ------------------------------------------------------------------------------------------------


SIZES = [(40, 32), (64, 64), (31, 77), (90, 33), (5, 9), (1, 1), (300, 1)]


@pytest.fixture(params=SIZES, ids=str)
def explained(fitted: GalLoPClassifier, request: pytest.FixtureRequest) -> Explanation:
    return fitted.explain(picture(11, "blue", request.param))


@pytest.fixture
def explanation(fitted: GalLoPClassifier) -> Explanation:
    return fitted.explain(picture(11, "blue", (50, 80)))


def test_an_explanation_says_what_the_prediction_says(fitted: GalLoPClassifier, explanation: Explanation) -> None:
    found = fitted.predict_all(picture(11, "blue", (50, 80)))
    assert list(explanation.probabilities) == list(explanation.class_names) == fitted.classes_.tolist()
    for told, wanted in (
        (explanation.probabilities, found.probabilities),
        (explanation.global_probabilities, found.probabilities_global),
        (explanation.local_probabilities, found.probabilities_local),
    ):
        assert np.allclose(list(there(told).values()), there(wanted)[0], atol=1e-6)
    assert (explanation.label, explanation.is_ood) == (found.labels[0], there(found.is_ood)[0])
    assert explanation.ood_score == pytest.approx(float(found.ood["GL-MCM"][0]), abs=1e-6)
    shapes = explanation.image.size, explanation.global_scores.shape, explanation.local_scores.shape
    assert shapes == ((50, 80), (3, 2), (3, 2))
    logits = (explanation.global_scores.mean(1) + explanation.local_scores.mean(1)) / 2
    wanted = softmax(logits.astype(np.float64) * explanation.scale / explanation.temperature)
    assert np.allclose(list(explanation.probabilities.values()), wanted, atol=1e-5)


def test_boxes_tile_the_crop_and_lie_inside_it(explained: Explanation) -> None:
    boxes = sorted(explained.with_topk((16, 16)).regions("red", 0), key=lambda box: box.region)
    assert [box.region for box in boxes] == list(range(16))
    crop, (width, height) = explained.crop, explained.image.size
    across, down = (crop.right - crop.left) / 4, (crop.bottom - crop.top) / 4
    for box in boxes:
        row, column = divmod(box.region, 4)
        x, y = crop.left + column * across, crop.top + row * down
        assert (box.left, box.top, box.right, box.bottom) == pytest.approx((x, y, x + across, y + down))
        left, top, right, bottom = box.rounded()
        assert 0 <= left <= right <= width
        assert 0 <= top <= bottom <= height


def test_maps_are_the_photos_size_and_nan_outside_the_crop(explained: Explanation) -> None:
    crop, (width, height) = explained.crop, explained.image.size
    for smooth in (False, True):
        values = explained.map("green", 1, smooth=smooth)
        assert values.shape == (height, width)
        ys, xs = np.mgrid[0:height, 0:width] + 0.5
        # A pixel that the edge of the crop cuts may fall on either side.
        inside = (xs > crop.left + 0.5) & (xs < crop.right - 0.5) & (ys > crop.top + 0.5) & (ys < crop.bottom - 0.5)
        outside = (xs < crop.left - 0.5) | (xs > crop.right + 0.5) | (ys < crop.top - 0.5) | (ys > crop.bottom + 0.5)
        assert np.isfinite(values[inside]).all()
        assert np.isnan(values[outside]).all()
        cosines = explained.region_scores("green", 1)
        assert np.nanmin(values) >= cosines.min() - 1e-6
        assert np.nanmax(values) <= cosines.max() + 1e-6


@pytest.mark.parametrize("size", [(40, 32), (64, 64), (31, 77), (900, 333)])
def test_the_flat_map_is_the_score_of_the_region_below_each_pixel(
    fitted: GalLoPClassifier, size: tuple[int, int]
) -> None:
    explanation = fitted.explain(picture(12, "red", size)).with_topk((16, 16))
    values = explanation.map("red", 0, smooth=False)
    for box in explanation.regions("red", 0):
        # Well inside the box, away from the rounding of its edges.
        xs = range(math.ceil(box.left + 1), math.floor(box.right - 1))
        ys = range(math.ceil(box.top + 1), math.floor(box.bottom - 1))
        assert len(xs) * len(ys) > 0
        assert np.allclose(values[np.ix_(ys, xs)], box.score, atol=1e-7)


def test_regions_of_a_grid_that_is_not_square_are_numbered_row_by_row() -> None:
    crop = CropBox(10, 0, 40, 20)
    box = region_box(4, 0.5, (2, 3), crop)
    assert (box.left, box.top, box.right, box.bottom) == (20, 10, 30, 20)
    values = photo_map(np.arange(6, dtype=np.float32).reshape(2, 3), crop, (50, 20), smooth=False)
    assert [values[y, x] for y, x in ((0, 10), (0, 39), (19, 25), (19, 39))] == [0, 2, 4, 5]
    assert np.isnan(values).tolist() == [[True] * 10 + [False] * 30 + [True] * 10] * 20
    assert where_in_words([0, 5], (2, 3)) == "upper left, 1 of 2 regions; lower right, 1 of 2 regions"


def test_other_scales_change_local_things_alone(explanation: Explanation) -> None:
    changed = explanation.with_topk((1, 16))
    for kept in ("global_scores", "global_probabilities", "ood_score"):
        np.testing.assert_equal(getattr(changed, kept), getattr(explanation, kept))
    assert np.array_equal(changed.region_scores("red", 1), explanation.region_scores("red", 1))
    scores = [[explanation.region_scores(name, n) for n in (0, 1)] for name in explanation.class_names]
    assert np.allclose(changed.local_scores, [(first.max(), second.mean()) for first, second in scores], atol=1e-6)
    assert changed.probabilities != explanation.probabilities
    assert explanation.topk == (2, 4)  # the first one has not moved
    clamped = explanation.with_topk((500, 500))
    assert (len(changed.regions("red", 1)), len(clamped.regions("red", 0))) == (16, 16)
    assert explanation.with_topk([2, 4]).probabilities == explanation.probabilities


@pytest.mark.parametrize("topk", [(), (1,), (1, 2, 3), (0, 1), (-1, 4), (2.5, 4), ("2", 4), (math.nan, 1), 5, None])
def test_scales_that_make_no_sense_are_refused(explanation: Explanation, topk: Any) -> None:
    with pytest.raises(ConfigError, match="topk"):
        explanation.with_topk(topk)


def test_unknown_classes_and_prompts_are_refused_by_name(explanation: Explanation) -> None:
    for ask in (explanation.region_scores, explanation.map, explanation.regions, explanation.describe):
        with pytest.raises(ValueError, match=r"no class 'purple'; its classes are red, green, blue"):
            ask("purple", 0)
        for prompt in (-1, 2):
            with pytest.raises(ValueError, match=rf"no local prompt {prompt}; this model has 2"):
                ask("red", prompt)
    with pytest.raises(ValueError, match="no class 'purple'"):
        plot_explanation(explanation, "purple")
    assert np.array_equal(explanation.region_scores(" red ", 0), explanation.region_scores("red", 0))


def test_regions_in_words_count_them_all(explanation: Explanation) -> None:
    words = explanation.describe("red", 1)
    counts = [int(part.split(", ")[1].split(" of ")[0]) for part in words.split("; ")]
    assert (sum(counts), counts) == (4, sorted(counts, reverse=True))
    everywhere = explanation.with_topk((16, 16)).describe("red", 0)
    assert everywhere.count("16 regions") == 9  # all nine parts of the photo


def test_a_plot_has_a_panel_a_prompt_and_a_bar_a_global_score(explanation: Explanation) -> None:
    figure = plot_explanation(explanation, "green")
    photo, scores, *maps, _ = figure.axes
    assert photo.get_title() == "photo, and what the model saw"
    means = explanation.local_scores[1]
    assert [axes.get_title() for axes in maps] == [
        f"local prompt {n + 1}, k = {k}: {means[n]:.3f}" for n, k in enumerate(explanation.topk)
    ]
    bars = explanation.global_scores[1]
    assert np.ptp(bars) < 0.02, "nearly equal"
    assert [bar.get_height() for bar in scores.patches] == pytest.approx((bars - bars.mean()).tolist(), abs=1e-6)
