"""None of these: photos of none of the classes against known ones, and the limit that decides everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import text
from app.charts import test_charts
from app.photos.shelf import MAX_PHOTOS
from app.ui.resources import backbone
from app.ui.widgets import media
from app.ui.widgets.uploads import uploader
from app.views import testing
from app.views.testing import AnsweredPhotos, Tested
from app.visitor.session import Session
from gallop.evaluation.intervals import Share
from gallop.model.scores import VERDICT, captions

if TYPE_CHECKING:
    from gallop.evaluation.measure import Evaluation

_STEPS = 200
NONE_YET = np.zeros(0, dtype=np.float32)


def unknown(session: Session, tested: Tested | None) -> None:
    """Uploads, the limit, and what it does to known and unknown photos."""
    st.header(
        "None of these",
        anchor=False,
        help="A photo that is none of the classes still gets the most probable of them. The outlier score says when "
        "not to believe it: above the limit the answer is “none of these”.",
    )
    left, right = st.columns([1, 2], gap="large")
    with left:
        hint = (
            f"Up to {MAX_PHOTOS} photos of anything else: your desk, a street, an animal that is not on the list. They "
            "are only tested with, never learned from."
        )
        uploader("Photos of none of the classes", "unknown", session.photos.unknown.add, help=hint)
        photos = list(session.photos.unknown.photos.values())
        if photos:
            shown = tuple(session.photos.unknown.photos)
            icon, key = ":material/close:", f"take away {' '.join(shown)}"
            args = (session, shown)
            st.button("Remove these photos", on_click=_take_away, args=args, type="tertiary", icon=icon, key=key)
    found = testing.answered(session, backbone(session.training.tower), photos)
    known = tested.answers.outlier if tested is not None else NONE_YET
    other = found.outlier if found is not None else NONE_YET
    if not known.size and not other.size:
        return
    with right:
        limit = _limit(session, known, other)
        _effect(known, other, limit)
        media.chart(test_charts.outliers(known, other, limit), key="outliers", alt=_alt(known, other, limit))
    if tested is not None and found is not None:
        _separation(tested.evaluation, found)
    if found is not None:
        _verdicts(session, found, limit)


def _take_away(session: Session, shown: tuple[str, ...]) -> None:
    for digest in shown:
        session.photos.unknown.photos.pop(digest, None)


def _moved(session: Session, key: str) -> None:
    """The slider ``key`` was moved; one of an earlier training no longer says anything."""
    if key == session.limit.key:
        session.limit.set_by_hand(float(st.session_state[key]))


def _limit(session: Session, known: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The slider, at the limit in force."""
    assert session.training.taught is not None
    stored = session.training.taught.after.calibration_.threshold
    # Without one from teaching it begins where 95% of the known photos are kept.
    usual = stored if stored is not None else float(np.quantile(known if known.size else other, 0.95))
    every = np.concatenate([known, other, [usual]])
    room = max(float(np.ptp(every)) / 20, 1e-4)
    low, high = float(every.min()) - room, float(every.max()) + room
    value = min(max(usual if session.limit.own is None else session.limit.own, low), high)
    key = session.limit.key
    st.slider(
        "Limit of the outlier score: above it, none of these",
        low,
        high,
        value,
        key=key,
        step=(high - low) / _STEPS,
        format="%.4f",
        on_change=_moved,
        args=(session, key),
    )
    if session.limit.own is not None:
        st.caption("Set by you. It decides on the pages *Explore* and *Teach* too, until you teach again.")
        back = "Back to the limit found while teaching" if stored is not None else "Remove this limit"
        st.button(back, on_click=session.limit.set_by_hand, args=(None,))
    elif stored is None:
        st.caption("No limit was found while teaching, so there is no verdict yet. Move this one to have a verdict.")
    else:
        note = session.training.taught.after.calibration_.note
        more = f" {text.markdown(note[0].upper() + note[1:])}." if note else ""
        st.caption(
            f"Found while teaching.{more}",
            help="95 % of the photos that were held out in turn lie below it. Moved here, it decides on the pages "
            "*Explore* and *Teach* too.",
        )
    return value


def _effect(known: NDArray[np.float32], other: NDArray[np.float32], limit: float) -> None:
    rows = st.columns(2)
    kept, caught = int((known <= limit).sum()), int((other > limit).sum())
    if known.size:
        share = Share(kept, known.size)
        rows[0].metric("Known photos taken for known", f"{kept} of {known.size}")
        rows[0].caption(test_charts.span(share))
    if other.size:
        share = Share(caught, other.size)
        rows[1].metric("Unknown photos noticed", f"{caught} of {other.size}")
        rows[1].caption(test_charts.span(share))


def _separation(known: Evaluation, other: AnsweredPhotos) -> None:
    """The scores side by side, whatever the limit."""
    found = known.against(other.kept)
    left, right = st.columns([1, 1], gap="large")
    with left:
        words = "; ".join(f"{name}: AUROC {each.auroc:.3f}, FPR95 {each.fpr95:.0%}" for name, each in found.items())
        media.chart(test_charts.roc(found), key="roc", alt=f"ROC curves. {words}.")
        st.caption("Each curve: all limits, strict to lenient. Dashed: 95 % of the known photos kept.")
    with right:
        st.markdown(
            "**How well each score tells known from unknown**",
            help="FPR95: unknown photos that pass for known where 95 % of the known do; 0 % is best. AUROC: how often "
            f"an unknown photo scores above a known one; 1 is best, 0.5 is chance. {captions(found)}",
        )
        table = {
            "score": list(found),
            "FPR95": [f"{each.fpr95:.0%}" for each in found.values()],
            "AUROC": [f"{each.auroc:.3f}" for each in found.values()],
        }
        st.dataframe(pd.DataFrame(table), hide_index=True, key="separation")
        best = min(found, key=lambda name: (found[name].fpr95, -found[name].auroc))
        st.caption(f"The verdict goes by {VERDICT}. Here {best} has the lowest FPR95.")


def _verdicts(session: Session, found: AnsweredPhotos, limit: float) -> None:
    """Every unknown photo: what it was taken for, and whether it was noticed."""
    assert session.training.taught is not None
    names, best = session.training.taught.names, found.probabilities.argmax(axis=1)
    decided = session.limit.value is not None
    table = {
        "photo": [photo.name for photo in found.photos],
        "most like": [names[k] for k in best],
        "probability": [text.percent(float(row[k])) for row, k in zip(found.probabilities, best, strict=True)],
        **{name: [f"{value:.4f}" for value in scores] for name, scores in found.ood.items()},
        "verdict": [_verdict(float(value), limit, decided=decided) for value in found.outlier],
    }
    with st.expander("The unknown photos one by one", icon=":material/table:"):
        st.dataframe(pd.DataFrame(table), hide_index=True, key="unknown photos")


def _verdict(score: float, limit: float, *, decided: bool) -> str:
    if not decided:
        return "none yet"
    return "none of these" if score > limit else "passes for known"


def _alt(known: NDArray[np.float32], other: NDArray[np.float32], limit: float) -> str:
    parts = [
        f"{name}: {scores.size} photos from {scores.min():.4f} to {scores.max():.4f}, "
        f"{int((scores > limit).sum())} above the limit"
        for name, scores in (("known", known), ("unknown", other))
        if scores.size
    ]
    return f"Histogram of the outlier scores, limit {limit:.4f}. {'; '.join(parts)}."
