"""Every failure that is told to a person, under one base, and what people are told of the rest."""

from __future__ import annotations

import errno
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
import torch

import gallop
from gallop.cli import main
from gallop.errors import CommandError, ConfigError, GallopError, TemplateError, first_line, sentence_of
from gallop.estimator import GalLoPClassifier
from tests.conftest import ROOT
from tests.tiny import edit_settings

APP = ROOT / "app"
LOGIC = [
    path
    for path in sorted(APP.rglob("*.py"))
    if path.relative_to(APP).parts[0] not in ("ui", "main.py", "navigation.py")
]


def raised_classes() -> list[type[BaseException]]:
    """All classes of errors that library and app define, wherever they stand."""
    modules = [name.name for name in pkgutil.walk_packages(gallop.__path__, "gallop.") if "__main__" not in name.name]
    modules += [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in LOGIC]
    found: dict[str, type[BaseException]] = {}
    for name in modules:
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(kind, BaseException) and kind.__module__ in modules:
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return [found[name] for name in sorted(found)]


def test_every_kind_of_error_has_the_one_base_and_is_told_as_it_speaks() -> None:
    kinds = raised_classes()
    assert {"ImageError", "TemplateError", "ArchiveError", "QueueFull"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        assert issubclass(kind, GallopError), f"{kind.__module__}.{kind.__qualname__} is no GallopError"
        assert sentence_of(kind("No such thing; use another.")) == "No such thing; use another."


@pytest.mark.parametrize("kind", [ConfigError, TemplateError])
def test_pythons_own_kind_still_catches_them(kind: type[GallopError]) -> None:
    assert issubclass(kind, ValueError)
    assert not issubclass(CommandError, ValueError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b.csv"), "/a/b.csv: No space left on device."),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (OSError("cannot do this"), "cannot do this"),
        (MemoryError(), "There is not enough memory for this."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "There is not enough memory for this."),
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), "The GPU does not have enough memory for this."),
        (
            getattr(torch, "AcceleratorError", torch.cuda.OutOfMemoryError)("CUDA error: bad access\nCompile with ..."),
            "The GPU failed (CUDA error: bad access)." if hasattr(torch, "AcceleratorError") else "The GPU",
        ),
        # Libraries beside torch, and torch before 2.8, have no kind of their own.
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "The GPU does not have enough memory for this.",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "The GPU does not have enough memory for this."),
        (RuntimeError("CUDA error: out of memory\nCompile with ..."), "The GPU does not have enough memory for this."),
        (
            RuntimeError("CUDA error: an illegal memory access\nCUDA kernel errors ..."),
            "The GPU failed",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "The GPU failed (cuDNN error: CUDNN_STATUS_"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(error: Exception, said: str) -> None:
    assert str(sentence_of(error)).startswith(said)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        RuntimeError("shapes differ"),
        KeyError("x"),
        TypeError("y"),
        ValueError("CUDA error: out of memory"),
        RuntimeError("expected all tensors on one device, CUDA error: none"),
    ],
)
def test_a_mistake_of_ours_is_not_told_as_somebody_elses(error: Exception) -> None:
    assert sentence_of(error) is None


def test_an_error_quoted_within_a_sentence() -> None:
    assert first_line(RuntimeError("CUDA error: busy.\nCompile with ...")) == "CUDA error: busy"
    assert first_line(RuntimeError()) == "RuntimeError"


def test_a_model_whose_templates_do_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    GalLoPClassifier("mini", cache=False).zero_shot(["cat", "dog"], ["a photo of a {}"]).save(model)
    edit_settings(model, lambda settings: settings.update(templates=[f"{i} photos of a {{}}" for i in range(99)]))
    assert main(["predict", "photo.jpg", "--model", str(model)]) == 2
    assert "99 templates were given for 4 global prompts" in capsys.readouterr().err
