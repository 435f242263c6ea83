"""Whether the taught prompts differ, in figures: on the photos there are. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.views import testing
from app.visitor.session import Session
from gallop import Photo
from gallop.config import HEADS
from gallop.evaluation.intervals import Share

if TYPE_CHECKING:
    from gallop.backbones import Backbone
    from gallop.evaluation.diversity import Nearest, Worth


@dataclass(frozen=True)
class Figures:
    """Of M global and N local prompts on B photos; shapes as in ``gallop.evaluation.diversity``.

    Attributes:
        says_global, says_local: (M, M) and (N, N), cosines of what two prompts say of the same class.
        overlap, most: (N, N), how far two prompts choose the same regions, and how far their scales allow it.
        looks: (N, R), share of the photos in which a region was chosen.
        accuracy: of all prompts together, and of the branches beside them.
        worths: of each prompt, global ones first.
    """

    says_global: NDArray[np.float32]
    says_local: NDArray[np.float32]
    overlap: NDArray[np.float64]
    most: NDArray[np.float64]
    looks: NDArray[np.float64]
    topk: tuple[int, ...]
    grid: tuple[int, int]
    accuracy: Share
    worths: tuple[Worth, ...]
    branches: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """What the prompts are called, global ones first."""
        return [*numbered("global", len(self.says_global)), *numbered("local", len(self.says_local))]


def numbered(branch: str, count: int) -> list[str]:
    """Such as ["global 1", "global 2"]."""
    return [f"{branch} {p}" for p in range(1, count + 1)]


def figures(session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]) -> Figures:
    """Worked out once for photos (at least one, with the class of each) and scales."""
    assert session.training.taught is not None
    labels = tuple(session.training.taught.names.index(name) for _, name in pairs)
    photos = [photo for photo, _ in pairs]
    return session.answers.figure(
        "prompts", photos, (session.training.scales(), labels), lambda: _figures(session, backbone, photos, labels)
    )


def _figures(session: Session, backbone: Backbone, photos: Sequence[Photo], labels: tuple[int, ...]) -> Figures:
    from gallop.evaluation import diversity

    assert session.training.taught is not None
    found = session.answers.similarities(backbone, photos, testing.taught_question(session))
    said, topk = session.training.taught.after.model_.cached_text_features(), session.training.scales()
    chosen = diversity.chosen_regions(found, labels, topk)
    right = int((np.asarray(found.logits(topk).argmax(dim=-1)) == labels).sum())
    return Figures(
        says_global=diversity.text_cosines(said.global_),
        says_local=diversity.text_cosines(said.local),
        overlap=diversity.overlaps(chosen),
        most=diversity.most_overlap(topk, chosen.shape[-1]),
        looks=chosen.mean(axis=0),
        topk=topk,
        grid=backbone.vision.grid,
        accuracy=Share(right, len(photos)),
        worths=tuple(diversity.worths(found, topk, labels)),
        branches=tuple(HEADS[name].title for name in found.branch_weights),
    )


def prompt_words(session: Session, backbone: Backbone) -> list[list[list[Nearest]]]:
    """For each prompt and context token the nearest words of the vocabulary."""
    from gallop.evaluation.diversity import nearest_words

    assert session.training.taught is not None
    contexts = session.training.taught.after.model_.prompts.contexts().detach()
    return session.answers.figure("words", (), None, lambda: nearest_words(contexts, *backbone.text.vocabulary()))


def pair(matrix: NDArray[Any], *, closest: bool = True) -> tuple[int, int, float]:
    """The two prompts (counted from 0) that are closest, or farthest, and how close; of at least two."""
    rows, columns = np.triu_indices(len(matrix), k=1)
    values = matrix[rows, columns]
    place = int(values.argmax() if closest else values.argmin())
    return int(rows[place]), int(columns[place]), float(values[place])
