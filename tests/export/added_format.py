"""One more export format, as one file: whoever uses ``added_format`` finds it among the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gallop.export import formats

FORMAT = """
from gallop.export.format import Exported, ExportFormat, ModelToExport


def _make(model):
    names = model.classifier.classes_.tolist()
    return Exported("".join(f"{name}\\n" for name in names).encode(), ("2 lines were counted.",), {"lines": len(names)})


LIST_OF_CLASSES = ExportFormat(
    ModelToExport,
    name="list of classes",
    help="the class names, a line each",
    suffix=".txt",
    media_type="text/plain",
    make=_make,
    details="With the last line ended, too.",
)
"""


@pytest.fixture
def added_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "list_of_classes.py").write_text(FORMAT, encoding="utf-8")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, f"{formats.__name__}.list_of_classes", raising=False)
