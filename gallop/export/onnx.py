"""A classifier as one ONNX file that needs neither gallop nor torch: pixels in; probabilities, OOD score and maps out.

The text encoder is not in it: the class list is fixed, so its text features are numbers of the file. Needs the extra
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

from gallop.backbones.vision import GivenFeatures, encode_larger, scaled_grid
from gallop.config import HEADS
from gallop.core.cosines import global_cosines
from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.export.tracing import ToTrace, onnx_model
from gallop.features.encoding import ImageFeatures, encode_pixels
from gallop.images import load_image
from gallop.model import scores
from gallop.model.answers import answers
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Look, Similarities
from gallop.parts import require_topk
from gallop.predictions.predict import to_array

PREFIXES = ("", "finer_")
"""Of the names that belong to the first and to the second look at a photo."""
INPUTS = tuple(f"{prefix}pixels" for prefix in PREFIXES)
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_FORMAT = 1
PATTERNS = 4
"""Generated pictures that every file is checked on, in addition to the photos given."""
_TO_NUMBERS = "values / 255; minus mean, divided by std, per channel"
_WINDOWS = 64  # more than any second look has
ALLOWED = 1e-4
"""The largest difference of any output between torch and onnxruntime in a file that is handed out."""


@dataclass(frozen=True)
class Parity:
    """How the file's answers differ from the classifier's, on ``images`` pictures.

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

    Input: ``pixels`` (B, 3, S, S), float32, RGB, any B: what ``Preprocess.centre`` gives; of a classifier that answers
    from two looks ``finer_pixels``, too, the same part of the photo at ``detail`` times the size. Outputs:
    ``probabilities`` (B, K), calibrated as the classifier's are; ``ood_score`` (B,), GL-MCM, larger = more outlier;
    ``global_cosines`` (B, K, M), the mean over the looks; ``local_cosines`` (B, R, K, N), the maps, region by region;
    those are left out where N = 0; and of each branch beside the prompts its map (B, R, K), such as ``head_regions``.
    The maps of the second look are ``finer_local_cosines`` and ``finer_head_regions``.

    Args:
        photos: to check with, in addition to generated pictures: whatever ``load_image`` takes.

    Raises:
        OnnxError: the extra is missing, the backbone computes in another precision than fp32, it cannot be exported, or
            the answers differ by more than ``ALLOWED`` or in a label.
        ImageError: a photo that cannot be read.
    """
    classifier = ready_for_onnx(classifier)
    pixels, metadata = pixels_to_check(classifier.model_, photos), metadata_of(classifier)
    data = _written(Answering(classifier), pixels, metadata)
    parity = _compare(data, classifier, pixels)
    if parity.labels_differ or not parity.difference <= ALLOWED:
        raise OnnxError(
            f"The ONNX file's answers differ from the classifier's by {parity.difference:.1e} (at most {ALLOWED:.0e} "
            f"is allowed) and in {parity.labels_differ} of {parity.images} labels, so the file was discarded. Other "
            "versions of torch and onnxruntime may work better."
        )
    return OnnxFile(data, metadata, parity)


def ready_for_onnx(classifier: GalLoPClassifier) -> GalLoPClassifier:
    """Return a classifier that can be written, a copy where it computes elsewhere than on the CPU.

    Raises:
        OnnxError: the extra is missing, or the backbone computes in another precision than fp32.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OnnxError(
            f"{' and '.join(missing)} must be installed to export to ONNX: pip install 'gallop-explorer[onnx]'."
        )
    check_is_fitted(classifier, "model_")
    require_topk(classifier.model_.rule().pooling, "ONNX export")
    backbone = classifier.model_.backbone
    if isinstance(backbone.vision, GivenFeatures):
        raise OnnxError(
            "This model cannot be exported to ONNX: it takes precomputed image features, and the export only supports "
            "models that take pixels."
        )
    if backbone.precision != "fp32":
        raise OnnxError("Only a model in fp32 can be exported to ONNX. Load the model with precision='fp32'.")
    if backbone.device.type == "cpu":
        return classifier
    copied = copy.copy(classifier)
    copied.model_ = PromptModel(**{**classifier.model_.__getstate__(), "backbone": backbone.copy_on("cpu")})
    return copied


def map_name(branch: str) -> str:
    """Return the name of the output that is a branch's map, such as "head_regions"."""
    return f"{HEADS[branch].title.replace(' ', '_')}_regions"


@dataclass(frozen=True)
class Seen:
    """What a look is answered from: ``global_`` (B, D), ``regions`` (B, R, D), and a map (B, R, K) of each branch."""

    global_: Tensor
    regions: Tensor
    branches: dict[str, Tensor]


class Answering(nn.Module):
    """Pixels (B, 3, S, S) of each look to the outputs, with the functions that the classifier itself is made of."""

    def __init__(self, classifier: GalLoPClassifier) -> None:
        super().__init__()
        model = classifier.model_
        # A copy: exporting swaps an encoder's weights for symbols, and others may be using the frozen one meanwhile.
        self._vision = copy.deepcopy(model.backbone.vision)
        self.image_encoder = self._vision.module
        self._size, self._damping = model.backbone.preprocess.size, model.damping
        self._rule = model.rule(classifier.calibration_)
        self._topk = self._rule.topk
        with torch.no_grad():
            text = model.text_features()
            regional, global_ = model.paper.region_projection(), model.prompts.global_projection
        self._branches = {each.kind: each.on(model.backbone, text.global_) for each in model.branches}
        self._weights = model.branch_weights
        self._extras = model.sight.extras
        self.register_buffer("global_text", text.global_)
        self.register_buffer("local_text", text.local if self._topk else text.global_)
        self.register_buffer("projection", regional)
        self._projects = global_ is not None
        if global_ is not None:
            self.register_buffer("global_projection", global_.detach().T.contiguous())

    def looked(self, pixels: Sequence[Tensor]) -> list[Seen]:
        """Return what each look is answered from."""
        # All windows of a second look at once: so many encoders one after the other make a file that cannot be built.
        second = [encode_larger(self._vision, self._size, look, at_once=_WINDOWS) for look in pixels[1:]]
        each = zip(pixels, (self._vision(pixels[0]), *second), strict=True)
        features = [ImageFeatures(*encoded, extras=self._extras_of(look)) for look, encoded in each]
        maps = {name: branch(features, len(features)) for name, branch in self._branches.items()}
        return [
            Seen(
                self._in_joint_space(look.global_),
                self.region_in_joint_space(look.regions),
                {name: of_looks[i] for name, of_looks in maps.items()},
            )
            for i, look in enumerate(features)
        ]

    def _extras_of(self, pixels: Tensor) -> dict[str, Tensor]:
        grid = scaled_grid(self._vision.grid, pixels.shape[-1] / self._size)
        return {extra.name: extra.of(pixels, grid) for extra in self._extras}

    def forward(self, *pixels: Tensor) -> tuple[Tensor, ...]:
        return self.answered(self.looked(pixels))

    def answered(self, looks: Sequence[Seen]) -> tuple[Tensor, ...]:
        """Return the outputs, in the order of ``names``, of what ``looked`` gives."""
        similarities = Similarities(tuple(map(self._look, looks)), (1 / len(looks),) * len(looks), self._weights)
        found = answers(similarities, self._rule)
        return found.probabilities, similarities.ood[scores.VERDICT], found.global_, *self._maps(similarities)

    def _in_joint_space(self, features: Tensor) -> Tensor:
        return features @ self.global_projection if self._projects else features  # type: ignore[operator]

    def region_in_joint_space(self, regions: Tensor) -> Tensor:
        """Return regions (B, R, V) as (B, R, D), after the region projection."""
        return regions @ self.projection  # type: ignore[operator]

    def _look(self, seen: Seen) -> Look:
        images = global_cosines(seen.global_, self.global_text, self._damping.image)  # type: ignore[arg-type]
        # Regions (B, R, V) as so many images; not region_cosines, whose custom backward pass no exporter supports.
        joint = seen.regions.flatten(0, 1)
        cosines = global_cosines(joint, self.local_text, self._damping.region)  # type: ignore[arg-type]
        local: Tensor = cosines.unflatten(0, (-1, seen.regions.shape[1]))  # type: ignore[no-untyped-call]
        return Look(images, local if self._topk else local[..., :0], local.mean(dim=-1), seen.branches)

    def _maps(self, cosines: Similarities) -> list[Tensor]:
        """In the order of ``names``."""
        each = ([*((look.region_cosines,) if self._topk else ()), *look.branches.values()] for look in cosines.looks)
        return [region_map for maps in each for region_map in maps]

    def names(self, looks: int) -> list[str]:
        """Return those of the outputs, for so many looks."""
        maps = [*(("local_cosines",) if self._topk else ()), *(map_name(branch) for branch in self._branches)]
        of_looks = [f"{prefix}{name}" for prefix in PREFIXES[:looks] for name in maps]
        return ["probabilities", "ood_score", "global_cosines", *of_looks]


def metadata_of(classifier: GalLoPClassifier) -> dict[str, str]:
    """Return what a reader of the file needs: texts, and JSON where it is more than one."""
    model, calibration = classifier.model_, classifier.calibration_
    preprocess = model.backbone.preprocess
    branches = {
        "head": " ".join(branch.kind for branch in model.branches),
        "head_weight": " ".join(map(repr, model.branch_weights.values())),
    }
    return {
        "gallop_format": str(_FORMAT),
        "class_names": json.dumps(model.class_names, ensure_ascii=False),
        "preprocessing": json.dumps({**asdict(preprocess), "steps": f"RGB; {preprocess.sentence}; {_TO_NUMBERS}"}),
        "logit_scale": repr(model.backbone.logit_scale),
        "temperature": repr(calibration.temperature),
        "threshold": "" if calibration.threshold is None else repr(calibration.threshold),
        "threshold_note": calibration.note,
        "topk": json.dumps(model.config.topk),
        "grid": json.dumps(model.backbone.vision.grid),
        "backbone": model.backbone.name,
        "backbone_fingerprint": model.backbone.fingerprint,
        "prompts": model.prompts.digest(),
        **(branches if model.branches else {}),
        **(_metadata_of_second(model) if len(model.sight.times) > 1 else {}),
    }


def _metadata_of_second(model: PromptModel) -> dict[str, str]:
    """What a reader needs to know of the second look."""
    preprocess, times = model.backbone.preprocess, model.sight.times[1]
    steps = f"RGB; {preprocess.sentence_at(times)}; {_TO_NUMBERS}"
    return {
        "detail": repr(times),
        "finer_preprocessing": json.dumps({**asdict(preprocess), "size": preprocess.side(times), "steps": steps}),
        "finer_grid": json.dumps(model.backbone.grid_at(times)),
    }


def pixels_to_check(model: PromptModel, photos: Sequence[Any]) -> list[Tensor]:
    """Return patterns that are the same every time, then photos, as the model's input: (B, 3, S, S) of each look."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (7, 7, 3), dtype=np.uint8) for _ in range(PATTERNS)]
    patterns = [np.kron(blocks, np.ones((48, 48, 1), dtype=np.uint8)) for blocks in coarse]
    images, centre = [load_image(photo).image for photo in (*patterns, *photos)], model.backbone.preprocess.centre
    return [torch.stack([centre(image, times)[0] for image in images]) for times in model.sight.times]


def _written(answering: Answering, pixels: Sequence[Tensor], metadata: dict[str, str]) -> bytes:
    """The file's bytes, for any number of images like those, whose ``pixels`` are of each look."""
    images = torch.export.Dim("images")
    proto = onnx_model(
        ToTrace(
            answering,
            inputs=tuple(look.new_zeros(2, *look.shape[1:]) for look in pixels),
            names=(INPUTS[: len(pixels)], answering.names(len(pixels))),
            free={"pixels": ({0: images},) * len(pixels)},
        )
    )
    metadata["opset"] = str(next(opset.version for opset in proto.opset_import if not opset.domain))
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString())


def onnx_session(data: bytes) -> Any:
    """Return what onnxruntime answers from, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it reports every number that it joined to another
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _compare(data: bytes, classifier: GalLoPClassifier, pixels: Sequence[Tensor]) -> Parity:
    """The file's answers against the classifier's, image by image and all together."""
    session, images = onnx_session(data), len(pixels[0])
    names = [output.name for output in session.get_outputs()]
    wanted = _expected(classifier, pixels)
    largest = dict.fromkeys(names, 0.0)
    differ = 0
    for some in (slice(0, 1), slice(0, images)):  # one alone, since the number of images is free
        given = {name: look[some].numpy() for name, look in zip(INPUTS, pixels, strict=False)}
        outputs = dict(zip(names, session.run(names, given), strict=True))
        for name in names:
            gap = float(np.abs(outputs[name] - wanted[name][some]).max())
            largest[name] = max(largest[name], gap if np.isfinite(gap) else np.inf)
        differ = int((outputs["probabilities"].argmax(1) != wanted["probabilities"][some].argmax(1)).sum())
    return Parity(images, max(largest.values()), largest, differ)


def _expected(classifier: GalLoPClassifier, pixels: Sequence[Tensor]) -> dict[str, NDArray[np.float32]]:
    """The outputs as the library computes them."""
    model = classifier.model_
    features = encode_pixels(model.backbone, pixels, model.sight)
    predictions = classifier.predict_all(features)
    with torch.no_grad():
        similarities = model.similarities(features, model.cached_text_features())
    expected = {
        "probabilities": predictions.probabilities,
        "ood_score": predictions.ood[scores.VERDICT],
        "global_cosines": to_array(similarities.image_cosines),
    }
    for look, prefix in zip(similarities.looks, PREFIXES, strict=False):
        expected[f"{prefix}local_cosines"] = to_array(look.region_cosines)
        expected |= {f"{prefix}{map_name(branch)}": to_array(regions) for branch, regions in look.branches.items()}
    return expected
