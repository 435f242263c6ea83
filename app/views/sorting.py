"""What the page Sort does with the pile of a session: score it, teach with it, write it down. Knows no Streamlit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from app.backbones import BackboneRoom, OnBackbone
from app.jobs import Counted, Task
from app.library import Backbone, GalLoPClassifier
from app.photos.archives import CardPlace, Member
from app.photos.pile import PhotoPile, PilePhoto, Scores, Sorted, checked
from app.projects import free_file_name
from app.runs.run import zipped
from app.teaching.cards import photos_counted
from app.text import joined, size_in_words
from app.views.testing import limit_doubt, taught_question
from app.visitor.session import Session
from gallop import Photo
from gallop.core.scores import class_probabilities
from gallop.data.project import MOST_PHOTOS
from gallop.images.formats import sniff
from gallop.model.scores import VERDICT
from gallop.sample import sample_photos

# Photos between two checks for cancellation.
_AT_ONCE = 16


class Sorting:
    """Checks what waits, and scores it and what has no score of this version yet.

    Args:
        limit: of the score that decides about none of these; None where it decides nothing.
    """

    def __init__(
        self, pile: PhotoPile, classifier: GalLoPClassifier, topk: Sequence[int], limit: float | None, version: Hashable
    ) -> None:
        self._pile, self._classifier, self._topk = pile, classifier, topk
        same = pile.scores is not None and pile.scores.version == version
        self._waiting, pile.waiting = pile.waiting, []
        self._again = [photo for photo in pile.photos.values() if not same]
        self._there = set(pile.photos)
        rows, outliers = (dict(pile.scores.rows), dict(pile.scores.outliers)) if same and pile.scores else ({}, {})
        self._scores = Scores(version, tuple(classifier.classes_.tolist()), rows, outliers, limit)
        self._rows, self._outliers = rows, outliers
        self._new: list[PilePhoto] = []
        self._refused: list[str] = []

    def run(self) -> Iterator[Counted]:
        total, done = len(self._again) + len(self._waiting), 0
        for start in range(0, len(self._again), _AT_ONCE):
            part = self._again[start : start + _AT_ONCE]
            self._score([photo.key for photo in part], [photo.load() for photo in part])
            done += len(part)
            yield Counted(done / total, f"{done} of {total} photos")
        while self._waiting:
            files = self._waiting[:_AT_ONCE]
            del self._waiting[:_AT_ONCE]
            taken, refused = checked(files, self._there)
            if taken:
                self._score([photo.key for photo in taken], list(taken.values()))
            self._new += taken
            self._refused += refused
            done += len(files)
            yield Counted(done / total, f"{done} of {total} photos")

    def result(self) -> None:
        """Leave what there is so far to the pile, which takes it over with the next page that is drawn."""
        self._pile.found = Sorted(tuple(self._new), self._scores, tuple(self._refused))

    def _score(self, keys: Sequence[str], photos: Sequence[Photo]) -> None:
        from gallop.features.encoding import encode_centres
        from gallop.predictions.predict import similarities

        model = self._classifier.model_
        found = similarities(model, encode_centres(model.backbone, photos, None, sight=model.sight))
        probabilities = class_probabilities(
            found.logits(self._topk), model.backbone.logit_scale, self._classifier.calibration_.temperature
        )
        self._rows |= zip(keys, np.asarray(probabilities), strict=True)
        self._outliers |= zip(keys, found.ood()[VERDICT].tolist(), strict=True)


def version(session: Session) -> Hashable:
    """Return what decides about the answers to a pile; another one makes sorting again worth while."""
    return session.training.version, session.training.scales(), _limit(session)


def _limit(session: Session) -> float | None:
    return None if limit_doubt(session) else session.limit.value


def sorting(session: Session, room: BackboneRoom) -> Task:
    """Return the task that sorts the pile by the taught model."""
    training, pile = session.training, session.photos.pile
    pile.held_out = _held_out(session)
    arguments = training.scales(), _limit(session), version(session)

    def make(backbone: Backbone) -> Sorting:
        classifier = session.answers.classifier(backbone, taught_question(session))
        return Sorting(pile, classifier, *arguments)

    return OnBackbone(room, training.backbone_name, make)


def _held_out(session: Session) -> tuple[list[float], list[bool]]:
    """Return probability and rightness of the answers to photos that the model has not learned from."""
    taught = session.training.taught_model
    answers = [answer for answer in taught.answers.values() if not answer.seen]
    scores, right = [answer.probability for answer in answers], [answer.right for answer in answers]
    cross_fit = taught.after.cross_fit_
    if cross_fit is not None:
        index, rows = cross_fit.probabilities(
            taught.names, taught.after.calibration_.temperature, [branch.mix for branch in taught.after.model_.branches]
        )
        scores += rows.max(dim=1).values.tolist()
        right += [
            taught.names[best] == taught.learned[i][1]
            for best, i in zip(rows.argmax(dim=1).tolist(), index.tolist(), strict=True)
        ]
    return scores, right


def add_sample(session: Session) -> None:
    """Let the sample's photos wait that its model did not learn from, its nine of other things among them."""
    for photo in sample_photos():
        if photo.part != "train":
            session.photos.pile.waiting.append((photo.path.name, photo.path.read_bytes()))


def teach(session: Session) -> str:
    """Put accepted photos on the cards, those first that a person has labelled; return what was done, as a sentence."""
    pile, deck = session.photos.pile, session.photos.deck
    room = Counter({card.name: MOST_PHOTOS - len(card.shots) for card in deck.cards})
    members, wanted, here = [], pile.sorted_out(), {photo.sha256 for card in deck.cards for photo in card.all}
    for key, name in wanted.items():
        if key not in here and room.setdefault(name, MOST_PHOTOS) > 0:
            room[name] -= 1
            photo = pile.photos[key]
            members.append(Member(CardPlace(name, False, photo.name), photo.data))
    verdicts = deck.add_photos(members, "shots")
    taken, left = len(verdicts.taken), len(wanted) - len(verdicts.taken)
    words = f"{photos_counted(taken)} added to the cards on Teach."
    if left:
        words += f" {photos_counted(left)} not: a class takes {MOST_PHOTOS}, and no photo is on the cards twice."
    return words


def table(session: Session) -> bytes:
    """Return a CSV table with a row for each photo, in the order of the page."""
    from gallop.predictions.rows import csv_cell, csv_line

    pile, out = session.photos.pile, session.photos.pile.sorted_out()
    assert pile.scores is not None
    lines = [csv_line(["image", "label", "accepted", "by", "probability", *map(csv_cell, pile.scores.names)])]
    for key in pile.order:
        by = "checked" if key in pile.checks else "person" if key in pile.labels else "line" if key in out else ""
        row = [csv_cell(pile.photos[key].name), csv_cell(pile.answer(key)), "yes" if key in out else "no", by]
        lines.append(csv_line([*row, pile.scores.score(key), *pile.scores.rows[key].tolist()]))
    return b"".join(lines)


def class_folders(session: Session) -> bytes:
    """Return a zip with a folder for each class, of the accepted photos as they are kept here."""
    pile, files, folders = session.photos.pile, dict[str, bytes](), dict[str, str]()
    names: dict[str, list[str]] = {}
    for key, name in pile.sorted_out().items():
        if name not in folders:
            folders[name] = free_file_name(name, list(folders.values()))
        photo, mine = pile.photos[key], names.setdefault(name, [])
        mine.append(free_file_name(photo.name.rpartition(".")[0] or photo.name, mine))
        files[f"{folders[name]}/{mine[-1]}.{sniff(photo.data, photo.name).lower()}"] = photo.data
    return zipped(files)


def in_words(session: Session) -> str:
    """Return what the pile is, and what it takes, as a sentence."""
    pile = session.photos.pile
    out = Counter(pile.sorted_out().values())
    accepted = f"{photos_counted(sum(out.values()))} accepted" + (
        f": {joined([f'{count} {name}' for name, count in out.most_common()])}" if out else ""
    )
    return f"{accepted}. The pile of {len(pile.photos)} takes {size_in_words(pile.size)} of memory."
