"""A data set as a benchmark needs it, whether it is a folder that was read or a set by name that was only listed.

Of a folder every picture is known by its content, and so are draws and fingerprints. Of a listed set no file is opened
before a run needs it: its fingerprint is over paths below its own folder and class names. A run on it is found again
wherever the set lies; what is in the files, its publisher answers for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gallop.data import LabelledPhotos, Listing, data_fingerprint
from gallop.errors import BenchError


@dataclass(frozen=True)
class PhotoSet:
    """A set to learn from and to be asked about; one without training photos is asked about alone.

    Attributes:
        class_ids: synsets, in the order of the test photos' classes; empty where only names tell classes.
        whole: how many classes the set has that goes by this name; None for a folder, which is what it is.
    """

    name: str
    train: LabelledPhotos | Listing
    test: LabelledPhotos | Listing
    class_ids: tuple[str, ...] = ()
    whole: int | None = None
    _draws: dict[tuple[int, int], LabelledPhotos] = field(default_factory=dict, compare=False, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those that are learned."""
        return self.train.class_names

    @property
    def incomplete(self) -> bool:
        """Whether it has other classes than the set whose name it bears."""
        return self.whole not in (None, len(self.test.class_names))

    @cached_property
    def fewest(self) -> tuple[int, str]:
        """How many training photos the smallest class has, and its name."""
        counts = Counter(self.train.labels)
        return min((counts[label], name) for label, name in enumerate(self.class_names))

    @cached_property
    def fingerprint(self) -> str:
        """Of the test photos."""
        return fingerprint(self.test)

    def draw(self, shots: int, seed: int) -> LabelledPhotos:
        """So many photos of each class, the same every time; of a listed set they are opened now."""
        if shots == 0:
            return LabelledPhotos((), (), (), self.class_names)
        if (shots, seed) not in self._draws:
            known = None if isinstance(self.train, LabelledPhotos) else self._part_of_another(shots, seed)
            self._draws[shots, seed] = known or self.train.draw(shots, seed=seed)
        return self._draws[shots, seed]

    def _part_of_another(self, shots: int, seed: int) -> LabelledPhotos | None:
        """A draw of fewer shots is part of a draw of more, in which each class's photos stand in the order drawn."""
        more = next((n for n, own in self._draws if own == seed and n > shots), None)
        if more is None:
            return None
        found = self._draws[more, seed]
        return found.take([i for i in range(len(found)) if i % more < shots])

    def drawn(self, shots: int, seed: int) -> str:
        """Return fingerprint of a draw. With shots and seed beside it, a listed set's is that of all it is
        drawn from.
        """
        if shots == 0 or isinstance(self.train, LabelledPhotos):
            return fingerprint(self.draw(shots, seed))
        return self._listed

    @cached_property
    def _listed(self) -> str:
        return fingerprint(self.train)


@dataclass(frozen=True)
class UnknownGroup:
    """Photos of things that belong to no class."""

    name: str
    paths: tuple[Path, ...]
    fingerprint: str


@dataclass(frozen=True)
class Photos:
    """All of a benchmark: sets to learn from, sets to be asked about alone, and unknown groups, by name."""

    sets: Mapping[str, PhotoSet]
    unknown: Mapping[str, UnknownGroup]
    asked_alone: Mapping[str, PhotoSet] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, PhotoSet]:
        """Every set with test photos."""
        return {**self.sets, **self.asked_alone}


def fingerprint(photos: LabelledPhotos | Listing) -> str:
    """Return SHA-256 over pictures and labels, or over listed files and labels, whatever their order."""
    if isinstance(photos, LabelledPhotos):
        return photos.fingerprint
    return f"listed {data_fingerprint(photos.files, photos.names)}"


def class_numbers(source: PhotoSet, target: PhotoSet) -> tuple[int, ...]:
    """Return for each class of the target's test photos, its number among those that the source teaches.

    Classes are matched by synset where both sets have them, else by name.

    Raises:
        BenchError: a class that the source does not teach.
    """
    by_id = bool(source.class_ids and target.class_ids)
    known = {each: number for number, each in enumerate(source.class_ids if by_id else source.class_names)}
    asked = target.class_ids if by_id else target.test.class_names
    for each, name in zip(asked, target.test.class_names, strict=True):
        if each not in known:
            raise BenchError(f"'transfer' tests {source.name} on {target.name}, whose class {name!r} it does not know.")
    return tuple(known[each] for each in asked)
