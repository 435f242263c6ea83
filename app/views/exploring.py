"""What the page Explore shows: the photo, the class names, and the answers to all photos that are known.

Knows no Streamlit, and loads torch only when a photo is explained.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from app import text
from app.library import Backbone, Explanation, KnownNames
from app.photos.sample_answers import SampleAnswer, sample_answers
from app.shared_backbones import DEFAULT_BACKBONE
from app.visitor.page_state import DEFAULT_TEMPLATES, Question
from app.visitor.session import Session, Where
from gallop import Photo, load_image
from gallop.errors import ClassNameError, GallopError
from gallop.images import CropBox
from gallop.maps.explainer.state import ExplainerState
from gallop.names.class_names import clean_name
from gallop.wording import strange_in_words, strangeness

# Below this probability an answer of names that nobody taught is a guess, and so it is where the second name is closer
# than this to the first.
UNSURE, CLOSE = 0.5, 0.1
# For all visitors of a backbone, until it is unloaded.
_known: WeakKeyDictionary[Backbone, KnownNames] = WeakKeyDictionary()


@dataclass(frozen=True)
class PhotoTile:
    """A photo in a strip of photos.

    Attributes:
        key: content hash.
        url: a small picture, in a data URL.
        verdict: the answer to it, where that is known.
        removable: whether it can be removed: it is the visitor's.
        about: where it comes from.
        selected: whether it is selected, with others; None where it cannot be.
    """

    key: str
    name: str
    url: str
    verdict: str = ""
    removable: bool = False
    about: str = ""
    selected: bool | None = None


def photo_on_explore(session: Session) -> Photo | None:
    """Return the photo that is shown; a sample where the visitor has none. None where there are no samples either."""
    return session.photos.shown(session.explore.photo) or next(
        (answer.photo for answer in sample_answers().values()), None
    )


def look_at(session: Session, photo: str) -> None:
    """Show a photo, by content hash: one of the visitor's, or a sample, which is added to the shelf. Any other hash is
    ignored.

    Where there is no room for a sample, the verdict on the upload reports it.
    """
    shelf, answer = session.photos.shelf, sample_answers().get(photo)
    if photo not in shelf.photos and answer is not None:
        session.photos.verdicts["photos"] = verdicts = shelf.add([answer.photo])
        if verdicts.taken:
            del session.photos.verdicts["photos"]
    shown = session.photos.shown(photo)
    if shown is not None and shown.sha256 == photo:
        session.explore = session.explore.looking_at(photo)


def merged_names(typed: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return valid class names, and a sentence for each name that is invalid or given twice."""
    names: dict[str, str] = {}
    problems = []
    pieces = [piece for line in typed for part in line.split("\n") for piece in part.split(",")]
    for piece in filter(str.strip, pieces):
        try:
            name = clean_name(piece)
        except ClassNameError as error:
            problems.append(str(error))
        else:
            if name.casefold() in names:
                problems.append(f"{text.shorten(name)} is already on the list.")
            names.setdefault(name.casefold(), name)
    return tuple(names.values()), list(dict.fromkeys(problems))


def part_of(session: Session, photo: Photo, part: int) -> Photo:
    """Return what is looked at of a photo, by ``PhotoEdit.part``: the photo itself, or the square at one end of it."""
    if not part:
        return photo
    (left, top), side = _corner(photo, part), min(photo.width, photo.height)
    return session.answers.once(
        ("part", photo.sha256, part),
        lambda: load_image(photo.image.crop((left, top, left + side, top + side)), name=photo.name),
    )


def in_whole(photo: Photo, part: int, explanation: Explanation) -> Explanation:
    """Return the explanation of a part of a photo as one of the photo, of which the model saw that part."""
    if not part:
        return explanation
    (left, top), image, crop = _corner(photo, part), photo.image.copy(), explanation.crop
    image.paste(explanation.image, (left, top))
    crop = CropBox(crop.left + left, crop.top + top, crop.right + left, crop.bottom + top)
    return replace(explanation, image=image, crop=crop)


def _corner(photo: Photo, part: int) -> tuple[int, int]:
    """Left and top of a square at one end of a photo."""
    side = min(photo.width, photo.height)
    return (photo.width - side, photo.height - side) if part > 0 else (0, 0)


def answer_at_hand(session: Session, photo: Photo, question: Question) -> SampleAnswer | None:
    """Return the precomputed answer if it fits the question: a sample, its names, the default backbone."""
    answer = sample_answers().get(photo.sha256)
    if answer is None or session.training.backbone_name != DEFAULT_BACKBONE:
        return None
    return answer if question == Question(answer.class_names, templates=DEFAULT_TEMPLATES) else None


def opens_on_sample(session: Session) -> bool:
    """Return whether Explore is in its initial state: the first sample, with no control changed."""
    answer, photo = next(iter(sample_answers().values()), None), photo_on_explore(session)
    if answer is None or photo is None or photo.sha256 != answer.sha256:
        return False
    if (
        session.lost
        or not session.edit.untouched
        or session.notices
        or session.asked
        or session.photos.verdicts
        or session.photos.deck.cards
        or session.page_jobs.running
        or session.downloads.running
        or session.training.taught is not None
    ):
        return False
    try:
        question = session.explore.question(session.training)
    except GallopError:
        return False
    untouched = session.explore.explainer_state(photo.sha256, answer.grid).of(answer) == ExplainerState().of(answer)
    return untouched and answer_at_hand(session, photo, question) is answer


def tiles(session: Session, shown: Photo | None, question: Question | None) -> list[PhotoTile]:
    """Return the visitor's photos, the newest first, and the samples, each with its answer.

    Args:
        question: the question about the photo shown; None while it is invalid.
    """
    samples, uploaded = sample_answers(), [*reversed(session.photos.uploaded.values())]
    on_card = None if uploaded else session.photos.shown(None)
    asked = question
    if shown is not None and shown.sha256 in samples and question is not None:  # it has other names
        asked = _question_for_uploaded(session, uploaded[0] if uploaded else on_card)
    photo_tiles = [
        PhotoTile(
            photo.sha256,
            photo.name,
            session.answers.thumbnail(photo),
            _verdict(session, photo, question_about(session, photo, asked)),
            True,
        )
        for photo in uploaded
    ]
    if on_card is not None:
        verdict, about = _verdict(session, on_card, asked), "On a card of Teach"
        photo_tiles.append(
            PhotoTile(on_card.sha256, on_card.name, session.answers.thumbnail(on_card), verdict, about=about)
        )
    for answer in samples.values():
        verdict = answer.label
        if shown is not None and shown.sha256 == answer.sha256 and question is not None:
            beforehand = answer.label if answer_at_hand(session, shown, question) else ""
            verdict = _verdict(session, shown, question) or beforehand
        about = answer.sample.credit
        photo_tiles.append(PhotoTile(answer.sha256, answer.sample.name, answer.thumbnail, verdict, about=about))
    return photo_tiles


def look_ahead(session: Session, backbone: Backbone, question: Question, seconds: float) -> bool:
    """Compute the answers to the visitor's other photos for so many seconds; return whether some are left."""
    end = time.monotonic() + seconds
    for photo in session.photos.uploaded.values():
        asked = question_about(session, photo, question)
        if asked is not None and session.answers.verdict(photo, asked) is not None:
            continue
        if time.monotonic() > end:
            return True
        asked = asked or replace(question, names=suggest(session, backbone, photo))
        session.answers.explain(backbone, photo, asked)
    return False


def question_about(session: Session, photo: Photo, question: Question | None) -> Question | None:
    """Return what is asked about one of the visitor's photos, where another is asked ``question``: each has its own
    names as long as none were typed, and there are no cards; None before it has any.
    """
    explore, names = session.explore, session.photos.suggested.get(photo.sha256, ())
    if question is None or explore.names or explore.typed_names or session.photos.deck.cards:
        return question
    return replace(question, names=names) if names else None


def suggest(session: Session, backbone: Backbone, photo: Photo) -> tuple[str, ...]:
    """Return the likeliest names for a photo, the likeliest first: its names as long as none are typed.

    Of the whole list on the backbone whose text features are shipped, or once ``read_all_names`` has run; before that
    of its everyday words.
    """
    from gallop.features.encoding import encode_centres
    from gallop.predictions import suggested

    if backbone not in _known:
        _known[backbone] = suggested.KnownNames.at_once(backbone)
    (features,) = encode_centres(backbone, [photo], session.photos.features())
    names = suggested.suggested_names(features.global_[0], _known[backbone].texts)
    return session.photos.suggested.setdefault(photo.sha256, names)


def seconds_for_all_names(backbone: Backbone) -> float:
    """Return about how long ``read_all_names`` takes; 0 where there is nothing to do."""
    return _known[backbone].seconds_left if backbone in _known else 0.0


def read_all_names(session: Session, backbone: Backbone) -> Iterator[float]:
    """Let a backbone read the whole list, yielding the fraction that is done; the next suggestions are of it."""
    yield from _known[backbone].read_all(backbone)
    session.photos.suggested.clear()


def is_guess(explanation: Explanation) -> bool:
    """Return whether the first name is less probable than not, or the second one nearly as probable."""
    best, *others = sorted(explanation.probabilities.values(), reverse=True)
    return bool(others) and (best < UNSURE or best - others[0] < CLOSE)


def begin_class(session: Session, photo: Photo, name: str) -> None:
    """Put a photo on the card of a class, which is created if missing; one that is on a card already stays there."""
    with session.telling(Where.CARDS):
        if session.photos.place_of(photo) is None:
            session.tell(Where.CARDS, session.photos.relabel(photo, name), "success")


# Classes in the text of an answer.
_LIKELIEST = 5


def answer_as_text(found: Explanation | SampleAnswer, state: ExplainerState) -> str:
    """Return what an explainer says, for programs that read a page without running its scripts: the answer, the
    likeliest classes with their probabilities, the verdict and the best regions; of a sample's stored answer only the
    first, at the stored k.
    """
    if isinstance(found, SampleAnswer):
        return f"Answer: {found.label}, {text.percent(found.probability)}, at k = {', '.join(map(str, found.topk))}."
    now, prompt = found.with_topk(state.topk) if found.topk else found, state.prompt
    chances = now.probabilities
    likeliest = sorted(chances, key=chances.__getitem__, reverse=True)[:_LIKELIEST]
    shares = ", ".join(f"{name} {text.percent(chances[name])}" for name in likeliest)
    said = [f"Answer: {now.answer}", f"Probabilities: {shares}", now.doubt.removesuffix(".")]
    if now.threshold is not None and not now.doubt:
        said.append(f"It is {strange_in_words(strangeness(now.ood_score, now.threshold, len(chances)))}")
    if prompt < len(now.topk):
        said.append(f"Local prompt {prompt + 1}: {now.describe(state.class_name or now.label, prompt)}")
    return " ".join(f"{words}." for words in said if words)


def _question_for_uploaded(session: Session, photo: Photo | None) -> Question | None:
    """Return the question for the visitor's photos while a sample is shown; None where it is not valid."""
    with contextlib.suppress(GallopError):
        return session.explore.looking_at(photo.sha256).question(session.training) if photo is not None else None
    return None


def _verdict(session: Session, photo: Photo, question: Question | None) -> str:
    return "" if question is None else session.answers.verdict(photo, question) or ""
