"""An ONNX file in 8 bits: smaller, with other answers, and not always faster; all three are measured on photos.

Convolutions and products of the image encoder become products of whole numbers, with a scale for each channel. What
comes after its features, cosines and the choice of the best regions, stays in fp32: it takes no time, and a rounded
cosine would be multiplied by the logit scale.

"static" takes the range of every number from photos, once; "dynamic" from each batch anew, for which onnxruntime has no
fast convolutions: with ``mini`` it keeps fewer labels and takes six times as long as fp32, where "static" takes half as
long (``benchmarks/README.md``). It is for encoders of products alone, ViTs.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gallop.errors import OnnxError
from gallop.export.onnx import PROJECTION, WHOLE_PROJECTION, onnx_session, stacked

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

Inputs = Mapping[str, NDArray[np.float32]]
"""A photo as a file takes it."""

LEAST_PHOTOS = 20
"""Fewer say nothing about how many labels stay."""
CALIBRATED_WITH = 64
"""Photos at most, from which the ranges of numbers in the encoder are taken; all others are compared."""
_BATCH, _PASSES, _TIMED = 8, 3, 32
"""Photos at once, times that they are answered to take the shortest, and how many of them."""


@dataclass(frozen=True)
class Measured:
    """What a file does on the photos that were compared.

    Attributes:
        size: bytes.
        seconds: a photo.
        accuracy: of the photos whose class is known; None where there are none.
    """

    size: int
    seconds: float
    accuracy: float | None


@dataclass(frozen=True)
class Quantized:
    """A file in 8 bits beside the one it was made from.

    Attributes:
        photos: compared; none of them was calibrated with.
        calibrated_with: photos.
        agreement: share of photos with the same label.
        largest: difference of a probability.
    """

    data: bytes
    photos: int
    calibrated_with: int
    agreement: float
    largest: float
    before: Measured
    after: Measured

    @property
    def pays(self) -> bool:
        """Return whether it answers faster, by more than chance."""
        return self.after.seconds < 0.95 * self.before.seconds


def quantized(data: bytes, how: str, photos: Sequence[Inputs], labels: Sequence[int | None]) -> Quantized:
    """Write a file of ``export_onnx`` in 8 bits, and compare the two on photos.

    Args:
        how: "static", with ranges of the numbers in the encoder that photos give, or "dynamic", with ranges that each
            batch gives anew.
        photos: each as the file takes it (``as_inputs``). For "static", half of them are calibrated with, or
            ``CALIBRATED_WITH`` of all.
        labels: of each the class's number, or None where it is not known.

    Raises:
        OnnxError: there are fewer photos than ``LEAST_PHOTOS``, or it cannot be done.
        OSError: there is no room for it.
    """
    if len(photos) < LEAST_PHOTOS:
        raise OnnxError(
            f"{len(photos)} photos say too little about what 8 bits change: give {LEAST_PHOTOS} or more, of all "
            "classes."
        )
    step = max(2, -(-len(photos) // CALIBRATED_WITH))  # they may come class by class
    calibrating = set(range(0, len(photos), step)) if how == "static" else set()
    rest = [i for i in range(len(photos)) if i not in calibrating]
    compared, known = [photos[i] for i in rest], [labels[i] for i in rest]
    try:
        made = _in_8_bits(data, how, [photos[i] for i in sorted(calibrating)])
    except OSError:  # no room
        raise
    except Exception as error:  # it lets nearly anything through
        raise OnnxError(f"This file cannot be written in 8 bits ({type(error).__name__}): write it without.") from error
    sessions = [onnx_session(some) for some in (data, made)]
    before, after = (np.concatenate(list(_answers(session, compared))) for session in sessions)
    seconds = _seconds(sessions, compared[:_TIMED])
    measured = [
        Measured(len(some), a_photo, _accuracy(answers, known))
        for some, a_photo, answers in zip((data, made), seconds, (before, after), strict=True)
    ]
    same = float((before.argmax(1) == after.argmax(1)).mean())
    return Quantized(made, len(compared), len(calibrating), same, float(np.abs(after - before).max()), *measured)


def _in_8_bits(data: bytes, how: str, calibrating: Sequence[Inputs]) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    model = onnx.load_from_string(data)
    given: dict[str, Any] = {
        "per_channel": True,
        "weight_type": QuantType.QInt8,
        "nodes_to_exclude": _after_the_encoder(model),
    }
    metadata = {entry.key: entry.value for entry in model.metadata_props} | {"quantized": how}
    with tempfile.TemporaryDirectory(prefix="gallop-") as folder, _quiet():
        path = Path(folder, "in-8-bits.onnx")
        if how == "static":
            kinds = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8}
            quantize_static(model, path, _Calibrating(calibrating), **kinds, **given)
        else:
            quantize_dynamic(model, path, **given)
        made = onnx.load(path)
    onnx.helper.set_model_props(made, metadata)
    return bytes(made.SerializeToString())


def _after_the_encoder(model: ModelProto) -> list[str]:
    """Names of nodes that make use of the encoder's features, or give an output, and of all that come after these."""
    nodes, learned = model.graph.node, {PROJECTION, WHOLE_PROJECTION}
    behind = {output.name for output in model.graph.output}
    behind |= {name for node in nodes if learned & {*node.input} for name in node.input}
    names = []
    for node in nodes:  # each after those whose outputs it takes
        if behind & {*node.input, *node.output}:
            behind |= {*node.output}
            names.append(node.name)
    return names


class _Calibrating:
    """Photos as onnxruntime asks for them, some at a time."""

    def __init__(self, photos: Sequence[Inputs]) -> None:
        self._batches = iter([photos[start : start + _BATCH] for start in range(0, len(photos), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        some = next(self._batches, None)
        return None if some is None else stacked(some)


@contextmanager
def _quiet() -> Iterator[None]:
    """It advises on the log of everybody."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _answers(session: InferenceSession, photos: Sequence[Inputs]) -> Iterator[NDArray[np.float32]]:
    """Probabilities (B, K), some photos at a time."""
    for start in range(0, len(photos), _BATCH):
        yield session.run(["probabilities"], stacked(photos[start : start + _BATCH]))[0]


def _seconds(sessions: Sequence[InferenceSession], photos: Sequence[Inputs]) -> list[float]:
    """The shortest time a photo of each; they take turns, so that a busy moment is no one's."""
    taken: list[list[float]] = [[] for _ in sessions]
    for _ in range(_PASSES):
        for times, session in zip(taken, sessions, strict=True):
            begun = time.perf_counter()
            for _ in _answers(session, photos):
                pass
            times.append((time.perf_counter() - begun) / len(photos))
    return [min(times) for times in taken]


def _accuracy(answers: NDArray[np.float32], labels: Sequence[int | None]) -> float | None:
    known = [i for i, label in enumerate(labels) if label is not None]
    if not known:
        return None
    return float((answers[known].argmax(1) == np.array([labels[i] for i in known])).mean())
