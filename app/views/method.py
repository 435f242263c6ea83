"""The method on one photo: facts that the explanation does not contain, and the notebooks. Knows no Streamlit."""

from __future__ import annotations

from pathlib import Path

import gallop
from app import charts
from app.library import Backbone
from app.shared_backbones import DEFAULT_BACKBONE
from app.teaching.training import Taught
from app.visitor.page_state import Question
from gallop.config import REGION_RULES, MethodConfig
from gallop.maps.explainer.payload import Origins
from gallop.runtime.reading import read_bytes

NOTEBOOKS = {
    "01_similarity": "crop, cosines, softmax",
    "02_regions": "regions",
    "03_topk_and_scales": "top-k, scales, the ensemble",
    "04_prompts": "prompts",
    "05_dropout_and_diversity": "prompt dropout",
    "06_training": "learning",
    "07_none_of_these": "none of these",
    "08_another_domain": "photos of another kind",
    "09_debugging_alignment": "a map in the wrong place",
    "10_your_own_data": "a folder of your photos",
    "11_methods_side_by_side": "other methods",
    "12_maps_side_by_side": "other maps",
    "13_what_a_class_relies_on": "all photos of a class",
}
# By the title of a step, the notebook that builds it.
OF_STEPS = {
    "Crop": "01_similarity",
    "Regions": "02_regions",
    "Prompts": "04_prompts",
    "Cosines": "01_similarity",
    "Top-k": "03_topk_and_scales",
    "Ensemble": "03_topk_and_scales",
    "Softmax": "01_similarity",
    "None of these?": "07_none_of_these",
    "Learning": "06_training",
}
# Bytes of a notebook with its pictures.
_LARGEST = 4 * 2**20

# Input size and damping (image, region) of the built-in backbone, whose answers to the samples are shown before it is
# loaded; a test compares them with the backbone.

_SHIPPED = 224, 46.0, 120.0


def notebook_files(*stems: str) -> dict[str, bytes]:
    """Return notebooks, all where none is named, by file name.

    They are inside the installed package, or beside the package in a clone.
    """
    package = Path(gallop.__file__).resolve().parent
    inside = package / "notebooks"
    folder = inside if inside.is_dir() else package.parent / "notebooks"
    return {f"{stem}.ipynb": read_bytes(folder / f"{stem}.ipynb", _LARGEST) for stem in stems or NOTEBOOKS}


def notebook_links() -> dict[str, tuple[str, str]]:
    """Return, by the title of a step, the name of its notebook and its address on the app's server."""
    return {title: (stem, f"notebooks/{stem}.zip") for title, stem in OF_STEPS.items()}


def origins_beforehand(question: Question) -> Origins:
    """Return the origins of an answer in ``sample_answers``: the built-in backbone, and no training."""
    side, image, region = _SHIPPED
    return Origins(
        side,
        question.templates,
        kept=MethodConfig().kept_prompts,
        notes={"regions": "", "cosines": _of_cosines(DEFAULT_BACKBONE, image, region)},
        notebooks=notebook_links(),
    )


def origins(backbone: Backbone, config: MethodConfig, question: Question, taught: Taught | None) -> Origins:
    """Return how photo and prompts came about, as plain text.

    Args:
        backbone: that encoded the photo.
        config: of the classifier that answers.
        taught: whose prompts answer; None for zero-shot.
    """
    damping = backbone.damping.of(config)
    projected = "The whole-photo feature goes through a learned projection, like the regions. "
    kind = backbone.region_kind
    of_kind = f"This backbone's region kind is {kind} ({REGION_RULES[kind]}), not the paper's."
    damped = _of_cosines(backbone.name, damping.image, damping.region)
    notes = {
        "regions": f"{of_kind * (kind != 'value')} {_of_looks(config)}".strip(),
        "cosines": f"{projected * config.global_projection}{damped}".strip(),
    }
    if taught is not None:
        # A model from a file does not state how it was trained.
        learned = f"Learned in {taught.steps} steps on {taught.shots} photos." if taught.shots else ""
        notes |= {"prompts": learned, "learning": charts.kept_in_words(taught.kept) if taught.kept else ""}
    return Origins(
        backbone.preprocess.size,
        () if taught is not None else question.templates,
        kept=config.kept_prompts,
        notes=notes,
        notebooks=notebook_links(),
    )


def _of_looks(config: MethodConfig) -> str:
    if config.detail == 1:
        return ""
    what = "the maps on Explore come from it" if config.detail_in == "maps" else "the answers average both looks"
    return (
        f"The photo gets a second look at {config.detail:g} times the size, and {what}. This page shows the first look."
    )


def _of_cosines(name: str, image: float, region: float) -> str:
    if not (image or region):
        return ""
    return (
        f"This backbone ({name}) damps the cosines: the product is divided by the feature's length or, where that is "
        f"smaller, by {image:g} for the whole photo and {region:g} for a region, so that short features count less."
    )
