"""ONNX: the file answers as the classifier does, and one that does not is never handed out."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnx
import onnxruntime
import torch

import gallop.export.onnx
from gallop import GalLoPClassifier, load_image
from gallop.cli import main
from gallop.config import MethodConfig
from gallop.errors import OnnxError
from gallop.export.onnx import ALLOWED, OnnxFile, export_onnx
from tests import tiny
from tests.export.conftest import NAMES


def test_the_file_alone_gives_the_classifiers_numbers(taught: GalLoPClassifier, made: OnnxFile) -> None:
    """As a stranger would use it: metadata, Pillow, numpy and onnxruntime, nothing of gallop."""
    session = onnxruntime.InferenceSession(made.data)
    metadata = session.get_modelmeta().custom_metadata_map
    names, steps = json.loads(metadata["class_names"]), json.loads(metadata["preprocessing"])
    assert names == NAMES
    size = steps["size"]
    images = [tiny.picture(90 + i, colour, (48, size)) for i, colour in enumerate([*NAMES, "yellow"])]
    left = (48 - size) // 2  # the short side has the input's size already, so nothing is resized
    pixels = np.stack([np.asarray(image)[:, left : left + size].transpose(2, 0, 1) for image in images])
    scaled = pixels.astype(np.float32) / np.float32(255)
    scaled = (scaled - np.array(steps["mean"], np.float32)[:, None, None]) / np.array(steps["std"], np.float32)[
        :, None, None
    ]
    shares, ood, whole, local, head = session.run(None, {"pixels": scaled})
    wanted = taught.predict_all(images)
    assert [names[k] for k in shares.argmax(1)] == wanted.labels.tolist()
    assert np.abs(shares - wanted.probabilities).max() < ALLOWED
    assert np.abs(ood - wanted.ood["GL-MCM"]).max() < ALLOWED
    why = taught.explain(images[0])
    assert np.abs(whole[0] - why.global_scores).max() < 1e-5
    rows, columns = json.loads(metadata["grid"])
    for k, n in itertools.product(range(3), range(2)):
        assert np.abs(local[0, :, k, n].reshape(rows, columns) - why.region_scores(NAMES[k], n)).max() < 1e-5
    assert np.abs(head[0].mean(axis=0) - why.head_scores).max() < 1e-5
    assert float(metadata["threshold"]) == taught.calibration_.threshold
    assert json.loads(metadata["topk"]) == [2, 4]
    assert int(metadata["opset"]) == onnx.load_from_string(made.data).opset_import[0].version
    alone = session.run(["probabilities", "ood_score"], {"pixels": scaled[:1]})  # any number of images, and no maps
    assert [part.shape for part in alone] == [(1, 3), (1,)]
    assert (made.parity.images, made.parity.labels_differ) == (5, 0)
    assert made.parity.difference == max(made.parity.by_output.values()) <= ALLOWED


@pytest.mark.slow
def test_a_head_that_knows_cells_is_saved_loaded_and_exported(tmp_path: Path) -> None:
    """Of a tower whose cells are no regions: 320 channels beside 512."""
    classifier = GalLoPClassifier("mini", device="cpu", cache=False, method=MethodConfig(head="covariance"))
    classifier.zero_shot(NAMES).add_shots(*tiny.pictures({"red": 3, "green": 3}))
    head, photo = classifier.model_.head, tiny.picture(80, "blue")
    assert head is not None
    assert head.channels is not None
    assert head.channels.shape == (320, 40)
    classifier.save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", device="cpu")
    assert np.array_equal(loaded.predict_proba([photo]), classifier.predict_proba([photo]))
    for each in (classifier, loaded):
        each.add_shots(*tiny.pictures({"green": 1}, first_seed=9))
    both = [each.predict_proba([photo]) for each in (classifier, loaded)]
    np.testing.assert_allclose(*both, atol=1e-6)
    assert export_onnx(classifier).parity.difference <= ALLOWED


@pytest.mark.usefixtures("graph")
def test_a_classifier_on_a_gpu_is_exported_from_a_copy_on_the_cpu(
    taught: GalLoPClassifier, made: OnnxFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it were on one: what is written and checked is the copy."""
    texts, image = taught.text_features(), load_image(tiny.picture(81, "blue"))
    devices = itertools.chain([torch.device("cuda")], itertools.repeat(torch.device("cpu")))
    answering = mock.Mock(side_effect=gallop.export.onnx.Answering)
    monkeypatch.setattr(gallop.export.onnx, "Answering", answering)
    with mock.patch.object(type(taught.model_.backbone), "device", mock.PropertyMock(side_effect=devices)):
        assert export_onnx(taught).metadata == made.metadata
    copied = answering.call_args.args[0]
    assert copied is not taught
    assert copied.text_features() is not texts
    assert copied.model_.backbone is not taught.model_.backbone
    assert copied.model_.prompts is not taught.model_.prompts
    assert np.array_equal(copied.predict_proba(image), taught.predict_proba(image))


def test_a_file_whose_answers_differ_is_not_handed_out(taught: GalLoPClassifier, graph: Any) -> None:
    """Whose outlier score is 0.01 more than it should be."""
    (node,) = [node for node in graph.graph.node if "ood_score" in node.output]
    node.output[:] = ["score"]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.01), "more"))
    graph.graph.node.append(onnx.helper.make_node("Add", ["score", "more"], ["ood_score"]))
    with pytest.raises(OnnxError, match=r"differ by 1\.0e-02"):
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
    assert said["largest_difference"] <= ALLOWED
    assert out.stat().st_size == said["bytes"]
    assert "quantized" not in said
    (tmp_path / "empty").mkdir()
    assert main(["export", str(model), "--onnx", str(out), "--photos", str(tmp_path / "empty")]) == 2
    assert "no readable images" in capsys.readouterr().err


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
