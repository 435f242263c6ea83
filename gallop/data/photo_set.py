"""A set of labelled photos in its parts, whether its folders were read or it was opened by its name and listed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gallop.data.labelled import LabelledPhotos
from gallop.data.listing import Listing

NOTHING = Listing(Path())
"""A part that a set does not have."""


@dataclass(frozen=True)
class PhotoSet:
    """Photos to learn from and to be asked about. A part that is missing is empty.

    After a folder was read, draws and fingerprints depend on the content of every picture. Of a listed set no file is
    opened before it is needed: its fingerprint is over paths below its folder and class names, so that it is the same
    wherever the set lies; the content of the files is up to its publisher.

    Attributes:
        name: ``find_set`` returns what is known of a set that was opened by it.
        train, test, val: photos with labels. Those of a set by name have one class list; a variant of ImageNet has
            ``test`` alone. Draw shots with ``train.draw(16, seed=0)``.
        class_ids: synsets, in the order of the test photos' classes; empty where only names tell classes.
        photos: of a set of unknown things, all of it, without labels.
        folder: that of its photos.
        split: where the division comes from, such as "CoOp's split".
        expected_classes: how many classes the published set of this name has; None for a folder.
    """

    name: str
    train: LabelledPhotos | Listing
    test: LabelledPhotos | Listing
    class_ids: tuple[str, ...] = ()
    val: LabelledPhotos | Listing = NOTHING
    photos: LabelledPhotos | Listing = NOTHING
    folder: Path = Path()
    split: str = ""
    expected_classes: int | None = None
    _draws: dict[tuple[int, int], LabelledPhotos] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes that are learned."""
        return self.train.class_names

    @property
    def incomplete(self) -> bool:
        """Return whether it has fewer or more classes than the published set of its name."""
        return self.expected_classes not in (None, len(self.test.class_names))

    @cached_property
    def fewest(self) -> tuple[int, str]:
        """Return how many training photos the smallest class has, and its name; (0, "") for a set without classes."""
        counts = Counter(self.train.labels)
        return min(((counts[label], name) for label, name in enumerate(self.class_names)), default=(0, ""))

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the test photos."""
        return self.test.fingerprint

    def draw(self, shots: int, seed: int) -> LabelledPhotos:
        """Return so many photos of each class, the same every time; of a listed set they are opened now.

        A draw of fewer shots is part of a draw of more.
        """
        if shots == 0:
            return LabelledPhotos((), (), (), self.class_names)
        if (shots, seed) not in self._draws:
            self._draws[shots, seed] = self.train.draw(shots, seed=seed)
        return self._draws[shots, seed]

    def drawn(self, shots: int, seed: int) -> str:
        """Return the fingerprint of a draw; for a listed set, which records shots and seed too, that of all it is drawn
        from.
        """
        if shots == 0 or isinstance(self.train, LabelledPhotos):
            return self.draw(shots, seed).fingerprint
        return self.train.fingerprint
