"""File uploaders that give a verdict for each file and let go of the uploads at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app import text
from app.photos.shelf import Verdicts
from app.teaching.cards import MOST_ALTOGETHER, MOST_CARDS, left_out
from app.ui.resources import let_go_of_files, session, unread

# The browser's check; gallop.images checks again. So does ``archives`` for zips, which may be larger.
PHOTO_MEGABYTES = 20
SHOWN_VERDICTS = 6
# Characters of a sentence that gets no more than so many pixels, and is scrolled in.
_LONG, _MOST_HIGH = 1200, 240

# What to do with files, and with the sentences of those that found no room on their way here.
Take = Callable[[list[Any], tuple[str, ...]], None]


@dataclass
class _Uploaders:
    """Those of one open page: another tab of the same visitor has widgets of its own."""

    # By the key of the widget: name, and what takes the files.
    drawn: dict[str, tuple[str, Take]] = field(default_factory=dict)
    # How often each has been emptied.
    rounds: Counter[str] = field(default_factory=Counter)
    # The files that were taken, by Streamlit's id.
    seen: set[str] = field(default_factory=set)


def _of_this_page() -> _Uploaders:
    found: _Uploaders = st.session_state.setdefault("uploaders", _Uploaders())
    return found


def uploader(
    label: str,
    name: str,
    take: Callable[[list[Any]], Verdicts],
    *,
    megabytes: int = PHOTO_MEGABYTES,
    verdicts_here: bool = True,
    **settings: Any,
) -> None:
    """Draw one.

    Args:
        label: Markdown, so escaped by the caller.
        name: tells this uploader from the others of the app.
        take: what to do with the files.
        verdicts_here: whether what became of them is told below it; else the page calls ``verdicts_of`` elsewhere.
    """
    settings = {"accept_multiple_files": True, "max_upload_size": megabytes} | settings
    st.file_uploader(label, key=listen(name, _judged(name, take)), **settings)
    if verdicts_here:
        _verdicts(session().photos.verdicts.get(name))


def verdicts_of(*names: str) -> None:
    """Draw what of the files was not taken, or is doubtful, that came last into these uploaders, until it is hidden."""
    every = session().photos.verdicts
    for name in names:
        found = every.get(name, Verdicts())
        if found.left_out or found.refused or found.flagged:
            _verdicts(found)
            hidden = {name: Verdicts()}
            st.button("Hide this", key=f"hide {name}", type="tertiary", on_click=every.update, args=(hidden,))


def camera(label: str, name: str, take: Callable[[list[Any]], Verdicts]) -> None:
    """As ``uploader``, with a webcam. The browser asks whether the page may use it."""
    st.camera_input(label, key=listen(name, _judged(name, take)))
    _verdicts(session().photos.verdicts.get(name))


def _judged(name: str, take: Callable[[list[Any]], Verdicts]) -> Take:
    photos = session().photos

    def judge(files: list[Any], refused: tuple[str, ...]) -> None:
        photos.verdicts[name] = (take(files) if files else Verdicts()) + Verdicts(refused=refused)

    return judge


def listen(name: str, take: Take) -> str:
    """The key for a widget that takes files: what comes into it is given to ``take`` by the run that brings it."""
    mine = _of_this_page()
    key = f"{name} {mine.rounds[name]}"
    mine.drawn[key] = (name, take)
    return key


def receive() -> None:
    """Before anything is drawn: take the files that came with this run, of all uploaders.

    Not where an uploader is drawn: what stands above it would have to be drawn again, and a page that is drawn again
    loses what is dropped on it meanwhile. Nor in a widget's callback: another event can cut that short, and then these
    files never get another.
    """
    place = st.empty()  # in every run, or all that follows would change its place
    mine = _of_this_page()
    for key, (name, take) in list(mine.drawn.items()):
        found = st.session_state.get(key) or []
        some = found if isinstance(found, list) else [found]
        # A browser that was busy may report files that were taken already, or are there no longer and cannot be read.
        files = [file for file in some if hasattr(file, "read") and file.file_id not in mine.seen]
        if not files:
            continue
        with place, st.spinner("Reading the files …", show_time=True):
            told = {file.file_id: unread().why_refused(file.file_id) for file in files}
            take([file for file in files if not told[file.file_id]], tuple(why for why in told.values() if why))
            # Still in here: with the spinner's end another event may cut this short.
            mine.seen |= {file.file_id for file in files}
            # A new key is a new, empty uploader: the decoded photos are kept, the uploaded files are dropped.
            mine.rounds[name] += 1
            del mine.drawn[key]
            let_go_of_files([file.file_id for file in files])


def _verdicts(verdicts: Verdicts | None) -> None:
    if verdicts is None:
        return
    if verdicts.left_out:
        words = left_out(verdicts.left_out, len(verdicts.taken), (MOST_CARDS, MOST_ALTOGETHER))
        with st.container(height=_MOST_HIGH if len(words) > _LONG else "content", border=False):
            st.warning(text.markdown(words))
    if verdicts.refused:
        head = f"{len(verdicts.taken)} taken, {len(verdicts.refused)} not taken:" if verdicts.taken else "Not taken:"
        st.warning(_listed(head, verdicts.refused))
    elif len(verdicts.taken) > 1 and not verdicts.left_out:
        st.caption(f":material/check: {len(verdicts.taken)} photos taken.")
    if verdicts.flagged:
        st.warning(_listed("Taken, but look again:", verdicts.flagged))


def _listed(head: str, sentences: tuple[str, ...]) -> str:
    lines = [f"- {text.markdown(sentence)}" for sentence in sentences[:SHOWN_VERDICTS]]
    if len(sentences) > SHOWN_VERDICTS:
        lines.append(f"- and {len(sentences) - SHOWN_VERDICTS} more")
    return "\n".join([head, "", *lines])
