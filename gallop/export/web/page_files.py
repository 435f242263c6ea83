"""The page's files: made of a classifier, and written into a folder or into a zip."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from gallop import __version__
from gallop.backbones.text.causal import CausalTextEncoder, reads_clip_tokens
from gallop.backbones.text.tokenizers import clip_tokenizer
from gallop.checkpoints.settings_file import Checkpoint
from gallop.config import HEADS, ZERO_SHOT, train_preset
from gallop.errors import PageError
from gallop.estimator import GalLoPClassifier
from gallop.export.onnx import PATTERNS, ready_for_onnx
from gallop.export.web import FACTS, FIRST_NAMES, SHOWN, TAUGHT_NAMES, PagePrecision, checked_origins
from gallop.export.web.encoders import check_encoders, text_onnx, vision_onnx
from gallop.export.web.fetch import SCRIPT_FILE, WASM_FILE, runtime_files
from gallop.features.near_duplicates import ALIKE_GLOBAL, ALIKE_PLACES, tells_copies
from gallop.maps.explainer import STYLE_SHEET
from gallop.maps.explainer.payload import explainer_data, palettes
from gallop.model.branches.kinds import HALVED, KINDS, NAMES, PENALTY
from gallop.model.branches.mix import ENOUGH_SHOTS, SPREAD
from gallop.model.prompted import PromptModel, initial_prompts
from gallop.names.templates import PLACE
from gallop.runtime.reading import read_bytes
from gallop.sample import sample_photos
from gallop.training.learn import RELIABLE_SHOTS

_FORMAT = 1
_PAGE, _TEACH = (Path(__file__).with_name(name) for name in ("page", "teach"))
_WORKER = "sw.js"
_VERSION, _FILES = 'const VERSION = "";', "const FILES = [];"  # lines of the service worker, replaced by this page's
_LARGEST = 4 * 2**20
_HEAD = "ridge"  # that is taught on a page


def page_files(
    model: GalLoPClassifier | None = None,
    precision: PagePrecision = "fp32",
    photos: Sequence[Any] = (),
    *,
    teach: bool = False,
    embed: Sequence[str] = (),
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the page's files by name, and the facts that it reads.

    Args:
        photos: to compare the encoders with, in addition to the sample's: whatever ``load_image`` takes.
        teach: as ``write``.
        embed: as ``write``.

    Raises:
        PageError, OnnxError: as ``write``.
    """
    origins, runtime = checked_origins(embed), runtime_files()
    if model is None:
        model = GalLoPClassifier(device="cpu").zero_shot(TAUGHT_NAMES if teach else FIRST_NAMES)
    before = model.model_
    if teach and before.templates == ZERO_SHOT["default"][: before.config.global_prompts]:
        # What is learned there continues from prompts, of which a template is none.
        model = GalLoPClassifier(before.backbone, method=before.config).zero_shot(before.class_names)
    model = ready_for_onnx(model)
    facts = page_facts(model)
    if teach and facts["fixed"]:
        raise PageError(
            "A page that teaches begins with a model without training, and this one was trained, or reads no names. "
            "Leave the model out, or choose a zero-shot one."
        )
    if teach:
        facts["teach"] = teach_facts(model)
    shown = photos_to_begin_with(model.model_.class_names)
    large = _encoders(model, precision) | {f"runtime/{WASM_FILE}": runtime[WASM_FILE]}
    photos = [*shown, *photos]
    difference = check_encoders(
        model, large["encoders/vision.onnx"], large.get("encoders/text.onnx"), precision, photos
    )
    files = {f"{name}.packed": gzip.compress(data, 9, mtime=0) for name, data in large.items()}
    facts |= {
        "precision": precision,
        "agreement": {"difference": difference, "photos": PATTERNS + len(photos)},
        "large": {name: len(data) for name, data in files.items()},
        "samples": [f"samples/{path.name}" for path in shown],
        "embed": origins,
    }
    if shown:  # what it shows until the encoders are loaded
        files["first.json"] = json.dumps(explainer_data(model.explain(shown[0]))).encode()
    files |= page_sources(shown, teach=teach) | {f"runtime/{SCRIPT_FILE}": runtime[SCRIPT_FILE]}
    facts["version"] = _digest(files | {FACTS: json.dumps(facts).encode()})
    files[FACTS] = json.dumps(facts, ensure_ascii=False).encode()
    files[_WORKER] = _service_worker(files, facts["version"])
    return dict(sorted(files.items())), facts


def page_facts(classifier: GalLoPClassifier) -> dict[str, Any]:
    """Return what the page reads first; which files there are, and how large, comes on top.

    Raises:
        PageError: its photos are resized in a way that the page does not know.
    """
    model, calibration = classifier.model_, classifier.calibration_
    backbone, config = model.backbone, model.config
    if backbone.preprocess.interpolation != "bicubic":
        raise PageError(
            f"A model with {backbone.name} cannot be exported as a page: it needs {backbone.preprocess.interpolation} "
            "interpolation, but the page resizes photos with bicubic interpolation. Use another backbone."
        )
    return {
        "format": _FORMAT,
        "gallop": __version__,
        "backbone": backbone.name,
        "fixed": has_fixed_classes(model),
        "names": list(model.class_names),
        "templates": list(model.templates or (f"{words} {PLACE}" for words in config.sentences)),
        "prompts": [config.global_prompts, len(config.topk)],
        "topk": list(config.topk),
        "preprocess": {name: getattr(backbone.preprocess, name) for name in ("size", "squash", "mean", "std")},
        "looks": list(model.sight.times),
        "grids": [{"rows": rows, "columns": columns} for rows, columns in model.sight.grids(backbone)],
        "damping": asdict(model.damping),
        "scale": backbone.logit_scale,
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        "doubt": calibration.doubt,
        "alike": classifier.prompts.diversity().words if has_fixed_classes(model) else "",
        "branches": [{"name": HEADS[kind].title, "weight": weight} for kind, weight in model.branch_weights.items()],
        "width": backbone.feature_sizes[-1],
        "room": backbone.text.context_length,
        "palettes": palettes(),
    }


def teach_facts(classifier: GalLoPClassifier) -> dict[str, Any]:
    """Return what the scripts of the page compute and write with.

    What is taught there is what ``GalLoPClassifier(epochs=0, head="ridge").fit`` learns: prompts stay as they are.

    Raises:
        PageError: the classifier has templates or a second look at photos.
    """
    model = classifier.model_
    if model.templates is not None or len(model.sight.times) > 1:
        raise PageError(
            "A page that teaches looks at a photo once and has no templates, as this model has. Leave the model out."
        )
    training, usual = train_preset("default", epochs=0), KINDS[_HEAD].usual
    taught = Checkpoint.of(model.with_config(replace(model.config, head=_HEAD)), training, classifier.calibration_)
    state = np.random.default_rng(training.seed).bit_generator.state["state"]
    context = model.prompts.global_contexts[0].detach().cpu().float().numpy()
    return {
        "head": HEADS[_HEAD].title,
        "ridge": {"penalty": PENALTY, "names": NAMES, "halved": HALVED},
        "mix": {"weight": usual.weight, "temperature": usual.temperature, "spread": SPREAD, "enough": ENOUGH_SHOTS},
        "folds": training.calibration_folds,
        "seed": training.seed,
        "random": [str(state["state"]), str(state["inc"])],
        "reliable": RELIABLE_SHOTS,
        "tpr": classifier.calibration_.tpr,
        "alike": {"global": ALIKE_GLOBAL, "places": ALIKE_PLACES} if tells_copies(model.backbone) else None,
        "checkpoint": taught.record(),
        "context": base64.b64encode(np.ascontiguousarray(context, dtype="<f4").tobytes()).decode(),
        "textWidth": context.shape[-1],
        "identities": {name: len(value) for name, value in model.prompts.state_dict().items() if value.ndim == 2},
    }


def has_fixed_classes(model: PromptModel) -> bool:
    """Return whether the page takes the text features of the classes as they are, and no other names.

    That is the case where something was learned from photos of these classes, and where the text encoder is not of
    CLIP's kind.
    """
    learned = model.prompts.digest() != initial_prompts(model.backbone, model.config).digest()
    return learned or bool(model.branches) or not reads_clip_tokens(model.backbone.text)


def class_features(classifier: GalLoPClassifier) -> bytes:
    """Return text features after global, then after local prompts: (K, M + N, D), little-endian float32."""
    text = classifier.model_.cached_text_features()
    both = torch.cat([text.global_, text.local], dim=1).detach().cpu().float().numpy()
    return np.ascontiguousarray(both, dtype="<f4").tobytes()


def photos_to_begin_with(class_names: Sequence[str]) -> list[Path]:
    """Return sample photos of classes that a classifier knows."""
    there = {photo.path.stem: photo.path for photo in sample_photos() if photo.part == "test"}
    return [there[stem] for name, stem in SHOWN.items() if name in class_names]


def _encoders(model: GalLoPClassifier, precision: PagePrecision) -> dict[str, bytes]:
    """What is large, and made of this model."""
    made = {"encoders/vision.onnx": vision_onnx(model, precision)}
    if has_fixed_classes(model.model_):
        return made | {"encoders/classes.bin": class_features(model)}
    merges = "\n".join(" ".join(pair) for pair in clip_tokenizer().bpe_ranks)
    return made | {
        "encoders/text.onnx": text_onnx(cast(CausalTextEncoder, model.model_.backbone.text), precision),
        "encoders/merges.txt": merges.encode(),
    }


def page_sources(photos: Sequence[Path] = (), *, teach: bool = False) -> dict[str, bytes]:
    """Return what is the same for every model, page and explainer, and photos of the sample."""
    source, paths = STYLE_SHEET.with_name("src"), dict[str, Path]()
    for folder in (_PAGE, _TEACH) if teach else (_PAGE,):
        paths |= {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    paths |= {f"explainer/{path.name}": path for path in source.glob("*.js")}
    paths |= {f"explainer/{STYLE_SHEET.name}": STYLE_SHEET} | {f"samples/{path.name}": path for path in photos}
    return {name: read_bytes(path, _LARGEST) for name, path in paths.items()}


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}:{len(data)}:".encode() + data)
    return digest.hexdigest()[:16]


def _service_worker(files: Mapping[str, bytes], version: str) -> bytes:
    """The service worker, with its version and the names of the files that it caches filled in."""
    names = json.dumps(sorted(name for name in files if name != _WORKER))
    script = files[_WORKER].decode().replace(_VERSION, f'const VERSION = "{version}";')
    return script.replace(_FILES, f"const FILES = {names};").encode()
