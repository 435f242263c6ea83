"""scikit-learn's own checks, those that have a meaning for photos, and its tools, on lists of paths.

``docs/reference/scikit_learn.md`` lists them. With true tags ``check_estimator`` skips nearly all, since they fit
tables of numbers. So those that fit nothing are run as they are, and the others are written for paths, each under its
name.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from gallop import GalLoPClassifier, load_backbone
from gallop.answers import PhotoScorer
from gallop.backbones.loading import loaded_again
from gallop.config import MethodConfig, TrainConfig
from gallop.errors import BackboneError, DataError
from gallop.features.encoding import MemoryCache
from gallop.setting import settings_of
from tests.conftest import ROOT
from tests.tiny import backbone_folder, classifier, equal, learned, picture, pictures, vit, write_images

AS_THEY_ARE = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
COUNTS = {"blue": 6, "green": 6, "red": 6}


EVERY_SETTING: dict[str, Any] = {
    **{"global_prompts": 3, "topk": (4,), "dropout": 0.5, "local_projection": False, "head": "ridge"},
    **{"detail": 2.0, "detail_in": "maps", "global_projection": True, "class_weight": "balanced"},
    **{"starts": "a sketch of a", "init": 0.5, "diversity": 0.3, "pooling": min, "keep_rule": max},
    **{"epochs": 3, "lr": 0.5, "batch_size": 8, "momentum": 0.5, "weight_decay": 0.2, "views": 2},
    **{"calibration_folds": 2, "seed": 7, "extra_loss": sum, "optimizer": torch.optim.Adam.step, "scheduler": pow},
}
"""Each with another value than its default."""


def test_every_setting_is_an_argument_that_a_clone_and_a_search_have() -> None:
    """The two dataclasses are where a setting is written; the signature repeats them for editors and type checkers."""
    settings = settings_of(MethodConfig) | settings_of(TrainConfig)
    arguments = inspect.signature(GalLoPClassifier).parameters
    assert [name for name in arguments if name in settings] == [*settings] == [*EVERY_SETTING]
    assert {arguments[name].default for name in settings} == {None}
    made = clone(GalLoPClassifier(vit(), **EVERY_SETTING))
    assert {name: made.get_params()[name] for name in settings} == EVERY_SETTING
    method, training = made._settings.method("paper"), made._settings.training("paper")
    used = {name: getattr(method if hasattr(method, name) else training, name) for name in settings}
    assert used == EVERY_SETTING
    assert made.set_params(diversity=0.2)._settings.method("paper").diversity == 0.2


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    images, _ = pictures(COUNTS)
    return [str(path) for path in write_images(tmp_path_factory.mktemp("sklearn"), images)]


@pytest.fixture(scope="module")
def labels() -> list[str]:
    return [name for name, count in COUNTS.items() for _ in range(count)]


def quick(**changes: Any) -> GalLoPClassifier:
    return classifier(**{"epochs": 3, "lr": 0.2, "batch_size": 9, "views": 1, **changes})


@pytest.fixture(scope="module")
def fitted(paths: list[str], labels: list[str]) -> GalLoPClassifier:
    return quick().fit(paths, labels)


# --- Checks that fit nothing, as they are ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "made"),
    [(check, GalLoPClassifier()) for check in AS_THEY_ARE],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_theirs(check: str, made: Any) -> None:
    getattr(estimator_checks, check)(type(made).__name__, made)


def test_tags_are_true() -> None:
    tags = sklearn.utils.get_tags(GalLoPClassifier())
    given, asked = tags.input_tags, tags.classifier_tags
    assert is_classifier(GalLoPClassifier())
    assert (asked.multi_class, given.one_d_array, given.string) == (True,) * 3
    no = given.two_d_array, given.sparse, given.allow_nan, tags.target_tags.required, tags.non_deterministic
    assert (asked.multi_label, *no) == (False,) * 6


# --- Checks that fit, on paths -----------------------------------------------------------------------------------


def test_check_estimators_overwrite_params(paths: list[str], labels: list[str]) -> None:
    made = quick(topk=[2, 4])
    before = {name: copy.deepcopy(value) for name, value in made.get_params().items()}
    given = [*paths], [*labels]
    made.fit(*given)
    assert (made.get_params(), given) == (before, (paths, labels))


def test_check_dont_overwrite_parameters(paths: list[str], labels: list[str]) -> None:
    made = quick()
    there = set(vars(made))
    added = set(vars(made.fit(paths, labels))) - there
    assert {name.startswith("_") or name.endswith("_") for name in added} == {True}


def test_check_dict_unchanged(fitted: GalLoPClassifier, paths: list[str], labels: list[str]) -> None:
    public = {name: value for name, value in vars(fitted).items() if not name.startswith("_")}
    for ask in (fitted.predict, fitted.predict_proba, fitted.decision_function):
        ask(paths[:2])
    fitted.score(paths, labels)
    assert all(vars(fitted)[name] is value for name, value in public.items())


def test_check_estimators_fit_returns_self_and_check_fit_check_is_fitted(paths: list[str], labels: list[str]) -> None:
    made = quick()
    with pytest.raises(NotFittedError):
        check_is_fitted(made)
    assert made.fit(paths, labels) is made
    check_is_fitted(made)


ASKED: dict[str, tuple[Any, ...]] = {
    **{ask: ([picture(0)],) for ask in ("predict", "predict_proba", "decision_function")},
    **{ask: (picture(0),) for ask in ("predict_all", "ood_score", "is_ood", "explain")},
    "score": ([picture(0)], ["red"]),
    "add_class": ("cat",),
    "save": ("/nowhere",),
}


@pytest.mark.parametrize("ask", ASKED)
def test_check_estimators_unfitted(ask: str) -> None:
    with pytest.raises(NotFittedError, match="call fit, zero_shot or load first"):
        getattr(quick(), ask)(*ASKED[ask])


def test_check_fit_idempotent(fitted: GalLoPClassifier, paths: list[str], labels: list[str]) -> None:
    again = quick().fit(paths[:12], labels[:12]).fit(paths, labels)
    assert equal(learned(again), learned(fitted))
    assert np.array_equal(again.predict_proba(paths), fitted.predict_proba(paths))


def test_answers_do_not_depend_on_the_others(fitted: GalLoPClassifier, paths: list[str]) -> None:
    """check_methods_subset_invariance, check_methods_sample_order_invariance"""
    order = np.random.default_rng(0).permutation(len(paths))
    for ask in (fitted.predict_proba, fitted.decision_function, fitted.ood_score):
        whole = ask(paths)
        assert np.allclose(np.concatenate([ask([path]) for path in paths]), whole, atol=1e-5)
        assert np.allclose(ask([paths[i] for i in order]), whole[order], atol=1e-5)


def test_check_classifiers_train_and_check_decision_proba_consistency(
    fitted: GalLoPClassifier, paths: list[str], labels: list[str]
) -> None:
    predicted, probabilities = fitted.predict(paths), fitted.predict_proba(paths)
    decided = fitted.decision_function(paths)
    assert (predicted.shape, probabilities.shape, decided.shape) == ((18,), (18, 3), (18, 3))
    assert accuracy_score(labels, predicted) == fitted.score(paths, labels) > 0.83  # as they ask of theirs
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(np.exp(decided), probabilities, atol=1e-6)
    assert predicted.tolist() == fitted.classes_[decided.argmax(axis=1)].tolist()
    assert np.array_equal(np.argsort(decided, axis=0), np.argsort(np.log(probabilities), axis=0))


def test_decisions_of_two_classes_are_as_theirs(paths: list[str], labels: list[str]) -> None:
    two = quick().fit(paths[:12], labels[:12])
    scores, odds = two.decision_function(paths), two.predict_proba(paths)
    assert scores.shape == (18,)
    assert np.array_equal(scores > 0, two.predict(paths) == two.classes_[1])
    assert np.allclose(scores, np.log(odds[:, 1] / odds[:, 0]), atol=1e-4)


@pytest.mark.parametrize("dtype", [str, object])
def test_check_classifiers_classes(dtype: Any, paths: list[str], labels: list[str]) -> None:
    made = quick(epochs=1).fit(np.array(paths), np.array(labels, dtype=dtype))
    assert made.classes_.tolist() == sorted(set(labels))
    assert set(made.predict(paths)) <= set(made.classes_)


def test_check_estimators_dtypes_and_readonly_and_y_2d(
    fitted: GalLoPClassifier, paths: list[str], labels: list[str]
) -> None:
    given, column = np.array(paths), np.array(labels).reshape(-1, 1)
    given.flags.writeable = column.flags.writeable = False
    assert equal(learned(quick().fit(given.astype(object), column)), learned(fitted))
    assert equal(learned(quick().fit(given.reshape(-1, 1), column)), learned(fitted)), "a table of one column"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("check_estimators_empty_data_messages", "0 images and 0 labels"),
        ("check_fit2d_1sample", r"All images are of one class, 'blue'. Training needs two"),
        ("check_classifiers_one_label", "Training needs two or more"),
        ("check_supervised_y_no_nan", r"Label 2 of 18 is missing \(nan\)"),
        ("check_requires_y_none", "came without labels. Pass their class names"),
        ("check_classifiers_regression_target", "Label 1 of 18 is 0.5, which is neither text nor an integer"),
        ("check_classifier_multioutput", "Label 1 of 18 is .*neither text nor an integer"),
    ],
)
def test_what_they_want_refused_is_refused_in_a_sentence(
    wrong: str, said: str, paths: list[str], labels: list[str]
) -> None:
    given: dict[str, tuple[Any, Any]] = {
        "check_estimators_empty_data_messages": ([], []),
        "check_fit2d_1sample": (paths[:1], labels[:1]),
        "check_classifiers_one_label": (paths[:6], labels[:6]),
        "check_supervised_y_no_nan": (paths, [labels[0], float("nan"), *labels[2:]]),
        "check_requires_y_none": (paths, None),
        "check_classifiers_regression_target": (paths, [i + 0.5 for i in range(18)]),
        "check_classifier_multioutput": (paths, np.zeros((18, 2))),
    }
    with pytest.raises(DataError, match=said):
        quick().fit(*given[wrong])


def test_weights_of_a_score(fitted: GalLoPClassifier, paths: list[str], labels: list[str]) -> None:
    """check_sample_weights_list, check_sample_weights_shape, check_sample_weights_not_overwritten: a weight of 2 is the
    image twice, and 0 leaves it out.
    """
    wrong, weights = [*labels[1:], labels[0]], [1, 2, 0] * 6
    twice = [i for i, weight in enumerate(weights) for _ in range(weight)]
    wanted = fitted.score([paths[i] for i in twice], [wrong[i] for i in twice])
    theirs = accuracy_score(wrong, fitted.predict(paths), sample_weight=weights)
    ours = [fitted.score(paths, wrong, given) for given in (weights, np.array(weights))]
    assert [*ours, theirs] == pytest.approx([wanted] * 3)
    assert weights == [1, 2, 0] * 6
    with pytest.raises(DataError, match=r"shape \(2,\) for 18 images"):
        fitted.score(paths, labels, sample_weight=[1, 2])


def test_check_estimators_pickle(paths: list[str], labels: list[str]) -> None:
    made = quick(epochs=1, calibration_folds=2, cache=MemoryCache()).fit(paths, labels)
    made.predict(paths[:1])
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.predict_proba(paths), made.predict_proba(paths))
    assert again.calibration_ == made.calibration_
    assert again.add_class("yellow").calibration_ == made.add_class("yellow").calibration_, "held-out shots came along"
    assert equal(learned(again.fit(paths, labels)), learned(made.fit(paths, labels)))


# --- Tools -------------------------------------------------------------------------------------------------------


def test_clone_set_params_and_nested_names(paths: list[str], labels: list[str]) -> None:
    pipeline = Pipeline([("as text", FunctionTransformer(lambda some: [str(path) for path in some])), ("clf", quick())])
    copied = clone(pipeline).set_params(clf__epochs=1)
    assert copied.fit([Path(path) for path in paths], labels).score(paths, labels) >= 0
    assert (pipeline.get_params()["clf__epochs"], copied[:-1].transform([Path("a")])) == (3, ["a"])
    assert copied.predict_proba(paths).shape == copied.decision_function(paths).shape == (18, 3)


def test_grid_search(paths: list[str], labels: list[str]) -> None:
    search = GridSearchCV(quick(epochs=1), {"lr": [0.001, 0.3], "dropout": [0.0]}, cv=2, error_score="raise")
    search.fit(paths, labels)
    assert (search.best_score_, search.predict(paths).shape) == (max(search.cv_results_["mean_test_score"]), (18,))
    assert search.best_estimator_.get_params()["lr"] == search.best_params_["lr"]


def test_cross_validation_and_learning_curves(paths: list[str], labels: list[str]) -> None:
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(quick(), np.array(paths), np.array(labels), cv=folds, error_score="raise")
    train, test = next(iter(folds.split(paths, labels)))
    alone = quick().fit([paths[i] for i in train], [labels[i] for i in train])
    assert scores[0] == alone.score([paths[i] for i in test], [labels[i] for i in test])
    named = {"class_names": sorted(set(labels))}  # for probabilities it numbers the classes
    assert cross_val_predict(quick(), paths, labels, cv=2, method="predict_proba", params=named).shape == (18, 3)
    sizes, *_ = learning_curve(quick(epochs=1), paths, labels, cv=2, train_sizes=[6, 9], shuffle=True, random_state=0)
    assert sizes.tolist() == [6, 9]
    few, _, few_labels, _ = train_test_split(paths, labels, train_size=6, stratify=labels, random_state=0)
    assert sorted(quick(epochs=1).fit(few, few_labels).classes_) == sorted(set(labels))


def test_their_metrics_read_the_columns_right(paths: list[str], labels: list[str]) -> None:
    """They take the columns of probabilities to be in the alphabet's order, whatever order the labels come in."""
    names = sorted(set(labels))
    made = quick().fit(paths[::-1], labels[::-1], class_names=names)
    probabilities = made.predict_proba(paths).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    loss, area = (sklearn.metrics.get_scorer(name)(made, paths, labels) for name in ("neg_log_loss", "roc_auc_ovr"))
    assert loss == pytest.approx(-log_loss(labels, probabilities, labels=names), rel=1e-4)
    assert area == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"))


def test_a_vote_of_several(paths: list[str], labels: list[str]) -> None:
    """They number the classes in the alphabet's order and ask for probabilities; the names come by their routing."""
    names = sorted(set(labels))
    with sklearn.config_context(enable_metadata_routing=True):
        members = [(f"seed {seed}", quick(epochs=1, seed=seed).set_fit_request(class_names=True)) for seed in (0, 1)]
        vote = VotingClassifier(members, voting="soft").fit(paths, labels, class_names=names)
    alone = [quick(epochs=1, seed=seed).fit(paths, labels, class_names=names).predict_proba(paths) for seed in (0, 1)]
    assert np.allclose(vote.predict_proba(paths), np.mean(alone, axis=0), atol=1e-6)
    assert vote.predict(paths).tolist() == [names[i] for i in np.mean(alone, axis=0).argmax(axis=1)]


# --- Pickles -----------------------------------------------------------------------------------------------------


def test_a_pickle_names_its_backbone() -> None:
    made = GalLoPClassifier(cache=False, device="cpu").zero_shot(["cat", "dog"])
    assert len(pickle.dumps(made)) < 1.2e6 < made.model_.backbone.bytes / 50
    again, beside = pickle.loads(pickle.dumps([made, copy.copy(made)]))
    images = [picture(0), picture(1)]
    assert again.model_.backbone is beside.model_.backbone is not made.model_.backbone
    assert again.model_.backbone.fingerprint == made.model_.backbone.fingerprint
    assert np.array_equal(again.predict_proba(images), made.predict_proba(images))
    assert len(pickle.dumps(PhotoScorer(made))) < 1.2e6, "one manner for all that hold a backbone"


def test_a_backbone_that_others_do_not_have_travels_whole(tmp_path: Path) -> None:
    folder = backbone_folder(tmp_path)
    made = GalLoPClassifier(str(folder), cache=False, device="cpu").zero_shot(["cat", "dog"])
    packed, before = pickle.dumps(made), made.predict_proba(picture(0))
    assert len(packed) > made.model_.backbone.bytes
    (folder / "weights.safetensors").unlink()
    assert np.array_equal(pickle.loads(packed).predict_proba(picture(0)), before)
    own = classifier(backbone=vit()).zero_shot(["cat", "dog"])
    assert np.array_equal(pickle.loads(pickle.dumps(own)).predict_proba(picture(0)), own.predict_proba(picture(0)))


def test_other_weights_of_that_name_are_refused(tmp_path: Path) -> None:
    backbone = load_backbone(backbone_folder(tmp_path), device="cpu", regions="query-query")
    backbone.again = loaded_again  # as of a name that every machine knows
    packed = pickle.dumps(backbone)
    assert len(packed) < 1000
    assert pickle.loads(packed).region_kind == "query-query"
    backbone_folder(tmp_path, patch_size=16)
    with pytest.raises(BackboneError, match=r"made with weights of .* that differ from those on this machine"):
        pickle.loads(packed)


def test_a_shallow_copy_shares_what_there_is(fitted: GalLoPClassifier) -> None:
    texts = fitted.model_.cached_text_features()
    copied = copy.copy(fitted)
    assert copied.model_ is fitted.model_
    assert copied.model_.cached_text_features() is texts
    assert copy.copy(fitted.model_).prompts is fitted.model_.prompts


def test_the_list_of_checks_is_whole() -> None:
    told = (ROOT / "docs" / "reference" / "scikit_learn.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    rows = [row for row in told.splitlines() if row.startswith("| `check_") and "not applicable" not in row]
    checks = {check for row in rows for check in re.findall(r"\bcheck_\w+", row.split("|")[1])}
    assert not [check for check in AS_THEY_ARE if f"`{check}`" not in told]
    assert not [check for check in checks if check not in here or not hasattr(estimator_checks, check)]
