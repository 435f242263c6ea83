"""Two runs side by side: accuracy and its interval, seeds, what dropout changes, where answers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import charts, text
from app.library import Diversity, Explanation
from app.photos import shelf
from app.runs import run as of
from app.runs.run import Run
from app.teaching import tasks
from app.teaching.training import Settings
from app.ui.compare.runs import name, pin_names
from app.ui.explanation.answer import session_photo_url
from app.ui.resources import backbones, holding
from app.ui.widgets.elements import chart, image, job_outcome, problems_shown, start_job
from app.ui.widgets.explainer import one_map
from app.ui.widgets.remembered import one_of
from app.views import compare
from app.views.testing import pair
from app.visitor.page_state import CompareState
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.look import Subject, scale_of

_FURTHER = 4


def train_seeds(session: Session, pinned: tuple[Run, Run], everything: list[Run]) -> None:
    a, b = pinned
    # Two seeds of the same training share a line and a button.
    together = a.id == b.id or b.id in {run.id for run in of.siblings(a, everything)}
    sides = {"A": a} if together else {"A": a, "B": b}
    names, spreads = pin_names(pinned), {}
    for label, run in sides.items():
        if (spread := of.spread(of.siblings(run, everything))) is not None:
            spreads[f"{label}: {names[label]}"] = spread
            st.markdown(f"{label}, {text.markdown(names[label])}: {text.markdown(charts.spread_in_words(spread))}.")
    if spreads:
        words = (f"{text.shorten(label)}: {charts.spread_in_words(spread)}." for label, spread in spreads.items())
        chart(charts.seeds_chart(spreads), key="seeds", alt=" ".join(words))
    for label, run in sides.items():
        if run.settings is None:  # there is no seed in zero-shot
            continue
        problem = compare.cannot_repeat(session, run)
        if _train_button(
            session,
            f"Train {label} with {_FURTHER} more seeds",
            key=f"seeds {label} {run.id}",
            problem=problem and f"{label}: {problem}",
            icon=":material/casino:",
            help="Which photos are drawn, how they are cropped and which prompts are dropped is random: one seed can "
            "be ten points off, so judge by several. A dot for each; the bar is the 95 % interval of their mean.",
        ):
            further = [replace(run.settings, seed=seed) for seed in of.further_seeds(run, everything, _FURTHER)]
            train_like(session, run, further, "seeds", f"{label} with {_FURTHER} more seeds")


def _train_button(session: Session, label: str, *, problem: str, **drawn: Any) -> bool:
    """Draw a button that trains, or, where the cards cannot be trained on, why; return whether it was clicked."""
    clicked = st.button(label, disabled=bool(problem) or session.page_jobs.running is not None, **drawn)
    if problem:
        st.caption(text.markdown(problem))
    return clicked


def train_like(session: Session, run: Run, settings: Sequence[Settings], job: str, words: str) -> None:
    """Train the cards as they are on the backbone of a run, once with each of these settings, as a job of the page."""
    with problems_shown():
        name = compare.backbone_of_run(backbones(), run)
        start_job(session, compare.series(session, backbones(), name, settings), job, words)


def compare_with_coop(session: Session) -> None:
    if _train_button(
        session,
        "Train CoOp",
        key="coop",
        problem=tasks.check_photos(session.photos.shots()),
        icon=":material/model_training:",
        help="CoOp (Zhou et al. 2022) learns one global prompt and looks at no regions. GalLoP adds local prompts, "
        "dropout and, where there is one, a head.",
    ):
        settings = compare.coop_settings(session.training.fitting)
        task = compare.series(session, backbones(), session.training.backbone_name, [settings])
        start_job(session, task, "seeds", "CoOp on the cards")


JOB = "dropout"
_MOST_SHOWN = 4


def what_dropout_changes(
    session: Session, pinned: tuple[Run, Run], saved_runs: Sequence[Run], photos: Mapping[str, Photo]
) -> None:
    st.header(
        "What dropout changes",
        anchor=False,
        help="In each step of a training a random fraction of the global prompts is dropped for each photo, so that "
        "the prompts learn to differ (paper, section 3.1). Squares: cosines of what two of them say of a class; 1 is "
        "the same. Global together: right by the mean of a run's global prompts alone; the figures above count local "
        "prompts and head too. Best global: by the best single one, picked on these photos, so the figure is "
        "optimistic. Spread: the standard deviation of the prompts' scores of the true class, averaged over the "
        "photos.",
    )
    job_outcome(session, JOB)
    shown = compare.dropout_runs(pinned, saved_runs)[:_MOST_SHOWN]
    if not shown:
        st.caption("Pin a run with several global prompts.")
        return
    pairs = compare.both_tested(shown, photos)
    with problems_shown(), st.spinner("Looking at the prompts …", show_time=False):
        prompts = {run.id: _global_prompts(session, run, pairs) for run in shown}
        for run, column in zip(shown, st.columns(_MOST_SHOWN, gap="medium"), strict=False):
            with column:
                _matrix(run, *prompts[run.id])
        lines = [_dropout_line(run, *prompts[run.id], len(pairs)) for run in shown]
        st.dataframe(pd.DataFrame(lines).fillna("-"), hide_index=True, key="dropout")
        if not pairs:
            st.caption("None of their test photos is here.")
    _train_other_dropouts(session, shown[0], saved_runs)


def _global_prompts(
    session: Session, run: Run, pairs: Sequence[tuple[Photo, str]]
) -> tuple[NDArray[np.float32], Diversity]:
    """Use the run's backbone, for one run at a time: there may not be memory for all of them."""
    with holding(compare.backbone_of_run(backbones(), run)) as backbone:
        return compare.global_prompts_of(session, backbone, run, pairs)


def _keeps(run: Run) -> str:
    assert run.settings is not None
    return f"{run.settings.kept_prompts} of {run.settings.global_prompts}"


def _matrix(run: Run, says: NDArray[np.float32], diversity: Diversity) -> None:
    names = [str(m) for m in range(1, len(says) + 1)]
    st.markdown(f"**{name(run)}** keeps {_keeps(run)}")
    st.caption(f"{diversity.words}.")
    i, j, value = pair(says)
    chart(
        charts.cosines(says, names),
        key=f"dropout {run.id}",
        alt=f"Cosines of the global prompts of {run.name}; the closest are {i + 1} and {j + 1}, {value:.3f}.",
    )


def _dropout_line(run: Run, says: NDArray[np.float32], diversity: Diversity, photos: int) -> dict[str, str]:
    assert run.settings is not None
    line = {
        "run": run.name,
        "dropout": f"{run.settings.dropout:g}",
        "kept": _keeps(run),
        "closest two": f"{pair(says)[2]:.3f}",
    }
    if diversity.answers is None:
        return line
    each = diversity.answers[0]
    return line | {
        "spread": f"{each.spread:.4f}",
        "disagree on": f"{each.disagree} of {photos}",
        "best global": f"{each.best} right",
        "global together": f"{each.together} right",
    }


def _train_other_dropouts(session: Session, run: Run, saved_runs: Sequence[Run]) -> None:
    left = compare.dropouts_left(run, saved_runs)
    if not left or run.settings is None:
        return
    which = text.joined([f"{each.dropout:g}" for each in left])
    keeping = text.joined([str(each.kept_prompts) for each in left])
    if _train_button(
        session,
        f"Train with dropout {which}",
        key=f"dropout {run.id} {which}",
        problem=compare.cannot_repeat(session, run),
        icon=":material/model_training:",
        help=f"Seed, photos and all else as in {name(run)}. Of its {run.settings.global_prompts} global prompts "
        f"{keeping} are kept for each photo. A dropout that keeps as many as another is the same training: left out.",
    ):
        train_like(session, run, left, JOB, f"Dropout {which}")


def versus(a: Run, b: Run) -> None:
    names, note = pin_names((a, b)), of.backbones_in_words(a, b)
    if note:
        st.info(text.markdown(note), icon=":material/info:")
    if a.settings is not None and b.settings is not None:  # nothing is set for zero-shot
        st.markdown("**Settings that differ**")
        lines = of.differences(a, b)
        if lines:
            st.dataframe(pd.DataFrame(lines, columns=["what", "A", "B"]), hide_index=True, key="differences")
        else:
            st.caption("None: A and B have the same settings, classes and photos.")
    for column, label, run, other in zip(st.columns(2, gap="large"), "AB", (a, b), (b, a), strict=True):
        with column:
            _metric(label, names[label], run, other)
    _verdict(a, b)
    if histories := {f"{label}: {names[label]}": run for label, run in (("A", a), ("B", b)) if run.history}:
        st.markdown("**Loss**")
        words = (
            f"{label}: loss {run.history[0].loss:.3f} at step {run.history[0].step}, {run.history[-1].loss:.3f} at "
            f"step {run.history[-1].step}."
            for label, run in histories.items()
        )
        chart(charts.losses(histories), key="losses", alt=" ".join(words))


def _metric(label: str, name: str, run: Run, other: Run) -> None:
    called = f"{label}: {text.markdown(name)}"
    photos = of.fair(run, other)
    accuracy, reference = of.proportion_right(run, photos), of.proportion_right(other, photos)
    if accuracy is None or reference is None:
        st.metric(called, "-")
        return
    low, high = accuracy.interval
    points = 100 * (accuracy.value - reference.value) if label == "A" else 0.0
    st.metric(
        f"{called}, right on {accuracy.of} test photos", f"{100 * accuracy.value:.1f} %", text.gain(points, "B", 1)
    )
    st.caption(f"95 % confidence interval: {100 * low:.0f} to {100 * high:.0f} %.")


def _verdict(a: Run, b: Run) -> None:
    test = of.sign_test(a, b)
    if test is None:
        st.markdown(
            "A and B have no test photos in common. Add test photos to the class cards on *Teach*, then train both "
            "again."
        )
        return
    if not test.only_first + test.only_second:
        st.markdown("A and B get the same test photos right and the same ones wrong.")
        return
    often = "fewer than 1 %" if test.p < 0.01 else f"{100 * test.p:.0f} %"
    st.markdown(
        f"Only A is right on **{test.only_first}** of the shared test photos, only B on **{test.only_second}**. This "
        f"split {test.chance}.",
        help=f"If both were equally good, a split this uneven would occur in {often} of cases (McNemar's exact test). "
        "More test photos or seeds would tell.",
    )


MOST_SMALL = 8


def flipped(a: Run, b: Run, photos: Mapping[str, Photo]) -> None:
    flips, names = of.flips(a, b), of.backbones_of((a, b))
    if all(names):
        st.caption(text.markdown(f"A answers with the backbone {names[0]}, B with {names[1]}."))
    if not flips:
        st.caption(
            f"None: A and B have the same nearest class for all {len(a.answers.keys() & b.answers.keys())} photos that "
            "they share. Whether a photo is none of these is not compared."
        )
        return
    here = [flip for flip in flips if flip.digest in photos]
    if here:
        small = here[:MOST_SMALL]
        alt = "; ".join(
            f"{photos[flip.digest].name}: really {flip.a.truth}, A says {flip.a.label}, B says {flip.b.label}"
            for flip in small
        )
        image(shelf.strip([photos[flip.digest] for flip in small], side=96), alt=f"From left to right: {alt}")
    says = st.column_config.TextColumn(help="The most probable class; the limit for none of these is not used.")
    st.dataframe(
        pd.DataFrame(
            {
                "photo": photos[flip.digest].name if flip.digest in photos else f"not here ({flip.digest[:8]})",
                "really": flip.a.truth,
                "A says": f"{flip.a.label}, {text.percent(flip.a.probability)}",
                "B says": f"{flip.b.label}, {text.percent(flip.b.probability)}",
                "who is right": flip.words,
                "used to": "learn" if flip.a.seen or flip.b.seen else "test",
            }
            for flip in flips
        ),
        hide_index=True,
        key="flips",
        column_config={"A says": says, "B says": says},
    )
    if len(here) < len(flips):
        st.caption(
            f"{len(flips) - len(here)} of these {len(flips)} photos cannot be shown.",
            help="A run stores no photos, only its answers. Add the photos to the class cards on *Teach* to see them.",
        )


def side_by_side(session: Session, pinned: tuple[Run, Run], photos: Mapping[str, Photo]) -> None:
    a, b = pinned
    first = [flip.digest for flip in of.flips(a, b) if flip.digest in photos]
    listed = list(dict.fromkeys([*first, *photos]))
    shared = [class_name for class_name in a.class_names if class_name in b.class_names]
    if not listed:
        st.info("No photos yet. Add one on *Explore* or *Teach*.", icon=":material/info:")
        return
    if not shared:
        st.caption("A and B have no class in common, so their maps cannot be compared.")
        return
    left, middle, right = st.columns([2, 2, 1])
    with left:
        photo = photos[one_of("Photo", listed, CompareState.photo, listed[0], compare.photo_names(session).__getitem__)]
    both = [_explained(session, run, photo) for run in pinned]
    usual = both[0].label if both[0].label in shared else shared[0]
    with middle:
        chosen = one_of("Class of the maps", shared, CompareState.class_name, usual)
    prompts = range(max(*(len(explanation.topk) for explanation in both), 1))
    with right:
        prompt = one_of("Local prompt", prompts, CompareState.prompt, 0, lambda n: f"{n + 1}")
    _maps(session, pinned, both, photo.sha256, chosen, prompt)


def _explained(session: Session, run: Run, photo: Photo) -> Explanation:
    """Use the run's backbone, for one run at a time: there may not be memory for both."""
    with holding(compare.backbone_of_run(backbones(), run)) as backbone:
        return compare.explain_with_run(session, backbone, run, photo)


def _maps(
    session: Session, pinned: tuple[Run, Run], both: Sequence[Explanation], photo: str, chosen: str, prompt: int
) -> None:
    subjects = [Subject(explanation, chosen) for explanation in both]
    drawn = [subject for subject in subjects if prompt < len(subject.explanation.topk)]
    alike = of.same_backbone(*pinned)  # cosines of two backbones have no common scale
    scale = scale_of([subject.scores(prompt) for subject in drawn]) if drawn and alike else None
    names = pin_names(pinned)
    for column, label, subject in zip(st.columns(2, gap="large"), names, subjects, strict=True):
        explanation = subject.explanation
        with column:
            st.markdown(
                f"**{label}: {text.markdown(names[label])}** says {text.markdown(explanation.answer)}, "
                + text.percent(explanation.probabilities[explanation.label]),
                help=text.markdown(explanation.doubt) or None,
            )
            if prompt >= len(explanation.topk):
                st.caption(f"This run has no local prompt {prompt + 1}, so there is no map.")
                continue
            one_map(
                explanation,
                chosen,
                prompt,
                photo=photo,
                picture=session_photo_url(session, explanation),
                scale=scale or scale_of([subject.scores(prompt)]),
                key=f"compared map {label}",
            )
            score = float(explanation.local_scores[explanation.class_names.index(chosen), prompt])
            st.caption(
                f"Score at k = {explanation.topk[prompt]}: {score:.4f}",
                help=f"Its best regions: {explanation.describe(chosen, prompt)}.",
            )
    if len(drawn) == 2 and not alike:
        st.caption(
            "Each map has its own colour scale, from its lowest to its highest score, because scores from different "
            "backbones are not comparable."
        )
