"""A run: the facts of a training, written and read as JSON; how it differs from another; its checkpoint as files.

Knows no Streamlit and no torch. ``store`` saves runs, ``gallop.data.project_file`` puts them into a project's file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.jobs import PlainError
from app.library import Backbone, GalLoPClassifier
from app.shared_backbones import DEFAULT_BACKBONE, PAPERS_KIND, BackboneProblem, BackboneRoom, called
from app.teaching.training import Answer, Point, Taught, TeachSettings, TrainingRecord, thinned
from gallop.data.project_file import MOST_TEXT, RUN_FILES, is_digest, is_finite, is_integer, wrong
from gallop.data.zip_files import ArchiveError, opened_zip, zipped
from gallop.errors import GallopError, UnknownPart
from gallop.images.file_types import printable_name
from gallop.names.class_names import clean_names
from gallop.runtime.reading import parse_json, read_bytes
from gallop.setting import recorded, settings_of
from gallop.wording import listed

FORMAT = 1
FACTS, *CHECKPOINT = RUN_FILES
# Points of a learning curve that are saved with its run.
MOST_POINTS = 400
# Characters.
MOST_NAME = 80
# Settings that every run records, as the first ones did. Nothing is ever added here.
FIRST_SETTINGS = ("shots", "global_prompts", "topk", "dropout", "lr", "epochs", "batch_size", "views", "seed")


@dataclass(frozen=True, kw_only=True)
class Run(TrainingRecord):
    """One training as it is saved. Photos themselves are never saved.

    Attributes:
        id: the number of its folder; 0 where it has none.
        made: seconds since 1970; 0 where that is not known.
        backbone_name: the backbone it was trained on; the built-in one for runs from before there was a choice.
        fingerprint: of the weights of that backbone; empty where it was not saved.
        project: the name of the project that it was trained in; empty where it was not saved.
    """

    class_names: tuple[str, ...]
    settings: TeachSettings
    backbone_name: str = DEFAULT_BACKBONE
    fingerprint: str = ""
    id: int = 0
    name: str = ""
    made: float = 0.0
    project: str = ""


def of_taught(taught: Taught, **beside: Any) -> Run:
    """Return the run of a training that has just ended; ``beside`` are its name and the like."""
    record = taught.record() | {"history": thinned(taught.history, MOST_POINTS)}
    weights = taught.after.model_.backbone.fingerprint
    known: dict[str, Any] = {"settings": taught.settings, "backbone_name": taught.backbone_name, "fingerprint": weights}
    return Run(class_names=taught.names, **known, **record, **beside)


def plain_name(name: str) -> str:
    """Return a name as one short line, as runs have it."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())[:MOST_NAME]


# Two runs ------------------------------------------------------------------------------------------------------------


def tested(answers: Mapping[str, Answer]) -> dict[str, bool]:
    """Return whether each photo, by content hash, is right, of those that were not learned from."""
    return {digest: answer.right for digest, answer in answers.items() if not answer.seen}


def before(run: Run, runs: Iterable[Run]) -> Run | None:
    """Return the last one before a run with the same classes; None where there is none.

    Args:
        runs: the newest first.
    """
    earlier = (other for other in runs if other.id < run.id or not run.id)  # a new one has no number yet
    return next((other for other in earlier if {*other.class_names} == {*run.class_names}), None)


def differences(a: Run, b: Run) -> list[list[str]]:
    """Return what else than the answers differs between two runs, as [what, A's, B's] in words."""
    same = a.backbone_name == b.backbone_name  # then two of one name are told apart by their weights
    lines = [
        ["classes", *(", ".join(sorted(run.class_names)) for run in (a, b))],
        ["backbone", *(run.fingerprint[:8] if same else run.backbone_name for run in (a, b))],
        # Of a live training other ones than its settings say.
        ["steps", *(f"{run.steps}{f' of {run.of_steps}' * run.stopped_early}" for run in (a, b))],
    ]
    for key, about in settings_of(TeachSettings).items():
        lines.append([about.words, *(_words(getattr(run.settings, key), about.zero) for run in (a, b))])
    lines = [line for line in lines if line[1] != line[2]]
    if (a.content, a.shots) != (b.content, b.shots):
        new = len(a.content - b.content), len(b.content - a.content)
        lines.append(["photos", *(f"{run.shots} ({n} new)" for run, n in zip((a, b), new, strict=True))])
    return lines


def change_in_words(run: Run, other: Run) -> str:
    """Return what distinguishes a run from another, such as "dropout 0, other photos"; empty for no difference."""
    parts = [
        about.phrase(_words(getattr(run.settings, key), about.zero))
        for key, about in settings_of(TeachSettings).items()
        if getattr(run.settings, key) != getattr(other.settings, key)
    ]
    return listed(parts + ["other photos"] * (run.content != other.content), most=3)


def _words(value: Any, zero: str) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else zero if zero and value == 0 else f"{value:g}"


# As JSON -------------------------------------------------------------------------------------------------------------


def written(run: Run, **beside: Any) -> bytes:
    """Return a run's facts as JSON: all but its number, its name, its project and when it was made, and ``beside``."""
    facts = {
        "class_names": run.class_names,
        "settings": recorded(run.settings, FIRST_SETTINGS),  # one that was added later only where it is used
        "backbone": run.backbone_name,
        "fingerprint": run.fingerprint,
        "content": sorted(run.content),
        "shots": run.shots,
        "steps": run.steps,
        "of_steps": run.of_steps,
        "history": [[point.step, round(point.loss, 6), round(point.accuracy, 6)] for point in run.history],
    }
    for key, answers in (("answers", run.answers), ("answers_before", run.answers_before)):
        facts[key] = {digest: [a.truth, a.label, a.probability, a.seen] for digest, a in answers.items()}
    return json.dumps(facts | beside, ensure_ascii=False).encode()


def read_run(data: bytes, where: str) -> Run:
    """Return the run that JSON describes, every fact checked: a stranger may have written it.

    Args:
        where: it is, for the message.

    Raises:
        UnknownPart: its settings name a head, or a function, that this program does not have.
        DataError: it is of a newer version, a fact has another type, or settings are out of range.
    """
    try:
        facts = parse_json(data.decode("utf-8-sig"))
        settings = facts["settings"] | {"topk": tuple(facts["settings"]["topk"])}
        run = Run(
            class_names=tuple(facts["class_names"]),
            settings=TeachSettings(**settings),
            backbone_name=facts.get("tower", facts.get("backbone", DEFAULT_BACKBONE)),  # its name in older files
            fingerprint=facts.get("fingerprint", ""),
            content=frozenset((name, digest) for name, digest in facts["content"]),
            history=tuple(Point(*point) for point in facts["history"]),
            answers={digest: Answer(*said) for digest, said in facts["answers"].items()},
            answers_before={digest: Answer(*said) for digest, said in facts["answers_before"].items()},
            **{key: facts[key] for key in ("shots", "steps", "of_steps")},
            name=facts.get("name", ""),
            made=float(facts.get("made", 0)),
            project=facts.get("project", ""),
        )
        if facts.get("format", FORMAT) <= FORMAT and _is_sound(run):
            return run
    except UnknownPart:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # a list in a name's place, and the like
        pass
    raise wrong(where, "does not contain a valid description of a run")


def _is_sound(run: Run) -> bool:
    names = {*run.class_names}
    texts: Sequence[Any] = (run.backbone_name, run.name, run.project)
    return (
        clean_names(run.class_names) == run.class_names
        and all(isinstance(each, str) and len(each) <= MOST_TEXT for each in texts)
        and all(map(is_integer, (run.shots, run.steps, run.of_steps)))
        and is_finite(run.made)
        and all(name in run.class_names and is_digest(digest) for name, digest in run.content)
        and all(is_integer(point.step) and is_finite(point.loss) and is_finite(point.accuracy) for point in run.history)
        and (run.fingerprint == "" or is_digest(run.fingerprint))
        and all(
            is_digest(digest)
            and {answer.truth, answer.label} <= names
            and isinstance(answer.seen, bool)  # type: ignore[redundant-expr]  # JSON may say anything
            and is_finite(answer.probability)
            and 0 <= answer.probability <= 1.001
            for answers in (run.answers, run.answers_before)
            for digest, answer in answers.items()
        )
    )


# Checkpoints, as the contents of their two files by name -------------------------------------------------------------


def files_of(classifier: GalLoPClassifier) -> dict[str, bytes]:
    """Return what ``classifier.save`` writes. Raises OSError where the disk refuses."""
    with tempfile.TemporaryDirectory(prefix="gallop") as folder:
        classifier.save(Path(folder, "model"))
        return read_files(Path(folder, "model"))


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the checkpoint in a folder. Raises OSError if it cannot be read."""
    return {name: read_bytes(folder / name, RUN_FILES[name]) for name in CHECKPOINT}


def classifier_of(files: Mapping[str, bytes], backbone: Backbone) -> GalLoPClassifier:
    """Return the classifier that was saved.

    Raises:
        PlainError: files that are damaged, of a newer version or hostile, or trained with another backbone.
        OSError: the disk refuses.
    """
    from gallop import GalLoPClassifier

    with tempfile.TemporaryDirectory(prefix="gallop") as folder:
        for name in CHECKPOINT:
            Path(folder, name).write_bytes(files[name])
        try:
            classifier: GalLoPClassifier = GalLoPClassifier.load(folder, backbone=backbone)
        except GallopError as error:
            # Users do not know the temporary folder.
            raise PlainError(str(error).replace(f"{folder}/", "").replace(folder, "This model")) from error
    classifier.cache = False  # no features of visitors' photos are written to disk
    return classifier


def backbone_of(room: BackboneRoom, files: Mapping[str, bytes]) -> str:
    """Return the app's name for the backbone of a checkpoint. What that names is looked up, never opened.

    Raises:
        BackboneProblem: it is not available.
    """
    try:
        settings = json.loads(files[CHECKPOINT[0]])
        name, fingerprint, kind = settings["backbone"], settings["fingerprint"], settings.get("regions", PAPERS_KIND)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return DEFAULT_BACKBONE  # with it the library says what is wrong
    if not all(isinstance(word, str) for word in (name, fingerprint, kind)):
        return DEFAULT_BACKBONE
    known = room.named_by(fingerprint) or called(name, kind)
    if room.listing.seek(known) is None:
        raise BackboneProblem(
            f"This model was trained with the backbone {listed([known])}, which is not available on this machine. To "
            "open it, name that backbone in --backbones when starting the app. A run stays saved and can still be "
            "exported as a zip."
        )
    return known


def model_zip(files: Mapping[str, bytes], card: str = "") -> bytes:
    """Return a checkpoint as a zip with one folder, with its model card where there is one."""
    contents = {name: files[name] for name in CHECKPOINT} | ({"README.md": card.encode()} if card else {})
    return zipped({f"model/{name}": content for name, content in contents.items()})


def unzipped(archive: BinaryIO, name: str) -> dict[str, bytes]:
    """Return the checkpoint in a zip: its two files, at the top or in one folder; nothing else is read.

    Raises:
        ArchiveError: not a zip, not exactly one checkpoint in it, or larger than any model.
    """
    files = {}
    with opened_zip(archive, printable_name(name)) as opened:
        for wanted in CHECKPOINT:
            named = [each for each in opened.files if each.filename.replace("\\", "/").split("/")[-1] == wanted]
            there = [each for each in named if "__MACOSX" not in each.filename]
            if len(there) != 1:
                raise ArchiveError(
                    f"{opened.shown} contains {len(there) or 'no'} {wanted}: a model is one "
                    f"{' and one '.join(CHECKPOINT)} in the same folder."
                )
            files[wanted] = opened.read(there[0], RUN_FILES[wanted])
    return files
