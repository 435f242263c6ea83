"""Labelled photos: folders, tables, Hugging Face sets or the paper's sets by name come in, exact k-shot draws go out.

``open_dataset("oxford_pets", "data").train.draw(16)`` gives what ``GalLoPClassifier.fit`` takes, as do ``read_folder``,
``from_csv`` and ``from_hugging_face``. Nothing is downloaded unless ``download`` is called.
"""

from gallop.data.asked import AskedPhotos, many
from gallop.data.csv_table import csv_splits, from_csv, is_csv
from gallop.data.folders import (
    draw_shots,
    duplicates,
    folder_class_names,
    read_folder,
    resolve_split,
    stratified_folds,
)
from gallop.data.given import GivenLabels, GivenPhotos, distinct_photos, labelled_path, labelled_photos, training_set
from gallop.data.hugging_face import from_hugging_face
from gallop.data.labelled import (
    ContentHash,
    LabelledPhotos,
    PhotoSource,
    content_hash,
    data_fingerprint,
)
from gallop.data.listing import Listing
from gallop.data.paper.checking import DatasetCheck, check_dataset, download
from gallop.data.paper.opening import available_datasets, find_set, open_dataset
from gallop.data.photo_set import PhotoSet
from gallop.data.together import photos_together, warn_of_skipped

__all__ = [
    "AskedPhotos",
    "ContentHash",
    "DatasetCheck",
    "GivenLabels",
    "GivenPhotos",
    "LabelledPhotos",
    "Listing",
    "PhotoSet",
    "PhotoSource",
    "available_datasets",
    "check_dataset",
    "content_hash",
    "csv_splits",
    "data_fingerprint",
    "distinct_photos",
    "download",
    "draw_shots",
    "duplicates",
    "find_set",
    "folder_class_names",
    "from_csv",
    "from_hugging_face",
    "is_csv",
    "labelled_path",
    "labelled_photos",
    "many",
    "open_dataset",
    "photos_together",
    "read_folder",
    "resolve_split",
    "stratified_folds",
    "training_set",
    "warn_of_skipped",
]
