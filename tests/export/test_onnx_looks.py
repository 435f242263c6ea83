"""ONNX of a classifier that looks at a photo twice: both looks are in the file, which says what the classifier says."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnxruntime
import torch
from PIL import Image

from gallop import GalLoPClassifier
from gallop.config import MethodConfig
from gallop.export.onnx import ALLOWED, OnnxFile, export_onnx
from gallop.export.onnx_inputs import as_inputs, stacked
from gallop.export.quantizing import quantized
from tests import tiny
from tests.export.conftest import NAMES

IMAGES = [tiny.picture(90 + i, colour, (61, 47)) for i, colour in enumerate([*NAMES, "yellow"])]


def looking(detail: float, **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(head="ridge", detail=detail, **changes)
    found = tiny.classifier(method=method, topk=changes["topk"]).zero_shot(NAMES)
    return found.add_shots(*tiny.pictures({"red": 3, "green": 3, "blue": 3}))


@pytest.fixture(scope="module")
def closer() -> GalLoPClassifier:
    return looking(2, topk=(2, 4))


@pytest.fixture(scope="module")
def made_closer(closer: GalLoPClassifier) -> OnnxFile:
    return export_onnx(closer, IMAGES[:1])


def as_said(image: Image.Image, steps: dict[str, Any], box: tuple[float, float, float, float]) -> np.ndarray:
    """Pixels as a stranger makes them, with Pillow and numpy alone."""
    size = steps["size"]
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), np.float32) / np.float32(255)
    return (pixels.transpose(2, 0, 1) - np.array(steps["mean"], np.float32)[:, None, None]) / np.array(
        steps["std"], np.float32
    )[:, None, None]


@pytest.mark.slow
def test_the_file_alone_gives_the_numbers_of_both_looks(closer: GalLoPClassifier, made_closer: OnnxFile) -> None:
    session = onnxruntime.InferenceSession(made_closer.data)
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
        "pixels": np.stack([as_inputs(closer.model_.backbone, image)["pixels"] for image in IMAGES]),
        "finer_pixels": np.stack([as_said(image, second, box) for image in IMAGES]),
    }
    found = dict(zip([output.name for output in session.get_outputs()], session.run(None, given), strict=True))
    wanted = closer.predict_all(IMAGES)
    assert np.abs(found["probabilities"] - wanted.probabilities).max() < 1e-5
    assert np.abs(found["ood_score"] - wanted.ood["GL-MCM"]).max() < 1e-5
    why = closer.explain(IMAGES[0])
    assert np.abs(found["global_cosines"][0] - why.global_scores).max() < 1e-5
    sizes = (("", "grid"), ("finer_", "finer_grid"))
    for look, (prefix, grid) in zip(why.looks, sizes, strict=True):
        rows, columns = json.loads(said[grid])
        assert look.grid == (rows, columns)
        maps, head = found[f"{prefix}local_cosines"][0], found[f"{prefix}head_regions"][0]
        for k, name in enumerate(NAMES):
            for n in range(2):
                assert np.abs(maps[:, k, n].reshape(rows, columns) - look.region_scores(name, n)).max() < 1e-5
            assert np.abs(head[:, k].reshape(rows, columns) - look.head_map(name)).max() < 1e-5
    assert why.head_scores is not None
    whole = (found["head_regions"][0].mean(axis=0) + found["finer_head_regions"][0].mean(axis=0)) / 2
    assert np.abs(whole - why.head_scores).max() < 1e-5
    assert made_closer.parity.difference <= 1e-5
    alone = session.run(list(found), {name: pixels[:1] for name, pixels in given.items()})  # any number of images
    assert [part.shape for part in alone] == [(1, *part.shape[1:]) for part in found.values()]


@pytest.mark.slow
def test_one_and_a_half_looks_of_a_head_without_local_prompts_behind_a_projection() -> None:
    """Without local prompts the photo's projection is the regions' too, and scores of the unknown tell.

    The tower, which all share, stays as it was.
    """
    classifier = looking(1.5, topk=(), global_projection=True)
    whole = classifier.model_.prompts.global_projection
    assert whole is not None
    with torch.no_grad():
        whole += torch.randn(whole.shape, generator=torch.Generator().manual_seed(0)) / 8
    tower = classifier.model_.backbone.vision.tower  # type: ignore[attr-defined]
    weights, before = copy.deepcopy(tower.state_dict()), classifier.predict_proba(IMAGES)
    made = export_onnx(classifier)
    assert all(torch.equal(value, weights[key]) for key, value in tower.state_dict().items())
    assert np.array_equal(classifier.predict_proba(IMAGES), before)
    assert list(made.parity.by_output) == [
        *("probabilities", "ood_score", "global_cosines", "head_regions", "finer_head_regions")
    ]
    assert made.parity.difference <= ALLOWED
    assert (made.metadata["head"], made.metadata["head_weight"]) == ("ridge", "0.5")
    assert json.loads(made.metadata["finer_grid"]) == [6, 6]


@pytest.mark.slow
def test_in_8_bits_both_looks_are_compared_and_what_is_behind_the_tower_stays(
    made_closer: OnnxFile, closer: GalLoPClassifier
) -> None:
    photos = [as_inputs(closer.model_.backbone, tiny.picture(200 + i, NAMES[i % 3])) for i in range(24)]
    found = quantized(made_closer.data, "static", photos, [i % 3 for i in range(24)])
    assert (found.photos, found.calibrated_with) == (12, 12)
    assert found.agreement >= 0.9
    before, after = (
        onnxruntime.InferenceSession(data).run(None, stacked(photos)) for data in (made_closer.data, found.data)
    )
    shares, _, whole, maps, *_ = (np.abs(one - other).max() for one, other in zip(before, after, strict=True))
    assert shares > 0
    assert whole < 0.1
    assert maps < 0.2
