"""Which trainings the choice rests on: those inside train folders, and one of all shots for each set's test photos.

Photos are cut as ``benchmarks.choose_settings`` does it: the first ten classes of a set, 16 shots, four folds; of the
other three folds 12, 8, 4, 2 and 1 of each class are learned from. The prompts of a fold are asked about its
photos, about photos of the next set, which are unknown, and those of pacs/photo about the sketches of its classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from benchmarks.choose_settings import FOLDS, first_classes
from benchmarks.choosing.runs import DETAIL, VARIANTS, Lesson, Run, load, save, train
from gallop import draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.data import LabelledPhotos, stratified_folds
from gallop.features.encoding import FeatureCache, ImageFeatures, encode_centres
from gallop.features.near_duplicates import alike_groups
from gallop.lab.bench.photos import set_folders
from gallop.model.prompted import PromptModel

COUNTS = (12, 8, 4, 2, 1)
SHOTS = 16
CALIBRATION = TrainConfig().calibration_folds
SHIFT = ("pacs/photo", "pacs/sketch")
"""Learned from the one, asked about the other: the same classes, drawn."""

ROOM = 2**35
"""Bytes of features on disk: those of all train folders, in all views, take five gigabytes."""


def fewer(labels: Sequence[int], rest: Sequence[int], count: int) -> list[int]:
    """Return the first photos of each class, which were drawn in no order."""
    seen: dict[int, int] = {}
    first = []
    for i in rest:
        seen[labels[i]] = seen.get(labels[i], 0) + 1
        first += [i] if seen[labels[i]] <= count else []
    return first


@dataclass(frozen=True)
class Trainings:
    """What is there below DATA, and what was trained on it, saved in the folder RUNS."""

    data: Path
    runs: Path

    @cached_property
    def backbone(self) -> Backbone:
        """``mini``, loaded where something is trained."""
        return load_backbone("mini")

    @cached_property
    def cache(self) -> FeatureCache:
        """Of features of all photos."""
        return FeatureCache(self.runs / "features", ROOM)

    @cached_property
    def train_photos(self) -> dict[str, LabelledPhotos]:
        """All train photos of each set, by its name."""
        return {name: read_folder(root) for name, root in self.folders.items()}

    @cached_property
    def sets(self) -> dict[str, LabelledPhotos]:
        """The shots of the first classes of each set."""
        return {name: draw_shots(first_classes(photos), SHOTS, seed=0) for name, photos in self.train_photos.items()}

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Of each set."""
        return set_folders(self.data)

    def unknown(self, name: str) -> LabelledPhotos:
        """Return photos of another set."""
        names = list(self.sets)
        other = self.sets[names[(names.index(name) + 1) % len(names)]]
        return other.take(range(0, len(other), 2))

    def path(self, name: str, variant: str, count: int, seed: int) -> Path:
        """Return the file of the trainings of one set's folds."""
        return self.runs / f"{name.replace('/', '-')}.{variant}.{count}.{seed}.pt"

    def inside(self, name: str, variant: str, count: int, seed: int = 0) -> list[Run]:
        """Return the trainings of a set's folds, from the folder where they were made before.

        Args:
            seed: of the folds, of the views and of prompt dropout.
        """
        path = self.path(name, variant, count, seed)
        if not path.exists():
            save(self._train(name, variant, count, seed), path)
        return load(path, self._texts(self.sets[name]))

    def _train(self, name: str, variant: str, count: int, seed: int) -> list[Run]:
        shots, lessons = self.sets[name], []
        for fold in stratified_folds(shots.labels, FOLDS, seed=seed):
            rest = sorted(set(range(len(shots))) - set(fold))
            asked = {"held out": shots.take(fold), "unknown": self.unknown(name)}
            if name == SHIFT[0]:
                asked["shift"] = self.sets[SHIFT[1]]
            lessons.append(Lesson(fewer(shots.labels, rest, count), asked))
        return train(self.backbone, VARIANTS[variant], shots, lessons, self.cache, seed)

    def tested(self, name: str, variant: str, seed: int, *, looks: int, calibrated: bool = True) -> list[Run]:
        """Return a training on all shots of all classes of a set, asked about its test photos, and those of its
        folds: prompts that never saw the shots that they are asked about, for its calibration.

        Args:
            seed: of the draw, the folds, the views and prompt dropout.
            calibrated: False leaves those of the folds out.
        """
        what = f"{variant}.test{'' if calibrated else ' alone'}.{looks}.{seed}"
        path = self.runs / f"{name.replace('/', '-')}.{what}.pt"
        if not path.exists():
            shots, lessons = self.shots(name, seed), []
            for fold in stratified_folds(shots.labels, CALIBRATION, seed=seed, groups=self._alike(shots)):
                rest = sorted(set(range(len(shots))) - set(fold))
                lessons += [Lesson(rest, {"held out": shots.take(fold)})] if calibrated else []
            lessons = [Lesson(range(len(shots)), {"test": self.test_photos(name)}), *lessons]
            detail = DETAIL if looks > 1 else 1.0
            save(train(self.backbone, VARIANTS[variant], shots, lessons, self.cache, seed, detail), path)
        return load(path, self._texts(self.train_photos[name]))

    def size(self, name: str) -> int:
        """Return how many classes a set has."""
        return len(self.train_photos[name].class_names)

    def shots(self, name: str, seed: int) -> LabelledPhotos:
        """Return the shots of all classes of a set."""
        return draw_shots(self.train_photos[name], SHOTS, seed=seed)

    def test_photos(self, name: str) -> LabelledPhotos:
        """Return a set's test photos."""
        return read_folder(self.folders[name], split="test")

    def _texts(self, photos: LabelledPhotos) -> Tensor:
        return PromptModel(self.backbone, photos.class_names, MethodConfig()).name_features(photos.class_names)

    def _alike(self, shots: LabelledPhotos) -> list[int]:
        parts = encode_centres(self.backbone, shots.photos, self.cache, shots.hashes)
        return alike_groups(ImageFeatures.cat(list(parts)), shots.labels)
