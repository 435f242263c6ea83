"""Things that are none of the four kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from benchmarks.sample import materials as made_of
from benchmarks.sample import shapes
from benchmarks.sample.things import Parts, moved


def bowl(rng: Random) -> Parts:
    """A bowl, empty or filled."""
    r, h = rng.uniform(0.62, 0.85), rng.uniform(0.32, 0.5)
    forms = [
        [(r * 0.4, 0.0), (r * 0.42, 0.05), (r * 0.8, h * 0.45), (r, h)],
        [(r * 0.5, 0.0), (r * 0.85, h * 0.3), (r * 0.98, h * 0.65), (r, h)],
        [(r * 0.35, 0.0), (r * 0.36, 0.08), (r * 0.75, h * 0.5), (r * 1.1, h)],
    ]
    outside = rng.choice(forms)
    skin = rng.choice([made_of.glaze, made_of.glaze, made_of.glaze, made_of.wood, made_of.metal])(rng)
    parts = [shapes.turned("body", shapes.hollow(outside, 0.045), skin)]
    filling = rng.choice(["nothing", "soup", "fruit", "eggs", "grain"])
    if filling in ("soup", "grain"):
        code = rng.choice(["b5471f", "d08a2a", "8a9a4a"]) if filling == "soup" else "e2cfa6"
        stuff = (
            made_of.plain("soup", made_of.varied(code, rng), 0.2)
            if filling == "soup"
            else made_of.rough(code, rng, 30, 1)
        )
        level = h * 0.82
        parts.append(shapes.turned("filling", [(0, level), (shapes.radius_at(outside, level) - 0.03, level)], stuff))
    elif filling != "nothing":
        code = rng.choice(["c0392b", "d9822b", "8fae3c"]) if filling == "fruit" else "e9d3bb"
        for i in range(5):
            turn, size = i * 2 * math.pi / 4, rng.uniform(0.2, 0.24) * r / 0.7
            piece = shapes.ball(
                "piece", size, made_of.rough(code, rng, 12, 0.1), (1, 1, 1.2 if filling == "eggs" else 0.95)
            )
            away = 0.0 if i == 4 else r * 0.42
            parts.append(moved(piece, away * math.cos(turn), away * math.sin(turn), 0.1 if i < 4 else 0.3))
    return parts


def pawn(rng: Random) -> Parts:
    """A chess pawn or two, of turned wood."""
    profile = [
        (0, 0),
        (0, 0),
        (0.34, 0),
        (0.36, 0.06),
        (0.33, 0.12),
        (0.35, 0.17),
        (0.26, 0.24),
        (0.15, 0.45),
        (0.12, 0.68),
        (0.2, 0.72),
        (0.2, 0.75),
        (0.1, 0.78),
    ]
    head = [(0.2 * math.sin(a), 0.93 - 0.2 * math.cos(a)) for a in (0.6, 1.1, 1.6, 2.1, 2.6)]
    light = shapes.turned("pawn", [*profile, *head, (0, 1.13)], made_of.wood(rng, ("c8a27a", "e6cba5"), 0.5))
    dark = shapes.turned("pawn", [*profile, *head, (0, 1.13)], made_of.wood(rng, ("241509", "3b2618"), 0.5))
    return [light, moved(dark, 0.75, 0.35, 0)]


def donut(rng: Random) -> Parts:
    """A ring of dough with icing and sprinkles."""
    parts = [shapes.ring("dough", 0.45, 0.23, made_of.rough("c98d4b", rng, 8, 0.2))]
    icing = shapes.ring(
        "icing",
        0.45,
        0.235,
        made_of.plain("icing", made_of.varied(rng.choice(["e58fb0", "4a2616", "f3ead6"]), rng), 0.2),
    )
    for vertex in icing.data.vertices:
        around = math.atan2(vertex.co.y, vertex.co.x)
        edge = 0.24 + 0.035 * math.sin(7 * around) + 0.02 * math.sin(11 * around + 1)
        vertex.co.z = max(vertex.co.z, edge) + 0.012
    parts.append(icing)
    for _ in range(70):
        a, b = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 2.6)
        r = 0.45 + 0.235 * math.cos(b)
        code = rng.choice(["f4d03f", "e74c3c", "5dade2", "58d68d", "fdfefe"])
        grain = shapes.box("sprinkle", (0.07, 0.022, 0.022), made_of.plain("sugar", made_of.colour(code), 0.4), 0.008)
        parts.append(moved(grain, r * math.cos(a), r * math.sin(a), 0.24 + 0.22 * math.sin(b), rng.uniform(0, 3)))
    return parts


def dice(rng: Random) -> Parts:
    """Two dice."""
    base = rng.choice(["f1ece0", "a5262a", "20435c"])
    skin = made_of.plain("die", made_of.colour(base), 0.15, Coat_Weight=0.5)
    dot = made_of.plain("dot", made_of.colour("1d1d1d" if base == "f1ece0" else "f6f3ec"), 0.4)
    parts: Parts = []
    for x, y, turn in ((0.0, 0.0, 0.4), (0.8, 0.35, 1.1)):
        parts.append(moved(shapes.box("die", (0.6, 0.6, 0.6), skin, 0.07), x, y, 0, turn))
        for axis, sign, pips in ((2, 1, 5), (0, 1, 3), (0, -1, 4), (1, 1, 6), (1, -1, 2)):
            for u, v in _pips(pips):
                centre = [u * 0.16, v * 0.16, 0.0]
                centre = {
                    2: [u * 0.16, v * 0.16, sign * 0.3],
                    0: [sign * 0.3, u * 0.16, v * 0.16],
                    1: [u * 0.16, sign * 0.3, v * 0.16],
                }[axis]
                flat = {2: (1, 1, 0.25), 0: (0.25, 1, 1), 1: (1, 0.25, 1)}[axis]
                pip = shapes.ball("pip", 0.055, dot, flat)
                cx = x + centre[0] * math.cos(turn) - centre[1] * math.sin(turn)
                cy = y + centre[0] * math.sin(turn) + centre[1] * math.cos(turn)
                parts.append(moved(pip, cx, cy, 0.3 + centre[2] - 0.055 * flat[2], turn))
    return parts


def _pips(count: int) -> list[tuple[int, int]]:
    places = [(0, 0)] if count % 2 else []
    places += [(-1, -1), (1, 1)] if count > 1 else []
    places += [(-1, 1), (1, -1)] if count > 3 else []
    return places + ([(-1, 0), (1, 0)] if count == 6 else [])


def bell(rng: Random) -> Parts:
    """A hand bell."""
    profile = [(0.5, 0.0), (0.5, 0.0), (0.47, 0.06), (0.36, 0.2), (0.3, 0.45), (0.24, 0.6), (0.1, 0.68), (0.06, 0.7)]
    grip = [(0.06, 0.7), (0.06, 0.72), (0.1, 0.82), (0.09, 1.05), (0.12, 1.2), (0.08, 1.28), (0, 1.29)]
    return [
        shapes.turned("bell", profile, made_of.metal(rng, "d9b36c")),
        shapes.turned("grip", grip, made_of.wood(rng)),
    ]


def hourglass(rng: Random) -> Parts:
    """Sand that runs."""
    wood = made_of.wood(rng)
    parts = [
        moved(
            shapes.turned("end", [(0, 0), (0, 0), (0.42, 0), (0.44, 0.05), (0.42, 0.1), (0, 0.1), (0, 0.1)], wood),
            0,
            0,
            z,
        )
        for z in (0, 1.3)
    ]
    bulb = [
        (0.0, 0.1),
        (0.28, 0.12),
        (0.32, 0.35),
        (0.2, 0.58),
        (0.05, 0.7),
        (0.2, 0.82),
        (0.32, 1.05),
        (0.28, 1.28),
        (0, 1.3),
    ]
    parts.append(shapes.turned("bulb", bulb, made_of.glass(rng, "f6faf8")))
    sand = made_of.rough("d9a86c", rng, 40, 0.6)
    parts.append(shapes.turned("sand", [(0, 0.13), (0, 0.13), (0.27, 0.14), (0.28, 0.22), (0, 0.42), (0, 0.42)], sand))
    parts.append(shapes.turned("sand", [(0.02, 0.73), (0.15, 0.83), (0.22, 0.92), (0, 0.9), (0, 0.9)], sand))
    for i in range(3):
        turn = i * 2 * math.pi / 3 + 0.4
        path = [(0.37 * math.cos(turn), 0.37 * math.sin(turn), z) for z in (0.08, 0.7, 1.32)]
        parts.append(shapes.drawn("post", path, lambda t: 0.035, wood))
    return parts


def present(rng: Random) -> Parts:
    """A box with a ribbon and a bow."""
    paper = made_of.plain("paper", made_of.varied(rng.choice(["2f5d62", "b5473c", "e6d5b8"]), rng), 0.5)
    silk = made_of.plain(
        "silk", made_of.varied(rng.choice(["e9c46a", "f4f1ea", "8c2f39"]), rng), 0.25, Sheen_Weight=0.5
    )
    parts = [shapes.box("box", (1.0, 0.8, 0.6), paper, 0.01), shapes.box("band", (0.12, 0.81, 0.607), silk, 0.004)]
    parts.append(shapes.box("band", (1.01, 0.12, 0.607), silk, 0.004))
    for turn in (0.5, 1.9, 3.6, 5.0):
        x, y = math.cos(turn), math.sin(turn)
        loop = [
            (0, 0, 0.61),
            (x * 0.2, y * 0.2, 0.78),
            (x * 0.36, y * 0.36, 0.76),
            (x * 0.22, y * 0.22, 0.64),
            (0, 0, 0.62),
        ]
        parts.append(shapes.drawn("bow", loop, lambda t: 0.012, silk, flat=5.0))
    return parts


def top(rng: Random) -> Parts:
    """A spinning top that leans."""
    profile = [
        (0, 0),
        (0.03, 0.03),
        (0.1, 0.14),
        (0.42, 0.42),
        (0.45, 0.52),
        (0.3, 0.6),
        (0.07, 0.63),
        (0.05, 0.9),
        (0.07, 0.94),
        (0, 0.96),
    ]
    made = shapes.turned("top", profile, made_of.glaze(rng, rng.choice(["c9624a", "d9a441", "2f4b66"])))
    made.rotation_euler, made.location = (0.0, 0.82, 0.0), (-0.35, 0, 0.06)
    return [made]


def mushroom(rng: Random) -> Parts:
    """Two button mushrooms."""
    cap, stalk = made_of.rough(rng.choice(["d8c3a5", "a97c50"]), rng, 10, 0.2), made_of.rough("efe6d6", rng, 14, 0.2)
    hat = [(0.2, 0.4), (0.46, 0.36), (0.5, 0.45), (0.42, 0.66), (0.22, 0.8), (0, 0.84)]
    foot = [(0, 0), (0, 0), (0.17, 0.0), (0.19, 0.1), (0.15, 0.25), (0.18, 0.45), (0, 0.45)]
    parts: Parts = []
    for x, y, size in ((0.0, 0.0, 1.0), (0.75, 0.3, 0.7)):
        for profile, skin in ((hat, cap), (foot, stalk)):
            made = moved(shapes.turned("mushroom", profile, skin), x, y, 0)
            made.scale = (size, size, size)
            parts.append(made)
    return parts


OTHERS: dict[str, Callable[[Random], Parts]] = {
    "bowl": bowl,
    "pawn": pawn,
    "donut": donut,
    "dice": dice,
    "bell": bell,
    "hourglass": hourglass,
    "present": present,
    "top": top,
    "mushroom": mushroom,
}
