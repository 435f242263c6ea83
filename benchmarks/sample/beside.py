"""What else lies on the table, beside the thing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.sample import materials as made_of
from benchmarks.sample import shapes
from benchmarks.sample.things import Parts, moved


def books(rng: Random) -> Parts:
    """One to three books, lying."""
    parts, height = [], 0.0
    for _ in range(rng.randint(1, 3)):
        x, y, z = rng.uniform(1.2, 1.5), rng.uniform(0.85, 1.05), rng.uniform(0.1, 0.2)
        cover = made_of.plain("cover", made_of.varied(rng.choice(made_of.WALLS + made_of.GLAZES), rng), 0.6)
        turn = rng.uniform(-0.25, 0.25)
        parts.append(moved(shapes.box("cover", (x, y, 0.025), cover, 0.008), 0, 0, height, turn))
        pages = shapes.box(
            "pages", (x - 0.05, y - 0.04, z - 0.03), made_of.plain("pages", (0.8, 0.75, 0.65), 0.9), 0.004
        )
        parts.append(moved(pages, 0, 0, height + 0.02, turn))
        parts.append(moved(shapes.box("cover", (x, y, 0.025), cover, 0.008), 0, 0, height + z, turn))
        height += z + 0.03
    return parts


def fruit(rng: Random) -> Parts:
    """One to three pieces of one kind."""
    code, size, form = rng.choice(
        [
            ("d9822b", 0.3, (1, 1, 0.95)),
            ("e8c93a", 0.24, (1.35, 1, 1)),
            ("9fb23c", 0.3, (1, 1, 0.9)),
            ("7d2a35", 0.22, (1, 1, 1.1)),
        ]
    )
    places = [(0, 0), (0.6, 0.2), (0.25, 0.62)][: rng.randint(1, 3)]
    return [
        moved(shapes.ball("fruit", size, made_of.rough(code, rng, 20, 0.15), form), x, y, 0, rng.uniform(0, 3))
        for x, y in places
    ]


def blocks(rng: Random) -> Parts:
    """Wooden bricks."""
    wood = [made_of.wood(rng), made_of.plain("paint", made_of.varied(rng.choice(made_of.GLAZES), rng), 0.5)]
    parts = []
    for i in range(rng.randint(2, 3)):
        block = shapes.box("block", (0.4, 0.4, 0.4), wood[i % 2], 0.03)
        parts.append(moved(block, 0.5 * (i % 2), 0.1 * i, 0.4 * (i // 2), rng.uniform(0, 1)))
    return parts


def pencils(rng: Random) -> Parts:
    """Pencils on the table."""
    parts = []
    for i in range(rng.randint(2, 4)):
        paint = made_of.plain("paint", made_of.varied(rng.choice(["d9a441", "c9624a", "3f6f6a", "34383c"]), rng), 0.3)
        pencil = shapes.drawn(
            "pencil",
            [(0, 0, 0.04), (0.7, 0, 0.04), (1.4, 0, 0.04)],
            lambda t: 0.04 if t < 0.9 else 0.4 * (1.001 - t),
            paint,
            around=6,
        )
        parts.append(moved(pencil, 0.1 * i, 0.14 * i, 0, rng.uniform(-0.3, 0.3)))
    return parts


def pebbles(rng: Random) -> Parts:
    """Some smooth stones."""
    return [
        moved(
            shapes.ball(
                "pebble",
                rng.uniform(0.1, 0.2),
                made_of.rough(rng.choice(["8d8f92", "c9c0b2", "5c5a57"]), rng),
                (1.3, 1, 0.6),
            ),
            0.38 * i,
            rng.uniform(-0.2, 0.2),
            0,
            rng.uniform(0, 3),
        )
        for i in range(rng.randint(2, 4))
    ]


BESIDE: list[Callable[[Random], Parts]] = [books, fruit, blocks, pencils, pebbles]
