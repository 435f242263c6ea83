"""A run as JSON in its row of the store, and back. Knows no Streamlit and no database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.runs.run import Run
from app.teaching.progress import Answer, Point
from app.teaching.settings import Settings
from app.towers.options import DEFAULT_TOWER
from gallop.setting import recorded

_FIRST = ("shots", "global_prompts", "topk", "dropout", "lr", "epochs", "batch_size", "views", "seed")
"""Settings that stand in every run, as they did in the first ones. Nothing is ever added here."""
_SAID = ("answers", "answers_before")


def written(run: Run) -> str:
    """All but what has a column of its own."""
    facts = {
        "class_names": run.class_names,
        "settings": recorded_settings(run.settings) if run.settings else None,
        "tower": run.tower,
        "fingerprint": run.fingerprint,
        "data": run.data,
        "content": sorted(run.content),
        "shots": run.shots,
        "steps": run.steps,
        "of_steps": run.of_steps,
        "best_epoch": run.best_epoch,
        "history": [[point.step, round(point.loss, 6), round(point.accuracy, 6)] for point in run.history],
        "answers": _answers(run.answers),
        "answers_before": _answers(run.answers_before),
    }
    return json.dumps(facts, ensure_ascii=False)


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings as a run has them: one that came later only where it is used."""
    return recorded(settings, _FIRST)


def _answers(answers: Mapping[str, Answer]) -> dict[str, list[Any]]:
    return {digest: [a.truth, a.label, a.probability, a.seen] for digest, a in answers.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("this is a text in every run")
    return value


def run_of_row(row: Any) -> Run | None:
    """A run as it was kept; None for a row that somebody else has changed."""
    try:
        facts = json.loads(row.facts)
        settings = facts["settings"] | {"topk": tuple(facts["settings"]["topk"])}
        answers = {key: {digest: Answer(*said) for digest, said in facts[key].items()} for key in _SAID}
        return Run(
            id=row.id,
            name=row.name,
            made=row.made,
            class_names=tuple(facts["class_names"]),
            settings=Settings(**settings),
            tower=_text(facts.get("tower", DEFAULT_TOWER)),
            fingerprint=_text(facts.get("fingerprint", "")),
            content=frozenset((name, digest) for name, digest in facts["content"]),
            history=tuple(Point(*point) for point in facts["history"]),
            **{key: facts[key] for key in ("shots", "steps", "of_steps", "best_epoch")},
            answers=answers["answers"],
            answers_before=answers["answers_before"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
