"""Types of the library whose modules load torch, for annotations: they are not loaded for these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gallop import Explanation as Explanation
    from gallop import GalLoPClassifier as GalLoPClassifier
    from gallop.backbones import Backbone as Backbone
    from gallop.data import LabelledPhotos as LabelledPhotos
    from gallop.evaluation.curve import Curve as Curve
    from gallop.evaluation.diversity import Diversity as Diversity
    from gallop.evaluation.diversity import Worth as Worth
    from gallop.evaluation.evidence import ClassEvidence as ClassEvidence
    from gallop.evaluation.evidence import Evidence as Evidence
    from gallop.evaluation.measure import Bin as Bin
    from gallop.evaluation.measure import Evaluation as Evaluation
    from gallop.evaluation.repeats import Repeat as Repeat
    from gallop.features.cache import ImageFeatures as ImageFeatures
    from gallop.features.encoding import MemoryCache as MemoryCache
    from gallop.model.answers import Answers as Answers
    from gallop.model.answers import Rule as Rule
    from gallop.model.branches.branch import ShotVotes as ShotVotes
    from gallop.model.in_words import InWords as InWords
    from gallop.model.in_words import WordScores as WordScores
    from gallop.model.similarities import Similarities as Similarities
    from gallop.predictions.faithfulness import Deletion as Deletion
    from gallop.predictions.predict import Predictions as Predictions
    from gallop.predictions.suggested import KnownNames as KnownNames
    from gallop.training.pace import Pace as Pace
else:

    def __getattr__(name: str) -> Any:
        return Any
