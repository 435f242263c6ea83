"""The models of a service: loaded when asked for, let go for others' room; those of one backbone share it.

All but ``facts`` and ``holding`` belongs to the thread that answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import torch

from gallop.backbones import Backbone
from gallop.backbones.device import memory_bytes
from gallop.backbones.preprocess import Preprocess
from gallop.checkpoints.folder import read_checkpoint
from gallop.checkpoints.settings import Checkpoint
from gallop.errors import GallopError
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import ONCE, ImageFeatures, Sight, encode_pixels
from gallop.model.branches.kinds import sight_of
from gallop.predictions.explanation import explanation_of
from gallop.predictions.predict import predictions_of
from gallop.predictions.rows import answer_of
from gallop.serve.batching import PhotoQuestion
from gallop.serve.options import ServeOptions
from gallop.serve.refusals import Refusal, mistake, refusal_of
from gallop.serve.watching import Metrics, log, log_failure

_SHARE = 0.5
"""Of the device's memory, where nobody says how much models may take."""


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model, loaded or not.

    Attributes:
        sight: what is encoded of a photo for it.
        preprocess: how photos are made ready for it; None until it was loaded once.
        bytes: that it takes beside its backbone, and its backbone takes; 0 until it was loaded once.
    """

    class_names: tuple[str, ...]
    threshold: float | None
    temperature: float
    backbone: str
    fingerprint: str
    sight: Sight = ONCE
    preprocess: Preprocess | None = None
    bytes: tuple[int, int] = (0, 0)


class ModelRoom:
    """Every model of a service, of which some are loaded.

    Raises:
        CheckpointError: a folder is no model.
    """

    def __init__(self, options: ServeOptions, metrics: Metrics) -> None:
        self._options, self._metrics = options, metrics
        self._loaded: dict[str, GalLoPClassifier] = {}
        self._most = options.memory
        self.facts = {name: _facts(read_checkpoint(folder)) for name, folder in options.models.items()}
        self.holding: tuple[tuple[str, ...], int] = ((), 0)
        """The models that are loaded, and the bytes that they take."""

    def answer(self, questions: Sequence[PhotoQuestion]) -> None:
        """Answer each by its future, all photos of one backbone in one pass a look. Raises nothing."""
        groups: dict[tuple[object, ...], list[PhotoQuestion]] = {}
        for question in questions:
            facts = self.facts[question.model]
            groups.setdefault((facts.fingerprint, facts.sight), []).append(question)
        for some in groups.values():
            try:
                self._answer_of_backbone(some)
            except Exception as error:
                _fail(some, error)

    def _answer_of_backbone(self, questions: Sequence[PhotoQuestion]) -> None:
        names = dict.fromkeys(question.model for question in questions)
        by_model: dict[str, GalLoPClassifier] = {}
        for name in names:
            try:
                by_model[name] = self._classifier(name, names)
            except Exception as error:
                _fail([question for question in questions if question.model == name], _not_loaded(name, error))
        for question in questions:
            if question.pixels is None and not question.answer.done():
                question.answer.set_result(self.facts[question.model])
        asked = [question for question in questions if not question.answer.done()]
        if not asked:
            return
        model = by_model[asked[0].model].model_
        backbone, sight = model.backbone, model.sight
        looks = zip(*(question.pixels for question in asked if question.pixels is not None), strict=True)
        features = encode_pixels(backbone, [torch.stack(look) for look in looks], sight)
        for name, classifier in by_model.items():
            own = [i for i, question in enumerate(asked) if question.model == name]
            if own:
                found = features if len(own) == len(asked) else features[torch.tensor(own)]
                _answer_of_model(classifier, found, [asked[i] for i in own])
                self._metrics.photos.labels(name).inc(len(own))

    def _classifier(self, name: str, kept: Iterable[str]) -> GalLoPClassifier:
        """Load a model unless it is; those of ``kept`` stay."""
        if name in self._loaded:
            self._loaded[name] = self._loaded.pop(name)  # the one that was used last is at the end
        else:
            start = time.perf_counter()
            self._make_room(name, kept)
            self._load(name)
            self._make_room(name, kept)
            self._note()
            log("model loaded", model=name, seconds=round(time.perf_counter() - start, 2), bytes=self.holding[1])
        return self._loaded[name]

    def _load(self, name: str) -> None:
        folder, options = self._options.models[name], self._options
        facts = _facts(read_checkpoint(folder))
        loaded = (classifier.model_.backbone for classifier in self._loaded.values())
        same = (backbone for backbone in loaded if backbone.fingerprint == facts.fingerprint)
        here: Backbone | str | None = next(same, options.backbone)
        classifier = GalLoPClassifier.load(folder, backbone=here, device=options.device)
        text, backbone = classifier.model_.cached_text_features(), classifier.model_.backbone
        learned = [text.global_, text.local, *classifier.model_.prompts.state_dict().values()]
        own = sum(tensor.numel() * tensor.element_size() for tensor in learned)
        self.facts[name] = replace(facts, preprocess=backbone.preprocess, bytes=(own, backbone.bytes))
        self._loaded[name] = classifier

    def _make_room(self, name: str, kept: Iterable[str]) -> None:
        """Let go what was not used for longest until a model fits.

        Raises:
            Refusal: it does not, whatever goes.
        """
        if self._most is None:
            self._most = int(_SHARE * memory_bytes(self._options.device)) or 2**62
        taken = sum(self.facts[name].bytes)
        while self._bytes_of({*self._loaded, name}) > self._most:
            free = [other for other in self._loaded if other != name and other not in set(kept)]
            if not free:
                self._let_go(name)
                raise Refusal(
                    f"The model {name!r} takes {taken / 1e9:.2g} GB, and the service may take "
                    f"{self._most / 1e9:.2g} GB: ask whoever runs it for more (--memory).",
                    503,
                    "no_memory",
                )
            self._let_go(free[0])

    def _bytes_of(self, names: Iterable[str]) -> int:
        """What some models take together, as they were when they were loaded last; those of one backbone share it."""
        held = [self.facts[name] for name in names]
        backbones = {facts.fingerprint: facts.bytes[1] for facts in held}
        return sum(facts.bytes[0] for facts in held) + sum(backbones.values())

    def _let_go(self, name: str) -> None:
        if self._loaded.pop(name, None) is not None:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._note()
            log("model let go", model=name, bytes=self.holding[1])

    def _note(self) -> None:
        self.holding = tuple(self._loaded), self._bytes_of(self._loaded)


def _not_loaded(name: str, error: Exception) -> Exception:
    """Why a folder or a backbone cannot be used is for whoever runs the service."""
    if refusal_of(error) is not None or not isinstance(error, GallopError | OSError):
        return error
    log_failure("model not loaded", error, model=name)
    told = Refusal(f"The model {name!r} cannot be loaded; the service's log says why.", 503, "not_loaded")
    told.__cause__ = error
    return told


def _facts(checkpoint: Checkpoint) -> ModelFacts:
    found = checkpoint.calibration
    return ModelFacts(
        checkpoint.class_names,
        found.threshold,
        found.temperature,
        checkpoint.backbone,
        checkpoint.fingerprint,
        sight_of(checkpoint.method, "answers"),
    )


def _answer_of_model(classifier: GalLoPClassifier, features: ImageFeatures, questions: Sequence[PhotoQuestion]) -> None:
    model, calibration = classifier.model_, classifier.calibration_
    with torch.no_grad():
        found = model.similarities(features, classifier.model_.cached_text_features())
    answers: Any = predictions_of(model, found, calibration)
    for i, question in enumerate(questions):
        if question.image is not None and question.crop is not None:
            one = found.each(itemgetter(slice(i, i + 1)))
            question.answer.set_result(explanation_of(model, one, question.image, question.crop, calibration))
        else:
            question.answer.set_result(answer_of(answers, i, model.class_names))


def _fail(questions: Sequence[PhotoQuestion], error: Exception) -> None:
    told = refusal_of(error)
    if told is None:
        log_failure("a batch failed", error, model=questions[0].model if questions else "")
    for question in questions:
        if not question.answer.done():
            question.answer.set_exception(told or mistake())
