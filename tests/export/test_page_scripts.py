"""The scripts of the page for browsers, by Node alone: the same tokens, pixels, cosines and answers as Python's."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.text.tokenizers import clip_tokenizer
from gallop.export.onnx import as_inputs
from gallop.export.web.encoders import Looking
from gallop.export.web.folder import class_features, page_facts, page_sources
from gallop.maps.explainer.data import explainer_data
from gallop.maps.photo import photo_place
from gallop.names.class_names import clean_name, parse_names
from gallop.sample import sample_photos
from tests import tiny

HERE = Path(__file__).with_name("page_script")
NAMES = ("red", "green", "blue")
Ask = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for name, data in page_sources().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run(node: str, script: str, page: Path, said: Any) -> Any:
    command = [node, str(HERE / script), str(page)]
    done = subprocess.run(command, input=json.dumps(said), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def ask(page: Path, node: str) -> Ask:
    """What the scripts say of some questions."""
    return lambda *questions: run(node, "said.mjs", page, questions)


def packed(values: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def floats(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_scripts_write_no_html_and_ask_nothing_of_anybody_but_their_own_folder() -> None:
    for name, data in page_sources().items():
        if not name.endswith(".js") or name.startswith("explainer/"):
            continue
        text = data.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
        assert not re.search(r"https?://|localStorage|sendBeacon", text), name


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
    merges = "\n".join(" ".join(pair) for pair in clip_tokenizer().bpe_ranks)
    ids, cleaned, pieces, added, twice, long = ask(
        {"kind": "tokens", "merges": merges, "texts": WORDS},
        {"kind": "names", "texts": NASTY},
        {"kind": "parsed", "text": "cat, dog,,\n great  dane \n"},
        {"kind": "added", "names": ["cat"], "more": ["dog", " "]},
        {"kind": "added", "names": ["cat"], "more": ["bird", "CAT"]},
        {"kind": "added", "names": ["cat"], "more": ["x" * 201]},
    )
    tokens = clip_tokenizer()
    assert not [text for text, said in zip(WORDS, ids, strict=True) if said != tokens.encode(text)]
    assert cleaned == [clean_name(name) for name in NASTY]
    assert tuple(pieces) == parse_names("cat, dog,,\n great  dane \n")
    assert added == {"names": ["cat", "dog"], "problem": ""}
    assert (twice["problem"], long["names"]) == ("“CAT” is there already.", ["cat"])
    assert ask({"kind": "added", "names": [], "more": ["ant", "Ant"]})[0]["problem"] == "“Ant” is there already."
    assert "200 characters are the most" in long["problem"]


def test_each_of_more_texts_than_pass_at_once_gets_its_own_features(page: Path, node: str) -> None:
    merges = "\n".join(" ".join(pair) for pair in clip_tokenizer().bpe_ranks)
    texts = [f"{letter} cat" for letter in "abcdefghijklmnopqrst"]
    tokens = clip_tokenizer()
    found = run(node, "worker.mjs", page, {"merges": merges, "texts": texts})
    assert found == [number for text in texts for number in (tokens.encode(text)[0], tokens.eot_token_id)]


# Pixels --------------------------------------------------------------------------------------------------------------

HALF = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
SIZES = (
    *((40, 32), (32, 40), (300, 200), (200, 300), (224, 224), (225, 224), (640, 480), (480, 640), (500, 333)),
    *((7, 5), (1, 1), (5, 100), (100, 5), (201, 333), (230, 700)),
)
IN_ORDER = 10
"""So many of these are resized in the same order of passes by every Pillow; of the last the order depends on it."""


def test_pixels_are_pillows_level_by_level(ask: Ask) -> None:
    photo = Image.open(next(photo.path for photo in sample_photos())).convert("RGB")
    wanted, questions = [], []
    for side, size, times, squash in itertools.product((32, 224), SIZES, (1, 2), (False, True)):
        if side == 224 and (max(size) < 200 or times == 2):
            continue
        preprocess, image = Preprocess(side, *HALF, squash=squash), photo.resize(size)
        pixels, box = preprocess.centre(image, times)
        exact = SIZES.index(size) < IN_ORDER and not squash
        wanted.append((pixels.numpy(), [box.left, box.top, box.right, box.bottom], exact))
        facts = {"size": side, "squash": squash, "mean": HALF[0], "std": HALF[1]}
        picture = {"rgba": packed(np.asarray(image.convert("RGBA"))), "width": size[0], "height": size[1]}
        questions.append({"kind": "seen", **picture, "preprocess": facts, "times": times})
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
    facts = {"size": 32, "squash": False, "mean": HALF[0], "std": HALF[1]}
    questions = [
        {"kind": "seen", "width": one.image.width, "height": one.image.height, "preprocess": facts, "times": 1}
        | {"rgba": packed(np.asarray(one.image.convert("RGBA")))}
        for one in found
    ]
    for one, said in zip(found, ask(*questions), strict=True):
        wanted = photo_place(one.image, one.crop)
        assert said["place"]["ratio"] == pytest.approx(wanted["ratio"])
        assert said["place"]["crop"] == pytest.approx(wanted["crop"])


# Answers -------------------------------------------------------------------------------------------------------------


def zero_shot(**settings: Any) -> GalLoPClassifier:
    return tiny.classifier(**settings).zero_shot(NAMES)


def taught(folds: int = 0, **method: Any) -> GalLoPClassifier:
    return tiny.classifier(method=MethodConfig(**method), calibration_folds=folds).fit(
        *tiny.pictures(dict.fromkeys(NAMES, 4))
    )


MODELS: dict[str, Callable[[], GalLoPClassifier]] = {
    "zero-shot": zero_shot,
    "templates": lambda: tiny.classifier(global_prompts=3).zero_shot(
        NAMES, templates=["a {} thing", "a photo of a {}"]
    ),
    "no local prompts": lambda: zero_shot(topk=()),
    "taught, with a limit found on few shots": lambda: taught(2),
    "taught": lambda: taught(global_prompts=2, topk=(2, 4), local_projection=True),
    "global projection": lambda: taught(global_prompts=2, topk=(2, 4), global_projection=True),
    "head": lambda: zero_shot(method=MethodConfig(head="ridge")).add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3))),
    "two looks": lambda: zero_shot(method=MethodConfig(detail=2)),
    "two looks and a head": lambda: zero_shot(method=MethodConfig(detail=2, head="discriminant")).add_shots(
        *tiny.pictures(dict.fromkeys(NAMES, 3))
    ),
}


def question(classifier: GalLoPClassifier, photo: Image.Image) -> dict[str, Any]:
    """What the page would be told: features by torch, in the place of its backbones."""
    model, facts = classifier.model_, page_facts(classifier)
    pixels = [torch.from_numpy(look[None]) for look in as_inputs(model, photo).values()]
    with torch.no_grad():
        parts = [packed(part.numpy()) for part in Looking(classifier)(*pixels)]
    each = 2 + len(model.branches)
    starts = range(0, len(parts), each)
    looks = [{"global": parts[at], "regions": parts[at + 1], "branches": parts[at + 2 : at + each]} for at in starts]
    globals_, locals_ = facts["prompts"]
    places = {"globals": list(range(globals_)), "locals": list(range(globals_, globals_ + locals_))}
    texts = {"vectors": base64.b64encode(class_features(classifier)).decode(), **places}
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
