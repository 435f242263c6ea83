"""How a model is written as ONNX: in this process, or, where others answer beside it, in one of its own."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

import torch
from torch import Tensor, nn

from gallop.errors import OnnxError
from gallop.export.tracing import ToTrace, onnx_model


class Stubborn(nn.Module):
    """Says what it thinks of being followed."""

    def forward(self, numbers: Tensor) -> Tensor:
        print("words for standard output")
        raise KeyError("no")


class Gone(nn.Module):
    """Ends the process that is given it."""

    def __reduce__(self) -> tuple[object, ...]:
        return sys.exit, ("killed, as it were",)


def write(module: nn.Module, on_a_thread: bool) -> object:
    what = ToTrace(module, (torch.ones(2, 3),), (["numbers"], ["found"]))
    with ThreadPoolExecutor(1) as other:
        return other.submit(onnx_model, what).result() if on_a_thread else onnx_model(what)


@pytest.mark.slow
def test_on_another_thread_the_exporter_is_left_alone_and_a_look_for_maps_is_not_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It swaps ``nn.Module.__call__`` for all threads: whoever answered meanwhile met an error of its own."""
    from gallop.config import MethodConfig
    from gallop.export.onnx import export_onnx
    from tests import tiny

    called: list[object] = []
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **_: called.append(given))
    method = MethodConfig(detail=2, detail_in="maps", topk=())  # a look for maps alone, which is not in the file
    classifier = tiny.classifier(method=method, topk=(), global_prompts=1, dropout=0.0).zero_shot(["red", "green"])
    with ThreadPoolExecutor(1) as other:
        made = other.submit(export_onnx, classifier).result()
    assert not called
    assert made.parity.labels_differ == 0
    assert list(made.parity.by_output) == ["probabilities", "ood_score", "global_cosines"]
    assert not [key for key in made.metadata if "finer" in key or key == "detail"]


@pytest.mark.parametrize("on_a_thread", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_cannot_be_written_is_refused_in_a_sentence(on_a_thread: bool) -> None:
    with pytest.raises(OnnxError, match=r"cannot be written as ONNX with torch .*Error"):
        write(Stubborn(), on_a_thread)


def test_a_process_that_ends_says_how() -> None:
    with pytest.raises(OnnxError, match=r"ended with status 1: killed, as it were. Where memory was short"):
        write(Gone(), on_a_thread=True)
