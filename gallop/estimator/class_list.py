"""How classes and shots come to a classifier without training, and what becomes of its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from typing_extensions import Self

from gallop.core.gallop import TextFeatures
from gallop.data import labelled_photos
from gallop.errors import ClassNameError, ConfigError, DataError, warn_caller
from gallop.estimator.learned import LearnedModel, text_made_of
from gallop.features.encoding import encode_centres, open_cache
from gallop.model.calibration import NOT_HELD_OUT, Calibration
from gallop.model.head.sums import KeptShots, shot_features
from gallop.model.prompted import PromptModel
from gallop.names.class_names import clean_name, clean_names, missing_names, spelled_as
from gallop.wording import did_you_mean, listed


class ClassList(LearnedModel):
    """``add_class``, ``remove_class``, ``add_shots`` and ``recall_shots``.

    OOD scores depend on the class list, so temperature and threshold are fitted again on the held-out shots when they
    are still in memory; after ``load`` they are not, and the threshold becomes void, with a warning.
    """

    def add_class(self, name: str) -> Self:
        """Add one more class with the learned prompts, without retraining. Returns self.

        Temperature and threshold are found anew, or the threshold becomes void, as said of the class.

        A head, which knows classes by their shots, goes by the direction of this one's text until ``add_shots``.

        Raises:
            ClassNameError: a name that cannot be used, or equal to one that is there.
        """
        model, text = self._fitted(), self.text_features()
        names = clean_names([*model.class_names, name])
        with torch.no_grad():
            added = model.text_features_of(names[-1])
        self._set_names(names, text.append(added), f"{names[-1]!r} was added")
        return self

    def remove_class(self, name: str) -> Self:
        """Take a class away, without retraining: what is left answers as if it had never been known. Returns self.

        The prompts stay as they are, though they were learned with its photos as well. Temperature and threshold are
        found anew on the shots of the classes that are left, or the threshold becomes void, as said of the class.

        After ``load`` a model with a head, which a default one of ``mini`` has, needs its shots back first: by
        ``recall_shots``, where ``keep_shots=True`` has not saved their features with it.

        Raises:
            ClassNameError: no such class, or the last one there is.
            ConfigError: the head has not kept its shots, as above.
        """
        model, text = self._fitted(), self.text_features()
        (wanted,) = spelled_as([clean_name(name)], model.class_names)
        if wanted not in model.class_names:
            there, near = listed(model.class_names), did_you_mean(wanted, model.class_names)
            raise ClassNameError(f"There is no class {wanted!r} here; the classes are {there}.{near}")
        if len(model.class_names) == 1:
            raise ClassNameError(f"{wanted!r} is the only class; a classifier knows at least one.")
        k = model.class_names.index(wanted)
        names = (*model.class_names[:k], *model.class_names[k + 1 :])
        self._set_names(names, text.without(k), f"{wanted!r} was removed")
        return self

    def _set_names(self, names: tuple[str, ...], text: TextFeatures, change: str) -> None:
        """Another class list on the same prompts, and what becomes of the calibration."""
        model = self.model_
        head = None if model.head is None else model.head.for_classes(model.class_names, names, model.name_features)
        self.model_ = PromptModel(model.backbone, names, model.config, model.prompts, model.templates, head)
        self._text, self.classes_ = (text_made_of(self.model_), text), np.array(names)
        before = self.calibration_
        if self.cross_fit_ is not None:
            self._calibrate()
        elif before.threshold is not None or 1 in (len(model.class_names), len(names)):
            void = f"void: the class {change} after the threshold was found; train again for a new one"
            note = NOT_HELD_OUT if before.threshold is None else void
            self.calibration_ = Calibration(before.temperature, None, note).for_classes(len(names))
        if before.threshold is not None and self.calibration_.threshold is None:
            warn_caller(f"The threshold is {self.calibration_.note}.")

    def add_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Let the head learn from further photos of its classes: no prompt moves, and no training runs. Returns self.

        Beside encoding the photos this takes milliseconds. Temperature, threshold and the head's weight stay as they
        are. A classifier that has learned nothing, after ``zero_shot``, gets its head so.

        Args:
            images, labels: as for ``fit``.

        Raises:
            ConfigError: it has no head (``head=...``), or logistic regression whose earlier shots were not kept: these
                come back with ``recall_shots``.
            DataError: a class that it does not have, or first shots of one class alone.
            ImageError: a photo that cannot be read; nothing is learned then.
        """
        model = self._fitted()
        if model.config.head == "none":
            raise ConfigError(
                "Further shots teach the head alone, and this classifier has none. Fit one with head='ridge', or "
                "train again with all photos."
            )
        shots = self._encoded_shots(*labelled_photos(images, labels, split="train"), "add them first (add_class)")
        head = model.taught_head(shots) if model.head is None else model.head.learned(shots)
        if head is None:
            raise DataError("The first shots of a head must be of two classes or more: it tells them apart.")
        self.model_ = model.with_head(head)
        return self

    def recall_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Give the head the photos that it has learned from, of which a saved model knows sums alone. Returns self.

        No answer changes. Explanations tell again which shots voted, classes can be removed, and logistic regression
        can learn further shots, as before it was saved.

        Args:
            images, labels: as for ``fit``; all photos that it has learned from, those of ``add_shots`` with them, and
                no others.

        Raises:
            ConfigError: it has no head that has learned.
            DataError: they are others than it has learned from.
            ImageError: a photo that cannot be read.
        """
        model = self._fitted()
        if model.head is None:
            raise ConfigError("No shots can be recalled: this classifier has no head that has learned from some.")
        shots = self._encoded_shots(*labelled_photos(images, labels, split="train"), "leave their photos out")
        if not model.head.learned_from(shots):
            raise DataError(
                f"These {len(shots)} photos are not the {int(model.head.sums.counts.sum())} that the head has learned "
                "from, or not in the same classes, or seen in another precision. Give all of those, and no others."
            )
        self.model_ = model.with_head(replace(model.head, shots=shots))
        return self

    def _encoded_shots(self, photos: Sequence[Any], given: Sequence[str], way_out: str) -> KeptShots:
        """What a head knows of photos.

        Args:
            way_out: where a class is none of the model's.
        """
        model, cache = self.model_, open_cache(self.cache)
        names = spelled_as(given, model.class_names)
        unknown = missing_names(list(dict.fromkeys(names)), model.class_names)
        if unknown:
            raise DataError(f"The model does not know the classes {listed(unknown)}; {way_out}.")
        encoded = encode_centres(model.backbone, photos, cache)
        parts = [shot_features(model.backbone, part) for part in encoded]
        indices = torch.tensor([model.class_names.index(name) for name in names])
        return KeptShots(torch.cat(parts)[:, None].cpu(), indices)
