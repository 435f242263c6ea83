"""What the sample's model gets right, and whether its maps lie on the things: ``python -m benchmarks.sample.figures``.

Before and after training, on the test photos and the true class of each. *The k regions* is the fraction of the area of
a local prompt's k regions that lies on the thing, the mean over prompts and photos; *the best region* is how often the
best of all lies on it with at least half of its area. Chance is the fraction of the photo that the thing covers.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallop import Explanation, GalLoPClassifier, load_backbone
from gallop.evaluation.measure import separation
from gallop.model.scores import VERDICT
from gallop.sample import SamplePhoto, sample_folder, sample_mask, sample_photos


@dataclass(frozen=True)
class Hits:
    """Of one photo, means over its local prompts: fractions in [0, 1]."""

    regions: float
    best: float
    chance: float


def hits(explanation: Explanation, mask: NDArray[np.bool_], class_name: str) -> Hits:
    """How far the regions that entered the scores of a class lie on the thing."""
    by_prompt = []
    for prompt in range(len(explanation.topk)):
        boxes = explanation.regions(class_name, prompt)
        cover = [mask[top:bottom, left:right].mean() for left, top, right, bottom in (box.rounded() for box in boxes)]
        by_prompt.append((np.mean(cover), cover[0] >= 0.5))
    regions, best = np.mean(by_prompt, axis=0)
    return Hits(float(regions), float(best), float(mask.mean()))


@dataclass(frozen=True)
class Figures:
    """Of one classifier on the sample's test photos and those of none of the classes."""

    right: int
    photos: int
    auroc: float
    accepted: float | None
    refused: float | None
    hits: Hits


def figures(classifier: GalLoPClassifier) -> Figures:
    """Measure one."""
    tests, others = ([photo for photo in sample_photos() if photo.part == part] for part in ("test", "other"))
    known, unknown = (classifier.predict_all([photo.path for photo in some]) for some in (tests, others))
    each_photo = [_hits_of(classifier, photo) for photo in tests]
    names = [photo.class_name for photo in tests]
    return Figures(
        sum(label == name for label, name in zip(known.labels.tolist(), names, strict=True)),
        len(tests),
        separation(known.ood[VERDICT], unknown.ood[VERDICT]).auroc,
        None if known.is_ood is None else 1 - float(known.is_ood.mean()),
        None if unknown.is_ood is None else float(unknown.is_ood.mean()),
        Hits(*(float(np.mean([getattr(hit, key) for hit in each_photo])) for key in ("regions", "best", "chance"))),
    )


def _hits_of(classifier: GalLoPClassifier, photo: SamplePhoto) -> Hits:
    assert photo.class_name is not None
    return hits(classifier.explain(photo.path), sample_mask(photo), photo.class_name)


def main() -> None:
    backbone = load_backbone("mini", device="cpu")
    after = GalLoPClassifier.load(sample_folder() / "model", backbone=backbone)
    before = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(after.classes_.tolist())
    for name, classifier in (("before", before), ("after", after)):
        print(name, figures(classifier))


if __name__ == "__main__":
    main()
