"""What the page Sort does with the pile of a session: score it, teach with it, write it down. Knows no Streamlit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.jobs import Counted, Work
from app.library import Backbone
from app.photos.archives import CardPlace, Member
from app.photos.pile import PilePhoto, ScoredPhotos, kept_small
from app.shared_backbones import BackboneRoom, on_backbone
from app.text import joined, size_in_words
from app.views.testing import limit_doubt, taught_question
from app.visitor.session import Session
from gallop import load_image
from gallop.data.project_file import MOST_PHOTOS
from gallop.data.zip_files import zipped
from gallop.errors import ImageError
from gallop.images.file_types import sniff
from gallop.runtime.writing import free_names
from gallop.wording import NONE_OF_THESE, counted

# Photos between two checks for cancellation.
_AT_ONCE = 16


def version(session: Session) -> tuple[Any, tuple[int, ...], float | None, bool]:
    """Return what decides about the answers to a pile; another one makes sorting again worth while.

    The last is whether photos vote on each other, for which none has to be answered anew.
    """
    return (
        session.training.version,
        session.training.scales(),
        None if limit_doubt(session) else session.limit.value,
        session.photos.pile.together,
    )


def sorting(session: Session, room: BackboneRoom) -> Work:
    """Return the work that checks what waits and has the taught model answer it, and the others if it is a new one."""
    pile, (*_, topk, limit, together) = session.photos.pile, (of := version(session))

    def make(backbone: Backbone) -> Work:
        from gallop.features.encoding import ImageFeatures, encode_centres
        from gallop.model.answers import answers
        from gallop.model.scores import VERDICT
        from gallop.predictions.predict import similarities

        classifier = session.answers.classifier(backbone, taught_question(session))
        rule = replace(session.answers.rule(classifier), topk=topk, threshold=limit)
        again = list(pile.now.photos.values()) if (pile.now.version or ())[:-1] != of[:-1] else []
        found = ScoredPhotos(of, tuple(classifier.classes_.tolist()), {} if again else dict(pile.now.photos))

        def answered(photos: Sequence[PilePhoto]) -> dict[str, PilePhoto]:
            pictures, model = [load_image(photo.data) for photo in photos], classifier.model_
            features = list(encode_centres(backbone, pictures, None, sight=model.sight))
            found = answers(similarities(model, features), rule)
            rows, numbers = np.asarray(found.probabilities), np.asarray(found.labels)
            numbers = numbers if found.verdict is None else np.where(found.verdict, -1, numbers)
            of_photos = ImageFeatures.cat(features).global_.half().numpy(), found.similarities.ood[VERDICT].tolist()
            every = zip(photos, numbers.tolist(), rows, *of_photos, strict=True)
            return {p.key: replace(p, answer=a, alone=row, feature=f, outlier=o) for p, a, row, f, o in every}

        def steps() -> Generator[Counted, None, None]:
            done, left = 0, 1
            while left:
                files = again[:_AT_ONCE] or pile.waiting[:_AT_ONCE]
                photos = _checked(files, found)
                found.photos.update(answered(photos) if photos else {})
                found.photos.update(_decided(list(found.photos.values()), together=together))
                outliers = [photo.outlier for photo in found.photos.values()]
                pile.found = replace(found, unlike=classifier.calibration_.unlike(outliers))
                del (again or pile.waiting)[: len(files)]  # what was not reached still waits after a cancel
                done, left = done + len(files), len(again) + len(pile.waiting)
                yield Counted(done / max(done + left, 1), f"{done} of {done + left} photos")

        return steps()

    return on_backbone(room, session.training.backbone_name, make)


def _decided(photos: Sequence[PilePhoto], *, together: bool) -> dict[str, PilePhoto]:
    """Return photos by key with their answers, each by itself or with the votes of those most like it."""
    rows = [photo.alone for photo in photos]
    if together and photos:
        from gallop.predictions.together import answered_together

        features = np.stack([photo.feature for photo in photos])
        rows = list(answered_together(rows, features, [photo.answer < 0 for photo in photos]).probabilities)
    every = zip(photos, rows, strict=True)
    return {p.key: replace(p, row=row, answer=-1 if p.answer < 0 else int(row.argmax())) for p, row in every}


def _checked(files: Sequence[PilePhoto | tuple[str, bytes]], found: ScoredPhotos) -> list[PilePhoto]:
    """Return the photos among files that are not there yet; the others are refused."""
    photos: dict[str, PilePhoto] = {}
    for file in files:
        try:
            photo = file if isinstance(file, PilePhoto) else kept_small(*file)
            if photo.key in found.photos or photo.key in photos:
                raise ImageError(f"{photo.name} is already here. The same picture twice adds nothing.")
            photos[photo.key] = photo
        except ImageError as error:
            found.refused.append(str(error))
    return list(photos.values())


def teach(session: Session) -> str:
    """Put accepted photos on the cards, those first that a person has labelled; return what was done, as a sentence."""
    photos, pile, deck = session.photos.pile.now.photos, session.photos.pile.scored, session.photos.deck
    here, targets = {photo.sha256 for card in deck.cards for photo in card.all}, pile.targets
    members = [
        Member(CardPlace(targets[key], False, photos[key].name), photos[key].data)
        for key in sorted(targets.keys() - here, key=[*pile.said, *pile.accepted].index)
    ]
    taken = len(deck.add_photos(members, "shots").taken)
    words = f"{counted(taken, 'photo')} added to the cards on Teach, and a training begins." if taken else ""
    left = len(members) - taken
    no_room = f"There was no room for {counted(left, 'photo')}: a class takes {MOST_PHOTOS}." if left else ""
    return f"{words} {no_room}".strip() or "All of them are on the cards on Teach already."


def table(session: Session) -> bytes:
    """Return a CSV table with a row for each photo, in the order of the page."""
    from gallop.predictions.rows import csv_cell, csv_line

    now, pile = session.photos.pile.now, session.photos.pile.scored
    targets, said = pile.targets, pile.said
    rows: list[Sequence[Any]] = [("image", "label", "accepted", "by", "probability", *now.names)]
    for key, answer in (pile.labels | said).items():
        photo, row = now.photos[key], now.photos[key].row.tolist()
        label, by = NONE_OF_THESE if answer == "" else answer, "person" if key in said else "line"
        accepted = ("yes", by) if key in targets else ("no", "")
        rows.append([photo.name, label, *accepted, max(row), *row])
    return b"".join(csv_line([csv_cell(cell) for cell in row]) for row in rows)


def class_folders(session: Session) -> bytes:
    """Return a zip with a folder for each class, of the accepted photos as they are kept here."""
    photos, targets = session.photos.pile.now.photos, session.photos.pile.scored.targets
    classes, files = list(dict.fromkeys(targets.values())), dict[str, bytes]()
    for name, folder in zip(classes, free_names(classes), strict=True):
        mine = [photos[key] for key, target in targets.items() if target == name]
        stems = free_names(photo.name.rpartition(".")[0] or photo.name for photo in mine)
        for stem, photo in zip(stems, mine, strict=True):
            files[f"{folder}/{stem}.{sniff(photo.data, stem).lower()}"] = photo.data
    return zipped(files)


def in_words(session: Session) -> str:
    """Return what is accepted of the pile, and what the pile takes."""
    pile = session.photos.pile
    out, size = Counter(pile.scored.targets.values()), size_in_words(pile.size)
    each = f": {joined([f'{count} {name}' for name, count in out.most_common()])}" if out else ""
    *_, together = pile.now.version or (False,)
    voted = "The photos most like each photo voted on its answer. " * together
    taken = f"{voted}The pile of {len(pile.now.photos)} takes {size} of memory."
    return f"{counted(out.total(), 'photo')} accepted{each}. {taken}"
