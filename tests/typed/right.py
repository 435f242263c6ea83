"""A program as people write it; no type checker finds anything wrong with it, and what it says of each line is true."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from typing_extensions import assert_type

from gallop import Explanation, GalLoPClassifier, MethodConfig, Predictions, TrainConfig, load_backbone, read_folder
from gallop.data import LabelledPhotos, from_csv

Floats: TypeAlias = npt.NDArray[np.float32]

assert_type((MethodConfig(topk=[3, 9]), MethodConfig(topk=range(3, 9)).local_prompts), tuple[MethodConfig, int])
clf = GalLoPClassifier("mini", shots=16, preset=TrainConfig(epochs=3), method=MethodConfig()).fit("photos")
assert_type(clf, GalLoPClassifier)
assert_type(clf.predict("photo.jpg"), npt.NDArray[np.str_])
assert_type(
    (
        clf.predict_proba(["a.jpg", Path("b.jpg")]),
        clf.decision_function(np.zeros((4, 8, 8, 3))),
        clf.ood_score("photo.jpg"),
    ),
    tuple[Floats, Floats, Floats],
)
assert_type(clf.is_ood(Image.new("RGB", (8, 8))), "npt.NDArray[np.bool_] | None")
assert_type((clf.predict_all("folder"), clf.explain("photo.jpg")), tuple[Predictions, Explanation])
assert_type(
    (
        clf.score("photos"),
        clf.score(["a.jpg"], ["cat"], [0.5]),
        clf.score(["a.jpg"], np.array([1]), class_names=["cat", "dog"]),
        clf.calibration_.temperature,
    ),
    tuple[float, float, float, float],
)
table = pd.DataFrame({"path": ["a.jpg"], "label": ["cat"]})
assert_type(from_csv("table.csv"), LabelledPhotos)
assert_type((clf.fit(table), clf.fit(table["path"], table["label"])), tuple[GalLoPClassifier, GalLoPClassifier])
assert_type((clf.fit(read_folder("photos")), clf.fit(from_csv("table.csv"))), tuple[GalLoPClassifier, GalLoPClassifier])
assert_type(clf.add_class("dachshund").add_class("poodle"), GalLoPClassifier)
assert_type(GalLoPClassifier().zero_shot(["cat", "dog"]).fit({"cat": ["a.jpg"], "dog": "dogs"}), GalLoPClassifier)
assert_type(GalLoPClassifier.load("model", backbone=load_backbone()), GalLoPClassifier)
assert_type(clf.fit(["a.jpg", "b.jpg"], [0, 1], class_names=("cat", "dog")).classes_, npt.NDArray[np.str_])


class Data(torch.utils.data.Dataset[tuple[Image.Image, int]]):
    """Rows of (image, number)."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        raise IndexError


assert_type(clf.fit(Data(), class_names=["cat", "dog"]), GalLoPClassifier)
for event in clf.fit_steps("photos"):
    print(event)


class Own(GalLoPClassifier):
    """One of somebody's own."""

    def greet(self) -> str:
        return "hello"


assert_type(Own().fit("photos").greet(), str)
assert_type(Own.load("model").greet(), str)
