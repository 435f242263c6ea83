"""``GalLoPClassifier``, GalLoP as a scikit-learn estimator: photos and class names in, names and reasons out."""

from gallop.estimator.classifier import GalLoPClassifier
from gallop.estimator.events import FitEvent

__all__ = ["FitEvent", "GalLoPClassifier"]
