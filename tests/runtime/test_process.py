"""What the app and the command line set before torch is loaded."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from unittest import mock

import pytest

from gallop.runtime import process

FAULTS = """
import resource, sys
if sys.argv[1] == "prepared":
    from gallop.runtime.process import prepare
    prepare()
import os, numpy as np
blocks = lambda: [np.ones(2**21) for _ in range(4)]  # 16 MiB each, larger than malloc keeps by itself at the top
for _ in range(3):
    blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    blocks()
print(os.environ.get("OMP_WAIT_POLICY"), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(how: str, **environment: str) -> list[str]:
    clean = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True, env=clean | environment
    )
    return done.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_memory_is_kept_and_threads_sleep() -> None:
    policy, faults = run("prepared")
    assert policy == "PASSIVE"
    assert int(faults) < 100
    bare_policy, bare = run("bare")
    assert bare_policy == "None"
    assert int(bare) > 10 * int(faults) + 1000  # each of 5 x 4 x 4096 pages was cleared anew


def test_a_wait_policy_that_is_set_stays() -> None:
    assert run("prepared", OMP_WAIT_POLICY="ACTIVE")[0] == "ACTIVE"


@pytest.mark.parametrize("entry", ["import gallop.cli", "import runpy; runpy.run_path('app/navigation.py')"])
def test_entries_prepare_before_torch_is_loaded(entry: str) -> None:
    """The wait policy is read once, when torch's threads start."""
    probe = f"""
import sys
from unittest import mock
with mock.patch("gallop.runtime.process.prepare", side_effect=lambda: sys.exit("torch" in sys.modules)):
    {entry}
sys.exit("it was never called")
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_has_no_c_library_without_a_name_gives_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is on Windows: ``ctypes.CDLL(None)`` is a TypeError there."""

    def no_name(name: str | None) -> None:
        raise TypeError(f"LoadLibrary() argument 1 must be str, not {name}")

    monkeypatch.setattr("ctypes.CDLL", no_name)
    process.give_back()


class Ring:
    """Refers to itself, so only a look for garbage finds that nobody needs it."""

    def __init__(self) -> None:
        self.self = self


def test_garbage_is_looked_for_where_something_was_made_since() -> None:
    with mock.patch("gc.get_count", return_value=(699, 0, 0)):
        assert not process.collect_since(), "next to nothing was made"
    ring = Ring()
    found = weakref.ref(ring)
    gc.collect(1)  # what lives on then is looked at with everything alone
    del ring
    assert found() is not None
    assert process.collect_since()
    assert found() is None
