"""Parts of a computation on threads of their own: the same results, and torch's settings; and the process itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch

from gallop.runtime import threads
from tests.reference import torch_threads


def test_items_are_answered_in_order_each_on_a_thread_of_its_own() -> None:
    met = threading.Barrier(3)  # passes only where all three run at the same time

    def square(item: int) -> tuple[int, int]:
        met.wait(timeout=30)
        return item**2, threading.get_ident()

    answers, idents = zip(*threads.each(square, [3, 1, 2]), strict=True)
    assert (answers, len({*idents, threading.get_ident()})) == ((9, 1, 4), 4)


def test_a_single_item_stays_in_this_thread() -> None:
    assert threads.each(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]
    assert threads.each(lambda _: 1, []) == []


@pytest.mark.parametrize(("count", "items", "share"), [(8, 2, 4), (8, 3, 2), (2, 3, 1), (1, 2, 1)])
def test_threads_share_torchs_and_those_to_come_find_the_usual_number(count: int, items: int, share: int) -> None:
    with torch_threads(count):
        for _ in range(2):  # new threads, and the same again
            assert threads.each(lambda _: torch.get_num_threads(), range(items)) == [share] * items
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == count == torch.get_num_threads()


def settings(_: int) -> tuple[bool, bool, bool, torch.dtype]:
    autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), autocast, dtype


def test_threads_have_the_settings_of_who_calls_them() -> None:
    for entered in (
        torch.enable_grad(),
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
        torch.autocast("cpu", torch.float16),
    ):
        with entered:
            assert threads.each(settings, range(2)) == [settings(0)] * 2


def test_an_error_reaches_who_called_when_all_parts_are_done() -> None:
    failed, ended = threading.Event(), threading.Event()

    def part(item: int) -> None:
        if item == 0:
            failed.set()
            raise ValueError("the first part")
        failed.wait(timeout=30)
        ended.set()

    with pytest.raises(ValueError, match="the first part"):
        threads.each(part, range(2))
    assert ended.is_set()
    assert threads.each(abs, [-1, 1]) == [1, 1]


def test_where_no_thread_can_be_had_everything_stays_here() -> None:
    """At the end of the process a pool takes no more, and a container may allow no more threads."""
    threads.each(abs, range(2))
    here = [(item, threading.get_ident()) for item in range(4)]
    for start in ("concurrent.futures.ThreadPoolExecutor.submit", "threading.Thread.start"):
        with mock.patch(start, side_effect=RuntimeError("can't start new thread")), torch_threads(5):
            assert threads.each(lambda item: (item, threading.get_ident()), range(4)) == here
    assert threads.each(abs, range(4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_give_the_whole_and_its_gradient(parts: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 3)
    whole = torch.randn(5, 4, requires_grad=True)

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weight).T  # rows of x are columns here

    found, wanted = threads.in_parts(function, whole, parts, dim=1), function(whole)
    assert torch.allclose(found, wanted, atol=1e-6)
    weights = torch.randn(3, 5)
    gradients = [torch.autograd.grad((result * weights).sum(), whole)[0] for result in (found, wanted)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_a_gradient_in_parts_is_taken_once() -> None:
    whole = torch.randn(4, 3, requires_grad=True)
    result = threads.in_parts(torch.tanh, whole, 2, dim=0).sum()
    result.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="can be computed only once"):
        result.backward()  # type: ignore[no-untyped-call]


# What the app and the command line set before torch is loaded --------------------------------------------------------


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
    (policy, faults), (bare_policy, bare) = run("prepared"), run("bare")
    assert (policy, bare_policy) == ("PASSIVE", "None")
    assert int(faults) < 100
    assert int(bare) > 10 * int(faults) + 1000  # each of 5 x 4 x 4096 pages was cleared again


def test_a_wait_policy_that_is_set_stays() -> None:
    assert run("prepared", OMP_WAIT_POLICY="ACTIVE")[0] == "ACTIVE"


@pytest.mark.parametrize("entry", ["import gallop.cli", "import runpy; runpy.run_path('app/navigation.py')"])
@pytest.mark.slow
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
