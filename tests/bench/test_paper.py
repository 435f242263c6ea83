"""The paper's protocol on small trees of the true layouts: sets by name, fewer classes, large sets, shipped files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import yaml

from gallop.config import MethodConfig
from gallop.data import Listing, PhotoSet
from gallop.errors import BackboneError, BenchError, DataError
from gallop.features.encoding import ImageFeatures, encode_centres
from gallop.lab.bench import runner
from gallop.lab.bench import runner as loading
from gallop.lab.bench.photos import class_numbers, read_photos
from gallop.lab.bench.plan import Plan, make_plan
from gallop.lab.bench.runner import Backbones, among
from gallop.lab.bench.spec import SPECS, parse_spec, read_spec
from gallop.lab.methods import make_method
from gallop.lab.methods.prompt_learning import PromptedText
from gallop.lab.paper_sets import available_datasets, open_dataset
from gallop.model.prompted import PromptModel
from tests import data_trees as trees
from tests.bench.test_cli import figures
from tests.bench.test_plan import keys
from tests.bench_things import Fake, write_sets
from tests.cli.test_cli import call
from tests.data_trees import SYNSETS
from tests.tiny import backbone_folder, there, vit

PAPER = {
    "paper-fewshot": "| method | imagenet | caltech101 | oxford_pets | stanford_cars | flowers102 | food101 |",
    "paper-domain": "| imagenet to imagenet_v2 | imagenet to imagenet_sketch |",
    "paper-ood": "| method | score | inaturalist | sun | places | textures | average |",
    "paper-ablation": "region features",
    "paper-backbones": "GalLoP, ViT-L-14",
}
"""What the tables of each shipped file contain."""

SPEC = """
name: named
sets: [imagenet]
shots: [1, 2]
seeds: [0, 1]
transfer: {imagenet: [imagenet_v2, imagenet_r]}
unknown: {sets: [inaturalist, textures]}
methods:
  guess: {method: fake-untaught}
  ours: {method: fake}
"""


def write_imagenet(root: Path) -> Path:
    """ImageNet and its variants with four classes, two of them in A and R, and the unknown things."""
    trees.imagenet("imagenet/images")(root)
    trees.by_synset("imagenet-sketch/images", *SYNSETS)(root)
    trees.by_synset("imagenet-adversarial/imagenet-a", SYNSETS[3], SYNSETS[1])(root)
    trees.by_synset("imagenet-rendition/imagenet-r", SYNSETS[3], SYNSETS[0])(root)
    home = "imagenetv2/imagenetv2-matched-frequency-format-val"
    trees.photos(root / home, (f"{number}/{i}.jpeg" for number in (0, 1, 134, 517) for i in range(2)))
    trees.flat("iNaturalist/images/a.jpg", "iNaturalist/images/b.jpg", "SUN/images/a.jpg", "Places/images/a.jpg")(root)
    trees.flat("Texture/banded/a.jpg", "Texture/dotted/b.jpg")(root)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imagenet(tmp_path_factory.mktemp("data"))


def made(root: Path, text: str = SPEC) -> Plan:
    what = parse_spec(text, "named.yaml")
    return make_plan(what, read_photos(what, root), lambda name, regions: name + regions.removeprefix("value"))


# ------------------------------------------------------------------ sets by name


def test_keys_follow_names_of_files_and_classes(data: Path, tmp_path: Path) -> None:
    before, copy = keys(made(data)), shutil.copytree(data, tmp_path / "copy")
    assert keys(made(copy)) == before, "not where they lie"
    train = copy / "imagenet/images/train" / SYNSETS[0]
    (train / f"{SYNSETS[0]}_0.JPEG").rename(train / "other.JPEG")
    after = keys(made(copy))
    assert after["guess", "imagenet", 0, 0] == before["guess", "imagenet", 0, 0], "it learns from none"
    assert after["ours", "imagenet", 1, 0] != before["ours", "imagenet", 1, 0]
    trees.flat("iNaturalist/images/c.jpg")(copy)
    assert keys(made(copy))["guess", "imagenet", 0, 0] != before["guess", "imagenet", 0, 0]


def test_a_folder_goes_before_a_set_by_name(data: Path, tmp_path: Path) -> None:
    write_sets(tmp_path, ("caltech101",))
    trees.coop("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json", {"ant": "ant", "bee": "bee"})(
        tmp_path
    )
    text = SPEC.split("transfer")[0].replace("imagenet", "caltech101") + "methods:\n  ours: {method: fake}\n"
    assert read_photos(parse_spec(text, "a"), tmp_path).sets["caltech101"].class_names == ("green", "red")
    (tmp_path / "caltech101" / "test").rename(tmp_path / "caltech101" / "exam")
    assert read_photos(parse_spec(text, "a"), tmp_path).sets["caltech101"].class_names == ("ant", "bee")
    # As ImageNet is packed: test/ holds photos that nobody has labelled.
    flat = tmp_path / "flat"
    trees.imagenet("imagenet")(flat)
    trees.flat("imagenet/test/ILSVRC2012_test_00000001.JPEG")(flat)
    assert len(read_photos(parse_spec(text.replace("caltech101", "imagenet"), "a"), flat).sets["imagenet"].test) == 8


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ("sets: [imagenet]", "sets: [imagenet, dtd]", DataError, "The photos of .* are not in"),
        (
            "imagenet_r]",
            "imagenet_a2]",
            BenchError,
            "'transfer' names the set 'imagenet_a2', but 'sets' only lists imagenet",
        ),
        ("inaturalist, textures", "inaturalist, sunn", DataError, "no data set 'sunn'. Did you mean sun"),
        ("sets: [imagenet]", "sets: [imagenet_v2]", BenchError, "'transfer' names the set 'imagenet'"),
        ("unknown: {sets: [inaturalist, textures]}", "unknown: {skip: {}}", BenchError, "is missing the key 'folder'"),
        ("transfer: {imagenet: [imagenet_v2, imagenet_r]}", "transfer: {imagenet: [dtd]}", DataError, "are not in"),
        (
            SPEC,
            SPEC.split("transfer")[0].replace("net]", "net_v2]") + "methods:\n  a: {method: fake}",
            BenchError,
            "imagenet_v2 has no training photos",
        ),
    ],
)
def test_what_is_not_there(data: Path, old: str, new: str, kind: type[Exception], said: str) -> None:
    assert old in SPEC
    with pytest.raises(kind, match=said):
        made(data, SPEC.replace(old, new))


def test_what_is_both_a_folder_and_a_set_is_refused(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    trees.flat("odd/textures/a.jpg")(tmp_path)
    with pytest.raises(BenchError, match=r"'textures' is both a folder in .* and a set"):
        made(tmp_path, SPEC.replace("{sets:", "{folder: odd, sets:"))
    both = made(tmp_path, SPEC.replace("{sets: [inaturalist, textures]}", "{folder: odd, sets: sun}"))
    assert both.unknown == ("textures", "sun")


# ------------------------------------------------------------------ fewer classes


def set_of(names: tuple[str, ...], ids: tuple[str, ...] = (), labels: tuple[int, ...] = ()) -> PhotoSet:
    files = tuple(f"{i}.jpg" for i in range(len(labels)))
    return PhotoSet("s", Listing(Path(), class_names=names), Listing(Path(), files, labels, names), ids)


def test_classes_are_matched_by_synset_or_by_name() -> None:
    source = set_of(("crane bird", "tench", "crane"), ("n1", "n2", "n3"))
    assert class_numbers(source, set_of(("crane", "tench"), ("n1", "n2"))) == (0, 1), "names do not count"
    assert class_numbers(source, set_of(("crane", "tench"))) == (2, 1)
    with pytest.raises(BenchError, match="do not have the class 'perch'"):
        class_numbers(source, set_of(("tench", "perch"), ("n2", "n9")))


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_answers_among_fewer_classes_are_those_of_a_model_with_these_alone(data: Path, name: str) -> None:
    """Of every branch, on features as unlike as chance makes them, so that all classes are answered."""
    source, target = (open_dataset(each, data) for each in ("imagenet", name))
    config = MethodConfig(global_prompts=2, topk=(2, 4))
    model = PromptModel(vit(), source.class_names, config)
    random = torch.Generator().manual_seed(0)
    (like,) = encode_centres(vit(), source.test.paths[:1], None)
    features = ImageFeatures(
        *[torch.randn(300, *part.shape[1:], generator=random) for part in (like.global_, like.regions)]
    )
    with torch.no_grad():
        for contexts in (model.prompts.global_contexts, model.prompts.local_contexts):
            contexts.add_(torch.randn(contexts.shape, generator=random))
        large = PromptedText(model, model.text_features())
        alone = PromptModel(vit(), target.class_names, config, model.prompts)
        small = PromptedText(alone, alone.text_features())
    numbers, chosen = np.asarray(class_numbers(source, target)), there(runner.classes_of(source, target))
    assert len(chosen) == 2
    of_few, of_alone = among(large.predict(features), chosen), among(small.predict(features), None)
    of_all = among(large.predict(features), None)
    for metric in ("accuracy", "accuracy_global", "accuracy_local"):
        assert of_few.predicted[metric].tolist() == numbers[of_alone.predicted[metric]].tolist(), metric
        assert not set(of_all.predicted[metric].tolist()) <= set(chosen), "among all it answers otherwise"
        assert len(set(of_few.predicted[metric].tolist())) == 2


def test_fewer_classes_are_part_of_the_key(data: Path) -> None:
    assert {name: among for name, (_, among) in made(data).runs[0].data["transfer"].items()} == {
        "imagenet_v2": [0, 1, 2, 3],
        "imagenet_r": [0, 3],
    }


# ------------------------------------------------------------------ large test sets


def bench(spec: Path, data: Path, backbone: Path | None, *more: object) -> Any:
    words = ["--backbone", backbone] if backbone else []
    return call("bench", spec, data, *words, "--device", "cpu", "--json", *more)


def test_what_does_not_fit_into_memory_is_answered_batch_by_batch(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, backbone = tmp_path / "spec.yaml", backbone_folder(tmp_path)
    text = SPEC.replace("ours: {method: fake}", "GalLoP: {method: GalLoP, epochs: 1, views: 1, topk: [2, 4]}")
    spec.write_text(text.replace("shots: [1, 2]", "shots: [1]").replace("seeds: [0, 1]", "seeds: [0]"))
    assert bench(spec, data, backbone, "--out", tmp_path / "kept").code == 0
    monkeypatch.setattr(runner, "MEMORY_BYTES", 0)
    monkeypatch.setattr("gallop.features.encoding.BATCH", 3)
    asked = mock.Mock(wraps=runner.among)
    monkeypatch.setattr(runner, "among", asked)
    found = bench(spec, data, backbone, "--out", tmp_path / "streamed")
    assert found.code == 0, found.err
    assert max(len(each.args[0].labels) for each in asked.call_args_list) == 3
    assert figures(tmp_path / "kept") == figures(tmp_path / "streamed")


def test_a_photo_that_cannot_be_read_is_found_before_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MEMORY_BYTES", 0)
    copy = shutil.copytree(data, tmp_path / "copy")
    next(copy.glob("imagenet/images/val/*/*.JPEG")).write_bytes(b"no picture")
    (tmp_path / "s.yaml").write_text(SPEC)
    Fake.fitted.clear()
    found = bench(tmp_path / "s.yaml", copy, backbone_folder(tmp_path), "--only", "ours", "--out", tmp_path / "out")
    assert (found.code, Fake.fitted) == (2, [])
    assert "val" in found.err


# ------------------------------------------------------------------ backbones and regions


LINES = """
name: lines
sets: [imagenet]
shots: [1]
seeds: [0]
backbone: one
methods:
  ours: {method: fake}
  queries: {method: fake, regions: query-query}
  other: {method: fake, backbone: two}
  value: {method: fake, regions: value}
"""


def test_a_line_has_its_own_regions_and_backbone(data: Path) -> None:
    plan = made(data, LINES)
    found = {line.label: run.key for line, run in plan.entries}
    assert found["value"] == found["ours"], "the paper's kind is no part of a key"
    assert len(set(found.values())) == 3
    assert {(run.backbone, run.regions) for run in plan.runs} == {
        ("one", "value"),
        ("one", "query-query"),
        ("two", "value"),
    }


def test_a_backbone_is_loaded_and_hashed_once_for_all_its_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = mock.Mock(wraps=loading.load_backbone)
    monkeypatch.setattr(loading, "load_backbone", load)
    loads, a = Backbones("cpu"), str(backbone_folder(tmp_path))
    value, queries = loads.get(a, "value"), loads.get(a, "query-query")
    assert (value.region_kind, queries.region_kind, load.call_count) == ("value", "query-query", 1)
    assert loads.fingerprint(a, "query-query") == f"{queries.fingerprint}|fp32" != loads.fingerprint(a, "value")
    with mock.patch.object(type(value), "feature_format", "cuda"):
        assert Backbones("cpu").fingerprint(a, "value") == f"{value.fingerprint}|cuda", "figures of its own"
    with pytest.raises(BackboneError):
        loads.get("nonsense", "value")


def test_a_backbone_that_is_not_there_stops_only_its_own_lines(data: Path) -> None:
    def fingerprint(name: str, regions: str) -> str:
        if name == "two":
            raise BackboneError("No weights.")
        return name

    what = parse_spec(LINES, "lines.yaml")
    photos = read_photos(what, data)
    with pytest.raises(BackboneError):
        make_plan(what, photos, fingerprint)
    plan = make_plan(what.narrowed(only=["ours"]), photos, fingerprint)
    assert {line.label for line, _ in plan.entries} == {"ours"}


# ------------------------------------------------------------------ settings


RULES = """
name: rules
sets: [first, second]
shots: [1, 2]
seeds: [0]
settings:
  - {methods: fake, skill: 0.1}
  - {methods: fake, sets: second, skill: 0.2}
  - {methods: CoOp, sets: second, epochs: 7}
  - {methods: fake, shots: 2, skill: 0.3}
methods:
  plain: {method: fake}
  own: {method: fake, skill: 0.9}
  untaught: {method: fake-untaught}
  CoOp: {method: CoOp}
"""


def test_settings_of_sets_shots_and_methods(tmp_path: Path) -> None:
    plan = made(write_sets(tmp_path), RULES)
    skills = {(line.label, run.set, run.shots): run.settings.get("skill") for line, run in plan.entries}
    assert {key[1:]: value for key, value in skills.items() if key[0] == "plain"} == {
        ("first", 1): 0.1,
        ("first", 2): 0.3,
        ("second", 1): 0.2,
        ("second", 2): 0.3,
    }
    assert {value for key, value in skills.items() if key[0] == "own"} == {0.9}, "a line's own go before"
    assert {r.settings["epochs"] for r in plan.runs if (r.method, r.set) == ("CoOp", "second")} == {7}
    assert all(r.settings == {} for r in plan.runs if r.method == "fake-untaught")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("skill: 0.1", "skil: 0.1", "plain: fake has no setting 'skil'"),
        ("methods: fake,", "methods: fak,", "'settings' names 'fak', which is not a method of this benchmark"),
        ("methods: fake, skill", "skill", "CoOp has no setting 'skill'"),
        ("sets: second,", "sets: third,", "'settings' names the set 'third'"),
        ("{methods: fake, skill: 0.1}", "{sets: first}", "'settings' 1 has no settings. Add one"),
        ("{methods: fake, skill: 0.1}", "skill", "'settings' 1 must be a mapping"),
        ("epochs: 7", "epochs: -1", "CoOp: epochs is -1"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RULES
    with pytest.raises(BenchError, match=said):
        made(write_sets(tmp_path), RULES.replace(old, new))


# ------------------------------------------------------------------ the shipped files


def narrowed(name: str, backbone: Path) -> str:
    """A shipped file with one shot, one seed, one epoch, and a backbone that costs nothing."""
    found: dict[str, Any] = yaml.safe_load((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))
    found |= {"shots": [1], "seeds": [0], "backbone": str(backbone)}
    recipes = list(found["methods"].values())
    recipes += [r for ablation in found.get("ablations", {}).values() for r in ablation["variants"].values()]
    for entry in (*recipes, *found.get("settings", ())):
        for key, value in (("epochs", 1), ("views", 1), ("backbone", str(backbone))):
            if key in entry:
                entry[key] = value
    preset = sorted({r["method"] for r in recipes if "preset" in r})
    found["settings"] = [rule for rule in found.get("settings", ()) if rule.get("shots", 1) == 1]
    found["settings"] += [{"methods": preset, "epochs": 1}] if preset else []
    return yaml.safe_dump(found, sort_keys=False)


def test_half_a_set_is_told(data: Path, tmp_path: Path) -> None:
    spec = tmp_path / "narrowed.yaml"
    spec.write_text(narrowed("paper-domain", backbone_folder(tmp_path)))
    found = bench(spec, data, None, "--out", tmp_path / "out", "--dry-run")
    assert re.search("imagenet in .*classes instead of 1000, so its figures cannot be compared", found.err)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_each_shipped_file_runs(name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhotoSet, "incomplete", False)  # the trees have a few classes each
    root = tmp_path / "eleven" if name == "paper-fewshot" else data
    coop = {known: tree for known, layout, tree, *_ in trees.LABELLED if layout.startswith("CoOp")}
    for write in (tree for known, tree in coop.items() if root != data and not known.startswith("imagenet_")):
        write(root)
    spec = tmp_path / "narrowed.yaml"
    spec.write_text(narrowed(name, backbone_folder(tmp_path)))
    found = bench(spec, root, None, "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert [found.json[key] for key in ("left", "failed", "done")] == [0, 0, found.json["runs"]]
    tables = (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    what = read_spec(name)
    rows = figures(tmp_path / "out")
    assert {(row["group"], row["method"]) for row in rows} == {(line.group, line.heading) for line in what.lines}
    assert PAPER[name] in tables
    assert {row["set"] for row in rows} == set(what.sets)
    assert {row["test"] for row in rows} >= {*what.sets, *(t for targets in what.transfer.values() for t in targets)}
    assert {row["unknown"] for row in rows} - {""} == set(what.unknown.sets)


def test_the_paper_s_training_is_in_the_files() -> None:
    """Epochs and batches as the authors' README has them, for every set and number of shots."""
    what = read_spec("paper-fewshot")
    recipes = {line.heading: line.settings for line in what.lines}
    assert what.sets == tuple(known.name for known in available_datasets() if known.kind == "few-shot")
    for name in what.sets:
        for shots, epochs in ((1, 50), (2, 100), (4, 100), (8, 200), (16, 200)):
            method = make_method("GalLoP", what.rules("GalLoP", name, shots) | dict(recipes["GalLoP"]))
            config = method.config(0)  # type: ignore[attr-defined]
            wanted = (
                {"imagenet": 50, "sun397": 200}.get(name, epochs),
                {"imagenet": 128, "sun397": 128, "eurosat": 10}.get(name, 32),
            )
            assert (config.epochs, config.batch_size) == wanted
            assert (config.lr, config.momentum, config.weight_decay, config.views) == (0.002, 0.9, 0.01, 0)
    for other in ("paper-domain", "paper-ood"):
        for line in read_spec(other).lines:
            here = make_method(line.method, line.settings)
            rules = what.rules(line.method, "imagenet", 16) if here.learns else {}
            assert here == make_method(line.method, rules | dict(recipes[line.heading])), line
