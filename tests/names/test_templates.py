"""Templates: what is one, and that zero-shot with them is CLIP's zero-shot with these sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop.errors import TemplateError
from gallop.estimator import GalLoPClassifier
from gallop.names.templates import fill, parse_templates
from tests.tiny import classifier, picture, vit

NAMES = ["red", "fire truck"]


def test_one_template_a_line_commas_stay_and_empty_lines_go() -> None:
    assert parse_templates("a photo, of a {}\n\n  {}\ton a table \n") == ("a photo, of a {}", "{} on a table")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No template was given"),
        ("a photo", "has 0 placeholders"),
        ("{} and {}", "has 2 placeholders"),
        ("a {0}", "has 0 placeholders"),
        ("{}" + "x" * 300, "template .* has 302 characters"),
    ],
)
def test_what_is_no_template_is_told_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        parse_templates(text)


@pytest.mark.parametrize(
    ("templates", "words"),
    [
        ("a photo of a {}", "parse_templates"),
        (["a {}", "b {}", "c {}"], "3 templates were given for 2 global prompts"),
        (["a b " * 45 + "{}"], r"The template 'a b .* leaves too little room for a class name\. .* tokens"),
    ],
)
def test_templates_that_do_not_fit_are_refused(templates: Any, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        classifier().zero_shot(NAMES, templates)


def test_filling_reads_nothing_but_the_place() -> None:
    assert (fill("{} {0.__class__}", "{}"), fill("a {} on", "cup")) == ("{} {0.__class__}", "a cup on")


def test_the_usual_template_is_what_untrained_prompts_say() -> None:
    made = classifier().zero_shot(NAMES), classifier().zero_shot(NAMES, ["A photo of a {}"])
    first, second = (each.explain(picture(1)) for each in made)
    assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)
    assert np.allclose(first.global_scores, second.global_scores, atol=1e-5)
    regions = [found.similarities.looks[0].region_cosines for found in (first, second)]
    assert np.allclose(*regions, atol=1e-5)


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


def test_a_class_added_later_is_put_into_the_same_templates() -> None:
    templates = ["a sketch of a {}", "a {} in the snow"]
    added = classifier().zero_shot(["red"], templates).add_class("green")
    direct = classifier().zero_shot(["red", "green"], templates)
    assert np.allclose(added.predict_proba(picture(0)), direct.predict_proba(picture(0)), atol=1e-6)


def test_templates_are_kept_in_a_checkpoint(tmp_path: Path) -> None:
    made = classifier().zero_shot(NAMES, ["a sketch of a {}"])
    made.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert np.array_equal(loaded.predict_proba(picture(0)), made.predict_proba(picture(0)))
    plain = classifier().zero_shot(NAMES).predict_proba(picture(0))
    assert not np.allclose(plain, made.predict_proba(picture(0)), atol=1e-6)
