"""A projection of the whole photo's feature, a rate of the global branch's own, and the pull to the identity."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gallop import GalLoPClassifier, load_image
from gallop.backbones import Damping
from gallop.checkpoints.folder import SETTINGS
from gallop.config import MethodConfig, train_preset
from gallop.core.scores import Cosines, gl_mcm
from gallop.errors import CheckpointError
from gallop.features.encoding import encode_photos
from gallop.maps.explainer.data import explainer_data
from gallop.model.prompted import PromptModel
from tests.reference import relative_error
from tests.tiny import classifier, edit_settings, equal, learned, new_vit, picture, pictures, there, vit

SHOTS = {"red": 4, "green": 4, "blue": 4}
PICTURES = [picture(50 + i, colour) for i, colour in enumerate([*SHOTS, "yellow"])]
PROJECTED = MethodConfig(global_projection=True)


def apart(projection: torch.Tensor | None) -> float:
    """||W - I||"""
    weights = there(projection).detach()
    return float((weights - torch.eye(len(weights))).norm())


def fit(training: dict[str, Any] | None = None, **changes: Any) -> GalLoPClassifier:
    preset = train_preset("default", **(training or {}))
    return classifier(**{"epochs": 4, "preset": preset, **changes}).fit(*pictures(SHOTS))


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    """Shared: never changed."""
    return fit(method=PROJECTED, calibration_folds=2)


def whole(model: PromptModel, images: list[Any]) -> torch.Tensor:
    """Global cosines (B, K, M) by the formula: normalise(W f) t."""
    features, _ = encode_photos(vit(), [load_image(image) for image in images])
    weight = there(model.prompts.global_projection)
    seen = F.normalize(torch.einsum("de,be->bd", weight.double(), features.global_.double()), dim=-1)
    return torch.einsum("bd,kmd->bkm", seen, F.normalize(model.text_features().global_.double(), dim=-1)).detach()


def test_before_it_has_learned_it_changes_nothing() -> None:
    plain, projected = (
        classifier(method=method).zero_shot(sorted(SHOTS)).predict_all(PICTURES) for method in (None, PROJECTED)
    )
    assert np.array_equal(plain.probabilities, projected.probabilities)
    assert all(np.array_equal(score, projected.ood[name]) for name, score in plain.ood.items())


def test_it_learns_and_leaves_the_local_branch_alone(taught: GalLoPClassifier) -> None:
    plain, found = learned(fit(calibration_folds=2)), learned(taught)
    assert "global_projection" not in plain
    assert apart(found["global_projection"]) > 1e-3
    assert torch.equal(found["local_projection"], plain["local_projection"])
    assert torch.equal(found["local_contexts"], plain["local_contexts"])
    assert all(apart(model.prompts.global_projection) > 1e-3 for model in there(taught.cross_fit_).models)
    assert taught.calibration_.threshold is not None


def test_global_scores_are_those_of_the_formula_wherever_they_are_told(taught: GalLoPClassifier) -> None:
    wanted = whole(taught.model_, PICTURES)
    for i, why in enumerate(taught.explain(PICTURES)):
        assert np.abs(why.global_scores - wanted[i].numpy()).max() < 1e-6
        branch = explainer_data(why)["takes"][0]["branches"][0]
        assert branch["name"] == "whole photo"
        sent = np.frombuffer(base64.b64decode(branch["cosines"]), dtype="<f4").reshape(wanted[i].shape)
        assert np.array_equal(sent, np.asarray(why.global_scores, dtype=np.float32))
    logits = taught.model_.backbone.logit_scale / taught.calibration_.temperature * wanted.mean(dim=-1)
    assert (
        relative_error(torch.from_numpy(taught.predict_all(PICTURES).probabilities_global), logits.softmax(-1)) < 1e-5
    )


def test_a_class_that_is_added_goes_through_it_too(taught: GalLoPClassifier, tmp_path: Path) -> None:
    taught.save(tmp_path)
    more = GalLoPClassifier.load(tmp_path, backbone=vit()).add_class("yellow")
    assert np.abs(more.explain(PICTURES[3]).global_scores - whole(more.model_, PICTURES[3:])[0].numpy()).max() < 1e-6


def test_without_local_prompts_regions_go_where_the_photo_goes() -> None:
    model = fit(method=PROJECTED, topk=()).model_
    features, _ = encode_photos(vit(), [load_image(image) for image in PICTURES])
    weight, own = there(model.prompts.global_projection), there(vit().vision.region_projection)
    text = model.text_features()
    regions = F.normalize(features.regions @ own @ weight.T, dim=-1)
    cosines = torch.einsum("brd,kmd->brkm", regions, F.normalize(text.global_, dim=-1)).mean(dim=-1)
    with torch.no_grad():
        found = model.similarities(features, text)
        wanted = gl_mcm(Cosines(whole(model, PICTURES).float().mean(dim=-1), cosines))
    assert relative_error(found.looks[0].region_scores, cosines.detach()) < 1e-5
    assert relative_error(found.ood()["GL-MCM"], wanted.detach()) < 1e-5


def test_a_projected_photo_is_damped_as_regions_are() -> None:
    assert Damping(46, 120).of(PROJECTED) == Damping(120, 120)
    assert Damping(46, 120).of(MethodConfig()) == Damping(46, 120)
    damped = new_vit()
    damped.damping = Damping(image=0.0, region=1e4)  # above every norm: products divided by a constant
    features, _ = encode_photos(damped, [load_image(image) for image in PICTURES])
    model = PromptModel(damped, sorted(SHOTS), PROJECTED)
    with torch.no_grad():
        text = model.text_features()
        found = model.similarities(features, text).image_cosines
    wanted = torch.einsum("bd,kmd->bkm", features.global_, F.normalize(text.global_, dim=-1)) / 1e4
    assert relative_error(found, wanted) < 1e-5


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_keeps_it_and_one_without_has_no_trace(taught: GalLoPClassifier, tmp_path: Path) -> None:
    taught.save(tmp_path / "with")
    fit().save(tmp_path / "without")
    said, plain = (json.loads((tmp_path / name / SETTINGS).read_text()) for name in ("with", "without"))
    assert (said["format"], said["method"]["global_projection"], plain["format"]) == (2, True, 1)
    assert not {"global_projection"} & {*plain["method"]}
    loaded = GalLoPClassifier.load(tmp_path / "with", backbone=vit())
    assert equal(learned(loaded), learned(taught))
    assert np.array_equal(loaded.predict_proba(PICTURES), taught.predict_proba(PICTURES))
    again = loaded.set_params(cache=False, calibration_folds=0, warm_start=True).fit(*pictures(SHOTS))
    assert not torch.equal(learned(again)["global_projection"], learned(taught)["global_projection"])


@pytest.mark.parametrize(("method", "then"), [(PROJECTED, False), (None, True)])
def test_tensors_and_settings_that_disagree_are_refused(method: Any, then: bool, tmp_path: Path) -> None:
    fit(method=method).save(tmp_path)
    edit_settings(tmp_path, lambda settings: settings["method"].update(global_projection=then))
    with pytest.raises(CheckpointError, match="does not match its settings"):
        GalLoPClassifier.load(tmp_path, backbone=vit())


# ------------------------------------------------------------------ how it is learned
