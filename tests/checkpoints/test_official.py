"""Checkpoints of the paper's own code: converted, they answer as the reference figures; anything odd is a sentence."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gallop import GalLoPClassifier
from gallop.backbones import load_backbone
from gallop.checkpoints import official as official_module
from gallop.checkpoints.official import convert, read_official
from gallop.errors import CheckpointError
from gallop.features.encoding import ImageFeatures
from tests.cli.test_cli import call, draw
from tests.reference import LEARNED, figures, meta, relative_error, tensor


def frozen(kind: str) -> dict[str, torch.Tensor]:
    prefix = f"{kind}/clip/"
    return {
        key.removeprefix(prefix): torch.from_numpy(np.array(value))
        for key, value in figures().items()
        if key.startswith(prefix)
    }


def learned(kind: str = "vit") -> dict[str, torch.Tensor]:
    return {name: tensor(f"{kind}/learned/{name}").float() for name in LEARNED.values()}


def options(**changes: Any) -> Namespace:
    """As the official training writes them, and many more that nobody needs here."""
    said = {
        "topk": meta()["topk"],
        "n_global_prompts": 4,
        "n_local_prompts": 4,
        "global_dropout_p": 0.75,
        "use_local_features": True,
        "learn_local_proj": True,
        "prompts_batch_size": float("inf"),
        "exp_name": None,
    }
    return Namespace(**(said | changes))


def official(kind: str = "vit", **changes: Any) -> dict[str, Any]:
    """The official file's contents: with the optimiser's and the scheduler's state beside what is needed."""
    state = learned(kind)
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.002, momentum=0.9)
    parameter.sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    contents = {
        "epoch": 49,
        "train_meter": {"loss": 0.5, "top1": 93.0},
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "scaler": torch.amp.GradScaler("cpu", enabled=False).state_dict(),
        "args": options(),
    }
    return contents | changes


@pytest.fixture(scope="module", params=["vit", "rn"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The golden backbones as folders that ``--backbone`` takes."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind in made:
            return made[kind]
        sizes = meta()[kind]
        vision = {"image_size": sizes["image_size"], "width": sizes["vision_width"], "head_width": 64}
        vision |= {"layers": sizes["vision_layers"]} | ({"patch_size": sizes["patch"]} if kind == "vit" else {})
        text = {"width": sizes["text_width"], "layers": sizes["text_layers"], "heads": sizes["text_heads"]}
        text |= {"context_length": 77, "vocab_size": 49408}
        config = {"embed_dim": sizes["embed_dim"], "vision_cfg": vision, "text_cfg": text, "quick_gelu": True}
        half = [0.5, 0.5, 0.5]
        settings = {"model_cfg": config, "preprocess": {"mean": half, "std": half, "interpolation": "bicubic"}}
        path = made[kind] = tmp_path_factory.mktemp(kind)
        (path / "config.json").write_text(json.dumps(settings))
        save_file(
            {k: v.float() if v.is_floating_point() else v for k, v in frozen(kind).items()},
            path / "weights.safetensors",
        )
        return path

    return make


def refused(said: str, theirs: Path, out: Path, backbone: Path, *more: str) -> None:
    """The command says one line, exits with 2, and writes nothing."""
    words = more or ("--classes", "a,b")
    told = call("convert", theirs, "--out", out, "--backbone", backbone, *words)
    assert (told.code, told.out, len(told.err.splitlines())) == (2, "", 1)
    assert said in told.err
    assert not (out / "gallop.json").exists()


def names() -> str:
    return ", ".join(meta()["class_names"])


def check_answers(classifier: GalLoPClassifier, kind: str, tolerance: float = 1e-5) -> None:
    model = classifier.model_
    features = ImageFeatures(*model.backbone.encode_image(tensor(f"{kind}/images")))
    found = model.similarities(features, model.text_features())
    told = classifier.predict_all(features)
    for mine, theirs in (
        (found.image_cosines, "global_logits"),
        (found.looks[0].region_cosines, "local_logits"),
        (found.local(model.config.topk), "local_topk"),
        (torch.from_numpy(told.probabilities), "probs"),
        *((torch.from_numpy(told.ood[name]), f"ood/{name}") for name in ("MCM", "L-MCM", "GL-MCM")),
    ):
        assert relative_error(mine.detach(), tensor(f"{kind}/{theirs}")) < tolerance, theirs


def shapes(state: dict[str, Any], form: str) -> Any:
    """The forms in which such files go about."""
    prefixed = {f"module.{key}": value for key, value in state.items()}
    return {
        "as the official code writes it": official(state_dict=state),
        "the state dict alone": state,
        "module.": {"model": prefixed, "args": options()},
        "nested twice": {"model": {"state_dict": state}, "args": options()},
        "half precision": {"state_dict": {key: value.half() for key, value in state.items()}, "args": options()},
    }[form]


FORMS = ["as the official code writes it", "the state dict alone", "module.", "nested twice", "half precision"]


@pytest.mark.parametrize("form", FORMS)
def test_a_converted_checkpoint_answers_as_the_reference(
    kind: str, form: str, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Half precision is exact here: the figures' prompts are stored in it."""
    torch.save(shapes(frozen(kind) | learned(kind), form), tmp_path / "theirs.pt")
    words = ["convert", tmp_path / "theirs.pt", "--classes", names(), "--out", tmp_path / "ours", "--json"]
    words += ["--backbone", folder(kind), "--topk", "2,4,6,8"] if form == FORMS[1] else ["--backbone", folder(kind)]
    told = call(*words)
    assert told.code == 0, told.err
    assert told.json["class_names"] == meta()["class_names"]
    assert (told.json["topk"], told.json["global_prompts"], told.json["dropout"]) == ([2, 4, 6, 8], 4, 0.75)
    classifier = GalLoPClassifier.load(tmp_path / "ours", device="cpu")
    check_answers(classifier, kind)
    assert classifier.calibration_.threshold is None
    assert "converted" in classifier.calibration_.note


def test_names_from_a_file_one_a_line(folder: Callable[[str], Path], tmp_path: Path) -> None:
    torch.save(official(), tmp_path / "theirs.pt")
    (tmp_path / "names.txt").write_text("﻿cat\r\n\nyellow lady's slipper, a flower\n-dash\n", encoding="utf-8")
    told = call(
        "convert", tmp_path / "theirs.pt", "--classes-file", tmp_path / "names.txt", "--out", tmp_path / "ours",
        "--backbone", folder("vit"),
    )  # fmt: skip
    assert told.code == 0, told.err
    assert GalLoPClassifier.load(tmp_path / "ours").classes_.tolist() == [
        "cat", "yellow lady's slipper, a flower", "-dash",
    ]  # fmt: skip
    assert told.out.splitlines()[0].endswith(f"with 3 classes on {folder('vit')}.")
    assert told.out.splitlines()[1] == "4 global prompts, 4 local ones (k = 2, 4, 6, 8)."


@pytest.mark.parametrize(
    ("trained_on", "given", "more", "wanted"),
    [
        ("oxfordpets", "american bulldog, beagle", [], ["american_bulldog", "beagle"]),
        ("oxfordpets", "american bulldog, beagle", ["--names-as-they-are"], ["american bulldog", "beagle"]),
        ("ucf101", "Apply_Eye_Makeup, Archery", [], ["Apply_Eye_Makeup", "Archery"]),
        ("ucf101", "Apply_Eye_Makeup, Archery", ["--names-as-they-are"], ["Apply_Eye_Makeup", "Archery"]),
        ("food101", "apple pie, baklava", [], ["apple pie", "baklava"]),
        ("food101", "apple_pie, baklava", [], ["apple_pie", "baklava"]),
    ],
)
def test_underscores_are_those_that_the_names_had_in_training(
    trained_on: str, given: str, more: list[str], wanted: list[str], folder: Callable[[str], Path], tmp_path: Path
) -> None:
    torch.save(official(args=options(dataset_name=trained_on)), tmp_path / "theirs.pt")
    words = ["convert", tmp_path / "theirs.pt", "--classes", given, "--out", tmp_path / "ours", "--json", *more]
    told = call(*words, "--backbone", folder("vit"))
    assert told.code == 0, told.err
    assert told.json["class_names"] == wanted
    assert GalLoPClassifier.load(tmp_path / "ours", device="cpu").classes_.tolist() == wanted
    assert ("so the names get them, as in american_bulldog;" in told.err) == (wanted != given.split(", "))


def test_a_model_with_underscores_knows_the_classes_of_its_set(folder: Callable[[str], Path], tmp_path: Path) -> None:
    """Folders give names with spaces, and so do tables and the sets of the paper."""
    torch.save(official(), tmp_path / "theirs.pt")
    words = ["convert", tmp_path / "theirs.pt", "--classes", "red_disc, bar", "--out", tmp_path / "ours"]
    assert call(*words, "--backbone", folder("vit")).code == 0
    for name in ("red_disc", "bar"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(3):
            draw("red_disc" if name == "red_disc" else "green_square", i).save(tmp_path / "data" / name / f"{i}.png")
    told = call("evaluate", tmp_path / "ours", tmp_path / "data", "--json").json
    assert (told["n"], list(told["per_class"])) == (6, ["bar", "red_disc"])
    assert GalLoPClassifier.load(tmp_path / "ours").score(tmp_path / "data") == told["accuracy"]
    (tmp_path / "data" / "bar").rename(tmp_path / "data" / "red_bar")
    assert "does not know these classes" in call("evaluate", tmp_path / "ours", tmp_path / "data").err


def test_what_the_file_does_not_say_is_the_papers_and_told(folder: Callable[[str], Path], tmp_path: Path) -> None:
    torch.save(learned(), tmp_path / "theirs.pt")
    told = call(
        "convert", tmp_path / "theirs.pt", "--classes", "a,b", "--out", tmp_path / "ours", "--json",
        "--backbone", folder("vit"),
    )  # fmt: skip
    assert (told.json["topk"], told.json["dropout"]) == ([5, 10, 15, 20], 0.75)
    assert told.err.startswith("gallop: warning: The file does not say its scales; the paper's are taken: k = [5, 10")


def test_one_scale_for_all_prompts_and_a_dropout_of_one(folder: Callable[[str], Path], tmp_path: Path) -> None:
    """The official code allows both."""
    torch.save(official(args=options(topk=[5], global_dropout_p=1.0)), tmp_path / "theirs.pt")
    model = convert(read_official(tmp_path / "theirs.pt"), load_backbone(folder("vit"), device="cpu"), ["a", "b"])
    assert model.config.topk == (5, 5, 5, 5)
    assert model.config.kept_prompts == 1


def test_prompts_without_regions_and_a_projection_not_learned(folder: Callable[[str], Path], tmp_path: Path) -> None:
    """The file's own options say so; else a tensor that is missing is a damaged file."""
    backbone, state = load_backbone(folder("vit"), device="cpu"), learned()
    torch.save(official(args=options(use_local_features=False)), tmp_path / "coop.pt")
    coop = convert(read_official(tmp_path / "coop.pt"), backbone, ["a", "b"])
    assert coop.config.topk == ()
    del state["local_proj.linear.weight"]
    torch.save(official(state_dict=state, args=options(learn_local_proj=False)), tmp_path / "plain.pt")
    plain = convert(read_official(tmp_path / "plain.pt"), backbone, ["a", "b"])
    assert torch.equal(plain.prompts.local_projection.detach(), torch.eye(64))


def test_the_backbone_comes_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(name: str, **_: object) -> None:
        asked.append(name)
        raise RuntimeError("that is enough")

    monkeypatch.setattr("gallop.cli.commands.convert.load_backbone", load)
    torch.save(official(args=options(clip_name="clip_resnet50")), tmp_path / "theirs.pt")
    with pytest.raises(RuntimeError, match="enough"):
        call("convert", tmp_path / "theirs.pt", "--classes", "a,b", "--out", tmp_path / "ours")
    assert asked == ["RN50/openai"]


def test_another_clip_than_the_file_names_is_told(folder: Callable[[str], Path], tmp_path: Path) -> None:
    torch.save(official(args=options(clip_name="clip_resnet50")), tmp_path / "theirs.pt")
    words = (
        "convert",
        tmp_path / "theirs.pt",
        "--classes",
        "a,b",
        "--out",
        tmp_path / "ours",
        "--backbone",
        folder("vit"),
    )
    assert "trained with RN50/openai; with " in call(*words).err


# ------------------------------------------------------------------ files that do harm


class Touch:
    """Unpickled carelessly, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


class OfTheirs:
    """A class of somebody's own code, as harmless as can be."""


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("where", ["args", "state_dict", "namespace", "alone"])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(
    where: str, old_format: bool, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    mark = tmp_path / "it ran"
    harm = Touch(mark)
    contents: Any = {
        "args": official(args=harm),
        "state_dict": official(state_dict=learned() | {"other": harm}),
        "namespace": official(args=options(exp_name=harm)),
        "alone": harm,
    }[where]
    torch.save(contents, tmp_path / "theirs.pt", _use_new_zipfile_serialization=not old_format)
    said = "holds an object that is not data, posix.mkdir, so it is refused"
    refused(said, tmp_path / "theirs.pt", tmp_path / "ours", folder("vit"))
    assert not mark.exists()
    assert not (tmp_path / "ours").exists()
    assert Namespace not in torch.serialization.get_safe_globals(), "allowed for one reading alone"
    torch.load(tmp_path / "theirs.pt", weights_only=False)
    assert mark.exists(), "the test's own file does harm"


def test_a_read_leaves_what_others_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may allow classes of its own meanwhile; and what was allowed before stays so."""
    torch.save(official(), tmp_path / "theirs.pt")
    load = torch.load

    def meanwhile(*args: Any, **named: Any) -> Any:
        torch.serialization.add_safe_globals([OfTheirs])
        return load(*args, **named)

    monkeypatch.setattr(torch, "load", meanwhile)
    before = torch.serialization.get_safe_globals()
    try:
        read_official(tmp_path / "theirs.pt")
        assert set(torch.serialization.get_safe_globals()) == {*before, OfTheirs}
        torch.serialization.add_safe_globals([Namespace])
        read_official(tmp_path / "theirs.pt")
        assert set(torch.serialization.get_safe_globals()) == {*before, OfTheirs, Namespace}
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (OfTheirs(), r"tests\.checkpoints\.test_official\.OfTheirs"),
        (np.float64(1), r"numpy\._?core\.multiarray\.scalar"),
        (Path("x"), r"pathlib\.PosixPath"),
        (print, r"(builtins\.)?print"),
    ],
    ids=["a class", "numpy", "a path", "a function"],
)
def test_any_other_object_is_named(value: object, named: str, tmp_path: Path) -> None:
    torch.save(official(other=value), tmp_path / "theirs.pt")
    with pytest.raises(CheckpointError, match=f"not data, {named}, so it is refused"):
        read_official(tmp_path / "theirs.pt")


def test_a_schedule_with_warm_up_is_an_object_and_refused(tmp_path: Path) -> None:
    """The official code keeps its schedule's successor whole then; the sentence says what to save instead."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    successor = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    torch.save(official(scheduler={"successor": successor}), tmp_path / "theirs.pt")
    with pytest.raises(CheckpointError, match=r"CosineAnnealingLR, .* save its state_dict and args alone"):
        read_official(tmp_path / "theirs.pt")


# ------------------------------------------------------------------ files that are something else


def files(root: Path) -> dict[str, Path]:
    """Everything that somebody might give instead."""
    found = {name: root / name for name in (
        "absent.pt", "folder", "empty.pt", "text.pt", "cut.pt", "cut-old.pt", "tensors.safetensors", "script.pt",
        "list.pt", "compressed.pt", "pickle.pt", "pipe.pt", "photo.zip", "other.pt", "image.pt",
    )}  # fmt: skip
    found["folder"].mkdir()
    found["empty.pt"].touch()
    found["text.pt"].write_text("no weights")
    torch.save(official(), root / "whole.pt")
    data = (root / "whole.pt").read_bytes()
    found["cut.pt"].write_bytes(data[: len(data) // 2])
    torch.save(official(), root / "whole-old.pt", _use_new_zipfile_serialization=False)
    found["cut-old.pt"].write_bytes((root / "whole-old.pt").read_bytes()[:3000])
    save_file(learned(), found["tensors.safetensors"])
    with zipfile.ZipFile(found["script.pt"], "w") as archive:  # TorchScript, as it lies on a disk
        archive.writestr("script/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("script/code/__torch__.py", "class Model(Module): ...")
    torch.save([1, 2], found["list.pt"])
    with zipfile.ZipFile(root / "whole.pt") as plain, zipfile.ZipFile(found["compressed.pt"], "w", 8) as packed:
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    found["pickle.pt"].write_bytes(pickle.dumps({"a": 1}, protocol=2))
    os.mkfifo(found["pipe.pt"])
    with zipfile.ZipFile(found["photo.zip"], "w") as archive:
        archive.writestr("cat/0.png", "no picture")
    torch.save({"state_dict": {"weight": torch.ones(2)}}, found["other.pt"])
    found["image.pt"].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    return found


SAID = {
    "absent.pt": "cannot be read (No such file",
    "folder": "(it is a folder, not a file); give the .ckpt or .pt file",
    "empty.pt": "is no torch file",
    "text.pt": "is no torch file",
    "cut.pt": "is damaged or cut short",
    "cut-old.pt": "is damaged, cut short or no torch file",
    "tensors.safetensors": "is a safetensors file",
    "script.pt": "is a TorchScript archive, which holds code",
    "list.pt": "holds no state dict but a list",
    "compressed.pt": "is a compressed archive",
    "pickle.pt": "is damaged, cut short or no torch file",
    "pipe.pt": "it is a pipe, a socket or a device",
    "photo.zip": "is damaged, cut short or no torch file",
    "other.pt": "holds no global_prompt, no local_prompts, no local_proj.linear.weight, so it is no checkpoint",
    "image.pt": "is no torch file",
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_no_official_checkpoint_is_a_sentence(name: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    path = files(tmp_path)[name]
    refused(SAID[name], path, tmp_path / "ours", folder("vit"))
    refused(str(path), path, tmp_path / "ours", folder("vit"))


def with_learned(**changes: torch.Tensor | object) -> dict[str, Any]:
    renamed = {"projection": "local_proj.linear.weight"}
    return official(state_dict=learned() | {renamed.get(key, key): value for key, value in changes.items()})


BAD = {
    "another text width": (with_learned(global_prompt=torch.zeros(4, 4, 32)), "global_prompt has the shape (4, 4, 32)"),
    "another region width": (with_learned(projection=torch.eye(32)), "local_proj.linear.weight has the shape (32, 32)"),
    "other tokens for local prompts": (with_learned(local_prompts=torch.zeros(4, 5, 64)), "has the shape (4, 5, 64)"),
    "a flat prompt": (with_learned(global_prompt=torch.zeros(4, 64)), "but (prompts, tokens, width)"),
    "no prompt": (with_learned(global_prompt=torch.zeros(0, 4, 64)), "but (prompts, tokens, width)"),
    "10,000 prompts": (with_learned(global_prompt=torch.zeros(1, 1, 1).expand(10_000, 4, 64)), "with 1 to 64 prompts"),
    "a giant of one number": (
        with_learned(projection=torch.zeros(1, 1).expand(10**7, 10**7)), "has the shape (10000000, 10000000)",
    ),
    "no tokens": (with_learned(global_prompt=torch.zeros(4, 0, 64)), "its prompts have 0 tokens"),
    "nan": (with_learned(global_prompt=torch.full((4, 4, 64), torch.nan)), "not finite numbers"),
    "infinity in half": (with_learned(projection=torch.full((64, 64), torch.inf).half()), "not finite numbers"),
    "whole numbers": (with_learned(projection=torch.ones(64, 64, dtype=torch.int64)), "no tensor of floating-point"),
    "no tensor": (with_learned(local_prompts=[1.0]), "no tensor of floating-point"),
    "sparse": (with_learned(projection=torch.eye(64).to_sparse()), "no tensor of floating-point"),
    "twice": (with_learned(**{"module.global_prompt": torch.zeros(4, 4, 64)}), "holds global_prompt twice"),
    "another temperature": (with_learned(logit_scale=torch.tensor(1.0)), "other frozen weights"),
    "other words": (with_learned(**{"token_embedding.weight": torch.ones(50, 64)}), "other frozen weights"),
    "words of another width": (with_learned(**{"token_embedding.weight": torch.ones(50, 32)}), "other frozen weights"),
    "another count": (official(args=options(n_local_prompts=2)), "its options say n_local_prompts = 2, but it holds 4"),
    "no count": (official(args=options(n_global_prompts="four")), "n_global_prompts of the file is 'four'"),
    "scales of text": (official(args=options(topk="5,10")), "topk of its options is no list"),
    "a scale of zero": (official(args=options(topk=[0, 1, 2, 3])), "topk of the file is 0"),
    "scales for others": (official(args=options(topk=[1, 2])), "holds 4 local prompts, but 2 values of topk"),
    "a wild dropout": (official(args=options(global_dropout_p=7.0)), "global_dropout_p of the file is 7"),
    "an unknown clip": (official(args=options(clip_name="clip_vit_g14")), "names the CLIP 'clip_vit_g14'"),
    "a clip that is no name": (official(args=options(clip_name=["x"])), "names the CLIP"),
    "three classes": (with_learned(token_prefix=torch.zeros(3, 1, 64)), "on 3 classes, but 2 names were given"),
    "three names": (official(args=options(class_names=["x", "y", "z"])), "on 3 classes, but 2 names were given"),
    "two counts of classes": (
        with_learned(token_prefix=torch.zeros(2, 1, 64), token_suffix=torch.zeros(3, 72, 64)), "contradicts itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_contents_that_do_not_fit_are_a_sentence(case: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    contents, said = BAD[case]
    torch.save(contents, tmp_path / "theirs.pt")
    refused(said, tmp_path / "theirs.pt", tmp_path / "ours", folder("vit"))


def test_sizes_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(official(), tmp_path / "theirs.pt")
    torch.save(official(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    monkeypatch.setattr(official_module, "LARGEST_PICKLE", 100)
    with pytest.raises(CheckpointError, match="much besides tensors"):
        read_official(tmp_path / "theirs.pt")
    size = (tmp_path / "old.pt").stat().st_size
    monkeypatch.setattr(official_module, "LARGEST_FILE", size)
    with pytest.raises(CheckpointError, match="old format and too large"):
        read_official(tmp_path / "old.pt")
    monkeypatch.setattr(official_module, "LARGEST_FILE", 1000)
    with pytest.raises(CheckpointError, match="it has more than"):
        read_official(tmp_path / "theirs.pt")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "one of the arguments --classes --classes-file is required"),
        ("--classes a,A", "are the same after cleaning"),
        (
            "--classes-file ROOT/none.txt",
            "cannot be read (No such file or directory); give a text with one class name a line",
        ),
        ("--classes-file ROOT/theirs.pt", "is no text in UTF-8"),
        ("--classes a,b --classes-file ROOT/names.txt", "not allowed with argument"),
        ("--classes a,b --topk 1,2", "holds 4 local prompts, but 2 values of topk were given"),
        ("--classes a,b --topk 1,x", "is not a list of whole numbers"),
        ("--classes a,b --dropout 1", "dropout is 1.0"),
        ("--classes a,b --out ROOT/theirs.pt", "is a file; give a folder"),
        ("--classes a,b --out ROOT", "is not empty; choose another folder"),
        ("--classes a,b --backbone maxi", "There is no backbone 'maxi'"),
        ("--classes a,b --backbone mini", "does not fit 'mini'"),
        ("--classes a,b --backbone=", "does not say which CLIP it was trained with"),
    ],
)
def test_options_that_cannot_be_used(words: str, said: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    torch.save(official(), tmp_path / "theirs.pt")
    given = [word.replace("ROOT", str(tmp_path)) for word in words.split()]
    refused(said, tmp_path / "theirs.pt", tmp_path / "ours", folder("vit"), *(given or ["--json"]))
