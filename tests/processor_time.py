"""A pytest plugin: processor seconds of each test into the JUnit report, for ``python -m tests.quick --record``.

    pytest -m "slow or not slow" -p tests.processor_time --junit-xml=report.xml

Seconds of the wall depend on what else runs; processor seconds hardly do. Those of child processes count: servers and
browsers that go on running, and whatever has ended and was waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

PROPERTY = {False: "processor", True: "processor-slow"}
"""By whether the test is marked slow: a function may have fast and slow cases."""


def processor_seconds() -> float:
    """Return the user and system seconds of this process and its descendants so far."""
    seconds = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        try:
            seconds += sum(child.cpu_times()[:4])
        except psutil.Error:  # it has just ended
            continue
    return seconds


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[_STARTED] = processor_seconds()
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    if call.when == "teardown":
        slow = item.get_closest_marker("slow") is not None
        seconds = max(
            processor_seconds() - item.stash[_STARTED], 0.0
        )  # a child that was killed takes its seconds along
        item.user_properties.append((PROPERTY[slow], f"{seconds:.2f}"))


_STARTED = pytest.StashKey[float]()
