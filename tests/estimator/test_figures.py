"""A classifier's figures on a test, and what its prompts say: ``evaluate`` and ``prompts``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from gallop import GalLoPClassifier, repeat, save_maps
from gallop.errors import DataError
from gallop.evaluation.diversity import mean_of_pairs, text_cosines
from gallop.evaluation.measure import Evaluation
from gallop.model.scores import VERDICT
from tests import tiny

IMAGES, LABELS = tiny.pictures({"red": 6, "green": 6, "blue": 6})
TESTS, TRUTH = tiny.pictures({"red": 4, "green": 3, "blue": 2}, first_seed=50)
OTHERS = [tiny.picture(seed, "yellow") for seed in range(70, 75)]


@pytest.fixture(scope="module")
def fitted() -> GalLoPClassifier:
    return tiny.classifier(calibration_folds=2, lr=0.3).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def tested(fitted: GalLoPClassifier) -> Evaluation:
    return fitted.evaluate(TESTS, TRUTH, unknown=OTHERS)


def test_figures_are_those_of_the_single_answers(fitted: GalLoPClassifier, tested: Evaluation) -> None:
    answers = fitted.predict(TESTS)
    assert tested.accuracy.value == fitted.score(TESTS, TRUTH) == np.mean(answers == np.array(TRUTH))
    for name, share in tested.per_class.items():
        assert share.right == sum(a == t == name for a, t in zip(answers, TRUTH, strict=True))
    known, unknown = fitted.ood_score(TESTS), fitted.ood_score(OTHERS)
    above = np.mean(unknown[:, None] > known) + np.mean(unknown[:, None] == known) / 2
    assert tested.separations["unknown"][VERDICT].auroc == pytest.approx(above)
    with pytest.raises(DataError, match="No images were given"):
        fitted.evaluate(TESTS, TRUTH, unknown=[])


def test_a_frame_has_a_row_a_class_and_one_of_all(tested: Evaluation) -> None:
    frame = tested.to_frame()
    assert frame.index.tolist() == ["red", "green", "blue", "all"]
    assert frame.loc["all", "photos"] == len(TRUTH) == frame["photos"][:-1].sum()
    assert frame.loc["all", ["low", "high"]].tolist() == list(tested.accuracy.interval)


def test_two_models_are_compared_photo_by_photo(fitted: GalLoPClassifier, tested: Evaluation) -> None:
    other = tiny.classifier().zero_shot(fitted.classes_)
    right, others = fitted.predict(TESTS) == np.array(TRUTH), other.predict(TESTS) == np.array(TRUTH)
    found = tested.compare(other.evaluate(TESTS, TRUTH))
    assert (found.only_first, found.only_second) == (sum(right & ~others), sum(others & ~right))
    differ = found.only_first + found.only_second
    expected = min(1, 2 * binom.cdf(min(found.only_first, found.only_second), differ, 0.5)) if differ else 1
    assert found.p == pytest.approx(expected)
    assert found.difference == pytest.approx(tested.accuracy.value - np.mean(others))
    assert found.both + found.neither == sum(right == others)
    with pytest.raises(ValueError, match="same photos"):
        tested.compare(fitted.evaluate(TESTS[1:], TRUTH[1:]))


def test_photos_with_other_file_names_are_not_compared(fitted: GalLoPClassifier, tmp_path: Path) -> None:
    for name in ("one.png", "moved/one.png", "two.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tiny.picture(1, "red").save(tmp_path / name)
    one, moved, two = (fitted.evaluate([tmp_path / name], ["red"]) for name in ("one.png", "moved/one.png", "two.png"))
    assert one.compare(moved).p == 1
    with pytest.raises(ValueError, match="their file names differ"):
        one.compare(two)


def test_what_a_notebook_shows_is_escaped(tested: Evaluation) -> None:
    assert f"{tested.accuracy.right} of 9 right" in repr(tested)
    named = Evaluation(("<b>", "green", "blue"), tested.truth, tested.answers)
    assert "<td>&lt;b&gt;</td>" in named._repr_html_()


def test_an_unknown_class_is_named(fitted: GalLoPClassifier) -> None:
    with pytest.raises(DataError, match="does not know the classes violet"):
        fitted.evaluate(TESTS[:1], ["violet"])


def test_prompts_that_are_equal_answer_as_one() -> None:
    zero = tiny.classifier().zero_shot(["red", "green"])
    assert zero.prompts.names == ["global 1", "global 2", "local 1 (k = 2)", "local 2 (k = 4)"]
    found = zero.prompts.diversity()
    assert (found.global_, found.local) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6))
    assert found.words.startswith(
        "2 global prompts answer as one (cosine 1.000); 2 local prompts differ only in their k (cosine 1.000)"
    )


def test_labelled_photos_add_to_the_sentence_how_often_each_prompt_alone_is_right(fitted: GalLoPClassifier) -> None:
    explained, plain, found = fitted.explain(TESTS), fitted.prompts.diversity(), fitted.prompts.diversity(TESTS, TRUTH)
    scores = np.stack([np.hstack([each.global_scores, each.local_scores]) for each in explained])  # (B, K, M + N)
    truth = np.array([fitted.classes_.tolist().index(name) for name in TRUTH])
    alone = (scores.argmax(axis=1) == truth[:, None]).sum(axis=0).tolist()
    assert [worth.alone for worth in fitted.prompts.worth(TESTS, TRUTH)] == alone
    assert f"of {len(TRUTH)} photos" in found.words
    assert (found.global_, found.local) == (plain.global_, plain.local)
    assert {each.alike for each in explained} == {plain.words}


def test_cosines_of_prompts_are_means_over_the_classes(fitted: GalLoPClassifier) -> None:
    text, whole = fitted.model_.cached_text_features(), fitted.prompts.cosines()
    assert np.array_equal(whole, [text_cosines(text.global_), text_cosines(text.local)])
    assert fitted.prompts.diversity().global_ == pytest.approx(mean_of_pairs(whole[0]), abs=1e-5)


def test_answers_are_a_frame_with_a_row_an_image(fitted: GalLoPClassifier) -> None:
    found = fitted.predict_all(TESTS)
    frame = found.to_frame()
    assert frame["label"].tolist() == found.labels.tolist() == frame[fitted.classes_.tolist()].idxmax(axis=1).tolist()
    assert np.array_equal(frame["probability"], found.probabilities.max(axis=1))
    assert np.array_equal(frame[VERDICT], found.ood[VERDICT])


def test_a_cell_that_ends_in_answers_shows_a_line_or_a_table_and_no_tensors(fitted: GalLoPClassifier) -> None:
    found, why = fitted.predict_all([*TESTS, *OTHERS, *TESTS]), fitted.explain(TESTS[0])
    assert repr(found).startswith("Predictions(23 images: ")
    assert found._repr_html_().count("<tr>") == 21
    assert "and 3 more" in found._repr_html_()
    assert len(repr(why)) < 120
    assert f"{why.answer!r}" in repr(why)
    assert '<img alt="' in why._repr_html_()
    assert "data:image/png;base64," in why._repr_html_()


def test_maps_of_many_photos_are_one_array_and_a_file_each(fitted: GalLoPClassifier, tmp_path: Path) -> None:
    explained = fitted.explain(TESTS[:3])
    maps = np.stack([each.maps("blue") for each in explained])
    assert maps.shape == (3, 2, *explained[0].grid)
    assert np.array_equal(maps[1, 1], explained[1].region_scores("blue", 1))
    paths = save_maps(explained, tmp_path / "maps", ["a.png", "b.png", "c.png"])
    assert [path.name for path in paths[:3]] == ["a-local-1-k-2.png", "a-local-2-k-4.png", "b-local-1-k-2.png"]
    assert all(Image.open(path).mode == "RGB" for path in paths)
    with pytest.raises(ValueError, match="3 photos need 3 different names; got 1"):
        save_maps(explained, tmp_path, ["a", "a", "a"])


def test_repeated_trainings_are_those_made_one_by_one(tmp_path: Path) -> None:
    train = tiny.write_folder(tmp_path / "train", {"red": 4, "green": 4})
    test = tiny.write_folder(tmp_path / "test", {"red": 3, "green": 3}, first_seed=40)
    frame = repeat(tiny.classifier(), train, test, shots=[1, 2], seeds=[3, 5], unknown=OTHERS)
    assert frame[["shots", "seed"]].to_numpy().tolist() == [[1, 3], [1, 5], [2, 3], [2, 5]]
    alone = tiny.classifier(shots=2, seed=5).fit(train)
    assert frame["accuracy"].iloc[-1] == alone.score(test)
    assert {"fpr95", "auroc", "low", "high"} <= {*frame.columns}
    assert repeat(tiny.classifier(), train, test, shots=[1], seeds=2)["seed"].tolist() == [0, 1]


def test_the_draw_of_shots_may_have_a_seed_of_its_own(tmp_path: Path) -> None:
    photos = tiny.write_folder(tmp_path / "photos", {"red": 6, "green": 6})
    made = [tiny.classifier(shots=1, seed=seed, shot_seed=9).fit(photos) for seed in (0, 1)]
    same = tiny.classifier(shots=1, seed=9).fit(photos)
    for i, each in enumerate((*made, same)):
        each.save(tmp_path / f"model {i}")
    said = [json.loads((tmp_path / f"model {i}" / "gallop.json").read_text())["data_fingerprint"] for i in range(3)]
    assert len(set(said)) == 1
    assert not np.array_equal(made[0].predict_proba(TESTS), made[1].predict_proba(TESTS))
