"""The method on one photo, step by step, with the numbers of its explanation. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app import text
from app.teaching.progress import Taught
from gallop.config import REGION_RULES

if TYPE_CHECKING:
    from gallop import Explanation
    from gallop.backbones import Backbone

MOST_TERMS = 10
"""A longer sum is written with its first and last terms."""
MOST_CLASSES = 6


@dataclass(frozen=True)
class Step:
    """One step: what happens, with numbers, and the notebooks that go into it.

    Attributes:
        words: paragraphs of Markdown, names escaped.
        table: columns by name; names in it are raw.
    """

    title: str
    words: tuple[str, ...]
    notebooks: tuple[str, ...]
    table: dict[str, list[str]] | None = None


def steps(explanation: Explanation, name: str, tower: Backbone, taught: Taught | None) -> list[Step]:
    """All of them, in order.

    Args:
        name: the class that is followed.
        tower: what the photo was seen with.
        taught: whose prompts answer; None for zero-shot.
    """
    return [
        _crop(explanation, tower.preprocess.size),
        _regions(explanation, tower),
        _prompts(explanation, taught),
        _global(explanation, name),
        _local(explanation, name),
        _ensemble(explanation, name),
        _softmax(explanation, name),
        _loss(explanation, name),
        _dropout(taught),
        _none_of_these(explanation),
    ]


def written_sum(terms: Sequence[float], mean: float) -> str:
    """A mean as one would write it down: "(0.3000 + 0.2000) / 2 = 0.2500"."""
    shown = [f"{term:.4f}" for term in terms]
    if len(shown) > MOST_TERMS:
        shown = [*shown[: MOST_TERMS - 2], "…", shown[-1]]
    return f"({' + '.join(shown)}) / {len(terms)} = **{mean:.4f}**"


def _crop(found: Explanation, side: int) -> Step:
    crop, (width, height) = found.crop, found.image.size
    across, down = crop.right - crop.left, crop.bottom - crop.top
    if (across, down) == (width, height) and across != down:
        seen = f"It is resized to {side} × {side} as a whole, whatever its shape, so the model sees all of it."
    else:
        seen = (
            f"Its short side is resized to {side} and the middle is cut "
            f"out, so the model sees {across:.0f} × {down:.0f} of them: from {crop.left:.0f} to {crop.right:.0f} "
            f"across and from {crop.top:.0f} to {crop.bottom:.0f} down, {across * down / (width * height):.0%} of "
            "the photo."
        )
    return Step("The crop", (f"The photo has {width} × {height} pixels. {seen}",), ("01_similarity",))


def _regions(found: Explanation, tower: Backbone) -> Step:
    rows, columns = found.grid
    across, down = (found.crop.right - found.crop.left) / columns, (found.crop.bottom - found.crop.top) / rows
    return Step(
        "One feature for the whole, one for each region",
        (
            f"The frozen vision tower runs once. It gives one feature for the whole photo and one for each cell of a "
            f"{rows} × {columns} grid: **R = {rows * columns} regions**, each {across:.0f} × {down:.0f} pixels of the "
            "photo. Everything below starts here; nothing runs the tower again.",
            *_of_the_tower(tower),
        ),
        ("02_regions",),
    )


def _of_the_tower(tower: Backbone) -> list[str]:
    """What is not as in plain CLIP and the paper, and belongs to the tower."""
    words = []
    if tower.region_kind != "value":
        words.append(
            f"Its regions are of the kind *{tower.region_kind}*, {REGION_RULES[tower.region_kind]}, in place of the "
            "paper's."
        )
    image, region = tower.damping.image, tower.damping.region
    if image or region:
        words.append(
            f"What is called a cosine below is damped in this tower, {text.markdown(tower.name)}: the product is "
            f"divided by the feature's length or, where that is less, by {image:g} for the whole photo and by "
            f"{region:g} for a region, so that what holds little counts little."
        )
    return words


def _prompts(found: Explanation, taught: Taught | None) -> Step:
    (classes, m), n = found.global_scores.shape, len(found.topk)
    # A model that came as a file does not tell how it was taught.
    how = f" in {taught.steps} steps on {taught.shots} photos" if taught is not None and taught.shots else ""
    learned = (
        f"They were learned{how}: a prompt is a few vectors that stand where the words “A photo of a” stood."
        if taught is not None
        else "Nothing is learned yet: they are the words of the templates, such as “A photo of a”."
    )
    return Step(
        "Prompts become text features",
        (
            f"**M = {m} global** and **N = {n} local prompts** are put before each of the K = {classes} class "
            f"name{'s' * (classes > 1)}. The frozen text tower makes a feature of each of the {classes * (m + n)} "
            f"texts. {learned}",
        ),
        ("04_prompts",),
    )


def _global(found: Explanation, name: str) -> Step:
    mine = found.global_scores[found.class_names.index(name)]
    return Step(
        "The whole photo against each global prompt",
        (
            f"The cosine of the photo's feature and each global prompt's text for {text.markdown(name)}, and their "
            "mean:",
            written_sum(mine.tolist(), float(mine.mean())),
        ),
        ("01_similarity", "04_prompts"),
    )


def _local(found: Explanation, name: str) -> Step:
    row = found.class_names.index(name)
    if not found.topk:
        return Step(
            "Regions against each local prompt",
            ("There are no local prompts here (N = 0): the whole photo decides alone.",),
            ("02_regions", "03_topk_and_scales"),
        )
    lines = []
    for n, k in enumerate(found.topk):
        terms = [box.score for box in found.regions(name, n)]
        score = float(found.local_scores[row, n])
        lines.append(f"- **local prompt {n + 1}, k = {k}:** {written_sum(terms, score)}")
    return Step(
        "Regions against each local prompt",
        (
            f"A learned projection takes each region to the space of the texts. A local prompt's score for "
            f"{text.markdown(name)} is the mean of its **k best** cosines over the {found.grid[0] * found.grid[1]} "
            "regions, and each prompt has a scale k of its own:",
            "\n".join(lines),
        ),
        ("02_regions", "03_topk_and_scales"),
    )


def _ensemble(found: Explanation, name: str) -> Step:
    row = found.class_names.index(name)
    whole = float(found.global_scores[row].mean())
    if not found.topk:
        return Step("Together", (f"The score is the global prompts' mean, **{whole:.4f}**.",), ("03_topk_and_scales",))
    parts = found.local_scores[row]
    local = float(parts.mean())
    return Step(
        "Together",
        (
            f"The local prompts' mean: {written_sum(parts.tolist(), local)}.",
            f"Both branches count alike: ({whole:.4f} + {local:.4f}) / 2 = **{(whole + local) / 2:.4f}**, the score of "
            f"{text.markdown(name)}.",
        ),
        ("03_topk_and_scales",),
    )


def _scores(found: Explanation) -> NDArray[np.float64]:
    """(K,) cosines of the ensemble."""
    whole: NDArray[np.float64] = found.global_scores.mean(axis=1, dtype=np.float64)
    return (whole + found.local_scores.mean(axis=1, dtype=np.float64)) / 2 if found.topk else whole


def _softmax(found: Explanation, name: str) -> Step:
    scores = _scores(found)
    logits = scores * found.scale / found.temperature
    powers = np.exp(logits - logits.max())
    ranked = sorted(range(len(scores)), key=lambda k: -scores[k])
    shown = [k for place, k in enumerate(ranked) if place < MOST_CLASSES or found.class_names[k] == name]
    temperature = (
        f" and divided by the temperature {found.temperature:.3f}, which was found on held-out photos so that its "
        "percentages can be taken at their word"
        if found.temperature != 1
        else ""
    )
    return Step(
        "Probabilities",
        (
            f"Cosines differ little, so each score is multiplied by the backbone's own scale, {found.scale:.2f}"
            f"{temperature}. The softmax makes shares of them: e to the power of each, over the sum of all "
            f"{len(scores)}. For {text.markdown(name)}: **{text.percent(found.probabilities[name])}**.",
        ),
        ("01_similarity",),
        {
            "class": [found.class_names[k] for k in shown],
            "score": [f"{scores[k]:.4f}" for k in shown],
            "scaled": [f"{logits[k]:.3f}" for k in shown],
            "e to the power, the best being 1": [f"{powers[k]:.4f}" for k in shown],
            "over their sum": [f"{powers[k] / powers.sum():.4f}" for k in shown],
        },
    )


def _loss(found: Explanation, name: str) -> Step:
    row = found.class_names.index(name)
    whole = _cross_entropy(found.global_scores.mean(axis=1), found.scale, row)
    each = [_cross_entropy(scores, found.scale, row) for scores in found.local_scores.T]
    local = f" The local prompts: {written_sum(each, float(np.mean(each)))}." if each else ""
    total = whole + (float(np.mean(each)) if each else 0.0)
    return Step(
        "What learning would change",
        (
            f"If this photo were a shot of {text.markdown(name)}, its loss would be the cross-entropy (minus the "
            "logarithm of the true class's share) of the global prompts' mean, plus the mean of that of each local "
            f"prompt. The global prompts: {whole:.4f}.{local} Together **{total:.4f}**. Each step moves the prompts "
            "and the projection a little downhill; the towers never change.",
        ),
        ("06_training",),
    )


def _cross_entropy(scores: NDArray[np.float32], scale: float, row: int) -> float:
    logits = scores.astype(np.float64) * scale
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[row])


def _dropout(taught: Taught | None) -> Step:
    title, notebooks = "Prompt dropout", ("05_dropout_and_diversity",)
    kept = taught.kept if taught is not None else None
    if taught is None or kept is None:
        return Step(
            title,
            (
                "While it learns, each photo keeps only a random few of the global prompts, so that they learn to "
                "differ. Teach it classes of your own to see which.",
            ),
            notebooks,
        )
    each = len(kept.prompts[0])
    counts = [sum(p in chosen for chosen in kept.prompts) for p in range(kept.total)]
    told = ", ".join(f"prompt {p} for {count}" for p, count in enumerate(counts, 1))
    return Step(
        title,
        (
            f"While it learned, each photo kept only **{each} of {kept.total}** global prompts, drawn anew each time "
            f"(p = {taught.settings.dropout:g}), so that they learned to differ. In the last step, {kept.step}, of its "
            f"{len(kept.photos)} photos: {told}. When it answers, all of them count.",
        ),
        notebooks,
    )


def _none_of_these(found: Explanation) -> Step:
    scores = {name: float(score[0]) for name, score in found.similarities.ood().items()}
    mcm, local, both = scores["MCM"], scores["L-MCM"], scores["GL-MCM"]
    if found.threshold is None:
        verdict = "There is no limit yet; it is found while teaching."
    else:
        above = both > found.threshold
        verdict = (
            f"The limit is {found.threshold:.4f}, so this photo is **{'none of these' if above else 'one of these'}**."
        )
    return Step(
        "None of these?",
        (
            "Here the softmax is taken of the plain cosines, without the scale. MCM is minus the largest share for the "
            f"whole photo, {mcm:.4f}. L-MCM is minus the largest share of any region, {local:.4f}. GL-MCM is their "
            f"sum: {mcm:.4f} + ({local:.4f}) = **{both:.4f}**. The larger, the less it is like any of the classes. "
            f"{verdict}",
        ),
        ("07_none_of_these",),
    )
