"""The export formats: a classifier or an explained photo in, a file for others out.

The options of ``gallop export``, its help, and what the app offers are made from ``FORMATS``. Nothing here loads torch:
the command line asks for the words of all formats before it knows which one is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gallop.export.web import FIRST_NAMES, PagePrecision, check_folder

if TYPE_CHECKING:
    from gallop.estimator import GalLoPClassifier
    from gallop.maps.map_style import Style
    from gallop.predictions.explanation import Explanation
else:
    GalLoPClassifier = Style = Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading them

CHECKED_WITH = 64
"""Photos at most that a file is checked with: enough to believe it, few enough to lie in memory as pixels."""


@dataclass(frozen=True)
class ModelToExport:
    """A classifier, and further facts about it.

    Attributes:
        photos: to check the file with: whatever ``load_image`` takes.
        precision: in which the numbers of a page for browsers are to be stored.
        teach: whether classes are to be taught on that page.
        embed: origins of pages that are sent its answers.
        measured: sentences about how good it is.
        learned_from: a sentence about its photos.
    """

    classifier: GalLoPClassifier
    photos: Sequence[Any] = ()
    measured: Sequence[str] = ()
    learned_from: str = ""
    precision: PagePrecision = "fp32"
    teach: bool = False
    embed: Sequence[str] = ()


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
    """A file's bytes, and facts about it.

    Attributes:
        notes: in sentences, such as how it was checked.
        record: the same as values, for a program.
    """

    data: bytes
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


_EMBEDDED = """\
In a frame it sends its answers to {0}, and to no other page. Have the web server send the header \
Content-Security-Policy: frame-ancestors {0}, so that no other page can show it."""
Exportable = TypeVar("Exportable", ModelToExport, PhotoToExport)


@dataclass(frozen=True)
class ExportFormat(Generic[Exportable]):
    """One way to write something as a file. Its key in ``FORMATS`` is its option of ``gallop export``.

    Attributes:
        of: what it is made of.
        name: after "the", such as "ONNX file".
        help: what it is, as the rest of a sentence that begins with its name.
        suffix: how the file's name ends.
        media_type: its MIME type, for browsers.
        make: gives the file; whatever it needs is imported inside, when it is asked for.
        details: what else a reader of the file should know, in sentences.
        seconds: that it takes about, where that is noticeable; 0 is at once.
        checked: whether it is compared with the classifier's answers, with photos if there are any.
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
    check_folder: Callable[[Path], None] | None = None
    without_model: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return its name as the beginning of a sentence."""
        return self.name[:1].upper() + self.name[1:]


def _card(model: ModelToExport) -> Exported:
    from gallop.documents.model_card import model_card

    return Exported(model_card(model.classifier, model.measured, model.learned_from).encode())


def _onnx(model: ModelToExport) -> Exported:
    from gallop.export.onnx import INPUTS, export_onnx

    made = export_onnx(model.classifier, model.photos[:CHECKED_WITH])
    parity = made.parity
    return Exported(
        made.data,
        (
            f"Checked with onnxruntime on {parity.images} pictures: the labels are the same, and no number differs by "
            f"more than {parity.difference:.1e}.",
        ),
        {
            **dict(zip(("input", "finer_input"), INPUTS[: len(model.classifier.model_.sight.times)], strict=False)),
            "outputs": list(parity.by_output),
            "checked_on": parity.images,
            "largest_difference": parity.difference,
            "labels_differ": parity.labels_differ,
        },
    )


def _report(photo: PhotoToExport) -> Exported:
    from gallop.export.report import html_report

    return Exported(html_report(**vars(photo)).encode())


def _web(model: ModelToExport) -> Exported:
    from gallop.data.zip_files import zipped
    from gallop.export.web.page_files import page_files

    files, facts = page_files(
        model.classifier, model.precision, model.photos[:CHECKED_WITH], teach=model.teach, embed=model.embed
    )
    size, origins = sum(map(len, files.values())), " ".join(facts.get("embed", ()))
    what = "Its classes are those of the model" if facts["fixed"] else "Class names are entered on the page"
    if model.teach:
        what = "Classes are taught on the page, with photos and a camera"
    return Exported(
        zipped({f"page/{name}": data for name, data in files.items()}),
        notes=(
            f"{what}. The page loads {size / 1e6:.0f} MB once. No photo leaves the browser.",
            f"Checked with onnxruntime on {facts['agreement']['photos']} pictures: no probability differs by more than "
            f"{facts['agreement']['difference']:.1e}.",
            "Serve the folder over HTTP (python -m http.server). The page does not work when opened as a file.",
            *([_EMBEDDED.format(origins)] if origins else []),
        ),
        record={
            "files": len(files),
            "loads": size,
            "fixed_classes": facts["fixed"],
            "checked_on": facts["agreement"]["photos"],
            "largest_difference": facts["agreement"]["difference"],
        },
    )


FORMATS: dict[str, ExportFormat[Any]] = {
    "card": ExportFormat(
        ModelToExport,
        name="model card",
        help="what the classifier knows, how it was trained and what it cannot do, in Markdown",
        suffix=".md",
        media_type="text/markdown",
        make=_card,
    ),
    "onnx": ExportFormat(
        ModelToExport,
        name="ONNX file",
        help="the classifier in one file that needs neither gallop nor torch: takes pixels, returns probabilities, "
        "outlier score and maps",
        suffix=".onnx",
        media_type="application/octet-stream",
        make=_onnx,
        details="""\
Input: pixels (images, 3, size, size). The file's metadata says how to make them from a photo, and contains the class
names, the logit scale, the temperature, the threshold and the opset. Outputs: probabilities (images, K), ood_score
(images; larger = more outlier), global_cosines (images, K, M), local_cosines, the maps (images, R, K, N), and
head_regions, the map of a head (images, R, K). To leave the maps out, ask for the other outputs only:
session.run(["probabilities", "ood_score"], {"pixels": pixels}).
A model that answers from two looks also takes finer_pixels, the same part of the photo at that size, and returns the
maps of that look as finer_local_cosines and finer_head_regions. A second look for maps only is not in the file.
The file is checked with onnxruntime. It is not written if a label differs, or a number by more than 0.0001.
Needs the extra onnx: pip install 'gallop-explorer[onnx]'""",
        seconds=30,
        checked=True,
    ),
    "report": ExportFormat(
        PhotoToExport,
        name="report",
        help="the photo, probabilities, scores and all maps on one page that works without a network",
        suffix=".html",
        media_type="text/html",
        make=_report,
    ),
    "web": ExportFormat(
        ModelToExport,
        name="page for browsers",
        help="a folder of static files that answers photos in the browser and sends nothing anywhere",
        suffix=".page.zip",
        media_type="application/zip",
        make=_web,
        details="""\
Drop, choose, paste or film a photo; probabilities and maps follow k as in the app. A trained model keeps its classes,
its limit for "none of these", its head and its second look; a second look for maps only is not on the page. With a
zero-shot model, or without MODEL (mini), class names are entered on the page. With --teach they are taught there, with
photos or a camera, and saved as a project that the app opens; a camera needs HTTPS or this machine. With --embed the
page, in a frame, sends each answer to a page of that origin, and says so; ?embed=1 shows answer, camera and map alone.
Serve the folder over HTTP from any static file host. The page does not work when opened as a file. Once loaded, it
works without a network if it came over HTTPS or from this machine.
Numbers are stored unchanged, in 16 bits where that loses nothing (all of mini's); --precision fp16 stores all
in 16 bits. Both encoders are checked with onnxruntime. With fp32 nothing is written if a probability differs by more
than 0.0001, with fp16 by more than 0.01.
Needs the extra onnx, and onnxruntime-web next to the package: python -m gallop.export.web.fetch""",
        seconds=60,
        checked=True,
        check_folder=check_folder,
        without_model=FIRST_NAMES,
    ),
}
"""Every format by its key, which is its option, in the order in which they are offered."""


def formats_of(kind: type[Exportable]) -> dict[str, ExportFormat[Exportable]]:
    """Return the formats that are made of a classifier, or of an explained photo, by key."""
    return {key: format_ for key, format_ in FORMATS.items() if format_.of is kind}
