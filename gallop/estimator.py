"""``GalLoPClassifier``: GalLoP with scikit-learn's manners. Text in, names out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from gallop.backbones import Backbone, load_backbone
from gallop.checkpoints.folder import Checkpoint, load_prompts, read_model, save_checkpoint
from gallop.config import MethodConfig, OwnPreset, TrainConfig, default_topk, method_of, others_of, train_preset
from gallop.data import LabelledPhotos, training_set
from gallop.features.contents import contents_beside
from gallop.features.encoding import Cache, ImageFeatures, open_cache
from gallop.images import ImageSource, load_image
from gallop.model.calibration import Calibration
from gallop.model.gallop import GalLoP, TextFeatures
from gallop.names.class_names import clean_names
from gallop.predictions.explanation import Explanation, explain_photo
from gallop.predictions.faithfulness import Deletion, DeletionEvent, deletion
from gallop.predictions.in_tables import AnswersInTables
from gallop.predictions.predict import Predictions, predict
from gallop.training.learn import CalibrationEvent, CrossFit, EncodeEvent, learn, learned_before
from gallop.training.loop import ALONE, Parallel, StepEvent
from gallop.training.resume import drop_training

FitEvent = EncodeEvent | StepEvent | CalibrationEvent
_METHOD_SETTINGS = ("global_prompts", "topk", "dropout", "local_projection")  # those that are arguments
_TRAIN_SETTINGS = ("epochs", "lr", "batch_size", "views", "calibration_folds", "seed")
"""Constructor arguments that replace a preset's values where they are not None."""


class GalLoPClassifier(AnswersInTables, BaseEstimator):
    """Few-shot image classification with global and local prompts, and "none of these".

    Args:
        backbone: name for ``load_backbone``, or a ``Backbone`` (frozen, so several classifiers may share it).
        preset: "default", chosen by measurement on ``mini``; "paper"; "tower", which is the first for ``mini`` and the
            second for every other backbone; or a ``TrainConfig``. What is not None below replaces its values.
        global_prompts: M.
        topk: one k a local prompt; None is 5, 10, ... for ``local_prompts`` of them.
        local_prompts: N; only used when ``topk`` is None.
        dropout: p of prompt dropout.
        local_projection: learn the projection of the regions; without, it stays the identity.
        method: a ``MethodConfig``, of which settings are taken that are no arguments here.
        shots: images a class drawn by ``fit(folder)``; None takes all.
        allow_fewer: take what there is where a class has fewer than ``shots``.
        cache: folder of the feature cache; None is the user's, False keeps nothing; or a cache, such as a MemoryCache.
            ``FeatureCache(folder, kept=torch.float32)`` rounds no feature to half precision, as the others do.
        warm_start: ``fit`` goes on from the prompts there are, as when classes were added or photos corrected.
        device: "auto", "cpu" or "cuda"; it and ``regions`` are for a backbone given by its name.
        regions: kind of a ViT's region features: "value" or another of ``REGION_KINDS``, as for ``load_backbone``.

    After fitting: ``classes_`` (K names), ``calibration_`` (temperature, threshold, note), ``history_`` (each step),
    ``training_`` (its settings), ``cross_fit_`` (held-out shots and prompts that never saw them; None after ``load``).

    >>> clf = GalLoPClassifier().fit("photos/train")  # doctest: +SKIP
    >>> clf.predict("photos/test/cat/001.jpg")  # doctest: +SKIP
    array(['cat'], dtype='<U3')
    """

    ways_to_start = "fit, zero_shot or load"
    model_: GalLoP
    classes_: NDArray[np.str_]
    calibration_: Calibration
    history_: list[StepEvent]
    _text: TextFeatures | None
    cross_fit_: CrossFit | None
    training_: TrainConfig | None
    _kept: Path | None = None  # where a training that is finished waits for ``save``

    def __init__(
        self,
        backbone: str | Backbone = "mini",
        *,
        preset: str | TrainConfig = "tower",
        global_prompts: int = 4,
        local_prompts: int = 4,
        topk: Sequence[int] | None = None,
        dropout: float = 0.75,
        local_projection: bool = True,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | None = None,
        views: int | None = None,
        calibration_folds: int | None = None,
        seed: int = 0,
        shots: int | None = None,
        allow_fewer: bool = False,
        cache: str | PathLike[str] | bool | Cache | None = None,
        warm_start: bool = False,
        device: str = "auto",
        regions: str = "value",
        method: MethodConfig | None = None,
    ) -> None:
        self.backbone = backbone
        self.preset = preset
        self.global_prompts = global_prompts
        self.local_prompts = local_prompts
        self.topk = topk
        self.dropout = dropout
        self.local_projection = local_projection
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.views = views
        self.calibration_folds = calibration_folds
        self.seed = seed
        self.shots = shots
        self.allow_fewer = allow_fewer
        self.cache = cache
        self.warm_start = warm_start
        self.device = device
        self.regions = regions
        self.method = method

    @classmethod
    def of(cls, method: MethodConfig, training: TrainConfig | None, backbone: str | Backbone, **named: Any) -> Any:
        """Return a classifier with whole settings; ``named`` are other arguments, such as ``cache``."""
        if training is not None:
            named |= {"preset": training} | {name: getattr(training, name) for name in _TRAIN_SETTINGS}
        named |= {name: getattr(method, name) for name in _METHOD_SETTINGS}
        return cls(backbone, method=others_of(method, _METHOD_SETTINGS), **named)

    def fit(
        self, images: str | PathLike[str] | LabelledPhotos | Sequence[ImageSource], labels: Sequence[str] | None = None
    ) -> Any:
        """Learn prompts from a folder of class folders, or from images and their class names. Returns self.

        Raises DataError, ClassNameError, ImageError or ConfigError for input that cannot be used, in a sentence, and
        TrainingDiverged when the loss stops being a number.
        """
        for _ in self.fit_steps(images, labels):
            pass
        return self

    def fit_steps(
        self,
        images: str | PathLike[str] | LabelledPhotos | Sequence[ImageSource],
        labels: Sequence[str] | None = None,
        *,
        work: Path | None = None,
        parallel: Parallel = ALONE,
    ) -> Iterator[FitEvent]:
        """Yield the events of ``fit``. Stop whenever you like: the classifier keeps what it has learned so far.

        Args:
            work: folder where the training is kept at every epoch's end, until ``save`` has written the model; one that
                was cut off goes on from there.
            parallel: other processes that fit with the same arguments, as ``gallop.training.launch`` starts
                them. All learn the same prompts; the temperature and threshold are the first one's alone.
        """
        cache = open_cache(self.cache)
        draw: dict[str, Any] = {"shots": self.shots, "seed": self.seed, "allow_fewer": self.allow_fewer}
        data = training_set(images, labels, **draw, content=contents_beside(cache))
        method, _ = self._method_config(), self._train_config("paper")  # refused before a tower is loaded
        backbone = self._load_backbone()
        config = self._train_config(backbone.preset)
        warm = self.warm_start and hasattr(self, "model_")
        prompts = learned_before(self.model_, backbone, method) if warm else None
        if work is not None and work == self._kept:
            drop_training(work)  # whoever trains the same classifier anew does not want it
        self._start(GalLoP(backbone, data.class_names, method, prompts))
        self.training_, self._data_fingerprint = config, data.fingerprint
        for event in learn(self.model_, data, config, cache=cache, work=work, parallel=parallel):
            if isinstance(event, CrossFit):
                self.cross_fit_ = event
                self.calibration_ = event.calibrate(self.model_.class_names)  # one may have been added meanwhile
                continue
            if isinstance(event, StepEvent):
                self.history_.append(event)
                self._text = None  # the prompts have moved
            yield event
        self._kept = work if parallel.rank == 0 else None

    def zero_shot(self, class_names: Sequence[str], templates: Sequence[str] | None = None) -> Any:
        """Take a class list without learning anything: every prompt is "A photo of a". Returns self.

        One class is allowed. With ``templates``, sentences such as "a sketch of a {}", prompt m is template m, counted
        round. Raises ClassNameError and TemplateError for names and templates that cannot be used.
        """
        self._start(GalLoP(self._load_backbone(), class_names, self._method_config(), templates=templates))
        return self

    def add_class(self, name: str) -> Any:
        """Add one more class with the learned prompts, without retraining. Returns self.

        OOD scores depend on the class list, so temperature and threshold are fitted again on the held-out shots when
        they are still in memory; after ``load`` they are not, and the threshold becomes void, with a warning.

        Raises:
            ClassNameError: a name that cannot be used, or equal to one that is there.
        """
        model, text = self._fitted(), self.text_features()
        names = clean_names([*model.class_names, name])
        with torch.no_grad():
            added = model.text_features_of(names[-1])
        self.model_ = GalLoP(model.backbone, names, model.config, model.prompts, model.templates)
        self._text, self.classes_ = text.append(added), np.array(names)
        if self.cross_fit_ is not None:
            self.calibration_ = self.cross_fit_.calibrate(names)
        elif self.calibration_.threshold is not None:
            note = f"void: the class {names[-1]!r} was added after the threshold was found; train again for a new one"
            self.calibration_ = Calibration(self.calibration_.temperature, None, note)
            warnings.warn(f"The threshold is {note}.", stacklevel=2)
        return self

    def predict_all(self, images: ImageSource | Sequence[ImageSource] | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of images, or of features encoded before, in one pass."""
        return predict(self._fitted(), self.text_features(), self.calibration_, images)

    def is_ood(self, images: ImageSource | Sequence[ImageSource]) -> NDArray[np.bool_] | None:
        """Return whether each image is "none of these", (B,); None without a threshold (see ``calibration_.note``)."""
        return self.predict_all(images).is_ood

    def explain(self, image: ImageSource) -> Explanation:
        """Return every prompt's score for one image, and where each local prompt looked."""
        return explain_photo(self._fitted(), self.text_features(), load_image(image), self.calibration_)

    def deletion(self, explanation: Explanation, class_name: str) -> Iterator[DeletionEvent | Deletion]:
        """Take an explained photo's regions away, as ``gallop.predictions.faithfulness``; stop whenever you like."""
        return deletion(self._fitted(), self.text_features(), explanation, class_name)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a checkpoint folder: what was learned, the class list, the settings, the backbone's fingerprint.

        What ``fit_steps`` has kept of the training goes when this has been read back.
        """
        model = self._fitted()
        checkpoint = Checkpoint.of(model, self.training_, self.calibration_, self._data_fingerprint)
        save_checkpoint(Path(folder), checkpoint, model.prompts)
        if self._kept is not None:
            drop_training(self._kept)
            self._kept = None

    @classmethod
    def load(
        cls, folder: str | PathLike[str], *, backbone: str | Backbone | None = None, device: str = "auto"
    ) -> GalLoPClassifier:
        """Return a classifier from a checkpoint folder.

        Args:
            backbone: where its weights are now; None uses the name it was trained with.

        Raises:
            CheckpointError: damaged, of a newer format, or trained with other weights or other region features.
            BackboneError: its backbone cannot be loaded.
        """
        checkpoint, tensors = read_model(folder)
        method, training, here = checkpoint.method, checkpoint.training, backbone or checkpoint.backbone
        self: GalLoPClassifier = cls.of(method, training, here, device=device, regions=checkpoint.regions)
        frozen = self._load_backbone()
        prompts = load_prompts(Path(folder), checkpoint, tensors, frozen)
        self._start(GalLoP(frozen, checkpoint.class_names, method, prompts, checkpoint.templates))
        self.calibration_, self.training_ = checkpoint.calibration, training
        self._data_fingerprint = checkpoint.data_fingerprint
        return self

    def _start(self, model: GalLoP) -> None:
        """A new model, with nothing left of an earlier one."""
        self.model_ = model
        self.classes_ = np.array(model.class_names)
        self.calibration_ = Calibration(note="none: nothing was held out to find it")
        self.history_ = []
        self._text = None
        self.cross_fit_ = None
        self.training_ = None
        self._data_fingerprint = ""
        self._kept = None

    def _fitted(self) -> GalLoP:
        self.require_classes()
        return self.model_

    def _load_backbone(self) -> Backbone:
        named, how = self.backbone, dict[str, Any](device=self.device, regions=self.regions)
        return named if isinstance(named, Backbone) else load_backbone(named, **how)

    def _train_config(self, own: OwnPreset) -> TrainConfig:
        return train_preset(self.preset, own, **{name: getattr(self, name) for name in _TRAIN_SETTINGS})

    def _method_config(self) -> MethodConfig:
        topk: Any = default_topk(self.local_prompts) if self.topk is None else self.topk  # checked by MethodConfig
        return method_of(self.method, **{name: getattr(self, name) for name in _METHOD_SETTINGS} | {"topk": topk})

    def text_features(self) -> TextFeatures:
        """Return (K, M, D) and (K, N, D), every class after every prompt; kept until prompts or classes change."""
        model = self._fitted()
        if self._text is None:
            with torch.no_grad():
                self._text = model.text_features()
        return self._text
