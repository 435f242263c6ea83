"""Two runs side by side: accuracy and its interval, settings, and where answers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app import text
from app.photos.shelf import thumbnail_url
from app.runs import run as of
from app.runs.run import Run
from app.visitor.session import Session
from gallop import Photo


def versus(a: Run, b: Run, runs: Sequence[Run]) -> None:
    """Draw what differs between A and B, and how good they are on the photos that compare them.

    Args:
        runs: all of them, the newest first: those that differ in the seed alone give the spread.
    """
    mine, other = of.backbones_of((a, b))
    if mine:
        st.info(
            text.markdown(
                f"A uses the backbone {mine} and B uses {other}. Differences may come from the backbones rather than "
                "from training, and their outlier scores, cosines and losses are not comparable."
            ),
            icon=":material/info:",
        )
    if b.settings is not None:  # nothing is set for zero-shot
        st.markdown("**Settings that differ**")
        if lines := of.differences(a, b):
            st.dataframe(pd.DataFrame(lines, columns=["what", "A", "B"]), hide_index=True, key="differences")
        else:
            st.caption("None: A and B have the same settings, classes and photos.")
    names = _names(a, b)
    for column, label, run, reference in zip(st.columns(2, gap="large"), "AB", (a, b), (b, a), strict=True):
        with column:
            _metric(label, names[label], run, reference)
            if seeds := of.seeds_in_words(run, runs):
                st.caption(f"{seeds}.")
    _verdict(a, b)


def _names(a: Run, b: Run) -> dict[str, str]:
    """Return the names of A and B for Markdown, with their backbones where these differ."""
    named = zip("AB", (a, b), of.backbones_of((a, b)), strict=True)
    return {
        label: text.markdown(text.shorten(run.name) + (f" on {backbone}" if backbone else ""))
        for label, run, backbone in named
    }


def _metric(label: str, name: str, run: Run, other: Run) -> None:
    called = f"{label}: {name}"
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
    st.caption(f"Likely {100 * low:.0f} to {100 * high:.0f} %.")


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


def flipped(session: Session, a: Run, b: Run, photos: Mapping[str, Photo]) -> None:
    """Draw the photos that A and B answer differently."""
    flips = of.flips(a, b)
    if not flips:
        st.caption(
            f"None: A and B have the same nearest class for all {len(a.answers.keys() & b.answers.keys())} photos that "
            "they share. Whether a photo is none of these is not compared."
        )
        return
    here = [digest for digest in flips if digest in photos]
    says = st.column_config.TextColumn(help="The most probable class; the limit for none of these is not used.")
    st.dataframe(
        pd.DataFrame(
            {
                "picture": _small(session, photos[digest]) if digest in photos else None,
                "photo": photos[digest].name if digest in photos else f"not here ({digest[:8]})",
                "really": mine.truth,
                "A says": f"{mine.label}, {text.percent(mine.probability)}",
                "B says": f"{other.label}, {text.percent(other.probability)}",
                "who is right": of.who_is_right(a, b, digest),
                "used to": "learn" if mine.seen or other.seen else "test",
            }
            for digest, mine, other in ((digest, a.answers[digest], b.answers[digest]) for digest in flips)
        ),
        hide_index=True,
        key="flips",
        row_height=64,
        column_config={"picture": st.column_config.ImageColumn(), "A says": says, "B says": says},
    )
    if len(here) < len(flips):
        st.caption(
            f"{len(flips) - len(here)} of these {len(flips)} photos cannot be shown.",
            help="A run stores no photos, only its answers. Add the photos to the class cards on *Teach* to see them.",
        )


def _small(session: Session, photo: Photo) -> str:
    return session.answers.thumbnail(photo, lambda: thumbnail_url(photo.image))
