"""A model of one class: yes, no or unsure, from photos of it and of ordinary things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gallop import GalLoPClassifier, load_backbone
from gallop.backbones import Backbone
from gallop.errors import ConfigError, DataError
from gallop.features.encoding import MemoryCache
from gallop.features.ordinary import ordinary_photos
from gallop.images import list_images
from gallop.model.calibration import Calibration
from gallop.names.class_names import SOMETHING_ELSE, one_class
from gallop.sample import sample_folder, sample_photos
from tests.tiny import vit


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache(2**30)


def photos(part: str, thing: str) -> list[Path]:
    return list_images(sample_folder() / part / thing)


@pytest.fixture(scope="module")
def mugs(mini: Backbone, cache: MemoryCache) -> GalLoPClassifier:
    made = GalLoPClassifier(mini, epochs=0, cache=cache)
    return made.fit({"mug": photos("train", "mug")}, class_names=["mug", SOMETHING_ELSE])


def test_the_one_class_is_the_other_than_something_else() -> None:
    assert [one_class(names) for names in (["mug", SOMETHING_ELSE], [SOMETHING_ELSE, "mug"])] == [0, 1]
    others = (["mug", "vase"], [SOMETHING_ELSE], ["mug", "vase", SOMETHING_ELSE])
    assert [one_class(names) for names in others] == [None, None, None]


THINGS = {photo.path: photo.class_name or photo.path.stem for photo in sample_photos()}


@pytest.mark.parametrize("name", ["mug", "Coffee mugs", "M"])
def test_a_thing_of_the_classs_name_is_no_example_of_what_it_is_not(name: str) -> None:
    found = {THINGS[path] for path in ordinary_photos(name, photos("test", "mug")[:1], vit())}
    others = {thing for thing in THINGS.values() if thing not in name.casefold() and name.casefold() not in thing}
    assert found == others - {"mug"}


@pytest.mark.slow
def test_a_thing_that_looks_like_the_class_is_no_example_of_what_it_is_not(mini: Backbone, cache: MemoryCache) -> None:
    found = {THINGS[path] for path in ordinary_photos("beaker", photos("test", "mug"), mini, cache)}
    assert "mug" not in found
    assert len(found) > len({*THINGS.values()}) / 2


@pytest.mark.parametrize("sure", [5, (0.5,), "low", (0.9, 0.1), (None, 1)], ids=repr)
def test_limits_that_are_no_two_probabilities_are_a_sentence(sure: object) -> None:
    with pytest.raises(ConfigError, match=r"^sure is "):
        Calibration(sure=sure)  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_answers_yes_no_or_unsure_by_its_two_limits(mugs: GalLoPClassifier) -> None:
    assert mugs.classes_.tolist() == ["mug", SOMETHING_ELSE]
    low, high = mugs.calibration_.sure or (0, 0)
    asked = [*photos("test", "mug"), *photos("test", "vase"), *photos("test", "candle")]
    told = mugs.predict_all(asked)
    likely = told.probabilities[:, 0]
    assert told.answers.tolist() == np.where(likely >= high, "yes", np.where(likely < low, "no", "unsure")).tolist()
    assert ({*told.answers[:6]} - {"unsure"}, {*told.answers[6:]} - {"unsure"}) == ({"yes"}, {"no"})


@pytest.mark.slow
def test_its_limits_are_saved_with_it(mugs: GalLoPClassifier, mini: Backbone, tmp_path: Path) -> None:
    mugs.save(tmp_path)
    again = GalLoPClassifier.load(tmp_path, backbone=mini)
    asked = photos("test", "mug")
    assert again.calibration_ == mugs.calibration_
    assert again.predict_all(asked).answers.tolist() == mugs.predict_all(asked).answers.tolist()


@pytest.mark.slow
def test_photos_of_what_it_is_not_are_learned_too(mini: Backbone, cache: MemoryCache, mugs: GalLoPClassifier) -> None:
    tests = photos("test", "mug")  # of which one is no mug to this visitor
    given = {SOMETHING_ELSE: [*photos("test", "teapot"), tests[0]], "mug": photos("train", "mug")}
    made = GalLoPClassifier(mini, epochs=0, cache=cache).fit(given, class_names=["mug", SOMETHING_ELSE])
    assert made.classes_.tolist() == ["mug", SOMETHING_ELSE]
    (branch,), (alone,) = made.model_.branches, mugs.model_.branches
    assert (branch.sums.counts - alone.sums.counts).tolist() == [0, 1], "a sample photo that is given counts once"


@pytest.mark.parametrize(
    ("own", "others", "limits"),
    [
        ((0.7, 0.9), (0.1, 0.4), (0.5, 0.7)),
        ((0.2, 0.9), (0.1, 0.4), (0.2, 0.5)),
        ((0.6, 0.9), (0.1, 0.8), (0.5, 0.8)),
        ((0.3, 0.9), (0.1, 0.8), (0.3, 0.8)),
    ],
)
def test_the_answer_is_no_below_the_lower_limit_and_yes_from_the_higher_on(
    own: tuple[float, float], others: tuple[float, float], limits: tuple[float, float]
) -> None:
    made = Calibration.of_one(own, others, 2)
    assert (made.sure, made.threshold) == (pytest.approx(limits), None)


def test_what_its_limit_promises_holds_in_new_draws() -> None:
    """Of new photos of the class, the fraction not answered no, over 400 draws of 8 held-out ones."""
    rng, kept = np.random.default_rng(0), list[float]()
    made = Calibration.of_one(rng.beta(4, 2, 8), rng.beta(2, 4, 40), 8)
    low, high = made.expected or (0, 0)
    for _ in range(400):
        drawn = Calibration.of_one(rng.beta(4, 2, 8), rng.beta(2, 4, 40), 8)
        kept.append(float((rng.beta(4, 2, 2000) >= (drawn.sure or (0, 0))[0]).mean()))
    assert np.mean(np.array(kept) >= low) >= 0.97
    assert f"{100 * low:.0f} to {100 * high:.0f} % or more are expected not to be answered no" in made.promise


@pytest.mark.slow
def test_other_class_lists_and_photos_are_refused(mugs: GalLoPClassifier, mini: Backbone) -> None:
    with pytest.raises(DataError, match=r"class_names=\['mug', 'something else'\]"):
        GalLoPClassifier(mini).fit({"mug": photos("train", "mug")})
    with pytest.raises(DataError, match="'cup' alone needs photos of it"):
        GalLoPClassifier(mini).fit({"mug": photos("train", "mug")}, class_names=["cup", SOMETHING_ELSE])
    several = GalLoPClassifier(mini).zero_shot(["mug", "vase"]).predict_all(photos("test", "mug"))
    with pytest.raises(ConfigError, match="Only a model of one class"):
        several.answers  # noqa: B018
