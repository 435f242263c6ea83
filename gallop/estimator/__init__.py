"""``GalLoPClassifier``, GalLoP with scikit-learn's manners: photos and class names in, names and reasons out."""

from gallop.estimator.classifier import GalLoPClassifier
from gallop.estimator.learning import FitEvent

__all__ = ["FitEvent", "GalLoPClassifier"]
