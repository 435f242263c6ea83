"""Class folders and exact, leak-free k-shot draws."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallop.data import (
    LabelledPhotos,
    data_fingerprint,
    distinct_photos,
    draw_shots,
    duplicates,
    labelled_photos,
    read_folder,
    resolve_split,
    stratified_folds,
)
from gallop.errors import ClassNameError, DataError
from gallop.images import load_image
from tests.tiny import picture, pictures, write_folder, write_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path, {"red": 2, "green": 2})


def test_a_folder_of_class_folders_is_a_data_set(tmp_path: Path) -> None:
    write_folder(tmp_path, {"red": 2, "green": 3})
    dataset = read_folder(tmp_path)
    assert (dataset.class_names, len(dataset), Counter(dataset.names)) == (("green", "red"), 5, {"red": 2, "green": 3})
    assert all(path.parent.name == name for path, name in zip(dataset.paths, dataset.names, strict=True))
    for path, digest in zip(dataset.paths, dataset.hashes, strict=True):
        assert load_image(path).sha256 == digest
    assert dataset.skipped == ()


def test_underscores_are_spaces_and_hidden_folders_and_loose_files_do_not_count(tmp_path: Path) -> None:
    write_folder(tmp_path, {"red": 1, "green": 1})
    (tmp_path / "red").rename(tmp_path / "fire_truck")
    write_images(tmp_path / ".cache", [picture(5)])
    write_images(tmp_path / "__MACOSX", [picture(6)])
    picture(7).save(tmp_path / "loose.png")
    assert read_folder(tmp_path).class_names == ("fire truck", "green")


@pytest.mark.parametrize(("split", "count"), [("train", 4), ("test", 2)])
def test_train_and_test_are_resolved_and_never_two_classes(tmp_path: Path, split: str, count: int) -> None:
    write_folder(tmp_path / "train", {"red": 2, "green": 2})
    write_folder(tmp_path / "test", {"red": 1, "green": 1}, first_seed=10)
    assert resolve_split(tmp_path, split) == tmp_path / split
    dataset = read_folder(tmp_path, split=split)
    assert (dataset.class_names, len(dataset)) == (("green", "red"), count)
    assert read_folder(str(tmp_path)).class_names == ("green", "red")
    write_images(tmp_path / "alone" / "train", [picture(0)])
    write_images(tmp_path / "alone" / "bus", [picture(1)])
    assert read_folder(tmp_path / "alone").class_names == ("bus", "train"), "without test, train is a class"


def test_what_is_no_folder_of_class_folders_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "loose", [picture(0)])
    for name in ("cat", "dog"):
        for root in ("unreadable", "empty"):
            (tmp_path / root / name).mkdir(parents=True)
    (tmp_path / "empty" / "dog" / "notes.txt").write_text("no picture")
    (tmp_path / "unreadable" / "dog" / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    for name, said in (
        ("missing", "missing is not a folder"),
        ("loose/0.png", "0.png is not a folder"),
        ("loose", "no class folders"),
        ("empty", "contain no readable images. Only files that end in .*.jpg, .* are read"),
        ("unreadable", r"contain no readable images\. First error, of .*dog.a\.jpg: a\.jpg cannot be"),
    ):
        with pytest.raises(DataError, match=said):
            read_folder(tmp_path / name)


@pytest.mark.parametrize("layout", ["photos/train", "photos/Train"])
def test_class_folders_one_level_too_deep_are_refused_with_the_way_out(tmp_path: Path, layout: str) -> None:
    write_folder(tmp_path / layout, {"red": 1, "green": 1})
    with pytest.raises(DataError, match=rf"perhaps .*{layout}\), or a folder that contains train/ and test/"):
        read_folder(tmp_path / "photos")


def test_folders_with_equal_names_are_refused_naming_both(tmp_path: Path) -> None:
    write_images(tmp_path / "fire_truck", [picture(0)])
    write_images(tmp_path / "Fire truck", [picture(1)])
    with pytest.raises(ClassNameError, match="'Fire truck' and 'fire_truck'"):
        read_folder(tmp_path)


def test_unreadable_files_are_listed_with_a_reason_and_the_rest_is_read(folder: Path) -> None:
    broken, empty = folder / "red" / "broken.jpg", folder / "green" / "empty.png"
    broken.write_bytes(b"<html>not found</html>")
    empty.write_bytes(b"")
    (folder / "red" / "notes.txt").write_text("no image, and nobody says it were")
    dataset = read_folder(folder)
    assert (len(dataset), {path for path, _ in dataset.skipped}) == (4, {broken, empty})
    assert all(reason for _, reason in dataset.skipped)
    assert draw_shots(dataset, 1).skipped == dataset.skipped


def test_a_picture_twice_in_a_class_counts_once_whatever_its_file(folder: Path) -> None:
    shutil.copy(folder / "red" / "0.png", folder / "red" / "copy.png")
    picture(0, "red").save(folder / "red" / "packed otherwise.bmp")
    dataset = read_folder(folder)
    assert (Counter(dataset.names), len(set(dataset.hashes))) == ({"red": 2, "green": 2}, 4)
    with pytest.raises(DataError, match=r"'green' has 2 images"):
        draw_shots(dataset, 3)


def test_a_picture_in_two_classes_is_refused_naming_both_files(folder: Path) -> None:
    shutil.copy(folder / "red" / "1.png", folder / "green" / "stray.png")
    with pytest.raises(DataError, match=rf"{folder}/green/stray\.png and {folder}/red/1\.png"):
        read_folder(folder)


def test_duplicates_between_two_sets(tmp_path: Path) -> None:
    train = write_folder(tmp_path / "a", {"red": 3, "green": 2})
    test = write_folder(tmp_path / "b", {"red": 2, "green": 2}, first_seed=20)
    assert duplicates(read_folder(train), read_folder(test)) == []
    shutil.copy(train / "red" / "2.png", test / "green" / "leak.png")
    assert duplicates(read_folder(train), read_folder(test)) == [(train / "red" / "2.png", test / "green" / "leak.png")]


def made_up(counts: dict[str, int]) -> LabelledPhotos:
    """A data set whose files nobody opens: draws look at hashes and labels alone."""
    rows = [(f"{name}-{i}", label) for label, (name, n) in enumerate(counts.items()) for i in range(n)]
    return LabelledPhotos(
        photos=tuple(Path(f"{content}.png") for content, _ in rows),
        hashes=tuple(content for content, _ in rows),
        labels=tuple(label for _, label in rows),
        class_names=tuple(counts),
    )


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(3, 12), min_size=1, max_size=5)


@given(counts=SIZES, shots=st.integers(1, 3), seed=st.integers(0, 50))
def test_draws_are_exact_and_nested(counts: dict[str, int], shots: int, seed: int) -> None:
    dataset = made_up(counts)
    drawn = draw_shots(dataset, shots, seed=seed)
    assert Counter(drawn.labels) == dict.fromkeys(range(len(counts)), shots)
    assert len(set(drawn.hashes)) == len(drawn) == shots * len(counts)
    assert all(digest.split("-")[0] == name for digest, name in zip(drawn.hashes, drawn.names, strict=True))
    assert drawn.class_names == dataset.class_names
    if shots > 1:
        assert set(draw_shots(dataset, shots - 1, seed=seed).hashes) < set(drawn.hashes)


@given(seed=st.integers(0, 20), order=st.permutations(range(12)))
def test_draws_do_not_see_file_names_or_order(seed: int, order: list[int]) -> None:
    dataset = made_up({"cat": 7, "dog": 5})
    shuffled = dataset.take(order)
    renamed = LabelledPhotos(
        tuple(Path(f"{i}.jpg") for i in range(12)), shuffled.hashes, shuffled.labels, shuffled.class_names
    )
    assert draw_shots(renamed, 3, seed=seed).hashes == draw_shots(dataset, 3, seed=seed).hashes


def test_seeds_draw_differently_and_every_picture_gets_its_turn() -> None:
    dataset = made_up({"cat": 10})
    times = Counter(digest for seed in range(300) for digest in draw_shots(dataset, 2, seed=seed).hashes)
    assert len(times) == 10
    assert 30 < min(times.values()) <= max(times.values()) < 90, "60 on average, deviation 7"
    assert draw_shots(dataset, 2, seed=5) == draw_shots(dataset, 2, seed=5)


def test_a_class_draws_independently_of_its_neighbours() -> None:
    """A class added to the folder does not change the shots of the others."""
    alone = draw_shots(made_up({"cat": 8}), 3, seed=1).hashes
    assert set(alone) < set(draw_shots(made_up({"ant": 4, "cat": 8}), 3, seed=1).hashes)


def test_too_few_images_name_the_class_and_can_be_allowed() -> None:
    dataset = made_up({"cat": 5, "fire truck": 2, "dog": 5})
    with pytest.raises(DataError, match=r"'fire truck' has 2 images, but 4 shots.*allow_fewer=True"):
        draw_shots(dataset, 4)
    assert Counter(draw_shots(dataset, 4, allow_fewer=True).names) == {"cat": 4, "fire truck": 2, "dog": 4}


@pytest.mark.parametrize("allow_fewer", [False, True])
def test_an_empty_class_folder_is_named(folder: Path, allow_fewer: bool) -> None:
    (folder / "empty_class").mkdir()
    dataset = read_folder(folder)
    assert dataset.class_names == ("empty class", "green", "red")
    with pytest.raises(DataError, match=r"'empty class' has no images: none can be read"):
        draw_shots(dataset, 1, allow_fewer=allow_fewer)


@pytest.mark.parametrize(
    ("shots", "said"), [(0, "^0 shots"), (-1, "^-1 shots"), ("3", "must be an integer"), (2.5, "an integer")]
)
def test_shots_that_are_no_number_of_photos_are_refused(shots: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        draw_shots(made_up({"cat": 3}), shots)


def test_labelled_photos_from_a_folder_and_from_lists(tmp_path: Path) -> None:
    images, labels = pictures({"red": 1, "green": 2})
    photos, names = labelled_photos(images, labels, split="train")
    assert (names, [load_image(p).sha256 for p in photos]) == (labels, [load_image(i).sha256 for i in images])
    write_folder(tmp_path / "train", {"red": 1, "green": 2})
    write_folder(tmp_path / "test", {"red": 1, "green": 1})
    assert sorted(labelled_photos(tmp_path, None, split="train")[1]) == sorted(labels)
    assert sorted(labelled_photos(str(tmp_path), None, split="test")[1]) == ["green", "red"]
    assert labelled_photos(picture(0), ["  fire\ttruck "], split="train")[1] == ["fire truck"]


def test_labels_that_do_not_match_are_refused() -> None:
    images, labels = pictures({"red": 1, "green": 1})
    for some, named, said in (
        (images, labels[:1], "2 images and 1 labels"),
        (images, None, "without labels"),
        ([], [], "0 images and 0 labels"),
        ([picture(i) for i in range(3)], "cat", "3 images and 1 labels"),  # and not its letters
    ):
        with pytest.raises(DataError, match=said):
            labelled_photos(some, named, split="train")
    assert labelled_photos(picture(0), "cat", split="test")[1] == ["cat"]


def test_a_picture_given_twice_counts_once_and_never_as_two_classes(tmp_path: Path) -> None:
    first, second = write_images(tmp_path, [picture(0), picture(0)])
    found = distinct_photos([first, load_image(picture(1)), second], ["cat", "dog", "cat"])
    assert (found.photos[0], found.names, len(found), len(set(found.hashes))) == (first, ["cat", "dog"], 2, 2)
    with pytest.raises(DataError, match=rf"{first.name} and .*{second.name}.* 'cat' and 'dog'"):
        distinct_photos([first, second], ["cat", "dog"])
    with pytest.raises(DataError, match="Image 2 are the same picture"):
        distinct_photos([load_image(first), load_image(second)], ["cat", "dog"])


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=40)


@given(labels=LABELS, folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_folds_are_disjoint_even_and_never_take_a_whole_class(labels: list[int], folds: int, seed: int) -> None:
    parts = stratified_folds(labels, folds, seed=seed)
    counts = Counter(labels)
    assert sorted(i for part in parts for i in part) == [i for i, label in enumerate(labels) if counts[label] > 1]
    assert len([part for part in parts if part]) == len(parts) <= folds
    for label in counts:
        per_fold = [sum(labels[i] == label for i in part) for part in parts]
        assert max(per_fold, default=0) - min(per_fold, default=0) <= 1 or len(parts) < folds
        assert all(n < counts[label] for n in per_fold)  # each fold's training keeps one of every class
    sizes = [len(part) for part in parts]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


@given(labels=LABELS, folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_folds_of_images_that_stand_for_themselves_are_dealt_round_and_round(
    labels: list[int], folds: int, seed: int
) -> None:
    drawn, order = np.random.default_rng(seed), list[int]()
    for label in sorted(set(labels)):
        members = [i for i, other in enumerate(labels) if other == label]
        order += drawn.permutation(members).tolist() if len(members) > 1 else []
    wanted = [sorted(order[start::folds]) for start in range(folds) if order[start::folds]]
    assert stratified_folds(labels, folds, seed=seed) == wanted
    assert stratified_folds(labels, folds, seed=seed, groups=[7 * i for i in range(len(labels))]) == wanted


@given(
    photos=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40), folds=st.integers(2, 5)
)
def test_what_belongs_together_is_held_out_together_and_no_class_is_lost(
    photos: list[tuple[int, int]], folds: int
) -> None:
    labels, groups = [label for label, _ in photos], [10 * label + group for label, group in photos]
    parts = stratified_folds(labels, folds, seed=1, groups=groups)
    where = {i: number for number, part in enumerate(parts) for i in part}
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label]
        together = {groups[i] for i in members}
        assert len({where.get(i) for i in members}) > 1 or len(members) == 1, "something is left to learn from"
        for group in together if len(together) > 1 else ():
            assert len({where[i] for i in members if groups[i] == group}) == 1


def test_the_fingerprint_of_data_does_not_see_order_but_sees_content_and_labels() -> None:
    assert data_fingerprint(["a", "b"], ["x", "y"]) == data_fingerprint(["b", "a"], ["y", "x"])
    others = [("ab", "xy"), ("ab", "yx"), ("ac", "xy"), ("ab", "xx"), ("abb", "xxx")]
    assert len({data_fingerprint([*contents], [*labels]) for contents, labels in others}) == len(others)
