"""The paper's nineteen data sets, opened by name from the folders in which users have them.

``open_dataset("oxford_pets", "data").train.draw(16)`` gives what ``GalLoPClassifier.fit`` takes.
"""

from gallop.lab.paper_sets.sets import available_datasets, find_set, open_dataset

__all__ = ["available_datasets", "find_set", "open_dataset"]
