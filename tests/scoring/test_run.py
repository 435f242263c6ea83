"""A folder of answers: equal to ``predict``'s, whole after every interruption, and never a mixture."""

from __future__ import annotations

import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from gallop import GalLoPClassifier
from gallop.answers import Extras, PhotoScorer
from gallop.answers.sources import Opener, open_source
from gallop.errors import DataError
from gallop.features.encoding import BATCH
from gallop.model.calibration import Calibration
from gallop.service.tables.destination import open_destination
from gallop.service.tables.layout import MANIFEST, fingerprint, manifest_of, read_shard, settle_manifest, shard_file
from gallop.service.tables.run import ScoringProgress, score_source
from tests import tiny
from tests.conftest import ROOT

NAMES = ["red", "green", "blue"]
ALL = Extras(probabilities=True, embedding=True, regions=True)


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    images, labels = tiny.pictures({"red": 4, "green": 4, "blue": 4})
    fitted = tiny.classifier().fit(images, labels)
    fitted.calibration_ = Calibration(1.3, float(np.median(fitted.predict_all(images).ood["GL-MCM"])), "for a test")
    return fitted


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 20, "green": 15, "blue": 7}, first_seed=50)
    (folder / "green" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (folder / "red" / "page.jpg").write_bytes(b"<html>")
    return folder


def run(worker: Any, photos: Path, out: Path, **options: Any) -> ScoringProgress:
    options = {"shard_size": 10} | options
    return score_source(open_source(str(photos), Opener()), worker, open_destination(str(out)), **options)


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(out.glob("part-*.parquet")) for row in parquet.read_table(file).to_pylist()]


def test_answers_are_those_of_predict(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    done = run(PhotoScorer(taught, extras=ALL), photos, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert (done.done, done.errors, done.skipped, done.shards) == (44, 2, 0, 5)
    assert [row["key"] for row in found] == [item.key for item in open_source(str(photos), Opener())]
    bad, good = ([row for row in found if bool(row["error"]) == failed] for failed in (True, False))
    assert [(row["key"], row["label"], row["regions"]) for row in bad] == [
        ("green/broken.png", None, None),
        ("red/page.jpg", None, None),
    ]
    assert "a web page, not a picture" in bad[1]["error"]
    expected = taught.predict_all([photos / row["key"] for row in good])
    given = list(zip(expected.labels, tiny.there(expected.is_ood), strict=True))
    assert [(row["label"], row["is_ood"]) for row in good] == given
    for name, column in (("probabilities", expected.probabilities), *expected.ood.items()):
        np.testing.assert_allclose([row[name] for row in good], column, atol=1e-5)
    for row, shares in zip(good, expected.probabilities, strict=True):
        assert row["probability"] == pytest.approx(shares.max(), abs=1e-5)
        assert [entry["label"] for entry in row["top"]] == [taught.classes_[k] for k in np.argsort(-shares)]
    backbone = taught.model_.backbone
    features, _ = backbone.encode_image(backbone.preprocess.centre(tiny.picture(50, "red"))[0][None])
    red = next(row["embedding"] for row in good if row["key"] == "red/0.png")
    np.testing.assert_allclose(np.array(red, np.float32), (features / features.norm()).numpy()[0], atol=1e-3)


def test_regions_are_those_that_decided(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    run(PhotoScorer(taught, extras=ALL), photos, tmp_path / "out")
    for row in rows(tmp_path / "out")[:6]:
        found = taught.explain(photos / row["key"])
        boxes = found.regions(found.label, 0)
        assert len(row["regions"]) == found.topk[0] == 2
        for mine, box in zip(row["regions"], boxes, strict=True):
            assert [mine[name] for name in ("left", "top", "right", "bottom")] == list(map(float, box.rounded()))
            assert mine["score"] == pytest.approx(box.score, abs=1e-5)


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_a_call_that_is_cut_off_is_completed(
    taught: GalLoPClassifier, photos: Path, tmp_path: Path, calls: int
) -> None:
    worker = PhotoScorer(taught, extras=ALL)
    run(worker, photos, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(worker, photos, tmp_path / "out", heard=mock.Mock(side_effect=[*[None] * (calls - 1), KeyboardInterrupt]))
    there = len(list((tmp_path / "out").glob("*.parquet")))
    done = run(worker, photos, tmp_path / "out")
    counts = done.shards, done.skipped, done.done, done.errors + done.skipped_errors
    assert counts == (5 - there, 10 * there, 44 - 10 * there, 2)
    for mine, other in zip(*(sorted((tmp_path / name).glob("*")) for name in ("out", "whole")), strict=True):
        assert (mine.name, parquet.read_table(mine)) == (other.name, parquet.read_table(other))


def test_parts_make_the_whole(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    worker = PhotoScorer(taught)
    run(worker, photos, tmp_path / "whole")
    first = run(worker, photos, tmp_path / "out", part=(1, 2))
    assert [file.name for file in sorted((tmp_path / "out").glob("*"))] == [f"part-00000{i}.parquet" for i in (0, 2, 4)]
    second = run(worker, photos, tmp_path / "out", part=(2, 2))
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    assert [(part.shards, part.errors, part.skipped_errors) for part in (first, second)] == [(3, 2, 0), (2, 0, 2)]
    assert first.done + second.done == 44


def test_what_another_call_writes_meanwhile_is_counted(taught: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    """Both bad photos are the first part's, which is called as the second one ends."""
    worker = PhotoScorer(taught)

    def heard(progress: ScoringProgress) -> None:
        if progress.shards == 2:
            run(worker, photos, tmp_path / "out", part=(1, 2))

    done = run(worker, photos, tmp_path / "out", part=(2, 2), heard=heard)
    assert (done.done, done.errors, done.skipped_errors) == (20, 0, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda blue: tiny.picture(1).save(blue / "00.png"),
        lambda blue: (blue / "3.png").unlink(),
        lambda blue: (blue / "3.png").rename(blue / "33.png"),
    ],
    ids=["added", "removed", "renamed"],
)
def test_another_source_is_not_mixed_in(
    taught: GalLoPClassifier, photos: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    worker = PhotoScorer(taught)
    run(worker, photos, tmp_path / "out")
    (tmp_path / "out" / "part-000004.parquet").unlink()
    before = rows(tmp_path / "out")
    change(photos / "blue")
    with pytest.raises(
        DataError, match="contains results for photos that differ from those now in the source: some were"
    ):
        run(worker, photos, tmp_path / "out")
    assert rows(tmp_path / "out") == before


def test_bytes_that_were_flipped_in_a_shard_are_noticed_and_its_photos_answered_again(
    taught: GalLoPClassifier, photos: Path, tmp_path: Path
) -> None:
    """Wherever they lie, and whichever part the shard belongs to; other shards are left alone."""
    worker, bits, out = PhotoScorer(taught), random.Random(0), tmp_path / "out"
    run(worker, photos, out)
    whole = {path: path.read_bytes() for path in out.rglob("*.*")}
    damaged = out / shard_file(1)
    for _ in range(100):
        data = bytearray(whole[damaged])
        data[bits.randrange(len(data))] ^= 1 << bits.randrange(8)
        damaged.write_bytes(data)
        assert read_shard(open_destination(str(out)), 1) is None
    for cut in (whole[damaged][:-50], b""):
        damaged.write_bytes(cut)
        with pytest.warns(UserWarning, match=re.escape(f"{shard_file(1)} is damaged. Its photos are pro")):
            done = run(worker, photos, out, part=(1, 2))
        assert (done.done, done.skipped, done.skipped_errors, done.shards) == (10, 34, 2 - done.errors, 1)
        assert {path: path.read_bytes() for path in out.rglob("*.*")} == whole


def test_all_photos_of_a_batch_may_be_bad(taught: GalLoPClassifier, tmp_path: Path) -> None:
    for path in tiny.write_images(tmp_path / "photos", [tiny.picture(i) for i in range(3)]):
        path.write_bytes(b"")
    done = run(PhotoScorer(taught, extras=ALL), tmp_path / "photos", tmp_path / "out")
    assert (done.done, done.errors) == (3, 3)
    assert [row["error"].split(" is empty")[0] for row in rows(tmp_path / "out")] == ["0.png", "1.png", "2.png"]


def test_without_local_prompts_and_without_a_limit(photos: Path, tmp_path: Path) -> None:
    plain = tiny.classifier(topk=(), global_prompts=1).zero_shot(NAMES)
    run(PhotoScorer(plain, extras=ALL), photos, tmp_path / "out")
    good = [row for row in rows(tmp_path / "out") if not row["error"]]
    assert all(row["regions"] == [] and row["is_ood"] is None for row in good)


def test_what_is_read_in_parts_passes_the_backbone_together(
    taught: GalLoPClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: sixteen at a time are read, 32 are encoded, bad ones among them."""
    worker = PhotoScorer(taught, extras=ALL)
    (photos / "blue" / "0.png").write_bytes(b"")  # the first of all, too
    run(worker, photos, tmp_path / "small", shard_size=44)
    monkeypatch.setattr("gallop.answers.scorer.batch_for", lambda _: 2 * BATCH)
    run(worker, photos, tmp_path / "large", shard_size=44)
    for mine, other in zip(rows(tmp_path / "large"), rows(tmp_path / "small"), strict=True):
        assert (mine["key"], mine["error"], mine["label"]) == (other["key"], other["error"], other["label"])
        assert mine["probabilities"] == (other["probabilities"] and pytest.approx(other["probabilities"], abs=1e-5))
        assert [box["left"] for box in mine["regions"] or []] == [box["left"] for box in other["regions"] or []]


def test_jpegs_decoded_smaller_are_answered_nearly_alike(taught: GalLoPClassifier, tmp_path: Path) -> None:
    """Their boxes lie where they lay, in pixels of the photo."""
    (tmp_path / "photos").mkdir()
    for i, colour in enumerate(NAMES):
        large = tiny.picture(i, colour).resize((640, 512), Image.Resampling.BICUBIC)
        large.save(tmp_path / "photos" / f"{i}.jpg", quality=95)
    for name in ("exact", "draft"):
        run(PhotoScorer(taught, extras=ALL, draft=name == "draft"), tmp_path / "photos", tmp_path / name)
    for mine, other in zip(rows(tmp_path / "draft"), rows(tmp_path / "exact"), strict=True):
        np.testing.assert_allclose(mine["probabilities"], other["probabilities"], atol=0.05)
        assert mine["probabilities"] != other["probabilities"], "the pixels are others"
        sides = [[round(box[name]) for name in ("left", "top", "right", "bottom")] for box in mine["regions"]]
        grid = {(left - 64) // 128 for left, *_ in sides} | {top // 128 for _, top, *_ in sides}
        assert grid <= {0, 1, 2, 3}, "cells of the 512 x 512 pixels in the photo's middle"
        assert {right - left for left, _, right, _ in sides} == {128}


# What the folder was made with ---------------------------------------------------------------------------------------


def test_a_folder_takes_one_model_and_one_source(taught: GalLoPClassifier, tmp_path: Path) -> None:
    worker, asked = PhotoScorer(taught), {"source": "a", "column": None, "shard_size": 10}
    for _ in range(2):
        settle_manifest(open_destination(str(tmp_path)), manifest_of(worker, **asked))
    other = tiny.classifier().zero_shot(NAMES)
    for changed, why in (
        (manifest_of(PhotoScorer(other), **asked), "another model"),
        (manifest_of(PhotoScorer(taught, extras=ALL), **asked), "other columns"),
        (manifest_of(PhotoScorer(taught, draft=True), **asked), "photos that were decoded differently"),
        (manifest_of(worker, **asked | {"source": "b"}), "another source"),
        (manifest_of(worker, **asked | {"shard_size": 11}), "shards of another size"),
    ):
        with pytest.raises(DataError, match=f"contains results made with {why}. Use another folder"):
            settle_manifest(open_destination(str(tmp_path)), changed)


def test_tables_of_others_and_a_damaged_manifest_are_refused(taught: GalLoPClassifier, tmp_path: Path) -> None:
    said = manifest_of(PhotoScorer(taught), source="a", column=None, shard_size=10)
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "part-000000.parquet")
    with pytest.raises(DataError, match="contains tables, but no"):
        settle_manifest(open_destination(str(tmp_path)), said)
    (tmp_path / MANIFEST).write_text("[1")
    with pytest.raises(DataError, match="is damaged"):
        settle_manifest(open_destination(str(tmp_path)), said)


def test_the_fingerprint_follows_all_that_answers_depend_on(taught: GalLoPClassifier, tmp_path: Path) -> None:
    first = fingerprint(taught)
    taught.save(tmp_path / "model")
    again = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    assert fingerprint(again) == first
    again.calibration_ = Calibration(2.0)
    assert fingerprint(again) != first
    again = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    again.model_.prompts.global_contexts.data.add_(1e-3)
    assert fingerprint(again) != first


# The workers by themselves -------------------------------------------------------------------------------------------


def test_a_scorer_of_a_folder_travels_as_its_name(backbone: Path, tmp_path: Path) -> None:
    GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu").zero_shot(NAMES).save(tmp_path / "model")
    scorer = PhotoScorer(str(tmp_path / "model"), device="cpu", extras=ALL)
    paths = tiny.write_images(tmp_path / "some", [tiny.picture(i) for i in range(3)])
    here = scorer({"path": np.array([str(path) for path in paths])})
    sent = pickle.dumps(scorer)
    assert len(sent) < 2000, "no weights"
    there = pickle.loads(sent)({"path": [str(path) for path in paths]})
    assert here["label"] == there["label"]
    np.testing.assert_allclose(here["probabilities"], there["probabilities"], atol=1e-6)
    given = scorer({"bytes": [path.read_bytes() for path in paths], "key": ["a", "b", "c"]})
    assert (given["key"], given["label"]) == (["a", "b", "c"], here["label"])


# The function for Spark that docs/howto/many_photos.md prints ---------------------------------------------------------


def test_the_function_for_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas, which comes with the extra 'app'")
    backbone = tiny.backbone_folder(tmp_path)
    taught = GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu").zero_shot(["red", "green"])
    taught.save(tmp_path / "model")
    paths = [str(path) for path in tiny.write_images(tmp_path / "some", [tiny.picture(i) for i in range(5)])]
    (block,) = re.findall(
        r"```python\n(import pandas.*?)```", (ROOT / "docs/howto/many_photos.md").read_text("utf-8"), re.S
    )
    monkeypatch.chdir(tmp_path)
    there: dict[str, object] = {}
    exec(block, there)
    frames = [pd.DataFrame({"path": paths[:3]}), pd.DataFrame({"path": [*paths[3:], "gone.png"]})]
    found = pd.concat(there["answer"](iter(frames)))  # type: ignore[operator]
    assert (list(found.columns), list(found["key"])) == (there["NAMES"], [*paths, "gone.png"])
    assert list(found["label"][:5]) == taught.predict(paths).tolist()
    assert list(found["error"].isna()) == [True] * 5 + [False]
