"""A file uploader that gives a verdict for each file and lets go of the uploads at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

import text
from parts import again
from photos import Verdicts
from resources import session

PHOTO_MEGABYTES = 20
"""The browser's check; gallop.images checks again. So does ``archives`` for zips, which may be larger."""
SHOWN_VERDICTS = 6


def uploader(
    label: str, name: str, take: Callable[[list[Any]], Verdicts], *, megabytes: int = PHOTO_MEGABYTES, **settings: Any
) -> None:
    """Draw one.

    Args:
        label: Markdown, so escaped by the caller.
        name: tells this uploader from the others of the page.
        take: what to do with the files.
    """
    settings = {"accept_multiple_files": True, "max_upload_size": megabytes} | settings
    _taking(name, take, lambda key: st.file_uploader(label, key=key, **settings))


def camera(label: str, name: str, take: Callable[[list[Any]], Verdicts]) -> None:
    """As ``uploader``, with a webcam. The browser asks whether the page may use it."""
    _taking(name, take, lambda key: [photo for photo in [st.camera_input(label, key=key)] if photo])


def _taking(name: str, take: Callable[[list[Any]], Verdicts], draw: Callable[[str], list[Any] | None]) -> None:
    mine = session()
    found = draw(f"{name} {mine.upload_rounds[name]}")
    # Not in the widget's callback: another event can cut that short, and then these files never get another.
    # A browser that was busy may report an uploader that is gone already, with the files that were taken then.
    files = [file for file in found or [] if file.file_id not in mine.uploads_seen]
    if files:
        with st.spinner("Reading the photos …", show_time=True):
            mine.verdicts[name] = take(files)
            # Still in here: with the spinner's end another event may cut this short.
            mine.uploads_seen |= {file.file_id for file in files}
            # A new key is a new, empty uploader: the decoded photos are kept, the uploaded files are dropped.
            mine.upload_rounds[name] += 1
        again.ask()
    _verdicts(mine.verdicts.get(name))


def _verdicts(verdicts: Verdicts | None) -> None:
    if verdicts is None:
        return
    if verdicts.refused:
        head = f"{len(verdicts.taken)} taken, {len(verdicts.refused)} not taken:" if verdicts.taken else "Not taken:"
        st.warning(_listed(head, verdicts.refused))
    elif len(verdicts.taken) > 1:
        st.caption(f":material/check: {len(verdicts.taken)} photos taken.")
    if verdicts.flagged:
        st.warning(_listed("Taken, but look again:", verdicts.flagged))


def _listed(head: str, sentences: tuple[str, ...]) -> str:
    lines = [f"- {text.markdown(sentence)}" for sentence in sentences[:SHOWN_VERDICTS]]
    if len(sentences) > SHOWN_VERDICTS:
        lines.append(f"- and {len(sentences) - SHOWN_VERDICTS} more")
    return "\n".join([head, "", *lines])
