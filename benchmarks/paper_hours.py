"""How long the paper's protocol takes: its five benchmarks rehearsed at their true sizes, beside each other.

    python -m benchmarks.paper_hours WORK [--only paper-ood ...] [--write]

Data sets are shells of the true sizes (``benchmarks.paper_trees``), backbones have the true sizes and random weights;
both are made in WORK (4 GB) where they are not there yet. Every line of every benchmark takes one step, which is
measured here. Hours on a GPU are those measured steps on a processor that is so many times faster, with what does not
become faster: calls that a GPU waits for, and photos that its host decodes.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from benchmarks.measure import machine, matmul_rate, seconds
from benchmarks.paper_trees import write_trees
from benchmarks.report import README, replace_between
from gallop import load_image
from gallop.backbones import Preprocess
from gallop.bench.definition.spec import SPECS, parse_spec
from gallop.bench.running.backbones import Backbones
from gallop.bench.running.photos import read_photos
from gallop.bench.running.plan import make_plan
from gallop.bench.running.rehearsal import Encoded, Rehearsal, Rehearsed
from gallop.cli.commands.bench import CACHE_BYTES
from gallop.features.encoding import READERS

BENCHMARKS = ("paper-fewshot", "paper-domain", "paper-ood", "paper-ablation", "paper-backbones")
BACKBONES = ("RN50", "RN101", "ViT-B-32", "ViT-B-16", "ViT-L-14")

GPU_RATE = 100e12
"""Operations a second that a GPU is taken to sustain: a third of an A100's peak in bf16."""

LEAST_STEP = 0.03
"""Seconds that a step takes on any GPU: it makes about two thousand calls."""

BEGIN, END = "<!-- hours: begin -->", "<!-- hours: end -->"


@dataclass(frozen=True)
class Gpu:
    """What is assumed of a GPU and its host.

    Attributes:
        faster: times, than the processor that was measured.
        step: seconds, the least.
        photo: seconds to decode and crop a photo.
    """

    faster: float
    step: float
    photo: float

    def hours(self, lines: Sequence[Rehearsed], encoded: Encoded) -> float:
        """Of a whole benchmark."""
        learning = sum(
            line.steps * max(line.step / self.faster, self.step)
            + line.views * max(line.view / self.faster, self.photo)
            + (line.runs * line.rest + line.answers * line.answer) / self.faster
            for line in lines
        )
        return learning / 3600 + max(encoded.hours / self.faster, encoded.photos * self.photo / 3600)


@dataclass(frozen=True)
class Hours:
    """One benchmark: how much there is to do, and how long it takes here and on a GPU."""

    name: str
    runs: int
    steps: int
    photos: int
    here: float
    gpu: float


def backbone(work: Path, name: str) -> str:
    """A backbone of a true size with random weights, as ``load_backbone`` takes it."""
    architecture = f"{name}-quickgelu"
    file = work / f"{architecture}.safetensors"
    if not file.exists():
        torch.manual_seed(0)
        model = open_clip.create_model(architecture)
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)
    return f"{architecture}/{file.resolve()}"


def rehearsed(work: Path, name: str) -> tuple[list[Rehearsed], Encoded]:
    """Every line of a benchmark after one step, and what its test photos take."""
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8")
    for each in BACKBONES:
        if f"{each}/openai" in text:
            text = text.replace(f"{each}/openai", backbone(work, each))
    spec = parse_spec(text, name)
    photos = read_photos(spec, work / "data")
    backbones = Backbones("cpu")
    plan = make_plan(spec, photos, backbones.fingerprint)
    rehearsal = Rehearsal(plan, photos, backbones, CACHE_BYTES)
    lines = []
    for _, _, line in rehearsal.lines(plan.runs):
        if line.failed:
            raise RuntimeError(f"{line.label} on {line.set}: {line.failed}")
        lines.append(line)
        print(f"{name}: {line.label} on {line.set}: {line.step:.2f} s a step, {line.hours:.1f} hours", flush=True)
    return lines, rehearsal.encoded(plan.runs)


def assumed(picture: Path) -> Gpu:
    """A GPU, by this processor's rate of matrix products and its time for a photo, taken to be that of each reader."""
    preprocess = Preprocess(224, (0.5,) * 3, (0.5,) * 3)
    (photo,) = seconds(lambda: preprocess.augment(load_image(picture).image, np.random.default_rng(0)), repeats=15)
    return Gpu(faster=GPU_RATE / matmul_rate(), step=LEAST_STEP, photo=photo / READERS)


def measure(work: Path, names: Sequence[str]) -> tuple[list[Hours], Gpu]:
    """Rehearse the benchmarks, in turn, on data sets that are made where they are not there yet."""
    data = work / "data"
    if not data.exists():
        write_trees(data)
    gpu = assumed(data / "pictures/0.jpg")
    found = []
    for name in names:
        lines, encoded = rehearsed(work, name)
        found.append(
            Hours(
                name=name,
                runs=sum(line.runs for line in lines),
                steps=sum(line.steps for line in lines),
                photos=sum(line.views for line in lines) + encoded.photos,
                here=sum(line.hours for line in lines) + encoded.hours,
                gpu=gpu.hours(lines, encoded),
            )
        )
        print(json.dumps(vars(found[-1])), flush=True)
    return found, gpu


def table(found: Sequence[Hours], gpu: Gpu) -> str:
    """As Markdown, with the machine and what is assumed of the GPU."""
    today = datetime.date.today().isoformat()
    head = (
        f"{today}, {machine()}. The GPU is taken to compute {GPU_RATE / 1e12:.0f} TFLOP/s, {gpu.faster:.0f} times this "
        f"machine, with no step below {1000 * gpu.step:.0f} ms, while {READERS} threads of its host decode "
        f"{1 / gpu.photo:.0f} photos a second."
    )
    rows = [
        f"| `{each.name}` | {each.runs} | {each.steps:,} | {each.photos:,} | {each.here:,.0f} | {each.gpu:.1f} |"
        for each in found
    ]
    columns = "| benchmark | runs | steps | photos and views to encode | hours here | hours on one GPU, computed |"
    return "\n".join([head, "", columns, "|---|---|---|---|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for data sets and backbones, made where it is not there")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    text = table(*measure(options.work, options.only))
    print(text)
    if options.write:
        replace_between(README, BEGIN, END, text)


if __name__ == "__main__":
    main()
