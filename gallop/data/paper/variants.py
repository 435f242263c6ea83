"""The sets to test on alone: four variants of ImageNet, and four sets of unknown things."""

from __future__ import annotations

from collections.abc import Callable

from gallop.data.listing import Listing
from gallop.data.paper.imagenet import CLASS_NAMES, SYNSET, by_number, by_synset
from gallop.data.paper.places import CatalogueEntry, FoundSet, Piece, Split
from gallop.data.photo_set import PhotoSet
from gallop.images import list_images

GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
"""How CoOp's authors lay out every set, with the addresses of their split files."""

DTD_ADDRESS = "https://www.robots.ox.ac.uk/~vgg/data/dtd/"
PHOTO = "a photo of a {}."
"""The sentence of the sets that have none of their own."""

_OUTLIERS = "https://github.com/deeplearning-wisc/large_scale_ood"


def _variant(
    name: str,
    title: str,
    classes: int,
    address: str,
    *,
    homes: tuple[str, ...],
    photos: tuple[str, ...],
    read: Callable[[FoundSet], PhotoSet] = by_synset,
    inside: str = SYNSET,
    aliases: tuple[str, ...] = (),
) -> CatalogueEntry:
    names = Piece(CLASS_NAMES, f"{GUIDE}#imagenet", "optional", "without it, open_clip's names are taken")
    split = Split("class folders", (names,), read)
    return CatalogueEntry(
        name, title, "variant", classes, PHOTO, homes, photos, address, (split,), inside=inside, aliases=aliases
    )


VARIANTS = (
    _variant(
        "imagenet_v2",
        "ImageNetV2",
        1000,
        "https://github.com/modestyachts/ImageNetV2",
        homes=("imagenetv2",),
        photos=("imagenetv2-matched-frequency-format-val", ""),
        read=by_number,
        inside=r"\d{1,3}",
    ),
    _variant(
        "imagenet_sketch",
        "ImageNetSketch",
        1000,
        "https://github.com/HaohanWang/ImageNet-Sketch",
        homes=("imagenet-sketch",),
        photos=("images", "sketch", ""),
    ),
    _variant(
        "imagenet_a",
        "ImageNetA",
        200,
        "https://github.com/hendrycks/natural-adv-examples",
        homes=("imagenet-adversarial",),
        photos=("imagenet-a", ""),
        aliases=("imagenet-adversarial",),
    ),
    _variant(
        "imagenet_r",
        "ImageNetR",
        200,
        "https://github.com/hendrycks/imagenet-r",
        homes=("imagenet-rendition",),
        photos=("imagenet-r", ""),
        aliases=("imagenet-rendition",),
    ),
)


def _photos(place: FoundSet) -> PhotoSet:
    """All images below the folder, in natural order."""
    nothing = Listing(place.photos)
    files = (path.relative_to(place.photos).as_posix() for path in list_images(place.photos, recursive=True))
    return PhotoSet(place.name, nothing, nothing, val=nothing, photos=Listing(place.photos, tuple(files)).unlabelled())


def _outliers(
    name: str, title: str, *homes: str, address: str = _OUTLIERS, torchvision: str | None = None
) -> CatalogueEntry:
    photos, splits = ("images", ""), (Split("all photos", (), _photos),)
    return CatalogueEntry(name, title, "ood", 0, "", homes, photos, address, splits, torchvision=torchvision)


OUTLIERS = (
    _outliers("inaturalist", "iNaturalist", "iNaturalist", "inaturalist"),
    _outliers("sun", "SUN", "SUN"),
    _outliers("places", "Places", "Places", "Places365", "places365"),
    _outliers(
        "textures",
        "Textures",
        "dtd/dtd",
        "dtd",
        "Texture",
        "Textures",
        "texture",
        address=DTD_ADDRESS,
        torchvision="DTD",
    ),
)
