"""The page of what each class relies on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gallop.evaluation.evidence import Evidence, evidence
from gallop.evaluation.failing_groups import FailingGroup, FailingGroups
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.export import evidence_report as reports
from gallop.export.evidence_report import evidence_report
from gallop.images import load_image
from tests import tiny

HOSTILE = ("<script>alert(1)</script>", '"><img src=http://example.invalid/x>')


@pytest.fixture(scope="module")
def page_of() -> tuple[Evidence, WhatIf, str]:
    classifier = tiny.classifier().zero_shot(HOSTILE)
    images, names = tiny.pictures({"red": 3, "green": 3})
    photos = [load_image(image, name=f"<b>{i}.png") for i, image in enumerate(images)]
    found = evidence(classifier, photos, [HOSTILE[name == "green"] for name in names])
    number = next(i for i, cluster in enumerate(found.classes[0].clusters) if cluster.photos)
    *_, asked = what_if(classifier, found, found.classes[0].class_name, number)
    assert isinstance(asked, WhatIf)
    return found, asked, evidence_report(found, tiny.vit(), [asked])


def test_names_are_escaped_and_nothing_is_requested(page_of: tuple[Evidence, WhatIf, str]) -> None:
    *_, page = page_of
    assert ("<script" in page, "&lt;script&gt;alert(1)&lt;/script&gt;" in page) == (False, True)
    assert "default-src 'none'; img-src data:" in page
    assert not re.findall(r'(?:src="(?!data:image/jpeg;base64,)|(?:href|action)="(?!#))', page)


def test_it_says_that_it_holds_photos_and_leads_with_a_large_rest(page_of: tuple[Evidence, WhatIf, str]) -> None:
    found, asked, page = page_of
    assert "This page holds parts of these photos" in page
    assert (rest := max(each.rest_share for each in found.classes)) > 0.3
    assert page.index(f"{100 * rest:.0f} % of the score is in no cluster") < page.rindex('class="gallery"')
    assert f"What if it were not there: {asked.words}." in page


def test_where_there_is_less_room_there_are_fewer_pictures(
    page_of: tuple[Evidence, WhatIf, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _, page = page_of
    monkeypatch.setattr(reports, "MOST_BYTES", len(page) * 2 // 3)
    smaller = evidence_report(found, tiny.vit())
    assert len(smaller) <= len(page) * 2 // 3
    assert page.count("<img") > smaller.count("<img") > 0
    monkeypatch.setattr(reports, "MOST_BYTES", 10_000)
    assert "<img" not in evidence_report(found, tiny.vit()), "and with hardly any room none"


def test_a_group_that_fails_is_shown_with_its_figures(page_of: tuple[Evidence, WhatIf, str]) -> None:
    group = FailingGroup("dark photos", (0, 1), Proportion(1, 9), Proportion(30, 31), 0.01, ("pale photos",))
    page = evidence_report(replace(page_of[0], groups=FailingGroups((group,), 7)), tiny.vit())
    assert all(words in page for words in ("1 of 9 right, 11 %", "In common: pale photos."))
