"""A visitor's training: its settings, the one under way, what the last one left. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.backbones import DEFAULT_BACKBONE, BackboneRoom, OnBackbone
from app.jobs import Job, JobManager, PlainError, Snapshot, State, Steps, Task
from app.library import Backbone
from app.runs.store import Ledger
from app.teaching.tasks import (
    Teaching,
    check_photos,
    content,
    encoding_ahead,
    learned_more,
    learned_on_cards,
    new_photos,
)
from app.teaching.training import (
    Course,
    Progress,
    Settings,
    Taught,
    Watch,
    changed,
    preset,
    regions_of,
    training_outcome,
    usual_way,
)
from app.visitor.photos import VisitorPhotos
from gallop import Photo
from gallop.backbones.weights import KnownBackbone


@dataclass
class VisitorTraining:
    """From the cards and the settings to what was taught."""

    photos: VisitorPhotos
    # Whose turn its jobs take.
    visitor: str = ""
    watch: Watch = field(default_factory=Watch)
    # Where trainings are kept as runs; None where they are not.
    ledger: Ledger | None = None
    # Whether a training is to start with the next page that is drawn.
    asked: bool = False
    job: Job | None = None
    # The one that answers, and that the next training is on.
    backbone_name: str = DEFAULT_BACKBONE
    # As they stand for each backbone; none for one that nobody has set anything for.
    settings_by_backbone: dict[str, Settings] = field(default_factory=dict)
    # What was taught last on each backbone, and its number.
    _taught: dict[str, tuple[int, Taught]] = field(default_factory=dict)
    # How the last training ended that is told with each backbone.
    _outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _training_on: str = DEFAULT_BACKBONE
    # What the training under way had ready before it is calibrated, once that was taken over.
    _tried: Taught | None = None
    _count: int = 0
    _pending: deque[Photo] = field(default_factory=deque)
    _encoding: Job | None = None

    @property
    def settings(self) -> Settings:
        """Those of the next training, on the backbone that answers: what suits one backbone need not suit another."""
        own = "default" if self.backbone_name == DEFAULT_BACKBONE else "paper"
        return self.settings_by_backbone.get(self.backbone_name) or preset(usual_way(own), own)

    @settings.setter
    def settings(self, chosen: Settings) -> None:
        self.settings_by_backbone[self.backbone_name] = chosen

    def settings_on(self, known: KnownBackbone) -> Settings:
        """Return the same where what is known of the backbone that answers tells more than its name."""
        own, regions = known.preset, regions_of(known)
        return self.settings_by_backbone.get(self.backbone_name) or preset(usual_way(own), own, regions)

    @property
    def taught(self) -> Taught | None:
        """What was taught on the backbone that answers: prompts of one say nothing to another."""
        return self._taught.get(self.backbone_name, (0, None))[1]

    @property
    def taught_model(self) -> Taught:
        """Return ``taught`` for what is drawn only where something was taught."""
        assert self.taught is not None
        return self.taught

    @property
    def outcome(self) -> tuple[str, str] | None:
        """Return how the last training ended, as told with the backbone that answers: (kind, sentence)."""
        return self._outcomes.get(self.backbone_name)

    def end_with(self, kind: str, sentence: str) -> None:
        self._outcomes[self.backbone_name] = kind, sentence

    @property
    def number(self) -> int:
        """Counts what was taught, trained or opened: what was worked out with one is not asked for with the next."""
        return self._taught.get(self.backbone_name, (0, None))[0]

    @property
    def version(self) -> tuple[str, int]:
        """Which backbone answers, and with which prompts: figures of two versions are never the same thing."""
        return self.backbone_name, self.number

    @property
    def elsewhere(self) -> list[str]:
        return [name for name in self._taught if name != self.backbone_name]

    def start(self, manager: JobManager, room: BackboneRoom) -> None:
        """Queue a training on the cards that are turned on, with the backbone that is chosen.

        Raises:
            PlainError: these photos cannot be learned from, or too many jobs are waiting.
        """
        photos, cards = self.photos, self.photos.deck.in_use
        shots, tests, settings = photos.shots(), photos.tests(), self.settings
        if problem := check_photos(shots):
            raise PlainError(problem)
        if self.watch.photo is None:
            self.watch.photo = next((photo for card in cards for photo in card.tests + card.shots), None)

        def make(backbone: Backbone) -> Task:
            keep = {"keep": self.ledger.keep} if self.ledger else {}
            return Teaching(backbone, photos.features(), shots, tests, settings, self.watch, **keep)

        job = manager.submit(OnBackbone(room, self.backbone_name, make), visitor=self.visitor)
        self.job, self._training_on = job, self.backbone_name
        self._outcomes.pop(self.backbone_name, None)

    def encode_ahead(self, manager: JobManager, room: BackboneRoom, photos: Iterable[Photo]) -> None:
        """Encode photos in the background, so that a training with the settings as they are need not."""
        self._pending.extend(photos)
        if not self._pending or (self._encoding is not None and self._encoding.snapshot().active):
            return
        try:
            settings = self.settings
            self._encoding = manager.submit(
                OnBackbone(
                    room,
                    self.backbone_name,
                    lambda backbone: Steps(encoding_ahead(backbone, self.photos.features(), self._pending, settings)),
                ),
                urgent=False,
                visitor=self.visitor,
            )
        except PlainError:
            self._pending.clear()  # no harm: the training encodes them itself

    @property
    def has_encoded(self) -> bool:
        """Whether the photos of the cards are features by now, so that asking about them takes no time."""
        if self._encoding is not None:
            return self._encoding.snapshot().state is State.DONE
        return self.taught is not None

    def settle(self) -> Taught | None:
        """Take over what a training left, or what it has ready before it is calibrated: what is to be shown now."""
        if self.job is None:
            return None
        snapshot, name = self.job.snapshot(), self._training_on
        if snapshot.active:
            ready = _ready(snapshot)
            if ready is None or ready is self._tried:
                return None
            self._tried = ready
            self._keep(ready)
            return ready if name == self.backbone_name else None
        self.job, tried, self._tried = None, self._tried, None
        kind, sentence = training_outcome(snapshot)
        if snapshot.result is not None:
            self._keep(snapshot.result)
            if self.ledger is not None and self.ledger.problem:
                kind, sentence = "info", f"{sentence} {self.ledger.problem}"
        self._outcomes[name] = kind, sentence
        if name != self.backbone_name:
            words = f" It was trained on {name}. Choose that backbone to use it." if snapshot.result else ""
            self.end_with(kind, sentence + words)
        # Who has tried it since may have put what stands on Explore elsewhere.
        return snapshot.result if name == self.backbone_name and tried is None else None

    def has_news(self, snapshot: Snapshot) -> bool:
        """Return whether there is something for ``settle`` to take over."""
        ready = _ready(snapshot)
        return not snapshot.active or (ready is not None and ready is not self._tried)

    def adopt(self, taught: Taught, settings: Settings | None = None) -> None:
        """Let this be what was taught from now on, and its backbone the one that answers.

        Args:
            settings: of the next training; None lets those of its backbone stand, with its k.
        """
        self.backbone_name = taught.backbone_name
        self.settings = settings or replace(self.settings, topk=taught.settings.topk)
        self._keep(taught)

    def begin_anew(self, settings: Mapping[str, Settings]) -> None:
        """Let nothing be taught on any backbone, and these be the settings by backbone."""
        self.settings_by_backbone, self._taught, self._outcomes = dict(settings), {}, {}

    def forget(self, taught: Taught) -> None:
        """Let this no longer be what was taught; nothing is, on its backbone, until the next training."""
        if self._taught.get(taught.backbone_name, (0, None))[1] is taught:
            del self._taught[taught.backbone_name]
            self._outcomes.pop(taught.backbone_name, None)

    def _keep(self, taught: Taught) -> None:
        self._count += 1
        self._taught[taught.backbone_name] = self._count, taught

    def knows(self, names: tuple[str, ...]) -> bool:
        """Return whether what was taught can answer for this class list: all its classes are on it."""
        return self.taught is not None and set(self.taught.names) <= set(names)

    def scales(self) -> tuple[int, ...]:
        """Return the k that what was taught is read with: as set now, or as taught where that was another number."""
        now, then = self.settings.topk, self.taught_model.settings.topk
        return tuple(now if len(now) == len(then) else then)

    def stale(self) -> list[str]:
        """Return what has changed since, in words; nothing when all is up to date, or nothing was taught."""
        if self.taught is None:
            return []
        return [*filter(None, [self.cards_changed()]), *changed(self.taught.settings, self.settings)]

    def cards_changed(self) -> str:
        """Return what has changed on the cards since what was taught, in words; empty where nothing has."""
        shots = self.photos.shots()
        if self.taught is None or (content(shots) == self.taught.content and set(shots) == set(self.taught.names)):
            return ""
        return "the photos" if set(shots) == set(self.taught.names) else "the classes"

    @property
    def learned(self) -> tuple[tuple[Photo, str], ...]:
        """The photos that what was taught learned from, each with its class; of a run that was opened those on the
        cards, and none where not all of them are there. Of a model that came as a file, what it learned here alone.
        """
        if self.taught is None:
            return ()
        return self.taught.learned or learned_on_cards(self.taught, self.photos.shots())

    def new_photos(self) -> list[tuple[Photo, str]]:
        """Return those on the cards that the head of what was taught can learn without a training, with their class."""
        if self.taught is None or changed(self.taught.settings, self.settings):
            return []
        return new_photos(self.taught, self.photos.shots())

    def learn_more(self) -> None:
        """Let the head learn them. Raises GallopError where one cannot be read or the backbone has gone."""
        fresh = self.new_photos()
        if self.taught is not None and fresh:
            taught = replace(self.taught, learned=self.learned)
            self._keep(learned_more(taught, fresh, self.photos.tests(), self.photos.features()))

    def tested_otherwise(self) -> bool:
        """Return whether the last training was tested on other photos or classes than the cards have now, if any."""
        if self.taught is None or not self.photos.deck.in_use:
            return False
        tested = {digest: answer.truth for digest, answer in self.taught.answers.items() if not answer.seen}
        tests = self.photos.tests()
        now = {photo.sha256: name for name, photos in tests.items() for photo in photos}
        return now != tested or set(tests) != set(self.taught.names)

    def tested_with(self, names: Sequence[str], course: Course) -> list[tuple[Photo, str]]:
        """Return the photos on the cards that test what a training learned, each with its class, in the order of names.

        A photo that it was tested with goes on to test it where it is to be learned from only in the next training, and
        one that it has learned from does not.
        """
        seen = {digest: answer.seen for digest, answer in course.answers.items()}
        cards = {card.name: card for card in self.photos.deck.in_use}
        tests = {
            name: [*card.tests, *(photo for photo in card.shots if photo.sha256 in seen)]
            for name, card in cards.items()
        }
        return [(photo, name) for name in names for photo in tests.get(name, ()) if not seen.get(photo.sha256, False)]

    def close(self) -> None:
        """Stop what is under way: the visitor has gone for good."""
        for job in (self.job, self._encoding):
            if job is not None:
                job.cancel()
        if self.ledger is not None:
            self.ledger.close()


def _ready(snapshot: Snapshot) -> Taught | None:
    return snapshot.progress.ready if isinstance(snapshot.progress, Progress) else None
