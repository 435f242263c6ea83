"""``GalLoPClassifier``, GalLoP with scikit-learn's manners: photos and class names in, names and reasons out."""

from gallop.estimator.classifier import FitEvent, GalLoPClassifier

__all__ = ["FitEvent", "GalLoPClassifier"]
