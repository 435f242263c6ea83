"""A saved head gets its shots back: it can do what it could before it was saved, and nothing else moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallop import GalLoPClassifier, MethodConfig
from gallop.config import HEADS
from gallop.errors import ConfigError, DataError
from tests import tiny

COUNTS = {"red": 5, "green": 4, "blue": 3}
PAIRS = [(tiny.picture(seed, name), name) for name, count in COUNTS.items() for seed in range(count)]
IMAGES, LABELS = ([pair[k] for pair in PAIRS] for k in (0, 1))
MORE = [tiny.picture(50, "green"), tiny.picture(51, "red")]
ASKED = [tiny.picture(seed, name) for name in COUNTS for seed in (70, 71)]
KINDS = [kind for kind in HEADS if kind != "none"]


def taught(kind: Any) -> GalLoPClassifier:
    return tiny.classifier(method=MethodConfig(head=kind)).fit(IMAGES, LABELS)


def saved(model: GalLoPClassifier, folder: Path) -> GalLoPClassifier:
    model.save(folder)
    return GalLoPClassifier.load(folder, backbone=tiny.vit())


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_again_what_it_could(kind: str, tmp_path: Path) -> None:
    model = taught(kind)
    loaded = saved(model, tmp_path / "model")
    before, wanted = loaded.predict_proba(ASKED), model.explain(ASKED[0]).votes
    assert loaded.explain(ASKED[0]).votes == {}
    assert loaded.recall_shots(IMAGES, LABELS) is loaded
    assert np.array_equal(loaded.predict_proba(ASKED), before)
    found = loaded.explain(ASKED[0]).votes
    assert list(found) == list(wanted) == (["ridge"] if kind == "ridge" else [])
    for name, votes in found.items():
        assert np.allclose(votes.shots, wanted[name].shots, atol=1e-4)
        assert votes.labels.tolist() == [list(COUNTS).index(name) for name in LABELS]
    for each in (model, loaded):
        each.add_shots(MORE, ["green", "red"]).remove_class("blue")
    assert np.allclose(loaded.predict_proba(ASKED), model.predict_proba(ASKED), atol=1e-4)
    again = saved(loaded, tmp_path / "again")
    assert tiny.head_of(again).shots is None, "no shot is saved because it was recalled"


def test_photos_that_were_added_later_are_among_them(tmp_path: Path) -> None:
    loaded = saved(taught("ridge").add_shots(MORE, ["green", "red"]), tmp_path)
    with pytest.raises(DataError, match="These 12 photos are not the 14"):
        loaded.recall_shots(IMAGES, LABELS)
    votes = loaded.recall_shots([*MORE, *IMAGES], ["green", "red", *LABELS]).explain(ASKED[0]).votes["ridge"]
    assert votes.labels[:2].tolist() == [1, 0], "in the order in which they are given"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["another photo", "another class", "one missing"])
def test_other_photos_are_refused(kind: str, change: str, tmp_path: Path) -> None:
    loaded = saved(taught(kind), tmp_path)
    images, labels = {
        "another photo": ([*IMAGES[:-1], MORE[0]], LABELS),
        "another class": (IMAGES, [LABELS[-1], *LABELS[1:-1], LABELS[0]]),
        "one missing": (IMAGES[1:], LABELS[1:]),
    }[change]
    with pytest.raises(DataError, match="are not the 12 that the head was trained on"):
        loaded.recall_shots(images, labels)
    assert tiny.head_of(loaded).shots is None


def test_who_has_no_head_has_nothing_to_recall() -> None:
    for model in (tiny.classifier().fit(IMAGES, LABELS), tiny.classifier().zero_shot(list(COUNTS))):
        with pytest.raises(ConfigError, match="has no trained head"):
            model.recall_shots(IMAGES, LABELS)


def test_one_photo_among_a_hundred_is_not_overlooked(tmp_path: Path) -> None:
    images = [tiny.picture(seed, name) for name in ("red", "blue") for seed in range(100)]
    labels = [name for name in ("red", "blue") for _ in range(100)]
    loaded = saved(tiny.classifier(method=MethodConfig(head="ridge"), epochs=1).fit(images, labels), tmp_path)
    with pytest.raises(DataError, match="are not the 200"):
        loaded.recall_shots([*images[:-1], tiny.picture(500, "green")], labels)
    assert loaded.recall_shots(images, labels).explain(ASKED[0]).votes


def test_photos_of_a_class_that_went_are_named(tmp_path: Path) -> None:
    loaded = saved(taught("ridge").remove_class("blue"), tmp_path)
    with pytest.raises(DataError, match=r"does not know the classes blue; leave their photos out\."):
        loaded.recall_shots(IMAGES, LABELS)
    rest = [(image, name) for image, name in PAIRS if name != "blue"]
    votes = loaded.recall_shots([image for image, _ in rest], [name for _, name in rest]).explain(ASKED[0]).votes
    assert votes


def test_of_a_data_set_with_parts_the_photos_to_learn_from_are_recalled(tmp_path: Path) -> None:
    for part, some in (("train", PAIRS), ("test", [(photo, "red") for photo in ASKED])):
        for i, (photo, name) in enumerate(some):
            (tmp_path / "photos" / part / name).mkdir(parents=True, exist_ok=True)
            photo.save(tmp_path / "photos" / part / name / f"{i}.png")
    model = tiny.classifier(method=MethodConfig(head="ridge")).fit(tmp_path / "photos")
    assert saved(model, tmp_path / "model").recall_shots(tmp_path / "photos").explain(ASKED[0]).votes
