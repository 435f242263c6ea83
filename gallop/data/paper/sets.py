"""The nineteen sets of the paper: where people have them, what belongs to them, and where to get it.

The names, sentences and layouts are facts; nothing of a set is in this project, and CoOp's split files are read from
the user's folder.
"""

from __future__ import annotations

from collections.abc import Callable

from gallop.data.listing import Listing
from gallop.data.paper.imagenet import CLASS_NAMES, SYNSET, by_number, by_synset, imagenet
from gallop.data.paper.places import CatalogueEntry, FoundSet, Piece, Split
from gallop.data.paper.split_files import actions, aircraft, cars, coop_split, flowers, food, pets, scenes, textures
from gallop.data.photo_set import PhotoSet
from gallop.images import list_images

_GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
"""How CoOp's authors lay out every set, with the addresses of their split files."""
_PHOTO = "a photo of a {}."
"""The sentence of the sets that have none of their own."""
_DTD = "https://www.robots.ox.ac.uk/~vgg/data/dtd/"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
_FLOWERS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
_SUN = "https://vision.princeton.edu/projects/2010/SUN/"
_OUTLIERS = "https://github.com/deeplearning-wisc/large_scale_ood"
_NAMES = Piece(CLASS_NAMES, f"{_GUIDE}#imagenet", "optional", "without it, open_clip's names are taken")


def _coop(file: str, section: str) -> Split:
    address = f"{_GUIDE}#{section}"
    return Split("CoOp's split", (Piece(file, address, use="the split of the papers"),), coop_split(file))


def _official(read: Callable[[FoundSet], PhotoSet], address: str, *paths: str, by_torchvision: bool = True) -> Split:
    pieces = tuple(Piece(path, address) for path in paths)
    return Split("the official split", pieces, read, by_torchvision)


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
    split = Split("class folders", (_NAMES,), read)
    return CatalogueEntry(
        name, title, "variant", classes, _PHOTO, homes, photos, address, (split,), inside=inside, aliases=aliases
    )


def _photos(place: FoundSet) -> PhotoSet:
    """All images below the folder, in natural order."""
    nothing = Listing(place.photos)
    files = tuple(path.relative_to(place.photos).as_posix() for path in list_images(place.photos, recursive=True))
    photos = Listing(place.photos, files, (0,) * len(files), ("",))
    return PhotoSet(place.name, nothing, nothing, val=nothing, photos=photos)


def _outliers(
    name: str, title: str, *homes: str, address: str = _OUTLIERS, torchvision: str | None = None
) -> CatalogueEntry:
    photos, splits = ("images", ""), (Split("all photos", (), _photos),)
    return CatalogueEntry(name, title, "ood", 0, "", homes, photos, address, splits, torchvision=torchvision)


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
        splits=(
            Split(
                "train/ and val/",
                (
                    Piece("val", f"{_GUIDE}#imagenet", "to be complete"),
                    Piece("train", f"{_GUIDE}#imagenet", "to be complete"),
                    _NAMES,
                ),
                imagenet,
            ),
        ),
        aliases=("imagenet1k", "ilsvrc2012"),
    ),
    CatalogueEntry(
        "caltech101",
        "Caltech101",
        "few-shot",
        100,
        _PHOTO,
        homes=("caltech-101", "caltech101"),
        photos=("101_ObjectCategories",),
        address="https://data.caltech.edu/records/mzrjq-6wc02",
        splits=(_coop("split_zhou_Caltech101.json", "caltech101"),),
        torchvision="Caltech101",
    ),
    CatalogueEntry(
        "oxford_pets",
        "OxfordPets",
        "few-shot",
        37,
        "a photo of a {}, a type of pet.",
        homes=("oxford_pets", "oxford-iiit-pet"),
        photos=("images",),
        address=_PETS,
        splits=(
            _coop("split_zhou_OxfordPets.json", "oxfordpets"),
            _official(pets, _PETS, "annotations/trainval.txt", "annotations/test.txt"),
        ),
        torchvision="OxfordIIITPet",
        aliases=("pets", "OxfordIIITPet"),
    ),
    CatalogueEntry(
        "stanford_cars",
        "StanfordCars",
        "few-shot",
        196,
        _PHOTO,
        homes=("stanford_cars",),
        photos=("",),
        inside="cars_train|cars_test",
        address=f"{_GUIDE}#stanfordcars",
        splits=(
            _coop("split_zhou_StanfordCars.json", "stanfordcars"),
            _official(
                cars,
                f"{_GUIDE}#stanfordcars",
                "devkit/cars_meta.mat",
                "devkit/cars_train_annos.mat",
                "cars_test_annos_withlabels.mat",
                by_torchvision=False,
            ),
        ),
        aliases=("cars",),
    ),
    CatalogueEntry(
        "flowers102",
        "Flowers102",
        "few-shot",
        102,
        "a photo of a {}, a type of flower.",
        homes=("oxford_flowers", "flowers-102"),
        photos=("jpg",),
        address=_FLOWERS,
        splits=(
            _coop("split_zhou_OxfordFlowers.json", "flowers102"),
            _official(flowers, _FLOWERS, "imagelabels.mat", "setid.mat"),
        ),
        torchvision="Flowers102",
        aliases=("OxfordFlowers", "flowers"),
    ),
    CatalogueEntry(
        "food101",
        "Food101",
        "few-shot",
        101,
        "a photo of {}, a type of food.",
        homes=("food-101",),
        photos=("images",),
        address="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        splits=(
            _coop("split_zhou_Food101.json", "food101"),
            _official(
                food,
                "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
                "meta/train.json",
                "meta/test.json",
            ),
        ),
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
        address="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
        splits=(
            _official(
                aircraft,
                "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
                "variants.txt",
                "images_variant_train.txt",
                "images_variant_val.txt",
                "images_variant_test.txt",
            ),
        ),
        torchvision="FGVCAircraft",
        aliases=("aircraft",),
    ),
    CatalogueEntry(
        "sun397",
        "SUN397",
        "few-shot",
        397,
        _PHOTO,
        homes=("sun397",),
        photos=("SUN397",),
        address=_SUN,
        splits=(
            _coop("split_zhou_SUN397.json", "sun397"),
            _official(scenes, f"{_SUN}download/", "Training_01.txt", "Testing_01.txt", by_torchvision=False),
        ),
        torchvision="SUN397",
    ),
    CatalogueEntry(
        "dtd",
        "DescribableTextures",
        "few-shot",
        47,
        "{} texture.",
        homes=("dtd/dtd", "dtd"),
        photos=("images",),
        address=_DTD,
        splits=(
            _coop("split_zhou_DescribableTextures.json", "dtd"),
            _official(textures, _DTD, "labels/train1.txt", "labels/val1.txt", "labels/test1.txt"),
        ),
        torchvision="DTD",
        aliases=("DescribableTextures",),
    ),
    CatalogueEntry(
        "eurosat",
        "EuroSAT",
        "few-shot",
        10,
        "a centered satellite photo of {}.",
        homes=("eurosat",),
        photos=("2750",),
        address="https://github.com/phelber/EuroSAT",
        splits=(_coop("split_zhou_EuroSAT.json", "eurosat"),),
        torchvision="EuroSAT",
    ),
    CatalogueEntry(
        "ucf101",
        "UCF101",
        "few-shot",
        101,
        "a photo of a person doing {}.",
        homes=("ucf101",),
        photos=("UCF-101-midframes",),
        address=f"{_GUIDE}#ucf101",
        splits=(
            _coop("split_zhou_UCF101.json", "ucf101"),
            _official(
                actions,
                "https://www.crcv.ucf.edu/data/UCF101.php",
                "ucfTrainTestlist/trainlist01.txt",
                "ucfTrainTestlist/testlist01.txt",
                by_torchvision=False,
            ),
        ),
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
