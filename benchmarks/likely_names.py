"""Write the names that Explore suggests for a photo, and their text features on ``mini``.

``python -m benchmarks.likely_names names PLACES OPEN_IMAGES`` writes ``gallop/names/likely.txt`` from the categories of
Places365 (``categories_places365.txt``), the boxable classes of Open Images (``class-descriptions-boxable.csv``), the
class names of ImageNet as open_clip has them, and the nouns that `mini`'s text encoder was asked about. The rules:

* lower case, except where ImageNet's list writes a capital; ``_`` is a space; a Places365 name ends before its second
  ``/``, so that "church/indoor" and "church/outdoor" are one;
* what stands in brackets, and what follows ``&``, " / " or " or ", is left out; "human" before a part of the body too;
* a name is there once, whatever its case, in the order of the sources; none was added or left out for a photo;
* a class that has others below it and says little of a photo is generic, and begins with ``~`` in the file.

``python -m benchmarks.likely_names features`` writes ``gallop/names/likely.safetensors`` from the list.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from gallop import parse_names
from gallop.names import likely
from gallop.runtime.writing import write_file

OWN = ("everyday nouns", "scenes", "foods", "clothes")
SPELLED = {
    "mountain snowy": "snowy mountain",
    "archaelogical excavation": "archaeological excavation",
    "kindergarden classroom": "kindergarten classroom",
    "oilrig": "oil rig",
    "fastfood restaurant": "fast food restaurant",
    "artists loft": "artist's loft",
    "butchers shop": "butcher's shop",
    "childs room": "child's room",
    "veterinarians office": "veterinarian's office",
}
EVERYDAY = parse_names(  # what Explore suggested before there was this list
    "cat, dog, bird, horse, cow, sheep, rabbit, fish, butterfly, insect, flower, tree, forest, mountain, beach, lake, "
    "snow, sky, city, street, house, bridge, boat, car, train, airplane, bicycle, motorcycle, person, baby, crowd, "
    "bread, cake, pizza, soup, salad, fruit, cup of coffee, bottle, book, computer, telephone, clock, chair, sofa, "
    "bed, table, lamp, shoe, dress, bag, guitar, painting, statue, map, text, toy, ball"
)
GENERIC = parse_names(
    "animal, carnivore, mammal, invertebrate, marine invertebrates, marine mammal, reptile, insect, bird, fish, "
    "shellfish, moths and butterflies, rays and skates, plant, food, fast food, baked goods, dairy, dessert, drink, "
    "fruit, vegetable, seafood, snack, pastry, furniture, clothing, footwear, fashion accessory, swimwear, "
    "luggage and bags, vehicle, land vehicle, watercraft, aircraft, auto part, building, person, body, tool, weapon, "
    "toy, container, box, home appliance, kitchen appliance, kitchenware, kitchen utensil, tableware, "
    "musical instrument, sports equipment, sports uniform, medical equipment, office supplies, personal care, "
    "cosmetics, hiking equipment, bowling equipment, plumbing fixture, bathroom accessory, cat furniture, sculpture, "
    "text, scale, glass"
)


def cleaned(name: str) -> str:
    """Return a source's name by the rules above; empty where nothing is left."""
    short = re.split(r" & | / | or |, | \(", name.replace("_", " "))[0].strip().removeprefix("human ")
    return SPELLED.get(short, short)


def names(places: Path, open_images: Path) -> list[str]:
    """Return the lines of the list."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    words = json.loads(Path("checkpoints/mini/words.json").read_text())
    place_names = [re.sub(r"^/./", "", line.split()[0]).split("/")[0] for line in places.read_text().splitlines()]
    boxable = [line.rpartition(",")[2].lower() for line in open_images.read_text().splitlines()]
    own = [name for group in OWN for name in words[group]]
    found: dict[str, str] = {}
    for name in map(cleaned, (*EVERYDAY, *own, *boxable, *place_names, *IMAGENET_CLASSNAMES)):
        if name:
            found.setdefault(name.casefold(), name)
    return [f"~{name}" if name in GENERIC else name for name in found.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sources = commands.add_parser("names")
    sources.add_argument("places", type=Path)
    sources.add_argument("open_images", type=Path)
    commands.add_parser("features")
    options = parser.parse_args()
    if options.command == "names":
        write_file(likely.LIST, ("\n".join(names(options.places, options.open_images)) + "\n").encode())
    else:
        from safetensors.torch import save

        from gallop import load_backbone
        from gallop.model.prompted import name_features

        mini = load_backbone("mini", device="cpu")
        features = name_features(mini, [*likely.likely_names()]).half()
        write_file(likely.FEATURES, save({"names": features}, {"fingerprint": mini.fingerprint}))


if __name__ == "__main__":
    main()
