"""The measurements as a table and a plot in ``benchmarks/README.md``, between two marks."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import machine

README = Path(__file__).with_name("README.md")
PLOT = README.with_name("speed.svg")
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"


def table(measured: dict[str, Any]) -> str:
    """Markdown of everything that ``python -m benchmarks`` measured."""
    return "\n\n".join([_text(measured), _rest(measured), _growth(measured["growth"])])


def _text(measured: dict[str, Any]) -> str:
    heads = [
        "text encoder, 8 prompts",
        "ours",
        "careful",
        "times careful",
        "naive",
        "times naive",
        "fraction of the floor",
        "our memory",
        "careful's",
        "naive's, a prompt at a time",
        "gradient error",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in (row for name, row in measured.items() if name.startswith("text ")):
        against = "ratio_naive" in row
        cells = [
            f"{row['backbone']}, K = {row['classes']}",
            f"{row['seconds']:.2f} s",
            f"{row['seconds_careful']:.1f} s",
            f"{row['ratio_careful']:.1f}",
            f"{row['seconds_naive']:.1f} s" if against else "",
            f"{row['ratio_naive']:.1f}" if against else "",
            f"{row['floor_share']:.0%}",
            f"{row['megabytes']:.0f} MB",
            f"{row['megabytes_careful']:.0f} MB{', blocks again' if row['careful_again'] else ''}",
            f"{row['megabytes_naive']:.0f} MB" if against else "",
            f"{row['grad_error']:.0e}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rest(measured: dict[str, Any]) -> str:
    layout, pipe, cache, slider = (measured[name] for name in ("layout", "pipeline", "cache", "slider"))
    step, bf16, live, large = measured["step"], measured["step bf16"], measured["live"], measured["large"]

    def photo(row: dict[str, float], key: str = "milliseconds") -> str:
        return f"{row[key]:.1f} ms a photo"

    rows = [
        *(
            (f"regions beside `encode_image`, {backbone}", photo(row), f"{row['overhead']:+.1%}")
            for backbone, row in ((backbone, measured[f"vision {backbone}"]) for backbone in ("mini", "ViT-B-16"))
        ),
        ("channels last, four photos at a time", photo(layout), f"{layout['ratio_time']:.2f}x"),
        ("JPEG to features, decoding meanwhile", photo(pipe), f"{pipe['ratio_time']:.2f}x one after the other"),
        ("cached features from disk", photo(cache, "milliseconds_disk"), f"{cache['ratio_disk']:.0f}x"),
        ("cached features from memory", photo(cache, "milliseconds_memory"), f"{cache['ratio_memory']:.0f}x"),
        ("k slider to the map", f"{slider['milliseconds']:.2f} ms", f"1/{slider['ratio_time']:.0f} of encoding"),
        ("training step, 10 classes", f"{step['milliseconds']:.0f} ms", _rivals(step)),
        ("the same, the backbone in bf16", f"{bf16['milliseconds']:.0f} ms", f"{_rivals(bf16)}, both in fp32"),
        *(
            (f"of a step, after the backbone, {backbone}, 100 classes", f"{row['milliseconds']:.0f} ms", _rivals(row))
            for backbone, row in (
                (backbone, measured[f"after the backbone {backbone}"]) for backbone in ("mini", "ViT-B-16")
            )
        ),
        (
            "training step, 21,841 classes",
            f"{large['seconds']:.0f} s",
            f"the process held {large['gigabytes']:.1f} GB at most, {large['gigabytes_before']:.1f} GB before",
        ),
        ("live: click to first step", f"{live['seconds_first_step']:.2f} s", f"a step {live['seconds_a_step']:.2f} s"),
        ("live: encoding the views, before", f"{live['seconds_encoding']:.1f} s", ""),
        ("live: the prompts", f"{live['seconds_prompts']:.1f} s", ""),
        ("live: with calibration", f"{live['seconds']:.1f} s", f"{live['encodings']:.1f} encodings"),
    ]
    lines = ["| `mini` unless named | ours | against |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _rivals(row: dict[str, float]) -> str:
    return f"{row['ratio_careful']:.1f}x careful, {row['ratio_naive']:.1f}x naive"


def _growth(growth: dict[str, dict[str, float]]) -> str:
    lines = ["| a step of `mini` as one size grows | | | |", "|---|---|---|---|"]
    for name, times in growth.items():
        lines.append(f"| {name} | " + " | ".join(f"{size}: {ms:.0f} ms" for size, ms in times.items()) + " |")
    return "\n".join(lines)


def write(measured: dict[str, Any]) -> None:
    """Replace what is between the marks in the README, and draw the plot."""
    _draw(measured)
    today = datetime.date.today().isoformat()
    rate = measured["text ViT-B-16 100"]["gigaflops"]
    head = f"{today}, {machine()}; matrix products at {rate:.0f} GFLOP/s in fp32."
    plot = f"![Times faster than a careful and a naive text encoder, and fraction of the floor]({PLOT.name})"
    replace_between(README, BEGIN, END, f"{head}\n\n{table(measured)}\n\n{plot}")


def replace_between(file: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a file, in place of what is there."""
    before, _, rest = file.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _draw(measured: dict[str, Any]) -> None:
    from matplotlib.figure import Figure

    rows = [row for name, row in measured.items() if name.startswith("text ")]
    labels = [f"{row['backbone']}\nK = {row['classes']}" for row in rows]
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, key, title in zip(
        figure.subplots(1, 3),
        ("ratio_careful", "ratio_naive", "floor_share"),
        ("times faster than a careful text encoder", "times faster than a naive one", "fraction of the floor"),
        strict=True,
    ):
        shown = [(label, row[key]) for label, row in zip(labels, rows, strict=True) if key in row]
        bars = axes.bar([label for label, _ in shown], [value for _, value in shown], color="#3b6ea8")
        axes.bar_label(bars, fmt="{:.0%}" if key == "floor_share" else "{:.1f}")
        axes.set_title(title, fontsize=10)
        axes.tick_params(axis="x", labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, facecolor="white", metadata={"Date": None})
