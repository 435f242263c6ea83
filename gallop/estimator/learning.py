"""How a classifier comes to know classes: from photos, in steps that may be left, or from names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import Self

from gallop.data import GivenLabels, GivenPhotos, LabelledPhotos, training_set, warn_of_skipped
from gallop.errors import ConfigError, warn_caller
from gallop.estimator.learned import LearnedModel
from gallop.features.contents import contents_beside
from gallop.features.encoding import open_cache
from gallop.model.prompted import PromptModel
from gallop.names.class_names import missing_names, spelled_as
from gallop.runtime.progress import ProgressSaid
from gallop.training.learn import CalibrationEvent, CrossFit, EncodeEvent, learn, learned_before
from gallop.training.loop import ALONE, Parallel, StepEvent
from gallop.training.resume import drop_training
from gallop.training.told import event_in_words
from gallop.wording import listed

FitEvent = EncodeEvent | StepEvent | CalibrationEvent
"""What ``fit_steps`` tells of."""


class Learning(LearnedModel):
    """``fit``, ``fit_steps`` and ``zero_shot``."""

    def fit(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        verbose: bool | int = False,
        drop_classes: bool = False,
    ) -> Self:
        """Learn prompts from what holds photos and labels, or from images and their class names. Returns self.

        Args:
            images: a folder of class folders, the path of a CSV table, a DataFrame with the columns ``image`` (or
                ``path``) and ``label``, an ``ImageFolder`` or another data set of (image, label), one of Hugging Face,
                a dict of class names and their images, or what ``read_folder``, ``from_csv`` and others return. With
                ``labels``: images alone, as ``predict`` takes them.
            labels: class names, or numbers that count in ``class_names`` from 0.
            class_names: K names in their order; by default that in which they first come.
            verbose: show how far it is: a bar in a terminal or a notebook, plain lines elsewhere.
            drop_classes: with ``warm_start``, classes of before that none of the images shows may go; else they are
                named, and nothing is learned.

        Raises DataError, ClassNameError, ImageError or ConfigError for input that cannot be used, in a sentence, and
        TrainingDiverged when the loss stops being a number.
        """
        with ProgressSaid(wanted=bool(verbose)) as progress:
            for event in self.fit_steps(images, labels, class_names=class_names, drop_classes=drop_classes):
                progress.say(*event_in_words(event))
        return self

    def fit_steps(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        class_names: Sequence[str] | None = None,
        work: Path | None = None,
        parallel: Parallel = ALONE,
        drop_classes: bool = False,
    ) -> Iterator[FitEvent]:
        """Yield the events of ``fit``. Stop whenever you like: the classifier keeps what it has learned so far.

        Args:
            images, labels, class_names: as for ``fit``.
            work: folder where the training is kept at every epoch's end, until ``save`` has written the model; one that
                was cut off goes on from there.
            parallel: other processes that fit with the same arguments, as ``gallop.training.launch`` starts
                them. All learn the same prompts; the temperature and threshold are the first one's alone.
            drop_classes: as for ``fit``.
        """
        draw: dict[str, Any] = {"shots": self.shots, "seed": self.seed, "allow_fewer": self.allow_fewer}
        content = contents_beside(open_cache(self.cache))
        data = training_set(images, labels, **draw, content=content, class_names=class_names)
        warn_of_skipped(data)
        warm = self.warm_start and hasattr(self, "model_")
        if warm and not drop_classes:
            self._refuse_to_drop(data.class_names)
        yield from self._learn(data, warm=warm, numbered=class_names is not None, work=work, parallel=parallel)

    def _learn(
        self,
        data: LabelledPhotos,
        *,
        warm: bool,
        numbered: bool,
        work: Path | None = None,
        parallel: Parallel = ALONE,
    ) -> Iterator[FitEvent]:
        """Learn from photos whose content is known, with the prompts there are (``warm``) or from the beginning.

        ``numbered``: labels may be numbers, from now on.
        """
        cache = open_cache(self.cache)
        self._method_config("paper"), self._train_config("paper")  # refused before a tower is loaded
        backbone = self._load_backbone()
        method, config = self._method_config(backbone.preset), self._train_config(backbone.preset)
        prompts = learned_before(self.model_, backbone, method) if warm else None
        if work is not None and work == self._kept:
            drop_training(work)  # whoever trains the same classifier anew does not want it
        learner = PromptModel(backbone, data.class_names, method, prompts)
        self._start(learner)
        self._warn_of_scales()
        self.training_, self._data_fingerprint = config, data.fingerprint
        self._numbered = numbered
        self._shots, self.skipped_ = data, data.skipped
        for event in learn(learner, data, config, cache=cache, work=work, parallel=parallel):
            if isinstance(event, CrossFit):
                self.cross_fit_ = event
                self._calibrate()
                continue
            if isinstance(event, StepEvent):
                self.history_.append(event)
                if learner.head is not None and self.model_.head is None:  # a class was added meanwhile
                    now, texts_of = self.model_.class_names, learner.name_features
                    self.model_ = self.model_.with_head(learner.head.for_classes(learner.class_names, now, texts_of))
            yield event
        self._kept = work if parallel.rank == 0 else None

    def _refuse_to_drop(self, class_names: Sequence[str]) -> None:
        known = self.model_.class_names
        gone = missing_names(known, spelled_as(class_names, known))
        if gone:
            raise ConfigError(
                f"warm_start goes on with a classifier that knows {listed(gone)}, and no photo here is of "
                f"{'it' if len(gone) == 1 else 'them'}. Give photos of every class, take classes away with "
                "remove_class, or let them go with drop_classes=True."
            )

    def _warn_of_scales(self) -> None:
        """A k above the number of regions means all of them, as any other such k does."""
        rows, columns = self.model_.backbone.vision.grid
        large = [str(k) for k in self.model_.config.topk if k > rows * columns]
        if large:
            warn_caller(
                f"topk holds {listed(large)}, but {self.model_.backbone.name} sees {rows * columns} regions "
                f"({rows} x {columns}): such a k takes all of them."
            )

    def zero_shot(self, class_names: Sequence[str], templates: Sequence[str] | None = None) -> Self:
        """Take a class list without learning anything: every prompt is "A photo of a". Returns self.

        What is not set is as in the paper: a tower's own settings were measured on trainings. One class is allowed,
        with a warning: probabilities compare classes, so every photo is it with p = 1, and there is no limit for "none
        of these".
        With ``templates``, sentences such as "a sketch of a {}", prompt m is template m, counted round. Raises
        ClassNameError and TemplateError for names and templates that cannot be used.
        """
        method = self._method_config("paper")
        model = PromptModel(self._load_backbone(), class_names, method, templates=templates)
        if len(model.class_names) == 1:
            warn_caller(
                f"{model.class_names[0]!r} is the only class: every photo is it with probability 1, and no limit can "
                "be found. Name what else may be seen as well."
            )
        self._start(model)
        self._warn_of_scales()
        return self
