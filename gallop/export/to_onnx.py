"""Whether a classifier can be an ONNX model."""

from __future__ import annotations

import copy
import importlib.util

from sklearn.utils.validation import check_is_fitted

from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.model.prompted import PromptModel

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def ready_for_onnx(classifier: GalLoPClassifier) -> GalLoPClassifier:
    """Return a classifier that can be written, a copy where it computes elsewhere than on the CPU.

    Raises:
        OnnxError: the extra is missing, or the backbone computes in another precision than fp32.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OnnxError(f"{' and '.join(missing)} must be installed for this: pip install 'gallop-explorer[onnx]'.")
    check_is_fitted(classifier, "model_")
    if classifier.model_.backbone.precision != "fp32":
        raise OnnxError("ONNX is checked against fp32: load the model with precision='fp32'.")
    return classifier if classifier.model_.backbone.device.type == "cpu" else _on_cpu(classifier)


def _on_cpu(classifier: GalLoPClassifier) -> GalLoPClassifier:
    """A copy that computes where the file is checked; the other stays where it is."""
    model, copied = classifier.model_, copy.copy(classifier)
    copied.model_ = PromptModel(
        model.backbone.copy_on("cpu"),
        model.class_names,
        model.config,
        copy.deepcopy(model.prompts).to("cpu"),
        model.templates,
        model.branches,
    )
    return copied
