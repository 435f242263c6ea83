"""What an export format is: a classifier or an explained photo in, a file for others out.

Nothing here loads torch: the command line asks for the words of all formats before it knows which one is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from gallop.estimator import GalLoPClassifier
    from gallop.maps.look import Style
    from gallop.predictions.explanation import Explanation
else:
    GalLoPClassifier = Style = Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading them


@dataclass(frozen=True)
class ModelToExport:
    """A classifier, and what is known of it beside itself.

    Attributes:
        photos: to check the file with: whatever ``load_image`` takes.
        labels: their classes, as many, or none at all; what is no class of the classifier says nothing.
        quantize: how the file is to be written in 8 bits; empty is not at all.
        precision: in which its numbers are to be stored; empty is the format's first.
        measured: sentences about how good it is.
        learned_from: a sentence about its photos.
    """

    classifier: GalLoPClassifier
    photos: Sequence[Any] = ()
    measured: Sequence[str] = ()
    learned_from: str = ""
    labels: Sequence[str] = ()
    quantize: str = ""
    precision: str = ""


@dataclass(frozen=True)
class PhotoToExport:
    """An explained photo, and how it is shown.

    Attributes:
        class_name: whose scores and maps are shown at first; None is the most probable class.
        photo_name: what the photo is called.
        facts: further lines (what, value), such as how the classifier was taught.
        style: how maps are drawn.
    """

    explanation: Explanation
    class_name: str | None = None
    photo_name: str = ""
    facts: Sequence[tuple[str, str]] = ()
    style: Style | None = None


@dataclass(frozen=True)
class Exported:
    """A file's bytes, and what there is to say about it.

    Attributes:
        told: in sentences, such as how it was checked.
        record: the same as values, for a program.
    """

    data: bytes
    told: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


Exportable = TypeVar("Exportable", ModelToExport, PhotoToExport)


@dataclass(frozen=True)
class ExportFormat(Generic[Exportable]):
    """One way to write something as a file. Its module's name is its option of ``gallop export``.

    Attributes:
        of: what it is made of.
        name: after "the", such as "ONNX file".
        help: what it is, as the rest of a sentence that begins with its name.
        suffix: how the file's name ends.
        media_type: what a browser is told that it is.
        make: gives the file; whatever it needs is imported inside, when it is asked for.
        details: what else a reader of the file should know, in sentences.
        seconds: that it takes about, where somebody would wait for it; 0 is at once.
        checked: whether it is compared with the classifier's own answers, with photos if there are any.
        quantizes: in which ways it can be written in 8 bits, the default first.
        precisions: in which its numbers can be stored, the default first.
        check_folder: where it is a zip of one folder, which the command line writes unpacked, what refuses a folder
            that holds something else.
        without_model: class names of which it is made where no model is named; none where one is needed.
    """

    of: type[Exportable]
    name: str
    help: str
    suffix: str
    media_type: str
    make: Callable[[Exportable], Exported]
    details: str = ""
    seconds: float = 0.0
    checked: bool = False
    quantizes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    check_folder: Callable[[Path], None] | None = None
    without_model: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return its name as the beginning of a sentence."""
        return self.name[:1].upper() + self.name[1:]
