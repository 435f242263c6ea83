"""A visitor's training: its settings, the running one, the result of the last. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from app.jobs import Job, JobManager, PlainError, Snapshot, State, Work
from app.library import Backbone, Pace
from app.photos.shelf import allowed
from app.runs.store import Ledger
from app.shared_backbones import DEFAULT_BACKBONE, BackboneRoom, on_backbone
from app.teaching.tasks import (
    Teaching,
    check_photos,
    content,
    demand,
    encoding_ahead,
    foretelling,
    learned_more,
    learned_on_cards,
)
from app.teaching.training import (
    ALL_SHOTS,
    LIVE_PHOTOS,
    Progress,
    Taught,
    TeachSettings,
    TrainingRecord,
    WatchedPhoto,
    can_be_live,
    changed,
    live_state,
    preset,
    regions_of,
    training_outcome,
    usual_way,
)
from app.visitor.photos import VisitorPhotos
from gallop import Photo
from gallop.backbones.weights import KnownBackbone
from gallop.errors import GallopError
from gallop.wording import time_in_words


@dataclass
class VisitorTraining:
    """Training from the cards and the settings, and the taught models."""

    photos: VisitorPhotos
    # Whose turn its jobs take.
    visitor: str = ""
    watch: WatchedPhoto = field(default_factory=WatchedPhoto)
    # Where trainings are saved as runs; None where they are not.
    ledger: Ledger | None = None
    # Whether a training is to start with the next page that is drawn.
    asked: bool = False
    job: Job | None = None
    # The current backbone, which answers and which the next training uses.
    backbone_name: str = DEFAULT_BACKBONE
    # The settings by backbone; no entry for a backbone whose settings were not changed.
    settings_by_backbone: dict[str, TeachSettings] = field(default_factory=dict)
    # What was taught last on each backbone, and its number: while a training runs, what it has learned so far.
    _taught: dict[str, tuple[int, Taught]] = field(default_factory=dict)
    # The last whole run on each backbone, and the one before it, each with its number.
    _runs: dict[str, tuple[tuple[int, Taught], ...]] = field(default_factory=dict)
    # Whether a change trains again by itself; None follows the number of photos.
    live: bool | None = None
    # What the last live training on each backbone follows, or the state of things in which none is wanted.
    _followed: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _job_is_live: bool = False
    # How the last training ended, as shown with each backbone.
    _outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _training_on: str = DEFAULT_BACKBONE
    # The uncalibrated model of the running training, once it was taken over.
    _tried: Taught | None = None
    _count: int = 0
    _pending: deque[Photo] = field(default_factory=deque)
    _encoding: Job | None = None
    # As measured last; None before photos were encoded.
    seconds_a_view: float | None = None
    _pace: Pace | None = None

    @property
    def settings(self) -> TeachSettings:
        """The settings that were chosen, for the current backbone: backbones need different settings."""
        name = "default" if self.backbone_name == DEFAULT_BACKBONE else "paper"
        return self.settings_by_backbone.get(self.backbone_name) or preset(usual_way(name), name, counted=self.counted)

    @settings.setter
    def settings(self, chosen: TeachSettings) -> None:
        self.settings_by_backbone[self.backbone_name] = chosen

    @property
    def fitting(self) -> TeachSettings:
        """The settings of the next training: those chosen, with as many views as the visitor's memory holds."""
        return self.settings.fitting(self.photos.shots(), allowed())

    def settings_on(self, known: KnownBackbone) -> TeachSettings:
        """Return ``settings`` where more than the name of the current backbone is known."""
        name, regions = known.preset, regions_of(known)
        return self.settings_by_backbone.get(self.backbone_name) or preset(usual_way(name), name, regions, self.counted)

    @property
    def counted(self) -> tuple[int, int] | None:
        """How many photos the next training takes, and of how many classes; None without photos."""
        chosen = self.settings_by_backbone.get(self.backbone_name)
        most = chosen.shots if chosen is not None else ALL_SHOTS
        counts = [min(len(photos), most or len(photos)) for photos in self.photos.shots().values()]
        return (sum(counts), len(counts)) if any(counts) else None

    @property
    def taught(self) -> Taught | None:
        """The taught model of the current backbone: prompts of one backbone are meaningless for another."""
        return self._taught.get(self.backbone_name, (0, None))[1]

    @property
    def taught_model(self) -> Taught:
        """Return ``taught`` where it is known that there is one."""
        assert self.taught is not None
        return self.taught

    @property
    def outcome(self) -> tuple[str, str] | None:
        """Return how the last training ended, as shown with the current backbone: its kind, and a sentence, with lines
        above it of what changed against the run before.
        """
        return self._outcomes.get(self.backbone_name)

    def end_with(self, kind: str, sentence: str) -> None:
        self._outcomes[self.backbone_name] = kind, sentence

    @property
    def number(self) -> int:
        """The number of the taught model, which changes with each training or opening: results are cached by it."""
        return self._taught.get(self.backbone_name, (0, None))[0]

    @property
    def version(self) -> tuple[str, int]:
        """The current backbone and the number of its taught model: results of two versions are never mixed."""
        return self.backbone_name, self.number

    @property
    def elsewhere(self) -> list[str]:
        return [name for name in self._taught if name != self.backbone_name]

    @property
    def run_now(self) -> Taught | None:
        """The last whole run of the current backbone: another training begins with it, or is compared with it."""
        return next((run for _, run in self._runs.get(self.backbone_name, ())), None)

    @property
    def run_before(self) -> Taught | None:
        """The whole run before the model in use, whose values stay as marks; None without one."""
        return next((run for _, run in self._runs.get(self.backbone_name, ()) if run is not self.taught), None)

    @property
    def is_live(self) -> bool:
        """Whether a change trains again by itself: as chosen, or where there are few photos."""
        photos, _ = self.counted or (0, 0)
        return photos <= LIVE_PHOTOS if self.live is None else self.live

    @property
    def is_retraining(self) -> bool:
        """Whether a live training runs on the current backbone."""
        return self.job is not None and self._job_is_live and self._training_on == self.backbone_name

    def begin(self, manager: JobManager, room: BackboneRoom) -> None:
        """Queue the training that was asked for, or that a change asks for; where settings are drawn, after them: they
        may change with the click.
        """
        if not self.asked:
            self.retrain(manager, room)
            return
        self.asked = False
        # As chosen, or what is usual for so many photos: from now on they can be changed.
        self.settings = self.settings_on(room.status(self.backbone_name).known)
        try:
            self.start(manager, room)
        except GallopError as error:
            self.end_with("error", str(error))

    def retrain(self, manager: JobManager, room: BackboneRoom) -> None:
        """Train again from the run in use where dropout, the number of prompts or a photo has changed since; a live
        training that follows something older is superseded, and stopped where the change was taken back.
        """
        run = self.run_now
        if run is None or not self.is_live or (self.job is not None and not self.is_retraining):
            return
        shots, settings = self.photos.shots(), self.fitting
        now = live_state(settings, content(shots))
        if not run.content & content(shots):  # its photos are not here: it would forget them
            return
        if now == self._followed.get(self.backbone_name) or not can_be_live(run.settings, settings):
            return
        if now == live_state(run.settings, run.content) or check_photos(shots):
            self.stop_retraining()
            return
        self._followed[self.backbone_name] = now
        if self.job is not None:
            self.job.cancel()
        try:
            self.start(manager, room, live=True)
        except PlainError as error:
            self.end_with("error", str(error))

    def stop_retraining(self) -> None:
        """Stop a live training; the run before answers again, and another change starts the next one."""
        if self.job is not None and self.is_retraining and self.run_now is not None:
            self.job.cancel()
            self.job = self._tried = None
            self._followed[self.backbone_name] = live_state(self.fitting, content(self.photos.shots()))
            self._taught[self.backbone_name] = self._runs[self.backbone_name][0]

    def go_back(self) -> None:
        """Answer with the run before again, with its settings; the cards go back where undoing leads to its photos."""
        run, photos = self.run_before, self.photos
        if run is None:
            return
        self.stop_retraining()
        past = [content({card.name: card.shots for card in cards if card.enabled}) for _, cards in photos.deck.past]
        if content(photos.shots()) != run.content and run.content in past:
            for _ in range(past[::-1].index(run.content) + 1):  # no further than to the last time that they were so
                photos.undo()
        self.settings = run.settings
        self._followed[self.backbone_name] = live_state(self.fitting, content(photos.shots()))
        self._outcomes.pop(self.backbone_name, None)
        (kept,) = (each for each in self._runs[self.backbone_name] if each[1] is run)
        self._taught[self.backbone_name], self._runs[self.backbone_name] = kept, (kept,)

    def start(self, manager: JobManager, room: BackboneRoom, *, live: bool = False) -> None:
        """Queue a training on the cards that are turned on, with the backbone that is chosen.

        Args:
            live: from the run in use, behind all that others wait for.

        Raises:
            PlainError: these photos cannot be trained on, or too many jobs are waiting.
        """
        photos, cards = self.photos, self.photos.deck.in_use
        shots, tests, settings, run = photos.shots(), photos.tests(), self.fitting, self.run_now
        if problem := check_photos(shots):
            raise PlainError(problem)
        if self.watch.photo is None:
            self.watch.photo = next((photo for card in cards for photo in card.tests + card.shots), None)

        def make(backbone: Backbone) -> Work:
            project = photos.project_name
            more: dict[str, Any] = {"save": partial(self.ledger.save, project=project)} if self.ledger else {}
            unknown = tuple(photos.unknown.photos.values())
            return Teaching(
                *(backbone, photos.features(), shots, tests, settings, self.watch),
                earlier=run,
                unknown=unknown,
                live=live,
                **more,
            ).run()

        job = manager.submit(on_backbone(room, self.backbone_name, make), urgent=not live, visitor=self.visitor)
        self.job, self._training_on, self._job_is_live, self._tried = job, self.backbone_name, live, None
        self._outcomes.pop(self.backbone_name, None)

    def learning_curve(self, room: BackboneRoom, of: Hashable) -> Work:
        """Return the work that computes the learning curve of the photos on the cards, and returns it with ``of``.

        Raises:
            PlainError: these photos cannot be trained on.
        """
        photos, settings, shots = self.photos, self.fitting, self.photos.shots()
        if problem := check_photos(shots):
            raise PlainError(problem)

        return on_backbone(
            room, self.backbone_name, lambda backbone: foretelling(backbone, photos.features(), shots, settings, of)
        )

    def encode_later(self, photos: Iterable[Photo]) -> None:
        """Encode photos as ``encode_ahead``, once the page is drawn."""
        self._pending.extend(photos)

    def encode_ahead(self, manager: JobManager, room: BackboneRoom) -> None:
        """Encode photos in the background, so that a training with the current settings need not."""
        if not self._pending or (self._encoding is not None and self._encoding.snapshot().active):
            return
        try:
            settings = self.fitting
            self._encoding = manager.submit(
                on_backbone(room, self.backbone_name, lambda backbone: self._ahead(backbone, settings)),
                urgent=False,
                visitor=self.visitor,
            )
        except PlainError:
            self._pending.clear()  # no harm: the training encodes them itself

    def expected(self) -> str:
        """Return what a training will take, in a sentence; empty where the cards cannot be trained on."""
        shots = self.photos.shots()
        a_view = 0.0 if self.has_encoded else self.seconds_a_view
        return "" if check_photos(shots) else demand(shots, self.fitting, self.settings.views, a_view, self._pace)

    def takes(self) -> str:
        """Return how long a training takes, such as "about 12 s"; empty where that is not known."""
        photos, _ = self.counted or (0, 0)
        return "" if self._pace is None else time_in_words(self._pace.seconds(photos, self.fitting.training()))

    def _ahead(self, backbone: Backbone, settings: TeachSettings) -> Generator[int, None, None]:
        takes = partial(setattr, self, "seconds_a_view")
        yield from encoding_ahead(backbone, self.photos.features(), self._pending, settings, takes)
        from gallop.training.pace import Pace

        photos, classes = self.counted or (0, 0)
        if photos and not (self.is_live and self.run_now):  # a live training is about to start
            self._pace = Pace.measured(backbone, classes, settings.method(), settings.training(), photos)

    @property
    def has_encoded(self) -> bool:
        """Whether the photos of the cards are encoded, so that answers to them take no time."""
        encoding = self._encoding
        done = self.taught is not None if encoding is None else encoding.snapshot().state is State.DONE
        return done and not self._pending

    def settle(self) -> Taught | None:
        """Take over the result of a training, or its uncalibrated model; return what is to be shown now."""
        if self.job is None:
            return None
        snapshot, name = self.job.snapshot(), self._training_on
        if snapshot.active:
            ready = self._ready(snapshot)
            if ready is None or ready is self._tried:
                return None
            first, self._tried = self._tried is None, ready
            self._use(ready)
            return ready if first and name == self.backbone_name and not self._is_as_shown(ready) else None
        self.job, tried, self._tried = None, self._tried, None
        kind, sentence = training_outcome(snapshot, live=self._job_is_live)
        if snapshot.result is None and name in self._runs:
            self._taught[name] = self._runs[name][0]
        elif snapshot.result is not None:
            self.set_taught(snapshot.result)
            if self.ledger is not None and self.ledger.problem:
                kind, sentence = "info", f"{sentence} {self.ledger.problem}"
            if changes := snapshot.result.changes:
                kind = "warning" if changes.is_fall else "info" if changes.fell else kind
                sentence = "\n".join([*changes.lines, sentence])
        self._outcomes[name] = kind, sentence
        if name != self.backbone_name:
            words = f" It was trained on {name}. Choose that backbone to use it." if snapshot.result else ""
            self.end_with(kind, sentence + words)
        # If it was tried before calibration, the visitor may have changed Explore since.
        fresh = name == self.backbone_name and tried is None and snapshot.result is not None
        return snapshot.result if fresh and not self._is_as_shown(snapshot.result) else None

    def _is_as_shown(self, taught: Taught) -> bool:
        """Whether the pages show the classes of a live training already, so that they stay as they are."""
        run = self.run_before
        return self._job_is_live and run is not None and set(run.names) == set(taught.names)

    def has_news(self, snapshot: Snapshot) -> bool:
        """Return whether there is something for ``settle`` to take over."""
        ready = self._ready(snapshot)
        return not snapshot.active or (ready is not None and ready is not self._tried)

    def _ready(self, snapshot: Snapshot) -> Taught | None:
        # Beside a whole run only a live training answers before its end: a full one begins anew, and is worse at first.
        return (
            snapshot.progress.ready
            if isinstance(snapshot.progress, Progress) and (self._job_is_live or self._training_on not in self._runs)
            else None
        )

    def adopt(self, taught: Taught) -> None:
        """Make this the taught model, its backbone the current one, and its settings those of the next training."""
        self.backbone_name = taught.backbone_name
        self.settings = taught.settings
        self._runs.pop(taught.backbone_name, None)  # it does not follow from what was trained here
        self.set_taught(taught)

    def begin_anew(self) -> None:
        """Remove the taught models and the settings of all backbones."""
        self.settings_by_backbone, self._taught, self._outcomes = {}, {}, {}
        self._runs, self._followed = {}, {}
        self._pending.clear()

    def set_taught(self, taught: Taught) -> None:
        """Use a taught model as the latest run of its backbone."""
        name = taught.backbone_name
        self._use(taught)
        self._runs[name] = (self._taught[name], *self._runs.get(name, ())[:1])
        self._followed.pop(name, None)

    def _use(self, taught: Taught) -> None:
        self._count += 1
        self._taught[taught.backbone_name] = self._count, taught

    def knows(self, names: tuple[str, ...]) -> bool:
        """Return whether the taught model can answer for this class list, which must contain all its classes."""
        return self.taught is not None and set(self.taught.names) <= set(names)

    def scales(self) -> tuple[int, ...]:
        """Return the k of the taught model: as set now, or as trained where that was another number of prompts."""
        now, then = self.settings.topk, self.taught_model.settings.topk
        return tuple(now if len(now) == len(then) else then)

    def stale(self) -> list[str]:
        """Return what has changed since the training, in words; empty where nothing has, or without a taught model."""
        if self.taught is None:
            return []
        return [*filter(None, [self.cards_changed()]), *changed(self.taught.settings, self.fitting)]

    def cards_changed(self) -> str:
        """Return what has changed on the cards since the training, in words; empty where nothing has."""
        shots = self.photos.shots()
        if self.taught is None or (content(shots) == self.taught.content and set(shots) == set(self.taught.names)):
            return ""
        return "the photos" if set(shots) == set(self.taught.names) else "the classes"

    @property
    def learned(self) -> tuple[tuple[Photo, str], ...]:
        """The training photos of the taught model, each with its class. For an opened run those on the cards, and none
        where one of them is missing; for a model from a file only those that its head learned here.
        """
        if self.taught is None:
            return ()
        return self.taught.learned or learned_on_cards(self.taught, self.photos.shots())

    def new_photos(self) -> list[tuple[Photo, str]]:
        """Return the photos on the cards that the model's head can learn without a training, with their class.

        None where there is no head, where its earlier shots are missing, or where more has changed than that there are
        new photos.
        """
        taught, shots = self.taught, self.photos.shots()
        if taught is None or changed(taught.settings, self.fitting):
            return []
        branches, known = taught.after.model_.branches, taught.content
        missed = any(branch.sums.balanced and branch.shots is None for branch in branches)
        if not branches or (missed and not learned_on_cards(taught, shots)):
            return []
        if set(shots) != set(taught.names) or not known < content(shots):
            return []
        return [(photo, name) for name in taught.names for photo in shots[name] if (name, photo.sha256) not in known]

    def learn_more(self) -> None:
        """Let the head learn them. Raises GallopError where one cannot be read or the backbone was unloaded."""
        fresh = self.new_photos()
        if self.taught is not None and fresh:
            taught = replace(self.taught, learned=self.learned)
            self.set_taught(learned_more(taught, fresh, self.photos.tests(), self.photos.features()))

    def tested_otherwise(self) -> bool:
        """Return whether the last training was tested on other photos or classes than the cards have now, if any."""
        if self.taught is None or not self.photos.deck.in_use:
            return False
        tested = {digest: answer.truth for digest, answer in self.taught.answers.items() if not answer.seen}
        tests = self.photos.tests()
        now = {photo.sha256: name for name, photos in tests.items() for photo in photos}
        return now != tested or set(tests) != set(self.taught.names)

    def tested_with(self, names: Sequence[str], record: TrainingRecord) -> list[tuple[Photo, str]]:
        """Return the photos on the cards that test a trained model, each with its class, in the order of names.

        A former test photo that is now a training photo still counts until the next training, and a photo that the
        model was trained on does not.
        """
        seen = {digest: answer.seen for digest, answer in record.answers.items()}
        tests = {
            card.name: [*card.tests, *(photo for photo in card.shots if photo.sha256 in seen)]
            for card in self.photos.deck.in_use
        }
        return [(photo, name) for name in names for photo in tests.get(name, ()) if not seen.get(photo.sha256, False)]

    def close(self) -> None:
        """Stop all jobs: the visitor has left."""
        for job in (self.job, self._encoding):
            if job is not None:
                job.cancel()
        if self.ledger is not None:
            self.ledger.close()
