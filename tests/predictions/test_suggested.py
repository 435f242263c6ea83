"""Names for a photo of which nothing is known."""

import pytest
import torch
from torch.nn.functional import normalize

from gallop import load_backbone
from gallop.model.prompted import name_features
from gallop.names.likely import EVERYDAY, likely_names
from gallop.predictions.suggested import shipped_features, suggested_names
from tests import tiny
from tests.conftest import ROOT

NAMES = [*likely_names()]


def test_the_nearest_name_comes_first_and_what_says_nearly_the_same_is_left_out() -> None:
    torch.manual_seed(0)
    texts = normalize(torch.randn(EVERYDAY, 32), dim=-1)
    texts[7] = normalize(texts[3] + 0.01 * torch.randn(32), dim=-1)
    names = suggested_names(3 * texts[3], texts)
    assert (len(names), names[0] in (NAMES[3], NAMES[7])) == (5, True)
    assert not {NAMES[3], NAMES[7]} <= set(names)


def test_a_generic_word_stands_back_from_a_specific_one_that_is_as_near() -> None:
    texts = normalize(torch.eye(EVERYDAY, 64) + 0.1, dim=-1)
    bird, cow = NAMES.index("bird"), NAMES.index("cow")
    assert likely_names()["bird"] < likely_names()["cow"]
    assert suggested_names(texts[bird] + texts[cow], texts)[:2] == ("cow", "bird")
    assert suggested_names(texts[bird], texts)[0] == "bird", "nothing specific stands out"


def test_another_backbone_has_no_features_that_came_with_mini() -> None:
    assert shipped_features(tiny.vit()) is None


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "checkpoints/mini/mini.safetensors").is_file(), reason="mini's weights are not here")
def test_the_shipped_features_are_those_of_the_text_encoder() -> None:
    mini = load_backbone("mini", device="cpu")
    shipped = shipped_features(mini)
    assert shipped is not None
    torch.testing.assert_close(shipped, name_features(mini, NAMES), atol=1e-3, rtol=0)
