"""Photos to train on, with the previous ones where a classifier continues; how branches learn outside a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from gallop.config import MethodConfig
from gallop.data import (
    GivenLabels,
    GivenPhotos,
    LabelledPhotos,
    labelled_photos,
    photos_together,
)
from gallop.data.tabular.columns import as_list, label_names, plain
from gallop.errors import ConfigError, DataError, warn_caller
from gallop.estimator.arguments import Arguments
from gallop.features.encoding import Cache
from gallop.features.given import given
from gallop.features.ordinary import ordinary_photos
from gallop.model.branches.branch import Branch
from gallop.model.prompted import PromptModel
from gallop.names.class_names import SOMETHING_ELSE, clean_names, missing_names, one_class, spelled_as
from gallop.setting import require
from gallop.training.learn import Shots, all_shots, shots_to_learn
from gallop.wording import listed


def with_shots_of_before(
    before: LabelledPhotos | None,
    known: tuple[str, ...],
    images: GivenPhotos,
    labels: GivenLabels | None,
    classes: Sequence[str] | None,
    settings: Arguments,
    taught: bool,
    drop_classes: bool,
) -> LabelledPhotos:
    """Return the previous photos and new ones, of the known classes, then ``classes``, then those that are new.

    Args:
        before: the previous photos; None where there are none, or they are not in memory.
        images, labels: new photos, all of which are taken.
        taught: whether it has learned from photos; warns where they are not in memory.
        drop_classes: leave out known classes without photos.

    Raises:
        ConfigError: known classes would be forgotten, since neither previous nor new photos of them are in memory.
        DataError: photos that cannot be used, one class in all, or a previous picture with another class name.
    """
    more = spelled_as(clean_names(classes) if classes is not None and len(classes) else (), known)
    if labels is not None and (known or more):
        labels = _in_words(labels, clean_names(dict.fromkeys([*known, *more])))
    new = shots_to_learn(
        given(images), labels, settings.cache, shots=None, seed=settings.seed, allow_fewer=True, fewest=1
    )
    new = replace(new, class_names=tuple(spelled_as(new.class_names, known)))
    previous = [] if before is None else [before.take([i for i, name in enumerate(before.names) if name in known])]
    gone = missing_names(known, [name for part in (*previous, new) for name in part.names])
    require(
        drop_classes or not (taught and before is None and gone),
        "The photos that this classifier was trained on are not in memory (load does not bring them back), so it would "
        f"forget the classes without photos here: {listed(gone)}. Call add_shots instead (after add_class for a new "
        "class), pass photos of every class, or set drop_classes=True to give these classes up.",
    )
    known = tuple(name for name in known if not (drop_classes and name in gone))
    names = clean_names(dict.fromkeys([*known, *more, *new.class_names]))
    if len(names) < 2:
        raise DataError(
            f"{names[0]!r} is the only class, but training needs two or more. Name the others in classes=[...]."
        )
    if taught and before is None:
        warn_caller(
            "The photos that this classifier was trained on are not in memory (load does not bring them back). "
            "Training continues with the new photos only, so the classifier may forget what it learned before."
        )
    return photos_together([*previous, new], names)


def drawn_shots(
    images: GivenPhotos,
    labels: GivenLabels | None,
    settings: Arguments,
    class_names: Sequence[str] | None,
    needed: Sequence[str],
) -> LabelledPhotos:
    """Return the photos that a training learns from.

    Args:
        images, labels, class_names: as for ``GalLoPClassifier.fit``. Of one class and ``SOMETHING_ELSE`` the sample's
            photos are added to the latter (``ordinary_photos``).
        needed: classes that a classifier which continues knows. Raises ConfigError where there are no photos of one.
    """
    if class_names is not None and one_class(class_names) is not None:
        own = shots_to_learn(given(images), labels, settings.cache, fewest=1, **settings.draw)
        data = _with_something_else(own, clean_names(class_names), settings)
    else:
        data = shots_to_learn(given(images), labels, settings.cache, class_names=class_names, **settings.draw)
    gone = missing_names(needed, spelled_as(data.class_names, needed))
    require(
        not gone,
        f"warm_start continues with a classifier that knows {listed(gone)}, but "
        f"{'that class has' if len(gone) == 1 else 'those classes have'} no photos here. Pass photos of every "
        "class, call remove_class for each class without photos, or set drop_classes=True.",
    )
    return data


def _with_something_else(own: LabelledPhotos, names: tuple[str, ...], settings: Arguments) -> LabelledPhotos:
    """Return photos of one class, and perhaps of ``SOMETHING_ELSE``, with those of ordinary things."""
    own = replace(own, class_names=tuple(spelled_as(own.class_names, names)))
    (name,) = set(names) - {SOMETHING_ELSE}
    shown = [photo for photo, label in zip(own.photos, own.names, strict=True) if label == name]
    if not shown or missing_names(own.class_names, names):
        raise DataError(f"A model of {name!r} alone needs photos of it, and otherwise only of {SOMETHING_ELSE!r}.")
    paths = ordinary_photos(name, shown, settings.load_backbone(), settings.cache)
    how: Any = {"shots": None, "seed": 0, "allow_fewer": True, "fewest": 1}
    others = shots_to_learn(paths, [SOMETHING_ELSE] * len(paths), settings.cache, **how)
    return photos_together([own, others], names)


def _in_words(labels: Any, class_names: Sequence[str]) -> Any:
    """Labels that are all numbers as the names that they number."""
    if isinstance(labels, str):
        return labels
    values = [plain(label) for label in as_list(labels)]
    return values if any(isinstance(value, str) for value in values) else label_names(values, class_names)


def with_more_shots(model: PromptModel, images: Any, labels: Any, cache: Cache | None) -> PromptModel:
    """Return the model with its branches trained on further photos as well.

    Raises:
        ConfigError: its settings have no head, or its earlier shots are needed and were not saved.
        DataError: a class that it does not have, or first shots of one class alone.
        ImageError: a photo that cannot be read.
    """
    require(
        bool(model.config.branches),
        "No shots can be added: they would train only the head, and this classifier has none. Fit a "
        "classifier with head='ridge', or train this one again with all photos.",
    )
    shots = _encoded(model, images, labels, cache, "add them first (add_class)")
    if model.branches:
        return model.with_branches([branch.learned(shots[branch.kind]) for branch in model.branches])
    taught = model.taught(shots)
    if not taught:
        raise DataError(
            "The first shots of a head must come from two or more classes, because it learns to tell classes apart."
        )
    return model.with_branches(taught)


def with_recalled_shots(model: PromptModel, images: Any, labels: Any, cache: Cache | None) -> PromptModel:
    """Return the model with the single photos that its branches were trained on, of which they may have only sums.

    Raises:
        ConfigError: it has no trained head.
        DataError: they are not the photos that it was trained on.
        ImageError: a photo that cannot be read.
    """
    require(bool(model.branches), "No shots can be recalled: this classifier has no trained head.")
    shots = _encoded(model, images, labels, cache, "leave their photos out")
    for branch in model.branches:
        known = shots[branch.kind]
        if not branch.learned_from(known):
            raise DataError(
                f"These {len(known)} photos are not the {int(branch.sums.counts.sum())} that the head was trained on, "
                "or their classes or the precision differ. Pass exactly the photos that it was trained on, with the "
                "same classes and precision."
            )
    return model.with_branches([replace(branch, shots=shots[branch.kind]) for branch in model.branches])


def _encoded(model: PromptModel, images: Any, labels: Any, cache: Cache | None, way_out: str) -> Shots:
    """The features of photos for branches. ``way_out`` ends the message where the model does not know a class."""
    photos, words = labelled_photos(given(images), labels, split="train")
    names = spelled_as(words, model.class_names)
    unknown = missing_names(list(dict.fromkeys(names)), model.class_names)
    if unknown:
        raise DataError(f"The model does not know the classes {listed(unknown)}; {way_out}.")
    numbers = tuple(map(model.class_names.index, names))
    return all_shots(model, LabelledPhotos(tuple(photos), ("",) * len(names), numbers, model.class_names), cache)


def at_detail(
    model: PromptModel, detail: float, detail_in: str, data: LabelledPhotos | None, cache: Cache | None
) -> PromptModel:
    """Return the model with another second look. Where answers change, branches are trained again on their shots.

    Args:
        detail, detail_in: as ``GalLoPClassifier.set_detail``.
        data: the photos of the last training, where they are in memory.

    Raises:
        ConfigError: a second look that there is not, or only in training, or not all shots of the branches are known.
        BackboneError: its regions do not fit into the backbone's grid.
        ImageError: a photo that can no longer be read.
    """
    require(
        detail_in != "training",
        "detail_in='training' takes effect only during training. Set it in MethodConfig, then fit again.",
    )
    changed: Any = {"detail": detail, "detail_in": detail_in}
    config = replace(model.config, **changed)
    other = model.with_config(config)
    if other.sight.times == model.sight.times:
        return other
    return other.with_branches(_branches_at(model, config, data, cache) if model.branches else ())


def _branches_at(
    model: PromptModel, config: MethodConfig, data: LabelledPhotos | None, cache: Cache | None
) -> list[Branch | None]:
    """The model's branches, trained again on their shots with the looks of other settings."""
    shots = None if data is None else _shots_of(model, data)
    if shots is None:
        ways = f"Train again with head={config.head!r} and detail={config.detail:g}"
        ways += ", or use detail_in='maps' for a second look in maps only" if config.detail != 1 else ""
        raise ConfigError(
            f"The head was trained with detail={model.sight.times[-1]:g}. To change that, the head must be trained "
            f"again, but not all of its photos are in memory (as after load or add_shots). {ways}."
        )
    known = all_shots(model.with_config(config), shots, cache)
    return [branch.relearned(known[branch.kind], len(model.class_names), branch.mix) for branch in model.branches]


def _shots_of(model: PromptModel, data: LabelledPhotos) -> LabelledPhotos | None:
    """The photos that branches were trained on; None where these are not all of them."""
    there = data.take([i for i, name in enumerate(data.names) if name in model.class_names])
    there = replace(there, labels=tuple(map(model.class_names.index, there.names)), class_names=model.class_names)
    labels = torch.tensor(there.labels)
    same = (branch.shots is not None and torch.equal(labels, branch.shots.labels) for branch in model.branches)
    return there if all(same) else None
