"""What a setting leaves out, adds or replaces: projections of regions and of the whole photo, the kind of a ViT's
region features, prompts that start apart, and a penalty on those alike."""

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
from gallop.checkpoints.folder import SETTINGS, read_checkpoint
from gallop.config import REGION_KINDS, MethodConfig, RegionKind
from gallop.core.gallop import TextFeatures
from gallop.core.scores import Cosines, gl_mcm
from gallop.errors import CheckpointError, ConfigError
from gallop.evaluation.diversity import mean_of_pairs, text_cosines
from gallop.features.encoding import encode_photos
from gallop.lab.methods import make_method
from gallop.maps.explainer.payload import explainer_data
from gallop.model.prompted import PromptModel, likeness, starting_prompts
from tests.reference import relative_error
from tests.tiny import (
    backbone_folder,
    classifier,
    edit_settings,
    equal,
    learned,
    new_vit,
    picture,
    pictures,
    there,
    vit,
)

SHOTS = {"red": 4, "green": 4, "blue": 4}
PICTURES = [picture(50 + i, colour) for i, colour in enumerate([*SHOTS, "yellow"])]
PROJECTED = MethodConfig(2, (2, 4), global_projection=True)
APART = MethodConfig(2, (2, 4), init=1.0)
FEATURES = encode_photos(vit(), [load_image(image) for image in PICTURES])[0]


def fit(**changes: Any) -> GalLoPClassifier:
    return classifier(**{"epochs": 4, **changes}).fit(*pictures(SHOTS))


@pytest.fixture(scope="module")
def usual() -> GalLoPClassifier:
    """Shared: never changed."""
    return fit(calibration_folds=2)


# --- Checkpoints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"local_projection": False}, 1),
        ({"global_projection": True}, 2),
        ({"init": 0.5, "diversity": 1.0}, 1),
        ({"detail": 1.5, "detail_in": "training"}, 2),
        ({"class_weight": "balanced", "head": "ridge"}, 3),
    ],
)
def test_a_checkpoint_keeps_what_differs_from_the_usual(settings: dict[str, Any], version: int, tmp_path: Path) -> None:
    made = fit(method=MethodConfig(2, (2, 4), **settings))
    made.save(tmp_path)
    told = json.loads((tmp_path / SETTINGS).read_text())
    usual = {"global_prompts": 2, "topk": [2, 4], "dropout": 0.75, "local_projection": True}
    assert told["format"] == version == read_checkpoint(tmp_path).format
    assert told["method"] == usual | settings
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert loaded.model_.config == made.model_.config
    assert equal(learned(loaded), learned(made))
    assert np.array_equal(loaded.predict_proba(PICTURES), made.predict_proba(PICTURES))
    goes_on = {"cache": False, "calibration_folds": 0, "warm_start": True}
    again, wanted = (each.set_params(**goes_on).fit(*pictures(SHOTS)) for each in (loaded, made))
    assert equal(learned(again), learned(wanted))


@pytest.mark.parametrize(
    ("method", "then", "said"),
    [
        (PROJECTED, {"global_projection": False}, "does not match its settings"),
        (None, {"global_projection": True}, "does not match its settings"),
        (None, {"local_projection": False}, "no projection was learned, but the projection is not the identity"),
        (None, {"local_projection": "no"}, "local_projection is 'no'; it must be True or False"),
    ],
)
def test_tensors_and_settings_that_disagree_are_refused(method: Any, then: Any, said: str, tmp_path: Path) -> None:
    fit(method=method).save(tmp_path)
    edit_settings(tmp_path, lambda settings: settings["method"].update(then))
    with pytest.raises(CheckpointError, match=said):
        GalLoPClassifier.load(tmp_path, backbone=vit())


def test_a_checkpoint_that_says_nothing_has_a_local_projection_and_the_papers_kind_of_regions(
    usual: GalLoPClassifier, tmp_path: Path
) -> None:
    usual.save(tmp_path)
    edit_settings(tmp_path, lambda settings: (settings["method"].pop("local_projection"), settings.pop("regions")))
    loaded = GalLoPClassifier.load(tmp_path, backbone=vit())
    assert (loaded.model_.config.local_projection, loaded.get_params()["regions"]) == (True, "value")
    assert np.array_equal(loaded.predict_proba(PICTURES), usual.predict_proba(PICTURES))


# --- Without the local projection --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without() -> GalLoPClassifier:
    """Shared: never changed."""
    return fit(local_projection=False, calibration_folds=2)


def test_without_it_the_projection_stays_the_identity_while_contexts_move(
    without: GalLoPClassifier, usual: GalLoPClassifier
) -> None:
    start, found, other = (learned(each) for each in (classifier().zero_shot(sorted(SHOTS)), without, usual))
    assert not torch.equal(other["local_projection"], torch.eye(64))
    models = [without.model_, *there(without.cross_fit_).models]
    assert all(torch.equal(model.prompts.local_projection, torch.eye(64)) for model in models)
    assert not any(torch.equal(found[name], start[name]) for name in ("global_contexts", "local_contexts"))
    assert torch.equal(found["global_contexts"], other["global_contexts"])
    assert not torch.equal(found["local_contexts"], other["local_contexts"]), "local ones learn otherwise"


def test_without_it_answers_are_those_of_the_formula_without_any_projection(without: GalLoPClassifier) -> None:
    text, projection = without.model_.text_features(), there(vit().vision.region_projection)
    images, regions = (F.normalize(each, dim=-1) for each in (FEATURES.global_, FEATURES.regions @ projection))
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


@pytest.mark.parametrize(
    ("kinds", "edited", "said"),
    [
        (("query-query", "value"), {}, r"'query-query', but this backbone gives 'value'. .* regions='query-query'"),
        (("value", "query-query"), {}, "kind 'value', but this backbone gives 'query-query'"),
        (("query-query", "value"), {"regions": "value"}, "fingerprints"),  # an edited kind does not get through either
        (("query-query", "value"), {"regions": ["value"]}, "Unknown kind of region features"),
        *(
            (("value", "query-query"), {"regions": kind}, r"cannot be used here\. .* train again with regions='value'")
            for kind in ("tokens", "value-value")
        ),
    ],
)
def test_a_checkpoint_beside_a_backbone_of_another_kind_is_refused(
    kinds: tuple[RegionKind, RegionKind], edited: dict[str, Any], said: str, tmp_path: Path
) -> None:
    own, other = map(vit().with_regions, kinds)
    fit(backbone=own).save(tmp_path)
    assert GalLoPClassifier.load(tmp_path, backbone=own).classes_.tolist() == list(SHOTS)
    edit_settings(tmp_path, lambda settings: settings.update(edited))
    with pytest.raises(CheckpointError, match=said):
        GalLoPClassifier.load(tmp_path, backbone=other)


def test_a_cache_never_gives_features_of_another_kind(tmp_path: Path) -> None:
    apart = [learned(fit(backbone=vit().with_regions(kind))) for kind in REGION_KINDS]
    shared = [learned(fit(backbone=vit().with_regions(kind), cache=tmp_path)) for kind in REGION_KINDS]
    assert all(map(equal, apart, shared))
    for found in apart[1:]:
        assert torch.equal(found["global_contexts"], apart[0]["global_contexts"])
        assert not torch.equal(found["local_contexts"], apart[0]["local_contexts"])


def test_a_measured_preset_has_no_more_rounds_than_photos_and_the_papers_has_its_own() -> None:
    measured, papers = (make_method("GalLoP", {"preset": name}) for name in ("default", "paper"))
    assert [measured.config(0, photos).epochs for photos in (4, 320, 10_000, None)] == [4, 10, 1, 30]
    assert papers.config(0, 4) == papers.config(0)


# --- A projection of the whole photo's feature --------------------------------------------------------------------


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    """Shared: never changed."""
    return fit(method=PROJECTED, calibration_folds=2)


def whole(model: PromptModel) -> torch.Tensor:
    """Global cosines (B, K, M) of the pictures by the formula: normalise(W f) t."""
    weight = there(model.prompts.global_projection)
    seen = F.normalize(torch.einsum("de,be->bd", weight.double(), FEATURES.global_.double()), dim=-1)
    return torch.einsum("bd,kmd->bkm", seen, F.normalize(model.text_features().global_.double(), dim=-1)).detach()


@pytest.mark.parametrize("method", [PROJECTED, APART])
def test_before_prompts_have_learned_it_changes_nothing(method: MethodConfig) -> None:
    plain, other = (classifier(method=each).zero_shot(sorted(SHOTS)).predict_all(PICTURES) for each in (None, method))
    assert np.array_equal(plain.probabilities, other.probabilities)
    assert all(np.array_equal(score, other.ood[name]) for name, score in plain.ood.items())


def test_it_learns_and_leaves_the_local_branch_alone(taught: GalLoPClassifier, usual: GalLoPClassifier) -> None:
    for model in (taught.model_, *there(taught.cross_fit_).models):
        weights = there(model.prompts.global_projection).detach()
        assert (weights - torch.eye(len(weights))).norm() > 1e-3
    plain, found = learned(usual), learned(taught)
    assert all(torch.equal(found[name], plain[name]) for name in ("local_projection", "local_contexts"))
    assert taught.calibration_.threshold is not None


def test_global_scores_are_those_of_the_formula_wherever_they_are_told(taught: GalLoPClassifier) -> None:
    wanted = whole(taught.model_)
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
    assert np.abs(more.explain(PICTURES[3]).global_scores - whole(more.model_)[3].numpy()).max() < 1e-6


def test_without_local_prompts_regions_go_where_the_photo_goes() -> None:
    model = fit(method=PROJECTED, topk=()).model_
    weight, own = there(model.prompts.global_projection), there(vit().vision.region_projection)
    text = model.text_features()
    regions = F.normalize(FEATURES.regions @ own @ weight.T, dim=-1)
    cosines = torch.einsum("brd,kmd->brkm", regions, F.normalize(text.global_, dim=-1)).mean(dim=-1)
    with torch.no_grad():
        found = model.similarities(FEATURES, text)
        wanted = gl_mcm(Cosines(whole(model).float().mean(dim=-1), cosines))
    assert relative_error(found.looks[0].region_scores, cosines.detach()) < 1e-5
    assert relative_error(found.ood["GL-MCM"], wanted.detach()) < 1e-5


def test_a_projected_photo_is_damped_as_regions_are() -> None:
    assert [Damping(46, 120).of(each) for each in (PROJECTED, APART)] == [Damping(120, 120), Damping(46, 120)]
    damped = new_vit()
    damped.damping = Damping(image=0.0, region=1e4)  # above every norm: products divided by a constant
    features, _ = encode_photos(damped, [load_image(image) for image in PICTURES])
    model = PromptModel(damped, sorted(SHOTS), PROJECTED)
    with torch.no_grad():
        text = model.text_features()
        found = model.similarities(features, text).image_cosines
    wanted = torch.einsum("bd,kmd->bkm", features.global_, F.normalize(text.global_, dim=-1)) / 1e4
    assert relative_error(found, wanted) < 1e-5


# --- Prompts that start apart, and the penalty --------------------------------------------------------------------


def alike(model: PromptModel) -> float:
    return float(likeness(model.cached_text_features()))


def test_prompts_of_both_kinds_start_from_the_papers_words_or_from_others_in_turn() -> None:
    papers, first = starting_prompts(vit(), MethodConfig()).contexts(), vit().text.embed("A photo of a")
    assert all(torch.equal(context, first) for context in papers)
    config = MethodConfig(3, (2, 4), starts="A photo of a; a sketch of a")
    photo, sketch = (vit().text.embed(words) for words in ("A photo of a", "a sketch of a"))
    start = starting_prompts(vit(), config).contexts().detach()
    assert torch.equal(start, torch.stack([photo, sketch, photo, photo, sketch]))


def test_without_learning_starting_words_answer_as_templates_of_the_same_words() -> None:
    words = ("A photo of a", "a sketch of a")
    started = classifier(method=MethodConfig(2, (2, 4), starts="; ".join(words))).zero_shot(sorted(SHOTS))
    filled = classifier().zero_shot(sorted(SHOTS), [f"{each} {{}}" for each in words])
    one, other = (each.predict_all(PICTURES).probabilities for each in (started, filled))
    assert one == pytest.approx(other, abs=1e-5)


def test_starting_words_of_other_lengths_are_refused() -> None:
    config = MethodConfig(2, (2,), starts="a photo of a; a blurry photo of a")
    with pytest.raises(ConfigError, match="'a photo of a' has 4 tokens where 'a blurry photo of a' has 5"):
        starting_prompts(vit(), config)


def test_noise_is_in_deviations_of_the_words_numbers_and_always_the_same() -> None:
    words = vit().text.embed("A photo of a").float()
    config = MethodConfig(global_prompts=32, topk=[5] * 32, init=0.5)
    moved, again = (starting_prompts(vit(), config).contexts().detach() for _ in range(2))
    assert float((moved - words).std() / words.std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(moved, again)


def test_prompts_that_start_apart_end_apart_in_every_fold(usual: GalLoPClassifier) -> None:
    both = (usual, fit(method=APART, calibration_folds=2))
    together, apart = ([alike(each) for each in (made.model_, *there(made.cross_fit_).models)] for made in both)
    assert (np.subtract(together, apart) > 0.01).all()


def test_the_penalty_is_the_mean_cosine_of_two_prompts_and_none_where_each_is_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    text = TextFeatures(torch.randn(3, 4, 8, generator=draw), torch.randn(3, 2, 8, generator=draw))
    wanted = np.mean([mean_of_pairs(text_cosines(part)) for part in (text.global_, text.local)])
    assert float(likeness(text)) == pytest.approx(float(wanted), abs=1e-6)
    assert float(likeness(TextFeatures(torch.ones(3, 1, 8), torch.ones(3, 0, 8)))) == 0


def test_the_penalty_parts_prompts() -> None:
    plain, pushed = (fit(method=MethodConfig(2, (2, 4), init=0.2, diversity=weight)) for weight in (0.0, 5.0))
    assert alike(pushed.model_) < alike(plain.model_) - 0.01


def test_a_training_that_continues_starts_from_what_was_learned() -> None:
    taught = fit(method=APART, warm_start=True, epochs=1)
    before = learned(taught)
    again = learned(taught.fit(*pictures(SHOTS)))
    assert not any(equal(again, other) for other in (learned(fit(method=APART, epochs=1)), before))


@pytest.mark.parametrize(
    ("field", "value"),
    [("init", -0.1), ("diversity", -1.0), ("init", 11.0), ("starts", "a photo of a;"), ("starts", 3)],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is "):
        MethodConfig(**{field: value})
