"""What is to be looked at in photos before a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from torch.nn.functional import normalize

from gallop import ImageFeatures, read_folder
from gallop.data import LabelledPhotos
from gallop.evaluation.health import check_data, doubted_labels
from gallop.evaluation.measure import suspects
from tests import tiny

MINE = [0] * 8 + [1] * 8 + [2] * 4


def features(labels: list[int], spread: float = 0.6) -> ImageFeatures:
    drawn = torch.Generator().manual_seed(1)
    means = torch.randn(3, 16, generator=drawn)
    seen = means[torch.tensor(labels)] + spread * torch.randn(len(labels), 16, generator=drawn)
    return ImageFeatures(seen, torch.zeros(len(labels), 1, 1))


def photos(labels: list[int]) -> LabelledPhotos:
    paths = tuple(Path(f"{i}.jpg") for i in range(len(labels)))
    return LabelledPhotos(paths, tuple(map(str, paths)), tuple(labels), ("cat", "dog", "owl"))


def test_a_label_is_doubted_by_a_model_that_did_not_see_it() -> None:
    """As by scikit-learn's ridge regressions, each without one photo."""
    seen, given = features(MINE, spread=1.8), np.array(MINE)
    x = normalize(seen.global_.double(), dim=-1).numpy()
    scores = cross_val_predict(Ridge(alpha=1.0), x, np.eye(3)[given], cv=LeaveOneOut())
    doubts = suspects(torch.softmax(torch.tensor(scores) / 0.08, dim=-1).numpy(), given)
    wanted = [(s.photo, s.likely, pytest.approx(s.of_given)) for s in doubts if s.of_likely > s.of_given + 0.5]
    assert wanted
    assert [(s.photo, s.likely, s.of_given) for s in doubted_labels(seen, MINE)] == wanted


def test_a_wrong_label_is_found_with_what_it_looks_like() -> None:
    found = check_data(photos([1, *MINE[1:]]), features(MINE), tiny.vit())
    assert (found.doubted, found.words) == (((Path("0.jpg"), "dog", "cat"),), "1 label in doubt")


def test_the_only_photo_of_a_class_is_not_doubted() -> None:
    assert not doubted_labels(features([0] * 5 + [1] * 5), [0] * 5 + [1] * 4 + [2])


@pytest.mark.parametrize(
    ("labels", "said"), [(MINE, ""), ([0] * 8 + [1] * 4 + [2] * 2, "8 photos of cat and 2 of owl")]
)
def test_a_class_with_four_times_as_many_photos_is_told_and_nothing_where_all_is_fine(
    labels: list[int], said: str
) -> None:
    assert check_data(photos(labels), features(labels), tiny.vit()).words == said


def test_equal_files_of_a_class_are_pairs(tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path, {"red": 3, "green": 3})
    (folder / "red" / "again.png").write_bytes((folder / "red" / "1.png").read_bytes())
    read = read_folder(folder)
    assert read.copies == ((folder / "red" / "1.png", folder / "red" / "again.png"),)
    assert check_data(read, features([0, 0, 0, 1, 1, 1]), tiny.vit()).within == read.copies


def test_equal_test_photos_are_found_with_any_backbone() -> None:
    train = photos(MINE)
    test = replace(train.take([3]), photos=(Path("test.jpg"),))
    found = check_data(train, features(MINE), tiny.vit(), (test, features(MINE)[3:4]))
    assert (found.across, found.near) == (((Path("3.jpg"), Path("test.jpg")),), False)


def test_fit_says_it_where_it_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = tiny.pictures({"red": 8, "green": 2})
    for verbose in (False, True):
        tiny.classifier(calibration_folds=2).fit(images, labels, verbose=verbose)
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("data: ")]
        assert len(said) == verbose
    assert "8 photos of red and 2 of green" in said[0]
    assert said[0].endswith("(gallop data check, or check_data, shows which)")
