"""Another class list on prompts that stay as they are, and the temperature and threshold that hold for it."""

from __future__ import annotations

from dataclasses import replace

import torch

from gallop.errors import ClassNameError
from gallop.model.calibration import NOT_HELD_OUT, Calibration
from gallop.model.prompted import PromptModel
from gallop.names.class_names import clean_name, clean_names, spelled_as
from gallop.training.learn import CrossFit
from gallop.wording import did_you_mean, listed


def with_class(model: PromptModel, name: str) -> PromptModel:
    """Return a model that knows one more class; no other class is encoded again.

    Raises:
        ClassNameError: a name that cannot be used, or equal to one that is there.
    """
    names = clean_names([*model.class_names, name])
    with torch.no_grad():
        added = model.text_features_of(names[-1])
    return model.for_classes(names, model.cached_text_features().append(added))


def without_class(model: PromptModel, name: str) -> PromptModel:
    """Return a model that does not know a class.

    Raises:
        ClassNameError: no such class, or the last one there is.
        ConfigError: the head has not kept its shots.
    """
    (wanted,) = spelled_as([clean_name(name)], model.class_names)
    if wanted not in model.class_names:
        there, near = listed(model.class_names), did_you_mean(wanted, model.class_names)
        raise ClassNameError(f"There is no class {wanted!r} here; the classes are {there}.{near}")
    if len(model.class_names) == 1:
        raise ClassNameError(f"{wanted!r} is the only class; a classifier knows at least one.")
    k = model.class_names.index(wanted)
    names = (*model.class_names[:k], *model.class_names[k + 1 :])
    return model.for_classes(names, model.cached_text_features().without(k))


def calibrated(model: PromptModel, cross_fit: CrossFit, tpr: float) -> tuple[PromptModel, Calibration]:
    """Return the temperature and threshold for the model's classes, and the model with its branches' weights for them.

    Args:
        tpr: share of the held-out shots that the threshold keeps.
    """
    found, mixes = cross_fit.calibrate(model.class_names, tpr)
    if len(mixes) != len(model.branches):
        return model, found
    branches = zip(model.branches, mixes, strict=True)
    return model.with_branches([replace(branch, mix=mix) for branch, mix in branches]), found


def without_held_out(found: Calibration, before: int, now: int, change: str) -> Calibration:
    """Return what is left of a calibration after a change of the class list, where no held-out shots are in memory.

    Args:
        before, now: numbers of classes.
        change: what was done, such as "'pug' was added".
    """
    if found.threshold is None and 1 not in (before, now):
        return found
    void = f"void: the class {change} after the threshold was found; train again for a new one"
    note = NOT_HELD_OUT if found.threshold is None else void
    return Calibration(found.temperature, None, note).for_classes(now)
