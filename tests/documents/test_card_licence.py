"""The card of a trained model names the licence of its backbone's weights, with the page that states it."""

from __future__ import annotations

import pytest

from gallop.backbones.weights import licence_by_name
from gallop.documents.model_card import model_card
from tests import tiny


@pytest.mark.parametrize("name", ["mini", "hf-hub:imageomics/bioclip", "ViT-B-16/laion2b_s34b_b88k"])
def test_a_card_names_licence_source_and_date(name: str) -> None:
    backbone, licence = tiny.new_vit(), licence_by_name(name)
    backbone.name = name
    card = model_card(tiny.classifier(backbone=backbone).zero_shot(["cat", "dog"]))
    assert f"have a separate licence: {licence.words} ({licence.source}, {licence.date})." in card
    python, shell = ("", "") if name == "mini" else (f', backbone="{name}"', f" --backbone {name}")  # by others, again
    assert f'GalLoPClassifier.load("model"{python})  # the folder with this card\n' in card
    assert f"gallop predict photo.jpg --model model{shell}\n```" in card


def test_what_is_not_known_is_called_so() -> None:
    assert "have a separate licence: not known." in model_card(tiny.classifier().zero_shot(["cat", "dog"]))
