"""A program with a mistake in each line that ends in ``# wrong``: every type checker has to find it, and no other."""

from __future__ import annotations

from gallop import GalLoPClassifier, MethodConfig, load_backbone
from gallop.data import from_csv

clf = GalLoPClassifier()
made = [
    GalLoPClassifier(shot=3),  # wrong
    GalLoPClassifier(shots="3"),  # wrong
    GalLoPClassifier(topk=5),  # wrong
    GalLoPClassifier(topk="5, 10"),  # wrong
    MethodConfig(topk="5, 10"),  # wrong
    MethodConfig(topk=[0.5]),  # wrong
    GalLoPClassifier(preset=3),  # wrong
    GalLoPClassifier("mini", 4),  # wrong
    GalLoPClassifier.load(3),  # wrong
    load_backbone(3),  # wrong
    from_csv(3),  # wrong
]
learned = [
    clf.fit(3),  # wrong
    clf.fit("photos", 3),  # wrong
    clf.fit("photos", class_names=3),  # wrong
    clf.fit(None),  # wrong
    clf.fit(["a.jpg"], ["cat"], ["cat"]),  # wrong
    clf.zero_shot(3),  # wrong
    clf.zero_shot([1, 2]),  # wrong
    clf.zero_shot(["cat"]).add_class(3),  # wrong
]
asked = [
    clf.fit("photos").predict(3),  # wrong
    clf.fit("photos").predict("a.jpg").upper(),  # wrong
    clf.add_class("cat").explain(3),  # wrong
    clf.score("photos").shape,  # wrong
    clf.is_ood("a.jpg").any(),  # wrong
    clf.explain("a.jpg").probabilities.shape,  # wrong
]
text: str = clf.predict("a.jpg")  # wrong
