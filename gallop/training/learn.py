"""Learning prompts from labelled photos, and fitting temperature and OOD threshold on held-out shots.

What a single step computes is in ``gallop.training.steps``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.core.scores import class_probabilities
from gallop.data import LabelledPhotos, stratified_folds
from gallop.errors import ConfigError
from gallop.features.cache import STORED_DTYPE
from gallop.features.encoding import BATCH, Cache, ImageFeatures, Sight, TrainingViews, encode_centres
from gallop.features.near_duplicates import alike_groups, tells_copies
from gallop.model.branches.kinds import usual_mixes
from gallop.model.branches.mix import ENOUGH_SHOTS, UNMIXED, Mix, choose_mixes, mixed
from gallop.model.calibration import PROMISED, UNRELIABLE, Calibration, fit_temperature
from gallop.model.prompted import PromptModel, initial_prompts
from gallop.model.prompts import Prompts
from gallop.training.branches import HeldOut, Shots, answers_held_out, shots_for_branches
from gallop.training.loop import ALONE, Parallel, StepEvent
from gallop.training.resume import load_training, save_training
from gallop.training.steps import Learner, Objective, Steps

RELIABLE_SHOTS = 8
"""Fewer shots a class than this, and the threshold is called unreliable."""


@dataclass(frozen=True)
class EncodeEvent:
    """Photos are being encoded: ``done`` of ``total`` views."""

    done: int
    total: int


@dataclass(frozen=True)
class CalibrationEvent:
    """Prompts for held-out shots are being trained: ``step`` of ``steps``, all folds at once. Prompts are final."""

    step: int
    steps: int


def learned_before(model: PromptModel, backbone: Backbone, method: MethodConfig) -> Prompts | None:
    """Return a copy of the prompts of an earlier training, for another to go on from; None where they are others than
    it asks for and have learned nothing, as after ``zero_shot``.

    Raises:
        ConfigError: they have learned something, and that for another backbone, in another number, or with another
            projection.
    """

    def learned(method: MethodConfig, backbone: Backbone) -> tuple[object, ...]:
        return backbone.fingerprint, method.sizes, method.local_projection, method.global_projection

    if learned(model.config, model.backbone) != learned(method, backbone):
        if model.prompts.digest() == initial_prompts(model.backbone, model.config).digest():
            return None
        raise ConfigError(
            "warm_start goes on from the learned prompts, but the backbone (or the kind of its regions), "
            "global_prompts, the number of scales, global_projection or local_projection is another now; set them as "
            "they were, or set warm_start=False to start again."
        )
    return copy.deepcopy(model.prompts).to(backbone.device)


def learn(
    model: PromptModel,
    shots: LabelledPhotos,
    config: TrainConfig,
    *,
    cache: Cache | None = None,
    work: Path | None = None,
    objective: Objective = PromptModel.loss,
    parallel: Parallel = ALONE,
) -> Iterator[EncodeEvent | StepEvent | CalibrationEvent | CrossFit]:
    """Encode the shots, train ``model.prompts`` in place and cross-fit, yielding everything that happens.

    Branches, where some are wanted, are ``model.branches`` before the first step.

    Args:
        cache: of features, on disk or in memory; None keeps nothing beyond this training.
        work: folder in which the training is kept at every epoch's end, and from which it goes on if it was cut off,
            where shots, settings and backbone are the same. Whoever has saved what was learned drops it
            (``drop_training``).
        objective: what is minimised instead of GalLoP's own loss, as other prompt learners do.
        parallel: other processes that run the same training (``gallop.training.parallel``). Prompts and steps are the
            same in all; each encodes its own photos, and the first alone keeps the training in ``work`` and
            cross-fits. An objective must then be a mean over images, beside what does not depend on them.
    """
    views = TrainingViews(
        model.backbone,
        shots.photos,
        shots.hashes,
        views=config.views,
        seed=config.seed,
        cache=cache,
        share=(parallel.rank, parallel.processes),
        sight=Sight(model.config.looks("training")),
    )
    known = None
    try:
        for found in _encode(model, views, shots, cache, parallel):
            if isinstance(found, EncodeEvent):
                yield found
            else:
                known = found
                model.branches = model.taught(known)
    except GeneratorExit:
        parallel.leave()
        raise
    start = model.prompts.digest()  # a warm start is another training than a cold one
    backbone = model.backbone
    settings = f"{model.class_names}|{model.config}|{config}"
    key = f"{backbone.fingerprint}|{backbone.feature_format}|{settings}|{shots.fingerprint}|{start}"
    if views.format != STORED_DTYPE:
        key += f"|{views.format}"
    steps = Steps(views, torch.tensor(shots.labels, dtype=torch.long), config, objective, parallel)
    yield from _train(model, steps, work, key)
    if config.calibration_folds:
        yield from _cross_fit(model, steps, shots, cache, known)


def _encode(
    model: PromptModel, views: TrainingViews, shots: LabelledPhotos, cache: Cache | None, parallel: Parallel
) -> Iterator[EncodeEvent | Shots]:
    """What is kept of the views, then, where branches are wanted, what they learn from."""
    wanted, kept = bool(model.config.branches), len(views) * views.count
    total, done = kept + len(views) * wanted, 0
    for done in views.encode():
        yield EncodeEvent(done, total)
    if wanted:
        for found in shots_for_branches(model, shots, cache, parallel):
            yield EncodeEvent(done + found, total - kept + done) if isinstance(found, int) else found


def _train(model: PromptModel, steps: Steps, work: Path | None, key: str) -> Iterator[StepEvent]:
    trainer = steps.trainer([Learner(model, torch.arange(len(steps.labels)))])
    if work is not None:
        state = load_training(work, key)
        if state is not None:
            trainer.restore(state)
    for event in trainer.run():
        if work is not None and steps.parallel.rank == 0 and event.end_of_epoch and event.step < event.steps:
            # Not after the last one: a calibration that was cut off repeats it, so that its events are seen again.
            save_training(work, trainer.state(), key)
        yield event


@dataclass(frozen=True)
class CrossFit:
    """Held-out shots and the prompts that never saw them, so that a threshold can follow the class list.

    Attributes:
        models: one a fold.
        features: the fold's held-out photos.
        labels: their class indices.
        index: which of the n training photos they are.
        pictures: of each photo, a number that it shares with those that are nearly the same picture.
        note: why a threshold from these is not reliable; empty when it is.
        fewest: shots of the smallest class.
    """

    models: tuple[PromptModel, ...]
    features: tuple[ImageFeatures, ...]
    labels: tuple[Tensor, ...]
    index: tuple[Tensor, ...]
    pictures: tuple[Tensor, ...]
    note: str
    fewest: int

    def calibrate(self, class_names: Sequence[str], tpr: float = PROMISED) -> tuple[Calibration, list[Mix]]:
        """Return temperature and threshold for a class list, on the shots of those of its names that were trained on,
        and how the branches are mixed with the prompts; empty where there are none, or too few shots to tell.

        Args:
            tpr: share of these shots that the threshold keeps.
        """
        number = {name: k for k, name in enumerate(class_names)}
        now = torch.tensor([number.get(name, -1) for name in self.models[0].class_names])[torch.cat(self.labels)]
        there = now >= 0
        if not there.any():
            return Calibration(note="none: no shot of these classes was held out to find it"), []
        if len(class_names) == 1:
            return Calibration(tpr=tpr).for_classes(1), []
        held, labels = self._answers(class_names).take(there), now[there]
        logits, mixes = held.cosines * self.models[0].backbone.logit_scale, list[Mix]()
        if held.branches:
            mixes = usual_mixes(self.models[0].config.branches)
        if held.branches and self.fewest >= ENOUGH_SHOTS:
            mixes, temperature = choose_mixes(logits, held.branches, labels, mixes)
        else:
            temperature = fit_temperature(mixed(logits, held.branches, mixes), labels)
        pictures = len(set(torch.cat(self.pictures)[there].tolist()))
        return Calibration.on(held.ood.numpy(), pictures, temperature=temperature, note=self.note, tpr=tpr), mixes

    def probabilities(
        self, class_names: Sequence[str], temperature: float, mixes: Sequence[Mix] = ()
    ) -> tuple[Tensor, Tensor]:
        """Return what prompts that never saw them say of the shots: which photos (m,), ascending, and (m, K).

        A class with a single photo is never held out, so m may be less than n.

        Args:
            mixes: of the branches with them, where there are some.
        """
        held, scale = self._answers(class_names), self.models[0].backbone.logit_scale
        cosines = held.cosines
        if mixes:
            cosines = mixed(cosines * scale, held.branches, mixes) / scale
        found = class_probabilities(cosines, scale, temperature)
        index, order = torch.cat(self.index).sort()
        return index, found[order]

    def _answers(self, class_names: Sequence[str]) -> HeldOut:
        """Of all held-out shots, fold by fold."""
        parts = []
        for model, features in zip(self.models, self.features, strict=True):
            with torch.no_grad():
                current = model.for_classes(class_names)
                current = current.with_branches([replace(branch, mix=UNMIXED) for branch in current.branches])
                text = current.text_features()
                # A batch at a time: cosines take B x R x K x N numbers.
                parts += [answers_held_out(current, current.similarities(part, text)) for part in features.split(BATCH)]
        return HeldOut.cat(parts)


def _cross_fit(
    model: PromptModel, steps: Steps, shots: LabelledPhotos, cache: Cache | None, known: Shots | None
) -> Iterator[CalibrationEvent | CrossFit]:
    """Train once for each fold without its photos, then score those: progress and, at the end, the ``CrossFit``.

    The folds are trained side by side: on a few classes that takes little more than half the time. There is no
    ``CrossFit`` when no class has two images. Every fold starts from prompts that have learned nothing, after a warm
    start too: those of an earlier training may have seen the photos that are held out now. Photos that are nearly the
    same picture are held out together: of one whose copy was learned from, nothing new is heard. Where a class has no
    other photos, its limit is of little worth, and ``pictures`` says so.
    """
    labels, config = steps.labels, steps.config
    centres = _centres(model, shots, cache) if tells_copies(model.backbone) else None
    groups = list(range(len(labels))) if centres is None else alike_groups(centres, labels.tolist())
    folds = stratified_folds(labels.tolist(), config.calibration_folds, seed=config.seed, groups=groups)
    if len(folds) < 2:
        return
    learners = []
    for fold in folds:
        mask = torch.ones(len(labels), dtype=torch.bool)
        mask[fold] = False
        fresh = PromptModel(model.backbone, model.class_names, model.config)
        if known is not None:
            relearned = (branch.of_shots(known[branch.how.space].take(mask)) for branch in model.branches)
            fresh.branches = tuple(branch for branch in relearned if branch is not None)
        learners.append(Learner(fresh, mask.nonzero()[:, 0]))
    for event in steps.trainer(learners).run():
        yield CalibrationEvent(event.step, event.steps)
    if steps.parallel.rank:
        return
    yield CrossFit(
        models=tuple(learner.model for learner in learners),
        features=tuple(
            _centres(model, shots.take(fold), cache) if centres is None else centres[torch.tensor(fold)]
            for fold in folds
        ),
        labels=tuple(labels[fold] for fold in folds),
        index=tuple(map(torch.tensor, folds)),
        pictures=tuple(torch.tensor([groups[i] for i in fold]) for fold in folds),
        note=_reliability(labels),
        fewest=int(labels.bincount().min()),
    )


def _centres(model: PromptModel, shots: LabelledPhotos, cache: Cache | None) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_centres(model.backbone, shots.photos, cache, shots.hashes, model.sight)))


def _reliability(labels: Tensor) -> str:
    fewest = int(labels.bincount().min())
    if fewest >= RELIABLE_SHOTS:
        return ""
    return f"{UNRELIABLE}the smallest class has {fewest} shots, and {RELIABLE_SHOTS} are needed for a sound threshold"
