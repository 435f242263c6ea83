"""One photo's explanation as a single HTML page, to send, print or save. It loads nothing from any other machine.

The explanation lives in it, as in the app: k, class and regions can be moved and asked. All text is escaped, pictures
are data URLs, and a content policy in the page admits one script, the explainer's by its hash, and forbids the rest.
Readers without scripts see the photo in its place, and where each prompt looked in words.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from gallop import __version__
from gallop.config import HEADS
from gallop.documents.rendering import render
from gallop.maps.explainer import STYLE_SHEET, script
from gallop.maps.explainer.payload import explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Style, Subject
from gallop.maps.shown_photo import photo_url
from gallop.model.scores import VERDICT
from gallop.predictions.explanation import Explanation
from gallop.wording import strange_in_words, strangeness

VOTES_LISTED = 10
"""Shots that are listed one by one."""


def html_report(
    explanation: Explanation,
    *,
    class_name: str | None = None,
    photo_name: str = "",
    facts: Sequence[tuple[str, str]] = (),
    style: Style | None = None,
) -> str:
    """Return the page.

    Args:
        class_name: whose scores and maps are shown at first; by default the most probable class.
        photo_name: what the photo is called.
        facts: further lines (what, value), such as how the classifier was taught.
        style: how maps are drawn.
    """
    subject = Subject(explanation, explanation.label if class_name is None else class_name)
    state = ExplainerState(class_name, style=style or Style())
    code = script()
    return render(
        "export/report.html.j2",
        script=Markup(code),
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}",
        style_sheet=Markup(STYLE_SHEET.read_text(encoding="utf-8")),
        data=htmlsafe_json_dumps(explainer_data(explanation, state=state, asks=False)),
        title=f"What decided: {photo_name or 'a photo'}",
        photo=photo_url(explanation.image, explanation.crop),
        why=explanation,
        strange=""
        if explanation.threshold is None
        else strange_in_words(strangeness(explanation.ood_score, explanation.threshold, len(explanation.class_names))),
        shown=subject.class_name,
        probabilities=_probabilities(explanation),
        votes=_votes(subject),
        scores=_scores(subject),
        facts=facts,
        percent=_percent,
        is_number=lambda text: text.rstrip(" %").replace(".", "", 1).lstrip("-").isdecimal(),
        version=__version__,
    )


def _probabilities(explanation: Explanation) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Heading and rows, the most probable class first."""
    branches = {"together": explanation.probabilities, "global prompts": explanation.global_probabilities}
    if explanation.local_probabilities is not None:
        branches["local prompts"] = explanation.local_probabilities
    branches |= {HEADS[name].title: branch for name, branch in explanation.branch_probabilities.items()}
    order = sorted(explanation.class_names, key=lambda name: -explanation.probabilities[name])
    return ("class", *branches), [(name, *(_percent(branch[name]) for branch in branches.values())) for name in order]


def _scores(subject: Subject) -> list[Sequence[str]]:
    why, row = subject.explanation, subject.explanation.class_names.index(subject.class_name)
    global_rows = [
        (f"global prompt {m}", f"{score:.4f}", "the whole photo") for m, score in enumerate(why.global_scores[row], 1)
    ]
    regions = [
        (f"local prompt {n + 1}, k = {why.topk[n]}", f"{score:.4f}", why.describe(subject.class_name, n))
        for n, score in enumerate(why.local_scores[row])
    ]
    taught = [
        (HEADS[name].title, f"{scores[row]:.4f}", "all regions equally") for name, scores in why.branch_scores.items()
    ]
    limit = "" if why.threshold is None else f"above {why.threshold:.4f} it is none of these"
    return [*global_rows, *regions, *taught, (f"outlier score of the photo ({VERDICT})", f"{why.ood_score:.4f}", limit)]


def _votes(subject: Subject) -> list[Sequence[str]]:
    """The shots with the largest votes for and against the class, and the rest: their sum is a branch's score."""
    why, row = subject.explanation, subject.explanation.class_names.index(subject.class_name)
    rows: list[Sequence[str]] = []
    for voted in why.votes.values():
        given, listed = voted.shots[:, row], voted.strongest(row, VOTES_LISTED)
        rows += [(f"shot {i + 1}", why.class_names[int(voted.labels[i])], f"{float(given[i]):.4f}") for i in listed]
        if len(given) > len(listed):
            others = float(given.sum() - given[listed].sum())
            rows.append((f"the other {len(given) - len(listed)}", "", f"{others:.4f}"))
        rest = "the class names" if voted.named else "independent of the shots"
        rows.append((rest, "", f"{float(voted.rest[row]):.4f}"))
    return rows


def _percent(probability: float) -> str:
    return f"{100 * probability:.2f} %"
