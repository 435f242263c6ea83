"""Runs: the facts of one, comparisons of two, the spread over seeds; a run as JSON, a model as a zip.

An uploaded zip is read as ``archives`` reads photos: streamed, with limits, and only its two named members. The library
then checks both files itself. Knows no Streamlit and no torch; ``store`` saves the runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, BinaryIO

from app import text
from app.backbones import DEFAULT_BACKBONE
from app.jobs import PlainError
from app.library import Backbone, GalLoPClassifier
from app.teaching.training import Answer, Course, Point, Settings, Taught, thinned
from gallop.data import data_fingerprint
from gallop.data.zip_files import ArchiveError, OpenedZip, opened_zip
from gallop.errors import GallopError
from gallop.evaluation.intervals import Paired, Proportion
from gallop.images.formats import printable_name
from gallop.runtime.reading import read_bytes
from gallop.setting import recorded, settings_of
from gallop.wording import counted, listed

# The id of zero-shot, which no training made.
ZERO_SHOT = 0
# Points of a learning curve that are saved with its run.
MOST_POINTS = 400


@dataclass(frozen=True)
class Run(Course):
    """One training as it is saved, or zero-shot. Photos themselves are never saved.

    Attributes:
        made: seconds since 1970.
        settings: None for zero-shot.
        backbone_name: the backbone it was trained on; the built-in one for runs from before there was a choice.
        fingerprint: of the weights of that backbone; empty where it was not saved.
    """

    id: int
    name: str
    made: float
    class_names: tuple[str, ...]
    settings: Settings | None
    backbone_name: str = DEFAULT_BACKBONE
    fingerprint: str = ""

    @property
    def data(self) -> str:
        """Fingerprint of the photos on the cards and their classes."""
        pairs = sorted(self.content)
        return data_fingerprint([digest for _, digest in pairs], [name for name, _ in pairs])


def of_taught(taught: Taught, name: str, made: float) -> Run:
    """Return the run of a training that has just ended, without a number."""
    return Run(
        ZERO_SHOT,
        name,
        made,
        taught.names,
        taught.settings,
        backbone_name=taught.backbone_name,
        fingerprint=taught.after.model_.backbone.fingerprint,
        **taught.course() | {"history": thinned(taught.history, MOST_POINTS)},
    )


def zero_shot_run(of: Run) -> Run:
    """Return zero-shot on the classes and photos of a run, as measured before its training."""
    return replace(
        of,
        id=ZERO_SHOT,
        name="Zero-shot",
        settings=None,
        shots=0,
        steps=0,
        of_steps=0,
        best_epoch=None,
        history=(),
        answers=of.answers_before,
        answers_before={},
    )


def same_backbone(a: Run, b: Run) -> bool:
    """Return whether two runs use the same backbone, by its weights or, where these are unknown, by its name."""
    if a.fingerprint and b.fingerprint:
        return a.fingerprint == b.fingerprint
    return a.backbone_name == b.backbone_name


def backbones_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the backbone's name for each run, to distinguish them; empty where all use the same.

    Where two backbones with the same name have different weights, their fingerprints follow.
    """
    if all(same_backbone(run, runs[0]) for run in runs):
        return ("",) * len(runs)
    twice = len({(run.backbone_name, run.fingerprint) for run in runs}) > len({run.backbone_name for run in runs})
    return tuple(
        f"{run.backbone_name} ({run.fingerprint[:8]})" if twice and run.fingerprint else run.backbone_name
        for run in runs
    )


def proportion_right(run: Run, photos: Iterable[str]) -> Proportion | None:
    """Return how many of these photos (content hashes) a run gets right; None where it answered none of them."""
    asked = [run.answers[digest] for digest in photos if digest in run.answers]
    return Proportion(sum(answer.right for answer in asked), len(asked)) if asked else None


def tests(run: Run) -> frozenset[str]:
    """Return the photos that a run was tested on and not trained on."""
    return frozenset(digest for digest, answer in run.answers.items() if not answer.seen)


def on_tests(run: Run) -> Proportion | None:
    return proportion_right(run, tests(run))


def fair(a: Run, b: Run) -> frozenset[str]:
    """Return the photos that both answered and neither was trained on: only these compare them."""
    return tests(a) & tests(b)


def flips(a: Run, b: Run) -> list[str]:
    """Return photos that two runs answer differently, by content hash: first those that neither was trained on."""
    both = [digest for digest in a.answers if digest in b.answers]
    return sorted(
        [digest for digest in both if a.answers[digest].label != b.answers[digest].label],
        key=lambda digest: (a.answers[digest].seen or b.answers[digest].seen, who_is_right(a, b, digest)),
    )


def who_is_right(a: Run, b: Run, digest: str) -> str:
    """Return in words which of two runs is right on a photo that they answer differently."""
    mine, other = a.answers[digest].right, b.answers[digest].right
    return "A is right" if mine else "B is right" if other else "both are wrong"


def sign_test(a: Run, b: Run) -> Paired | None:
    """Return how many photos that compare them only A and only B gets right; None without such photos."""
    right = [(a.answers[digest].right, b.answers[digest].right) for digest in fair(a, b)]
    return Paired(right.count((True, False)), right.count((False, True))) if right else None


def differences(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Return what differs between two runs as (what, A's, B's), in words."""
    lines = [
        ("backbone", *backbones_of((a, b))),
        ("classes", *(", ".join(sorted(run.class_names)) for run in (a, b))),
        *(
            (about.words, _value(a.settings, key), _value(b.settings, key))
            for key, about in settings_of(Settings).items()
        ),
        ("training photos", str(a.shots), str(b.shots)),
        ("photos on the cards", a.data[:8], b.data[:8]),
        ("steps", _steps(a), _steps(b)),
    ]
    return [(what, mine, other) for what, mine, other in lines if mine != other]


def before(run: Run, runs: Iterable[Run]) -> Run | None:
    """Return the latest earlier run on the same backbone; None where there is none.

    Args:
        runs: the newest first.
    """
    number = run.id or inf  # a new one has no number yet
    return next((other for other in runs if other.id < number and same_backbone(run, other)), None)


def change_in_words(run: Run, other: Run) -> str:
    """Return what distinguishes a run from another, such as "dropout 0.5, 16 photos"; empty for no difference."""
    parts = [
        about.phrase(_value(run.settings, key))
        for key, about in settings_of(Settings).items()
        if key != "shots" and getattr(run.settings, key) != getattr(other.settings, key)
    ]
    if {*run.class_names} != {*other.class_names}:
        parts.append("other classes")
    elif run.content != other.content or run.shots != other.shots:
        parts.append("other photos" if run.shots == other.shots else counted(run.shots, "photo"))
    return listed(parts, most=3)


def _value(settings: Settings | None, key: str) -> str:
    if settings is None:
        return "-"
    value = getattr(settings, key)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str | bool):
        return value if isinstance(value, str) else "yes" if value else "no"
    return "all" if key == "shots" and value == 0 else f"{value:g}"


def _steps(run: Run) -> str:
    return f"{run.steps} of {run.of_steps}" if run.stopped_early else str(run.steps)


def seeds_in_words(run: Run, runs: Sequence[Run]) -> str:
    """Return the accuracy over seeds, such as "71.0 % on average over 5 seeds, from 64.0 % to 78.0 %, standard
    deviation 6.0 points"; empty where no run differs from this one in the seed alone.

    Args:
        runs: the newest first: it counts where two have one seed.
    """
    by_seed = {
        other.settings.seed: right.value
        for other in reversed(runs)
        if other.settings is not None
        and run.settings is not None
        and replace(other.settings, seed=run.settings.seed) == run.settings
        and (set(other.class_names), other.content, tests(other)) == (set(run.class_names), run.content, tests(run))
        and not other.stopped_early
        and same_backbone(run, other)
        and (right := on_tests(other)) is not None
    }
    if len(by_seed) < 2:
        return ""
    values = by_seed.values()
    mean, least, most = (text.share(value, 1) for value in (fmean(values), min(values), max(values)))
    return (
        f"{mean} on average over {len(values)} seeds, from {least} to {most}, standard deviation "
        f"{100 * stdev(values):.1f} points"
    )


# Settings that every run records, as the first ones did. Nothing is ever added here.
_FIRST = ("shots", "global_prompts", "topk", "dropout", "lr", "epochs", "batch_size", "views", "seed")


def written(run: Run) -> str:
    """Return a run's facts as JSON, without its number, its name and when it was made."""
    facts = {
        "class_names": run.class_names,
        "settings": recorded_settings(run.settings) if run.settings else None,
        "backbone": run.backbone_name,
        "fingerprint": run.fingerprint,
        "data": run.data,
        "content": sorted(run.content),
        "shots": run.shots,
        "steps": run.steps,
        "of_steps": run.of_steps,
        "best_epoch": run.best_epoch,
        "history": [[point.step, round(point.loss, 6), round(point.accuracy, 6)] for point in run.history],
        "answers": _answers(run.answers),
        "answers_before": _answers(run.answers_before),
    }
    return json.dumps(facts, ensure_ascii=False)


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings as a run records them: a setting that was added later only where it is used."""
    return recorded(settings, _FIRST)


def _answers(answers: Mapping[str, Answer]) -> dict[str, list[Any]]:
    return {digest: [a.truth, a.label, a.probability, a.seen] for digest, a in answers.items()}


def backbone_key(facts: Mapping[str, Any]) -> str:
    """Return the key under which a run or a project stores the name of its backbone."""
    return "tower" if "tower" in facts else "backbone"  # its name in older files


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("this is a text in every run")
    return value


def run_of_facts(facts: Mapping[str, Any], id: int, name: str, made: float) -> Run:
    """Return a run from its facts, as parsed from JSON, and what is saved beside them.

    Raises:
        UnknownPart: its settings name a head, or a function, that this program does not have.
        ValueError, KeyError, TypeError, AttributeError: it was changed by something else.
    """
    settings = facts["settings"] | {"topk": tuple(facts["settings"]["topk"])}
    after, before = (
        {digest: Answer(*fields) for digest, fields in facts[key].items()} for key in ("answers", "answers_before")
    )
    return Run(
        id=id,
        name=_text(name),
        made=float(made),
        class_names=tuple(facts["class_names"]),
        settings=Settings(**settings),
        backbone_name=_text(facts.get(backbone_key(facts), DEFAULT_BACKBONE)),
        fingerprint=_text(facts.get("fingerprint", "")),
        content=frozenset((name, digest) for name, digest in facts["content"]),
        history=tuple(Point(*point) for point in facts["history"]),
        **{key: facts[key] for key in ("shots", "steps", "of_steps", "best_epoch")},
        answers=after,
        answers_before=before,
    )


ZIP_SETTINGS, ZIP_TENSORS = "gallop.json", "prompts.safetensors"
_FOLDER = "model"
# Bytes: ten times what the largest models need.
MOST_ZIP_BYTES = {ZIP_SETTINGS: 4 * 2**20, ZIP_TENSORS: 64 * 2**20}
# The same model gives the same zip.
_ANY_DAY = (1980, 1, 1, 0, 0, 0)


class ModelProblem(PlainError):
    """A model that is not accepted; the message says why and what to do."""


@dataclass(frozen=True)
class Files:
    """A checkpoint as the library writes it: ``gallop.json`` and the bytes of ``prompts.safetensors``."""

    settings: str
    prompts: bytes

    def as_folder(self, card: str = "", folder: str = _FOLDER) -> dict[str, bytes]:
        """Return the folder's files by path, for ``zipped``, with the model card if there is one."""
        contents = {ZIP_SETTINGS: self.settings.encode(), ZIP_TENSORS: self.prompts}
        contents |= {"README.md": card.encode()} if card else {}
        return {f"{folder}/{name}": content for name, content in contents.items()}


@contextlib.contextmanager
def _for_a_moment() -> Iterator[str]:
    try:
        with tempfile.TemporaryDirectory(prefix="gallop") as folder:
            yield folder
    except OSError as error:
        raise ModelProblem(
            f"The temporary folder of the machine that runs this app cannot be used ({error.strerror}), so the model "
            "cannot be saved or opened. Free some space there, or set TMPDIR to a different folder."
        ) from error


def files_of(classifier: GalLoPClassifier) -> Files:
    """Return what ``classifier.save`` writes.

    Raises:
        ModelProblem: the disk refuses.
    """
    with _for_a_moment() as folder:
        classifier.save(Path(folder, _FOLDER))
        return read_files(Path(folder, _FOLDER))


def read_files(folder: Path) -> Files:
    """Return the checkpoint in a folder. Raises OSError if it cannot be read."""
    settings, prompts = (read_bytes(folder / name, most) for name, most in MOST_ZIP_BYTES.items())
    return Files(settings.decode("utf-8"), prompts)


def classifier_of(files: Files, backbone: Backbone) -> GalLoPClassifier:
    """Return the classifier that was saved.

    Raises:
        ModelProblem: files that are damaged, of a newer version or hostile, or trained with another backbone; or the
            disk refuses.
    """
    from gallop import GalLoPClassifier

    with _for_a_moment() as folder:
        Path(folder, ZIP_SETTINGS).write_text(files.settings, encoding="utf-8")
        Path(folder, ZIP_TENSORS).write_bytes(files.prompts)
        try:
            classifier: GalLoPClassifier = GalLoPClassifier.load(folder, backbone=backbone)
        except GallopError as error:
            # Users do not know the temporary folder.
            raise ModelProblem(str(error).replace(f"{folder}/", "").replace(folder, "This model")) from error
    classifier.cache = False  # no features of visitors' photos are written to disk
    return classifier


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip, as bytes, of files by their path."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            archive.writestr(
                zipfile.ZipInfo(path, _ANY_DAY),
                content,
                zipfile.ZIP_STORED if path.endswith((".png", ".webp", ZIP_TENSORS)) else zipfile.ZIP_DEFLATED,
            )
    return stream.getvalue()


def file_name(words: str) -> str:
    """Return a file name with the letters, digits, spaces and dashes of ``words``."""
    allowed = "".join(char if char.isalnum() or char in " -" else "_" for char in words).strip()
    return allowed[:60] or "run"


def unzipped(archive: BinaryIO, name: str) -> Files:
    """Return the checkpoint in a zip: its two files, at the top or in one folder; nothing else is read.

    Raises:
        ModelProblem: not a zip, not exactly one checkpoint in it, or larger than any model.
    """
    shown = printable_name(name)
    try:
        with opened_zip(archive, shown) as opened:
            members = {wanted: _one(opened, wanted) for wanted in MOST_ZIP_BYTES}
        settings = members[ZIP_SETTINGS].decode("utf-8")
    except ArchiveError as error:
        raise ModelProblem(str(error)) from error
    except UnicodeDecodeError as error:
        raise ModelProblem(
            f"{ZIP_SETTINGS} in {shown} is not UTF-8 text. Use a zip made by this app or by `gallop`."
        ) from error
    return Files(settings, members[ZIP_TENSORS])


def _one(opened: OpenedZip, wanted: str) -> bytes:
    members = [
        member
        for member in opened.files
        if member.filename.replace("\\", "/").split("/")[-1] == wanted and "__MACOSX" not in member.filename
    ]
    if len(members) != 1:
        there = f"{len(members)} files named {wanted}" if members else f"no {wanted}"
        raise ArchiveError(
            f"{opened.shown} contains {there}: a model is one {ZIP_SETTINGS} and one {ZIP_TENSORS} in the same folder."
        )
    return opened.read(members[0], MOST_ZIP_BYTES[wanted])
