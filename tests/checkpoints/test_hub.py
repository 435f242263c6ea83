"""Models on the Hub: what is written there, what is fetched from there, and what is said where neither can be."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import constants, file_download, utils

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import SETTINGS, TENSORS
from gallop.checkpoints.hub import HubAddress, model_folder
from gallop.errors import CheckpointError, HubError
from tests import tiny
from tests.cli.test_cli import call
from tests.hub_server import FakeHub, Repository, hub_server


def ask(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this for the Hub, as HF_ENDPOINT makes it at the start; older versions keep the template twice."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    for module in (constants, file_download):
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub of this machine's, where Ann is logged in, and an empty cache."""
    with hub_server() as found:
        ask(found.address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN", "hf_ann")
        yield found


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 4, "green": 4})
    return tiny.classifier(calibration_folds=2).fit(images, labels)


def logged_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))


def push(classifier: GalLoPClassifier, name: str = "ann/flowers", **how: Any) -> str:
    return classifier.push_to_hub(name, **how)


def pull(name: str = "ann/flowers", revision: str = "") -> GalLoPClassifier:
    return GalLoPClassifier.load(f"hf://{name}{revision and '@'}{revision}", backbone=tiny.vit())


def test_what_was_pushed_comes_back_bit_by_bit(hub: FakeHub, taught: GalLoPClassifier) -> None:
    assert push(taught) == f"{hub.address}/ann/flowers/commit/{hub.repositories['ann/flowers'].branches['main']}"
    assert len(hub.repositories["ann/flowers"].commits) == 2, "one commit after the first, empty one"
    assert set(hub.files("ann/flowers")) == {"README.md", SETTINGS, TENSORS}
    found = pull()
    photos = [tiny.picture(seed, colour) for seed, colour in ((90, "red"), (91, "green"), (92, "blue"))]
    assert np.array_equal(found.predict_proba(photos), taught.predict_proba(photos))
    assert (found.calibration_, found.training_) == (taught.calibration_, taught.training_)


def test_the_card_tells_the_hub_what_it_reads(hub: FakeHub, taught: GalLoPClassifier, tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path / "test", {"red": 3, "green": 2}, first_seed=50)
    push(taught, test=folder, data_set="ann/colours", licence="mit")
    _, facts, card = hub.files("ann/flowers")["README.md"].decode().split("---\n", 2)
    said, right = yaml.safe_load(facts), taught.score(folder)
    wanted = ["gallop", "image-classification", "mit", ["ann/colours"], tiny.vit().name]
    assert [said[key] for key in ("library_name", "pipeline_tag", "license", "datasets", "backbone")] == wanted
    (entry,) = said["model-index"]
    metric = entry["results"][0]["metrics"][0]
    assert (entry["name"], metric["type"], metric["value"]) == ("flowers", "accuracy", right)
    told = (f": {round(5 * right)} of 5, ", 'GalLoPClassifier.load("hf://ann/flowers")', "--model hf://ann/flowers")
    assert not [words for words in told if words not in card.replace("\\", "")]


def test_a_card_makes_no_figures_up_and_names_in_it_are_text(hub: FakeHub) -> None:
    push(tiny.classifier().zero_shot(["a: [b]", "---", "red"]), data_set="my photos: {x}")
    _, facts, card = hub.files("ann/flowers")["README.md"].decode().split("---\n", 2)
    assert not {"model-index", "metrics", "datasets", "license", "base_model"} & yaml.safe_load(facts).keys()
    assert "It was not tested" in card
    push(tiny.classifier().zero_shot(["red", "green"]), data_set="cifar10")
    assert "datasets:\n- cifar10\n" in hub.files("ann/flowers")["README.md"].decode()


def test_only_the_two_files_of_a_checkpoint_are_fetched(hub: FakeHub, taught: GalLoPClassifier, tmp_path: Path) -> None:
    push(taught)
    hub.files("ann/flowers")["model.pkl"] = pickle.dumps("no")
    hub.files("ann/flowers")["weights/huge.bin"] = bytes(1000)
    assert {path.name for path in model_folder("hf://ann/flowers").rglob("*")} == {SETTINGS, TENSORS}
    assert not [asked for asked in hub.asked if asked.endswith((".pkl", ".bin"))]


def test_revisions(hub: FakeHub, taught: GalLoPClassifier) -> None:
    push(taught)
    first = hub.repositories["ann/flowers"].branches["main"]
    other = tiny.classifier().zero_shot(["blue", "yellow"])
    push(other, revision="v2", message="Other colours")
    push(other, revision="v2")  # a branch that is there
    found = [pull(revision=name).classes_.tolist() for name in ("", first, "v2")]
    assert found == [["red", "green"], ["red", "green"], ["blue", "yellow"]]
    with pytest.raises(HubError, match="ann/flowers has no revision 'v3'"):
        pull(revision="v3")


def test_a_private_model_is_for_those_who_are_known(
    hub: FakeHub, taught: GalLoPClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(taught, private=True)
    assert hub.repositories["ann/flowers"].private
    with monkeypatch.context() as patch:
        logged_out(patch, tmp_path)
        with pytest.raises(HubError, match=r"no model hf://ann/flowers on the Hub, or it is private.*hf auth login"):
            pull()
    assert pull().classes_.tolist() == ["red", "green"]


def test_a_public_repository_does_not_take_what_is_private(hub: FakeHub, taught: GalLoPClassifier) -> None:
    push(taught)
    before = dict(hub.repositories["ann/flowers"].branches)
    with pytest.raises(HubError, match=r"already exists and is public.*Nothing was uploaded"):
        push(tiny.classifier().zero_shot(["secret"]), private=True)
    assert hub.repositories["ann/flowers"].branches == before


@pytest.mark.parametrize("name", ["ann/flowers", "bob/flowers"])
def test_who_may_not_write_is_told_how_to(
    hub: FakeHub, taught: GalLoPClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "ann/flowers":
        logged_out(monkeypatch, tmp_path)
    with pytest.raises(
        HubError, match=rf"You do not have permission to write to {name} on the Hub.*hf auth login.*HF_TOKEN"
    ):
        push(taught, name)
    assert hub.repositories == {}


def test_what_is_not_there_or_no_model(hub: FakeHub) -> None:
    with pytest.raises(HubError, match=r"There is no model hf://ann/nothing on the Hub"):
        pull("ann/nothing")
    hub.repositories["ann/other"] = Repository()
    hub.repositories["ann/other"].branches["main"] = hub.repositories["ann/other"].commit({"config.json": b"{}"})
    with pytest.raises(HubError, match=rf"hf://ann/other does not contain a gallop model: {SETTINGS} is missing"):
        pull("ann/other")


@pytest.mark.parametrize("name", ["flowers", "a/b/c", "../etc", "a/..", "ann/flow ers", "https://x.y/a/b", ""])
def test_a_name_that_is_no_repository_is_refused_before_anybody_is_asked(hub: FakeHub, name: str) -> None:
    with pytest.raises(HubError, match=r"is not a valid name of a repository on the Hub\. Use USER/NAME"):
        pull(name)
    assert hub.asked == []


def test_addresses() -> None:
    assert HubAddress.read("hf://ann/flowers@v1") == HubAddress("ann/flowers", "v1")
    assert str(HubAddress.read("hf://ann/flowers/")) == "hf://ann/flowers"
    assert (model_folder("models/flowers"), model_folder(Path("models"))) == (Path("models/flowers"), Path("models"))
    with pytest.raises(HubError, match="has no revision after the @"):
        HubAddress.read("hf://ann/flowers@")


def test_what_is_in_the_cache_needs_no_network(
    hub: FakeHub, taught: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(taught)
    pull()
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        forget = getattr(utils, "reset_sessions", lambda: None)  # older versions ask only when they begin one
        forget()
        assert pull().classes_.tolist() == ["red", "green"]
        with pytest.raises(HubError, match=r"did not answer for hf://ann/more.*not in this machine"):
            pull("ann/more")
    forget()
    hub.down = True
    assert pull().classes_.tolist() == ["red", "green"]


def test_without_a_network(taught: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(HubError, match=r"did not answer for hf://ann/flowers \(.*\).*not in this machine.*network"):
        pull()
    with pytest.raises(HubError, match=r"did not answer for hf://ann/flowers \(.*Nothing was written"):
        push(taught)


def test_what_comes_is_checked_as_any_folder(hub: FakeHub, taught: GalLoPClassifier) -> None:
    push(taught)
    files = hub.files("ann/flowers")
    files[SETTINGS] = json.dumps(json.loads(files[SETTINGS]) | {"surprise": 1}).encode()
    with pytest.raises(CheckpointError, match="does not know and would ignore: surprise"):
        pull()


def test_the_command_line(hub: FakeHub, tmp_path: Path) -> None:
    backbone = tiny.backbone_folder(tmp_path)
    photos = tiny.write_folder(tmp_path / "photos", {"red": 2, "green": 2})
    GalLoPClassifier(backbone, device="cpu").zero_shot(["red", "green"]).save(tmp_path / "model")
    with pytest.warns(UserWarning, match="is only known on this machine"):
        GalLoPClassifier.load(tmp_path / "model", backbone=backbone).push_to_hub("ann/colours", test=photos)
    predict = ("predict", photos / "red" / "0.png", "--model")
    found = call(*predict, "hf://ann/colours@main", "--backbone", backbone, "--json")
    assert (found.code, found.json[0]["label"] in ("red", "green")) == (0, True)
    refused = call(*predict, "hf://ann/nothing")
    said = "gallop: error: There is no model hf://ann/nothing on the Hub"
    assert (refused.code, said in refused.err) == (2, True), refused.err
