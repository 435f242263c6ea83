"""Labelled photos: folders, tables, Hugging Face sets or the paper's sets by name come in, exact k-shot draws go out.

``open_dataset("oxford_pets", "data").train.draw(16)`` gives what ``GalLoPClassifier.fit`` takes, as do ``read_folder``
and ``from_csv``. Nothing is downloaded.
"""

from gallop.data.class_folders import (
    draw_shots,
    duplicates,
    folder_class_names,
    read_folder,
    resolve_split,
    stratified_folds,
)
from gallop.data.given_photos import (
    AskedPhotos,
    GivenLabels,
    GivenPhotos,
    labelled_path,
    labelled_photos,
    many,
    photos_together,
    training_set,
    warn_of_data,
)
from gallop.data.labelled import (
    ContentHash,
    LabelledPhotos,
    PhotoSource,
    content_hash,
    data_fingerprint,
    distinct_photos,
)
from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.data.tabular.tables import csv_splits, from_csv

__all__ = [
    "AskedPhotos",
    "ContentHash",
    "GivenLabels",
    "GivenPhotos",
    "LabelledPhotos",
    "Listing",
    "PhotoSet",
    "PhotoSource",
    "content_hash",
    "csv_splits",
    "data_fingerprint",
    "distinct_photos",
    "draw_shots",
    "duplicates",
    "folder_class_names",
    "from_csv",
    "labelled_path",
    "labelled_photos",
    "many",
    "photos_together",
    "read_folder",
    "resolve_split",
    "stratified_folds",
    "training_set",
    "warn_of_data",
]
