"""What torch computes as an ONNX model, and whether a classifier can be one."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from gallop.errors import OnnxError
from gallop.estimator import GalLoPClassifier
from gallop.model.gallop import GalLoP

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


def onnx_model(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    free: Any = None,
    *,
    as_stored: bool = False,
) -> Any:
    """Return what a module computes as an ONNX model (``onnx.ModelProto``).

    Args:
        inputs: one example.
        names: of inputs and outputs.
        free: ``dynamic_shapes`` of ``torch.onnx.export``; None fixes the example's.
        as_stored: the weights stay those of the module, and onnxruntime joins them when it opens the file.

    Raises:
        OnnxError: it cannot be written.
    """
    from onnxscript.optimizer import fold_constants

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            program = torch.onnx.export(
                module.eval(),
                inputs,
                dynamo=True,
                input_names=names[0],
                output_names=names[1],
                dynamic_shapes=free,
                verbose=False,
                optimize=not as_stored,
            )
        assert program is not None
        if as_stored:
            fold_constants(program.model)  # shapes and limits, which are small
        else:  # weights that are only laid out otherwise become weights of that layout: who quantises looks for these
            fold_constants(program.model, should_fold=_lays_out, output_size_limit=2**31)
        return program.model_proto
    except Exception as error:  # the exporter lets nearly anything through
        raise OnnxError(
            f"This model cannot be written as ONNX with torch {torch.__version__} ({type(error).__name__}). "
            "A newer torch and onnxscript may do it."
        ) from error


def _lays_out(node: Any) -> bool | None:
    return node.op_type in ("Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose") or None
