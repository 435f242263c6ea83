"""Learning prompts from labelled photos, and fitting temperature and OOD threshold on held-out shots.

What a single step computes is in ``gallop.training.steps``.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.data import LabelledPhotos, PhotoSource, stratified_folds, training_set, warn_of_data
from gallop.features.cache import STORED_DTYPE
from gallop.features.contents import contents_beside
from gallop.features.encoding import BATCH, Cache, ImageFeatures, Sight, TrainingViews, encode_centres
from gallop.features.near_duplicates import independent_groups
from gallop.model.answers import answers
from gallop.model.branches.kinds import sight_of, usual_mixes
from gallop.model.branches.mix import ENOUGH_SHOTS, UNMIXED, choose_mixes, mixed
from gallop.model.branches.sums import ShotFeatures, balanced_weights
from gallop.model.calibration import UNRELIABLE, Calibration, counted_once, fit_temperature
from gallop.model.prompted import PromptModel, Prompts, initial_prompts, starting_prompts
from gallop.model.scores import VERDICT
from gallop.names.class_names import one_class
from gallop.parts import PARTS, saved_parts
from gallop.predictions.predict import Predictions, predict
from gallop.setting import require
from gallop.training.loop import StepCount, StepEvent, load_training, save_training
from gallop.training.steps import Learner, Objective, Steps

RELIABLE_SHOTS = 8
"""With fewer shots a class, the threshold is called unreliable."""

Shots: TypeAlias = dict[str, ShotFeatures]
"""The features of all shots that each branch learns from, by its name."""

NO_METRICS: Mapping[str, float] = MappingProxyType({})
"""Of an event in which the model's prompts do not change."""


@dataclass(frozen=True)
class EncodeEvent:
    """Photos are being encoded: ``done`` of ``total`` views. The last event has the photos of a training that
    calibrates, the features of their centre crops, and the backbone.
    """

    done: int
    total: int
    encoded: tuple[LabelledPhotos, ImageFeatures, Backbone] | None = field(default=None, compare=False, repr=False)
    stage = "encoding views"
    note = ""
    metrics = NO_METRICS


class CalibrationEvent(StepCount):
    """Prompts for held-out shots are being trained, all folds at once. Prompts are final."""

    stage = "calibrating on held-out shots"
    note = ""
    metrics = NO_METRICS


def learned_before(model: PromptModel, backbone: Backbone, method: MethodConfig) -> Prompts | None:
    """Return a copy of the prompts of an earlier training, for another to continue from; None where they do not fit its
    settings and have learned nothing, as after ``zero_shot``.

    Of more prompts than before, the further ones start as in any training; of fewer, the last ones are dropped.

    Raises:
        ConfigError: they have learned something, but for another backbone, or with another projection.
    """

    def learned(method: MethodConfig, backbone: Backbone) -> tuple[object, ...]:
        return method.sizes, backbone.fingerprint, method.local_projection, method.global_projection

    then, now = learned(model.config, model.backbone), learned(method, backbone)
    if then != now:
        if model.prompts.digest() == initial_prompts(model.backbone, model.config).digest():
            return None
        require(
            then[1:] == now[1:],
            "warm_start continues from the learned prompts, but these no longer fit: the backbone (or the kind of its "
            "regions), global_projection or local_projection has changed. Restore the earlier values, or set "
            "warm_start=False to start again.",
        )
    prompts, before = starting_prompts(backbone, method), model.prompts.state_dict()
    with torch.no_grad():
        for name, tensor in prompts.named_parameters():
            shared = min(len(tensor), len(before[name]))  # projections have one size
            tensor[:shared] = before[name][:shared]
    return prompts.to(backbone.device)


def encode_ahead(
    backbone: Backbone,
    photos: Sequence[PhotoSource],
    config: TrainConfig,
    cache: Cache,
    method: MethodConfig | None = None,
) -> Iterator[EncodeEvent]:
    """Encode photos into a cache as they arrive, so that ``learn`` with this seed and these views encodes nothing.

    Their centre crops are included: held-out shots are scored on those, and ``encode_centres`` reads them from there.

    Args:
        method: its looks are encoded; None is one look.
    """
    method = method or MethodConfig()
    total = len(photos) * (config.views + 1)
    done = 0
    for part in encode_centres(backbone, photos, cache, sight=sight_of(method, "answers")):
        done += len(part)
        yield EncodeEvent(done, total)
    views = TrainingViews(
        backbone,
        photos,
        views=config.views,
        seed=config.seed,
        cache=cache,
        sight=Sight(method.looks("training")),
    )
    for encoded in views.encode():
        yield EncodeEvent(done + encoded, total)


def shots_to_learn(images: Any, labels: Any, cache: Cache | None, **draw: Any) -> LabelledPhotos:
    """Return the result of ``training_set``, with contents that a cache remembers, warning of what was skipped."""
    data = training_set(images, labels, content=contents_beside(cache), **draw)
    warn_of_data(data)
    return data


def learn(
    model: PromptModel,
    shots: LabelledPhotos,
    config: TrainConfig,
    *,
    cache: Cache | None = None,
    work: Path | None = None,
    objective: Objective = PromptModel.loss,
    rounds: int | None = None,
) -> Iterator[EncodeEvent | StepEvent | CalibrationEvent | CrossFit]:
    """Encode the shots, train ``model.prompts`` in place and cross-fit, yielding an event for every step.

    Branches, where some are wanted, are in ``model.branches`` before the first step.

    Args:
        cache: of features, on disk or in memory; None stores nothing beyond this training.
        work: folder in which the training is saved at every epoch's end, and from which an interrupted one continues,
            where shots, settings and backbone are the same. The caller deletes it (``drop_training``) when the model is
            saved.
        objective: what is minimised instead of GalLoP's loss, as other prompt learners do.
        rounds: of the prompts, where they continue from learned ones; None takes the epochs, as held-out shots do.

    Raises:
        ConfigError: a part that learns a tensor, or with ``work`` an optimizer or a function that cannot be saved.
    """
    require(
        work is None or config.optimizer == PARTS["optimizer"].usual,
        "Training with another optimizer cannot be saved and resumed. Only training with 'sgd' can.",
    )
    settings = [replace(each, **saved_parts(each)) for each in (model.config, config) if work is not None]
    views = TrainingViews(
        model.backbone,
        shots.photos,
        shots.hashes,
        views=config.views if config.epochs else 0,  # of which none would be learned from
        seed=config.seed,
        cache=cache,
        sight=Sight(model.config.looks("training")),
    )
    known, centres = yield from encode_shots(model, views, shots, cache, keep=bool(config.calibration_folds))
    steps = Steps(views, torch.tensor(shots.labels, dtype=torch.long), config, objective)
    model.branches = model.taught(known)
    _balance(model, steps.labels)
    start = model.prompts.digest()  # a warm start is another training than a cold one
    backbone = model.backbone
    key = f"{backbone.fingerprint}|{backbone.feature_format}|{model.class_names}|{settings}|{shots.fingerprint}|{start}"
    if views.format != STORED_DTYPE:
        key += f"|{views.format}"
    yield from _train(
        model, steps if rounds is None else replace(steps, config=replace(config, epochs=rounds)), work, key
    )
    if centres is not None:
        yield from cross_fit(model, steps, known, centres, shots.groups)


def _balance(model: PromptModel, labels: Tensor) -> None:
    if model.config.balanced:
        model.class_weights = balanced_weights(labels.bincount(minlength=len(model.class_names)).float())


def encode_shots(
    model: PromptModel, views: TrainingViews, shots: LabelledPhotos, cache: Cache | None, *, keep: bool
) -> Generator[EncodeEvent, None, tuple[Shots, ImageFeatures | None]]:
    """Encode the stored views, then the centre crops, yielding progress; return what branches learn
    from, and with ``keep`` all features of the crops.
    """
    wanted, total, done = keep or bool(model.config.branches), len(views) * views.count, 0
    for done in views.encode():
        yield EncodeEvent(done, total + len(views) * wanted)
    if not wanted:
        return {}, None
    total, centres, parts = done + len(views), list[ImageFeatures](), list[dict[str, Tensor]]()
    for some in _centres(model, shots, cache):
        if keep:
            centres.append(some)
        parts.append(model.shot_features(some))
        done += len(some)
        if done < total:
            yield EncodeEvent(done, total)
    together = ImageFeatures.cat(centres) if keep else None
    yield EncodeEvent(total, total, None if together is None else (shots, together, model.backbone))
    return _shots_of(parts, shots.labels), together


def all_shots(model: PromptModel, shots: LabelledPhotos, cache: Cache | None) -> Shots:
    """Return the features of all shots.

    Of each shot its centre crop, which answers are computed from, in every look of the model: heads that were trained
    on augmented views as well were less confident about unseen photos, and less often right (benchmarks/settings.md).
    """
    return _shots_of([model.shot_features(some) for some in _centres(model, shots, cache)], shots.labels)


def _shots_of(parts: Sequence[dict[str, Tensor]], labels: Sequence[int]) -> Shots:
    given = torch.tensor(labels, dtype=torch.long)
    return {name: ShotFeatures(torch.cat([part[name] for part in parts])[:, None], given) for name in parts[0]}


def _train(model: PromptModel, steps: Steps, work: Path | None, key: str) -> Iterator[StepEvent]:
    trainer = steps.trainer([Learner(model, torch.arange(len(steps.labels)))])
    if work is not None:
        state = load_training(work, key)
        if state is not None:
            trainer.restore(state)
    for event in trainer.run():
        if work is not None and event.end_of_epoch and event.step < event.steps:
            # Not after the last one: resuming an interrupted calibration repeats it, so that its events come again.
            save_training(work, trainer.state(), key)
        yield event


@dataclass(frozen=True)
class HeldOut:
    """The scores of shots that were not trained on: cosines of the prompts' ensemble (m, K), the scores of each branch
    (m, K), and GL-MCM (m,).
    """

    cosines: Tensor
    branches: tuple[Tensor, ...]
    ood: Tensor

    def take(self, chosen: Tensor) -> HeldOut:
        """Return some of the shots, by truth values (m,)."""
        return HeldOut(self.cosines[chosen], tuple(scores[chosen] for scores in self.branches), self.ood[chosen])

    @staticmethod
    def cat(parts: Sequence[HeldOut]) -> HeldOut:
        """Return all shots of the parts, in order."""
        there = all(part.branches for part in parts)  # of a fold with shots of one class alone there are none
        branches = zip(*(part.branches for part in parts), strict=True) if there else ()
        return HeldOut(
            cosines=torch.cat([part.cosines for part in parts]),
            branches=tuple(torch.cat(scores) for scores in branches),
            ood=torch.cat([part.ood for part in parts]),
        )


@dataclass(frozen=True)
class CrossFit:
    """Held-out shots and the prompts that never saw them, so that a threshold can follow the class list.

    Attributes:
        models: one a fold.
        features: the fold's held-out photos.
        index: which of the n training photos they are.
        labels: class indices of the training photos (n,).
        pictures: of each training photo, a number that is the same for those that are nearly the same picture, or of
            one sitting (n,).
        alike: classes whose photos are of few sittings.
    """

    models: tuple[PromptModel, ...]
    features: tuple[ImageFeatures, ...]
    index: tuple[Tensor, ...]
    labels: Tensor
    pictures: Tensor
    alike: tuple[str, ...] = ()

    def calibrate(self, model: PromptModel, tpr: float) -> tuple[PromptModel, Calibration]:
        """Return temperature and threshold for a model's classes, from the shots of those that were trained on, and the
        model with its branches' weights for them, where there are enough shots to choose these.

        Args:
            tpr: fraction of these shots that the threshold accepts.
        """
        class_names = model.class_names
        photos = torch.cat(self.index)
        now = self._numbers(class_names)[self.labels[photos]]
        counts = self.labels.bincount()
        there, fewest = now >= 0, int(counts[counts > 0].min())
        if not there.any():
            return model, Calibration(note="none: no shots of these classes were held out to find it")
        if len(class_names) == 1:
            return model, Calibration(tpr=tpr).for_classes(1)
        held, labels = self._answers(class_names).take(there), now[there]
        prompts = held.cosines * self.models[0].backbone.logit_scale
        mixes = usual_mixes(self.models[0].config.branches) if held.branches else []
        logits = mixed(prompts, held.branches, mixes)
        pictures, own = self.pictures[photos][there], one_class(class_names)
        its = labels == (-1 if own is None else own)
        if own is not None and its.any() and not its.all():
            # Ordinary things are told from it so easily that fitted weights and temperature would be far too sharp.
            likely = logits.softmax(dim=1)[:, own]
            different = len(set(pictures[its].tolist()))
            calibration = Calibration.of_one(likely[its].numpy(), likely[~its].numpy(), different, tpr)
        else:
            if held.branches and fewest >= ENOUGH_SHOTS:
                mixes, temperature = choose_mixes(prompts, held.branches, labels, mixes)
                logits = mixed(prompts, held.branches, mixes)
            else:
                temperature = fit_temperature(logits, labels)
            few = f"the smallest class has {fewest} shots, and {RELIABLE_SHOTS} are needed for a sound threshold"
            note = f"{UNRELIABLE}{few}" if fewest < RELIABLE_SHOTS else ""
            different = len(set(pictures.tolist()))
            calibration = Calibration.on(held.ood.numpy(), different, temperature=temperature, note=note, tpr=tpr)
        right, asked = counted_once((logits.argmax(dim=1) == labels).tolist(), pictures.tolist())
        alike = tuple(name for name in self.alike if name in class_names)
        calibration = replace(calibration, right=right, asked=asked, alike=alike)
        if len(mixes) != len(model.branches):
            return model, calibration
        branches = zip(model.branches, mixes, strict=True)
        return model.with_branches([replace(branch, mix=mix) for branch, mix in branches]), calibration

    def predictions(self, model: PromptModel, calibration: Calibration) -> tuple[Tensor, Tensor, Predictions] | None:
        """Return how the shots of a model's classes are answered by prompts and branches that never saw them.

        Which of the n photos (m,), fold by fold, their class indices in ``model`` (m,), and the answers; None where no
        shot of these classes was held out. A class with a single photo never is, so m may be less than n.

        Args:
            model: whose classes and weights of branches are taken.
        """
        folds = [fold.for_classes(model.class_names) for fold in self.models]
        mixes = [branch.mix for branch in model.branches]
        if any(len(fold.branches) != len(mixes) for fold in folds):  # one has shots of one class alone
            mixes = []
        labels = [self._numbers(model.class_names)[self.labels[index]] for index in self.index]
        parts = []
        for fold, features, numbers in zip(folds, self.features, labels, strict=True):
            branches = [replace(branch, mix=mix) for branch, mix in zip(fold.branches, mixes, strict=False)]
            if (numbers >= 0).any():
                parts.append(predict(fold.with_branches(branches), calibration, features[numbers >= 0]))
        there = torch.cat(labels) >= 0
        return (torch.cat(self.index)[there], torch.cat(labels)[there], Predictions.cat(parts)) if parts else None

    def _numbers(self, class_names: Sequence[str]) -> Tensor:
        """Of each class that was trained on its index among ``class_names``, or -1."""
        number = {name: k for k, name in enumerate(class_names)}
        return torch.tensor([number.get(name, -1) for name in self.models[0].class_names])

    def _answers(self, class_names: Sequence[str]) -> HeldOut:
        """Of all held-out shots, fold by fold."""
        parts = []
        for model, features in zip(self.models, self.features, strict=True):
            with torch.no_grad():
                current = model.for_classes(class_names)
                current = current.with_branches([replace(branch, mix=UNMIXED) for branch in current.branches])
                text = current.text_features()
                # A batch at a time: cosines take B x R x K x N numbers.
                for part in features.split(BATCH):
                    found = answers(current.similarities(part, text), current.rule())
                    held = HeldOut(
                        cosines=found.prompts.cpu(),
                        branches=tuple(
                            score.cpu() * found.rule.scale for score in found.similarities.branch_scores.values()
                        ),
                        ood=found.similarities.ood[VERDICT].cpu(),
                    )
                    parts.append(held)
        return HeldOut.cat(parts)


def recalibrated(
    before: PromptModel, calibration: Calibration, held_out: CrossFit | None, model: PromptModel
) -> tuple[PromptModel, Calibration]:
    """Return a model with a class more or less than before, and its calibration; warns where the threshold is lost.

    Both follow from the held-out shots (``CrossFit.calibrate``), or without these from the calibration before.
    """
    if held_out is None:
        after = calibration.after_change(before.class_names, model.class_names)
    else:
        model, after = held_out.calibrate(model, calibration.tpr)
    return model, calibration.replaced_by(after)


def cross_fit(
    model: PromptModel, steps: Steps, known: Shots, centres: ImageFeatures, sittings: Sequence[Hashable] = ()
) -> Iterator[CalibrationEvent | CrossFit]:
    """Train once for each fold without its photos, then score those: progress and, at the end, the ``CrossFit``.

    The folds are trained side by side: on a few classes that takes little more than half the time. There is no
    ``CrossFit`` when no class has two images. Every fold starts from prompts that have learned nothing, after a warm
    start too: those of an earlier training may have seen the photos that are held out now. Photos that are nearly the
    same picture are held out together: one whose copy was trained on is no independent test. Where a class has no other
    photos, its limit is of little worth, and ``pictures`` shows it. So are photos of one sitting, those that are given
    or else those that ``independent_groups`` finds.
    """
    labels, config = steps.labels, steps.config
    groups, few = independent_groups(model.backbone, centres, labels.tolist(), sittings)
    folds = stratified_folds(labels.tolist(), config.calibration_folds, seed=config.seed, groups=groups)
    if len(folds) < 2:
        return
    learners = []
    for fold in folds:
        mask = torch.ones(len(labels), dtype=torch.bool)
        mask[fold] = False
        fresh = PromptModel(
            model.backbone, model.class_names, model.config, starting_prompts(model.backbone, model.config)
        ).with_branches(
            branch.relearned(known[branch.kind].take(mask), len(model.class_names)) for branch in model.branches
        )
        _balance(fresh, labels[mask])
        learners.append(Learner(fresh, mask.nonzero()[:, 0]))
    for event in steps.trainer(learners).run():
        yield CalibrationEvent(event.step, event.steps)
    yield CrossFit(
        models=tuple(learner.model for learner in learners),
        features=tuple(centres[torch.tensor(fold)] for fold in folds),
        index=tuple(map(torch.tensor, folds)),
        labels=labels,
        pictures=torch.tensor(groups),
        alike=tuple(model.class_names[k] for k in few),
    )


def _centres(model: PromptModel, shots: LabelledPhotos, cache: Cache | None) -> Iterator[ImageFeatures]:
    return encode_centres(model.backbone, shots.photos, cache, shots.hashes, model.sight)
