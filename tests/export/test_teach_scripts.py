"""The scripts of the page that teaches, by Node alone: head, mix, limit, answers and votes are those of Python."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier, ImageFeatures, MethodConfig
from gallop.export.web.page_files import page_facts, teach_facts
from gallop.features.given import EncodedPhoto, encoded_photos
from gallop.features.near_duplicates import ALIKE_GLOBAL, ALIKE_PLACES
from tests import tiny
from tests.export.conftest import Ask

NAMES = ("red", "green", "blue", "yellow")
METHOD = MethodConfig(head="ridge", global_projection=True, topk=(2, 4))
COPIES = {"global": ALIKE_GLOBAL, "places": ALIKE_PLACES}


def packed(values: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def doubles(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f8")


# Shots ---------------------------------------------------------------------------------------------------------------


def photos_of(counts: Mapping[str, int], seed: int = 0, copies: int = 0) -> dict[str, list[EncodedPhoto]]:
    """Photos as features that half precision holds, around a direction for each class; the last ones are copies."""
    rng, vision = np.random.default_rng(seed), tiny.vit().vision
    assert vision.region_projection is not None
    back = torch.linalg.pinv(vision.region_projection.float())  # from the joint space to that of regions
    sizes = {"global": (1, 32), "regions": (1, 16, 32)}
    made: dict[str, list[EncodedPhoto]] = {}
    for k, (name, count) in enumerate(counts.items()):
        centre = {part: np.random.default_rng(100 + k).normal(size=size) for part, size in sizes.items()}
        drawn: list[dict[str, Any]] = []
        for i in range(count):
            near, spread = (centre, 1.3) if i < count - copies else (drawn[i % 2], 0.1)
            drawn.append({part: near[part] + spread * rng.normal(size=size) for part, size in sizes.items()})
        halves = [{part: torch.tensor(values).half().float() for part, values in one.items()} for one in drawn]
        each = [ImageFeatures(one["global"], one["regions"] @ back) for one in halves]
        made[name] = encoded_photos(ImageFeatures.cat(each)) if each else []
    return made


def as_look(photo: EncodedPhoto) -> dict[str, str]:
    projection = tiny.vit().vision.region_projection
    assert projection is not None
    return {"global": packed(photo.features.global_), "regions": packed(photo.features.regions @ projection.float())}


def texts_of(names: Sequence[str]) -> dict[str, str]:
    features = zero_shot(names).model_.cached_text_features().global_[:, 0]
    return {name: packed(text) for name, text in zip(names, features, strict=True)}


def zero_shot(names: Sequence[str]) -> GalLoPClassifier:
    return tiny.classifier(method=METHOD, global_prompts=2).zero_shot(names)


def facts_of(names: Sequence[str], **changes: Any) -> dict[str, Any]:
    classifier = zero_shot(names)
    return page_facts(classifier) | {"teach": teach_facts(classifier) | changes}


def steps_of(names: Sequence[str], photos: Mapping[str, Sequence[EncodedPhoto]], seed: int = 0) -> list[dict[str, Any]]:
    """Classes, then their shots in any order."""
    shots = [(names.index(name), photo) for name, some in photos.items() for photo in some]
    shots = [shots[i] for i in np.random.default_rng(seed).permutation(len(shots))]
    named = [{"kind": "addClass", "name": name, "text": text} for name, text in texts_of(names).items()]
    return [*named, *({"kind": "add", "index": k, "id": one.sha256, "photo": as_look(one)} for k, one in shots)]


def drawn(shots: Sequence[EncodedPhoto]) -> list[EncodedPhoto]:
    """In the order in which a training takes those of a class."""
    return sorted(shots, key=lambda one: hashlib.sha256(f"0|{one.sha256}".encode()).digest())


def taught(names: Sequence[str], photos: Mapping[str, Sequence[EncodedPhoto]]) -> GalLoPClassifier:
    """What the page has to equal; classes without photos come last, as they are added after the others."""
    classifier = tiny.classifier(method=METHOD, epochs=0, calibration_folds=3)
    there = {name: list(photos[name]) for name in names if photos.get(name)}
    if len(there) < 2:
        ((name, shots),) = there.items()
        return classifier.partial_fit(drawn(shots), [name] * len(shots), classes=names)
    classifier.fit(there)
    for name in (name for name in names if name not in there):
        classifier.add_class(name)
    return classifier


ASKED = [photo for some in photos_of(dict.fromkeys(NAMES, 4), seed=9).values() for photo in some]
CASES: dict[str, tuple[dict[str, int], int]] = {
    "enough shots": ({"red": 6, "green": 9, "blue": 4}, 0),
    "many shots": (dict.fromkeys(NAMES, 12), 0),
    "copies of shots": ({"red": 6, "green": 8, "blue": 7}, 3),
    "a class without shots": ({"red": 6, "green": 5, "yellow": 6, "blue": 0}, 0),
    "too few shots to choose a mix": ({"red": 3, "green": 5}, 0),
    "single shots, of which none is held out": ({"red": 1, "green": 1}, 0),
    "one class has shots": ({"red": 5, "green": 0}, 0),
}


@pytest.fixture(scope="module")
def said(ask_taught: Ask) -> dict[str, Any]:
    """What the page's scripts make of each case, with the photos that they are asked about."""
    return dict(zip(CASES, ask_taught(*({"kind": "taught", **question(case)} for case in CASES)), strict=True))


def question(case: str) -> dict[str, Any]:
    counts, copies = CASES[case]
    names = list(counts)
    steps = steps_of(names, photos_of(counts, copies=copies))
    return {"model": facts_of(names, alike=COPIES), "steps": steps, "photos": [as_look(photo) for photo in ASKED]}


@pytest.fixture(scope="module")
def wanted() -> dict[str, GalLoPClassifier]:
    """The same by Python."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gallop.features.near_duplicates.tells_copies", lambda backbone: True)
        return {
            case: taught(list(counts), photos_of(counts, copies=copies)) for case, (counts, copies) in CASES.items()
        }


@pytest.mark.parametrize("case", CASES)
def test_the_head_is_pythons(case: str, said: dict[str, Any], wanted: dict[str, GalLoPClassifier]) -> None:
    model = wanted[case].model_
    if case == "one class has shots":
        assert (said[case]["form"], model.branches) == (None, ())
        return
    form = tiny.head_of(wanted[case]).complete(model.cached_text_features().global_)
    weights = doubles(said[case]["form"]["weights"]).reshape(form.weights.shape)
    assert np.linalg.norm(weights - form.weights.numpy()) <= 1e-5 * np.linalg.norm(form.weights.numpy())
    assert said[case]["form"]["bias"] == pytest.approx(form.bias.tolist(), abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_mix_temperature_and_limit_are_pythons(
    case: str, said: dict[str, Any], wanted: dict[str, GalLoPClassifier]
) -> None:
    found, calibration = said[case], wanted[case].calibration_
    # Python's minimiser stops where the last steps were small, so that a weight is known to three digits.
    mixes = (branch.mix for branch in wanted[case].model_.branches)
    temperatures = [number for mix in mixes for number in (mix.weight, mix.temperature)] + [calibration.temperature]
    assert [*(found["mix"] or []), found["temperature"]] == pytest.approx(temperatures, rel=1e-3)
    assert found["threshold"] == pytest.approx(calibration.threshold, abs=1e-6)
    assert found["heldOut"] == pytest.approx(list(calibration.held_out), abs=1e-6)
    assert (found["note"], found["photos"]) == (calibration.note, calibration.photos)


@pytest.mark.parametrize("case", CASES)
def test_answers_are_pythons(case: str, said: dict[str, Any], wanted: dict[str, GalLoPClassifier]) -> None:
    predictions = wanted[case].predict_all(ImageFeatures.cat([photo.features for photo in ASKED]))
    answers = said[case]["answers"]
    probabilities = np.array([answer["probabilities"] for answer in answers])
    assert probabilities == pytest.approx(predictions.probabilities, abs=1e-4)
    assert (probabilities.argmax(1) == predictions.probabilities.argmax(1)).all()
    assert [answer["outlier"] for answer in answers] == pytest.approx(predictions.ood["GL-MCM"].tolist(), abs=1e-6)
    is_ood = predictions.is_ood if predictions.is_ood is not None else np.zeros(len(answers), bool)
    threshold = said[case]["threshold"]
    assert [threshold is not None and answer["outlier"] > threshold for answer in answers] == is_ood.tolist()


@pytest.mark.parametrize("case", ["enough shots", "a class without shots"])
def test_shots_vote_as_in_python(case: str, said: dict[str, Any], wanted: dict[str, GalLoPClassifier]) -> None:
    shots = [shot.sha256 for some in photos_of(CASES[case][0]).values() for shot in drawn(some)]
    voted = tiny.votes_of(wanted[case].explain(ASKED[:1])[0])
    for k, (name, found) in enumerate(zip(CASES[case][0], said[case]["answers"][0]["votes"], strict=True)):
        votes = {vote["id"]: vote["vote"] for vote in found["shots"]}
        mine = [*(votes[digest] for digest in shots), found["rest"]]
        assert mine == pytest.approx([*voted.shots[:, k].tolist(), float(voted.rest[k])], rel=2e-3, abs=1e-5), name
        assert [*votes.values()] == sorted(votes.values(), key=abs, reverse=True)


# Changes -------------------------------------------------------------------------------------------------------------


def test_what_was_taken_back_leaves_nothing(ask_taught: Ask, said: dict[str, Any]) -> None:
    asked = question("enough shots")
    yellow, green = texts_of(NAMES)["yellow"], asked["steps"][1]["text"]
    other = photos_of({"yellow": 5}, seed=4)["yellow"]
    extra = [{"kind": "add", "index": 0, "id": one.sha256, "photo": as_look(one)} for one in other]
    detour = [
        {"kind": "addClass", "name": "yellow", "text": yellow, "index": 0},
        *extra,
        {"kind": "fit"},
        {"kind": "remove", "id": other[2].sha256},
        {"kind": "removeClass", "index": 0},
        {"kind": "renameClass", "index": 1, "name": "yellow", "text": yellow},
        {"kind": "fit"},
        {"kind": "renameClass", "index": 1, "name": "green", "text": green},
        *({**step, "index": 2} for step in extra[:2]),
        *({"kind": "remove", "id": one.sha256} for one in other[:2]),
    ]
    half = len(asked["steps"]) // 2
    steps = [*asked["steps"][:half], *detour, *asked["steps"][half:]]
    (found,) = ask_taught({"kind": "taught", **asked, "steps": steps})
    wanted = said["enough shots"]
    assert (found["problems"], found["names"], found["counts"]) == ([], wanted["names"], [6, 9, 4])
    assert doubles(found["form"]["weights"]) == pytest.approx(doubles(wanted["form"]["weights"]), abs=1e-9)
    assert found["mix"] == pytest.approx(wanted["mix"], rel=1e-6)
    assert found["threshold"] == pytest.approx(wanted["threshold"], abs=1e-9)


def test_what_does_not_fit_is_refused_with_a_sentence(ask_taught: Ask) -> None:
    asked = question("single shots, of which none is held out")
    twice, broken = dict(asked["steps"][-1]), dict(asked["steps"][-1])
    broken |= {"id": "0" * 64, "photo": {**broken["photo"], "regions": packed(np.full((16, 32), np.nan))}}
    (found,) = ask_taught({"kind": "taught", **asked, "steps": [*asked["steps"], twice, broken]})
    assert found["problems"][0].startswith("This picture is there already, in ")
    assert found["problems"][1:] == ["This picture cannot be learned from: the model gave no numbers for it."]
    assert found["counts"] == [1, 1]


# Numbers -------------------------------------------------------------------------------------------------------------


def test_half_precision_is_numpys(ask_taught: Ask) -> None:
    rng = np.random.default_rng(0)
    values, halfway = rng.normal(size=4000) * 10.0 ** rng.integers(-9, 6, 4000), np.arange(1, 2000) * 2.0**-24 * 1.5
    edges = [0, -0.0, 65504, 65519, 65520, 7e4, np.inf, -np.inf, 2**-24, 2**-25, 1.5 * 2**-25]
    every = np.concatenate([values, edges, halfway]).astype(np.float32)
    (found,) = ask_taught({"kind": "halves", "values": packed(every)})
    with np.errstate(over="ignore"):
        assert found == every.astype(np.float16).view(np.uint16).tolist()


def test_sha256_is_hashlibs(ask_taught: Ask) -> None:
    texts = [bytes(range(256))[:length] * 3 for length in (0, 1, 18, 19, 21, 22, 43, 85, 250)]
    (found,) = ask_taught({"kind": "sha256", "texts": [base64.b64encode(text).decode() for text in texts]})
    assert found == [hashlib.sha256(text).hexdigest() for text in texts]
