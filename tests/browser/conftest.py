"""What the tests of pages in a folder share: a browser that opens them from a host of static files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import Page, expect
from tests.http_server import served_folder


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """A function that opens a folder's page, or an address, until it is ready.

    All that a page asked of anybody else, or complained of, fails the test. Where requests are to be held, it opens the
    page until the first of these is asked, and puts them into a list.
    """
    wrong: list[str] = []

    def open_(
        place: Path | str,
        *,
        of: Any = browser,
        hold: str = "",
        held: list[Any] | None = None,
        script: str = "",
        **settings: Any,
    ) -> Page:
        address = place if isinstance(place, str) else stack.enter_context(served_folder(place))
        here, context = (address, "data:", "blob:"), stack.enter_context(of.new_context(**settings))
        context.on("request", lambda one: None if one.url.startswith(here) else wrong.append(one.url))
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        page: Page = context.new_page()
        page.add_init_script(script)
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        if hold:
            page.route(hold, lambda route: None if held is None else held.append(route))
            with page.expect_request(hold):
                page.goto(address)
        else:
            page.goto(address)
            expect(page.locator("body")).to_have_attribute("data-ready", "yes")
        return page

    with ExitStack() as stack:
        yield open_
    assert not wrong
