"""What all pages are made of: charts, strips of photos, notices, problems, jobs, uploads, a first line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts, text
from app.jobs import NOT_BEGUN, Job, Snapshot, State, Work
from app.photos.shelf import Verdicts
from app.shared_backbones import BackboneLoading, BackboneProblem
from app.ui.resources import STATE, backbones, jobs, let_go_of_files, session, visitors
from app.views.exploring import PhotoTile
from app.visitor.session import GRACE_SECONDS, PageJobs, Session, Where
from gallop.data.project_file import MOST_ALTOGETHER, MOST_CARDS
from gallop.errors import sentence_of
from gallop.wording import counted, time_in_words


def chart(figure: Any, *, key: str, alt: str, **settings: Any) -> None:
    st.plotly_chart(figure, key=key, config=charts.CONFIG, alt=alt, **settings)


def component(name: str, script: Path, *shared: str) -> Any:
    """Return the component of a script and of the style sheet beside it, after sheets of this folder."""
    sheets = [*(Path(__file__).with_name(sheet) for sheet in shared), script.with_suffix(".css")]
    css = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    return st.components.v2.component(name, js=script.read_text(encoding="utf-8"), css=css)


def reported(key: str, what: str, kind: type) -> Any:
    """Return what the component of this key reported last; an empty ``kind`` where a client sent something else."""
    value: Any = getattr(st.session_state.get(key), what, None)
    return value if isinstance(value, kind) else kind()


_draw_strip = component("gallop_photo_strip", Path(__file__).with_name("strip.js"))


def photo_strip(
    key: str,
    tiles: Sequence[PhotoTile],
    chosen: str | None,
    choose: Callable[[str], None],
    *,
    take_away: Callable[[str], None] = lambda photo: None,
    select: Callable[[set[str]], None] = lambda photos: None,
) -> None:
    """Draw the strip; tiles that can be selected wrap.

    Args:
        chosen: content hash of the photo that is shown.
        choose, take_away: take a content hash, which may be of no photo: a client may send anything.
        select: takes those that are selected of all tiles.
    """
    _draw_strip(
        key=key,
        data={
            "tiles": [asdict(tile) for tile in tiles],
            "chosen": chosen,
            "turn": max([0, *(turn for turn in reported(key, "selected", list) if isinstance(turn, int))]),
        },
        on_chosen_change=lambda: choose(reported(key, "chosen", str)),
        on_away_change=lambda: take_away(reported(key, "away", str)),
        on_selected_change=lambda: select(
            {photo for photo in reported(key, "selected", list) if isinstance(photo, str)}
        ),
    )


def show_notice(session: Session, where: Where, *, undo: bool = False) -> None:
    """Draw the notice that waits for this place of the screen; only this run shows it.

    Args:
        undo: whether the notice reports a change of the cards, and the page has no other button to undo it.
    """
    notice, there = session.notices.pop(where, None), st.container()
    if notice is not None:
        session.shown[where] = notice
        getattr(there, notice.kind)(
            text.markdown(notice.words), icon=":material/error:" if notice.kind == "error" else None
        )
        if undo and notice.kind == "success":
            st.button(
                "Undo",
                key=f"undo {where.name}",
                type="tertiary",
                icon=":material/undo:",
                on_click=session.photos.undo,
                args=(session.photos.deck.changes,),
            )


def cells(count: int, columns: int) -> list[DeltaGenerator]:
    """Return so many places in rows of that many columns."""
    return [cell for start in range(0, count, columns) for cell in st.columns(columns)[: count - start]]


def onward(label: str, page: str, icon: str) -> None:
    """Draw a button that leads to another page; ``page`` is the path of its script below ``app``."""
    if st.button(label, key=f"on to {page}", type="primary", icon=icon):
        st.switch_page(page)


_BACKBONE_SECONDS = 0.5
# Seconds after which the progress bar of a backbone being loaded is half full: how long it will take is unknown.
_HALF_WAY = 5.0


@contextmanager
def problems_shown() -> Iterator[None]:
    """Show an error from inside at this place of the page; while a backbone is being loaded, show its progress."""
    try:
        yield
    except BackboneLoading as error:
        _watched(error.backbone_name)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        st.error(text.markdown(sentence), icon=":material/error:")
        if isinstance(error, BackboneProblem) and error.backbone_name:
            again, name = backbones().try_again, error.backbone_name
            st.button("Try again", key=f"try again {name}", on_click=again, args=(name,), icon=":material/refresh:")


def folded(label: str, icon: str, key: str, draw: Callable[[], object]) -> None:
    """Draw an expander; what is in it is computed and drawn once that is opened."""
    with st.expander(label, icon=icon, key=key, on_change="rerun") as fold:
        if fold.open:
            with problems_shown():
                draw()


def _watched(name: str) -> None:
    @st.fragment(run_every=_BACKBONE_SECONDS)
    def look() -> None:
        status = backbones().status(name)
        if status.seconds is None:  # it is no longer being loaded
            st.rerun()
        st.progress(status.seconds / (status.seconds + _HALF_WAY), text=text.markdown(status.sentence))

    look()


def page_header(title: str, sentence: str, *actions: Callable[[], None], leads: str = "") -> None:
    """Draw the first line of a page, which has the same height on all: its title, one short sentence, what can be done
    here, and what becomes of the photos.

    Args:
        actions: each draws a button or a menu, in this order.
        leads: the page that the sentence leads to, by the path of its script below ``app``.
    """
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="header"):
        st.title(title, anchor=False, width="content")
        if leads:
            st.page_link(leads, label=sentence, width="content")
        else:
            st.markdown(sentence, width="content")
        with st.container(horizontal=True, width="content", gap="small"):
            for draw in actions:
                draw()
            # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
            with st.popover("Privacy", icon=":material/lock:", key="privacy"):
                _privacy()


def _privacy() -> None:
    """Draw what becomes of the photos, and the button that removes everything of this visit."""
    keep = visitors().keep
    until = (
        " If you close the page now, this URL brings them back until "
        f"{text.time_of_day(time.time() + keep, st.context.timezone)}."
        if keep > GRACE_SECONDS
        else ""
    )
    st.markdown(
        f"Photos stay in this app's memory and are not sent anywhere else.{until}",
        help=f"The program that serves this page keeps them until {text.roughly(keep)} after you close it, or until "
        "the program stops, and never writes them to disk. Another browser cannot see them at this URL: a cookie with "
        "a random number tells browsers apart. Trained prompts and their class names are saved: see *Runs* on the "
        "page *Test*.",
    )
    st.button(
        "Remove everything",
        key="remove everything",
        icon=":material/delete_sweep:",
        on_click=_remove,
        help="Photos, classes and the trained model, at once. Runs on this machine stay: see *Runs* on *Test*.",
    )


def _remove() -> None:
    """Remove what this visitor has before anything is drawn again, and start the page over."""
    visitors().remove(st.session_state[STATE])
    st.session_state.clear()


_JOB_SECONDS = 0.5


def start_job(session: Session, work: Work, name: str, words: str) -> None:
    with problems_shown():
        session.page_jobs.start(jobs(), work, name, words)
        st.rerun()


def progress_in_words(job: Job, snapshot: Snapshot) -> str:
    if job.stopped:
        return "Stopped, and finishing up"
    if snapshot.state is State.QUEUED and snapshot.ahead:
        wait = "" if snapshot.wait is None else f", {time_in_words(snapshot.wait)}"
        does = "starts" if snapshot.progress is None else "goes on"
        return f"Waiting: {counted(snapshot.ahead, 'job')} ahead of yours{wait}. It {does} by itself."
    return "Stopping after this step" if job.stopping else str((snapshot.progress or NOT_BEGUN).sentence)


def watch_job(page_jobs: PageJobs) -> None:
    """Draw the job in progress; at its end the page is redrawn with what it made."""
    running = page_jobs.running
    if running is None:
        return

    @st.fragment(run_every=_JOB_SECONDS)
    def look() -> None:
        snapshot = running.job.snapshot()
        if not snapshot.active:
            st.rerun()
        words = progress_in_words(running.job, snapshot)
        st.progress((snapshot.progress or NOT_BEGUN).fraction, text=f"{running.words}. {words}")
        st.button(
            "Cancel this",
            on_click=running.job.cancel,
            disabled=running.job.stopping,
            key=f"cancel {running.job.number}",
        )

    look()


def job_outcome(session: Session, name: str) -> None:
    sentence, there = session.page_jobs.problem(name), st.container()
    if sentence:
        there.warning(text.markdown(sentence), icon=":material/info:")


def made_by_job(session: Session, name: str, key: Hashable) -> Any:
    """Return what the last job of this name has made, if it was for this key; else None. Why it failed is drawn."""
    job_outcome(session, name)
    made_for, made = session.page_jobs.result(name) or (None, None)
    return made if made_for == key else None


def made_on_click(
    session: Session,
    name: str,
    of: Hashable,
    make: Callable[[], Work],
    words: str,
    label: str,
    *,
    disabled: bool = False,
    **settings: Any,
) -> Any:
    """Return what the job of this name has made, if it was of this; draw the button that starts it where there is none.

    Args:
        make: returns its work, whose result is ``of`` and what is made.
        words: what is said while it runs.
        label: of the button, as ``settings`` are; no other job may run, either.
    """
    made = made_by_job(session, name, of)
    disabled = disabled or session.page_jobs.running is not None
    if made is None and st.button(label, disabled=disabled, **settings):
        start_job(session, make(), name, words)
    return made


# The browser's check; gallop.images checks again. So does ``archives`` for zips, which may be larger.
PHOTO_MEGABYTES = 20
CAMERA_WIDE = 360  # pixels: with it the button below the picture is on the screen of a laptop, in a menu half-way down
SHOWN_VERDICTS = 6
# Characters of a sentence that gets no more than so many pixels, and is scrolled in.
_LONG, _MOST_HIGH = 1200, 240

# What to do with files.
Take = Callable[[list[Any]], None]


@dataclass
class _Uploaders:
    """The uploaders of one open page: another tab of the same visitor has other widgets."""

    # By the key of the widget: its name, and the function that takes the files.
    drawn: dict[str, tuple[str, Take]] = field(default_factory=dict)
    # How often each has been emptied.
    rounds: Counter[str] = field(default_factory=Counter)
    # The files that were taken, by Streamlit's id.
    seen: set[str] = field(default_factory=set)


def _of_this_page() -> _Uploaders:
    return cast(_Uploaders, st.session_state.setdefault("uploaders", _Uploaders()))


def uploader(
    label: str,
    name: str,
    take: Callable[[list[Any]], Verdicts],
    *,
    megabytes: int = PHOTO_MEGABYTES,
    verdicts_here: bool = True,
    **settings: Any,
) -> None:
    """Draw a file uploader.

    Args:
        label: Markdown, so escaped by the caller.
        name: distinguishes this uploader from the others of the app.
        take: the function that takes the files.
        verdicts_here: whether what became of the files is shown below; else the page calls ``verdicts_of`` elsewhere.
    """
    settings = {"accept_multiple_files": True, "max_upload_size": megabytes} | settings
    st.file_uploader(label, key=listen(name, _judged(name, take)), **settings)
    if verdicts_here:
        _verdicts(session().photos.verdicts.get(name, Verdicts()))


def verdicts_of(*names: str) -> None:
    """Draw which of the files last given to these uploaders were not taken or are doubtful, until that is hidden."""
    every = session().photos.verdicts
    for name in names:
        verdicts = every.get(name, Verdicts())
        if verdicts.left_out or verdicts.refused or verdicts.flagged:
            _verdicts(verdicts)
            st.button(
                "Hide this", key=f"hide {name}", type="tertiary", on_click=every.update, args=({name: Verdicts()},)
            )


def camera(label: str, name: str, take: Callable[[list[Any]], Verdicts]) -> None:
    """Draw a webcam input, as ``uploader`` without verdicts here. The browser asks whether the page may use it."""
    st.camera_input(label, key=listen(name, _judged(name, take)), width=CAMERA_WIDE)


def _judged(name: str, take: Callable[[list[Any]], Verdicts]) -> Take:
    photos = session().photos

    def judge(files: list[Any]) -> None:
        photos.verdicts[name] = take(files)

    return judge


def listen(name: str, take: Take) -> str:
    """Return the key for a widget that takes files, which are given to ``take`` by the run that brings them."""
    mine = _of_this_page()
    key = f"{name} {mine.rounds[name]}"
    mine.drawn[key] = (name, take)
    return key


def receive() -> None:
    """Take the files that came with this run, of all uploaders, before anything is drawn.

    Not where an uploader is drawn: everything above it would have to be drawn again, and a page that is drawn again
    loses what is dropped on it meanwhile. Nor in a widget's callback: another event can interrupt it, and it is never
    called again for these files.
    """
    place = st.empty()  # in every run, or all that follows would change its position
    mine = _of_this_page()
    for key, (name, take) in list(mine.drawn.items()):
        held = st.session_state.get(key) or []
        uploaded = held if isinstance(held, list) else [held]
        # A browser that was busy may report files that were taken already, or no longer exist and cannot be read.
        files = [file for file in uploaded if hasattr(file, "read") and file.file_id not in mine.seen]
        if not files:
            continue
        with place, st.spinner("Reading the files …", show_time=True):
            take(files)
            # Still within the spinner: when it ends, another event may interrupt this run.
            mine.seen |= {file.file_id for file in files}
            # A new key is a new, empty uploader: the decoded photos stay in memory, the uploaded files are dropped.
            mine.rounds[name] += 1
            del mine.drawn[key]
            let_go_of_files([file.file_id for file in files])


def _verdicts(verdicts: Verdicts) -> None:
    if verdicts.left_out:
        names = verdicts.left_out
        words = (
            f"{counted(len(verdicts.taken), 'photo')} added. The limit here is {MOST_CARDS} classes and "
            f"{MOST_ALTOGETHER} photos, so there was no room for {len(names)} class{'es' * (len(names) > 1)}. To add "
            "one of these, delete a class that you do not need, then drop a zip that contains only the new class's "
            f"folder. The command gallop train trains on any number of classes. Not added: {', '.join(names)}."
        )
        with st.container(height=_MOST_HIGH if len(words) > _LONG else "content", border=False):
            st.warning(text.markdown(words))
    if verdicts.refused:
        head = f"{len(verdicts.taken)} added, {len(verdicts.refused)} not added:" if verdicts.taken else "Not added:"
        st.warning(_listed(head, verdicts.refused))
    elif len(verdicts.taken) > 1 and not verdicts.left_out:
        st.caption(f":material/check: {len(verdicts.taken)} photos added.")
    if verdicts.flagged:
        st.warning(_listed("Added, but please check:", verdicts.flagged))


def _listed(head: str, sentences: tuple[str, ...]) -> str:
    lines = [f"- {text.markdown(sentence)}" for sentence in sentences[:SHOWN_VERDICTS]]
    if len(sentences) > SHOWN_VERDICTS:
        lines.append(f"- and {len(sentences) - SHOWN_VERDICTS} more")
    return "\n".join([head, "", *lines])
