"""ONNX: the file answers as the classifier does, and one that does not is never handed out."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnxruntime
import torch

import gallop.export.onnx
import gallop.export.to_onnx
from gallop import GalLoPClassifier, load_image
from gallop.cli import main
from gallop.config import MethodConfig
from gallop.errors import OnnxError
from gallop.export.onnx import ALLOWED, OnnxFile, export_onnx
from tests import tiny


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 4, "green": 4, "blue": 4})
    return tiny.classifier(calibration_folds=2).fit(images, labels)


@pytest.fixture(scope="module")
def made(taught: GalLoPClassifier) -> OnnxFile:
    return export_onnx(taught, [tiny.picture(70, "red")])


def test_the_file_alone_gives_the_classifiers_numbers(taught: GalLoPClassifier, made: OnnxFile) -> None:
    """As a stranger would use it: metadata, Pillow, numpy and onnxruntime, nothing of gallop."""
    session = onnxruntime.InferenceSession(made.data)
    metadata = session.get_modelmeta().custom_metadata_map
    names, steps = json.loads(metadata["class_names"]), json.loads(metadata["preprocessing"])
    assert names == ["red", "green", "blue"]
    size = steps["size"]
    images = [tiny.picture(90 + i, colour, (48, size)) for i, colour in enumerate(["red", "green", "blue", "yellow"])]
    left = (48 - size) // 2  # the short side has the input's size already, so nothing is resized
    pixels = np.stack([np.asarray(image)[:, left : left + size].transpose(2, 0, 1) for image in images])
    scaled = pixels.astype(np.float32) / np.float32(255)
    scaled = (scaled - np.array(steps["mean"], np.float32)[:, None, None]) / np.array(steps["std"], np.float32)[
        :, None, None
    ]
    shares, ood, whole, local = session.run(None, {"pixels": scaled})
    wanted = taught.predict_all(images)
    assert [names[k] for k in shares.argmax(1)] == wanted.labels.tolist()
    assert np.abs(shares - wanted.probabilities).max() < ALLOWED
    assert np.abs(ood - wanted.ood["GL-MCM"]).max() < ALLOWED
    why = taught.explain(images[0])
    assert np.abs(whole[0] - why.global_scores).max() < 1e-5
    rows, columns = json.loads(metadata["grid"])
    assert np.abs(local[0, :, 1, 0].reshape(rows, columns) - why.region_scores("green", 0)).max() < 1e-5
    assert float(metadata["threshold"]) == taught.calibration_.threshold
    assert json.loads(metadata["topk"]) == [2, 4]


def test_any_number_of_images_and_the_parity_that_is_reported(made: OnnxFile) -> None:
    session = onnxruntime.InferenceSession(made.data)
    for count in (1, 3):
        size = session.get_inputs()[0].shape[2]
        assert session.run(["probabilities"], {"pixels": np.zeros((count, 3, size, size), np.float32)})[0].shape == (
            count,
            3,
        )
    assert (made.parity.images, made.parity.labels_differ) == (5, 0)
    assert made.parity.difference == max(made.parity.by_output.values()) <= ALLOWED


def test_without_local_prompts_there_are_no_maps_and_the_rest_agrees() -> None:
    classifier = tiny.classifier(topk=(), global_prompts=1, dropout=0.0).zero_shot(["red", "green"])
    made = export_onnx(classifier)
    assert list(made.parity.by_output) == ["probabilities", "ood_score", "global_cosines"]
    assert made.parity.difference <= ALLOWED


@pytest.mark.parametrize("topk", [(2, 4), ()])
def test_a_projection_of_the_whole_photo_is_in_the_file(topk: tuple[int, ...]) -> None:
    """Without local prompts it is the regions' too, and scores of the unknown tell."""
    method = MethodConfig(global_projection=True)
    classifier = tiny.classifier(topk=topk, method=method).zero_shot(["red", "green", "blue"])
    whole = classifier.model_.prompts.global_projection
    assert whole is not None
    with torch.no_grad():
        whole += torch.randn(whole.shape, generator=torch.Generator().manual_seed(0)) / 8
    assert export_onnx(classifier).parity.difference <= ALLOWED


@pytest.mark.parametrize("topk", [(2, 4), ()])
def test_the_head_is_in_the_file_and_its_map_too(topk: tuple[int, ...]) -> None:
    classifier = tiny.classifier(topk=topk, method=MethodConfig(head="ridge")).zero_shot(["red", "green", "blue"])
    classifier.add_shots(*tiny.pictures({"red": 3, "green": 3}))
    made = export_onnx(classifier)
    assert list(made.parity.by_output)[-1] == "head_regions"
    assert made.parity.difference <= ALLOWED
    assert (made.metadata["head"], made.metadata["head_weight"]) == ("ridge", "0.5")


def test_a_head_that_knows_cells_is_saved_loaded_and_exported(tmp_path: Path) -> None:
    """Of a tower whose cells are no regions: 320 channels beside 512."""
    classifier = GalLoPClassifier("mini", device="cpu", cache=False, method=MethodConfig(head="covariance"))
    classifier.zero_shot(["red", "green", "blue"]).add_shots(*tiny.pictures({"red": 3, "green": 3}))
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


def test_exporting_leaves_the_shared_backbone_as_it_was(taught: GalLoPClassifier, made: OnnxFile) -> None:
    image = load_image(tiny.picture(80, "blue"))
    before = taught.predict_proba(image)
    tower = taught.model_.backbone.vision.tower  # type: ignore[attr-defined]
    weights = copy.deepcopy(tower.state_dict())
    export_onnx(taught)
    assert all(torch.equal(value, weights[key]) for key, value in tower.state_dict().items())
    assert np.array_equal(before, taught.predict_proba(image))


def test_a_classifier_on_a_gpu_is_exported_from_a_copy_on_the_cpu(
    taught: GalLoPClassifier, made: OnnxFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught.text_features()
    copied = gallop.export.to_onnx._on_cpu(taught)
    assert copied._text is None
    assert copied.model_.backbone is not taught.model_.backbone
    assert copied.model_.prompts is not taught.model_.prompts
    image = load_image(tiny.picture(81, "blue"))
    assert np.array_equal(copied.predict_proba(image), taught.predict_proba(image))
    # As if it were on one: what is written and checked is the copy.
    where = mock.PropertyMock(
        side_effect=itertools.chain([torch.device("cuda")], itertools.repeat(torch.device("cpu")))
    )
    answering = mock.Mock(side_effect=gallop.export.onnx.Answering)
    monkeypatch.setattr(gallop.export.onnx, "Answering", answering)
    with mock.patch.object(type(taught.model_.backbone), "device", where):
        assert export_onnx(taught).metadata == made.metadata
    assert answering.call_args.args[0] is not taught


def test_a_file_whose_answers_differ_is_not_handed_out(
    taught: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = gallop.export.onnx._own

    def moved(classifier: GalLoPClassifier, pixels: list[torch.Tensor]) -> dict[str, np.ndarray]:
        return own(classifier, pixels) | {"ood_score": own(classifier, pixels)["ood_score"] + np.float32(0.01)}

    monkeypatch.setattr(gallop.export.onnx, "_own", moved)
    with pytest.raises(OnnxError, match=r"differ by 1\.0e-02"):
        export_onnx(taught)


def test_what_is_missing_is_told(taught: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallop.export.to_onnx, "_NEEDED", ("no_such_package",))
    with pytest.raises(OnnxError, match="no_such_package must be installed"):
        export_onnx(taught)


def test_the_command_writes_the_file_and_tells_its_parity(
    taught: GalLoPClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallop.estimator.settings.load_backbone", lambda name, **_: tiny.vit())
    taught.save(tmp_path / "model")
    tiny.write_images(tmp_path / "photos", [tiny.picture(60, "red"), tiny.picture(61, "green")])
    out = tmp_path / "model.onnx"
    code = main(["export", str(tmp_path / "model"), "--onnx", str(out), "--photos", str(tmp_path / "photos"), "--json"])
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["checked_on"], said["labels_differ"], said["class_names"]) == (6, 0, ["red", "green", "blue"])
    assert said["largest_difference"] <= ALLOWED
    assert out.stat().st_size == said["bytes"]
    (tmp_path / "empty").mkdir()
    assert main(["export", str(tmp_path / "model"), "--onnx", str(out), "--photos", str(tmp_path / "empty")]) == 2
    assert "no readable images" in capsys.readouterr().err


def test_a_refusal_is_one_sentence_and_writes_nothing(
    taught: GalLoPClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallop.estimator.settings.load_backbone", lambda name, **_: tiny.vit())
    monkeypatch.setattr(gallop.export.to_onnx, "_NEEDED", ("no_such_package",))
    taught.save(tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), "--onnx", str(tmp_path / "model.onnx")]) == 2
    assert capsys.readouterr().err.startswith("gallop: error: no_such_package must be installed")
    assert not (tmp_path / "model.onnx").exists()
