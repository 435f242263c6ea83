"""Prompts in words: the parts and the rest are the feature, the scores and the change, and a planted kind is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gallop import GalLoPClassifier, MethodConfig
from gallop.errors import ClassNameError
from gallop.model.in_words import REST, dictionary
from gallop.names.templates import PLACE
from tests import tiny

CLASSES = ["red", "green", "blue"]
PLANTED = ("sketch", "cartoon", "poster", "statue", "toy", "tattoo", "logo", "blurry", "dark", "black and white")


@pytest.fixture(scope="module")
def fitted() -> GalLoPClassifier:
    return tiny.classifier(lr=0.5, epochs=6, dropout=0.5).fit(*tiny.pictures(dict.fromkeys(CLASSES, 4)))


def planted(sentence: str, noise: float = 0.0) -> GalLoPClassifier:
    """All of whose prompts are the words of a sentence before the class name, moved a little."""
    made = tiny.classifier(backbone=tiny.new_vit()).zero_shot(CLASSES)
    context = made.model_.backbone.text.embed(sentence.replace(PLACE, "").strip())
    prompts, generator = made.model_.prompts, torch.Generator().manual_seed(0)
    for name in ("global_contexts", "local_contexts"):
        drawn = torch.randn(2, *context.shape, generator=generator)
        setattr(prompts, name, nn.Parameter(context + noise * context.std() * drawn))
    made.model_ = type(made.model_)(made.model_.backbone, CLASSES, made.model_.config, prompts)
    return made


def test_parts_and_rest_are_the_text_feature(fitted: GalLoPClassifier) -> None:
    text = fitted.model_.cached_text_features()
    for k, name in enumerate(CLASSES):
        features = torch.nn.functional.normalize(torch.cat([text.global_[k], text.local[k]]).double(), dim=-1)
        for told, feature in zip(fitted.prompts.in_words(name), features, strict=True):
            assert told.vectors.sum(axis=0) == pytest.approx(feature.numpy(), abs=1e-9)


def test_shares_add_up_to_one_in_the_feature_and_in_what_training_put_in(fitted: GalLoPClassifier) -> None:
    for told in fitted.prompts.in_words("red"):
        assert told.learned
        assert all(part.added > 0 for part in told.parts[1:-1])
        assert sum(part.share for part in told.parts) == pytest.approx(1)
        assert (sum(part.added for part in told.parts), told.rest.word) == (pytest.approx(1), REST)
        assert told.rest.weight == pytest.approx(np.linalg.norm(told.vectors[-1]))
        assert told.rest.share == pytest.approx(told.rest.weight**2), "the rest stands at right angles to the words"
        put_in = told.vectors[1:].sum(axis=0)
        assert told.rest.added == pytest.approx(told.rest.weight**2 / (put_in @ put_in))


def test_weights_are_non_negative_and_words_few(fitted: GalLoPClassifier) -> None:
    every = [told for name in CLASSES for told in fitted.prompts.in_words(name, most=3)]
    assert all(part.weight >= 0 for told in every for part in told.parts)
    assert {len(told.parts) for told in every} <= {2, 3, 4, 5}, "the class itself, three words and the rest"
    assert {part.word for told in every for part in told.parts} <= {*dictionary(), *CLASSES, REST}


def test_more_words_leave_no_longer_rest(fitted: GalLoPClassifier) -> None:
    few, many = (fitted.prompts.in_words("blue", most=most) for most in (1, 6))
    assert all(b.rest.weight <= a.rest.weight + 1e-9 for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_planted_kind_is_told_first_nine_times_of_ten(noise: float) -> None:
    told = {word: planted(dictionary()[word], noise).prompts.in_words("green") for word in PLANTED}
    wrong = [word for word, each in told.items() if {prompt.parts[1].word for prompt in each} != {word}]
    assert len(wrong) <= 1, wrong


def test_a_planted_sentence_leaves_no_rest() -> None:
    (told, *_) = planted("A sketch of a {}").prompts.in_words("red")
    assert [part.word for part in told.parts] == ["red", "sketch", REST]
    assert (told.parts[1].weight, told.rest.share) == (pytest.approx(1, abs=1e-4), pytest.approx(0, abs=1e-6))
    assert told.parts[1].added == pytest.approx(1, abs=1e-4)
    assert told.words == "global 1 has 0.00 of the plain red, and its context adds sketch 100 %, 0 % in no word"


def test_what_has_not_learned_says_what_it_said() -> None:
    told = tiny.classifier().zero_shot(CLASSES).prompts.in_words("blue")
    assert [[part.word for part in each.parts] for each in told] == [["blue", REST]] * 4
    assert not any(each.learned or each.untold for each in told)
    assert {each.words for each in told if each.prompt == "global 1"} == {
        'global 1 says of blue what "A photo of a" says (1.000)'
    }


def test_a_rest_of_more_than_half_leads() -> None:
    """The change is at right angles to nearly every word: made of random contexts."""
    (told, *_) = planted("A photo of a {}", noise=30).prompts.in_words("red", most=1)
    assert told.untold
    assert told.rest.added > 0.5
    assert f"and its context adds {100 * told.rest.added:.0f} % in no word, " in told.words


def test_every_score_is_the_sum_over_words(fitted: GalLoPClassifier) -> None:
    why = fitted.explain(tiny.picture(90, "red"), words=["red", "blue"])
    for k, name in ((0, "red"), (2, "blue")):
        sums = [sum(why.in_words(name, prompt).values()) for prompt in range(4)]
        assert sums == pytest.approx([*why.global_scores[k], *why.local_scores[k]], abs=1e-5)
        for n in range(2):
            assert sum(why.word_maps(name, n).values()) == pytest.approx(why.region_scores(name, n), abs=1e-5)


def test_the_sum_follows_k_and_the_looks() -> None:
    two = tiny.classifier(backbone=tiny.vit(), method=MethodConfig(detail=2.0), lr=0.5)
    why = two.fit(*tiny.pictures({"red": 3, "green": 3})).explain(tiny.picture(90, "red"), words=["green"])
    for moved in (why, why.with_topk((1, 7))):
        sums = [sum(moved.in_words("green", 2 + n).values()) for n in range(2)]
        assert sums == pytest.approx(moved.local_scores[1], abs=1e-5)


def test_one_sums_part_is_its_weight_times_the_words_own_score(fitted: GalLoPClassifier) -> None:
    """Against a zero-shot classifier whose template is the word's sentence."""
    photo = tiny.picture(91, "green")
    why, told = fitted.explain(photo, words=["red"]), fitted.prompts.in_words("red")[0]
    word = next(part for part in told.parts[1:-1] if part.word in dictionary())
    alone = tiny.classifier().zero_shot(["red"], [dictionary()[word.word]]).explain(photo)
    assert why.in_words("red", 0)[word.word] == pytest.approx(word.weight * alone.global_scores[0, 0], abs=1e-5)


def test_a_class_that_was_not_asked_for_or_is_not_there_is_named(fitted: GalLoPClassifier) -> None:
    why = fitted.explain(tiny.picture(90, "red"))
    with pytest.raises(ValueError, match=r"'red' were not taken apart\. Explain the photo with words="):
        why.in_words("red", 0)
    with pytest.raises(ClassNameError, match=r"no class 'gren'.* Did you mean green"):
        fitted.prompts.in_words("gren")


def test_it_is_plain_values(fitted: GalLoPClassifier) -> None:
    told = fitted.prompts.in_words("red")[0].to_dict()
    assert (told["prompt"], told["class_name"]) == ("global 1", "red")
    text = torch.nn.functional.normalize(fitted.model_.cached_text_features().global_[0, 0], dim=0)
    assert told["before"] == pytest.approx(float(text @ fitted.model_.name_features(["red"])[0]), abs=1e-5)
    assert {*told["parts"][0]} == {"word", "weight", "share", "added"}


def test_every_word_stands_in_a_sentence_with_one_place() -> None:
    sentences = dictionary()
    assert 200 < len(sentences) < 400
    assert {sentence.count(PLACE) for sentence in sentences.values()} == {1}
    assert not [sentence for sentence in sentences.values() if "*" in sentence or "  " in sentence]
