"""All of it as Markdown."""

from __future__ import annotations

from typing import Any


def table(measured: dict[str, Any]) -> str:
    """Markdown of all of it."""
    heads = ["clients", "errors", "p50", "p95", "photos a second", "the backbone alone", "ratio"]
    heads += ["a direct loop", "ratio"]
    heads += ["memory before", "at its largest", "after"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in measured["loads"]:
        cells = [
            str(one.clients),
            f"{one.errors} of {sum(one.statuses.values()):,}",
            f"{one.p50:.0f} ms",
            f"{one.p95:.0f} ms",
        ]
        cells += [f"{one.rate:.1f}", f"{one.alone:.1f}", f"{one.rate / one.alone:.2f}"]
        cells += [f"{one.direct:.1f}", f"{one.rate / one.direct:.2f}"]
        cells += [f"{size:.0f} MB" for size in (one.before, one.largest, one.after)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| rough senders | answered | memory before | at its largest | after | errors of a good one after |"]
    lines.append("|---" * 6 + "|")
    for row in measured["rough"]:
        sizes = [f"{row[key]:.0f} MB" for key in ("before", "largest", "after")]
        lines.append(f"| {row['kind']} | {_counted(row['statuses'])} | {' | '.join(sizes)} | {row['errors after']} |")
    stopped = measured["stop"]
    lost = stopped["statuses"].get("lost", 0)
    stop = f"Stopped while eight clients sent: {_counted(stopped['statuses'])}; {lost} of the accepted lost"
    return "\n".join([*lines, "", f"{stop}; ended after {stopped['seconds']:.1f} s."])


def _counted(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
