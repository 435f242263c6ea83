"""``GalLoPClassifier``: GalLoP as an estimator of scikit-learn's.

It holds its arguments and what was learned; its methods call the packages below and the modules beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED
from typing_extensions import Self

from gallop.backbones import Backbone
from gallop.backbones.weights import warn_of_weights_here_alone
from gallop.checkpoints.folder import checkpoint_bytes, load_learned, read_model, save_checkpoint
from gallop.checkpoints.hub import CARD_FILE, HubAddress, model_folder, upload_model
from gallop.checkpoints.settings import Checkpoint
from gallop.config import MethodConfig, TrainConfig
from gallop.data import AskedPhotos, GivenLabels, GivenPhotos, LabelledPhotos, many
from gallop.errors import suggesting, warn_caller
from gallop.estimator.events import FitEvent, follow
from gallop.estimator.prompts import LearnedPrompts
from gallop.estimator.settings import Settings, warn_of_scales
from gallop.estimator.shots import (
    at_detail,
    branches_with_more,
    branches_with_their_shots,
    require_photos_of_all,
    with_shots_of_before,
)
from gallop.evaluation.by_name import AnswersByName
from gallop.features.encoding import Cache, ImageFeatures, open_cache
from gallop.features.given import as_features, given
from gallop.images import ImageSource, load_image
from gallop.model.calibration import NOT_HELD_OUT, PROMISED, Calibration, checked_tpr, require_several
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.parts import Function, named
from gallop.predictions.explanation import Explanation, explain_photos
from gallop.predictions.predict import Predictions, predict
from gallop.training.learn import (
    CrossFit,
    learn,
    learned_before,
    recalibrated,
    shots_to_learn,
)
from gallop.training.loop import StepEvent, drop_training


@suggesting
class GalLoPClassifier(AnswersByName, BaseEstimator):
    """Few-shot image classification with global and local prompts, and "none of these".

    Args:
        backbone: name for ``load_backbone``, or a ``Backbone`` (frozen, so several classifiers may share it).
        preset: of method and training: "default", chosen by measurement on ``mini``; "accurate", the same with a second
            look at twice the size; "paper"; "backbone", which is "default" for ``mini`` and "paper" for every other
            backbone; or a ``TrainConfig``, with the method of "backbone". Arguments below that are not None replace its
            values.
        global_prompts: M, how many there are.
        topk: one k a local prompt.
        local_prompts: N, with k = 5, 10, ...; only used when ``topk`` is None.
        dropout: p of prompt dropout.
        local_projection: learn the projection of the regions; without, it stays the identity.
        head: kind of the head beside the prompts, or "none".
        detail: size of the second look, in multiples of the input size; 1: there is none.
        class_weight: "balanced": each class has the same weight in training, whatever its number of photos; or "none".
        seed: of the draw, the views and prompt dropout.
        shot_seed: of the draw alone, where it is to be another one.
        method: a ``MethodConfig`` in place of the preset's method, with further settings; arguments override it.
        shots: images a class drawn by ``fit``, by the seed and their content; None takes all.
        allow_fewer: take all there are where a class has fewer than ``shots``.
        cache: folder of the feature cache; None is the user's, False stores nothing; or a cache, such as a MemoryCache.
            ``FeatureCache(folder, dtype=torch.float32)`` rounds no feature to half precision, as the others do.
        warm_start: ``fit`` continues from the current prompts, as when classes were added or photos corrected.
        device: "auto", "cpu" or "cuda"; it and ``regions`` are for a backbone given by its name.
        regions: kind of a ViT's region features: "value" or another of ``REGION_KINDS``, as for ``load_backbone``.
        keep_shots: ``save`` writes the features of single shots too, where there is a head: a ridge regression can
            then tell which of them voted, and logistic regression can learn from more. Never photos or paths.

    After fitting: ``classes_`` (K names), ``model_`` (backbone, prompts and head), ``calibration_`` (temperature,
    threshold, note), ``history_`` (each step), ``training_`` (its settings), ``cross_fit_`` (held-out shots and prompts
    that never saw them; None after ``load``), ``skipped_`` (files, or rows of a table, that could not be read, with the
    reason).

    OOD scores depend on the class list: where it changes, temperature and threshold are computed again from the
    held-out shots; after ``load`` these are not in memory, and the threshold becomes void, with a warning.

    >>> clf = GalLoPClassifier().fit("photos/train")  # doctest: +SKIP
    >>> clf.predict("photos/test/cat/001.jpg")  # doctest: +SKIP
    array(['cat'], dtype='<U3')
    """

    _ways_to_start = "fit, zero_shot or load"
    # No argument of it is metadata for scikit-learn, which then creates no ``set_partial_fit_request``.
    __metadata_request__partial_fit = dict.fromkeys(("images", "labels", "classes", "verbose"), UNUSED)
    model_: PromptModel
    calibration_: Calibration
    history_: list[StepEvent]
    cross_fit_: CrossFit | None
    training_: TrainConfig | None
    skipped_: tuple[tuple[Path | int, str], ...]
    _data_fingerprint: str
    _shots: LabelledPhotos | None = None  # the training photos, where they are in memory or their files exist
    _unsaved_training: Path | None = None  # the folder of a finished training until ``save``
    _parts: Mapping[str, str] = MappingProxyType({})  # names of those that were passed to the last ``fit``

    def __init__(
        self,
        backbone: str | Backbone = "mini",
        *,
        preset: str | TrainConfig = "backbone",
        global_prompts: int | None = None,
        local_prompts: int | None = None,
        topk: Sequence[int] | None = None,
        dropout: float | None = None,
        local_projection: bool | None = None,
        head: str | None = None,
        detail: float | None = None,
        class_weight: str | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | None = None,
        views: int | None = None,
        calibration_folds: int | None = None,
        seed: int | None = None,
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
        self.backbone, self.device, self.regions = backbone, device, regions
        self.preset, self.method = preset, method
        self.global_prompts, self.local_prompts, self.topk = global_prompts, local_prompts, topk
        self.dropout, self.local_projection, self.head, self.detail = dropout, local_projection, head, detail
        self.class_weight = class_weight
        self.epochs, self.lr, self.batch_size, self.views = epochs, lr, batch_size, views
        self.calibration_folds, self.seed = calibration_folds, seed
        self.shots, self.shot_seed, self.allow_fewer, self.keep_shots = shots, shot_seed, allow_fewer, keep_shots
        self.cache, self.warm_start = cache, warm_start

    def fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        verbose: bool | int = False,
        drop_classes: bool = False,
        callback: Callable[[FitEvent], object] | None = None,
        pooling: str | Function | None = None,
        keep_rule: str | Function | None = None,
        extra_loss: str | Function | None = None,
        optimizer: str | Function | None = None,
        scheduler: str | Function | None = None,
    ) -> Self:
        """Learn prompts from what holds photos and labels, or from images and their class names. Returns self.

        Args:
            images: a folder of class folders, the path of a CSV table, a DataFrame with the columns ``image`` (or
                ``path``) and ``label``, an ``ImageFolder`` or another data set of (image, label), one of Hugging Face,
                a dict of class names and their images, or what ``read_folder``, ``from_csv`` and others return. With
                ``labels``: images alone, as ``predict`` takes them.
            labels: class names, or numbers that count in ``class_names`` from 0.
            class_names: K names in their order; by default that in which they first occur.
            verbose: show progress, a bar in a terminal or a notebook, plain lines elsewhere; and what to check in the
                photos, such as doubtful labels.
            drop_classes: with ``warm_start``, known classes without images are removed; otherwise this is an error that
                names them, and nothing is learned.
            callback: called with each event of ``fit_steps``.
            pooling, keep_rule, extra_loss, optimizer, scheduler: functions in place of the built-in parts, or names of
                functions registered with ``gallop.register``; ``gallop.parts.PARTS`` has their arguments.

        Raises DataError, ClassNameError, ImageError or ConfigError for input that cannot be used, and TrainingDiverged
        when the loss stops being a number.
        """
        parts: Any = {"pooling": pooling, "keep_rule": keep_rule, "extra_loss": extra_loss}
        parts |= {"optimizer": optimizer, "scheduler": scheduler}
        events = self.fit_steps(images, labels, class_names=class_names, drop_classes=drop_classes, **parts)
        return self._follow(events, verbose=verbose, callback=callback)

    def fit_steps(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        work: Path | None = None,
        drop_classes: bool = False,
        pooling: str | Function | None = None,
        keep_rule: str | Function | None = None,
        extra_loss: str | Function | None = None,
        optimizer: str | Function | None = None,
        scheduler: str | Function | None = None,
    ) -> Iterator[FitEvent]:
        """Yield the events of ``fit``. It can be stopped at any time: the classifier has what it has learned so far.

        Args:
            images, labels, class_names, drop_classes: as for ``fit``.
            pooling, keep_rule, extra_loss, optimizer, scheduler: as for ``fit``.
            work: folder where the training is saved at every epoch's end, until ``save`` has written the model; an
                interrupted training continues from there.
        """
        parts = {"pooling": pooling, "keep_rule": keep_rule, "extra_loss": extra_loss}
        parts |= {"optimizer": optimizer, "scheduler": scheduler}
        self._parts = {part: named(part, custom) for part, custom in parts.items() if custom is not None}
        draw, cache = self._settings.draw, open_cache(self.cache)
        data = shots_to_learn(given(images), labels, cache, class_names=class_names, **draw)
        warm = self.warm_start and hasattr(self, "model_")
        if warm and not drop_classes:
            require_photos_of_all(self.model_.class_names, data)
        yield from self._learn(data, warm=warm, numbered=class_names is not None, work=work)

    def partial_fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        classes: Sequence[str] | None = None,
        *,
        verbose: bool | int = False,
    ) -> Self:
        """Continue training with more photos, of known classes or of new ones. Returns self.

        It is a full training, of as many epochs as ``fit``, that starts from the current prompts. It learns from the
        previous photos and the new ones together, so nothing is forgotten; features that a cache has are not encoded
        again. The previous photos are those of the last ``fit`` or ``partial_fit`` of this object: after ``load`` they
        are not known, and it learns from the new ones alone, with a warning. The class list is the previous one, then
        ``classes``, then new names in ``labels``; no class is removed. Temperature and threshold are computed again, by
        cross-fits that start from untrained prompts. All given photos are taken, whatever ``shots`` is, and a picture
        that was among the previous ones counts once. The very first call is a ``fit``.

        Args:
            images, labels: as for ``fit``; one class is enough where others are known. Numbers count in the previous
                class list and ``classes``.
            classes: further names, also of classes whose photos come later: until then they are known by their names.
            verbose: as for ``fit``.

        Raises:
            DataError: as ``fit``, or a picture that was given before with another class name.
            ConfigError: settings that differ from those of the current prompts.
        """
        known = self.model_.class_names if hasattr(self, "model_") else ()
        how: dict[str, Any] = {"seed": self._settings.seed, "cache": open_cache(self.cache)}
        data = with_shots_of_before(self._shots if known else None, known, given(images), labels, classes, **how)
        if known and self._shots is None and self.training_ is not None:
            warn_caller(
                "The photos that this classifier was trained on are not in memory (load does not bring them back). "
                "Training continues with the new photos only, so the classifier may forget what it learned before."
            )
        return self._follow(self._learn(data, warm=bool(known), numbered=self._numbered), verbose=verbose)

    def zero_shot(self, class_names: Sequence[str], templates: Sequence[str] | None = None) -> Self:
        """Take a class list without learning anything: every prompt is "A photo of a". Returns self.

        Settings without a value are the paper's: a backbone's preset was measured on trainings. One class is allowed,
        with a warning: probabilities compare classes, so every photo belongs to it with p = 1, and there is no limit
        for "none of these".

        Args:
            templates: sentences such as "a sketch of a {}"; prompt m is then template m, repeated from the first.

        Raises:
            ClassNameError, TemplateError: names or templates that cannot be used.
        """
        settings = self._settings
        model = PromptModel(settings.load_backbone(), class_names, settings.method("paper"), templates=templates)
        if len(model.class_names) == 1:
            warn_caller(
                f"{model.class_names[0]!r} is the only class, so every photo is assigned to it with probability 1, and "
                "no OOD threshold can be found. Add the other classes that photos may show."
            )
        self._start(model)
        warn_of_scales(model)
        return self

    def predict_all(self, images: AskedPhotos | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of images, or of features encoded before, in one pass."""
        model = self._fitted()
        return predict(model, self.calibration_, as_features(images))

    def is_ood(self, images: AskedPhotos, *, tpr: float | None = None) -> NDArray[np.bool_] | None:
        """Return whether each image is "none of these", (B,); None without a threshold (see ``calibration_.note``).

        Args:
            tpr: for this call, the fraction of known photos that are to pass, by the held-out shots; None uses the
                current threshold.

        Raises:
            ConfigError: not a fraction, no held-out shots to compute its limit from, or one class alone.
        """
        if tpr is None:
            return self.predict_all(images).is_ood
        require_several(self._fitted().class_names)
        return predict(self.model_, self.calibration_.at(tpr), as_features(images)).is_ood

    def set_threshold(self, tpr: float = PROMISED, photos: Any = None) -> Self:
        """Set the threshold of "none of these" so that a fraction of the known photos passes. Returns self.

        It is computed from the held-out shots, or from the photos given last, whose scores a checkpoint stores; after a
        change of the class list there are none when the shots themselves are not in memory.

        Args:
            tpr: the fraction, above 0 and at most 1: a lower one detects more unknown things, and rejects more known
                ones.
            photos: of known things that were not trained on, to compute it from instead, as ``predict`` takes them.

        Raises:
            ConfigError: not a fraction, no held-out shots and no photos, or one class alone.
            DataError, ImageError: photos that cannot be used.
        """
        require_several(self._fitted().class_names)
        now, fraction = self.calibration_, checked_tpr(tpr)  # before photos are encoded
        self.calibration_ = now.at(fraction) if photos is None else now.on_photos(self.ood_score(photos), fraction)
        return self

    @property
    def prompts(self) -> LearnedPrompts:
        """Return the learned prompts, with measures of how they differ, where each looks and what it is worth."""
        return LearnedPrompts(self._fitted(), partial(self._labelled, class_names=None))

    @overload
    def explain(self, image: ImageSource, words: Sequence[str] = ()) -> Explanation: ...
    @overload
    def explain(
        self, image: list[Any] | tuple[Any, ...] | ImageFeatures, words: Sequence[str] = ()
    ) -> list[Explanation]: ...
    def explain(
        self, image: ImageSource | list[Any] | tuple[Any, ...] | ImageFeatures, words: Sequence[str] = ()
    ) -> Explanation | list[Explanation]:
        """Return every prompt's score for one image, and where each local prompt looked; for a list, a list.

        A list passes the backbone in batches. Each explanation holds R x K x N cosines: 0.8 MB with 196 regions, 250
        classes and 4 local prompts. Features are explained on their grid, or on photos: ``encoded_photos(features,
        photos)`` of ``gallop.features.given``.

        Args:
            words: classes whose scores are also taken apart into words, for ``Explanation.in_words``.

        Raises:
            ClassNameError: ``words`` names a class that it does not have.
        """
        model, images, prompts = self._fitted(), many(given(image)), self.prompts
        photos, alike = [load_image(each) for each in images], prompts.diversity().words
        told = {name: prompts.in_words(name) for name in words}
        explained = explain_photos(model, photos, self.calibration_, told)
        explanations = [replace(each, alike=alike) for each in explained]
        return explanations[0] if len(images) == 1 and images[0] is image else explanations

    def add_class(self, name: str) -> Self:
        """Add one more class with the learned prompts, without retraining. Returns self.

        A head, which knows classes by their shots, uses the direction of the class name's text until ``add_shots``.

        Raises:
            ClassNameError: a name that cannot be used, or that exists already.
        """
        return self._with_classes_of(self._fitted().with_class(name))

    def remove_class(self, name: str) -> Self:
        """Remove a class, without retraining: the classifier answers as if it had never been known. Returns self.

        The prompts stay unchanged, though they were trained on its photos as well. After ``load`` a model with a head,
        which a default one of ``mini`` has, needs its shots back first: by ``recall_shots``, where ``keep_shots=True``
        has not saved their features with it.

        Raises:
            ClassNameError: no such class, or the last one there is.
            ConfigError: the head no longer has its shots, as above.
        """
        return self._with_classes_of(self._fitted().without_class(name))

    def add_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Train the head on further photos of its classes: no prompt changes, and no training runs. Returns self.

        Apart from encoding the photos this takes milliseconds. Temperature, threshold and the head's weight stay
        unchanged. A classifier that has learned nothing, after ``zero_shot``, gets its head this way.

        Args:
            images, labels: as for ``fit``.

        Raises:
            ConfigError: it has no head (``head=...``), or logistic regression whose earlier shots were not saved: these
                come back with ``recall_shots``.
            DataError: a class that it does not have, or first shots of one class alone.
            ImageError: a photo that cannot be read; nothing is learned then.
        """
        model = self._fitted()
        self.model_ = model.with_branches(branches_with_more(model, given(images), labels, open_cache(self.cache)))
        return self

    def recall_shots(self, images: Any, labels: Sequence[str] | None = None) -> Self:
        """Give the head the photos that it was trained on, of which a saved model has only the sums. Returns self.

        No answer changes. Explanations show again which shots voted, classes can be removed, and logistic regression
        can learn further shots, as before it was saved.

        Args:
            images, labels: as for ``fit``; all photos that it was trained on, including those of ``add_shots``, and no
                others.

        Raises:
            ConfigError: it has no trained head.
            DataError: they are not the photos that it was trained on.
            ImageError: a photo that cannot be read.
        """
        model = self._fitted()
        self.model_ = model.with_branches(
            branches_with_their_shots(model, given(images), labels, open_cache(self.cache))
        )
        return self

    def set_detail(self, detail: float, detail_in: str = "answers") -> Self:
        """Add a second look at that many times the size, for answers and maps or maps alone. Returns self.

        No prompt is trained again. Scores are then of other regions, so where answers change, the threshold becomes
        void, with a warning. A head is trained again, on the same shots with the new looks; its weight in the answer
        stays. Settings are those of ``MethodConfig``.

        Raises:
            ConfigError: another detail than 1, 1.5 and 2, ``detail_in`` is "training", which takes ``fit``, or answers
                would change of a head whose photos are not in memory.
            BackboneError: its regions do not fit into the backbone's grid.
            ImageError: a photo that the head was trained on can no longer be read.
        """
        before = self._fitted()
        self.model_ = at_detail(before, detail, detail_in, self._shots, open_cache(self.cache))
        self.detail, self.method = self.model_.config.detail, self.model_.config
        if self.model_.sight.times != before.sight.times:
            self.cross_fit_ = None
            void = self.calibration_.void(f"it was computed with detail={before.sight.times[-1]:g}")
            self.calibration_ = self.calibration_.replaced_by(void)
        return self

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a checkpoint folder: what was learned, the class list, the settings, the backbone's fingerprint.

        Of shots a head stores only sums, unless ``keep_shots`` is set. The training that ``fit_steps`` has saved is
        deleted when the checkpoint has been read back.
        """
        save_checkpoint(folder, self._checkpoint(), self.model_)
        if self._unsaved_training is not None:
            drop_training(self._unsaved_training)
            self._unsaved_training = None

    @classmethod
    def load(cls, folder: str | PathLike[str], *, backbone: str | Backbone | None = None, device: str = "auto") -> Self:
        """Return a classifier from a checkpoint folder, or from a model on the Hugging Face Hub.

        From the Hub only the two files of a checkpoint are downloaded, once: JSON and safetensors. Files in the cache
        of the Hub's client are used without a network.

        Args:
            folder: its path, or ``hf://USER/NAME``, optionally followed by ``@REVISION``.
            backbone: where its weights are now; None uses the name it was trained with.

        Raises:
            CheckpointError: damaged, of a newer format, or trained with other weights or other region features.
            BackboneError: its backbone cannot be loaded.
            HubError: there is no such model on the Hub, or it cannot be downloaded.

        >>> GalLoPClassifier.load("hf://user/flowers").predict("photo.jpg")  # doctest: +SKIP
        """
        place = model_folder(folder)
        checkpoint, tensors = read_model(place)
        preset = "backbone" if checkpoint.training is None else checkpoint.training
        how: dict[str, Any] = {"preset": preset, "method": checkpoint.method, "regions": checkpoint.regions}
        self = cls(backbone or checkpoint.backbone, device=device, **how)
        self._start(load_learned(place, checkpoint, tensors, self._settings.load_backbone()))
        self.keep_shots = any(branch.shots is not None for branch in self.model_.branches)
        self.calibration_ = checkpoint.calibration.for_classes(len(self.model_.class_names))
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

        The card describes what the classifier knows, how it was trained and what it cannot do, and has the Hub's fields
        for library, task, backbone, data set, accuracy and licence. No photo leaves this machine. The token is that of
        ``hf auth login`` or of ``HF_TOKEN``.

        Args:
            repository: USER/NAME; it is created where there is none.
            revision: a branch, which is created where there is none; None is the main one.
            private: create a private repository. A public one that exists is refused.
            test: photos held out for testing, as ``score`` takes them, with their ``labels``: the accuracy on them goes
                into the card. Without them the card has none.
            data_set: what the photos are called, such as the name of a data set on the Hub.
            licence: of what was learned, as the Hub writes them, such as "mit"; that of the backbone is in the card.
            message: of the commit.

        Raises:
            HubError: no network, no right to write there, or a repository that others see and should not.
            DataError: test photos that cannot be used.

        >>> clf.push_to_hub("user/flowers", test="photos/test", licence="mit")  # doctest: +SKIP
        'https://huggingface.co/user/flowers/commit/8d4c...'
        """
        from gallop.documents.model_card import hub_card  # with jinja2 and the Hub's client

        model, address = self._fitted(), HubAddress.read(repository, revision)
        tested = None if test is None else self.evaluate(test, labels).accuracy
        warn_of_weights_here_alone(model.backbone.name)
        card = hub_card(self, address, tested=tested, data_set=data_set, licence=licence)
        files = checkpoint_bytes(self._checkpoint(), model) | {CARD_FILE: card.encode()}
        return upload_model(files, address, private=private, message=message)

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """All but the photos. ``PromptModel`` and ``Backbone`` pickle themselves: a backbone that ``load_backbone``
        knows by a name that other machines know is pickled as that name, any other with its weights.
        """
        return {**super().__getstate__(), "_shots": None}

    @property
    def _settings(self) -> Settings:
        return Settings(self.get_params(deep=False), self._parts)

    def _start(self, model: PromptModel) -> None:
        """A new model, with nothing remaining of an earlier one."""
        self.model_, self.classes_ = model, np.array(model.class_names)
        self.calibration_ = Calibration(note=NOT_HELD_OUT).for_classes(len(model.class_names))
        self.history_, self.cross_fit_, self.training_, self.skipped_ = [], None, None, ()
        self._data_fingerprint, self._numbered, self._shots, self._unsaved_training = "", False, None, None

    def _learn(
        self, data: LabelledPhotos, *, warm: bool, numbered: bool, work: Path | None = None
    ) -> Iterator[FitEvent]:
        """Learn from photos whose content is known, with the current prompts (``warm``) or from the beginning.

        ``numbered``: labels may be numbers from now on.
        """
        settings, shots = self._settings, max(len(data) / len(data.class_names), 1)
        settings.check()
        backbone = settings.load_backbone()
        method, config = settings.method(backbone.preset), settings.training(backbone.preset, shots)
        prompts = learned_before(self.model_, backbone, method) if warm else None
        if work is not None and work == self._unsaved_training:
            drop_training(work)  # training the same classifier again replaces it
        learner = PromptModel(backbone, data.class_names, method, prompts or starting_prompts(backbone, method))
        self._start(learner)
        warn_of_scales(learner)
        self.training_, self._data_fingerprint = config, data.fingerprint
        self._numbered, self._shots, self.skipped_ = numbered, data, data.skipped
        for event in learn(learner, data, config, cache=open_cache(self.cache), work=work):
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

    def _follow(self, events: Iterator[FitEvent], **shown: Any) -> Self:
        follow(events, lambda: self.model_.backbone, **shown)
        return self

    def _with_classes_of(self, model: PromptModel) -> Self:
        """Take a model of the same prompts with another class list, and the calibration that follows."""
        self.model_, self.calibration_ = recalibrated(self.model_, self.calibration_, self.cross_fit_, model)
        self.classes_ = np.array(model.class_names)
        return self

    def _checkpoint(self) -> Checkpoint:
        model, facts = self._fitted(), (self.training_, self.calibration_, self._data_fingerprint)
        return Checkpoint.of(model, *facts, keep_shots=self.keep_shots)

    def _fitted(self) -> PromptModel:
        self._require_classes()
        return self.model_
