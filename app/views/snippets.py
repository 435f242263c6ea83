"""What is trained on Teach as Python code. Knows no Streamlit and no torch.

The code reads the project's file from its folder; the app offers both as a zip. Names are untrusted text: they are
quoted by the rules of Python, never inserted unquoted.
"""

from __future__ import annotations

from app.shared_backbones import DEFAULT_BACKBONE
from app.teaching.training import PAPER, QUICK, TeachSettings, preset
from gallop import MethodConfig, TrainConfig
from gallop.setting import settings_of

MODEL, PROJECT = "model", "project.zip"


def backbone_code(name: str, precision: str = "fp32", regions: str = "value") -> str:
    """Return the value of the argument ``backbone``; empty for the built-in backbone.

    Args:
        name: that another machine or the working folder has for it.
        precision: on a CPU, as ``load_backbone`` takes it.
        regions: the kind of its region features.
    """
    more = ", precision='bf16'" if precision == "bf16" else ""
    more += f", regions={regions!r}" if regions != "value" else ""
    if more:
        return f"load_backbone({name!r}{more})"
    return "" if name == DEFAULT_BACKBONE else repr(name)


def teach(settings: TeachSettings, *, tests: bool, backbone: str = "") -> str:
    """Return the code of the page Teach: training with these settings on the project's photos, and its accuracy.

    Args:
        tests: whether there are photos to test with.
        backbone: as ``backbone_code`` returns it.
    """
    arguments, more = _arguments(settings)
    arguments = f"    backbone={backbone},\n{arguments}" if backbone else arguments
    more += ", load_backbone" if backbone.startswith("load_backbone(") else ""
    python = (
        f"from gallop import GalLoPClassifier{more}\n\nclassifier = GalLoPClassifier(\n{arguments})\n\n"
        f"classifier.fit({PROJECT!r})\nclassifier.save({MODEL!r})\n"
    )
    return python + (f"\nprint('right on the test photos', classifier.score({PROJECT!r}))\n" if tests else "")


# Settings that the code passes as arguments; others are passed in a config, if they differ from the defaults.
_ARGUMENTS = ("global_prompts", "topk", "dropout", "local_projection", "lr", "epochs", "batch_size", "views", "seed")
# The configs, by the argument that takes them.
_CONFIGS = {"preset": TrainConfig, "method": MethodConfig}


def _is_usual(settings: TeachSettings, name: str) -> bool:
    """Return whether a setting has its default value, whatever the backbone."""
    return all(
        getattr(settings, name) == getattr(usual, name) for usual in (TeachSettings(), preset(QUICK), preset(PAPER))
    )


def _arguments(settings: TeachSettings) -> tuple[str, str]:
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
