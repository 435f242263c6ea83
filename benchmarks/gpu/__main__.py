"""What a GPU does here: ``python -m benchmarks.gpu``, in less than ten minutes on one card.

    python -m benchmarks.gpu                  the tests marked gpu, then the rates, as text
    python -m benchmarks.gpu --write          and the table into benchmarks/README.md, in place of the one there
    python -m benchmarks.gpu --device cuda:1  on another card
    python -m benchmarks.gpu --device cpu     the same at small sizes: whether the command itself is sound

Photos are made on the spot and backbones have random weights at their true sizes, but for ``mini``. What does not fit
the card, or comes after ``SECONDS``, is a word in the table and ends nothing else. Where torch sees no GPU, it prints
a message and the exit status is 2; it is 1 where a test fails.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch

from benchmarks.gpu import rates, table
from benchmarks.report import README, replace_between
from gallop.backbones import pick_device
from gallop.errors import BackboneError

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 510
"""After which nothing more is begun: with what is under way then, ten minutes."""


def agreement(device: torch.device) -> table.Tests:
    """The tests of ``tests/gpu`` on a device, in a separate process."""
    asked = "not gpu" if device.type == "cpu" else "gpu"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        words = ["-n0", "-q", "-m", asked, f"--junit-xml={report}", "tests/gpu"]
        subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, check=False)
        if not report.exists():
            return table.Tests(0, 0)
        suites = ElementTree.parse(report).getroot().iter("testsuite")
        counts = [{name: int(suite.get(name, 0)) for name in table.Tests.COUNTED} for suite in suites]
    total = sum(count["tests"] - count["skipped"] for count in counts)
    return table.Tests(total, total - sum(count["failures"] + count["errors"] for count in counts))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu at small sizes")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        device = pick_device(options.device)
    except BackboneError as error:
        print(f"make gpu measures a GPU. {error}", file=sys.stderr)
        return 2
    if device.type == "cpu" and options.write:
        parser.error("on a CPU sizes are small, so nothing is written; `make bench` measures a CPU")
    tests = agreement(device)
    sizes = rates.SMALL if device.type == "cpu" else rates.TRUE
    backbones, classes = rates.everything(device, sizes, until=started + SECONDS)
    text = table.table(device, tests, backbones, classes)
    print(text)
    if options.write:
        replace_between(README, table.BEGIN, table.END, text)
    print(f"{tests}, {time.perf_counter() - started:.0f} s in all.")
    return 0 if tests.agree else 1


if __name__ == "__main__":
    sys.exit(main())
