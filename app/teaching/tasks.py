"""Teaching: learning prompts from a few photos of each class, as work for the job manager. Knows no Streamlit.

Also adding photos to a taught model, which its head learns at once, without another training.
"""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from app.jobs import PlainError, Stopped, Work, counted_steps
from app.library import Backbone, GalLoPClassifier, MemoryCache, Pace
from app.teaching.training import (
    LIVE_ROUNDS,
    Answer,
    KeptPrompts,
    Point,
    Progress,
    Taught,
    TeachSettings,
    TrainingRecord,
    WatchedPhoto,
    WatchedStep,
    same_detail,
)
from app.text import joined
from gallop import Photo, TrainConfig
from gallop.evaluation.changes import NOTICED, Changes, Flips
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.wording import time_in_words

# Cost of a step of one fold where several are trained at once, relative to a step of a single training.
SIDE_BY_SIDE = 0.6
# Cost of encoding a view of a photo, in steps with 10 classes: measured on ``mini``, and used only for estimates.
VIEW = 0.15


class Bar:
    """The progress over a head, encoding, training and calibration, and the time left at the measured rate.

    Calibration trains once more for each fold of the photos without it, all folds at once. The duration of a step is
    known only after two steps, and photos are encoded at another rate, so until then there is no estimate.

    Attributes:
        fraction: of the work that is done; it never decreases.
        left: seconds; None until they are known.
    """

    def __init__(self, photos: int, config: TrainConfig, rounds: int | None = None) -> None:
        _, of_folds = config.steps(photos)
        steps, _ = replace(config, epochs=config.epochs if rounds is None else rounds).steps(photos)
        # Of each phase, in steps.
        self._sizes = {
            "head": photos * VIEW,  # the centre crops, which calibration takes too
            "encoding": photos * config.views * VIEW,
            "training": float(steps),
            "calibrating": of_folds * config.calibration_folds * SIDE_BY_SIDE,
        }
        self.fraction = 0.0
        self.left: float | None = None
        self.steps = sum(self._sizes.values()) or 1.0
        self._phase, self._rate = "", 0.0
        self._since = 0.0, 0.0

    def note(self, phase: str, done: int, of: int) -> None:
        """Record how much of a phase is done."""
        now, size = time.monotonic(), self._sizes[phase]
        made = size * done / of
        order = list(self._sizes)
        before = sum(self._sizes[name] for name in order[: order.index(phase)])
        after = sum(self._sizes[name] for name in order[order.index(phase) + 1 :])
        self.fraction = max(self.fraction, min((before + made) / self.steps, 1.0))
        if phase != self._phase:
            self._phase, self._since = phase, (now, made)
        elif phase not in ("head", "encoding"):
            began, then = self._since
            self._rate = (now - began) / (made - then)
        self.left = (size - made + after) * self._rate if self._rate else None


# Photos encoded or classified between two checks for cancellation.
_PHOTOS_AT_ONCE = 16
_FIRST_ANSWER = 4
"""Photos of a class with which the head answers first, while the others are encoded."""
# Seconds: a look that takes less was encoded before.
_FROM_CACHE = 0.002
MOST_WATCHED_STEPS = 60
# Seconds between two updates of the watched map, each of which costs a pass of the image encoder.
SIGHT_SECONDS = 0.7
# Seconds between two answers of a live training.
LIVE_SECONDS = 0.4


def check_photos(photos: Mapping[str, Sequence[Photo]]) -> str:
    """Return why these photos by class cannot be trained on, as a sentence; empty when they can."""
    if len(photos) < 2:
        return "Training needs at least two classes."
    empty = [name for name, shots in photos.items() if not shots]
    has = "has" if len(empty) == 1 else "have"
    return f"{joined(empty)} {has} no photos to learn from yet. Add a few, or turn the class off." if empty else ""


def _passes(settings: TeachSettings) -> tuple[float, float]:
    """What encoding a centre crop and a view takes, in passes of one look; time and features go by the area."""
    looks = settings.method().looks
    return sum(times**2 for times in looks("answers")), sum(times**2 for times in looks("training"))


def demand(
    photos: Mapping[str, Sequence[Photo]], settings: TeachSettings, usual: int, a_view: float | None, pace: Pace | None
) -> str:
    """Return what a training on these photos will take, in a sentence; empty where that is not known.

    Args:
        photos: by class.
        usual: views of each photo where all of them fit.
        a_view: the seconds that one look takes to encode, where they are known; 0 where photos are encoded.
        pace: the seconds of a step, where they are known.
    """
    count, (centre, view) = settings.drawn(photos), _passes(settings)
    few = "" if settings.views == usual else f"{settings.views} of {usual} views of each photo fit into the memory."
    if a_view is None or pace is None:
        return few
    head = "" if settings.head == "none" else f"the head after {time_in_words(count * centre * a_view)}, "
    seconds = count * (centre + settings.views * view) * a_view + pace.seconds(count, settings.training())
    return f"{count} photos: {head}everything after {time_in_words(seconds)}. {few}".strip()


def encoding_ahead(
    backbone: Backbone,
    cache: MemoryCache,
    pending: deque[Photo],
    settings: TeachSettings,
    takes: Callable[[float], None] = lambda seconds: None,
) -> Generator[int, None, None]:
    """Encode photos as they come in, so that a training need not; yield how many are still to do.

    Args:
        pending: photos still to encode; more may be added while this runs.
        takes: called with the seconds that one look takes.
    """
    from gallop.training.learn import encode_ahead

    centre, view = _passes(settings)
    while pending:
        chunk = [pending.popleft() for _ in range(min(_PHOTOS_AT_ONCE, len(pending)))]
        began, seconds = time.monotonic(), 0.0
        for event in encode_ahead(backbone, chunk, settings.training(), cache, settings.method()):
            seconds += time.monotonic() - began
            centres = min(event.done, len(chunk))
            a_look = seconds / (centres * centre + (event.done - centres) * view)
            if a_look > _FROM_CACHE:
                takes(a_look)
            yield len(pending) + len(chunk)
            began = time.monotonic()  # other jobs may have had their turn


def foretelling(
    backbone: Backbone,
    cache: MemoryCache | None,
    shots: Mapping[str, Sequence[Photo]],
    settings: TeachSettings,
    of: Hashable,
) -> Work:
    """Compute the learning curve of the photos on the cards; return it with ``of``."""
    from gallop.evaluation.curve import curve_steps
    from gallop.training.learn import shots_to_learn

    photos, names = zip(*drawn_shots(shots, settings), strict=True)
    data = shots_to_learn(photos, names, cache, shots=None, seed=settings.seed, allow_fewer=True)
    return counted_steps(curve_steps(backbone, data, settings.method(), seed=settings.seed, cache=cache), of)


class Teaching:
    """One training, in steps.

    Args:
        backbone: the shared, frozen one.
        cache: of the features of the visitor's photos.
        shots: training photos by class name.
        tests: test photos by class name; never used for training.
        watch: the photo whose map is updated.
        save: takes the result, at the end or where it was cancelled.
        earlier: the result is compared with this run, on the same backbone.
        unknown: photos of none of the classes, for this comparison alone.
        live: go on from the prompts of the run before, for ``LIVE_ROUNDS``; they answer while they learn, with its
            limit, and calibration follows. Cancelled before its end it leaves nothing.
    """

    def __init__(
        self,
        backbone: Backbone,
        cache: MemoryCache | None,
        shots: Mapping[str, Sequence[Photo]],
        tests: Mapping[str, Sequence[Photo]],
        settings: TeachSettings,
        watch: WatchedPhoto,
        save: Callable[[Taught], None] = lambda taught: None,
        earlier: Taught | None = None,
        unknown: Sequence[Photo] = (),
        live: bool = False,
    ) -> None:
        if problem := check_photos(shots):
            raise PlainError(problem)
        self._save, self._earlier, self._unknown = save, earlier, unknown
        self._from = earlier if live else None
        self.names = tuple(sorted(shots))  # as the photos are drawn, so as ``fit`` orders its classes
        self._backbone, self._cache, self._settings, self._watch = backbone, cache, settings, watch
        self._content = content(shots)
        self._shots = drawn_shots(shots, settings)
        self._tests = [(photo, name) for name in self.names for photo in tests.get(name, ())]
        self._before: GalLoPClassifier | None = None
        self._after: GalLoPClassifier | None = None
        self._answers: dict[str, dict[str, Answer]] = {}
        self._history: list[Point] = []
        self._kept: KeptPrompts | None = None
        self._watched_steps: list[WatchedStep] = []
        self._sight_time = 0.0
        self._bar = Bar(len(self._shots), settings.training(), LIVE_ROUNDS if live else None)
        self._steps, self._of_steps = 0, 0
        self._ready: Taught | None = None
        self._ready_time = 0.0

    def run(self) -> Generator[Progress, None, Taught | None]:
        """Learn and measure in steps, and return the result; stopped, measure what has learned so far. That is None
        before the first step, where there is no head that has learned, and of a live training before its end.
        """
        try:
            yield from self._learn()
            yield from self._wrap_up()
        except Stopped:
            if self._from is not None:
                return None
            yield from self._wrap_up()
        if self._after is None:
            return self._ready
        self._look(self._after, self._steps, always=True)
        taught = self._compared(self._taught(self._after))
        self._save(taught)
        return taught

    def _learn(self) -> Iterator[Progress]:
        # Imported only when a training starts, so that pages are drawn without torch.
        from gallop import GalLoPClassifier

        settings = self._settings
        # With the number of prompts and the scales of the training, so that both can be compared.
        self._before = GalLoPClassifier(
            backbone=self._backbone,
            cache=False,
            global_prompts=settings.global_prompts,
            topk=settings.topk,
            **same_detail(settings),
        ).zero_shot(self.names)
        # No features of visitors' photos are written to disk.
        after = GalLoPClassifier(
            self._backbone,
            method=settings.method(),
            preset=settings.training(),
            cache=False if self._cache is None else self._cache,
        )
        photos, labels = [photo for photo, _ in self._shots], [name for _, name in self._shots]
        more: dict[str, Any] = {}
        if self._from is not None:
            after.model_, after.warm_start = self._from.after.model_, True
            more = {"rounds": LIVE_ROUNDS, "drop_classes": True}
        if settings.head != "none" and (self._from is None or self._from.content != self._content):
            yield from self._head_first()
        tried = False
        for event in after.fit_steps(photos, labels, **more):
            yield self._after_event(event, after)
            if self._complete and not tried:
                # Measured after the training steps and before calibration, so that the model can be tried early.
                tried = True
                yield from self._make_ready(after)
        self._after = after  # also where no prompt has learned, in no rounds

    def _head_first(self) -> Iterator[Progress]:
        """Train the head, which answers until the prompts do: it is in closed form, so encoding is all it takes."""
        from gallop import GalLoPClassifier
        from gallop.features.encoding import encode_centres
        from gallop.training.learn import learned_before

        settings, cache = self._settings.method(), False if self._cache is None else self._cache
        first = GalLoPClassifier(self._backbone, method=settings, cache=cache).zero_shot(self.names)
        if self._from is not None:
            prompts = learned_before(self._from.after.model_, self._backbone, settings)
            first.model_.prompts = prompts or first.model_.prompts
        # A photo of each class, then a second one: the first photos of a head are of several classes.
        by_class = [[shot for shot in self._shots if shot[1] == name] for name in self.names]
        rounds = [shot for each in zip_longest(*by_class) for shot in each if shot is not None]
        size = _PHOTOS_AT_ONCE * math.ceil(len(self.names) / _PHOTOS_AT_ONCE)  # full batches, all classes in the first
        for start in range(0, len(rounds), size):
            part = rounds[start : start + size]
            photos = [photo for photo, _ in part]
            for batch, _ in enumerate(encode_centres(self._backbone, photos, self._cache, sight=first.model_.sight)):
                yield self._progress("head", start + batch * _PHOTOS_AT_ONCE, len(rounds))  # with many classes a while
            first.add_shots(photos, [name for _, name in part])
            learned = rounds[: start + len(part)]
            # Usable with a few photos of each class, long before all of them are encoded; then again with all.
            if len(learned) == len(rounds) or (self._ready is None and len(learned) >= _FIRST_ANSWER * len(self.names)):
                self._ready = self._taught(_uncalibrated(first, self._from), learned)
            yield self._progress("head", len(learned), len(rounds))

    def _make_ready(self, classifier: GalLoPClassifier) -> Iterator[Progress]:
        """Let a classifier be tried while the training goes on."""
        assert self._before is not None
        if "before" not in self._answers:
            yield from self._measure("before", self._before)
        yield from self._measure("after", classifier)
        self._ready = self._taught(_uncalibrated(classifier, self._from))
        yield self._progress("measuring", len(self._answers["after"]), len(self._answers["after"]))

    @property
    def _complete(self) -> bool:
        return self._after is not None and self._of_steps == self._steps

    def _wrap_up(self) -> Iterator[Progress]:
        """Measure the prompts of the last step, or the head."""
        if self._after is None:
            if self._ready is not None:
                yield from self._make_ready(self._ready.after)
        else:
            assert self._before is not None
            if "before" not in self._answers:
                yield from self._measure("before", self._before)
            yield from self._measure("after", self._after)

    def _compared(self, taught: Taught) -> Taught:
        """Return it with its changes against the run before, and how often its test photos were asked."""
        earlier = self._earlier
        if earlier is None:
            return replace(taught, asked_tests=int(bool(self._tests)))

        def tested(classifier: GalLoPClassifier) -> dict[str, bool]:
            seen = {digest for digest, answer in earlier.answers.items() if answer.seen}
            learned = seen if classifier is earlier.after else ()
            pairs = [(photo, name) for photo, name in self._tests if photo.sha256 not in learned]
            return {key: each.right for key, each in answers_to(classifier, self._cache, pairs, seen=False).items()}

        changes = Changes.between(earlier.after, taught.after, self._unknown_answers, tested=tested)
        flips = dict(changes.flips)
        if NOTICED in flips:  # there they are numbers
            sides = (flips[NOTICED].now_right, flips[NOTICED].now_wrong)
            flips[NOTICED] = Flips(*(tuple(self._unknown[int(key)].sha256 for key in side) for side in sides))
        again = any(not answer.seen and digest in taught.answers for digest, answer in earlier.answers.items())
        asked = earlier.asked_tests * again + bool(self._tests)
        return replace(taught, changes=replace(changes, flips=flips), asked_tests=asked)

    def _unknown_answers(self, classifier: GalLoPClassifier) -> dict[str, ScoredAnswers]:
        from gallop.features.encoding import encode_centres

        encoded = encode_centres(self._backbone, self._unknown, self._cache, sight=classifier.model_.sight)
        answers = [ScoredAnswers.of(classifier.predict_all(some)) for some in encoded]
        return {"": ScoredAnswers.cat(answers)} if answers else {}

    def _taught(self, after: GalLoPClassifier, learned: Sequence[tuple[Photo, str]] = ()) -> Taught:
        """The result so far, of the photos that it has learned from: all of them by default."""
        assert self._before is not None
        return Taught(
            self._before,
            after,
            self._settings,
            self._kept,
            tuple(self._watched_steps),
            tuple(learned or self._shots),
            shots=len(learned or self._shots),
            content=self._content,
            steps=self._steps,
            of_steps=self._of_steps,
            history=tuple(self._history),
            answers_before=self._answers.get("before", {}),
            answers=self._answers.get("after", {}),
        )

    def _after_event(self, event: Any, after: GalLoPClassifier) -> Progress:
        if not event.metrics:  # an event without a training step
            encoding = event.stage.startswith("encoding")
            return self._progress("encoding" if encoding else "calibrating", event.done, event.total)
        if self._before is not None and not self._history and self._from is None:
            self._look(self._before, 0)  # its prompts are the initial ones: ``after`` has made the first step
        self._after, self._steps, self._of_steps = after, event.step, event.steps
        self._history.append(Point(event.step, event.loss, event.accuracy))
        self._kept = KeptPrompts(
            event.step,
            tuple(self._shots[i][0].name for i in event.images.tolist()),
            tuple(tuple(sorted(prompts)) for prompts in event.kept.tolist()),
            self._settings.global_prompts,
        )
        if self._from is None:
            self._look(after, event.step)
        elif (now := time.monotonic()) - self._ready_time > LIVE_SECONDS:
            self._ready, self._ready_time = self._taught(_uncalibrated(after, self._from)), now
        return self._progress("training", event.step, event.steps)

    def _progress(self, phase: str, done: int, total: int) -> Progress:
        if phase != "measuring":
            self._bar.note(phase, done, total)
        return Progress(
            phase,
            done,
            total,
            self._history,
            self._bar.left,
            self._kept,
            tuple(self._watched_steps),
            self._bar.fraction,
            self._of_steps,
            self._ready,
        )

    def _look(self, classifier: GalLoPClassifier, step: int, *, always: bool = False) -> None:
        """Explain the watched photo with the current prompts, unless that was just done."""
        photo, now = self._watch.photo if self._from is None else None, time.monotonic()
        changed = (
            not self._watched_steps or photo is None or self._watched_steps[-1].explanation.image is not photo.image
        )
        if photo is None or not (always or changed or now - self._sight_time > SIGHT_SECONDS):
            return
        # A copy, since a classifier caches the text features of its last prompts.
        watched = WatchedStep(step, copy.copy(classifier).explain(photo))
        self._watched_steps = [watched] if changed else [*self._watched_steps, watched]
        if len(self._watched_steps) > MOST_WATCHED_STEPS:  # thinned out, but for the first and the last
            self._watched_steps = [*self._watched_steps[:-1:2], watched]
        self._sight_time = now

    def _measure(self, when: str, classifier: GalLoPClassifier) -> Iterator[Progress]:
        total = len(self._shots) + len(self._tests)
        answers: dict[str, Answer] = {}
        for pairs in (self._shots, self._tests):
            for part in answers_by_photo(classifier, self._cache, pairs, seen=pairs is self._shots):
                answers |= part
                yield self._progress("measuring", len(answers), total)
        self._answers[when] = answers


def _uncalibrated(after: GalLoPClassifier, run: Taught | None = None) -> GalLoPClassifier:
    """Return a copy with the same prompts that does not change while the other learns or is calibrated.

    Args:
        run: with the same classes, gives it the temperature, the weights of the heads and the threshold, which is
            called unreliable.
    """
    from gallop.model.calibration import UNRELIABLE, Calibration

    ready: GalLoPClassifier = copy.copy(after)
    ready.calibration_ = Calibration(note="none yet: calibration is still running")
    ready.model_ = copy.copy(after.model_)
    ready.model_.prompts = copy.deepcopy(after.model_.prompts)
    if run is not None and run.names == after.model_.class_names:
        note = f"{UNRELIABLE}it is that of the run before until calibration is done"
        ready.calibration_ = replace(run.after.calibration_, note=note)
        mixes = {branch.kind: branch.mix for branch in run.after.model_.branches}
        branches = [replace(each, mix=mixes.get(each.kind, each.mix)) for each in after.model_.branches]
        ready.model_ = ready.model_.with_branches(branches)
    return ready


def opened(after: GalLoPClassifier, backbone: Backbone, settings: TeachSettings, record: TrainingRecord) -> Taught:
    """Return a model that was trained before as the result of a training, without photos and maps."""
    from gallop import GalLoPClassifier

    empty = GalLoPClassifier(backbone=backbone, cache=False, **same_detail(after.model_.config))
    return Taught(empty.zero_shot(after.model_.class_names), after, settings, **record.record())


def content(shots: Mapping[str, Sequence[Photo]]) -> frozenset[tuple[str, str]]:
    """Return (class name, content hash) of all photos, to compare with a later state."""
    return frozenset((name, photo.sha256) for name, photos in shots.items() for photo in photos)


def answers_by_photo(
    classifier: GalLoPClassifier,
    cache: MemoryCache | None,
    pairs: Sequence[tuple[Photo, str]],
    *,
    seen: bool,
) -> Iterator[dict[str, Answer]]:
    """Yield a classifier's answers to photos with their class, by content hash, a batch at a time.

    Args:
        seen: whether it was trained on them.
    """
    from gallop.features.encoding import encode_centres

    rest = iter(pairs)
    for features in encode_centres(
        classifier.model_.backbone, [photo for photo, _ in pairs], cache, sight=classifier.model_.sight
    ):
        predictions = classifier.predict_all(features)
        # ``rest`` comes last: it is longer, and zip would drop one item of it with every batch.
        answers = zip(predictions.labels.tolist(), predictions.probabilities.max(axis=1).tolist(), rest, strict=False)
        yield {photo.sha256: Answer(name, label, probability, seen) for label, probability, (photo, name) in answers}


def answers_to(
    classifier: GalLoPClassifier, cache: MemoryCache | None, pairs: Sequence[tuple[Photo, str]], *, seen: bool
) -> dict[str, Answer]:
    return dict(item for part in answers_by_photo(classifier, cache, pairs, seen=seen) for item in part.items())


def drawn_shots(shots: Mapping[str, Sequence[Photo]], settings: TeachSettings) -> list[tuple[Photo, str]]:
    """Return all photos with their class, or so many of each class, drawn and ordered as the library does.

    So the same photos and settings give the same prompts in any order of the photos, and on the command line.
    """
    from gallop.data import LabelledPhotos, draw_shots

    names = tuple(sorted(shots))
    pairs = [(photo, name) for name in names for photo in shots[name]]
    chosen = draw_shots(
        LabelledPhotos(
            photos=tuple(photo for photo, _ in pairs),
            hashes=tuple(photo.sha256 for photo, _ in pairs),
            labels=tuple(names.index(name) for _, name in pairs),
            class_names=names,
        ),
        settings.shots or len(pairs),
        seed=settings.seed,
        allow_fewer=True,
    )
    by_content = {photo.sha256: (photo, name) for photo, name in pairs}
    return [by_content[digest] for digest in chosen.hashes]


Pairs = Sequence[tuple[Photo, str]]


def learned_more(
    taught: Taught, fresh: Pairs, tests: Mapping[str, Sequence[Photo]], cache: MemoryCache | None
) -> Taught:
    """Return it with these photos learned by its head; prompts, limit and curves are unchanged.

    Args:
        tests: test photos by class name.
        cache: of the features of the visitor's photos.
    """
    missed = any(branch.shots is None for branch in taught.after.model_.branches) and are_all(taught, taught.learned)
    after = recalled(taught, taught.learned, cache) if missed else _with_cache(taught.after, cache)
    after.add_shots([photo for photo, _ in fresh], [name for _, name in fresh])
    learned = (*taught.learned, *fresh)
    tested = [(photo, name) for name in taught.names for photo in tests.get(name, ())]
    before, now = (
        answers_to(classifier, cache, learned, seen=True) | answers_to(classifier, cache, tested, seen=False)
        for classifier in (taught.before, after)
    )
    return replace(
        taught,
        after=after,
        learned=learned,
        shots=taught.shots + len(fresh),
        content=taught.content | {(name, photo.sha256) for photo, name in fresh},
        answers_before=before,
        answers=now,
    )


def learned_on_cards(taught: Taught, shots: Mapping[str, Sequence[Photo]]) -> tuple[tuple[Photo, str], ...]:
    """Return the photos on the cards that it was trained on, each with its class, in the order of its training.

    None where one of them is missing, or where they are not known.
    """
    there = {name: [photo for photo in some if (name, photo.sha256) in taught.content] for name, some in shots.items()}
    there = {name: some for name, some in there.items() if some}
    return tuple(drawn_shots(there, taught.settings)) if there and content(there) == taught.content else ()


def are_all(taught: Taught, learned: Pairs) -> bool:
    """Return whether the number of these photos is the number that its head was trained on."""
    branches = taught.after.model_.branches
    return bool(branches) and all(len(learned) == int(branch.sums.counts.sum()) for branch in branches)


def recalled(taught: Taught, learned: Pairs, cache: MemoryCache | None) -> GalLoPClassifier:
    """Return the taught classifier with the shots of its head, of which an opened model has only sums.

    Raises DataError where its head was trained on other photos.
    """
    return _with_cache(taught.after, cache).recall_shots([photo for photo, _ in learned], [name for _, name in learned])


def _with_cache(after: GalLoPClassifier, cache: MemoryCache | None) -> GalLoPClassifier:
    """Return a copy that stores features in the visitor's cache, so that none are written to disk."""
    copied = copy.copy(after)
    copied.cache = False if cache is None else cache
    return copied
