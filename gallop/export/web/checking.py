"""Whether the page's towers answer as the classifier does, by onnxruntime on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gallop.backbones.text.tokenizers import ClipTokens
from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.export.onnx import Answering, Seen
from gallop.export.onnx_inputs import INPUTS, pixels_to_check
from gallop.export.web.towers import PagePrecision
from gallop.features.encoding import encode_pixels
from gallop.predictions.predict import to_array

PAGE_ALLOWED = {"fp32": 1e-4, "fp16": 1e-2}
"""The largest difference of a probability from the classifier's own, by the precision of the stored numbers."""


@dataclass(frozen=True)
class Agreement:
    """How the page's towers agree with the classifier on ``images`` pictures.

    Attributes:
        difference: the largest of a probability.
        text_difference: the largest of a coordinate of a text's feature in unit length; None without a text tower.
    """

    images: int
    difference: float
    text_difference: float | None


def check_towers(
    classifier: GalLoPClassifier, vision: bytes, text: bytes | None, precision: PagePrecision, photos: Sequence[Any]
) -> Agreement:
    """Compare the files with the classifier's own answers.

    Args:
        photos: beside pictures that are made.

    Raises:
        OnnxError: they differ by more than ``PAGE_ALLOWED``.
    """
    pixels = pixels_to_check(classifier.model_, photos)
    own = classifier.predict_all(
        encode_pixels(classifier.model_.backbone, pixels, classifier.model_.sight)
    ).probabilities
    difference = float(np.abs(_probabilities(classifier, vision, pixels) - own).max())
    apart = None if text is None else _texts_apart(classifier, text)
    allowed = PAGE_ALLOWED[precision]
    if not (difference <= allowed and (apart or 0.0) <= allowed):
        raise OnnxError(
            f"The page's probabilities differ by {difference:.1e} from the classifier's ({allowed:.0e} is the most), "
            "so it is not handed out. Store its numbers as they are (fp32), or try other versions of torch and "
            "onnxruntime."
        )
    return Agreement(len(pixels[0]), difference, apart)


def _session(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it tells of every number that it joined to another
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _probabilities(classifier: GalLoPClassifier, vision: bytes, pixels: Sequence[Tensor]) -> Any:
    """(B, K), a photo at a time as the page takes them."""
    session, answering = _session(vision), Answering(classifier)
    kinds = [branch.kind for branch in classifier.model_.branches]
    rows = []
    for i in range(len(pixels[0])):
        given = {name: look[i : i + 1].numpy() for name, look in zip(INPUTS, pixels, strict=False)}
        parts = [torch.from_numpy(part) for part in session.run(None, given)]
        looks = [parts[at : at + 2 + len(kinds)] for at in range(0, len(parts), 2 + len(kinds))]
        seen = [Seen(whole, regions, dict(zip(kinds, maps, strict=True))) for whole, regions, *maps in looks]
        with torch.no_grad():
            rows.append(to_array(answering.answered(seen)[0]))
    return np.concatenate(rows)


def _texts_apart(classifier: GalLoPClassifier, text: bytes) -> float:
    tokens, names = ClipTokens(), [*classifier.model_.class_names, "a photo of a golden retriever"]
    before, after = tokens.rule.before, tokens.rule.after
    rows = [[*before, *tokens.encode(name), *after] for name in names]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, found in zip(ids, rows, strict=True):
        row[: len(found)] = found
    read = np.array([len(found) - 1 for found in rows], np.int32)
    made = torch.from_numpy(_session(text).run(None, {"ids": ids, "read": read})[0])
    with torch.no_grad():
        own = classifier.model_.backbone.text.encode_texts(names).float()
    units = [torch.nn.functional.normalize(some, dim=-1) for some in (made, own)]
    return float((units[0] - units[1]).abs().max())
