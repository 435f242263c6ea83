"""``GalLoPClassifier``, GalLoP as a scikit-learn estimator: photos and class names in, names and reasons out."""

from gallop.estimator.classifier import FitEvent, GalLoPClassifier

__all__ = ["FitEvent", "GalLoPClassifier"]
