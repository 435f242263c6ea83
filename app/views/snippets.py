"""The current work of a page as Python code. Knows no Streamlit and no torch.

The code reads a photo and a model, or the project's file, from its folder; the app offers all of it as a zip. Names are
untrusted text: they are quoted by the rules of Python, never inserted unquoted.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.backbones import DEFAULT_BACKBONE
from app.teaching.training import PAPER, QUICK, Settings, preset
from gallop import MethodConfig, Photo, TrainConfig
from gallop.setting import settings_of

PHOTO_FILE, MODEL, PROJECT = "photo.png", "model", "project.zip"


@dataclass(frozen=True)
class UsedBackbone:
    """The backbone whose numbers the page shows, by the name that another machine or the working folder has for it.

    Attributes:
        precision: of a backbone on a CPU, as ``load_backbone`` takes it.
        regions: the kind of its region features.
    """

    name: str = DEFAULT_BACKBONE
    precision: str = "fp32"
    regions: str = "value"

    @property
    def exact(self) -> bool:
        return self.precision == "bf16" or self.regions != "value"

    @property
    def python(self) -> str:
        if not self.exact:
            return repr(self.name)
        precision = ", precision='bf16'" if self.precision == "bf16" else ""
        regions = f", regions={self.regions!r}" if self.regions != "value" else ""
        return f"load_backbone({self.name!r}{precision}{regions})"

    @property
    def argument(self) -> str:
        return "" if self == SHIPPED else f"backbone={self.python}, "

    @property
    def imported(self) -> str:
        return ", load_backbone" if self.exact else ""


SHIPPED = UsedBackbone()


def explain_snippet(
    names: Sequence[str],
    templates: Sequence[str],
    topk: Sequence[int],
    class_name: str,
    *,
    taught: bool,
    used: UsedBackbone = SHIPPED,
    detail: float = 1.0,
) -> str:
    """Return the code of the page Explore: one photo, answered by zero-shot or the trained model.

    Args:
        taught: whether the model folder answers, which contains names and k; for zero-shot they are in the code.
        detail: the size of a second look for maps, relative to the first; 1 for none.
    """
    second_look = "" if detail == 1 else f'classifier.set_detail({detail:g}, "maps")\n'
    loaded = f", backbone={used.python}" if used != SHIPPED else ""
    made = (
        f"classifier = GalLoPClassifier.load({MODEL!r}{loaded})"
        if taught
        else f"classifier = GalLoPClassifier({used.argument}topk={list(topk)!r}).zero_shot(\n"
        f"    {list(names)!r},\n    templates={list(templates)!r},\n)"
    )
    return (
        f"from gallop import GalLoPClassifier{used.imported}, plot_explanation\n\n{made}\n{second_look}"
        f"explanation = classifier.explain({PHOTO_FILE!r})\n\n"
        "for name, probability in explanation.probabilities.items():\n    print(name, probability)\n"
        'print("outlier score", explanation.ood_score)\n\n'
        f"plot_explanation(explanation, {class_name!r}).savefig('why.png')\n"
    )


def teach(settings: Settings, *, tests: bool, used: UsedBackbone = SHIPPED) -> str:
    """Return the code of the page Teach: training with these settings on the project's photos, and its accuracy.

    Args:
        tests: whether there are photos to test with.
    """
    arguments, more = _arguments(settings)
    arguments = f"    {used.argument.strip()}\n{arguments}" if used.argument else arguments
    python = (
        f"from gallop import GalLoPClassifier{more}{used.imported}\n\nclassifier = GalLoPClassifier(\n{arguments})\n\n"
        f"classifier.fit({PROJECT!r})\nclassifier.save({MODEL!r})\n"
    )
    return python + (f"\nprint('right on the test photos', classifier.score({PROJECT!r}))\n" if tests else "")


# Settings that the code passes as arguments; others are passed in a config, if they differ from the defaults.
_ARGUMENTS = ("global_prompts", "topk", "dropout", "local_projection", "lr", "epochs", "batch_size", "views", "seed")
# The configs, by the argument that takes them.
_CONFIGS = {"preset": TrainConfig, "method": MethodConfig}


def _is_usual(settings: Settings, name: str) -> bool:
    """Return whether a setting has its default value, whatever the backbone."""
    return all(getattr(settings, name) == getattr(usual, name) for usual in (Settings(), preset(QUICK), preset(PAPER)))


def _arguments(settings: Settings) -> tuple[str, str]:
    """Return the constructor's arguments, a line each, and what else has to be imported for them."""
    values = {name: getattr(settings, name) for name in _ARGUMENTS}
    if _is_usual(settings, "local_projection"):
        del values["local_projection"]
    values["topk"] = list(settings.topk)
    if settings.shots:
        values |= {"shots": settings.shots, "allow_fewer": True}
    lines = [f"    {key}={value!r},\n" for key, value in values.items()]
    imported = ""
    for argument, kind in _CONFIGS.items():
        others = [name for name in settings_of(kind) if name not in _ARGUMENTS]
        changed = [f"{name}={getattr(settings, name)!r}" for name in others if not _is_usual(settings, name)]
        if changed:
            lines.insert(0, f"    {argument}={kind.__name__}({', '.join(changed)}),\n")
            imported += f", {kind.__name__}"
    return "".join(lines), imported


def photo_beside(photo: Photo, model: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what ``explain`` reads: the photo, lossless, and the files of the model's folder."""
    return {PHOTO_FILE: png(photo), **model}


def png(photo: Photo) -> bytes:
    stream = io.BytesIO()
    photo.image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
