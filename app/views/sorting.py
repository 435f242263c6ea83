"""What the page Sort does with the pile of a session: score it, teach with it, write it down. Knows no Streamlit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.backbones import BackboneRoom, OnBackbone
from app.jobs import Counted, Steps, Task
from app.library import Backbone
from app.photos.archives import CardPlace, Member
from app.photos.pile import PilePhoto, SortedPhotos, kept_small
from app.projects import free_file_name
from app.runs.run import zipped
from app.teaching.cards import photos_counted
from app.text import joined, size_in_words
from app.views.testing import limit_doubt, taught_question
from app.visitor.session import Session
from gallop import load_image
from gallop.core.scores import class_probabilities
from gallop.data.project import MOST_PHOTOS
from gallop.errors import ImageError
from gallop.images.formats import sniff
from gallop.model.scores import VERDICT
from gallop.sample import sample_photos

# Photos between two checks for cancellation.
_AT_ONCE = 16


def version(session: Session) -> Hashable:
    """Return what decides about the answers to a pile; another one makes sorting again worth while."""
    return session.training.version, session.training.scales(), _limit(session)


def _limit(session: Session) -> float | None:
    return None if limit_doubt(session) else session.limit.value


def sorting(session: Session, room: BackboneRoom) -> Task:
    """Return the task that checks what waits and has the taught model answer it, and the others if it is a new one."""
    pile, of, limit = session.photos.pile, version(session), _limit(session)

    def make(backbone: Backbone) -> Task:
        classifier = session.answers.classifier(backbone, taught_question(session))
        found = SortedPhotos(of, tuple(classifier.classes_.tolist()))
        again = list(pile.now.photos.values()) if pile.now.version != of else []
        found.photos.update({} if again else pile.now.photos)
        scale, topk = backbone.logit_scale, session.training.scales()
        temperature = classifier.calibration_.temperature

        def answered(photos: Sequence[PilePhoto]) -> Iterator[PilePhoto]:
            pictures = [load_image(photo.data) for photo in photos]
            similarities = session.answers.asked_of(classifier, pictures, kept=False)
            rows = np.asarray(class_probabilities(similarities.logits(topk), scale, temperature))
            for photo, row, odd in zip(photos, rows, similarities.ood()[VERDICT].tolist(), strict=True):
                yield replace(photo, row=row, answer=-1 if limit is not None and odd > limit else int(row.argmax()))

        def steps() -> Generator[Counted, None, None]:
            done = 0
            while again or pile.waiting:
                files = again[:_AT_ONCE] or pile.waiting[:_AT_ONCE]
                photos = _checked(files, found)
                found.photos.update((photo.key, photo) for photo in (answered(photos) if photos else ()))
                pile.found = found
                del (again or pile.waiting)[: len(files)]  # what was not reached still waits after a cancel
                done, left = done + len(files), len(again) + len(pile.waiting)
                yield Counted(done / (done + left), f"{done} of {done + left} photos")

        return Steps(steps())

    return OnBackbone(room, session.training.backbone_name, make)


def _checked(files: Sequence[PilePhoto | tuple[str, bytes]], found: SortedPhotos) -> list[PilePhoto]:
    """Return the photos among files that are not there yet; the others are refused."""
    photos: dict[str, PilePhoto] = {}
    for file in files:
        try:
            photo = file if isinstance(file, PilePhoto) else kept_small(*file)
        except ImageError as error:
            found.refused.append(str(error))
            continue
        if photo.key in found.photos or photo.key in photos:
            found.refused.append(f"{photo.name} is already here. The same picture twice adds nothing.")
        photos.setdefault(photo.key, photo)
    return [photo for key, photo in photos.items() if key not in found.photos]


def add_sample(session: Session) -> None:
    """Let the sample's photos wait that its model did not learn from, its nine of other things among them."""
    for photo in sample_photos():
        if photo.part != "train":
            session.photos.pile.waiting.append((photo.path.name, photo.path.read_bytes()))


def teach(session: Session) -> str:
    """Put accepted photos on the cards, those first that a person has labelled; return what was done, as a sentence."""
    pile, deck = session.photos.pile, session.photos.deck
    here = {photo.sha256 for card in deck.cards for photo in card.all}
    wanted = {key: name for key, name in pile.sorted_out().items() if key not in here}
    room = Counter(dict.fromkeys(wanted.values(), MOST_PHOTOS))
    room.subtract({card.name: len(card.shots) for card in deck.cards})
    members = []
    for key, name in wanted.items():
        room[name] -= 1
        if room[name] >= 0:
            members.append(Member(CardPlace(name, False, pile.now.photos[key].name), pile.now.photos[key].data))
    taken = len(deck.add_photos(members, "shots").taken)
    left = len(wanted) - taken
    words = f"{photos_counted(taken)} added to the cards on Teach, and a training begins." if taken else ""
    no_room = f"There was no room for {photos_counted(left)}: a class takes {MOST_PHOTOS}." if left else ""
    return f"{words} {no_room}".strip() or "All of them are on the cards on Teach already."


def table(session: Session) -> bytes:
    """Return a CSV table with a row for each photo, in the order of the page."""
    from gallop.predictions.rows import csv_cell, csv_line

    pile, out = session.photos.pile, session.photos.pile.sorted_out()
    head = ("image", "label", "accepted", "by", "probability", *pile.now.names)
    rows: list[Sequence[Any]] = [head]
    for key in pile.order:
        photo, by = pile.now.photos[key], "person" if key in pile.labels else "line"
        answer = pile.answer(key), "yes" if key in out else "no", by if key in out else ""
        rows.append([photo.name, *answer, photo.score, *photo.row.tolist()])
    return b"".join(csv_line([csv_cell(cell) for cell in row]) for row in rows)


def class_folders(session: Session) -> bytes:
    """Return a zip with a folder for each class, of the accepted photos as they are kept here."""
    pile, files = session.photos.pile, dict[str, bytes]()
    folders, used = dict[str, str](), dict[str, list[str]]()
    for key, name in pile.sorted_out().items():
        folder = folders.setdefault(name, free_file_name(name, list(folders.values())))
        photo, mine = pile.now.photos[key], used.setdefault(folder, [])
        mine.append(free_file_name(photo.name.rpartition(".")[0] or photo.name, mine))
        files[f"{folder}/{mine[-1]}.{sniff(photo.data, photo.name).lower()}"] = photo.data
    return zipped(files)


def in_words(session: Session) -> str:
    """Return what is accepted of the pile, and what the pile takes."""
    pile = session.photos.pile
    out = Counter(pile.sorted_out().values())
    each = f": {joined([f'{count} {name}' for name, count in out.most_common()])}" if out else ""
    size = size_in_words(pile.size)
    return f"{photos_counted(out.total())} accepted{each}. The pile of {len(pile.order)} takes {size} of memory."
