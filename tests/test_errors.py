"""Every failure that is told to a person, under one base, and what people are told of the rest and of strangers."""

from __future__ import annotations

import errno
import importlib
import inspect
import pickle
import pkgutil
import re
from pathlib import Path

import pytest
import torch

import gallop
from gallop.cli import main
from gallop.errors import (
    CheckpointError,
    CommandError,
    ConfigError,
    DataError,
    GallopError,
    TemplateError,
    first_line,
    sentence_of,
)
from gallop.estimator import GalLoPClassifier
from gallop.wording import LONGEST_SENTENCE, answer_in_words, listed, printable, shortened
from tests.conftest import ROOT
from tests.tiny import edit_settings


def raised_classes() -> dict[str, type[BaseException]]:
    """All classes of errors that library and app define, wherever they stand, by where that is."""
    modules = [name.name for name in pkgutil.walk_packages(gallop.__path__, "gallop.") if "__main__" not in name.name]
    for path in (ROOT / "app").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules += [".".join(parts)] if parts[1] not in ("ui", "main", "navigation") else []
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for name in modules
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ in modules
    }


def test_every_kind_of_error_has_the_one_base_and_is_told_as_it_speaks() -> None:
    kinds = raised_classes()
    assert {"ImageError", "TemplateError", "ArchiveError", "PlainError"} <= {kind.__name__ for kind in kinds.values()}
    assert [name for name, kind in kinds.items() if not issubclass(kind, GallopError)] == []
    told = {name: sentence_of(kind("No such thing; use another.")) for name, kind in kinds.items()}
    assert told == dict.fromkeys(kinds, "No such thing; use another.")


@pytest.mark.parametrize(("kind", "also"), [(ConfigError, True), (TemplateError, True), (CommandError, False)])
def test_pythons_own_kind_still_catches_them(kind: type[GallopError], also: bool) -> None:
    assert issubclass(kind, ValueError) is also


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
    quoted = first_line(RuntimeError("CUDA error: busy.\nCompile with ...")), first_line(RuntimeError())
    assert quoted == ("CUDA error: busy", "RuntimeError")


def test_a_model_whose_templates_do_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    GalLoPClassifier("mini", cache=False).zero_shot(["cat", "dog"], ["a photo of a {}"]).save(model)
    edit_settings(model, lambda settings: settings.update(templates=[f"{i} photos of a {{}}" for i in range(99)]))
    assert main(["predict", "photo.jpg", "--model", str(model)]) == 2
    assert "99 templates were given for 4 global prompts" in capsys.readouterr().err


# Words of strangers within our sentences ------------------------------------------------------------------------------


def test_control_characters_and_broken_names_become_escapes() -> None:
    assert printable("a\x1b[2Jb\udcffc\n") == "a\\x1b[2Jb\\udcffc\\n"


def test_a_long_text_loses_its_middle_and_keeps_the_way_out() -> None:
    short = shortened("There is no " + "x" * 10_000 + "; name another.", 60)
    assert re.fullmatch(r"(?=.{60}$)There is no x{3,} \.\.\. x*; name another\.", short), short
    assert shortened("short", 60) == "short"


def test_many_names_are_the_first_and_a_count() -> None:
    assert (listed(["a"]), listed(["a", "b", "c"], most=3)) == ("a", "a, b, c")
    assert listed(["a", "b", "c", "d"], most=3) == "a, b, c and 1 more"
    flood = listed([f"\x1b[2J{'x' * 100_000}{i}" for i in range(1000)])
    assert (len(flood) < 600, flood.isprintable(), flood[-13:]) == (True, True, " and 994 more")


@pytest.mark.parametrize("kind", [GallopError, CheckpointError, DataError])
def test_no_error_is_longer_than_a_page_whatever_it_quotes(kind: type[GallopError]) -> None:
    error = kind(f"names {'x' * 1_600_000}; take them away.")
    told = str(error)
    assert (len(told), told[-17:]) == (LONGEST_SENTENCE, "; take them away.")
    assert sentence_of(error) == str(pickle.loads(pickle.dumps(error))) == told


def test_what_the_system_says_of_a_long_name_is_short_too() -> None:
    assert len(sentence_of(OSError(36, "File name too long", "x" * 100_000)) or "") <= LONGEST_SENTENCE


def test_an_answer_is_none_of_these_where_the_limit_says_so() -> None:
    assert answer_in_words("lemon", True) == "none of these (nearest: lemon)"
    assert answer_in_words("lemon", False) == answer_in_words("lemon", None) == "lemon"
