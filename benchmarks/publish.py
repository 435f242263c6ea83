"""``python -m benchmarks.publish DATA OUT``: a run of photos-mini becomes what is published of it.

OUT is what ``gallop bench photos-mini DATA --out OUT`` has written. Its tables go into
``benchmarks/photos-mini``, with every figure in gzip, and the marked tables of both READMEs and of
the documentation's ``docs/benchmarks.md`` are filled. What else lies in that folder is of the run
of 2026-11-30 and stays as it is.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import replace_between
from gallop.documents.markdown import markdown_table
from gallop.lab.bench.photos import read_photos
from gallop.lab.bench.plan import make_plan
from gallop.lab.bench.runner import Backbones, RecordStore
from gallop.lab.bench.spec import read_spec
from gallop.lab.bench.tables import CSV, MeanCell, Results, write_outcome
from gallop.wording import counted

HERE = Path(__file__).parent
FOLDER, README, FRONT = HERE / "photos-mini", HERE / "README.md", HERE.parent / "README.md"
SITE = HERE.parent / "docs" / "benchmarks.md"
NAME, OURS = "photos-mini", "GalLoP Explorer"
LINES = {
    "zero-shot": "zero-shot",
    "CoOp": "CoOp",
    "Tip-Adapter-F": "Tip-Adapter-F",
    "linear probe": "linear probe",
    "GalLoP": "GalLoP, as the paper has it",
    OURS: OURS,
}
"""Of the table of sets, and what they are called everywhere."""
FRONT_LINES = ("Tip-Adapter-F", "linear probe", "GalLoP", OURS)
"""Of the table of the project's front page: the best that learns on features, the paper, and ours."""


def text_of(mean: MeanCell) -> str:
    """A cell without the spread of what is the same for every seed."""
    return mean.text.removesuffix(" ± 0.0")


def front(results: Results) -> str:
    """The table of the project's front page: a few lines at all shots, and the unknown photos that pass at the most."""
    shots = results.spec.shots
    rows = []
    for label in FRONT_LINES:
        cells = [text_of(results.mean(label, "accuracy", n, results.plan.sets)) for n in shots]
        best = _best_score(results, label, max(shots))
        if all(cells):
            rows.append([LINES[label], *cells, f"{best[0]:.0f}" if best else ""])
    return markdown_table(["", *(counted(n, "shot") for n in shots), "unknown that pass"], rows)


def by_set(results: Results, shots: int) -> str:
    """Sets by a few lines."""
    lines = {
        label: name
        for label, name in LINES.items()
        if results.mean(label, "accuracy", shots, results.plan.sets).complete
    }

    def row(name: str, sets: Sequence[str]) -> list[str]:
        return [name, *(text_of(results.mean(label, "accuracy", shots, sets)) for label in lines)]

    rows = [row(name, [name]) for name in results.plan.sets]
    return markdown_table(["set", *lines.values()], [*rows, row("**mean**", results.plan.sets)])


def unknown_in_words(results: Results, shots: int) -> str:
    """How many unknown photos pass, line by line, in a sentence."""
    best_scores = {name: _best_score(results, label, shots) for label, name in LINES.items()}
    rates = [f"{each[0]:.0f}% with {name} ({each[1]})" for name, each in best_scores.items() if each is not None]
    ours = f"{OURS} is how this library teaches `mini` by default."
    return f"Where 95% of known photos are accepted, of unknown ones pass {', '.join(rates)}. {ours}"


def by_shots(results: Results) -> str:
    """Every line of the benchmark: means of the sets at all shots, on another domain, and against unknown photos."""
    shots, transfer = results.spec.shots, results.spec.transfer
    pairs = [(source, target) for source, targets in transfer.items() for target in targets]
    most = max(shots)
    rows = []
    for label in (line.label for line in results.spec.group()):
        cells = [text_of(results.mean(label, "accuracy", n, results.plan.sets)) for n in shots]
        if not any(cells):
            continue
        cells += [text_of(results.mean(label, "accuracy", most, [s], test=t)) for s, t in pairs]
        best = _best_score(results, label, most)
        rows.append([f"**{label}**" if label == OURS else label, *cells, f"{best[0]:.1f} ({best[1]})" if best else ""])
    heads = [counted(n, "shot") for n in shots] + [f"{s} to {t}" for s, t in pairs]
    return markdown_table(["accuracy, mean of the sets", *heads, "FPR95, best score"], rows)


def _best_score(results: Results, label: str, shots: int) -> tuple[float, str] | None:
    """FPR95 in percent of the score of a line that lets the fewest unknown photos pass, and its name."""
    sets = results.asked()
    means = {score: results.mean(label, f"fpr95/{score}", shots, sets).mean for score in results.scores(label)}
    there = [(100 * mean, score) for score, mean in means.items() if mean is not None]
    return min(there) if there else None


def marked(results: Results) -> Mapping[tuple[Path, str], str]:
    """What is written between the marks of a page, by the page and the name of the marks."""
    shots = max(results.spec.shots)
    sets = f"{by_set(results, shots)}\n\n{unknown_in_words(results, shots)}"
    return {
        (FRONT, "photos-mini"): front(results),
        (SITE, "photos-mini"): sets,
        (README, "photos-mini"): by_shots(results),
    }


def main(data: Path, out: Path) -> None:
    """Publish what has been run."""
    spec = read_spec(NAME)
    plan = make_plan(spec, read_photos(spec, data), Backbones("cpu").fingerprint)
    results = Results(plan, RecordStore(out).read_all([run.key for run in plan.runs]))
    left = len(plan.runs) - len(results.records)
    if left:
        print(f"{counted(left, 'run')} of {len(plan.runs)} have no record yet; their cells stay empty.")
    for file in write_outcome(results, out):
        if file.name == CSV:
            (FOLDER / f"{CSV}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        else:
            shutil.copyfile(file, FOLDER / file.name)
    for (page, name), text in marked(results).items():
        replace_between(page, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python -m benchmarks.publish DATA OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
