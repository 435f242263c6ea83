"""Class names where the files of a set do not say them."""

from __future__ import annotations

import re

_FLOWERS = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid,
bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris,
globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower,
fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke,
sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya,
cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia,
bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula,
sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia, cautleya spicata,
japanese anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, bearded iris,
windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus,
toad lily, anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow,
mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""
FLOWERS = tuple(" ".join(name.split()) for name in _FLOWERS.split(","))
"""The 102 flowers in the order of their numbers, which begin with 1 in the set's files."""


def car_name(name: str) -> str:
    """Put the year first, as it is said: "Audi TT RS Coupe 2012" becomes "2012 Audi TT RS Coupe"."""
    words, _, year = name.rpartition(" ")
    return f"{year} {words}" if re.fullmatch(r"\d{4}", year) and words else name


def scene_name(path: str) -> str:
    """SUN397's path without its letter, the last part first: "c/casino/indoor" becomes "indoor casino"."""
    return " ".join(reversed(path.split("/")[1:]))


def action_name(name: str) -> str:
    """UCF101's names in words: "ApplyEyeMakeup" becomes "Apply_Eye_Makeup", the name of its folder in CoOp's layout."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name)
