"""One photo's explanation as a single HTML page: to send, to print, to keep. It asks nothing of any other machine.

All text is escaped, pictures are data URLs, there is no script, and a content policy in the page forbids the rest.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence

from PIL import Image

from gallop import __version__
from gallop.maps.pictures import map_picture
from gallop.maps.region_grid.panel import Style, Subject, scale_of
from gallop.predictions.explanation import Explanation

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SIDE = 640
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; }
th, td { text-align: left; padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid #8886; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; }
img { max-width: 100%; height: auto; border-radius: 0.3rem; }
figcaption { font-size: 0.9rem; }
"""


def html_report(
    explanation: Explanation,
    *,
    class_name: str | None = None,
    photo_name: str = "",
    facts: Sequence[tuple[str, str]] = (),
    style: Style | None = None,
) -> str:
    """The page.

    Args:
        class_name: whose scores and maps are shown; by default the most probable class.
        photo_name: what the photo is called.
        facts: further lines (what, value), such as how the classifier was taught.
        style: how maps are drawn.
    """
    shown = explanation.label if class_name is None else class_name
    subject = Subject(explanation, shown)
    title = f"What decided: {photo_name or 'a photo'}"
    body = [
        f"<h1>{_safe(title)}</h1>",
        f'<p><img alt="The photo" src="{_url(_small(explanation.image))}"></p>',
        f"<p>{_answer(explanation)}</p>",
        "<h2>Probabilities</h2>",
        _probabilities(explanation),
        f"<h2>Scores of {_safe(shown)}</h2>",
        _scores(explanation, shown),
        *_maps(subject, style),
        *(["<h2>The classifier</h2>", _table(("what", "value"), facts)] if facts else []),
        f"<p>Cosines are between -1 and 1. Written by gallop {_safe(__version__)}.</p>",
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{_safe(title)}</title><style>{_STYLE}</style></head>",
            "<body><main>",
            *body,
            "</main></body></html>\n",
        ]
    )


def _answer(explanation: Explanation) -> str:
    label = explanation.label
    words = f"Most probable: <strong>{_safe(label)}</strong>, {_share(explanation.probabilities[label])}."
    score = f"outlier score (GL-MCM) {explanation.ood_score:.4f}"
    if explanation.threshold is None:
        return f'{words} Its {score}; there is no limit for "none of these".'
    verdict = "Perhaps it is none of these" if explanation.is_ood else "It is one of these"
    return f"{words} {verdict}: {score}, limit {explanation.threshold:.4f}."


def _probabilities(explanation: Explanation) -> str:
    branches = {"together": explanation.probabilities, "global prompts": explanation.global_probabilities}
    if explanation.local_probabilities is not None:
        branches["local prompts"] = explanation.local_probabilities
    order = sorted(explanation.class_names, key=lambda name: -explanation.probabilities[name])
    rows = [(name, *(_share(shares[name]) for shares in branches.values())) for name in order]
    return _table(("class", *branches), rows)


def _scores(explanation: Explanation, shown: str) -> str:
    row = explanation.class_names.index(shown)
    rows = [
        (f"global prompt {m}", f"{score:.4f}", "the whole photo")
        for m, score in enumerate(explanation.global_scores[row], 1)
    ]
    rows += [
        (f"local prompt {n + 1}, k = {explanation.topk[n]}", f"{score:.4f}", explanation.describe(shown, n))
        for n, score in enumerate(explanation.local_scores[row])
    ]
    return _table(("prompt", "score", "where it looked"), rows)


def _maps(subject: Subject, style: Style | None) -> list[str]:
    explanation = subject.explanation
    if not explanation.topk:
        return []
    prompts = range(len(explanation.topk))
    scale = scale_of([subject.scores(n) for n in prompts])
    figures = []
    for n in prompts:
        picture = _url(_small(map_picture(subject, n, scale=scale, style=style)))
        words = f"Local prompt {n + 1}, k = {explanation.topk[n]}: {explanation.describe(subject.class_name, n)}."
        figures.append(
            f'<figure><img alt="Map for {_safe(subject.class_name)}. {_safe(words)}" src="{picture}">'
            f"<figcaption>{_safe(words)}</figcaption></figure>"
        )
    return [
        "<h2>Where it looked</h2>",
        f"<p>The best regions, outlined, are those whose mean is the score. One colour scale: {scale.low:.3f} to "
        f"{scale.high:.3f}.</p>",
        f'<div class="maps">{"".join(figures)}</div>',
    ]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_safe(cell)}</th>' for cell in heading)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(text: str) -> str:
    number = text.rstrip(" %").replace(".", "", 1).lstrip("-").isdecimal()
    return f'<td class="number">{_safe(text)}</td>' if number else f"<td>{_safe(text)}</td>"


def _share(probability: float) -> str:
    return f"{100 * probability:.2f} %"


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)


def _small(image: Image.Image) -> Image.Image:
    picture = image.copy()
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return picture


def _url(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
