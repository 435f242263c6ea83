"""Trainings that become runs, as tasks for the job manager. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.teaching.progress import Progress, Taught
from app.teaching.tasks import Teaching

Keep = Callable[[Taught], None]


@dataclass
class Recorded:
    """A training whose result, finished or cancelled, is kept."""

    teaching: Teaching
    keep: Keep

    def run(self) -> Iterator[Progress]:
        yield from self.teaching.run()

    def result(self) -> Taught | None:
        taught = self.teaching.result()
        if taught is not None:
            self.keep(taught)
        return taught


@dataclass(frozen=True)
class Stage:
    """Where a series stands: ``number`` counts from 1; ``progress`` is of the training in hand."""

    number: int
    total: int
    progress: Progress

    @property
    def share(self) -> float:
        return (self.number - 1 + self.progress.share) / self.total

    @property
    def sentence(self) -> str:
        return f"Training {self.number} of {self.total}: {self.progress.sentence}"


@dataclass
class Series:
    """Several trainings one after another. One that is cancelled half way is left out: it would spoil the mean."""

    make: Sequence[Callable[[], Teaching]]
    keep: Keep
    done: int = 0

    def run(self) -> Iterator[Stage]:
        for number, make in enumerate(self.make, 1):
            teaching = make()
            for progress in teaching.run():
                yield Stage(number, len(self.make), progress)
            taught = teaching.result()
            assert taught is not None  # it ran to its end
            self.keep(taught)
            self.done += 1

    def result(self) -> int:
        """How many were kept."""
        return self.done
