"""How a model is written as ONNX: in this process, or, where others answer beside it, in one of its own."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import onnxruntime
import torch
from torch import Tensor, nn

from gallop.errors import OnnxError
from gallop.export import tracing
from gallop.export.onnx import export_onnx
from gallop.export.tracing import ToTrace, followed, onnx_model
from tests import tiny


def test_on_another_thread_the_exporter_is_left_alone_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It swaps ``nn.Module.__call__`` for all threads: whoever answered meanwhile met an error of its own."""
    called: list[object] = []
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **_: called.append(given))
    with ThreadPoolExecutor(1) as other:
        made = other.submit(export_onnx, tiny.classifier().zero_shot(["red", "green"])).result()
    assert made.parity.labels_differ == 0
    assert not called


class Twice(nn.Module):
    def forward(self, numbers: Tensor) -> Tensor:
        return 2 * numbers


class Stubborn(nn.Module):
    """Says what it thinks of being followed."""

    def forward(self, numbers: Tensor) -> Tensor:
        print("words for standard output")
        raise KeyError("no")


class Gone(nn.Module):
    """Ends the process that would follow it."""

    def forward(self, numbers: Tensor) -> Tensor:
        sys.exit("killed, as it were")


def to_trace(module: nn.Module) -> ToTrace:
    return ToTrace(module, (torch.ones(2, 3),), (["numbers"], ["found"]))


def test_both_ways_write_the_same_model() -> None:
    here, apart = followed(to_trace(Twice())), tracing._apart(to_trace(Twice()))
    numbers = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    for data in (here, apart):
        (found,) = onnxruntime.InferenceSession(data).run(None, {"numbers": numbers})
        assert np.array_equal(found, 2 * numbers)


@pytest.mark.parametrize("on_a_thread", [False, True])
def test_what_cannot_be_written_is_refused_in_a_sentence(on_a_thread: bool) -> None:
    with ThreadPoolExecutor(1) as other:

        def write() -> object:
            what = to_trace(Stubborn())
            return other.submit(onnx_model, what).result() if on_a_thread else onnx_model(what)

        with pytest.raises(OnnxError, match=r"cannot be written as ONNX with torch .*Error"):
            write()


def test_a_process_that_ends_says_how() -> None:
    with pytest.raises(OnnxError, match=r"ended with status 1: killed, as it were. Where memory was short"):
        tracing._apart(to_trace(Gone()))
