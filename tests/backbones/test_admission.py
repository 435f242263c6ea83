"""The table of pairs says what open_clip lists and what the library does with it."""

from __future__ import annotations

from functools import cache

import open_clip
import pytest

from benchmarks.towers import HEAD, TABLE, _row
from gallop.backbones import load_backbone
from gallop.backbones.admission import admission
from gallop.errors import BackboneError, UnsupportedTower

VERSION = "3.3"
of_this_version = pytest.mark.skipif(
    not open_clip.__version__.startswith(f"{VERSION}."),
    reason=f"the table is of open_clip {VERSION}, this is {open_clip.__version__}",
)


@cache
def rows() -> dict[str, str]:
    """The table's lines by their pair."""
    _, _, table = TABLE.read_text(encoding="utf-8").partition(HEAD)
    lines = table.splitlines()[2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


@of_this_version
def test_the_table_has_every_pair_and_the_count_is_known() -> None:
    pairs = ["/".join(pair) for pair in open_clip.list_pretrained()]
    assert list(rows()) == pairs
    assert len(pairs) == 196
    admitted = [pair for pair, row in rows().items() if row.split(" | ")[1] == "yes"]
    assert len(admitted) == 187
    assert f"{len(admitted)} of the {len(pairs)} pairs" in TABLE.read_text(encoding="utf-8")
    for pair in set(pairs) - set(admitted):  # all for the same reason, which the settings tell
        assert "hf_model_name" in open_clip.get_model_config(pair.split("/")[0])["text_cfg"]


ONE_OF_A_KIND = [
    ("RN50", "openai"),
    ("ViT-B-32", "laion2b_s34b_b79k"),
    ("roberta-ViT-B-32", "laion2b_s12b_b32k"),
    ("coca_ViT-B-32", "laion2b_s13b_b90k"),
    ("EVA02-B-16", "merged2b_s8b_b131k"),
    ("ViT-B-32-SigLIP2-256", "webli"),
    ("MobileCLIP-B", "datacompdr"),
    ("MobileCLIP2-S0", "dfndr2b"),
    ("ViTamin-XL-384", "datacomp1b"),
    ("PE-Core-T-16-384", "meta"),
    ("convnext_base", "laion400m_s13b_b51k"),
]


@pytest.mark.slow
@of_this_version
@pytest.mark.parametrize(("arch", "tag"), ONE_OF_A_KIND, ids=[arch for arch, _ in ONE_OF_A_KIND])
def test_a_row_is_what_the_library_says(arch: str, tag: str) -> None:
    assert rows()[f"{arch}/{tag}"] == _row(f"{arch}/{tag}", admission(arch, tag))


def test_a_refused_pair_is_refused_before_anything_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.backbones.pairs._download", lambda *_: pytest.fail("it was downloaded"))
    with pytest.raises(UnsupportedTower, match=r"text tower of .* is Hugging Face's roberta-base"):
        load_backbone("roberta-ViT-B-32/laion2b_s12b_b32k")


def test_a_pair_that_is_not_listed_has_no_admission() -> None:
    with pytest.raises(BackboneError, match="no weights 'openai' of 'EVA02-B-16'"):
        admission("EVA02-B-16", "openai")
