"""None of these: photos of none of the classes against known ones, and the limit that decides everywhere."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import charts, text
from app.library import Evaluation
from app.ui.resources import backbone
from app.ui.widgets.elements import chart, component, reported, uploader
from app.views import testing
from app.visitor.session import Session
from gallop.data.project_file import MOST_ON_SHELF
from gallop.evaluation.limits import at_limit, cuts, limit_of_tests
from gallop.model.scores import VERDICT, captions
from gallop.names.class_names import said

_draw = component("gallop_limit_track", Path(__file__).with_name("limit_track.js"), "range.css")


NONE_YET = np.zeros(0, dtype=np.float32)
_HOLDS = (
    "It applies on every page and to what *Take away* saves: zip, ONNX file, card and report. The threshold of the "
    "run does not change, and the next training computes another one."
)


def unknown(session: Session, tested: testing.Tested | None) -> None:
    st.header(
        "None of these",
        anchor=False,
        help="A photo that belongs to none of the classes still gets the most probable one. The outlier score tells "
        "when not to believe it: above the threshold, the answer is “none of these”.",
    )
    left, right = st.columns([1, 2], gap="large")
    with left:
        uploader(
            "Photos of none of the classes",
            "unknown",
            session.photos.unknown.add,
            help=f"Up to {MOST_ON_SHELF} photos of anything else: your desk, a street, an animal that is not on the "
            "list. They are used only for testing, never for training.",
        )
        photos = list(session.photos.unknown.photos.values())
        if photos:
            shown = tuple(session.photos.unknown.photos)
            st.button(
                "Remove these photos",
                on_click=_take_away,
                args=(session, shown),
                type="tertiary",
                icon=":material/close:",
                key=f"take away {' '.join(shown)}",
            )
    answered = testing.answered(session, backbone(session.training.backbone_name), photos)
    known = tested.answers.outlier if tested is not None else NONE_YET
    other = answered.outlier if answered is not None else NONE_YET
    if not known.size and not other.size:
        return
    with right:
        limit = _limit(session, known, other)
    with st.expander("Outlier scores", icon=":material/bar_chart:", key="outlier scores"):
        chart(charts.outliers(known, other, limit), key="outliers", alt=_alt(known, other, limit))
        does = at_limit(known, other, limit)  # both proportions, each with its interval
        parts = {"Known photos accepted": does.accepted, "unknown photos detected": does.detected}
        st.caption("; ".join(f"{words}: {charts.span(part)}" for words, part in parts.items() if part) + ".")
        if tested is not None and answered is not None:
            _separation(tested.evaluation, answered)
        if answered is not None:
            _answers(session, answered)


def _take_away(session: Session, shown: tuple[str, ...]) -> None:
    for digest in shown:
        session.photos.unknown.photos.pop(digest, None)


def _limit(session: Session, known: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Draw a slider, with a mark for the score of each photo, at the limit in force or, where there is none yet, at the
    one that the photos suggest; it may lie between the positions of the slider.
    """
    in_force, key = session.limit.value, f"limit {session.training.number}"
    limit = limit_of_tests(known if known.size else other) if in_force is None else in_force
    places = cuts(np.concatenate([known, other])).tolist()  # the strictest first

    def on_change() -> None:
        value = reported(key, "limit", dict).get("value")
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            session.limit.set_to(min(max(float(value), places[0]), places[-1]))

    turn = reported(key, "limit", dict).get("turn")
    _draw(
        key=key,
        data={
            "known": sorted(known.tolist()),
            "unknown": sorted(other.tolist()),
            "cuts": places,
            "limit": limit,
            "turn": turn if isinstance(turn, int) else 0,
        },
        on_limit_change=on_change,
    )
    _origin(session, known)
    return limit


def _origin(session: Session, known: NDArray[np.float32]) -> None:
    calibration, doubt = session.training.taught_model.after.calibration_, testing.limit_doubt(session)
    if session.limit.custom is not None:
        st.caption(f"This threshold was {session.limit.origin}.", help=_HOLDS)
        st.button(
            "Remove this threshold" if calibration.threshold is None else "Back to the threshold set during training",
            on_click=session.limit.set_to,
            args=(None,),
        )
        return
    if calibration.threshold is None:
        st.caption("Move the slider to set a threshold.", help=_HOLDS)
    else:
        held_out = f"{100 * calibration.tpr:.3g} %"
        origin = "" if doubt else calibration.note
        more = f" {text.markdown(origin[0].upper() + origin[1:])}." if origin else ""
        promise = (
            f" {calibration.promise[0].upper()}{calibration.promise[1:]}." if calibration.promise and not doubt else ""
        )
        words = f"{held_out} of the photos held out in turn lie below it.{more} {_HOLDS}"
        st.caption(f"Set during training.{promise}", help=words)
    if doubt:
        st.warning(text.markdown(doubt), icon=":material/warning:")
    if known.size and doubt:
        value = limit_of_tests(known)
        args, key = (value, known.size), f"limit from tests {session.training.number} {value}"
        words = "Use the threshold from the test photos"
        st.button(words, on_click=session.limit.set_to, args=args, key=key, help=_HOLDS)


def _separation(known: Evaluation, other: testing.AnsweredPhotos) -> None:
    separation = known.against(other.for_evaluation)
    st.markdown(
        "**How well each score separates known from unknown photos**",
        help="FPR95: the fraction of unknown photos accepted when 95 % of the known ones are; 0 % is best. AUROC: how "
        f"often an unknown photo scores above a known one; 1 is best, 0.5 is chance. {captions(separation)}",
    )
    table = {
        "score": list(separation),
        "FPR95": [text.share(each.fpr95) for each in separation.values()],
        "AUROC": [f"{each.auroc:.3f}" for each in separation.values()],
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, key="separation")
    best = min(separation, key=lambda name: (separation[name].fpr95, -separation[name].auroc))
    st.caption(f"The decision uses {VERDICT}. Here {best} has the lowest FPR95.")


def _answers(session: Session, answered: testing.AnsweredPhotos) -> None:
    found, doubt = answered.found, testing.limit_doubt(session)
    odd = testing.verdicts(session, backbone(session.training.backbone_name), answered)
    table = {
        "photo": [photo.name for photo in answered.photos],
        "answer": [said(k, is_odd, found.class_names, doubt) for k, is_odd in zip(found.labels, odd, strict=True)],
        "probability": [text.percent(float(row.max())) for row in found.probabilities],
        **{name: [f"{value:.4f}" for value in scores] for name, scores in found.ood.items()},
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, key="unknown photos")


def _alt(known: NDArray[np.float32], other: NDArray[np.float32], limit: float) -> str:
    parts = [
        f"{name}: {scores.size} photos from {scores.min():.4f} to {scores.max():.4f}, "
        f"{int((scores > limit).sum())} above the threshold"
        for name, scores in (("known", known), ("unknown", other))
        if scores.size
    ]
    return f"Histogram of the outlier scores, threshold {limit:.4f}. {'; '.join(parts)}."
