"""The page's files: made of a classifier, and written into a folder or into a zip."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

from gallop.backbones.text.causal import CausalTextEncoder
from gallop.backbones.text.tokenizers import clip_merges
from gallop.errors import PageError
from gallop.estimator import GalLoPClassifier
from gallop.export.to_onnx import ready_for_onnx
from gallop.export.web.checking import check_towers
from gallop.export.web.facts import class_features, has_fixed_classes, page_facts
from gallop.export.web.runtime import SCRIPT_FILE, WASM_FILE, runtime_files
from gallop.export.web.samples import FIRST_NAMES, photos_to_begin_with
from gallop.export.web.towers import PagePrecision, text_onnx, vision_onnx
from gallop.maps.explainer import STYLE_SHEET
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import write_file

FACTS = "model.json"
"""What tells that a folder holds a page."""
_PAGE = Path(__file__).with_name("page")
_WORKER = "sw.js"
_VERSION, _FILES = 'const VERSION = "";', "const FILES = [];"
"""Lines of the service worker, in whose place this page's come."""
_LARGEST = 4 * 2**20


def page_files(
    model: GalLoPClassifier | None = None, precision: PagePrecision = "fp32", photos: Sequence[Any] = ()
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the page's files by name, and the facts that it reads.

    Args:
        photos: to compare the towers with, beside the sample's: whatever ``load_image`` takes.

    Raises:
        PageError, OnnxError: as ``write``.
    """
    runtime = runtime_files()
    if model is None:
        model = GalLoPClassifier(device="cpu").zero_shot(FIRST_NAMES)
    model = ready_for_onnx(model)
    facts = page_facts(model)
    shown = photos_to_begin_with(model.model_.class_names)
    large = _towers(model, precision) | {f"runtime/{WASM_FILE}": runtime[WASM_FILE]}
    agreement = check_towers(
        model, large["towers/vision.onnx"], large.get("towers/text.onnx"), precision, [*shown, *photos]
    )
    files = {f"{name}.packed": gzip.compress(data, 9, mtime=0) for name, data in large.items()}
    facts |= {
        "precision": precision,
        "agreement": {"difference": agreement.difference, "photos": agreement.images},
        "large": {name: len(data) for name, data in files.items()},
        "samples": [f"samples/{path.name}" for path in shown],
    }
    files |= page_sources(shown) | {f"runtime/{SCRIPT_FILE}": runtime[SCRIPT_FILE]}
    facts["version"] = _digest(files | {FACTS: json.dumps(facts).encode()})
    files[FACTS] = json.dumps(facts, ensure_ascii=False).encode()
    files[_WORKER] = _told(files, facts["version"])
    return dict(sorted(files.items())), facts


def _towers(model: GalLoPClassifier, precision: PagePrecision) -> dict[str, bytes]:
    """What is large, and made of this model."""
    made = {"towers/vision.onnx": vision_onnx(model, precision)}
    if has_fixed_classes(model.model_):
        return made | {"towers/classes.bin": class_features(model)}
    merges = "\n".join(" ".join(pair) for pair in clip_merges())
    text = text_onnx(cast(CausalTextEncoder, model.model_.backbone.text), precision)
    return made | {"towers/text.onnx": text, "towers/merges.txt": merges.encode()}


def page_sources(photos: Sequence[Path] = ()) -> dict[str, bytes]:
    """Return what is the same for every model, page and explainer, and photos of the sample."""
    source = STYLE_SHEET.with_name("src")
    found = {path.relative_to(_PAGE).as_posix(): path for path in _PAGE.rglob("*") if path.is_file()}
    found |= {f"explainer/{path.name}": path for path in source.glob("*.js")}
    found |= {f"explainer/{STYLE_SHEET.name}": STYLE_SHEET} | {f"samples/{path.name}": path for path in photos}
    return {name: read_bytes(path, _LARGEST) for name, path in found.items()}


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}:{len(data)}:".encode() + data)
    return digest.hexdigest()[:16]


def _told(files: Mapping[str, bytes], version: str) -> bytes:
    """The service worker, told of which files it keeps, and under which version."""
    script = files[_WORKER].decode()
    names = json.dumps(sorted(name for name in files if name != _WORKER))
    for line, told in ((_VERSION, f'const VERSION = "{version}";'), (_FILES, f"const FILES = {names};")):
        if script.count(line) != 1:
            raise ValueError(f"The service worker has no line {line!r}.")
        script = script.replace(line, told)
    return script.encode()


def write_files(folder: str | PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write a page's files into a folder that is made, is empty, or holds a page.

    Raises:
        PageError: it holds something else.
        OSError: it cannot be written.
    """
    check_folder(folder)
    for name, data in files.items():
        write_file(Path(folder, name), data)


def check_folder(folder: str | PathLike[str]) -> None:
    """Refuse a folder that holds something else than a page.

    Raises:
        PageError: so it is, or it is a file.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise PageError(f"{path} is a file; name a folder for the page.")
    if path.is_dir() and any(path.iterdir()) and not (path / FACTS).is_file():
        raise PageError(f"{path} holds other files; name a folder that is empty, or is not there yet.")


def zipped_page(files: Mapping[str, bytes]) -> bytes:
    """Return a page's files as a zip. What is large is packed already."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            kind = zipfile.ZIP_STORED if name.endswith(".packed") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(f"page/{name}"), data, kind)
    return stream.getvalue()
