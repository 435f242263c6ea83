"""A classifier as one ONNX file that needs neither gallop nor torch: pixels in; probabilities, OOD score and maps out.

The text tower is not in it: the class list is fixed, so its text features are numbers of the file. Needs the extra
``onnx``. A file is only handed out after onnxruntime gave the same answers with it.
"""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from gallop.backbones import Preprocess
from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import ImageFeatures
from gallop.images import load_image
from gallop.model import scores, similarity
from gallop.model.gallop import GalLoP
from gallop.predictions.predict import to_array

PIXELS = "pixels"
OUTPUTS = ("probabilities", "ood_score", "global_cosines", "local_cosines", "head_regions")
PROJECTION, WHOLE_PROJECTION = "projection", "whole_projection"
"""Of the file's numbers, what takes a region of the tower to the joint space, and what a photo's own feature goes
through, where such a projection was learned.
"""
ALLOWED = 1e-4
"""The largest difference of any output between torch and onnxruntime in a file that is handed out."""
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_FORMAT = 1
_PATTERNS = 4
"""Made pictures that every file is checked on, beside the photos given."""


@dataclass(frozen=True)
class Parity:
    """How the file's answers differ from the classifier's own, on ``images`` pictures.

    Attributes:
        difference: the largest of any output.
        by_output: the largest of each output.
        labels_differ: pictures with another most probable class.
    """

    images: int
    difference: float
    by_output: dict[str, float]
    labels_differ: int


@dataclass(frozen=True)
class OnnxFile:
    """A checked file: ``data`` are its bytes, ``metadata`` what is written in it."""

    data: bytes
    metadata: dict[str, str]
    parity: Parity


def export_onnx(classifier: GalLoPClassifier, photos: Sequence[Any] = ()) -> OnnxFile:
    """Write a classifier, check it with onnxruntime, and return the file.

    Input: ``pixels`` (B, 3, S, S), float32, RGB, any B: what ``Preprocess.centre`` gives. Outputs: ``probabilities``
    (B, K), calibrated as the classifier's are; ``ood_score`` (B,), GL-MCM, larger = more outlier; ``global_cosines``
    (B, K, M); ``local_cosines`` (B, R, K, N), the maps, region by region; those are left out where N = 0; and
    ``head_regions`` (B, R, K), the third branch's map, where there is one.

    Args:
        photos: to check with, beside pictures that are made: whatever ``load_image`` takes.

    Raises:
        OnnxError: the extra is missing, the backbone computes in another precision than fp32, it cannot be exported, or
            the answers differ by more than ``ALLOWED`` or in a label.
        ImageError: a photo that cannot be read.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OnnxError(f"{' and '.join(missing)} must be installed for this: pip install 'gallop-explorer[onnx]'.")
    check_is_fitted(classifier, "model_")
    if classifier.model_.backbone.detail != 1:
        raise OnnxError(
            f"An ONNX file takes pixels of one size, and this model answers from two (detail="
            f"{classifier.model_.backbone.detail:g}); call set_detail(1) first, or load it in Python where it is used."
        )
    if classifier.model_.backbone.precision != "fp32":
        raise OnnxError("ONNX is checked against fp32: load the model with precision='fp32'.")
    if classifier.model_.backbone.device.type != "cpu":
        classifier = _on_cpu(classifier)
    backbone = classifier.model_.backbone
    pixels, metadata = _pixels(backbone.preprocess, photos), _metadata(classifier)
    data = _written(_Answering(classifier), backbone.preprocess.size, metadata)
    parity = _compare(data, classifier, pixels)
    if parity.labels_differ or not parity.difference <= ALLOWED:
        raise OnnxError(
            f"The file's answers differ by {parity.difference:.1e} ({ALLOWED:.0e} is the most) and in "
            f"{parity.labels_differ} of {parity.images} labels, so it is not handed out. Other versions of torch and "
            "onnxruntime may do better."
        )
    return OnnxFile(data, metadata, parity)


def _on_cpu(classifier: GalLoPClassifier) -> GalLoPClassifier:
    """A copy that computes where the file is checked; the other stays where it is."""
    model, copied = classifier.model_, copy.copy(classifier)
    copied.model_ = GalLoP(
        model.backbone.copy_on("cpu"),
        model.class_names,
        model.config,
        copy.deepcopy(model.prompts).to("cpu"),
        model.templates,
        model.head,
    )
    copied._text = None  # those of the other are where it is
    return copied


class _Answering(nn.Module):
    """Pixels (B, 3, S, S) to the outputs, with the pure functions that the classifier itself is made of."""

    def __init__(self, classifier: GalLoPClassifier) -> None:
        super().__init__()
        model = classifier.model_
        # A copy: exporting swaps a tower's weights for symbols, and others may be using the frozen one meanwhile.
        self._vision = copy.deepcopy(model.backbone.vision)
        self.tower = self._vision.tower  # type: ignore[attr-defined]
        self._damping, self._topk = model.damping, model.config.topk
        self._scale, self._temperature = model.backbone.logit_scale, classifier.calibration_.temperature
        with torch.no_grad():
            text = model.text_features()
            projection, whole = model.region_projection(), model.prompts.global_projection
        self._head = None if model.head is None else model.head.on(model.backbone, text.global_)
        self.register_buffer("whole_text", text.global_)
        self.register_buffer("local_text", text.local if self._topk else text.global_)
        self.register_buffer(PROJECTION, projection)
        self._projects = whole is not None
        if whole is not None:
            self.register_buffer(WHOLE_PROJECTION, whole.detach().T.contiguous())

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        whole, regions = self._vision(pixels)
        if self._projects:
            whole = whole @ self.whole_projection  # type: ignore[operator]
        global_ = similarity.global_cosines(whole, self.whole_text, self._damping.image)  # type: ignore[arg-type]
        # Regions (B, R, V) as so many images; not region_cosines, whose own backward pass no exporter knows.
        joint = (regions @ self.projection).flatten(0, 1)  # type: ignore[operator]
        cosines = similarity.global_cosines(joint, self.local_text, self._damping.region)  # type: ignore[arg-type]
        local = cosines.unflatten(0, (-1, regions.shape[1]))  # type: ignore[no-untyped-call]
        pooled = similarity.topk_mean(local if self._topk else local[..., :0], self._topk)
        together = similarity.ensemble(global_, pooled)
        head = None if self._head is None else self._head([regions])[0]
        if head is not None:
            together = (1 - head.weight) * together + head.weight * head.scores
        shares = scores.class_probabilities(together, self._scale, self._temperature)
        ood = scores.ood_scores(scores.Cosines(global_.mean(dim=-1), local.mean(dim=-1)))[scores.VERDICT]
        maps = [local] if self._topk else []
        return shares, ood, global_, *maps, *([] if head is None else [head.regions])


def _written(answering: _Answering, size: int, metadata: dict[str, str]) -> bytes:
    """The file's bytes, for any number of images."""
    from onnxscript.optimizer import fold_constants

    left_out = {"local_cosines"} if not answering._topk else set()
    left_out |= {"head_regions"} if answering._head is None else set()
    names = [name for name in OUTPUTS if name not in left_out]
    try:
        program = torch.onnx.export(
            answering.eval(),
            (torch.zeros(2, 3, size, size),),
            dynamo=True,
            input_names=[PIXELS],
            output_names=names,
            dynamic_shapes={"pixels": {0: torch.export.Dim("images")}},
            verbose=False,
        )
        assert program is not None
        # Weights that are only laid out otherwise become weights of that layout: who quantises looks for these.
        fold_constants(program.model, should_fold=_lays_out, output_size_limit=2**31)
        proto = program.model_proto
        metadata["opset"] = str(next(opset.version for opset in proto.opset_import if not opset.domain))
        for key, value in metadata.items():
            proto.metadata_props.add(key=key, value=value)
        return bytes(proto.SerializeToString())
    except Exception as error:  # the exporter lets nearly anything through
        raise OnnxError(
            f"This model cannot be written as ONNX with torch {torch.__version__} ({type(error).__name__}). "
            "A newer torch and onnxscript may do it."
        ) from error


def _lays_out(node: Any) -> bool | None:
    return node.op_type in ("Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose") or None


def _metadata(classifier: GalLoPClassifier) -> dict[str, str]:
    """What a reader of the file needs: texts, and JSON where it is more than one."""
    model, calibration = classifier.model_, classifier.calibration_
    preprocess = model.backbone.preprocess
    steps = f"RGB; {preprocess.sentence}; values / 255; minus mean, divided by std, per channel"
    return {
        "gallop_format": str(_FORMAT),
        "class_names": json.dumps(model.class_names, ensure_ascii=False),
        "preprocessing": json.dumps({**asdict(preprocess), "steps": steps}),
        "logit_scale": repr(model.backbone.logit_scale),
        "temperature": repr(calibration.temperature),
        "threshold": "" if calibration.threshold is None else repr(calibration.threshold),
        "threshold_note": calibration.note,
        "topk": json.dumps(model.config.topk),
        "grid": json.dumps(model.backbone.vision.grid),
        "backbone": model.backbone.name,
        "backbone_fingerprint": model.backbone.fingerprint,
        "prompts": model.prompts.digest(),
    } | ({} if model.head is None else {"head": model.head.kind, "head_weight": repr(model.head.mix.weight)})


def _pixels(preprocess: Preprocess, photos: Sequence[Any]) -> Tensor:
    """Photos, and patterns that are the same every time, as the model's input."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (7, 7, 3), dtype=np.uint8) for _ in range(_PATTERNS)]
    patterns = [np.kron(blocks, np.ones((48, 48, 1), dtype=np.uint8)) for blocks in coarse]
    return torch.stack([as_pixels(preprocess, photo) for photo in (*patterns, *photos)])


def as_pixels(preprocess: Preprocess, photo: Any) -> Tensor:
    """Return a photo, whatever ``load_image`` takes, as the file takes it: (3, S, S).

    Raises:
        ImageError: it cannot be read.
    """
    return preprocess.centre(load_image(photo).image)[0]


def _compare(data: bytes, classifier: GalLoPClassifier, pixels: Tensor) -> Parity:
    """The file's answers against the classifier's own, image by image and all together."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = _own(classifier, pixels)
    largest = dict.fromkeys(names, 0.0)
    differ = 0
    for some in (slice(0, 1), slice(0, len(pixels))):  # one alone, since the number of images is free
        found = dict(zip(names, session.run(names, {PIXELS: pixels[some].numpy()}), strict=True))
        for name in names:
            gap = float(np.abs(found[name] - wanted[name][some]).max())
            largest[name] = max(largest[name], gap if np.isfinite(gap) else np.inf)
        differ = int((found["probabilities"].argmax(1) != wanted["probabilities"][some].argmax(1)).sum())
    return Parity(len(pixels), max(largest.values()), largest, differ)


def _own(classifier: GalLoPClassifier, pixels: Tensor) -> dict[str, NDArray[np.float32]]:
    """The outputs as the library computes them."""
    model = classifier.model_
    features = ImageFeatures(*model.backbone.encode_image(pixels))
    predictions = classifier.predict_all(features)
    with torch.no_grad():
        found = model.similarities(features, model.text_features())
    arrays = [
        predictions.probabilities,
        predictions.ood[scores.VERDICT],
        to_array(found.global_),
        to_array(found.regions),
        *([] if found.head is None else [to_array(found.head.regions)]),
    ]
    return dict(zip(OUTPUTS, arrays, strict=False))
