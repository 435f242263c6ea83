"""``gallop bench --rehearse``: one step of everything, and how long all of it may take on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch

from gallop.backbones import pick_device
from gallop.bench.running.backbones import Backbones
from gallop.bench.running.photos import Photos
from gallop.bench.running.plan import BenchRun, Plan
from gallop.bench.running.rehearsal import Encoded, Rehearsal, Rehearsed
from gallop.cli.console import Console, columns
from gallop.runtime.machine import processor
from gallop.wording import counted


def rehearse(
    plan: Plan,
    runs: Sequence[BenchRun],
    photos: Photos,
    backbones: Backbones,
    *,
    device: str,
    cache: int,
    console: Console,
) -> int:
    """Rehearse runs and tell what was measured; nothing is written.

    Args:
        device: as it was asked for.
        cache: bytes of the real benchmark's cache of features.
    """
    rehearsal = Rehearsal(plan, photos, backbones, cache)
    lines = []
    for number, total, line in rehearsal.lines(runs):
        lines.append(line)
        if line.failed:
            console.warn(f"{line.label} on {line.set}: {line.failed}")
        console.progress("rehearsing", number, total, f"{line.label} on {line.set}: a step takes {line.step:.2f} s")
    encoded = rehearsal.encoded(runs)
    hours = sum(line.hours for line in lines) + encoded.hours
    machine = _machine(device)
    result = {
        "device": machine,
        "runs": len(runs),
        "hours": hours,
        "encoding_test_photos": asdict(encoded),
        "lines": [asdict(line) | {"hours": line.hours} for line in lines],
    }
    console.result(result, lambda: _table(lines, encoded, hours, len(runs), machine))
    return 0


def _machine(device: str) -> str:
    chosen = pick_device(device)
    if chosen.type == "cuda":
        return f"{chosen} ({torch.cuda.get_device_name(chosen)}), beside {processor()}"
    return f"{chosen} ({processor()}, {counted(torch.get_num_threads(), 'thread')})"


def _table(lines: Sequence[Rehearsed], encoded: Encoded, hours: float, runs: int, machine: str) -> list[str]:
    head = ["method", "set", "runs", "steps", "s a step", "views", "s a view", "answers", "ms an answer", "hours"]
    rows = [
        [
            line.label,
            line.set,
            str(line.runs),
            str(line.steps),
            "failed" if line.failed else f"{line.step:.3f}",
            str(line.views),
            f"{line.view:.3f}",
            str(line.answers),
            f"{1000 * line.answer:.1f}",
            f"{line.hours:.3f}",
        ]
        for line in lines
    ]
    return [
        *columns([head, *rows]),
        "",
        f"Test photos are encoded {encoded.photos} times: {encoded.hours:.3f} hours.",
        f"The {counted(runs, 'run')} may take about {hours:.2f} hours on {machine}, judged by a first step each.",
    ]
