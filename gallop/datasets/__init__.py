"""The paper's data sets by name, from the folders where people have them, and data of one's own as a table.

``open_dataset("oxford_pets", "data").train.draw(16)`` gives what ``GalLoPClassifier.fit`` takes, as do ``from_csv`` and
``from_hugging_face``. Nothing is downloaded unless ``download`` is called, and nothing of the sets is in this project.
"""

from gallop.datasets.checking import DatasetCheck, Missing, check_dataset, download
from gallop.datasets.csv_table import csv_splits, from_csv, is_csv
from gallop.datasets.hugging_face import LabelledPhotos, from_hugging_face
from gallop.datasets.listing import Listing
from gallop.datasets.opening import NamedDataset, available_datasets, find_set, open_dataset
from gallop.datasets.places import NamedSet

__all__ = [
    "DatasetCheck",
    "LabelledPhotos",
    "Listing",
    "Missing",
    "NamedDataset",
    "NamedSet",
    "available_datasets",
    "check_dataset",
    "csv_splits",
    "download",
    "find_set",
    "from_csv",
    "from_hugging_face",
    "is_csv",
    "open_dataset",
]
