"""The encoders of the page as ONNX: pixels to what is compared with texts, and token ids to texts.

Numbers are computed in 32 bits, and stored in 16 where that changes none of them, or where it is asked for.
What comes after the encoders is the page's script (``page/cosines.js``), so that other names need no image encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones.text.causal import CausalTextEncoder, TokenIdEncoder
from gallop.backbones.text.tokenizers import clip_tokenizer, token_rule
from gallop.backbones.vision.timm_encoders import CNNEncoder
from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.export.onnx import INPUTS, PREFIXES, Answering, Seen, onnx_session, pixels_to_check
from gallop.export.tracing import ToTrace, onnx_model
from gallop.export.web import PagePrecision
from gallop.features.encoding import encode_pixels
from gallop.predictions.predict import to_array

PAGE_ALLOWED = {"fp32": 1e-4, "fp16": 1e-2}
"""The largest difference of a probability from the classifier's, by the precision of the stored numbers."""
_SMALL = 1024  # numbers of a tensor that stays as it is: norms and biases weigh nothing


class Looking(Answering):
    """Pixels (1, 3, S, S) of each look to global (1, D), regions (1, R, D) and the map of each branch (1, R, K)."""

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
            part for look in self.looked(pixels) for part in (look.global_, look.regions, *look.branches.values())
        )


def vision_onnx(classifier: GalLoPClassifier, precision: PagePrecision) -> bytes:
    """Return a file from ``pixels``, and ``finer_pixels`` of a second look, to "global", "regions", "branch0" and so
    on, of the second look with "finer_" before them.

    Raises:
        OnnxError: it cannot be written.
    """
    model = classifier.model_
    sides = [model.backbone.preprocess.side(times) for times in model.sight.times]
    kinds = ("global", "regions", *(f"branch{i}" for i in range(len(model.branches))))
    names = [f"{prefix}{kind}" for prefix in PREFIXES[: len(sides)] for kind in kinds]
    what = ToTrace(
        Looking(classifier),
        inputs=tuple(torch.zeros(1, 3, side, side) for side in sides),
        names=(INPUTS[: len(sides)], names),
        as_stored=True,
    )
    return _stored(onnx_model(what), precision)


def text_onnx(encoder: CausalTextEncoder, precision: PagePrecision) -> bytes:
    """Return a file from ``ids`` (K, L) and ``read`` (K,), the position of EOT, both int32, to "features" (K, D).

    Raises:
        OnnxError: it cannot be written.
    """
    texts, length = torch.export.Dim("texts"), torch.export.Dim("tokens", min=3, max=encoder.context_length)
    what = ToTrace(
        TokenIdEncoder(encoder),
        inputs=(torch.zeros(2, 8, dtype=torch.int32), torch.full((2,), 4, dtype=torch.int32)),
        names=(("ids", "read"), ("features",)),
        free={"ids": {0: texts, 1: length}, "read": {0: texts}},
        as_stored=True,
    )
    return _stored(onnx_model(what), precision)


def _stored(model: Any, precision: PagePrecision) -> bytes:
    """The file's bytes, its numbers in half precision where that is asked for or changes none of them."""
    import onnx

    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]  # others were joined to these
    del graph.initializer[:]
    graph.initializer.extend(tensors)
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
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    del graph.value_info[:]
    del model.metadata_props[:]
    for node in graph.node:  # which lines of torch they are from weighs as much as a layer
        del node.metadata_props[:]
        node.doc_string = ""
    return bytes(model.SerializeToString())


def check_encoders(
    classifier: GalLoPClassifier, vision: bytes, text: bytes | None, precision: PagePrecision, photos: Sequence[Any]
) -> float:
    """Compare the files with the classifier's answers; return the largest difference of a probability.

    Args:
        photos: in addition to generated pictures.

    Raises:
        OnnxError: they differ by more than ``PAGE_ALLOWED``.
    """
    pixels = pixels_to_check(classifier.model_, photos)
    expected = classifier.predict_all(
        encode_pixels(classifier.model_.backbone, pixels, classifier.model_.sight)
    ).probabilities
    difference = float(np.abs(_probabilities(classifier, vision, pixels) - expected).max())
    apart = 0.0 if text is None else _texts_apart(classifier, text)
    allowed = PAGE_ALLOWED[precision]
    if not (difference <= allowed and apart <= allowed):
        raise OnnxError(
            f"The page's probabilities or text features differ from the classifier's by "
            f"{max(difference, apart):.1e} (at most {allowed:.0e} is allowed), so the page was discarded. Export it "
            "with fp32 precision, or try other versions of torch and onnxruntime."
        )
    return difference


def _probabilities(classifier: GalLoPClassifier, vision: bytes, pixels: Sequence[Tensor]) -> Any:
    """(B, K), a photo at a time as the page takes them."""
    session, answering = onnx_session(vision), Answering(classifier)
    kinds = [branch.kind for branch in classifier.model_.branches]
    rows = []
    for i in range(len(pixels[0])):
        given = {name: look[i : i + 1].numpy() for name, look in zip(INPUTS, pixels, strict=False)}
        parts = [torch.from_numpy(part) for part in session.run(None, given)]
        looks = [parts[at : at + 2 + len(kinds)] for at in range(0, len(parts), 2 + len(kinds))]
        seen = [Seen(global_, regions, dict(zip(kinds, maps, strict=True))) for global_, regions, *maps in looks]
        with torch.no_grad():
            rows.append(to_array(answering.answered(seen)[0]))
    return np.concatenate(rows)


def _texts_apart(classifier: GalLoPClassifier, text: bytes) -> float:
    tokens, names = clip_tokenizer(), [*classifier.model_.class_names, "a photo of a golden retriever"]
    rule = token_rule(tokens)
    rows = [[*rule.before, *tokens.encode(name), *rule.after] for name in names]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, token_ids in zip(ids, rows, strict=True):
        row[: len(token_ids)] = token_ids
    read = np.array([len(token_ids) - 1 for token_ids in rows], np.int32)
    made = torch.from_numpy(onnx_session(text).run(None, {"ids": ids, "read": read})[0])
    with torch.no_grad():
        expected = classifier.model_.backbone.text.encode_texts(names).float()
    units = [F.normalize(some, dim=-1) for some in (made, expected)]
    return float((units[0] - units[1]).abs().max())
