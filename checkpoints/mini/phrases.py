"""What people type about photos besides the nouns of a dictionary: plurals, colours, stuffs, scenes, deeds."""

from __future__ import annotations

import random
from collections.abc import Sequence

import inflect

__all__ = ["FORMS", "FULL_STOP_FRACTION", "attributed", "attributes", "deeds", "pairs", "plural", "scenes"]

FORMS: dict[str, float] = {
    "A photo of a {}": 0.40,
    "{}": 0.08,
    "a {}": 0.05,
    "an {}": 0.02,
    "the {}": 0.03,
    "a photo of {}": 0.08,
    "a photo of an {}": 0.04,
    "a photo of the {}": 0.06,
    "a picture of a {}": 0.03,
    "an image of a {}": 0.03,
    "a close-up photo of a {}": 0.03,
    "a cropped photo of the {}": 0.02,
    "a blurry photo of a {}": 0.02,
    "a bright photo of a {}": 0.02,
    "a black and white photo of a {}": 0.01,
    "a photo of many {}": 0.02,
    "a drawing of a {}": 0.02,
    "a sketch of a {}": 0.02,
    "a painting of a {}": 0.02,
}
"""Forms of speech that do not change the meaning, and how often each is shown. The tokenizer lowers every letter."""

FULL_STOP_FRACTION = 0.2

_ATTRIBUTES: dict[str, str] = {
    "colours": "red orange yellow green blue purple pink brown black white grey golden silver dark bright colorful",
    "stuffs": "wooden metal steel plastic glass paper cardboard leather cotton woollen knitted stone brick concrete "
    "clay ceramic rubber denim velvet silk lace straw bamboo marble copper rusty",
    "textures": "striped spotted dotted checkered plaid woven braided wrinkled cracked smooth rough bumpy furry fluffy "
    "feathered scaly spiky shiny matte transparent frosted grooved honeycombed swirly marbled polka-dotted floral "
    "patterned plain patchy porous veined",
    "shapes and states": "big small tiny tall short long round square flat thick thin old new broken dirty clean wet "
    "dry frozen fresh ripe rotten cooked baked fried grilled sliced empty full open closed long-sleeved short-sleeved "
    "sleeveless wild tame young baby toy",
    "scenes": "snowy sandy rocky muddy grassy foggy sunny rainy crowded urban rural indoor outdoor tropical "
    "mountainous",
}

_SCENES = (
    "aerial view of a {}",
    "satellite image of a {}",
    "inside of a {}",
    "{} at night",
    "{} on a beach",
    "{} in the snow",
    "{} in the water",
    "{} on a table",
    "{} on grass",
    "{} in a forest",
    "{} in the city",
    "a group of {}",
    "a plate of {}",
    "a pile of {}",
    "a person with a {}",
    "a hand holding a {}",
    "front of a {}",
    "part of a {}",
)

_ENGLISH = inflect.engine()


def plural(name: str) -> str:
    """*sea horses* for *sea horse*; a name that ends like a plural is unchanged."""
    if name.endswith("s") and not name.endswith("ss"):
        return name
    return str(_ENGLISH.plural_noun(name) or name)


def attributed(nouns: Sequence[str], count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of a phrase such as *striped shirt* and its noun, every kind of attribute equally often."""
    draw = random.Random(seed)
    kinds = [words.split() for words in _ATTRIBUTES.values()]
    noun_of = {}
    while len(noun_of) < count:
        noun = draw.choice(nouns)
        noun_of[f"{draw.choice(draw.choice(kinds))} {noun}"] = noun
    return list(noun_of.items())


def attributes() -> list[str]:
    """The attributes alone, and as *a striped texture*, *a striped pattern*, *a striped surface*."""
    words = [word for words in _ATTRIBUTES.values() for word in words.split()]
    return [
        form.format(word) for word in words for form in ("{}", "{} texture", "{} pattern", "{} surface", "{} thing")
    ]


def pairs(nouns: Sequence[str], count: int, seed: int) -> list[str]:
    """Two nouns side by side, such as *glass waste*."""
    draw = random.Random(seed)
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[" ".join(draw.sample(nouns, 2))] = None
    return list(drawn)


def scenes(nouns: Sequence[str], count: int, seed: int) -> list[str]:
    """Nouns in a place or a view, such as *aerial view of a harbour*."""
    draw = random.Random(seed)
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[draw.choice(_SCENES).format(draw.choice(nouns))] = None
    return list(drawn)


def deeds(verbs: Sequence[str], nouns: Sequence[str], count: int, seed: int) -> list[str]:
    """Activities: *running*, *a person running*, *riding a horse*."""
    draw = random.Random(seed)
    activities: dict[str, None] = {}
    for verb in verbs:
        activities[_gerund(verb)] = None
        activities[f"person {_gerund(verb)}"] = None
    while len(activities) < count:
        activities[f"{_gerund(draw.choice(verbs))} a {draw.choice(nouns)}"] = None
    return list(activities)


def _gerund(verb: str) -> str:
    return str(_ENGLISH.present_participle(verb))
