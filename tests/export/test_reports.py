"""What is written about a classifier: map pictures, the HTML report, the model card, the table of answers."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from gallop import Explanation, GalLoPClassifier
from gallop.backbones import Damping
from gallop.documents.model_card import model_card
from gallop.export.report import html_report
from gallop.maps.explainer import script as explainer_script
from gallop.maps.map_style import Style, Subject
from gallop.maps.pictures import map_picture, seen_picture
from gallop.maps.shown_photo import photo_url
from gallop.predictions.rows import answer_of, answers_csv
from tests import tiny

HOSTILE = ["<script>alert(1)</script>", '"><img src=http://example.invalid/x>', "![x](http://example.invalid/y.png)"]


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 4, "green": 4})
    return tiny.classifier(calibration_folds=2).fit(images, labels)


@pytest.fixture(scope="module")
def why(taught: GalLoPClassifier) -> Explanation:
    return taught.explain(tiny.picture(1, "red", (300, 200)))


# Map pictures --------------------------------------------------------------------------------------------------------


def test_a_clear_map_is_the_photo_and_a_threshold_uncovers_it(why: Explanation) -> None:
    subject, photo = Subject(why, "red"), np.asarray(seen_picture(why))
    bare = np.asarray(map_picture(subject, 0, style=Style(opacity=0.0))).astype(int)
    changed = (bare != photo).any(axis=-1)
    assert 0 < changed.mean() < 0.5, "the outlines"
    left, top, width, height = why.crop.left, why.crop.top, *why.grid[::-1]
    for region in {*range(width * height)} - {box.region for box in why.regions("red", 0)}:
        x = round(left + (region % width + 0.5) * (why.crop.right - left) / width)
        y = round(top + (region // width + 0.5) * (why.crop.bottom - top) / height)
        assert not changed[y, x], "nothing else"
    grey = np.asarray(map_picture(subject, 0, style=Style(opacity=1e-9)))
    maps = (map_picture(subject, 0, style=Style(opacity=1.0, threshold=t, drawn="Cells")) for t in (0.0, 0.5, 1.0))
    covered = [(np.asarray(shown) != grey).any(axis=-1).mean() for shown in maps]
    assert covered[0] > covered[1] > covered[2]


def test_a_map_of_no_difference_leaves_the_photo_grey(taught: GalLoPClassifier) -> None:
    same = Subject(taught.explain(Image.new("RGB", (320, 160), (200, 100, 50))), "red")
    nothing = np.asarray(map_picture(same, 0, minus=same, style=Style(opacity=1.0))).astype(int)
    light = 0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50
    wanted = [0.94 * (0.85 * light + 0.15 * value) for value in (200, 100, 50)]
    assert np.abs(nothing - wanted).max(axis=-1).min() <= 0.51  # zero, in the middle of the scale, shows nothing


# The report ----------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text, self.scripts = list[tuple[str, dict[str, str | None]]](), "", list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts.append(data)
        else:
            self.text += data


def test_the_report_holds_the_numbers_and_asks_nothing_of_anybody(why: Explanation) -> None:
    page = html_report(why, class_name="green", photo_name="photo.jpg", facts=[("seed", "3")])
    reader = Reader(page)
    assert [found["src"] for _, found in reader.tags if "src" in found] == [photo_url(why.image, why.crop)]
    assert not [tag for tag, attributes in reader.tags if tag in ("link", "iframe") or "href" in attributes]
    assert [attributes["type"] for tag, attributes in reader.tags if tag == "script"] == ["application/json", "module"]
    assert all(attributes.get("alt") for tag, attributes in reader.tags if tag == "img")
    assert not re.search(r"url\(|@import|://", page)
    for words in (
        *(f"{100 * share:.2f} %" for share in why.probabilities.values()),
        *(f"{score:.4f}" for score in (*why.global_scores[1], *why.local_scores[1])),
        *(f"{why.alike}.", why.describe("green", 1), f"above {why.threshold:.4f} it is none of these"),
    ):
        assert words in reader.text


def test_none_of_these_is_the_answer_where_the_limit_says_so(why: Explanation) -> None:
    assert why.doubt.startswith("This threshold is unreliable here: the smallest class has 4 shots"), why.doubt
    for threshold, doubt, answer, strange in (
        (why.ood_score - 0.1, "", f"The answer: none of these (nearest: {why.label}), ", "like none of these"),
        (why.ood_score + 0.1, "", f"The answer: {why.label}, ", "like one of these"),
        (why.ood_score - 0.1, why.doubt, f"{why.doubt} The answer: nearest: {why.label}, ", ""),
        (why.ood_score + 0.1, why.doubt, f"{why.doubt} The answer: nearest: {why.label}, ", ""),
    ):
        text = Reader(html_report(replace(why, rule=replace(why.rule, threshold=threshold), doubt=doubt))).text
        assert answer in text
        assert (f"The photo is {strange}." in text) == bool(strange)
        assert f"above {threshold:.4f} it is none of these" in text


def test_hostile_names_are_text_in_the_report_and_in_the_card() -> None:
    classifier = tiny.classifier().zero_shot(HOSTILE)
    reader = Reader(html_report(classifier.explain(tiny.picture(1)), photo_name=HOSTILE[0], facts=[(HOSTILE[1], "x")]))
    assert len([tag for tag, _ in reader.tags if tag == "script"]) == 2
    assert json.loads(reader.scripts[0])["names"] == HOSTILE
    assert not set("<>&") & set(reader.scripts[0]), "nothing in it can end its block"
    assert all(str(attributes.get("src", "data:")).startswith("data:") for _, attributes in reader.tags)
    assert [name for name in HOSTILE if name not in reader.text] == []
    card = model_card(classifier, [HOSTILE[2]], HOSTILE[0])
    assert not re.findall(r"<script>|\]\(http://example", card)
    assert r"!\[x\](http\:" in card


def test_the_content_policy_admits_the_explainer_and_no_other_script(why: Explanation) -> None:
    """A browser is held to it in tests/browser/test_report.py."""
    reader = Reader(html_report(why, class_name="green", style=Style("cividis", opacity=0.3)))
    block, script = reader.scripts
    assert script == explainer_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [str(found["content"]) for tag, found in reader.tags if "http-equiv" in found]
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    stands = json.loads(block)["state"]
    assert (stands["class_name"], stands["colours"], stands["opacity"]) == ("green", "cividis", 0.3)


def test_without_local_prompts_and_without_a_limit_the_report_says_so() -> None:
    classifier = tiny.classifier(topk=(), global_prompts=1).zero_shot(["red", "green"])
    reader = Reader(html_report(classifier.explain(tiny.picture(1))))
    assert len([tag for tag, _ in reader.tags if tag == "img"]) == 1
    assert "no threshold" in reader.text


def test_the_card_tells_how_it_was_taught_and_makes_nothing_up(taught: GalLoPClassifier) -> None:
    card = model_card(taught, ["Right on 90.0% of 10 test photos."], "Learned from 8 photos of 2 classes")
    scale = f"4 x 4 regions; logits are cosines times {tiny.vit().logit_scale:.2f}"
    temperature = f"{taught.calibration_.temperature:.3f} estimated on held-out photos"
    assert taught.calibration_.promise
    for words in (
        *("of 2 classes", "red, green", "2 epochs, learning rate 0.05", "k = 2, 4", "Right on 90.0% of 10"),
        f"{taught.calibration_.threshold:.4f}",
        f"; {taught.calibration_.promise}\n",
        f"\n- {taught.prompts.diversity().words}\n",
        taught.model_.backbone.fingerprint[:16],
        f"{scale}, divided by the temperature {temperature}\n",
    ):
        assert words in card
    assert not re.search("Region features|no projection", card)
    other = tiny.classifier(backbone=tiny.vit().with_regions("query-query"), local_projection=False)
    turned = model_card(other.zero_shot(["red"]))
    assert "regions, no projection of the regions learned\n- 2 global prompts answer as one (cosine 1.000); " in turned
    assert "\n- Region features of the kind query-query, not" in turned
    damped = tiny.new_vit()
    damped.damping = Damping(46, 120.5)
    wanted = f"{scale}; cosines divide by a norm of at least 46 for a photo and 120.5 for a region\n"
    assert wanted in model_card(tiny.classifier(backbone=damped).zero_shot(["red"]))
    plain = model_card(tiny.classifier().zero_shot(["red"], ["a {} thing"]))
    for words in ("not tested", "Zero-shot, without training with a {} thing", "of 1 class\n"):
        assert words in plain


# The table -----------------------------------------------------------------------------------------------------------


def test_no_cell_of_the_table_is_a_formula(taught: GalLoPClassifier) -> None:
    classifier = tiny.classifier().zero_shot(["=1+1", "-x", "@y", "+z"])
    found = classifier.predict_all([tiny.picture(1), tiny.picture(2)])
    names = classifier.classes_.tolist()
    rows = [{"image": name, **answer_of(found, i, names)} for i, name in enumerate(["=cmd()", "ok.png"])]
    table = list(csv.reader(io.StringIO(answers_csv(rows, names).decode())))
    assert not [cell for line in table for cell in line[:2] if cell.startswith(("=", "+", "-", "@"))]
    assert [line[0] for line in table[1:]] == ["'=cmd()", "ok.png"]
    assert table[0][6:] == [f"p({name})" for name in names]
    assert [float(cell) for cell in table[1][6:]] == pytest.approx(found.probabilities[0].tolist(), abs=0)
