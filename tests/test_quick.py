"""What ``make quick`` runs: all tests that lead to what changed, but for the longest of them."""

from __future__ import annotations

import json

import pytest

from tests import quick

BUDGET = 700
"""Processor seconds of the first tier, which two cores do in eight minutes with lint."""


def test_the_first_tier_is_recorded_and_within_its_budget(request: pytest.FixtureRequest) -> None:
    """Among the tests of this run, which are all of the first tier where no file was named."""
    record = json.loads(quick.DURATIONS.read_text(encoding="utf-8"))
    first = {
        (quick.key_of(item.path), item.originalname)
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.get_closest_marker("slow") is None
    }
    assert sorted(f"{key}::{name}" for key, name in first if name not in record.get(key, {})) == [], "record it"
    assert sum(record[key][name] for key, name in first) < BUDGET, "mark what takes long as slow, or make it cheaper"
