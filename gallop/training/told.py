"""The events of a training in words, for whoever shows how far it is."""

from __future__ import annotations

from typing import NamedTuple

from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import StepEvent


class Told(NamedTuple):
    """A stage, and ``done`` of ``total`` of it, as ``ProgressDisplay.show`` takes them."""

    stage: str
    done: int
    total: int
    note: str = ""


def event_in_words(event: EncodeEvent | StepEvent | CalibrationEvent) -> Told:
    """Return what is to be said of an event.

    >>> event_in_words(EncodeEvent(8, 32))
    Told(stage='encoding views', done=8, total=32, note='')
    """
    if isinstance(event, EncodeEvent):
        return Told("encoding views", event.done, event.total)
    if isinstance(event, CalibrationEvent):
        return Told("calibrating on held-out shots", event.step, event.steps)
    note = f"epoch {event.epoch + 1}, loss {event.loss:.3f}, accuracy {event.accuracy:.1%}"
    return Told("training", event.step, event.steps, note)
