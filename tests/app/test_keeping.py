"""Photos that are kept for hours: it is told where privacy is told, and ended by one button."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.ui import resources
from app.ui.widgets import elements
from app.visitor.session import Visitors
from tests.app_pages import (
    PAGES,
    TEACH,
    Open,
    button,
    cards,
    everything,
    fine,
    go,
    session_of,
    there,
    train,
)

TOLD = re.compile(r"If you close the page now, this URL brings them back until (\d\d:\d\d)\.")


def keeping(hours: float, monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = Visitors(resources.connected, keep=3600 * hours)
    monkeypatch.setattr(resources, "shared", replace(resources.shared, visitors=visitors))


def test_until_when_photos_are_kept_is_told_on_every_page(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = everything(fine(tiny_app()))
    assert ("until a few minutes after you close it" in shared, TOLD.findall(shared)) == (True, [])
    keeping(8, monkeypatch)
    now = 1_700_000_000.0
    monkeypatch.setattr(elements, "time", SimpleNamespace(time=lambda: now))
    at = fine(tiny_app())
    wanted = time.strftime("%H:%M", time.localtime(now + 8 * 3600))
    for page in PAGES:
        words = everything(go(at, page))
        assert TOLD.findall(words) == [wanted], page
        assert "until 8 hours after you close it" in words, "the help says how long"
    now += 600
    later = time.strftime("%H:%M", time.localtime(now + 8 * 3600))
    assert TOLD.findall(everything(fine(at.run()))) == [later], "the page was open meanwhile"


def test_everything_is_gone_at_once_and_the_page_begins_anew(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(8, monkeypatch)
    at = train(cards(fine(tiny_app()), {"red": 2, "green": 2}))
    token, before = at.session_state[resources.STATE], session_of(at)
    assert len(there(before.training.ledger).runs()) == 1
    fine(button(go(at, TEACH), "Remove everything").click().run())
    assert (resources.visitors().find(token), at.session_state[resources.STATE] != token) == (None, True)
    assert (session_of(at).photos.deck.cards, session_of(at).training.taught) == ((), None)
    assert any("its photos are gone" in found.value for found in at.info)
    for page in PAGES:
        go(at, page)
    assert not before.training.ledger.runs(), "runs of a visitor go with the visitor, on a machine that is shared"
