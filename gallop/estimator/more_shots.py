"""How a classifier that has learned goes on with more photos, of classes that it knows or of new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import Self

from gallop.data import GivenLabels, GivenPhotos, LabelledPhotos, photos_together, training_set, warn_of_skipped
from gallop.data.tabular.columns import as_list, plain
from gallop.data.tabular.labels import label_names
from gallop.errors import DataError, warn_caller
from gallop.estimator.learning import Learning
from gallop.features.contents import contents_beside
from gallop.features.encoding import open_cache
from gallop.names.class_names import clean_names, spelled_as
from gallop.runtime.progress import ProgressSaid
from gallop.training.told import event_in_words


class MoreShots(Learning):
    """``partial_fit``."""

    def partial_fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        classes: Sequence[str] | None = None,
        *,
        verbose: bool | int = False,
    ) -> Self:
        """Go on learning with more photos, of known classes or of new ones. Returns self.

        It is a whole training, of as many epochs as ``fit`` has, that starts from the prompts there are. It learns from
        the photos of before and the new ones together, so nothing is forgotten; features that a cache has are not
        encoded again. The photos of before are those of the last ``fit`` or ``partial_fit`` of this object: after
        ``load`` they are not known, and it learns from the new ones alone, with a warning. The class list is that of
        before, then ``classes``, then what is new in ``labels``; no class goes. Temperature and threshold are found
        anew, by cross-fits that start from nothing. All photos that are given are taken, whatever ``shots`` is, and a
        picture that was there before counts once. The first call of all is a ``fit``.

        Args:
            images, labels: as for ``fit``; one class is enough where others are known. Numbers count in the class list
                of before and ``classes``.
            classes: further names, also of classes whose photos come later: until then they are known by their names.
            verbose: as for ``fit``.

        Raises:
            DataError: as ``fit``, or a picture that was there before with another class name.
            ConfigError: settings that are others than those of the prompts there are.
        """
        known = self.model_.class_names if hasattr(self, "model_") else ()
        data = self._with_shots_of_before(images, labels, known, classes)
        with ProgressSaid(wanted=bool(verbose)) as progress:
            for event in self._learn(data, warm=bool(known), numbered=self._numbered):
                progress.say(*event_in_words(event))
        return self

    def _with_shots_of_before(
        self, images: GivenPhotos, labels: GivenLabels | None, known: tuple[str, ...], classes: Sequence[str] | None
    ) -> LabelledPhotos:
        more = spelled_as(clean_names(classes) if classes is not None and len(classes) else (), known)
        if labels is not None and (known or more):
            labels = _in_words(labels, clean_names(dict.fromkeys([*known, *more])))
        content = contents_beside(open_cache(self.cache))
        new = training_set(images, labels, shots=None, seed=self.seed, allow_fewer=True, content=content, fewest=1)
        warn_of_skipped(new)
        new = replace(new, class_names=tuple(spelled_as(new.class_names, known)))
        names = clean_names(dict.fromkeys([*known, *more, *new.class_names]))
        if len(names) < 2:
            raise DataError(f"{names[0]!r} is the only class; learning needs two or more: name others in classes.")
        old = self._shots if known else None
        if known and old is None and self.training_ is not None:
            warn_caller(
                "The photos that this classifier has learned from are not in memory, as after load: it goes on with "
                "the new ones alone, and may forget."
            )
        kept = [] if old is None else [old.take([i for i, name in enumerate(old.names) if name in known])]
        return photos_together([*kept, new], names)


def _in_words(labels: Any, class_names: Sequence[str]) -> Any:
    """Labels that are all numbers as the names that they stand for."""
    if isinstance(labels, str):
        return labels
    values = [plain(label) for label in as_list(labels)]
    return values if any(isinstance(value, str) for value in values) else label_names(values, class_names)
