"""What the last training changed against the run before: single photos, and sentences. Knows no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass

from app.teaching.training import Taught
from app.visitor.session import Session
from gallop import Photo
from gallop.evaluation.changes import NOTICED, RIGHT, TESTED
from gallop.wording import NONE_OF_THESE

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
    """Return the photos that are still here: test photos that became shots, which count for neither run, then held-out
    shots and the others, of each kind what became wrong first.
    """
    here, run = session.photos.all | session.photos.unknown.photos, session.training.run_before
    names = {photo.sha256: card.name for card, _, photo in session.photos.deck.photos()}
    tested = set() if run is None else {key for key, each in run.answers.items() if not each.seen}
    kinds = [("a training photo now", [key for key, each in taught.answers.items() if each.seen and key in tested], "")]
    for what, each in taught.changes.flips.items() if taught.changes else ():
        wrong, right = ("no longer noticed", "now noticed") if what == NOTICED else ("now wrong", "now right")
        kind = ", test photo" * (what == TESTED)
        kinds += [(wrong + kind, [*each.now_wrong], what), (right + kind, [*each.now_right], what)]
    return [
        Changed(here[key], names.get(key, NONE_OF_THESE), words, what == RIGHT)
        for words, keys, what in kinds
        for key in keys
        if key in here
    ]


def notes(session: Session, taught: Taught) -> list[str]:
    """Return what else is to be known of the figures: what dropout did, and that test photos were asked often."""
    run, often = session.training.run_before, taught.asked_tests
    seen = f"These test photos were seen by {often} trainings: keep others for a last test." * (often > 1)
    return [*filter(None, ["" if run is None else dropout_in_words(run, taught), seen])]


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
