"""Templates: what is one, and that zero-shot with them is CLIP's zero-shot with these sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop.backbones import load_backbone
from gallop.config import ZERO_SHOT, MethodConfig
from gallop.errors import TemplateError
from gallop.estimator import GalLoPClassifier
from gallop.names.templates import fill, parse_templates
from tests.tiny import classifier, picture, vit

NAMES = ["red", "fire truck"]


def zero_shot(templates: Any = None) -> GalLoPClassifier:
    return classifier().zero_shot(NAMES, templates)


def test_one_template_a_line_commas_stay_and_empty_lines_go() -> None:
    assert parse_templates("a photo, of a {}\n\n  {}\ton a table \n") == ("a photo, of a {}", "{} on a table")


@pytest.mark.parametrize(
    ("call", "given", "words"),
    [
        (parse_templates, "", "No template was given"),
        (parse_templates, "a photo", "has 0 placeholders"),
        (parse_templates, "{} and {}", "has 2 placeholders"),
        (parse_templates, "a {0}", "has 0 placeholders"),
        (parse_templates, "{}" + "x" * 300, "template .* has 302 characters"),
        (zero_shot, "a photo of a {}", "parse_templates"),
        (zero_shot, ["a {}", "b {}", "c {}"], "3 templates were given for 2 global prompts"),
        (zero_shot, ["a b " * 45 + "{}"], r"The template 'a b .* leaves too little room for a class name\. .* tokens"),
    ],
)
def test_what_is_no_template_or_does_not_fit_is_refused(call: Callable[[Any], Any], given: Any, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        call(given)


def test_filling_reads_nothing_but_the_place() -> None:
    assert (fill("{} {0.__class__}", "{}"), fill("a {} on", "cup")) == ("{} {0.__class__}", "a cup on")


def test_the_usual_template_is_what_untrained_prompts_say() -> None:
    first, second = (made.explain(picture(1)) for made in (zero_shot(), zero_shot(["A photo of a {}"])))
    assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)
    assert np.allclose(first.global_scores, second.global_scores, atol=1e-5)
    regions = [found.similarities.looks[0].region_cosines for found in (first, second)]
    assert np.allclose(regions[0], regions[1], atol=1e-5)


def test_each_prompt_is_its_template_counted_round() -> None:
    """Against the plain backbone: the cosine of the image feature with the feature of the whole sentence."""
    templates = ["a sketch of a {}", "{} on a table"]
    made = GalLoPClassifier(vit(), global_prompts=3, topk=(1, 1), cache=False).zero_shot(NAMES, templates)
    found = made.explain(picture(2))
    pixels, _ = vit().preprocess.centre(picture(2))
    whole, patches = vit().encode_image(pixels[None])
    regions = patches @ vit().vision.region_projection
    cosine = torch.nn.functional.cosine_similarity
    for m, sentence in enumerate([*templates, templates[0]]):
        for row, name in enumerate(NAMES):
            text = vit().text.encode_texts([sentence.replace("{}", name)])
            assert found.global_scores[row, m] == pytest.approx(float(cosine(whole, text)), abs=1e-5)
            if m < 2:
                assert found.local_scores[row, m] == pytest.approx(float(cosine(regions[0], text).max()), abs=1e-5)


def test_zero_shot_on_mini_asks_four_sentences_unless_its_words_were_chosen() -> None:
    mini = load_backbone("mini", device="cpu")

    def asked(**settings: Any) -> tuple[str, ...] | None:
        return GalLoPClassifier(cache=False, **{"backbone": mini} | settings).zero_shot(NAMES).model_.templates

    four = ZERO_SHOT["default"]
    assert (asked(), asked(global_prompts=2)) == (four, four[:2])
    chosen = {"method": MethodConfig()}, {"starts": "a sketch of a"}, {"preset": "paper"}, {"backbone": vit()}
    assert [asked(**settings) for settings in chosen] == [None] * 4


def test_a_class_added_later_is_put_into_the_same_templates() -> None:
    templates = ["a sketch of a {}", "a {} in the snow"]
    added = classifier().zero_shot(["red"], templates).add_class("green")
    direct = classifier().zero_shot(["red", "green"], templates)
    assert np.allclose(added.predict_proba(picture(0)), direct.predict_proba(picture(0)), atol=1e-6)


def test_templates_are_kept_in_a_checkpoint(tmp_path: Path) -> None:
    made = zero_shot(["a sketch of a {}"])
    made.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert np.array_equal(loaded.predict_proba(picture(0)), made.predict_proba(picture(0)))
    assert not np.allclose(zero_shot().predict_proba(picture(0)), made.predict_proba(picture(0)), atol=1e-6)
