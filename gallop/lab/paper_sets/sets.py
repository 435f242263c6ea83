"""The nineteen sets of the paper: where people have them, what belongs to them, where to get it, and how one is opened.

The names, sentences and layouts are facts; nothing of a set is in this project, and CoOp's split files are read from
the user's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path

from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.images import list_images
from gallop.lab.paper_sets.layouts import SYNSET, aircraft, by_number, by_synset, coop_split, imagenet
from gallop.lab.paper_sets.on_disk import CatalogueEntry, SetLocation
from gallop.wording import did_you_mean, quoted

# How CoOp's authors lay out every set, with the addresses of their split files.
_GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
_PHOTO = "a photo of a {}."  # the sentence for sets that CoOp has no special one for
_DTD = "https://www.robots.ox.ac.uk/~vgg/data/dtd/"
_AIRCRAFT = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/"
_OUTLIERS = "https://github.com/deeplearning-wisc/large_scale_ood"


def _few_shot(
    name: str,
    title: str,
    classes: int,
    template: str,
    file: str,
    *,
    homes: tuple[str, ...],
    photos: str,
    address: str,
    inside: str = "",
    torchvision: str | None = None,
) -> CatalogueEntry:
    """A set that a file of CoOp's divides."""
    return CatalogueEntry(
        name,
        title,
        "few-shot",
        classes,
        template,
        homes,
        (photos,),
        address,
        coop_split,
        "CoOp's split",
        (file,),
        _GUIDE,
        inside=inside,
        torchvision=torchvision,
    )


def _variant(
    name: str,
    title: str,
    classes: int,
    address: str,
    *,
    homes: tuple[str, ...],
    photos: tuple[str, ...],
    read: Callable[[SetLocation], PhotoSet] = by_synset,
    inside: str = SYNSET,
) -> CatalogueEntry:
    return CatalogueEntry(
        name,
        title,
        "variant",
        classes,
        _PHOTO,
        homes,
        photos,
        address,
        read,
        "class folders",
        inside=inside,
    )


def _photos(place: SetLocation) -> PhotoSet:
    """All images below the folder, in natural order."""
    nothing = Listing(place.photos)
    files = tuple(path.relative_to(place.photos).as_posix() for path in list_images(place.photos, recursive=True))
    return PhotoSet(
        place.name, nothing, nothing, val=nothing, photos=Listing(place.photos, files, (0,) * len(files), ("",))
    )


def _outliers(
    name: str, title: str, *homes: str, address: str = _OUTLIERS, torchvision: str | None = None
) -> CatalogueEntry:
    return CatalogueEntry(
        name, title, "ood", 0, "", homes, ("images", ""), address, _photos, "all photos", torchvision=torchvision
    )


_ENTRIES = (
    # Eleven to learn from.
    CatalogueEntry(
        "imagenet",
        "ImageNet",
        "few-shot",
        1000,
        _PHOTO,
        homes=("imagenet", "ImageNet", "ILSVRC/Data/CLS-LOC"),
        photos=("images", ""),
        inside="train|val",
        address="https://image-net.org/download.php",
        read=imagenet,
        split="train/ and val/",
    ),
    _few_shot(
        "caltech101",
        "Caltech101",
        100,
        _PHOTO,
        "split_zhou_Caltech101.json",
        homes=("caltech-101", "caltech101"),
        photos="101_ObjectCategories",
        address="https://data.caltech.edu/records/mzrjq-6wc02",
        torchvision="Caltech101",
    ),
    _few_shot(
        "oxford_pets",
        "OxfordPets",
        37,
        "a photo of a {}, a type of pet.",
        "split_zhou_OxfordPets.json",
        homes=("oxford_pets", "oxford-iiit-pet"),
        photos="images",
        address="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        torchvision="OxfordIIITPet",
    ),
    _few_shot(
        "stanford_cars",
        "StanfordCars",
        196,
        _PHOTO,
        "split_zhou_StanfordCars.json",
        homes=("stanford_cars",),
        photos="",
        inside="cars_train|cars_test",
        address=f"{_GUIDE}#stanfordcars",
    ),
    _few_shot(
        "flowers102",
        "Flowers102",
        102,
        "a photo of a {}, a type of flower.",
        "split_zhou_OxfordFlowers.json",
        homes=("oxford_flowers", "flowers-102"),
        photos="jpg",
        address="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        torchvision="Flowers102",
    ),
    _few_shot(
        "food101",
        "Food101",
        101,
        "a photo of {}, a type of food.",
        "split_zhou_Food101.json",
        homes=("food-101",),
        photos="images",
        address="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        torchvision="Food101",
    ),
    CatalogueEntry(
        "fgvc_aircraft",
        "FGVCAircraft",
        "few-shot",
        100,
        "a photo of a {}, a type of aircraft.",
        homes=("fgvc_aircraft", "fgvc-aircraft-2013b/data", "data"),
        photos=("images",),
        address=_AIRCRAFT,
        read=aircraft,
        split="the official split",
        needs=(
            "variants.txt",
            "images_variant_train.txt",
            "images_variant_val.txt",
            "images_variant_test.txt",
        ),
        guide=_AIRCRAFT,
        torchvision="FGVCAircraft",
    ),
    _few_shot(
        "sun397",
        "SUN397",
        397,
        _PHOTO,
        "split_zhou_SUN397.json",
        homes=("sun397",),
        photos="SUN397",
        address="https://vision.princeton.edu/projects/2010/SUN/",
        torchvision="SUN397",
    ),
    _few_shot(
        "dtd",
        "DescribableTextures",
        47,
        "{} texture.",
        "split_zhou_DescribableTextures.json",
        homes=("dtd/dtd", "dtd"),
        photos="images",
        address=_DTD,
        torchvision="DTD",
    ),
    _few_shot(
        "eurosat",
        "EuroSAT",
        10,
        "a centered satellite photo of {}.",
        "split_zhou_EuroSAT.json",
        homes=("eurosat",),
        photos="2750",
        address="https://github.com/phelber/EuroSAT",
        torchvision="EuroSAT",
    ),
    _few_shot(
        "ucf101",
        "UCF101",
        101,
        "a photo of a person doing {}.",
        "split_zhou_UCF101.json",
        homes=("ucf101",),
        photos="UCF-101-midframes",
        address=f"{_GUIDE}#ucf101",
    ),
    # Four variants of ImageNet, to test on alone.
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
    ),
    _variant(
        "imagenet_r",
        "ImageNetR",
        200,
        "https://github.com/hendrycks/imagenet-r",
        homes=("imagenet-rendition",),
        photos=("imagenet-r", ""),
    ),
    # Four of unknown things.
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
        address=_DTD,
        torchvision="DTD",
    ),
)
SETS = {known.name: known for known in _ENTRIES}
"""All sets by name."""


def available_datasets() -> tuple[CatalogueEntry, ...]:
    """Return what can be opened by name: eleven sets to learn from, four variants of ImageNet, four of
    unknown things.
    """
    return tuple(SETS.values())


def open_dataset(name: str, root: str | PathLike[str]) -> PhotoSet:
    """Find a set in a folder and list its files with labels, divided as CoOp divides it.

    The photos may lie in CoOp's layout or in torchvision's.

    Args:
        name: such as "oxford_pets".
        root: the folder that holds the sets, or the folder of this one.

    Raises:
        DataError: an unknown name, or a set that is not there, not complete or damaged; the message says what is
            missing and where to get it.
        ClassNameError: class names that cannot be used.
    """
    known, root = find_set(name), Path(root)
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder. Pass the folder that contains the data sets, or the folder of {known.title}."
        )
    place = known.locate(root)
    if place is None:
        photos = known.photos[0] or known.inside.replace("|", " or ")
        expected = " and ".join(f"{home}/{photos}" for home in known.homes[:2])
        raise DataError(f"The photos of {known.title} are not in {root}; looked for {expected}. {_where_to_get(known)}")
    files = [place.find(file) for file in known.needs]
    missing = [name for name, file in zip(known.needs, files, strict=True) if file is None]
    if missing:
        raise DataError(
            f"To split {known.title} into training and test images, put {' and '.join(missing)} in {place.home} "
            f"({known.split}: {known.guide})."
        )
    photo_set = known.read(replace(place, files=tuple(filter(None, files))))
    if not (len(photo_set.train) or len(photo_set.test) or len(photo_set.photos)):
        raise DataError(f"No images of {known.title} were found in {place.photos}. {_where_to_get(known)}")
    return replace(photo_set, folder=place.photos, split=known.split, expected_classes=known.classes)


def find_set(name: str) -> CatalogueEntry:
    """Return what is known of a set.

    Raises:
        DataError: an unknown name; the nearest ones are named.
    """
    if name not in SETS:
        near = did_you_mean(name, SETS) or f" Choose one of {', '.join(SETS)}."
        raise DataError(f"There is no data set {quoted(name)}.{near}")
    return SETS[name]


def _where_to_get(known: CatalogueEntry) -> str:
    if known.torchvision is None:
        return f"Get them from {known.address}."
    return (
        f"Get them from {known.address}, or download them with torchvision.datasets.{known.torchvision}(DIR, "
        "download=True)."
    )
