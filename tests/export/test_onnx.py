"""ONNX: the file answers as the classifier does, with one look or two, and one that does not is never handed out."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic
from PIL import Image
from torch import Tensor, nn

from gallop import GalLoPClassifier, MethodConfig, load_image
from gallop.cli import main
from gallop.errors import OnnxError
from gallop.export.onnx import ALLOWED, PATTERNS, OnnxFile, export_onnx, pixels_to_check
from gallop.export.tracing import ToTrace, onnx_model
from tests import tiny
from tests.conftest import ROOT
from tests.export.conftest import NAMES


def as_said(image: Image.Image, steps: dict[str, Any], box: tuple[float, float, float, float]) -> np.ndarray:
    """Pixels as a stranger makes them, with Pillow and numpy alone."""
    size = steps["size"]
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), np.float32) / np.float32(255)
    return (pixels.transpose(2, 0, 1) - np.array(steps["mean"], np.float32)[:, None, None]) / np.array(
        steps["std"], np.float32
    )[:, None, None]


def apart(found: np.ndarray, wanted: Any) -> float:
    """The largest difference."""
    assert found.shape == np.shape(wanted)
    return float(np.abs(found - wanted).max())


def test_the_file_alone_gives_the_classifiers_numbers(taught: GalLoPClassifier, made: OnnxFile) -> None:
    """As a stranger would use it: metadata, Pillow, numpy and onnxruntime, nothing of gallop."""
    session = onnxruntime.InferenceSession(made.data)
    metadata = session.get_modelmeta().custom_metadata_map
    steps, grid, *more = (
        json.loads(metadata[key]) for key in ("preprocessing", "grid", "class_names", "topk", "opset")
    )
    assert more == [NAMES, [2, 4], onnx.load_from_string(made.data).opset_import[0].version]
    size = steps["size"]
    images = [tiny.picture(90 + i, colour, (48, size)) for i, colour in enumerate([*NAMES, "yellow"])]
    left = (48 - size) // 2  # the short side has the input's size already, so nothing is resized
    scaled = np.stack([as_said(image, steps, (left, 0, left + size, size)) for image in images])
    shares, ood, whole, local, head = session.run(None, {"pixels": scaled})
    wanted = taught.predict_all(images)
    assert [NAMES[k] for k in shares.argmax(1)] == wanted.labels.tolist()
    assert apart(shares, wanted.probabilities) < ALLOWED
    assert apart(ood, wanted.ood["GL-MCM"]) < ALLOWED
    why = taught.explain(images[0])
    assert apart(whole[0], why.global_scores) < 1e-5
    for k, n in itertools.product(range(3), range(2)):
        assert apart(local[0, :, k, n].reshape(grid), why.region_scores(NAMES[k], n)) < 1e-5
    assert apart(head[0].mean(axis=0), tiny.head_scores(why)) < 1e-5
    assert float(metadata["threshold"]) == taught.calibration_.threshold
    # any number of images, and no maps
    assert [part.shape for part in session.run(["probabilities", "ood_score"], {"pixels": scaled[:1]})] == [
        (1, 3),
        (1,),
    ]
    assert (made.parity.images, made.parity.labels_differ) == (5, 0)
    assert made.parity.difference == max(made.parity.by_output.values()) <= ALLOWED


def test_the_pages_recipe_gives_the_librarys_pixels(tmp_path: Path) -> None:
    """At sizes whose margins are odd, where half a pixel decides."""
    page = (ROOT / "docs" / "howto" / "share.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def pixels" in block)
    steps = tiny.vit().preprocess
    recipe = {"np": np, "how": {"size": steps.size, "mean": steps.mean, "std": steps.std}}
    exec("from PIL import Image, ImageOps\n" + code[code.index("def pixels") : code.index("batch =")], recipe)
    for i, shape in enumerate([(47, 33), (33, 47), (101, 64), (32, 32), (640, 427)]):
        tiny.picture(i, "red", shape).save(tmp_path / "photo.png")
        wanted, _ = steps.centre(load_image(tmp_path / "photo.png").image)
        assert np.abs(recipe["pixels"](tmp_path / "photo.png") - wanted.numpy()).max() < 1e-5  # type: ignore[operator]


def test_a_file_whose_answers_differ_is_not_handed_out(taught: GalLoPClassifier, graph: Any) -> None:
    """Whose outlier score is 0.01 more than it should be."""
    (node,) = [node for node in graph.graph.node if "ood_score" in node.output]
    node.output[:] = ["score"]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.01), "more"))
    graph.graph.node.append(onnx.helper.make_node("Add", ["score", "more"], ["ood_score"]))
    with pytest.raises(OnnxError, match=r"differ from the classifier's by 1\.0e-02"):
        export_onnx(taught)


@pytest.mark.usefixtures("graph")
def test_the_command_writes_the_file_and_tells_its_parity(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_images(tmp_path / "photos", [tiny.picture(60, "red"), tiny.picture(61, "green")])
    out = tmp_path / "model.onnx"
    assert main(["export", str(model), "--onnx", str(out), "--photos", str(tmp_path / "photos"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["checked_on"], said["labels_differ"], said["class_names"]) == (6, 0, NAMES)
    assert (said["largest_difference"] <= ALLOWED, said["bytes"]) == (True, out.stat().st_size)
    (tmp_path / "empty").mkdir()
    assert main(["export", str(model), "--onnx", str(out), "--photos", str(tmp_path / "empty")]) == 2
    assert "contains no images" in capsys.readouterr().err


def test_what_is_missing_is_told_in_one_sentence_and_nothing_is_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *at: None if name == "onnxscript" else find(name, *at)
    )
    assert main(["export", str(model), "--onnx", str(tmp_path / "model.onnx")]) == 2
    assert capsys.readouterr().err.startswith("gallop: error: onnxscript must be installed")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.slow
def test_onnxruntime_can_write_minis_file_in_8_bits(tmp_path: Path) -> None:
    """The one image encoder with a convolution as projection: it raised "Expected unsqueeze_1 to be an initializer"."""
    made = export_onnx(GalLoPClassifier(cache=False, device="cpu").zero_shot(["candle", "mug"]))
    assert list(made.parity.by_output) == ["probabilities", "ood_score", "global_cosines", "local_cosines"]
    quantize_dynamic(onnx.load_from_string(made.data), tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").stat().st_size < len(made.data) / 2


# Two looks -----------------------------------------------------------------------------------------------------------


IMAGES = [tiny.picture(90 + i, colour, (61, 47)) for i, colour in enumerate([*NAMES, "yellow"])]


def looking(detail: float, **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(head="ridge", detail=detail, **changes)
    found = tiny.classifier(method=method, topk=changes["topk"])
    return found.zero_shot(NAMES).add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3)))


@pytest.mark.slow
def test_the_file_alone_gives_the_numbers_of_both_looks() -> None:
    closer = looking(2, topk=(2, 4))
    made = export_onnx(closer, IMAGES[:1])
    session = onnxruntime.InferenceSession(made.data)
    said = session.get_modelmeta().custom_metadata_map
    first, second = json.loads(said["preprocessing"]), json.loads(said["finer_preprocessing"])
    assert [(given.name, given.shape[1:]) for given in session.get_inputs()] == [
        ("pixels", [3, first["size"], first["size"]]),
        ("finer_pixels", [3, second["size"], second["size"]]),
    ]
    assert second["size"] == 2 * first["size"]
    size, width, height = first["size"], *IMAGES[0].size
    wide = int(size * width / height)  # of the whole photo, once its short side has the input's size
    left = round((wide - size) / 2) * width / wide
    box = (left, 0.0, left + size * width / wide, float(height))
    for words in (f"round((w - {size}) / 2) * W / w", f"width = {size} * W / w", "64 x 64 at once (bicubic"):
        assert words in second["steps"]
    given = {
        "pixels": pixels_to_check(closer.model_, IMAGES)[0][PATTERNS:].numpy(),
        "finer_pixels": np.stack([as_said(image, second, box) for image in IMAGES]),
    }
    found = dict(zip([output.name for output in session.get_outputs()], session.run(None, given), strict=True))
    wanted = closer.predict_all(IMAGES)
    assert apart(found["probabilities"], wanted.probabilities) < 1e-5
    assert apart(found["ood_score"], wanted.ood["GL-MCM"]) < 1e-5
    why = closer.explain(IMAGES[0])
    assert apart(found["global_cosines"][0], why.global_scores) < 1e-5
    for look, prefix in zip(why.looks, ("", "finer_"), strict=True):
        assert json.loads(said[f"{prefix}grid"]) == [*look.grid]
        maps, head = (found[f"{prefix}{part}"][0] for part in ("local_cosines", "head_regions"))
        for k, name in enumerate(NAMES):
            for n in range(2):
                assert apart(maps[:, k, n].reshape(look.grid), look.region_scores(name, n)) < 1e-5
            assert apart(head[:, k].reshape(look.grid), tiny.head_map(look, name)) < 1e-5
    whole = (found["head_regions"][0].mean(axis=0) + found["finer_head_regions"][0].mean(axis=0)) / 2
    assert apart(whole, tiny.head_scores(why)) < 1e-5
    assert made.parity.difference <= 1e-5
    alone = session.run(list(found), {name: pixels[:1] for name, pixels in given.items()})  # any number of images
    assert [part.shape for part in alone] == [(1, *part.shape[1:]) for part in found.values()]


@pytest.mark.slow
def test_one_and_a_half_looks_of_a_head_without_local_prompts_behind_a_projection() -> None:
    """Without local prompts the photo's projection is the regions' too, and scores of the unknown tell.

    The backbone, which all share, stays as it was.
    """
    classifier = looking(1.5, topk=(), global_projection=True)
    whole = tiny.there(classifier.model_.prompts.global_projection)
    with torch.no_grad():
        whole += torch.randn(whole.shape, generator=torch.Generator().manual_seed(0)) / 8
    module = classifier.model_.backbone.vision.module  # type: ignore[attr-defined]
    weights, before = copy.deepcopy(module.state_dict()), classifier.predict_proba(IMAGES)
    made = export_onnx(classifier)
    assert all(torch.equal(value, weights[key]) for key, value in module.state_dict().items())
    assert np.array_equal(classifier.predict_proba(IMAGES), before)
    outputs = ["probabilities", "ood_score", "global_cosines", "head_regions", "finer_head_regions"]
    assert [*made.parity.by_output] == outputs
    assert made.parity.difference <= ALLOWED
    assert [made.metadata[key] for key in ("head", "head_weight", "finer_grid")] == ["ridge", "0.5", "[6, 6]"]


# How a file is written -----------------------------------------------------------------------------------------------


class Stubborn(nn.Module):
    """Says what it thinks of being followed."""

    def forward(self, numbers: Tensor) -> Tensor:
        print("words for standard output")
        raise KeyError("no")


class Gone(nn.Module):
    """Ends the process that is given it."""

    def __reduce__(self) -> tuple[object, ...]:
        return sys.exit, ("killed, as it were",)


def write(module: nn.Module, on_a_thread: bool) -> object:
    what = ToTrace(module, (torch.ones(2, 3),), (["numbers"], ["found"]))
    with ThreadPoolExecutor(1) as other:
        return other.submit(onnx_model, what).result() if on_a_thread else onnx_model(what)


@pytest.mark.slow
def test_on_another_thread_the_exporter_is_left_alone_and_a_look_for_maps_is_not_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It swaps ``nn.Module.__call__`` for all threads: whoever answered meanwhile met an error of its own."""
    called: list[object] = []
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **_: called.append(given))
    method = MethodConfig(detail=2, detail_in="maps", topk=())  # a look for maps alone, which is not in the file
    classifier = tiny.classifier(method=method, topk=(), global_prompts=1, dropout=0.0).zero_shot(["red", "green"])
    with ThreadPoolExecutor(1) as other:
        made = other.submit(export_onnx, classifier).result()
    assert not called
    assert made.parity.labels_differ == 0
    assert list(made.parity.by_output) == ["probabilities", "ood_score", "global_cosines"]
    assert not [key for key in made.metadata if "finer" in key or key == "detail"]


@pytest.mark.parametrize(
    ("module", "on_a_thread", "sentence"),
    [
        (Stubborn(), False, r"cannot be exported to ONNX with torch .*Error"),
        pytest.param(Stubborn(), True, r"cannot be exported to ONNX with torch .*Error", marks=pytest.mark.slow),
        pytest.param(Gone(), True, r"ended with status 1: killed, as it were. If it ran", marks=pytest.mark.slow),
    ],
    ids=["here", "on a thread", "a process that ends"],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(module: nn.Module, on_a_thread: bool, sentence: str) -> None:
    with pytest.raises(OnnxError, match=sentence):
        write(module, on_a_thread)
