"""An ONNX file in 8 bits: smaller, and mostly faster, with other answers, which are compared on photos.

Convolutions and products of the image encoder become products of integers, with a scale for each channel. What
comes after its features, cosines and the choice of the best regions, stays in fp32: it takes no time, and a rounded
cosine would be multiplied by the logit scale. Photos give the range of every number, once: ranges of each batch
(onnxruntime's dynamic way) preserve fewer labels and take six times as long as fp32 (``benchmarks/README.md``).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gallop.errors import OnnxError
from gallop.export.onnx import GLOBAL_PROJECTION, PROJECTION, onnx_session, stacked

if TYPE_CHECKING:
    from onnx import ModelProto

Inputs = Mapping[str, NDArray[np.float32]]
"""A photo as a file takes it."""

LEAST_PHOTOS = 20
"""Fewer do not show how many labels stay the same."""
CALIBRATED_WITH = 64
"""Photos at most, from which the ranges of numbers in the encoder are taken; all others are compared."""
_BATCH = 8


@dataclass(frozen=True)
class Quantized:
    """A file in 8 bits beside the one it was made from.

    Attributes:
        photos: compared; none of them was calibrated with.
        calibrated_with: photos.
        agreement: fraction of photos with the same label.
        largest: difference of a probability.
    """

    data: bytes
    photos: int
    calibrated_with: int
    agreement: float
    largest: float


def quantized(data: bytes, photos: Sequence[Inputs]) -> Quantized:
    """Write a file of ``export_onnx`` in 8 bits, and compare the two on photos.

    Args:
        photos: each as the file takes it (``as_inputs``). Half of them are calibrated with, or ``CALIBRATED_WITH`` of
            all.

    Raises:
        OnnxError: there are fewer photos than ``LEAST_PHOTOS``, or it cannot be done.
        OSError: there is no room for it.
    """
    if len(photos) < LEAST_PHOTOS:
        raise OnnxError(
            f"{len(photos)} photos are too few to measure the effect of quantization to 8 bits. Use {LEAST_PHOTOS} or "
            "more, from all classes."
        )
    step = max(2, -(-len(photos) // CALIBRATED_WITH))  # they may come class by class
    calibrating = photos[::step]
    compared = [photo for i, photo in enumerate(photos) if i % step]
    try:
        made = _in_8_bits(data, calibrating)
    except OSError:  # no room
        raise
    except Exception as error:  # onnxruntime lets nearly anything through
        raise OnnxError(
            f"The model cannot be quantized to 8 bits ({type(error).__name__}). Export it without quantization."
        ) from error
    before, after = (_probabilities(each, compared) for each in (data, made))
    return Quantized(
        made,
        photos=len(compared),
        calibrated_with=len(calibrating),
        agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        largest=float(np.abs(before - after).max()),
    )


def _in_8_bits(data: bytes, calibrating: Sequence[Inputs]) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    model = onnx.load_from_string(data)
    metadata = {entry.key: entry.value for entry in model.metadata_props} | {"quantized": "static"}
    with tempfile.TemporaryDirectory(prefix="gallop-") as folder:
        path = Path(folder, "in-8-bits.onnx")
        logging.disable(logging.WARNING)  # it writes advice to the root logger
        try:
            quantize_static(
                model,
                path,
                SimpleNamespace(get_next=partial(next, _batches(calibrating), None)),  # what it asks for photos
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                nodes_to_exclude=_after_the_encoder(model),
            )
        finally:
            logging.disable(logging.NOTSET)
        made = onnx.load(path)
    onnx.helper.set_model_props(made, metadata)
    return bytes(made.SerializeToString())


def _after_the_encoder(model: ModelProto) -> list[str]:
    """Names of nodes that make use of the encoder's features, or give an output, and of all that come after these."""
    nodes, learned = model.graph.node, {PROJECTION, GLOBAL_PROJECTION}
    behind = {output.name for output in model.graph.output}
    behind |= {name for node in nodes if learned & {*node.input} for name in node.input}
    names = []
    for node in nodes:  # each after those whose outputs it takes
        if behind & {*node.input, *node.output}:
            behind |= {*node.output}
            names.append(node.name)
    return names


def _batches(photos: Sequence[Inputs]) -> Iterator[dict[str, NDArray[np.float32]]]:
    return (stacked(photos[start : start + _BATCH]) for start in range(0, len(photos), _BATCH))


def _probabilities(data: bytes, photos: Sequence[Inputs]) -> NDArray[np.float32]:
    """Those of a file, (B, K)."""
    session = onnx_session(data)
    return np.concatenate([session.run(["probabilities"], batch)[0] for batch in _batches(photos)])
