"""What is left out or replaced by a setting: the local projection, and the kind of a ViT's region features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gallop import GalLoPClassifier, load_image
from gallop.checkpoints.folder import read_checkpoint
from gallop.config import REGION_KINDS, RegionKind
from gallop.errors import CheckpointError
from gallop.features.encoding import encode_photos
from gallop.lab.methods import make_method
from tests.reference import relative_error
from tests.tiny import backbone_folder, classifier, edit_settings, equal, learned, picture, pictures, there, vit

SHOTS = {"red": 4, "green": 4, "blue": 4}
PICTURES = [picture(50 + i, colour) for i, colour in enumerate([*SHOTS, "yellow"])]


def fit(**changes: Any) -> GalLoPClassifier:
    return classifier(**{"epochs": 4, **changes}).fit(*pictures(SHOTS))


# --- Without the local projection --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without() -> GalLoPClassifier:
    """Shared: never changed."""
    return fit(local_projection=False, calibration_folds=2)


def test_without_it_the_projection_stays_the_identity_while_contexts_move(without: GalLoPClassifier) -> None:
    start, found, usual = (learned(each) for each in (classifier().zero_shot(sorted(SHOTS)), without, fit()))
    assert torch.equal(found["local_projection"], torch.eye(64))
    assert not torch.equal(usual["local_projection"], torch.eye(64))
    assert all(torch.equal(m.prompts.local_projection, torch.eye(64)) for m in there(without.cross_fit_).models)
    for name in ("global_contexts", "local_contexts"):
        assert not torch.equal(found[name], start[name])
    assert torch.equal(found["global_contexts"], usual["global_contexts"])
    assert not torch.equal(found["local_contexts"], usual["local_contexts"]), "local ones learn otherwise"


def test_without_it_answers_are_those_of_the_formula_without_any_projection(without: GalLoPClassifier) -> None:
    model, backbone = without.model_, vit().vision
    features, _ = encode_photos(vit(), [load_image(image) for image in PICTURES])
    text = model.text_features()
    images, regions = (
        F.normalize(f, dim=-1) for f in (features.global_, features.regions @ there(backbone.region_projection))
    )
    global_ = torch.einsum("bd,kmd->bkm", images, F.normalize(text.global_, dim=-1)).mean(dim=-1)
    cosines = torch.einsum("brd,knd->brkn", regions, F.normalize(text.local, dim=-1))
    ordered = cosines.sort(dim=1, descending=True).values
    local = torch.stack([ordered[:, :k, :, n].mean(dim=1) for n, k in enumerate((2, 4))]).mean(dim=0)
    logits = vit().logit_scale * (global_ + local) / 2 / without.calibration_.temperature
    assert relative_error(torch.from_numpy(without.predict_proba(PICTURES)), logits.softmax(dim=-1).detach()) < 1e-5


@pytest.mark.parametrize("local_projection", [True, False])
def test_global_prompts_are_those_learned_without_any_local_ones(local_projection: bool) -> None:
    """The two branches share no parameter, so neither changes what the other learns."""
    settings: dict[str, Any] = {"epochs": 6, "global_prompts": 3, "dropout": 0.5, "lr": 0.2}
    both = learned(fit(**settings, local_prompts=4, topk=None, local_projection=local_projection))
    alone = learned(fit(**settings, local_prompts=0, topk=None))
    start = learned(classifier(global_prompts=3, topk=()).zero_shot(sorted(SHOTS)))["global_contexts"]
    assert relative_error(both["global_contexts"], alone["global_contexts"]) < 1e-6
    # Stricter: of what was learned, not of the numbers that it began with.
    assert relative_error(both["global_contexts"] - start, alone["global_contexts"] - start) < 1e-4
    assert len(both["local_contexts"]) == 4


def test_a_checkpoint_keeps_that_it_was_left_out(without: GalLoPClassifier, tmp_path: Path) -> None:
    without.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert loaded.model_.config.local_projection is False
    assert np.array_equal(loaded.predict_proba(PICTURES), without.predict_proba(PICTURES))
    again = loaded.set_params(cache=False, calibration_folds=0, warm_start=True).fit(*pictures(SHOTS))
    assert torch.equal(learned(again)["local_projection"], torch.eye(64))


def test_a_checkpoint_that_says_nothing_of_it_has_one_and_the_papers_kind_of_regions(tmp_path: Path) -> None:
    made = fit()
    made.save(tmp_path)
    edit_settings(tmp_path, lambda settings: (settings["method"].pop("local_projection"), settings.pop("regions")))
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert (loaded.model_.config.local_projection, loaded.get_params()["regions"]) == (True, "value")
    assert np.array_equal(loaded.predict_proba(PICTURES), made.predict_proba(PICTURES))


def test_a_projection_beside_settings_that_deny_it_is_refused(tmp_path: Path) -> None:
    fit().save(tmp_path)
    edit_settings(tmp_path, lambda settings: settings["method"].update(local_projection=False))
    with pytest.raises(CheckpointError, match="no projection was learned, but the projection is not the identity"):
        GalLoPClassifier.load(tmp_path, backbone=vit())
    edit_settings(tmp_path, lambda settings: settings["method"].update(local_projection="no"))
    with pytest.raises(CheckpointError, match="local_projection is 'no'; it must be True or False"):
        GalLoPClassifier.load(tmp_path, backbone=vit())


# --- Other kinds of region features ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REGION_KINDS[1:])
def test_a_checkpoint_restores_the_kind_of_regions(kind: RegionKind, tmp_path: Path) -> None:
    made = fit(backbone=str(backbone_folder(tmp_path)), regions=kind)
    made.save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", device="cpu")
    kept = read_checkpoint(tmp_path / "model").regions
    assert made.model_.backbone.region_kind == kept == loaded.model_.backbone.region_kind == kind
    assert np.array_equal(loaded.predict_proba(PICTURES), made.predict_proba(PICTURES))
    again = loaded.set_params(cache=False, calibration_folds=0).fit(*pictures(SHOTS))  # of that kind too
    assert equal(learned(again), learned(made))


def test_a_checkpoint_beside_a_backbone_of_another_kind_is_refused(tmp_path: Path) -> None:
    tokens = vit().with_regions("tokens")
    fit(backbone=tokens).save(tmp_path / "tokens")
    fit().save(tmp_path / "value")
    with pytest.raises(CheckpointError, match=r"kind 'tokens', but this backbone gives 'value'. .* regions='tokens'"):
        GalLoPClassifier.load(tmp_path / "tokens", backbone=vit())
    with pytest.raises(CheckpointError, match="kind 'value', but this backbone gives 'tokens'"):
        GalLoPClassifier.load(tmp_path / "value", backbone=tokens)
    assert GalLoPClassifier.load(tmp_path / "tokens", backbone=tokens).classes_.tolist() == list(SHOTS)
    edit_settings(tmp_path / "tokens", lambda settings: settings.update(regions="value"))
    with pytest.raises(CheckpointError, match="fingerprints"):  # an edited kind does not get through either
        GalLoPClassifier.load(tmp_path / "tokens", backbone=vit())
    edit_settings(tmp_path / "tokens", lambda settings: settings.update(regions=["tokens"]))
    with pytest.raises(CheckpointError, match="Unknown kind of region features"):
        read_checkpoint(tmp_path / "tokens")


def test_a_cache_never_gives_features_of_another_kind(tmp_path: Path) -> None:
    apart = [learned(fit(backbone=vit().with_regions(kind))) for kind in REGION_KINDS]
    shared = [learned(fit(backbone=vit().with_regions(kind), cache=tmp_path)) for kind in REGION_KINDS]
    assert all(map(equal, apart, shared))
    for found in apart[1:]:
        assert torch.equal(found["global_contexts"], apart[0]["global_contexts"])
        assert not torch.equal(found["local_contexts"], apart[0]["local_contexts"])


def test_a_measured_preset_has_no_more_rounds_than_photos_and_the_papers_has_its_own() -> None:
    measured, papers = (make_method("GalLoP", {"preset": name}) for name in ("default", "paper"))
    assert [measured.config(0, photos).epochs for photos in (4, 10_000, None)] == [4, 30, 30]
    assert papers.config(0, 4) == papers.config(0)
