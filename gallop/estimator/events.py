"""The events of a training, and following them to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gallop.evaluation.health import data_in_words
from gallop.runtime.progress import ProgressDisplay
from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import StepEvent

FitEvent = EncodeEvent | StepEvent | CalibrationEvent
"""What ``fit_steps`` yields: each has ``stage``, ``done`` of ``total``, a ``note`` in words and ``metrics`` by name."""


def follow(
    events: Iterator[FitEvent],
    *,
    verbose: bool | int,
    callback: Callable[[FitEvent], object] | None = None,
) -> None:
    """Run a training to its end, with progress and what to check in the photos where ``verbose`` is set.

    Args:
        callback: called with each event.
    """
    with ProgressDisplay(wanted=bool(verbose)) as progress:
        for event in events:
            progress.show(event.stage, event.done, event.total, event.note)
            if verbose and isinstance(event, EncodeEvent) and event.encoded:
                progress.say(data_in_words(*event.encoded))
            if callback is not None:
                callback(event)
