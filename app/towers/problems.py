"""Why there is no tower: it cannot be had, or it is not there yet."""

from __future__ import annotations

from app.jobs.manager import PlainError


class TowerProblem(PlainError):
    """A tower that cannot be had; the message says why and what to do.

    Args:
        tower: its name, where trying again may help.
    """

    def __init__(self, words: str, tower: str = "") -> None:
        super().__init__(words)
        self.tower = tower


class TowerLoading(PlainError):
    """A tower that is not there yet, and will be.

    Args:
        tower: its name.
    """

    def __init__(self, words: str, tower: str = "") -> None:
        super().__init__(words)
        self.tower = tower
