"""The models of a service, loaded when it starts; models with the same backbone share it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import torch

from gallop.checkpoints.folder import read_checkpoint
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import ImageFeatures, encode_pixels
from gallop.model.answers import answers as answered
from gallop.model.scores import VERDICT
from gallop.predictions.explanation import explanation_of
from gallop.predictions.predict import Predictions, predictions_of
from gallop.predictions.rows import answer_of
from gallop.service.http.batching import PhotoQuestion
from gallop.service.http.options import ServeOptions
from gallop.service.http.refusals import mistake, refusal_of
from gallop.service.http.watching import Metrics, log_failure


class ServedModels:
    """Every model of a service, by its name; ``answer`` is for the thread that owns the backbones.

    Attributes:
        classifiers: in the order of the options.

    Raises:
        CheckpointError, BackboneError: a folder is not a model, or its backbone cannot be loaded.
    """

    def __init__(self, options: ServeOptions, metrics: Metrics) -> None:
        self._metrics = metrics
        self.classifiers: dict[str, GalLoPClassifier] = {}
        for name, folder in options.models.items():
            fingerprint = read_checkpoint(folder).fingerprint
            loaded = (classifier.model_.backbone for classifier in self.classifiers.values())
            same = next((backbone for backbone in loaded if backbone.fingerprint == fingerprint), options.backbone)
            classifier = GalLoPClassifier.load(folder, backbone=same, device=options.device)
            classifier.model_.cached_text_features()
            self.classifiers[name] = classifier
            metrics.watch(name, classifier.calibration_)

    def answer(self, questions: Sequence[PhotoQuestion]) -> None:
        """Answer each by its future, all photos of one backbone in one pass a look. Raises nothing."""
        groups: dict[tuple[object, ...], list[PhotoQuestion]] = {}
        for question in questions:
            model = self.classifiers[question.model].model_
            groups.setdefault((model.backbone.fingerprint, model.sight), []).append(question)
        for some in groups.values():
            try:
                self._answer_of_backbone(some)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    log_failure("a batch failed", error, model=some[0].model)
                for question in some:
                    if not question.answer.done():
                        question.answer.set_exception(refusal or mistake())

    def _answer_of_backbone(self, questions: Sequence[PhotoQuestion]) -> None:
        model = self.classifiers[questions[0].model].model_
        looks = [torch.stack(look) for look in zip(*(question.pixels for question in questions), strict=True)]
        features = encode_pixels(model.backbone, looks, model.sight)
        for name in dict.fromkeys(question.model for question in questions):
            chosen = [i for i, question in enumerate(questions) if question.model == name]
            of_model = features if len(chosen) == len(questions) else features[torch.tensor(chosen)]
            answers = _answer_of_model(self.classifiers[name], of_model, [questions[i] for i in chosen])
            self._metrics.answered(name, answers.ood[VERDICT].tolist())


def _answer_of_model(
    classifier: GalLoPClassifier, features: ImageFeatures, questions: Sequence[PhotoQuestion]
) -> Predictions:
    """Answer each question by its future. Returns the answers."""
    model, calibration = classifier.model_, classifier.calibration_
    with torch.no_grad():
        similar = model.similarities(features, model.cached_text_features())
        answers = predictions_of(model.class_names, answered(similar, model.rule(calibration)))
    for i, question in enumerate(questions):
        if question.image is not None and question.crop is not None:
            one = similar.each(itemgetter(slice(i, i + 1)))
            question.answer.set_result(explanation_of(model, one, question.image, question.crop, calibration))
        else:
            question.answer.set_result(answer_of(answers, i, model.class_names))
    return answers
