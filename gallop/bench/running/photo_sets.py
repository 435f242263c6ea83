"""All photos of a benchmark, by the names that its file has for them, and whose classes are whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gallop.data import LabelledPhotos, Listing, PhotoSet
from gallop.errors import BenchError


@dataclass(frozen=True)
class Photos:
    """All of a benchmark: sets to learn from, groups of unknown things without labels, sets to be asked about alone."""

    sets: Mapping[str, PhotoSet]
    unknown: Mapping[str, LabelledPhotos | Listing]
    asked_alone: Mapping[str, PhotoSet] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, PhotoSet]:
        """Every set with test photos."""
        return {**self.sets, **self.asked_alone}


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
