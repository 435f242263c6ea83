"""How a classifier comes to know classes: from photos, in steps that may be left, or from names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gallop.data import GivenLabels, GivenPhotos, training_set
from gallop.estimator.learned import LearnedModel
from gallop.features.contents import contents_beside
from gallop.features.encoding import open_cache
from gallop.model.gallop import GalLoP
from gallop.training.learn import CalibrationEvent, CrossFit, EncodeEvent, learn, learned_before
from gallop.training.loop import ALONE, Parallel, StepEvent
from gallop.training.resume import drop_training

if TYPE_CHECKING:
    from typing_extensions import Self

FitEvent = EncodeEvent | StepEvent | CalibrationEvent
"""What ``fit_steps`` tells of."""


class Learning(LearnedModel):
    """``fit``, ``fit_steps`` and ``zero_shot``."""

    def fit(
        self, images: GivenPhotos, labels: GivenLabels | None = None, *, class_names: Sequence[str] | None = None
    ) -> Self:
        """Learn prompts from what holds photos and labels, or from images and their class names. Returns self.

        Args:
            images: a folder of class folders, the path of a CSV table, a DataFrame with the columns ``image`` (or
                ``path``) and ``label``, an ``ImageFolder`` or another data set of (image, label), one of Hugging Face,
                a dict of class names and their images, or what ``read_folder``, ``from_csv`` and others return. With
                ``labels``: images alone, as ``predict`` takes them.
            labels: class names, or numbers that count in ``class_names`` from 0.
            class_names: K names in their order; by default that in which they first come.

        Raises DataError, ClassNameError, ImageError or ConfigError for input that cannot be used, in a sentence, and
        TrainingDiverged when the loss stops being a number.
        """
        for _ in self.fit_steps(images, labels, class_names=class_names):
            pass
        return self

    def fit_steps(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        work: Path | None = None,
        parallel: Parallel = ALONE,
    ) -> Iterator[FitEvent]:
        """Yield the events of ``fit``. Stop whenever you like: the classifier keeps what it has learned so far.

        Args:
            images, labels, class_names: as for ``fit``.
            work: folder where the training is kept at every epoch's end, until ``save`` has written the model; one that
                was cut off goes on from there.
            parallel: other processes that fit with the same arguments, as ``gallop.training.launch`` starts
                them. All learn the same prompts; the temperature and threshold are the first one's alone.
        """
        cache = open_cache(self.cache)
        draw: dict[str, Any] = {"shots": self.shots, "seed": self.seed, "allow_fewer": self.allow_fewer}
        data = training_set(images, labels, **draw, content=contents_beside(cache), class_names=class_names)
        method, _ = self._method_config(), self._train_config("paper")  # refused before a tower is loaded
        backbone = self._load_backbone()
        config = self._train_config(backbone.preset)
        warm = self.warm_start and hasattr(self, "model_")
        prompts = learned_before(self.model_, backbone, method) if warm else None
        if work is not None and work == self._kept:
            drop_training(work)  # whoever trains the same classifier anew does not want it
        learner = GalLoP(backbone, data.class_names, method, prompts)
        self._start(learner)
        self.training_, self._data_fingerprint = config, data.fingerprint
        self._numbered = class_names is not None
        for event in learn(learner, data, config, cache=cache, work=work, parallel=parallel):
            if isinstance(event, CrossFit):
                self.cross_fit_ = event
                self._calibrate()
                continue
            if isinstance(event, StepEvent):
                self.history_.append(event)
                self._text = None  # the prompts have moved
                if learner.head is not None and self.model_.head is None:  # a class was added meanwhile
                    self.model_ = self.model_.with_head(learner.head.with_classes(len(self.model_.class_names)))
            yield event
        self._kept = work if parallel.rank == 0 else None

    def zero_shot(self, class_names: Sequence[str], templates: Sequence[str] | None = None) -> Self:
        """Take a class list without learning anything: every prompt is "A photo of a". Returns self.

        One class is allowed. With ``templates``, sentences such as "a sketch of a {}", prompt m is template m, counted
        round. Raises ClassNameError and TemplateError for names and templates that cannot be used.
        """
        self._start(GalLoP(self._load_backbone(), class_names, self._method_config(), templates=templates))
        return self
