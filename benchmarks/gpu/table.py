"""What was measured on a device as Markdown, for ``benchmarks/README.md``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from benchmarks.gpu.rates import BackboneRates, ClassRates, Figure
from benchmarks.measure import machine
from benchmarks.text import PROMPTS

BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"


@dataclass(frozen=True)
class Tests:
    """How many tests ran on the device, and how many of them passed."""

    COUNTED: ClassVar = ("tests", "skipped", "failures", "errors")

    ran: int
    passed: int

    @property
    def agree(self) -> bool:
        return 0 < self.ran == self.passed

    def __str__(self) -> str:
        return f"{self.passed} of {self.ran} tests passed on it"


def card(device: torch.device) -> str:
    """The card by its name, with its memory and what it can."""
    if device.type == "cpu":
        return "No GPU: small sizes on a CPU"
    has = torch.cuda.get_device_properties(device)
    return (
        f"{has.name}, {has.total_memory / 2**30:.0f} GiB, compute capability {has.major}.{has.minor}, "
        f"CUDA {torch.version.cuda}"
    )


def table(device: torch.device, tests: Tests, backbones: Sequence[BackboneRates], classes: Sequence[ClassRates]) -> str:
    """Markdown of all of it, the card first."""
    head = f"{datetime.date.today().isoformat()}, **{card(device)}**, beside {machine()}. {tests}."
    images = [
        "| image encoder | loading | photos a second, as it is run | in large batches | peak memory of those |",
        "|---|---|---|---|---|",
        *(
            f"| {row.backbone} | {row.load:.1f} s | {_rate(row.encoding)} | {_rate(row.encoding_many)} "
            f"| {_bytes(row.bytes_many)} |"
            for row in backbones
        ),
    ]
    columns = [
        f"{PROMPTS} prompts",
        "text for answers",
        "text step",
        "training step",
        "its peak memory",
        "JPEG to answer, photos a second",
        "its peak memory",
    ]
    texts = [
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
        *(
            f"| {row.backbone}, K = {row.classes:,} | {_seconds(row.text)} | {_seconds(row.text_step)} "
            f"| {_seconds(row.step)} | {_bytes(row.bytes_step)} | {_rate(row.scoring)} | {_bytes(row.bytes_scoring)} |"
            for row in classes
        ),
    ]
    return "\n".join([head, "", *images, "", *texts])


def _seconds(figure: Figure) -> str:
    if isinstance(figure, str):
        return figure
    return f"{figure:.2f} s" if figure >= 1 else f"{1e3 * figure:.1f} ms"


def _rate(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:,.0f}" if figure >= 10 else f"{figure:.1f}"


def _bytes(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure / 1e9:.2f} GB"
