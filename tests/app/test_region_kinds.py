"""A visitor chooses what a region of a ViT is: with another kind it is another backbone, and nothing is mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import gallop.backbones
from app.options import Options
from app.runs.run import backbone_of
from app.shared_backbones import BackboneProblem, BackboneRoom
from app.ui import resources
from gallop import GalLoPClassifier, load_backbone
from tests import tiny
from tests.app_pages import (
    EXPLORE,
    Open,
    cards,
    explained,
    fine,
    go,
    plain,
    runs_of,
    session_of,
    taught_of,
    there,
    train,
    with_photo,
)

OTHER = "small (query-query)"


def opens(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: Any) -> BackboneRoom:
    """The app's backbones, ``small`` among them; the app closes them."""
    monkeypatch.setattr(gallop.backbones, "load_backbone", load_backbone)
    room = BackboneRoom(Options((str(tiny.backbone_folder(folder / "small")),), **options))
    monkeypatch.setattr(resources.shared, "backbones", room)
    return room


@pytest.fixture
def small(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """The app with ``mini``, and a small ViT beside it."""
    opens(monkeypatch, tmp_path)
    return tiny_app


def choose(at: AppTest, name: str) -> AppTest:
    return fine(at.selectbox(key="backbones chosen").set_value(name).run())


def test_the_choice_is_there_for_a_vit_and_each_kind_answers_for_itself(small: Open, tmp_path: Path) -> None:
    at = with_photo(small, "red\ngreen")
    photo, mini = next(iter(session_of(at).photos.shelf.photos.values())), explained(at).shares
    assert at.selectbox(key="backbones chosen").options == ["mini", "small", OTHER], "mini has the paper's alone"
    for kind, words in (
        ("value", "each region's own value, which is the paper's"),
        ("query-query", "attention of queries to queries"),
    ):
        shown = explained(choose(go(at, EXPLORE), "small" if kind == "value" else OTHER)).cosines
        assert f"region kind {kind}: {words}" in plain(at)
        backbone = load_backbone(tmp_path / "small", regions=kind)
        found = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(["red", "green"]).explain(photo)
        assert shown == pytest.approx(found.similarities.looks[0].region_cosines[0].numpy(), abs=1e-6)
    assert go(at, EXPLORE).selectbox(key="backbones chosen").value == OTHER
    assert explained(choose(at, "mini")).shares == mini


def test_what_was_taught_on_one_kind_is_not_the_others(small: Open) -> None:
    at = choose(with_photo(small, "red\ngreen"), OTHER)
    session = session_of(train(cards(at, {"red": 2, "green": 2}, tests=1)))
    (run,) = runs_of(at)
    assert (taught_of(at).backbone_name, run.backbone_name) == (OTHER, OTHER)
    files = there(session.training.ledger).files(run.id)
    told = json.loads(files["gallop.json"])
    assert (told["backbone"], told["regions"]) == ("small", "query-query"), "as the library reads it"

    choose(at, "small")
    assert session.training.taught is None
    assert "Prompts trained with small (query-query) are still available" in plain(at)
    # By its weights where they were loaded, else by what the model says; and what it says opens nothing.
    assert backbone_of(resources.backbones(), files) == OTHER
    fresh = BackboneRoom(resources.backbones().options)
    assert backbone_of(fresh, files) == OTHER
    for kind in (3, ["value"]):
        assert backbone_of(fresh, {"gallop.json": json.dumps(told | {"regions": kind}).encode()}) == "mini"
    with pytest.raises(BackboneProblem, match="not available"):
        backbone_of(fresh, {"gallop.json": json.dumps(told | {"regions": "nothing"}).encode()})


def test_whoever_starts_the_app_says_which_kind_is_usual(
    tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = opens(monkeypatch, tmp_path, regions="query-query")
    at = with_photo(tiny_app, "red\ngreen")
    assert at.selectbox(key="backbones chosen").options == ["mini", OTHER, "small"]
    choose(at, OTHER)
    assert (session_of(at).training.backbone_name, room.status(OTHER).device) == (OTHER, "cpu")
    assert not room.status("small").device, "nobody asked for it"
