"""``GalLoPClassifier`` holds its arguments and what was learned; packages below and modules beside do the work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED
from typing_extensions import Self

from gallop.backbones import Backbone
from gallop.checkpoints.folder import load_model, save_checkpoint
from gallop.checkpoints.hub import HubAddress, model_folder, upload_model
from gallop.checkpoints.settings_file import Checkpoint
from gallop.config import MethodConfig, TrainConfig
from gallop.data import AskedPhotos, GivenLabels, GivenPhotos, LabelledPhotos, many
from gallop.estimator.arguments import Arguments
from gallop.estimator.events import FitEvent, follow
from gallop.estimator.prompts import LearnedPrompts
from gallop.estimator.shots import at_detail, drawn_shots, with_more_shots, with_recalled_shots, with_shots_of_before
from gallop.evaluation.by_name import AnswersByName
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.features.encoding import Cache, ImageFeatures
from gallop.features.given import Several, given
from gallop.images import ImageSource, load_image
from gallop.model.calibration import NOT_HELD_OUT, PROMISED, Calibration, checked_tpr, require_several
from gallop.model.prompted import PromptModel
from gallop.parts import Function, given_parts, saved_parts
from gallop.predictions.explanation import Explanation, explain_photos
from gallop.predictions.predict import Predictions, predict
from gallop.training.learn import CrossFit, learn, recalibrated
from gallop.training.loop import StepEvent, drop_training


class GalLoPClassifier(AnswersByName, BaseEstimator):
    """Few-shot image classification with global and local prompts, and "none of these".

    Every field of ``MethodConfig`` and of ``TrainConfig`` is an argument as well; None keeps the preset's value. Parts
    of the method (pooling, keep_rule, extra_loss, optimizer, scheduler) are functions in place of the built-in ones, or
    names of functions registered with ``gallop.register``; ``gallop.parts.PARTS`` has their arguments. A fitted model
    keeps its functions. ``save`` and pickling write their names, and refuse what is not registered.

    Args:
        backbone, device, regions: as for ``load_backbone``; or a ``Backbone`` (frozen, so several may share it).
        preset: of method and training: "default", chosen by measurement on ``mini``; "accurate", the same with a second
            look at twice the size; "paper"; "short", the paper's with 50 rounds of four stored views;
            "backbone": "default" for ``mini`` and "paper" for every other backbone; or a ``TrainConfig``, with the
            method of "backbone".
        local_prompts: N, with k = 5, 10, ...; only used when ``topk`` is None.
        shots: images a class drawn by ``fit``, by their content and ``shot_seed`` (None: ``seed``); None takes all.
        allow_fewer: take all there are where a class has fewer than ``shots``.
        cache: folder of the feature cache; None is the user's, False stores nothing; or a cache, such as a MemoryCache.
            ``FeatureCache(folder, dtype=torch.float32)`` rounds no feature to half precision, as the others do.
        warm_start: ``fit`` continues from the current prompts, as when classes were added or photos corrected.
        method: a ``MethodConfig`` in place of the preset's, with further settings; arguments override it.
        keep_shots: ``save`` writes the features of single shots for the head, never photos or paths: it can then
            tell which of them voted, and classes can be removed.

    After fitting: ``classes_`` (K names), ``model_`` (backbone, prompts and head), ``calibration_`` (temperature,
    threshold, note), ``history_`` (each step), ``training_`` (its settings), ``cross_fit_`` (held-out shots and prompts
    that never saw them, whose figures are ``evaluation``; None after ``load``), ``skipped_`` (files or rows that could
    not be read, with the reason). Where the class list changes, temperature and threshold follow from the held-out
    shots; without these the threshold becomes void, with a warning.

    >>> clf = GalLoPClassifier().fit("photos/train")  # doctest: +SKIP
    >>> clf.predict("photos/test/cat/001.jpg")  # doctest: +SKIP
    array(['cat'], dtype='<U3')
    """

    _ways_to_start = "fit, zero_shot or load"
    # No argument of it is metadata for scikit-learn, which then creates no ``set_partial_fit_request``.
    __metadata_request__partial_fit = dict.fromkeys(("images", "labels", "classes", "verbose", "drop_classes"), UNUSED)
    model_: PromptModel
    calibration_: Calibration
    history_: list[StepEvent]
    cross_fit_: CrossFit | None
    training_: TrainConfig | None
    skipped_: tuple[tuple[Path | int, str], ...]
    _shots: LabelledPhotos | None = None  # the training photos, where they are in memory or their files exist
    _unsaved_training: Path | None = None  # the folder of a finished training until ``save``

    def __init__(
        self,
        backbone: str | Backbone = "mini",
        *,
        preset: str | TrainConfig = "backbone",
        global_prompts: int | None = None,
        topk: Sequence[int] | None = None,
        dropout: float | None = None,
        local_projection: bool | None = None,
        head: str | Sequence[str] | None = None,
        detail: float | None = None,
        detail_in: str | None = None,
        global_projection: bool | None = None,
        class_weight: str | None = None,
        starts: str | None = None,
        init: float | None = None,
        diversity: float | None = None,
        pooling: str | Function | None = None,
        keep_rule: str | Function | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        views: int | None = None,
        calibration_folds: int | None = None,
        seed: int | None = None,
        extra_loss: str | Function | None = None,
        optimizer: str | Function | None = None,
        scheduler: str | Function | None = None,
        local_prompts: int | None = None,
        shots: int | None = None,
        shot_seed: int | None = None,
        allow_fewer: bool = False,
        cache: str | PathLike[str] | bool | Cache | None = None,
        warm_start: bool = False,
        device: str = "auto",
        regions: str = "value",
        method: MethodConfig | None = None,
        keep_shots: bool = False,
    ) -> None:
        self.backbone, self.device, self.regions, self.preset, self.method = backbone, device, regions, preset, method
        self.global_prompts, self.local_prompts, self.topk, self.dropout = global_prompts, local_prompts, topk, dropout
        self.local_projection, self.head, self.detail, self.class_weight = local_projection, head, detail, class_weight
        self.detail_in, self.global_projection, self.starts, self.init = detail_in, global_projection, starts, init
        self.diversity, self.momentum, self.weight_decay, self.optimizer = diversity, momentum, weight_decay, optimizer
        self.epochs, self.lr, self.batch_size, self.views, self.seed = epochs, lr, batch_size, views, seed
        self.shots, self.shot_seed, self.allow_fewer, self.keep_shots = shots, shot_seed, allow_fewer, keep_shots
        self.calibration_folds, self.cache, self.warm_start = calibration_folds, cache, warm_start
        self.pooling, self.keep_rule, self.extra_loss, self.scheduler = pooling, keep_rule, extra_loss, scheduler

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return shorten(super().__repr__(N_CHAR_MAX), 390, placeholder=" ...)")

    def fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        verbose: bool | int = False,
        drop_classes: bool = False,
        callback: Callable[[FitEvent], object] | None = None,
        group: Callable[[Any], Hashable] | None = None,
        pooling: str | Function | None = None,
        keep_rule: str | Function | None = None,
        extra_loss: str | Function | None = None,
        optimizer: str | Function | None = None,
        scheduler: str | Function | None = None,
    ) -> Self:
        """Learn prompts from what holds photos and labels, or from images and their class names. Returns self.

        Args:
            images: a folder of class folders, the path of a CSV table or of a project's zip, a DataFrame with the
                columns ``image`` (or ``path``) and ``label``, a data set of (image, label) or of Hugging Face, a dict
                of class names and images, or what ``read_folder`` returns. With ``labels``: images alone.
            labels: class names, or numbers that count in ``class_names`` from 0.
            class_names: K names in their order; by default as they first occur. [NAME, "something else"]: one class.
            verbose: show progress, and what to check in the photos, such as doubtful labels.
            drop_classes: with ``warm_start``, remove known classes without images, which are an error otherwise.
            callback: called with each event of ``fit_steps``.
            group: gives the sitting of a photo, such as ``lambda path: path.name[:10]`` where file names begin with a
                day: photos of a class from one sitting are held out together. None finds sittings by the features.
            pooling, keep_rule, extra_loss, optimizer, scheduler: the constructor's, which are set to what is given.

        Raises DataError, ClassNameError, ImageError or ConfigError for input that cannot be used, and TrainingDiverged.
        """
        parts = given_parts(pooling, keep_rule, extra_loss, optimizer, scheduler)
        events = self.fit_steps(
            images, labels, class_names=class_names, drop_classes=drop_classes, group=group, **parts
        )
        follow(events, verbose=verbose, callback=callback)
        return self

    def fit_steps(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        work: Path | None = None,
        drop_classes: bool = False,
        group: Callable[[Any], Hashable] | None = None,
        pooling: str | Function | None = None,
        keep_rule: str | Function | None = None,
        extra_loss: str | Function | None = None,
        optimizer: str | Function | None = None,
        scheduler: str | Function | None = None,
        rounds: int | None = None,
    ) -> Iterator[FitEvent]:
        """Yield the events of ``fit``, whose arguments it takes; left at any of them, what was learned so far stays.

        In a folder ``work`` the training is saved at every epoch's end, until ``save``: the same call continues there.
        With ``warm_start``, ``rounds`` are enough for prompts that have learned; held-out shots, whose prompts begin
        anew, still get all ``epochs``.
        """
        self.set_params(**given_parts(pooling, keep_rule, extra_loss, optimizer, scheduler))
        warm = self.warm_start and hasattr(self, "model_")
        needed = self.model_.class_names if warm and not drop_classes else ()
        data = drawn_shots(images, labels, self._settings, class_names, needed)
        if group is not None:
            data = replace(data, groups=tuple(map(group, data.photos)))
        yield from self._learn(data, warm, class_names is not None, work, rounds if warm else None)

    def partial_fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        classes: Sequence[str] | None = None,
        *,
        verbose: bool | int = False,
        drop_classes: bool = False,
    ) -> Self:
        """Continue training with more photos, of known classes or of new ones. Returns self.

        It is a full training from the current prompts on, with all photos of the last ``fit`` or ``partial_fit`` and
        all new ones, whatever ``shots`` is, each once, so nothing is forgotten. After ``load`` the earlier photos are
        gone: photos of every known class are needed, and a warning follows; ``add_class`` and ``add_shots`` are safe
        with a few. The class list is the previous one, then ``classes``, then new names in ``labels``. Temperature and
        threshold are computed again. The first call is a ``fit``.

        Args:
            images, labels, verbose: as for ``fit``; numbers count in the list up to ``classes``.
            classes: further names, also of classes whose photos come later: until then they are known by their names.
            drop_classes: remove known classes without photos; after ``load`` these are an error otherwise.

        Raises as ``fit``, DataError also for a picture that was given before with another class name.
        """
        known = self.model_.class_names if hasattr(self, "model_") else ()
        taught = bool(known) and (self.training_ is not None or bool(self.model_.branches))
        data = with_shots_of_before(self._shots, known, images, labels, classes, self._settings, taught, drop_classes)
        follow(self._learn(data, bool(known), self._numbered), verbose=verbose)
        return self

    def zero_shot(self, class_names: Sequence[str], templates: Sequence[str] | None = None) -> Self:
        """Take a class list without learning anything: each prompt is a template. Returns self.

        Settings without a value are the paper's. Of ``templates``, such as "a sketch of a {}", prompt m takes the m-th,
        repeated from the first. Without any they are those of ``config.ZERO_SHOT`` for the backbone; where ``method``
        or ``starts`` was given, its starting words. To one class, which warns, every photo belongs with p = 1, and
        there is no limit. Raises ClassNameError and TemplateError.
        """
        self._start(self._settings.untaught(class_names, templates))
        return self

    def predict_all(self, images: AskedPhotos | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of images, or of features encoded before, in one pass."""
        return predict(self._fitted().model_, self.calibration_, images)

    def is_ood(self, images: AskedPhotos, *, tpr: float | None = None) -> NDArray[np.bool_] | None:
        """Return whether each image is "none of these", (B,); None without a threshold (see ``calibration_.note``).

        ``tpr`` asks, for this call, with the threshold of ``set_threshold(tpr)``. Raises ConfigError as there.
        """
        if tpr is None:
            return self.predict_all(images).is_ood
        require_several(self._fitted().model_.class_names)
        return predict(self.model_, self.calibration_.at(tpr), images).is_ood

    def set_threshold(self, tpr: float = PROMISED, photos: Any = None) -> Self:
        """Set the threshold of "none of these" so that a fraction of the known photos passes. Returns self.

        Args:
            tpr: the fraction, in (0, 1]: a lower one detects more unknown things, and rejects more known ones.
            photos: of known things that were not trained on, as ``predict`` takes them; None uses the held-out shots,
                or the photos given here last. A checkpoint stores their scores, which a change of classes makes void.

        Raises ConfigError for no fraction, where there is nothing to compute it from, or for one class alone;
        DataError and ImageError for photos that cannot be used.
        """
        require_several(self._fitted().model_.class_names)
        now, fraction = self.calibration_, checked_tpr(tpr)  # before photos are encoded
        self.calibration_ = now.at(fraction) if photos is None else now.on_photos(self.ood_score(photos), fraction)
        return self

    @property
    def evaluation(self) -> Evaluation | None:
        """Return the figures of the held-out shots, each answered by prompts that never saw it; None without any.

        Temperature, threshold and the weight of a head are fitted on these shots, so that of photos of a test
        (``evaluate``) the calibration error is larger, and with few shots the accuracy lower. Shots that are nearly the
        same picture, or of one sitting, count as one in the accuracy.
        """
        folds = self._fitted().cross_fit_
        held = None if folds is None else folds.predictions(self.model_, self.calibration_)
        if folds is None or held is None:
            return None
        index, labels, answers = held
        shots = None if self._shots is None else self._shots.take(index.tolist())
        files, hashes = ((), ()) if shots is None else (tuple(path.name for path in shots.paths), shots.hashes)
        pictures = folds.pictures[index].tolist()
        return Evaluation(
            self.model_.class_names, labels.numpy(), ScoredAnswers.of(answers), {}, files, hashes, pictures
        )

    @property
    def prompts(self) -> LearnedPrompts:
        """Return the learned prompts, with measures of how they differ, where each looks and what it is worth."""
        return LearnedPrompts(self._fitted().model_, self._labelled)

    @overload
    def explain(self, image: ImageSource, words: Sequence[str] = ()) -> Explanation: ...
    @overload
    def explain(self, image: Several, words: Sequence[str] = ()) -> list[Explanation]: ...
    def explain(self, image: ImageSource | Several, words: Sequence[str] = ()) -> Explanation | list[Explanation]:
        """Return every prompt's score for one image, and where each local prompt looked; for a list, a list.

        Each holds R x K x N cosines: 0.8 MB with 196 regions, 250 classes and 4 local prompts. Features are explained
        on their grid, or on photos (``encoded_photos`` of ``gallop.features.given``). Scores of the classes ``words``
        are also taken apart into words, for ``Explanation.in_words``; raises ClassNameError for one it does not have.
        """
        prompts, images = self.prompts, many(given(image))
        photos = [load_image(each) for each in images]
        told = {name: prompts.in_words(name) for name in words}
        made = explain_photos(self.model_, photos, self.calibration_, told, prompts.diversity().words)
        return made[0] if len(images) == 1 and images[0] is image else made

    def add_class(self, name: str) -> Self:
        """Add one more class with the learned prompts, without retraining. Returns self.

        A head, which knows classes by their shots, uses the direction of the class name's text until ``add_shots``.
        Raises ClassNameError for a name that cannot be used, or that exists already.
        """
        return self._with_classes_of(self._fitted().model_.with_class(name))

    def remove_class(self, name: str) -> Self:
        """Remove a class, without retraining: the classifier answers as if it had never been known. Returns self.

        The prompts stay unchanged, though they were trained on its photos as well. Raises ClassNameError where there is
        no such class, or no other, and ConfigError where a head lacks its shots, as after ``load`` (``recall_shots``).
        """
        return self._with_classes_of(self._fitted().model_.without_class(name))

    def add_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Train the head on further photos of its classes, given as for ``fit``, in milliseconds. Returns self.

        Prompts, temperature, threshold and the head's weight stay unchanged. After ``zero_shot`` it gets its head so.
        Raises ConfigError without a head, or for balanced classes without its earlier shots (``recall_shots``),
        DataError for a class that it does not have, or first shots of one class alone, and ImageError.
        """
        self.model_ = with_more_shots(self._fitted().model_, images, labels, self._settings.cache)
        return self

    def recall_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Give the head the photos that it was trained on, of which a saved model has only the sums. Returns self.

        They are given as for ``fit``, with those of ``add_shots``. No answer changes, but explanations show which shots
        voted, classes can be removed, and a head of balanced classes can learn further shots. Raises ConfigError
        without a trained head, DataError for other photos than those, and ImageError.
        """
        self.model_ = with_recalled_shots(self._fitted().model_, images, labels, self._settings.cache)
        return self

    def set_detail(self, detail: float, detail_in: str = "answers") -> Self:
        """Add a second look at that many times the size, as in ``MethodConfig``: for answers, or maps. Returns self.

        No prompt is trained again. Where answers change, the threshold becomes void, with a warning, and a head is
        trained again, on the same shots with the new looks; its weight stays. Raises ConfigError for another detail
        than 1, 1.5 and 2, for "training", which takes ``fit``, and where a head's photos are needed and not in memory,
        BackboneError where its regions do not fit into the backbone's grid, and ImageError.
        """
        before = self._fitted().model_
        self.model_ = at_detail(before, detail, detail_in, self._shots, self._settings.cache)
        self.detail, self.detail_in = self.model_.config.detail, detail_in
        self.method = self.model_.config
        if self.model_.sight.times != before.sight.times:
            self.cross_fit_ = None
            void = self.calibration_.void(f"it was computed with detail={before.sight.times[-1]:g}")
            self.calibration_ = self.calibration_.replaced_by(void)
        return self

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a checkpoint folder: what was learned, of shots their sums, settings and the backbone's fingerprint.

        What ``fit_steps`` saved of the training is deleted when the checkpoint has been read back. Warns where it will
        lie among folders of photos. Raises CheckpointError for a file, and OSError where nothing can be written.
        """
        save_checkpoint(folder, self._checkpoint, self.model_)
        if self._unsaved_training is not None:
            drop_training(self._unsaved_training)
            self._unsaved_training = None

    @classmethod
    def load(cls, folder: str | PathLike[str], *, backbone: str | Backbone | None = None, device: str = "auto") -> Self:
        """Return a classifier from a checkpoint folder, or from a model on the Hugging Face Hub.

        Args:
            folder: its path, or ``hf://USER/NAME``, optionally followed by ``@REVISION``.
            backbone: where its weights are now; None uses the name it was trained with, of what is on this machine:
                a stranger may have written that name, so nothing is downloaded for it.

        Raises CheckpointError for one that is damaged, of a newer format, or trained with other weights or region
        features, BackboneError where its backbone cannot be loaded, and HubError where it cannot be downloaded.

        >>> GalLoPClassifier.load("hf://user/flowers").predict("photo.jpg")  # doctest: +SKIP
        """
        saved = load_model(model_folder(folder), backbone, device)
        checkpoint = saved.checkpoint
        how: dict[str, Any] = {"method": checkpoint.method, "regions": checkpoint.regions, "device": device}
        self = cls(backbone or checkpoint.backbone, preset=checkpoint.training or "backbone", **how)
        self._start(saved.model_)
        self.keep_shots = any(branch.shots is not None for branch in self.model_.branches)
        self.calibration_ = saved.calibration_
        self.training_, self._data_fingerprint = checkpoint.training, checkpoint.data_fingerprint
        return self

    def push_to_hub(
        self,
        repository: str,
        *,
        revision: str | None = None,
        private: bool = False,
        test: Any = None,
        labels: Sequence[str] | None = None,
        data_set: str = "",
        licence: str | None = None,
        message: str = "Upload a gallop model",
    ) -> str:
        """Write the checkpoint and a model card into a repository of the Hub, in one commit. Returns its address.

        No photo leaves this machine. The token is that of ``hf auth login`` or of ``HF_TOKEN``.

        Args:
            repository, revision: USER/NAME and a branch (None: the main one), which are created where there are none.
            private: create a private repository. A public one that exists is refused.
            test, labels: photos for testing, as for ``score``: the accuracy on them goes into the card.
            data_set, licence: for the card: what the photos are called, and of what was learned, such as "mit".
            message: of the commit.

        Raises HubError without network or the right to write there, or for a public repository that should be private,
        and DataError for test photos that cannot be used.
        """
        from gallop.documents.model_card import hub_files  # with jinja2 and the Hub's client

        checkpoint, address = self._checkpoint, HubAddress.read(repository, revision)
        tested = None if test is None else self.evaluate(test, labels).accuracy
        files = hub_files(self, checkpoint, address, tested=tested, data_set=data_set, licence=licence)
        return upload_model(files, address, private=private, message=message)

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """All but the photos; a backbone that other machines know, and the parts, are pickled as their names."""
        return {**super().__getstate__(), "_shots": None, **saved_parts(self)}

    @property
    def _settings(self) -> Arguments:
        return Arguments(self.get_params(deep=False))

    @property
    def _checkpoint(self) -> Checkpoint:
        model, facts = self._fitted().model_, (self.training_, self.calibration_, self._data_fingerprint)
        return Checkpoint.of(model, *facts, keep_shots=self.keep_shots)

    def _start(self, model: PromptModel) -> None:
        """A new model, with nothing remaining of an earlier one."""
        self.model_, self.classes_ = model, np.array(model.class_names)
        self.calibration_ = Calibration(note=NOT_HELD_OUT).for_classes(len(model.class_names))
        self.history_, self.cross_fit_, self.training_, self.skipped_ = [], None, None, ()
        self._data_fingerprint, self._numbered, self._shots, self._unsaved_training = "", False, None, None

    def _learn(
        self, data: LabelledPhotos, warm: bool, numbered: bool, work: Path | None = None, rounds: int | None = None
    ) -> Iterator[FitEvent]:
        """Learn, from the current prompts on (``warm``) or from new ones. ``numbered``: labels may be numbers now."""
        settings = self._settings
        learner, config = settings.learner(data, self.model_ if warm else None)
        if work is not None and work == self._unsaved_training:
            drop_training(work)  # training the same classifier again replaces it
        self._start(learner)
        self._numbered, self._shots, self.training_ = numbered, data, config
        self.skipped_, self._data_fingerprint = data.skipped, data.fingerprint
        for event in learn(learner, data, config, cache=settings.cache, work=work, rounds=rounds):
            if isinstance(event, CrossFit):
                self.cross_fit_ = event
                self.model_, self.calibration_ = event.calibrate(self.model_, self.calibration_.tpr)
                continue
            if isinstance(event, StepEvent):
                self.history_.append(event)
                if learner.branches and not self.model_.branches:  # a class was added meanwhile
                    self.model_ = self.model_.with_branches(learner.for_classes(self.model_.class_names).branches)
            yield event
        self._unsaved_training = work

    def _with_classes_of(self, model: PromptModel) -> Self:
        """Take a model of the same prompts with another class list, and the calibration that follows."""
        self.model_, self.calibration_ = recalibrated(self.model_, self.calibration_, self.cross_fit_, model)
        self.classes_ = np.array(model.class_names)
        return self
