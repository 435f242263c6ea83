"""Teach the sample's model again, from the photos that are there: ``python -m benchmarks.sample.learn``.

As the app does it, with its default settings; ``gallop train photos --shots 8`` gives the same prompts. It saves the
record of the training beside the model, as the app saves a run.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import shutil

from app.photos.shelf import small
from app.runs.run import FACTS, of_taught, written
from app.teaching.tasks import Teaching
from app.teaching.training import QUICK, WatchedPhoto, preset
from app.visitor.photos import VisitorPhotos
from gallop import Photo, load_backbone
from gallop.data.project_file import SHOT_SIDE
from gallop.sample import sample_folder, sample_photos


def piles(part: str) -> dict[str, list[Photo]]:
    """The photos of a part by class, as the app's cards store them."""
    by_class: dict[str, list[Photo]] = {}
    for photo in sample_photos():
        if photo.part == part and photo.class_name is not None:
            by_class.setdefault(photo.class_name, []).append(small(photo.path, SHOT_SIDE))
    return by_class


def main() -> None:
    backbone, shots = load_backbone("mini", device="cpu"), piles("train")
    usual = preset(QUICK, counted=(sum(map(len, shots.values())), len(shots)))
    teaching = Teaching(backbone, VisitorPhotos().features(), shots, piles("test"), usual, WatchedPhoto())
    for progress in teaching.run():
        print(progress.sentence, flush=True)
    taught = teaching.result()
    assert taught is not None  # it ran to its end
    folder = sample_folder()
    shutil.rmtree(folder / "model", ignore_errors=True)
    taught.after.keep_shots = True  # its photos come with it, so which of them voted can be shown
    taught.after.save(folder / "model")
    (folder / FACTS).write_bytes(written(of_taught(taught)) + b"\n")


if __name__ == "__main__":
    main()
