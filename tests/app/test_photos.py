from __future__ import annotations

import base64
import gc
import io
import json
import re
import weakref
from copy import deepcopy

import numpy as np
import pytest

from app.photos.sample_answers import SAMPLES, available_samples, sample_answers
from app.photos.shelf import Shelf, small
from gallop import load_image
from tests import tiny
from tests.app.worked_out import worked_out
from tests.nasty_images import encode, png_bomb


def file(content: bytes, name: str) -> io.BytesIO:
    stream = io.BytesIO(content)
    stream.name = name
    return stream


def jpeg(seed: int, name: str = "a.jpg", size: tuple[int, int] = (40, 32)) -> io.BytesIO:
    return file(encode(tiny.picture(seed, size=size), "JPEG"), name)


def test_every_file_gets_a_verdict_of_its_own() -> None:
    verdicts = Shelf(1024, 60).add(
        [
            jpeg(1, "good.jpg"),
            file(b"hello", "words.jpg"),
            file(b"", "nothing.png"),
            file(png_bomb(30000), "bomb.png"),
            file(b"\xff\xd8\xff" + bytes(21 * 2**20), "large.jpg"),
            jpeg(2, "also good.jpg"),
        ]
    )
    assert ([photo.name for photo in verdicts.taken], len(verdicts.refused)) == (["good.jpg", "also good.jpg"], 4)
    told = zip(verdicts.refused, ["words.jpg", "nothing.png", "bomb.png", r"large.jpg.*20 MB"], strict=True)
    assert [sentence for sentence, words in told if not re.search(words, sentence)] == []


@pytest.mark.parametrize("size", [(40, 32), (90, 60)])  # as it is, and made smaller
def test_one_picture_is_in_memory_once(size: tuple[int, int]) -> None:
    """The same photo of two visitors, or of a card and of a change that can be undone; as long as anybody keeps it."""
    first, again = (small(jpeg(1, name, size), 64) for name in ("a.jpg", "b.jpg"))
    assert (first.image is again.image, first.name, again.name) == (True, "a.jpg", "b.jpg")
    assert small(jpeg(2, size=size), 64).image is not first.image
    kept = weakref.ref(first.image)
    del first
    assert kept() is not None
    del again
    gc.collect()
    assert kept() is None


def test_a_shelf_keeps_photos_small_apart_and_not_too_many() -> None:
    shelf = Shelf(100, 3)
    first, second = shelf.add([jpeg(1, size=(400, 300)), jpeg(2, "image.jpg")]).taken
    assert (first.image.size, first.sha256) == ((100, 75), load_image(first.image).sha256)
    assert small(second, 100) is second, "one that is small is left as it is"
    same, taken, beyond = shelf.add([jpeg(2, "b.jpg")]), shelf.add([jpeg(3, "image.jpg")]), shelf.add([jpeg(4)])
    assert [photo.name for photo in shelf.photos.values()] == ["a.jpg", "image.jpg", "image.jpg (2)"]
    assert [len(verdicts.taken) for verdicts in (same, taken, beyond)] == [0, 1, 0]
    assert "b.jpg is already here" in same.refused[0]
    assert "the limit here is 3 photos" in beyond.refused[0]


def test_samples_ship_inside_the_wheel_and_can_be_read() -> None:
    pytest.importorskip("skimage")
    found = available_samples()
    assert set(found) == {"Cat", "Coffee", "Rocket", "Astronaut", "Galaxies"}
    for sample in SAMPLES:
        assert np.asarray(load_image(found[sample.name], name=sample.name).image).std() > 10
        assert "CC0" in sample.credit or "public domain" in sample.credit


def test_what_is_said_of_the_samples_beforehand_is_what_the_backbone_says_and_their_first_name() -> None:
    """After a change of the backbone, of a name or of what an explainer holds: python -m tests.app.worked_out."""
    pytest.importorskip("skimage")
    found, now = sample_answers(), worked_out()
    assert [held["sha256"] for held in now] == list(found)
    for held in now:
        answer = found[held["sha256"]]
        assert (answer.topk, answer.grid, answer.label) == (held["topk"], held["grid"], held["label"])
        assert answer.probability == pytest.approx(held["share"], abs=1e-5)
        assert (answer.crop.left, answer.crop.right) == pytest.approx((held["crop"][0], held["crop"][2]))
        mine, theirs = deepcopy(dict(answer.cosines)), held["cosines"]  # the answer is kept for whoever asks next
        assert mine.pop("range") == pytest.approx(theirs.pop("range"), abs=1e-6)
        for branch, other in zip(mine.pop("takes")[0]["branches"], theirs.pop("takes")[0]["branches"], strict=True):
            ours, wanted = (np.frombuffer(base64.b64decode(part.pop("cosines")), "<f4") for part in (branch, other))
            assert np.abs(ours - wanted).max() < 1e-6
            assert json.loads(json.dumps(other)) == branch
        assert json.loads(json.dumps(theirs)) == mine
    assert [answer.label for answer in sample_answers().values()] == [sample.names[0] for sample in SAMPLES]
