"""The places of an app that others reach: so many visitors at a time, of whom none pushes the others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.jobs import PlainError
from app.visitor.session import Visitors

MOST_SESSIONS = 32
# How long after the last click an empty session cannot be replaced.
SETTLING_SECONDS = 30.0


@dataclass
class Places(Visitors):
    """The sessions of strangers.

    Args:
        most: sessions at a time; their photos lie in memory.
    """

    most: int = MOST_SESSIONS

    def _leaving(self, browser: str) -> list[str]:
        over = max(len(self._visitors) + 1 - self.most, 0)
        leaving = self._least_missed(browser)[:over]
        if len(leaving) < over:
            raise PlainError(f"The app is full: {self.most} people are already using it. Try again in a few minutes.")
        return leaving

    def _first_to_go(self, sizes: Mapping[str, int]) -> str:
        """Return the oldest session of the browser whose sessions take the most bytes."""
        taken = Counter[str]()
        for token, size in sizes.items():
            taken[self._visitors[token].browser] += size
        return next(token for token in sizes if self._visitors[token].browser == taken.most_common(1)[0][0])

    def _least_missed(self, browser: str) -> list[str]:
        """Return sessions that may be replaced by a new one, the least missed first.

        First empty ones: without a page, then with a page that was not clicked for a while. Then those that rest. Last
        those of a browser that has more than half of all sessions, such as a program that stores no cookies, unless it
        is the browser of the new session.
        """
        held = Counter(visitor.browser for visitor in self._visitors.values())
        late = self.clock() - SETTLING_SECONDS
        oldest = sorted(self._visitors.items(), key=lambda pair: (len(pair[1].leases) > 0, pair[1].drawn))
        unused = [t for t, v in oldest if not v.session.has_anything and (not v.leases or v.drawn < late)]
        crowd = [t for t, v in oldest if v.browser != browser and 2 * held[v.browser] > self.most]
        return [*dict.fromkeys([*unused, *self._resting(), *crowd])]
