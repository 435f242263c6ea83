"""The towers of the page as ONNX: pixels to what is compared with texts, and token ids to texts.

Numbers are computed in 32 bits, and stored in 16 where that changes none of them, or where it is asked for.
What comes after the towers is the page's own script (``page/cosines.js``), so that other names need no tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gallop.backbones.text.causal import CausalTextEncoder, WholeTexts
from gallop.backbones.vision.timm_encoders import CNNEncoder
from gallop.estimator import GalLoPClassifier
from gallop.export.onnx import Answering
from gallop.export.onnx_inputs import INPUTS, PREFIXES
from gallop.export.tracing import ToTrace, onnx_model

PagePrecision = Literal["fp16", "fp32"]
"""Of stored numbers: in half precision, or as they are. Those of ``mini`` were in half precision before."""
_SMALL = 1024
"""Numbers of a tensor that stays as it is: norms and biases weigh nothing."""


class Looking(Answering):
    """Pixels (1, 3, S, S) of each look to whole (1, D), regions (1, R, D) and the map of each branch (1, R, K)."""

    def __init__(self, classifier: GalLoPClassifier) -> None:
        super().__init__(classifier)
        if isinstance(self._vision, CNNEncoder):  # onnxruntime joins norms and convolutions by itself
            self._vision = self._vision.as_stored()
        projection = classifier.model_.paper.region_projection()
        self._plain = torch.equal(projection, torch.eye(*projection.shape))

    def region_in_joint_space(self, regions: Tensor) -> Tensor:
        return regions if self._plain else super().region_in_joint_space(regions)

    def forward(self, *pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            part for look in self.looked(pixels) for part in (look.whole, look.regions, *look.branches.values())
        )


def vision_onnx(classifier: GalLoPClassifier, precision: PagePrecision) -> bytes:
    """Return a file from ``pixels``, and ``finer_pixels`` of a second look, to "whole", "regions", "branch0" and so
    on, of the second look with "finer_" before them.

    Raises:
        OnnxError: it cannot be written.
    """
    model = classifier.model_
    sides = [model.backbone.preprocess.side(times) for times in model.sight.times]
    kinds = ("whole", "regions", *(f"branch{i}" for i in range(len(model.branches))))
    names = [f"{prefix}{kind}" for prefix in PREFIXES[: len(sides)] for kind in kinds]
    inputs = tuple(torch.zeros(1, 3, side, side) for side in sides)
    what = ToTrace(Looking(classifier), inputs, (INPUTS[: len(sides)], names), as_stored=True)
    return _stored(onnx_model(what), precision)


def text_onnx(tower: CausalTextEncoder, precision: PagePrecision) -> bytes:
    """Return a file from ``ids`` (K, L) and ``read`` (K,), where EOT stands, both int32, to "features" (K, D).

    Raises:
        OnnxError: it cannot be written.
    """
    texts, length = torch.export.Dim("texts"), torch.export.Dim("tokens", min=3, max=tower.context_length)
    example = (torch.zeros(2, 8, dtype=torch.int32), torch.full((2,), 4, dtype=torch.int32))
    free = {"ids": {0: texts, 1: length}, "read": {0: texts}}
    what = ToTrace(WholeTexts(tower), example, (("ids", "read"), ("features",)), free, as_stored=True)
    return _stored(onnx_model(what), precision)


def _stored(model: Any, precision: PagePrecision) -> bytes:
    """The file's bytes, its numbers in half precision where that is asked for or changes none of them."""
    import onnx

    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]  # others were joined to these
    del graph.initializer[:]
    graph.initializer.extend(kept)
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        numbers = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = numbers.astype(np.float16)
        lossless = np.array_equal(half.astype(np.float32), numbers)
        if numbers.size < _SMALL or not (lossless or (precision == "fp16" and np.isfinite(half).all())):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    _put_first(graph, casts)
    del graph.value_info[:]
    del model.metadata_props[:]
    for node in graph.node:  # which lines of torch they are from weighs as much as a layer
        del node.metadata_props[:]
        node.doc_string = ""
    return bytes(model.SerializeToString())


def _put_first(graph: Any, nodes: Sequence[Any]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
