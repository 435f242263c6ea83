"""Python with its imports done, for tests in which the start of a process is no fact: in, a command; out, a process.

``python()`` stands for ``sys.executable`` in a command. It starts ``starter.py``, which needs no library and asks
``forks.py`` for a fork of itself: one process that has imported what takes seconds, and has done nothing else. The
fork takes over command, environment, folder and open files, runs and ends as any other Python does, and hears what its
starter is told (SIGINT, SIGTERM, and an end by SIGKILL). Three things are not those of a process that starts cold, so
that tests of them take ``sys.executable``: what is imported when, and what that asks for; variables that a library
reads while it is imported (``OMP_NUM_THREADS``, ``HF_HUB_OFFLINE``); signals to a whole group of processes.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODULES = (
    "gallop.estimator",
    "gallop.cli.arguments",
    "open_clip",
    "timm",
    "torchvision",
    "streamlit.web.cli",
    "streamlit.web.bootstrap",
    "plotly.graph_objects",
    "ipykernel.kernelapp",
    "ipywidgets",
    "nbclient",
    "fastapi",
    "uvicorn",
)
"""What it has imported; of the extras, those that are there."""
ENVIRONMENT = dict(os.environ)
"""As it was before any test changed it."""


def python() -> list[str]:
    """The words that stand for ``sys.executable``."""
    if not sys.platform.startswith("linux"):
        return [sys.executable]  # a fork of what has imported so much is safe on Linux alone
    return [sys.executable, "-I", "-S", str(HERE / "starter.py"), _first()[0]]


@cache
def executable() -> str:
    """A program that stands for ``sys.executable`` where that has to be one word."""
    if not sys.platform.startswith("linux"):
        return sys.executable
    program = Path(_first()[0]).with_name("python")
    program.write_text(f'#!/bin/sh\nexec {shlex.join(python())} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return str(program)


@cache
def _first() -> tuple[str, subprocess.Popen[bytes]]:
    """Where the one of this process listens, and itself: it is started when it is first asked for, and ends with this
    process, with which its input closes.
    """
    address = str(Path(tempfile.mkdtemp(prefix="warm-"), "asked"))
    path = os.pathsep.join(filter(None, [str(ROOT), ENVIRONMENT.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-c", f"from tests.warm import forks; forks.main{(address, *MODULES)}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT | {"PYTHONPATH": path},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the process that others are forked from did not start"
    return address, process
