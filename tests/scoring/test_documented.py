"""The function for Spark that docs/howto/many_photos.md prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gallop import GalLoPClassifier
from tests import tiny
from tests.conftest import ROOT


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
