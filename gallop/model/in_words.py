"""Learned prompts in words, in the joint space where they act: sums of a few texts' features and a rest.

A prompt makes a text feature t of every class, and all its scores are products x . t with a photo or a region x. The
same class's name in other sentences ("A sketch of a teapot") has features too, d_j, all of length 1. A few
non-negative weights w_j make t = sum_j w_j d_j + r, so every score is the same sum, x . t = sum_j w_j x . d_j + x . r,
whatever x is. Sums of text features in place of nearest tokens: Bhalla et al., NeurIPS 2024 (SpLiCE).

Shapes: K classes, M global and N local prompts, P = M + N, W parts, D joint width, B photos, R regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gallop.config import CONTEXT_INIT
from gallop.core.gallop import TextFeatures
from gallop.errors import ClassNameError
from gallop.features.encoding import ImageFeatures
from gallop.model.prompted import PromptModel
from gallop.names.templates import fill
from gallop.wording import did_you_mean, in_percent, listed

MOST_WORDS = 6
"""Of one prompt and class, beside the class itself."""
REST = "rest"
UNCHANGED = 0.99
"""From this cosine with the plain class's text feature on, a prompt says what "A photo of a" says."""
_LEAST = 0.01  # of what training changed, squared: a word that tells less of it is left out
_ROUNDING = 1e-6  # squared length of a change

SENTENCES = {
    "A * of a {}": "sketch, drawing, painting, watercolour, cartoon, poster, sculpture, statue, toy, model, plush, "
    "tattoo, mosaic, graffiti, stencil, silhouette, outline, diagram, blueprint, logo, icon, stamp, collage, "
    "rendering, screenshot, video still, mirror image, shadow, detail, close-up, fragment",
    "A * photo of a {}": "blurry, sharp, dark, bright, black and white, monochrome, sepia, faded, overexposed, "
    "pixelated, grainy, cropped, close-up, distant, aerial, studio, vintage, colourful, low contrast, tilted, "
    "cluttered",
    "A photo of a * {}": "red, orange, yellow, green, blue, purple, pink, brown, black, white, grey, golden, silver, "
    "beige, turquoise, wooden, metal, glass, plastic, paper, stone, ceramic, leather, woollen, cotton, rubber, marble, "
    "brick, concrete, steel, copper, straw, silk, wax, ice, clay, striped, dotted, checked, floral, plain, patterned, "
    "woven, knitted, carved, painted, shiny, matt, rough, smooth, transparent, furry, spiky, wrinkled, wet, dirty, "
    "clean, broken, rusty, old, new, small, large, tiny, huge, tall, short, wide, thin, thick, round, square, flat, "
    "curved, pointed, hollow, empty, full, open, closed, folded, young, wild, hidden",
    "A photo of the * of a {}": "handle, lid, rim, edge, top, bottom, side, front, back, base, body, neck, head, face, "
    "eye, ear, nose, mouth, wing, tail, leg, foot, hand, fur, feather, skin, leaf, stem, petal, root, branch, wheel, "
    "window, door, roof, wall, screen, button, cable, spout, blade, label, surface, inside, centre, corner",
    "A photo of a {} *": "on a table, on the ground, in the grass, in the snow, in water, in the sky, in a city, "
    "in a forest, in a room, in a kitchen, in a shop, in a hand, in a box, on a shelf, on a wall, on a road, "
    "at night, in the sun, in fog, in motion, from above, from below, from behind, from the side, far away, "
    "among others, with a person, with text, on a white background, on a dark background",
    "A photo of *{}": "several , many , two , a pile of , a group of , a row of , half of a , the inside of a ",
}
"""Words by the sentence that each stands in, at ``*``; the class name follows at ``{}``."""


def dictionary() -> dict[str, str]:
    """Return a sentence with ``{}`` for the class name for each word; the first of two equal words is kept."""
    made: dict[str, str] = {}
    for sentence, words in SENTENCES.items():
        for word in words.split(", "):
            made.setdefault(word.strip(), sentence.replace("*", word))
    return made


@dataclass(frozen=True)
class Part:
    """One part of the sum that a prompt's text feature of a class is.

    Attributes:
        word: of the dictionary, or a class; ``REST`` is what no word tells.
        weight: of the word's text feature; the length of the rest.
        share: of the text feature t: what the part adds to t . t = 1. The shares of all parts add up to 1.
        added: of what the context adds, g = t less w_0 d_0 of the plain class: what a word or the rest adds to g . g,
            as a fraction of it. They add up to 1, too; 0 for the plain class, and each where nothing is added.
    """

    word: str
    weight: float
    share: float
    added: float


@dataclass(frozen=True)
class InWords:
    """What a prompt says of a class, as a sum.

    Attributes:
        prompt: such as "global 1".
        parts: W; the plain class first ("A photo of a ..."), then the words by what they add, then the rest.
        before: the cosine of the text feature with that of the plain class.
        vectors: (W, D), the parts themselves: they add up to the prompt's text feature of length 1.
    """

    prompt: str
    class_name: str
    parts: tuple[Part, ...]
    before: float
    vectors: NDArray[np.float64] = field(repr=False, compare=False)

    @property
    def rest(self) -> Part:
        """Return what no word tells."""
        return self.parts[-1]

    @property
    def learned(self) -> bool:
        """Return whether the context says more than "A photo of a", so that ``before`` is below ``UNCHANGED``."""
        return self.before < UNCHANGED

    @property
    def untold(self) -> bool:
        """Return whether more than half of what the context adds is in no word."""
        return self.learned and self.rest.added > 0.5

    @property
    def words(self) -> str:
        """Return a sentence without its full stop; the rest leads where it is more than half."""
        if not self.learned:
            return f'{self.prompt} says of {self.class_name} what "{CONTEXT_INIT}" says ({self.before:.3f})'
        told = [f"{part.word} {in_percent(part.added)}" for part in self.parts[1:-1]]
        rest = f"{in_percent(self.rest.added)} in no word"
        kept = f"{self.prompt} has {self.parts[0].weight:.2f} of the plain {self.class_name}, and its context adds"
        return f"{kept} {', '.join([rest, *told] if self.untold else [*told, rest])}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values: the attributes without ``vectors``, each ``Part`` as a dictionary."""
        return {name: value for name, value in asdict(self).items() if name != "vectors"}


def told_in_words(model: PromptModel, class_name: str, prompts: Sequence[str], most: int = MOST_WORDS) -> list[InWords]:
    """Return what each of the P prompts says of one class, by the class list and ``dictionary`` (without its words that
    are classes).

    The text encoder runs once for every word.

    Args:
        prompts: names of the P prompts.
        most: words of each, beside the class itself.

    Raises:
        ClassNameError: there is no such class.
    """
    if class_name not in model.class_names:
        raise ClassNameError(
            f"This model has no class {class_name!r}; its classes are {listed(model.class_names)}."
            f"{did_you_mean(class_name, model.class_names)}"
        )
    k, text = model.class_names.index(class_name), model.cached_text_features()
    features = _unit(torch.cat([text.global_[k], text.local[k]]))
    names = [class_name, *(name for name in model.class_names if name != class_name)]
    sentences = {word: fill(sentence, class_name) for word, sentence in dictionary().items() if word not in names}
    sentences = {name: f"{CONTEXT_INIT} {name}" for name in names} | sentences
    with torch.no_grad(), model.backbone.autocast_text(learning=False):
        atoms = _unit(model.backbone.text.encode_texts([*sentences.values()]))
    return [
        InWords(prompt, class_name, *_told(feature, atoms, [*sentences], most))
        for prompt, feature in zip(prompts, features, strict=True)
    ]


def _unit(text: Tensor) -> NDArray[np.float64]:
    return np.asarray(F.normalize(text.detach().cpu().double(), dim=-1))


def _told(
    feature: NDArray[np.float64], atoms: NDArray[np.float64], words: Sequence[str], most: int
) -> tuple[tuple[Part, ...], float, NDArray[np.float64]]:
    """Parts of a feature (D), its cosine with the first of the atoms (words, D), the untrained one, and the parts as
    vectors (W, D).

    Greedy: each time the word that leaves the shortest rest, of those that training moved the feature towards, and then
    all weights anew (orthogonal least squares).
    """
    from scipy.optimize import nnls  # a quarter of a second, for what is asked rarely

    change, chosen, weights = feature - atoms[0], [0], np.ones(1)
    moved, towards = float(change @ change), atoms @ change > 0
    while moved > _ROUNDING:
        weights = nnls(atoms[chosen].T, feature)[0]
        rest = feature - weights @ atoms[chosen]
        within = np.linalg.qr(atoms[chosen].T)[0]
        beyond = np.linalg.norm(atoms - atoms @ within @ within.T, axis=1)
        untold = towards & (beyond > 1e-3)
        shorter = np.where(untold, atoms @ rest / np.maximum(beyond, 1e-3), 0)
        best = int(shorter.argmax())
        if len(chosen) > most or shorter[best] <= 0 or shorter[best] ** 2 < _LEAST * moved:
            break
        chosen.append(best)
    put_in = feature - weights[0] * atoms[0]
    told = [i for i, weight in enumerate(weights) if weight > 0 and i]
    told = [0, *sorted(told, key=lambda i: -weights[i] * (atoms[chosen[i]] @ put_in))]
    vectors = weights[told, None] * atoms[[chosen[i] for i in told]]
    vectors = np.vstack([vectors, feature - vectors.sum(axis=0)])
    shares, added = vectors @ feature, np.append(0, vectors[1:] @ put_in / max(put_in @ put_in, _ROUNDING))
    lengths = [*weights[told].tolist(), float(np.linalg.norm(vectors[-1]))]
    named = [*(words[chosen[i]] for i in told), REST]
    return tuple(map(Part, named, lengths, shares.tolist(), added.tolist())), float(atoms[0] @ feature), vectors


@dataclass(frozen=True)
class WordScores:
    """A photo's scores of one class, part by part.

    Attributes:
        told: of the P prompts.
        looks: of each look the whole photo's (W, M) and the regions' (R, W, N) products with every part; 0 where a
            prompt has fewer parts. Their sums over W are the cosines with the prompts.
    """

    told: tuple[InWords, ...]
    looks: tuple[tuple[Tensor, Tensor], ...]


def word_scores(model: PromptModel, features: ImageFeatures, told: Sequence[InWords]) -> WordScores:
    """Return them for the features of one photo (B = 1), of the looks that its maps have."""
    size, (m, _) = max(len(each.parts) for each in told), model.prompts.sizes
    vectors = torch.zeros(size, len(told), told[0].vectors.shape[1], device=model.backbone.device)
    for p, each in enumerate(told):
        vectors[: len(each.parts), p] = torch.from_numpy(each.vectors).to(vectors)
    lengths = vectors.norm(dim=-1).cpu()  # cosines are of texts of length 1
    with torch.no_grad():
        similar = model.with_branches(()).maps(features, TextFeatures(vectors[:, :m], vectors[:, m:]))
    return WordScores(
        told=tuple(told),
        looks=tuple(
            (look.image_cosines[0].cpu() * lengths[:, :m], look.region_cosines[0].cpu() * lengths[:, m:])
            for look in similar.looks
        ),
    )
