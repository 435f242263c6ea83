"""A program as people write it; no type checker finds anything wrong with it, and what it says of each line is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from typing_extensions import assert_type

from gallop import Explanation, GalLoPClassifier, MethodConfig, Predictions, TrainConfig, load_backbone, read_folder
from gallop.data import LabelledPhotos, from_csv
from gallop.methods import MethodClassifier, TipAdapter

assert_type(MethodConfig(topk=[3, 9]), MethodConfig)
assert_type(MethodConfig(topk=range(3, 9)).local_prompts, int)
clf = GalLoPClassifier("mini", shots=16, preset=TrainConfig(epochs=3), method=MethodConfig()).fit("photos")
assert_type(clf, GalLoPClassifier)
assert_type(clf.predict("photo.jpg"), npt.NDArray[np.str_])
assert_type(clf.predict_proba(["a.jpg", Path("b.jpg")]), npt.NDArray[np.float32])
assert_type(clf.predict_log_proba([b"", np.zeros((8, 8, 3))]), npt.NDArray[np.float32])
assert_type(clf.decision_function(np.zeros((4, 8, 8, 3))), npt.NDArray[np.float32])
assert_type(clf.is_ood(Image.new("RGB", (8, 8))), "npt.NDArray[np.bool_] | None")
assert_type(clf.ood_score("photo.jpg"), npt.NDArray[np.float32])
assert_type(clf.predict_all("folder"), Predictions)
assert_type(clf.score("photos"), float)
assert_type(clf.score(["a.jpg"], ["cat"], [0.5]), float)
assert_type(clf.score(["a.jpg"], np.array([1]), class_names=["cat", "dog"]), float)
assert_type(clf.explain("photo.jpg"), Explanation)
assert_type(clf.add_class("dachshund").add_class("poodle"), GalLoPClassifier)
assert_type(GalLoPClassifier().zero_shot(["cat", "dog"]).fit({"cat": ["a.jpg"], "dog": "dogs"}), GalLoPClassifier)
assert_type(GalLoPClassifier.load("model", backbone=load_backbone()), GalLoPClassifier)
assert_type(clf.fit(["a.jpg", "b.jpg"], [0, 1], class_names=("cat", "dog")).classes_, npt.NDArray[np.str_])
assert_type(clf.calibration_.temperature, float)
assert_type(clf.fit(read_folder("photos")), GalLoPClassifier)
assert_type(clf.fit(from_csv("table.csv")), GalLoPClassifier)
assert_type(from_csv("table.csv"), LabelledPhotos)
assert_type(MethodClassifier(TipAdapter(), shots=4).fit("photos"), MethodClassifier)
table = pd.DataFrame({"path": ["a.jpg"], "label": ["cat"]})
assert_type(clf.fit(table), GalLoPClassifier)
assert_type(clf.fit(table["path"], table["label"]), GalLoPClassifier)
assert_type(from_csv(table), LabelledPhotos)


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
