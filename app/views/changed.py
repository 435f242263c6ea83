"""What the last training changed against the run before: single photos, and sentences. Knows no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass

from app.teaching.training import Taught
from app.views.compare import photos as visitors_photos
from app.visitor.session import Session
from gallop import Photo
from gallop.evaluation.changes import NOTICED, RIGHT, TESTED
from gallop.wording import NONE_OF_THESE, counted

# Cosines that differ by less look the same on every page.
_AS_ALIKE = 0.02


@dataclass(frozen=True)
class Changed:
    """A photo that one of two runs alone has right, or notices.

    Attributes:
        name: its class.
        words: what changed.
        held_out: whether it is a shot, answered by prompts that had not seen it.
    """

    photo: Photo
    name: str
    words: str
    held_out: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}: {self.photo.name}, {self.words}"


def changed_photos(session: Session, taught: Taught) -> list[Changed]:
    """Return the photos that are still here: held-out shots first, of each kind what became wrong before the others."""
    here = visitors_photos(session) | session.photos.unknown.photos
    names = {photo.sha256: card.name for card, _, photo in session.photos.deck.photos()}
    flips, found = taught.changes.flips if taught.changes else {}, []
    words = {RIGHT: ("now wrong", "now right"), NOTICED: ("no longer noticed", "now noticed")}
    for what, each in flips.items():
        for keys, said in zip((each.now_wrong, each.now_right), words[RIGHT if what == TESTED else what], strict=True):
            kind = f"{said}, test photo" if what == TESTED else said
            named = ((here[key], names.get(key, NONE_OF_THESE)) for key in keys if key in here)
            found += [Changed(*each, kind, what == RIGHT) for each in named]
    return found


def notes(session: Session, taught: Taught) -> list[str]:
    """Return what else is to be known of the figures, in sentences: photos that count for neither run, and test photos
    that were asked often.
    """
    run, said, here = session.training.run_before, list[str](), visitors_photos(session)
    if run is not None:
        tested = {key for key, each in run.answers.items() if not each.seen}
        moved = [key for key, each in taught.answers.items() if each.seen and key in tested]
        if len(moved) == 1 and moved[0] in here:
            said.append(f"{here[moved[0]].name} became a training photo and counts for neither run.")
        elif moved:
            said.append(f"{counted(len(moved), 'test photo')} became training photos and count for neither run.")
        said += filter(None, [dropout_in_words(run, taught)])
    if taught.asked_tests > 1:
        said.append(f"These test photos were seen by {taught.asked_tests} trainings: keep others for a last test.")
    return said


def dropout_in_words(run: Taught, taught: Taught) -> str:
    """Return what another dropout did to the global prompts, and what it costs, in a sentence; empty where dropout or
    the number of prompts is not what differs.
    """
    then, now = (each.settings.dropout for each in (run, taught))
    if (
        then == now
        or run.settings.global_prompts != taught.settings.global_prompts
        or taught.settings.global_prompts < 2
    ):
        return ""
    from gallop.evaluation.diversity import mean_of_pairs, text_cosines  # with torch

    cosines = [text_cosines(each.after.model_.cached_text_features().global_) for each in (run, taught)]
    before, after = (mean_of_pairs(each) or 0.0 for each in cosines)
    change = cosines[1] - cosines[0]
    m, other = divmod(int(abs(change).argmax()), len(change))
    how = "are as alike as before" if abs(after - before) < _AS_ALIKE else "part" if after < before else "come closer"
    most = "" if abs(after - before) < _AS_ALIKE else f", {m + 1} and {other + 1} most"
    held = [each.after.calibration_ for each in (run, taught)]
    cost = (
        f"{held[0].right} -> {held[1].right} of {held[1].asked} held-out photos are right"
        if held[0].asked == held[1].asked
        else "the held-out photos are others"
    )
    return (
        f"Dropout {then:.2g} -> {now:.2g}: the global prompts {how}{most} (mean cosine {before:.2f} -> {after:.2f}), "
        f"and {cost}."
    )
