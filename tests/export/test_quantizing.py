"""ONNX in 8 bits: onnxruntime takes the exported file, and what that changes is measured on photos and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnx
import onnxruntime
from onnxruntime.quantization import quantize_dynamic

from gallop import GalLoPClassifier
from gallop.cli import main
from gallop.errors import OnnxError
from gallop.export.onnx import OnnxFile, as_inputs, export_onnx, stacked
from gallop.export.quantizing import CALIBRATED_WITH, LEAST_PHOTOS, Inputs, quantized
from tests import tiny
from tests.conftest import ROOT
from tests.export.conftest import NAMES

SAMPLE = ROOT / "gallop" / "sample"


@pytest.fixture(scope="module")
def pixels(taught: GalLoPClassifier) -> list[Inputs]:
    return [as_inputs(taught.model_, tiny.picture(200 + i, NAMES[i % 3])) for i in range(40)]


def answers(data: bytes, pixels: list[Inputs], *outputs: str) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(data).run(list(outputs) or None, stacked(pixels))  # type: ignore[no-any-return]


@pytest.mark.slow
def test_mini_with_its_convolutions_survives_and_static_keeps_its_answers(tmp_path: Path) -> None:
    """The one image encoder with a convolution as projection: it raised "Expected unsqueeze_1 to be an initializer"."""
    names = ["candle", "mug", "teapot", "vase"]
    classifier = GalLoPClassifier(cache=False, device="cpu").zero_shot(names)
    made = export_onnx(classifier)
    assert list(made.parity.by_output) == ["probabilities", "ood_score", "global_cosines", "local_cosines"]
    quantize_dynamic(onnx.load_from_string(made.data), tmp_path / "small.onnx")
    paths = sorted(path for path in SAMPLE.rglob("*.jpg") if path.parent.name in names)
    found = quantized(made.data, [as_inputs(classifier.model_, path) for path in paths])
    assert (found.photos, found.calibrated_with) == (len(paths) // 2, len(paths) - len(paths) // 2)
    assert found.agreement >= 0.9
    assert len(found.data) < len(made.data) / 2


@pytest.mark.slow
def test_what_it_changes_is_what_is_told(made: OnnxFile, pixels: Any) -> None:
    found = quantized(made.data, pixels)
    compared = pixels[1::2]
    assert (found.photos, found.calibrated_with) == (20, 20)
    before, after = (answers(data, compared, "probabilities")[0] for data in (made.data, found.data))
    assert found.agreement == (before.argmax(1) == after.argmax(1)).mean() >= 0.9
    assert 0 < found.largest == pytest.approx(np.abs(before - after).max(), abs=1e-3)
    metadata = onnxruntime.InferenceSession(found.data).get_modelmeta().custom_metadata_map
    assert metadata == {**made.metadata, "quantized": "static"}


def test_ranges_come_from_all_photos_and_cosines_and_maps_stay_exact_behind_a_backbone_in_8_bits(
    made: OnnxFile, pixels: Any
) -> None:
    found = quantized(made.data, [*pixels] * 5)
    assert found.calibrated_with == 50 <= CALIBRATED_WITH
    assert found.photos == 150
    _, _, whole, maps, _ = answers(found.data, pixels)
    wanted = answers(made.data, pixels)
    assert np.abs(whole - wanted[2]).max() < 0.1
    assert np.abs(maps - wanted[3]).max() < 0.2
    nodes = onnx.load_from_string(found.data).graph.node
    rounded = {name for node in nodes if "Quantize" in node.op_type for name in (*node.input, *node.output)}
    exact = {name for node in nodes if node.op_type == "TopK" for name in node.output}
    exact |= {"global_cosines", "local_cosines", "head_regions", "probabilities", "ood_score"}
    assert not exact & rounded


def test_too_few_photos_and_what_is_no_file_of_ours_are_told(made: OnnxFile, pixels: Any) -> None:
    with pytest.raises(OnnxError, match=f"^19 photos are too few .* Use {LEAST_PHOTOS} or more, from all classes"):
        quantized(made.data, pixels[:19])
    with pytest.raises(OnnxError, match=r"cannot be quantized to 8 bits \(\w+\). Export it without"):
        quantized(b"no file", pixels)


# On the command line -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("graph")
def test_the_command_tells_what_it_changes(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tiny.write_folder(tmp_path / "photos", {"red": 12, "green": 12, "blue": 12, "yellow": 5})
    words = ["export", str(model), "--onnx", str(tmp_path / "small.onnx"), "--photos", str(photos), "--quantize"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (tmp_path / "small.onnx").stat().st_size == told["bytes"]
    assert (told["quantized"]["calibrated_with"], told["quantized"]["compared_on"]) == (21, 20)
    assert main(words) == 0
    assert "Quantized to 8 bits with ranges from 21 photos, and compared on 20 others: " in capsys.readouterr().out


REFUSED = {
    "--onnx OUT --quantize": "--quantize needs photos to measure its effect: add --photos DIR.",
    "--card OUT --quantize": "--quantize does not apply to --card: leave out --quantize.",
    "--onnx OUT --quantize --photos FEW": "3 photos are too few to measure the effect of quantization to 8 bits. "
    "Use 20 or more",
    "--onnx FEW --quantize --photos FEW": "is a folder: choose the name of a file.",
}


@pytest.mark.usefixtures("graph")
def test_what_cannot_be_is_a_sentence_and_nothing_is_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tiny.write_folder(tmp_path / "few", {"red": 3})
    for words, sentence in REFUSED.items():
        given = words.replace("OUT", str(tmp_path / "out")).replace("FEW", str(few)).split()
        assert main(["export", str(model), *given]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
