"""The scripts of the page for browsers, by Node alone: the same tokens, pixels, cosines and answers as Python's."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.text.tokenizers import clip_tokenizer
from gallop.export.onnx import PATTERNS, pixels_to_check
from gallop.export.web.encoders import Looking
from gallop.export.web.page_files import class_features, page_facts, page_sources
from gallop.maps.explainer.payload import explainer_data
from gallop.maps.shown_photo import photo_place
from gallop.names.class_names import clean_name, parse_names
from gallop.sample import sample_photos
from tests import tiny
from tests.export.conftest import Ask

NAMES = ("red", "green", "blue")


@pytest.fixture
def ask(run_script: Callable[[str, Any], Any]) -> Ask:
    """What the scripts say of some questions."""
    return lambda *questions: run_script("page_script/said.mjs", questions)


MERGES = "\n".join(" ".join(pair) for pair in clip_tokenizer().bpe_ranks)


def packed(values: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def floats(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_scripts_write_no_html_and_ask_nothing_of_anybody_but_their_own_folder() -> None:
    scripts = {name: data for name, data in page_sources().items() if re.fullmatch(r"(?!explainer/).*\.js", name)}
    for name, data in scripts.items():
        html = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
        assert not re.findall(rf"{html}|https?://|localStorage|sendBeacon", data.decode()), name


# Words ---------------------------------------------------------------------------------------------------------------

WORDS = (
    *("mug", "A photo of a golden retriever", "don't", "it's a dog's", "U.S. mail-box!!", "3 blind mice 1234", "a_b"),
    *("café", "cafe\u0301", "Straße", "ÄÖÜ", "naïve façade", "ИЖ Планета", "日本語", "コーヒー", "한국어"),
    *("ελληνικά Σ", "emoji 😀 cat", "x² ½ ①", "“quoted” ‘name’", "ﬁne ﬂow", "Ｆｕｌｌ　width", "rock &amp; roll"),
    *("&lt;b&gt; &#65; &#x42;", "  many   spaces\there ", "…", "–—", "$5 + 10%", "don’t", "we'LL SEE", "İstanbul"),
    *("<start_of_text> x", "a\u00a0b", "supercalifragilisticexpialidocious", "antidisestablishmentarianism"),
    *("zzzzqqqq", "1st 2nd", "C++", "#hash @you"),
)


NASTY = (
    "  golden\tretriever ",
    "a\u200bb",
    "\u202eabc",
    "e\u200b\u0301",
    "x" * 30,
    "tab\x0bfeed",
    "a\u2028b",
    "Ａ",
    "\ufeffz",
)


def test_tokens_and_names_are_pythons(ask: Ask) -> None:
    tokens = clip_tokenizer()
    ids, cleaned, pieces, added, twice, long, ant = ask(
        {"kind": "tokens", "merges": MERGES, "texts": WORDS},
        {"kind": "names", "texts": NASTY},
        {"kind": "parsed", "text": "cat, dog,,\n great  dane \n"},
        {"kind": "added", "names": ["cat"], "more": ["dog", " "]},
        {"kind": "added", "names": ["cat"], "more": ["bird", "CAT"]},
        {"kind": "added", "names": ["cat"], "more": ["x" * 201]},
        {"kind": "added", "names": [], "more": ["ant", "Ant"]},
    )
    assert not [text for text, said in zip(WORDS, ids, strict=True) if said != tokens.encode(text)]
    assert cleaned == [clean_name(name) for name in NASTY]
    assert tuple(pieces) == parse_names("cat, dog,,\n great  dane \n")
    assert added == {"names": ["cat", "dog"], "problem": ""}
    assert [one["problem"] for one in (twice, ant)] == ["“CAT” is there already.", "“Ant” is there already."]
    assert long["names"] == ["cat"]
    assert "200 characters are the most" in long["problem"]


def test_each_of_more_texts_than_pass_at_once_gets_its_own_features(run_script: Callable[[str, Any], Any]) -> None:
    texts, tokens = [f"{letter} cat" for letter in "abcdefghijklmnopqrst"], clip_tokenizer()
    found = run_script("page_script/worker.mjs", {"merges": MERGES, "texts": texts})
    assert found == [number for text in texts for number in (tokens.encode(text)[0], tokens.eot_token_id)]


# Pixels --------------------------------------------------------------------------------------------------------------

HALF = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
SIZES = (
    *((40, 32), (32, 40), (300, 200), (200, 300), (224, 224), (225, 224), (640, 480), (480, 640), (500, 333)),
    *((7, 5), (1, 1), (5, 100), (100, 5), (201, 333), (230, 700)),
)
IN_ORDER = 10
"""So many of these are resized in the same order of passes by every Pillow; of the last the order depends on it."""


def seen(image: Image.Image, side: int = 32, times: int = 1, squash: bool = False) -> dict[str, Any]:
    """A question what the page gives a backbone."""
    return {
        "kind": "seen",
        "rgba": packed(np.asarray(image.convert("RGBA"))),
        "width": image.width,
        "height": image.height,
        "preprocess": {"size": side, "squash": squash, "mean": HALF[0], "std": HALF[1]},
        "times": times,
    }


def test_pixels_are_pillows_level_by_level(ask: Ask) -> None:
    photo = Image.open(next(photo.path for photo in sample_photos())).convert("RGB")
    wanted, questions = [], []
    every = itertools.product((32, 224), SIZES, (1, 2), (False, True))
    for side, size, times, squash in (
        case for case in every if case[0] == 32 or (max(case[1]) >= 200 and case[2] == 1)
    ):
        preprocess, image = Preprocess(side, *HALF, squash=squash), photo.resize(size)
        pixels, box = preprocess.centre(image, times)
        exact = SIZES.index(size) < IN_ORDER and not squash
        wanted.append((pixels.numpy(), [box.left, box.top, box.right, box.bottom], exact))
        questions.append(seen(image, side, times, squash))
    spread = 255 * np.array(HALF[1], np.float32)[:, None, None]
    for (pixels, box, exact), said in zip(wanted, ask(*questions), strict=True):
        assert (said["side"], said["box"]) == (pixels.shape[1], pytest.approx(box, abs=1e-9))
        apart = np.rint(spread * (floats(said["numbers"]).reshape(pixels.shape) - pixels))
        assert abs(apart).max() <= (1 if exact else 2)
        assert (apart != 0).mean() <= (0.002 if exact else 0.03)


def test_where_a_photo_lies_is_what_the_app_says(ask: Ask) -> None:
    found = [
        tiny.classifier().zero_shot(NAMES).explain(tiny.picture(3, "green", size)) for size in ((60, 40), (40, 200))
    ]
    for one, said in zip(found, ask(*(seen(one.image) for one in found)), strict=True):
        assert said["place"] == {key: pytest.approx(value) for key, value in photo_place(one.image, one.crop).items()}


# Answers -------------------------------------------------------------------------------------------------------------


def taught(folds: int = 0, **method: Any) -> GalLoPClassifier:
    return tiny.classifier(method=MethodConfig(**method), calibration_folds=folds).fit(
        *tiny.pictures(dict.fromkeys(NAMES, 4))
    )


SHOTS = tiny.pictures(dict.fromkeys(NAMES, 3))
MODELS: dict[str, Callable[[], GalLoPClassifier]] = {
    "zero-shot": lambda: tiny.classifier().zero_shot(NAMES),
    "templates": lambda: tiny.classifier(global_prompts=3).zero_shot(
        NAMES, templates=["a {} thing", "a photo of a {}"]
    ),
    "no local prompts": lambda: tiny.classifier(topk=()).zero_shot(NAMES),
    "taught, with a limit found on few shots": lambda: taught(2),
    "taught": lambda: taught(global_prompts=2, topk=(2, 4), local_projection=True),
    "global projection": lambda: taught(global_prompts=2, topk=(2, 4), global_projection=True),
    "head": lambda: tiny.classifier(head="ridge").zero_shot(NAMES).add_shots(*SHOTS),
    "two looks": lambda: tiny.classifier(detail=2).zero_shot(NAMES),
    "two looks and a head": lambda: tiny.classifier(detail=2, head="ridge").zero_shot(NAMES).add_shots(*SHOTS),
}


def question(classifier: GalLoPClassifier, photo: Image.Image) -> dict[str, Any]:
    """What the page would be told: features by torch, in the place of its backbones."""
    model, facts = classifier.model_, page_facts(classifier)
    pixels = [look[PATTERNS:] for look in pixels_to_check(model, [photo])]
    with torch.no_grad():
        parts = [packed(part.numpy()) for part in Looking(classifier)(*pixels)]
    each = 2 + len(model.branches)
    of_looks = (parts[at : at + each] for at in range(0, len(parts), each))
    looks = [{"global": whole, "regions": regions, "branches": more} for whole, regions, *more in of_looks]
    globals_, locals_ = facts["prompts"]
    texts = {
        "vectors": base64.b64encode(class_features(classifier)).decode(),
        "globals": [*range(globals_)],
        "locals": [*range(globals_, globals_ + locals_)],
    }
    return {"kind": "explained", "model": facts, "names": list(model.class_names), "looks": looks, "texts": texts}


def assert_close(said: Any, wanted: Any, place: str = "") -> None:
    """Equal, numbers to 1e-5 and so are those in base64."""
    if isinstance(wanted, dict):
        assert said.keys() == wanted.keys(), place
        for key in wanted:
            assert_close(said[key], wanted[key], f"{place}.{key}")
    elif isinstance(wanted, list | tuple):
        assert len(said) == len(wanted), place
        for i, (one, other) in enumerate(zip(said, wanted, strict=True)):
            assert_close(one, other, f"{place}[{i}]")
    elif isinstance(wanted, float):
        assert said == pytest.approx(wanted, abs=1e-5), place
    elif place.endswith((".cosines", ".means")):
        assert floats(said) == pytest.approx(floats(wanted), abs=1e-5), place
    else:
        assert said == wanted, place


def test_the_explainer_is_told_what_python_tells_it(ask: Ask) -> None:
    photo = tiny.picture(9, "green", (48, 40))
    classifiers = {name: make() for name, make in MODELS.items()}
    answers = ask(*(question(classifier, photo) for classifier in classifiers.values()))
    for (name, classifier), said in zip(classifiers.items(), answers, strict=True):
        found = classifier.explain(photo)
        assert isinstance(found, Explanation)
        wanted = explainer_data(found, photo="")
        assert ("doubt" in wanted) == ("few shots" in name)
        if not page_facts(classifier)["alike"]:
            wanted.pop("alike")  # of names that are typed there the page does not know how alike the prompts are
        for key in ("state", "compact", "ratio", "crop"):
            wanted.pop(key)
            said["data"].pop(key, None)
        for grid in said["data"]["grids"], wanted["grids"]:
            grid[-1] = {key: grid[-1][key] for key in ("rows", "columns")}  # Python says the finest one's scale above
        assert_close(said["data"], wanted, name)
        assert said["shares"] == pytest.approx(list(found.probabilities.values()), abs=1e-5), name
        assert said["outlier"]["GL-MCM"] == pytest.approx(found.ood_score, abs=1e-5), name
