"""What each prompt says and is worth on photos, as cards, and what all of them do, in sentences. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app import text
from app.library import Backbone, Diversity, InWords
from app.photos.shelf import thumbnail_url
from app.views.exploring import PhotoTile
from app.views.testing import PATCH, Figures, region_url
from app.visitor.session import Session
from gallop import Photo
from gallop.config import CONTEXT_INIT
from gallop.wording import counted


@dataclass(frozen=True)
class PromptCard:
    """One prompt on B photos. No text is escaped.

    Attributes:
        name: such as "Local 3, k = 15".
        words: what it started from, and what it says of a class now, as a sentence.
        shown: what its tiles are, where that is not plain.
        tiles: up to four photos, or regions of photos.
        alone: photos that are right by this prompt alone.
        lost: percentage points of accuracy that are lost without it, negative where some are gained; None where it is
            the only prompt.
        dead: why it is dead; empty where it is not.
    """

    name: str
    words: str
    shown: str
    tiles: Sequence[PhotoTile]
    alone: int
    lost: float | None
    dead: str


def cards(
    figures: Figures, starts: Sequence[str], told: Sequence[InWords], tiles: Sequence[Sequence[PhotoTile]]
) -> list[PromptCard]:
    """Return the cards of the M + N prompts.

    Args:
        starts: the words that prompts started from, in turn.
        told: what each says of one class.
        tiles: of each, as ``tiles`` returns them.
    """
    m, right = figures.global_prompts, figures.accuracy.right
    names = [f"Global {p}" for p in range(1, m + 1)] + [f"Local {n}, k = {k}" for n, k in enumerate(figures.topk, 1)]
    shown = [_shown(figures, p) for p in range(m)] + [""] * len(figures.topk)
    return [
        PromptCard(
            names[p],
            _said(told[p], starts[(p if p < m else p - m) % len(starts)]),
            shown[p],
            tiles[p],
            each.alone,
            None if each.without is None else 100 * (right - each.without) / figures.accuracy.of,
            " and ".join(
                ["it hardly tells the classes apart"] * each.silent
                + [f"always naming the most common class gets {each.commonest} right"] * each.ignorant
            ),
        )
        for p, each in enumerate(figures.worths)
    ]


def _shown(figures: Figures, prompt: int) -> str:
    """What the photos of a global prompt are; where it is the only one, all that it gets right are its alone."""
    answers = figures.diversity.answers
    only = answers[0].only[prompt] if answers and figures.global_prompts > 1 else 0
    more = ", then its surest" if only < len(figures.best[prompt]) else ""
    return f"{counted(only, 'photo')} that only this global prompt gets right{more}" if only else ""


def _said(told: InWords, start: str) -> str:
    begun, plain = (f"“{words} {told.class_name}”" for words in (start, CONTEXT_INIT))
    if not told.learned:
        return plain if begun == plain else f"{begun}, now {plain}"
    words = [f"{part.word} {text.share(part.added)}" for part in told.parts[1:-1][:3]]
    rest = [f"{text.share(told.rest.added)} in no word"] * (told.rest.added >= 0.005)
    return f"{begun}, now {', '.join(rest + words if told.untold else words + rest)}"


def tiles(
    session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]], figures: Figures
) -> list[list[PhotoTile]]:
    """Return the tiles of each prompt's card, of photos with the class of each.

    A key has the photo's content hash, the local prompt, the region, and the number of the card.
    """
    from gallop.predictions.heatmaps import place_in_words

    def tile(prompt: int, i: int, region: int | None) -> PhotoTile:
        (photo, name), local = pairs[i], max(prompt - figures.global_prompts, 0)
        url = session.answers.thumbnail(
            photo,
            lambda: (
                thumbnail_url(photo.image, PATCH)
                if region is None
                else region_url(backbone, photo, region, figures.grid)
            ),
            of=("card", region, figures.grid),
        )
        key = f"{photo.sha256} {local} {'-' if region is None else region} {prompt}"
        return PhotoTile(
            key,
            name,
            url,
            about=photo.name if region is None else f"{photo.name}, {place_in_words(region, figures.grid)}",
        )

    return [[tile(p, *place) for place in places] for p, places in enumerate(figures.best)]


def lead(figures: Figures, pile: str) -> str:
    """Return what the prompts do on the photos of a pile, such as "Test photos", in one or two sentences."""
    alone, accuracy, names = [each.alone for each in figures.worths], figures.accuracy, figures.names
    lost = [accuracy.right - (accuracy.right if each.without is None else each.without) for each in figures.worths]
    photos = counted(accuracy.of, pile.lower().removesuffix("s"))
    beside = "".join(f" with the {branch}" for branch in figures.branches)
    told = f"Together{beside}, the prompts get {accuracy.right} of {photos} right ({text.share(accuracy.value)})"
    if len(alone) == 1:
        return f"{told}."
    each = " to ".join(map(str, sorted({min(alone), max(alone)})))
    name, points = names[lost.index(max(lost))], 100 * max(lost) / accuracy.of
    most = (
        f"Most is lost without {name}: {points:.1f} points" if points > 0 else "Nothing is lost without any one of them"
    )
    return f"{told}; alone, each gets {each}. {most}."


def coinciding(diversity: Diversity) -> str:
    """Return which prompts coincide, and the settings that part them, as a sentence; empty where none do."""
    kinds = zip(diversity.prompts, ("global", "local"), diversity.as_one, strict=True)
    same = [f"{count} {kind}" for count, kind, as_one in kinds if as_one]
    return (
        f"The {' and the '.join(same)} prompts say nearly the same{' (but for k)' * diversity.as_one[1]}. To part "
        "them, choose other *Starting words* or more *Diversity* among all settings on Teach."
        if same
        else ""
    )
