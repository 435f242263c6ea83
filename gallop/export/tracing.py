"""What a module computes, followed by torch's exporter and written as an ONNX model.

The exporter swaps functions of torch for the entire process while it follows a module, so a backbone that answers on
another thread meanwhile would be followed, too, and fail; and it never frees half a gigabyte of memory. So on any
thread but the first, where others may be answering at the same time (the app), a separate process does the work; it
takes some seconds to start.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gallop.errors import OnnxError

_REFUSED = 3  # exit status of the process that follows a module, where torch cannot write it


@dataclass(frozen=True)
class ToTrace:
    """A module, and how it is followed.

    Attributes:
        inputs: one example.
        names: of inputs and outputs.
        free: ``dynamic_shapes`` of ``torch.onnx.export``; None fixes the example's.
        as_stored: the weights stay those of the module, and onnxruntime joins them when it opens the file.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[Sequence[str], Sequence[str]]
    free: Any = None
    as_stored: bool = False


def onnx_model(what: ToTrace) -> Any:
    """Return it as an ONNX model (``onnx.ModelProto``).

    Raises:
        OnnxError: it cannot be written.
    """
    import onnx

    first = threading.current_thread() is threading.main_thread()
    return onnx.load_from_string(followed(what) if first else _apart(what))


def followed(what: ToTrace) -> bytes:
    """Return the bytes of the model, made in this process.

    Raises:
        OnnxError: it cannot be written.
    """
    from onnxscript.optimizer import fold_constants

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            program = torch.onnx.export(
                what.module.eval(),
                what.inputs,
                dynamo=True,
                input_names=what.names[0],
                output_names=what.names[1],
                dynamic_shapes=what.free,
                verbose=False,
                optimize=not what.as_stored,
            )
        assert program is not None
        if what.as_stored:
            fold_constants(program.model)  # shapes and limits, which are small
        else:  # weights whose layout alone changes are stored in that layout, which onnxruntime needs for 8 bits
            fold_constants(
                program.model,
                should_fold=lambda node: (
                    node.op_type in ("Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose") or None
                ),
                output_size_limit=2**31,
            )
        return bytes(program.model_proto.SerializeToString())
    except Exception as error:  # the exporter lets nearly anything through
        raise OnnxError(
            f"This model cannot be exported to ONNX with torch {torch.__version__} ({type(error).__name__}). Newer "
            "versions of torch and onnxscript may work."
        ) from error


def _apart(what: ToTrace) -> bytes:
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import _other_process; _other_process()"],
        input=pickle.dumps(what),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if done.returncode == _REFUSED:
        raise OnnxError(done.stdout.decode())
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise OnnxError(
            f"The process that writes the ONNX model ended with status {done.returncode}: {lines[-1]}. If it ran out "
            "of memory, close other programs and try again."
        )
    return done.stdout


def _other_process() -> None:
    """``ToTrace`` on standard input; on standard output the bytes, or, with status ``_REFUSED``, why there are none."""
    answers = os.dup(1)
    os.dup2(2, 1)  # the exporter may print
    try:
        output, status = followed(pickle.load(sys.stdin.buffer)), 0
    except OnnxError as error:
        output, status = str(error).encode(), _REFUSED
    with os.fdopen(answers, "wb") as stream:
        stream.write(output)
    sys.exit(status)
