"""Answers without files: ``for table in predict_many(clf, source)``, and the function for Spark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.exceptions import NotFittedError

from gallop import GalLoPClassifier, predict_many
from gallop.errors import DataError
from gallop.scoring import Extras, PhotoScorer, arrow
from gallop.scoring.destination import open_destination
from gallop.scoring.run import score_source
from gallop.scoring.sources import FolderSource, Opener, SourceItem, open_source
from tests import tiny
from tests.conftest import ROOT

NAMES = ["red", "green"]


@pytest.fixture(scope="module")
def plain() -> GalLoPClassifier:
    named: GalLoPClassifier = tiny.classifier().zero_shot(NAMES)
    return named


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 30, "green": 25})
    (folder / "green" / "7.png").write_bytes(b"")
    return folder


def test_tables_are_those_of_the_files(plain: GalLoPClassifier, photos: Path, tmp_path: Path) -> None:
    extras = ["probabilities", "embedding", "regions"]
    worker = PhotoScorer(plain, extras=Extras(*[True] * 3))
    score_source(open_source(str(photos), Opener()), worker, open_destination(str(tmp_path / "out")), shard_size=100)
    (whole,) = (parquet.read_table(path) for path in (tmp_path / "out").glob("*.parquet"))
    tables = list(predict_many(plain, photos, extras=extras, rows=20))
    assert [table.num_rows for table in tables] == [32, 23]
    assert pa.concat_tables(tables).equals(whole.replace_schema_metadata(tables[0].schema.metadata))
    assert tables[0].schema.metadata[b"classes"] == b'["red", "green"]'


def test_they_come_while_the_source_still_gives(plain: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a source that never ends."""

    def endless(_: FolderSource) -> Iterator[SourceItem]:
        while True:
            yield SourceItem("a", problem="nothing")

    monkeypatch.setattr(FolderSource, "__iter__", endless)
    tables = predict_many(plain, "anywhere", rows=16)
    assert [next(tables).num_rows for _ in range(3)] == [16, 16, 16]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"source": "nowhere"}, "nowhere is no folder: give one"),
        ({"extras": ["maps"]}, "There are no columns maps; extras may be probabilities, embedding, regions."),
        ({"source": "https://example.org/list.txt"}, "nothing is fetched from there unless it is allowed"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_at_once(plain: GalLoPClassifier, given: Any, sentence: str) -> None:
    with pytest.raises(DataError) as refused:
        next(predict_many(plain, **{"source": "nowhere"} | given))
    assert sentence in str(refused.value)


def test_what_is_missing_is_named(plain: GalLoPClassifier, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFittedError):
        predict_many(tiny.classifier(), photos)
    monkeypatch.setattr(arrow, "find_spec", lambda name: None if name == "pyarrow" else name)
    with pytest.raises(DataError, match=r"pyarrow must be installed for answers in tables: pip install 'gallop-exp"):
        predict_many(plain, photos)


# The function for Spark that docs/howto/many_photos.md prints --------------------------------------------------------


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
    assert list(found.columns) == there["NAMES"]
    assert list(found["key"]) == [*paths, "gone.png"]
    assert list(found["label"][:5]) == taught.predict(paths).tolist()
    assert list(found["error"].isna()) == [True] * 5 + [False]
