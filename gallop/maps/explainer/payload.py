"""Make what an explainer shows: one dictionary of plain values with the photo, the cosines and the weights.

Every host gets it from here. Cosines are little-endian float32 in base64, laid out as takes (one explanation, or one
after and one before teaching) of branches (global prompts, local prompts and what shots taught beside them) on grids,
one of each look at the photo, the finest last: of all but the global prompts a branch for each grid, with its
contribution to the score.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gallop.config import HEADS
from gallop.images import CropBox
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import COLOURS, DRAWN, SIGNED_COLOURS, Scale, branch_scale, colour_table, shared_scale
from gallop.maps.shown_photo import photo_place, photo_url
from gallop.parts import require_topk

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation
else:
    Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading it

COSINE_BYTES = 2_000_000
"""Limit of the region cosines that are sent. Where every class's fit, all are sent; otherwise those of the classes that
are asked for and of the most probable ones, and the browser shows the probabilities of the last k until Python has
computed those of the next."""
REGION_CLASSES = 5
"""Most probable classes that are listed for a region, where the browser does not have all cosines."""


def explainer_data(
    explanation: Explanation,
    *,
    before: Explanation | None = None,
    when: str = "before teaching",
    state: ExplainerState | None = None,
    photo: str | None = None,
    asks: bool = True,
    scale: Scale | None = None,
    compact: bool = False,
    templates: Sequence[str] = (),
) -> dict[str, Any]:
    """Return everything that an explainer shows of a photo.

    Args:
        explanation: at the model's scales, which a button restores.
        before: the same photo and classes as another model saw them.
        when: the label of ``before``, such as "before teaching".
        state: what is shown; by default the most probable class at the model's scales.
        photo: ``photo_url``, where the caller has it already.
        asks: whether the host can send more; otherwise only the classes whose maps are sent are offered.
        scale: of the colours, where several explainers share one; None takes that of this explanation's maps.
        compact: one map and the classes of one region, for pages that choose class and local prompt themselves.
        templates: texts of the prompts, with ``{}`` for the class name, where they were not learned.

    Raises:
        ValueError: ``before`` has other classes, scales or regions.
        ConfigError: regions are pooled in another way than by the mean of the top-k, which the browser computes.
    """
    require_topk(explanation.rule.pooling, "The explainer")
    takes = [explanation] if before is None else [explanation, _in_order_of(explanation, before)]
    state = (state or ExplainerState()).of(explanation)
    sent = _sent(explanation, state, len(takes))
    scale = scale or shared_scale(explanation)
    return {
        "photo": photo_url(explanation.image, explanation.crop) if photo is None else photo,
        **photo_place(explanation.image, explanation.crop),
        "names": list(explanation.class_names),
        "scale": explanation.scale,
        "temperature": explanation.temperature,
        "threshold": explanation.threshold,
        **({"doubt": explanation.doubt} if explanation.doubt else {}),
        **({"alike": explanation.alike} if explanation.alike else {}),
        **({"templates": list(templates)} if templates else {}),
        **({"words": _words(explanation)} if explanation.words else {}),
        "grids": _grids(explanation),
        "takes": [
            _take(take, state, sent, when if i else "")
            | ({"temperature": take.temperature} if take.temperature != explanation.temperature else {})
            for i, take in enumerate(takes)
        ],
        "range": [scale.low, scale.high],
        **palettes(),
        "state": state.as_dict(),
        "compact": compact,
        **({"offered": sent} if sent is not None and not asks else {}),
    }


def _words(explanation: Explanation) -> dict[int, dict[str, Any]]:
    """Return the scores that were taken apart into words, by class index."""
    names, weights, made = explanation.class_names, explanation.look_weights, {}
    for name, taken in explanation.words.items():
        whole = np.tensordot(weights, np.stack([np.asarray(images) for images, _ in taken.looks]), 1)
        made[names.index(name)] = {
            "prompts": [
                {
                    "words": [part.word for part in each.parts],
                    "rest": each.rest.added,
                    "before": each.before,
                    "learned": each.learned,
                }
                for each in taken.told
            ],
            "size": len(whole),
            "global": _packed(whole),
            "looks": [_packed(np.asarray(regions)) for _, regions in taken.looks],
        }
    return made


def _grids(explanation: Explanation) -> list[dict[str, Any]]:
    """Return the grid of each look; those of larger regions have a separate scale."""
    grids: list[dict[str, Any]] = [{"rows": rows, "columns": columns} for rows, columns in explanation.grids]
    for grid, look in zip(grids, explanation.looks[:-1], strict=False):
        scale = shared_scale(look)
        grid["range"] = [scale.low, scale.high]
    return grids


@cache
def palettes() -> dict[str, Any]:
    """Return the colours that maps are drawn with; every photo has the same."""
    return {
        "colours": {name: _packed(colour_table(name)) for name in COLOURS},
        "signed": _packed(colour_table(SIGNED_COLOURS)),
        "drawn": list(DRAWN),
    }


def _in_order_of(explanation: Explanation, before: Explanation) -> Explanation:
    """Return ``before`` with the classes in the same order: a class that was added after teaching is its last one."""
    names = explanation.class_names
    frame, other = ((len(each.topk), each.grids) for each in (explanation, before))
    if {*before.class_names} != {*names} or frame != other:
        raise ValueError(
            "Two explanations can be compared only if they have the same classes, the same grids and the same number "
            "of local prompts."
        )
    return replace(
        before,
        class_names=names,
        similarities=before.similarities.of_classes([before.class_names.index(name) for name in names]),
    )


def all_sent(explanation: Explanation, takes: int) -> bool:
    """Return whether every class's region cosines are sent, so that the rest does not depend on the state."""
    return len(explanation.class_names) <= _room(explanation, takes)


def _room(explanation: Explanation, takes: int) -> int:
    planes = max(len(explanation.topk), 1) + len(explanation.branches)
    return COSINE_BYTES // (takes * planes * sum(rows * columns for rows, columns in explanation.grids) * 4)


def _sent(explanation: Explanation, state: ExplainerState, takes: int) -> list[int] | None:
    """Return the classes whose region cosines are sent; None where all are."""
    if all_sent(explanation, takes):
        return None
    room, names = _room(explanation, takes), explanation.class_names
    probabilities = np.array(list(explanation.with_topk(state.topk).probabilities.values()))
    asked = [names.index(name) for name in (state.class_name, state.against) if name is not None]
    order = [*asked, *(k for k in np.argsort(-probabilities, kind="stable").tolist() if k not in asked)]
    return sorted(order[: max(room, len(asked), 1)])


def _take(explanation: Explanation, state: ExplainerState, sent: list[int] | None, when: str) -> dict[str, Any]:
    weights = explanation.answers.weights
    global_branch = {
        "name": "whole photo",
        "weight": weights["global"],
        "prompts": explanation.global_scores.shape[1],
        "cosines": _packed(explanation.global_scores),
    }
    looks = list(enumerate(zip(explanation.looks, explanation.look_weights, strict=True)))
    regions = [
        _regions(look, number, state, sent) | _weighted(look_weight, weights.get("local", 0.0))
        for number, (look, look_weight) in looks
    ]
    taught = [
        _linear(look, name, number, sent) | _weighted(look_weight, weights[name])
        for name in explanation.branches
        for number, (look, look_weight) in looks
    ]
    take: dict[str, Any] = {"when": when, "branches": [global_branch, *regions, *taught]}
    if sent is not None or len(regions) > 1:  # the browser lacks the cosines to compute them
        take["outlier"] = {name: float(score[0]) for name, score in explanation.similarities.ood.items()}
    return take


def _weighted(look_weight: float, weight: float) -> dict[str, float]:
    """Return the contribution of one look to a branch, and its part of the branch's weight."""
    return {"share": look_weight, "weight": look_weight * weight}


def _regions(look: Explanation, grid: int, state: ExplainerState, sent: list[int] | None) -> dict[str, Any]:
    """Return the branch of the regions of one look.

    Without local prompts it has no weight and no maps, but its regions can be asked.
    """
    similarities = look.similarities.looks[0]
    # Tensors on the CPU are read without torch, so that importing this module does not load it.
    cosines = np.asarray(
        similarities.region_cosines[0] if look.topk else similarities.region_scores[0, :, :, None], dtype=np.float32
    )
    branch: dict[str, Any] = {
        "name": "regions",
        "grid": grid,
        "prompts": cosines.shape[2],
        "usual": list(look.topk),
    }
    if sent is not None:
        last = look.with_topk(state.topk)
        means = last.local_scores if last.topk else np.zeros((len(last.class_names), 1), np.float32)
        branch |= {"classes": sent, "last": {"topk": list(last.topk), "means": _packed(means)}, "best": _best(look)}
        cosines = cosines[:, sent]
    return branch | {"cosines": _packed(cosines)}


def _linear(look: Explanation, name: str, grid: int, sent: list[int] | None) -> dict[str, Any]:
    """Return a branch that shots taught, of one look: linear in the regions, so its score is the mean of a map at any
    k.
    """
    branch: dict[str, Any] = {
        "name": HEADS[name].title,
        "grid": grid,
        "linear": True,
        "means": _packed(look.branch_scores[name]),
        "reach": branch_scale(look, name).high,
    }
    cosines = np.asarray(look.similarities.looks[0].branches[name][0], dtype=np.float32)
    if sent is not None:
        branch["classes"], cosines = sent, cosines[:, sent]
    return branch | {"cosines": _packed(cosines)}


def _best(look: Explanation) -> list[list[list[Any]]]:
    """Return the most probable classes of each region, with their probabilities."""
    probabilities = look.region_probabilities
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :REGION_CLASSES]
    largest = np.take_along_axis(probabilities, best, axis=1)
    return [
        [[c, probability] for c, probability in zip(*row, strict=True)]
        for row in zip(best.tolist(), largest.tolist(), strict=True)
    ]


def _packed(values: NDArray[Any]) -> str:
    kind = np.uint8 if values.dtype == np.uint8 else "<f4"
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


@dataclass(frozen=True)
class Origins:
    """Where the features come from, which an explanation does not contain.

    Attributes:
        side: pixels of the square that the backbone gets.
        templates: texts of the prompts, with ``{}`` for the name; none where prompts were learned.
        tokens: number of vectors of a learned prompt.
        kept: number of global prompts that prompt dropout keeps for each photo.
        notes: by step ("regions", "prompts", "cosines", "learning") an additional sentence.
        notebooks: by the title of a step, the name and the address of the notebook that builds it.
    """

    side: int
    templates: Sequence[str] = ()
    tokens: int = 4
    kept: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)
    notebooks: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def steps_data(shown: Mapping[str, Any], size: tuple[int, int], crop: CropBox, origins: Origins) -> dict[str, Any]:
    """Return everything that the steps show.

    Args:
        shown: what ``explainer_data`` made; the steps begin at its ``state``.
        size: of the photo, width and height.
        crop: what the model saw, in the photo's pixels.
    """
    across, down = crop.right - crop.left, crop.bottom - crop.top
    return dict(shown) | {
        "method": {
            "pixels": list(size),
            "side": origins.side,
            "cut": [crop.left, crop.top, crop.right, crop.bottom],
            "squeezed": across == size[0] and down == size[1] and across != down,
            "texts": list(origins.templates) or None,
            "tokens": origins.tokens,
            "kept": origins.kept,
            "notes": {step: origins.notes.get(step, "") for step in ("regions", "prompts", "cosines", "learning")},
            "notebooks": {step: list(named) for step, named in origins.notebooks.items()},
        }
    }
