"""The four kinds of things of the sample, each thing different; objects on the ground about the origin."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import bpy

from benchmarks.sample import materials as made_of
from benchmarks.sample import shapes

Parts = list[bpy.types.Object]


def moved(part: bpy.types.Object, x: float, y: float, z: float, turn: float = 0.0) -> bpy.types.Object:
    """The part at another place."""
    part.location, part.rotation_euler = (x, y, z), (0, 0, turn)
    return part


def handle(
    low: float, high: float, at_low: float, at_high: float, out: float, thick: float, material: bpy.types.Material
) -> bpy.types.Object:
    """A grip at the +x side of a body, from one height to another."""
    middle = (low + high) / 2
    path = [
        (at_high - 0.04, 0, high),
        (at_high + out * 0.55, 0, high + 0.03),
        (max(at_low, at_high) + out, 0, middle + (high - low) * 0.12),
        (at_low + out * 0.6, 0, low + (high - low) * 0.1),
        (at_low - 0.04, 0, low),
    ]
    return shapes.drawn("handle", path, lambda t: thick * (1.15 - 0.3 * math.sin(math.pi * t)), material, flat=1.35)


def mug(rng: Random) -> Parts:
    """A mug with its handle; full or empty."""
    h, r = rng.uniform(0.78, 1.05), rng.uniform(0.36, 0.47)
    forms = [
        [(r * 0.94, 0.0), (r, 0.05), (r, h * 0.5), (r, h)],
        [(r * 0.72, 0.0), (r * 0.8, 0.04), (r * 0.92, h * 0.5), (r * 1.06, h)],
        [(r * 0.6, 0.0), (r * 0.9, 0.08), (r * 1.08, h * 0.4), (r, h * 0.75), (r * 0.98, h)],
        [(r * 0.55, 0.0), (r * 0.62, 0.03), (r * 0.97, h * 0.3), (r * 1.0, h * 0.6), (r * 1.03, h)],
    ]
    outside, skin = rng.choice(forms), made_of.glaze(rng)
    parts = [shapes.turned("body", shapes.hollow(outside, 0.045), skin)]
    low, high = h * rng.uniform(0.2, 0.3), h * rng.uniform(0.76, 0.86)
    at = [shapes.radius_at(outside, z) for z in (low, high)]
    parts.append(handle(low, high, at[0], at[1], rng.uniform(0.24, 0.34), rng.uniform(0.045, 0.065), skin))
    if rng.random() < 0.75:
        drink = made_of.plain("drink", made_of.varied(rng.choice(["2a130a", "8a5a34", "a9551c", "c9a27c"]), rng), 0.08)
        level = h * rng.uniform(0.82, 0.9)
        parts.append(shapes.turned("drink", [(0, level), (shapes.radius_at(outside, level) - 0.03, level)], drink))
    return parts


def teapot(rng: Random) -> Parts:
    """A pot with lid, spout and grip."""
    r, h = rng.uniform(0.58, 0.72), rng.uniform(0.62, 1.0)
    forms = [
        [(r * 0.6, 0.0), (r * 0.9, h * 0.2), (r, h * 0.45), (r * 0.85, h * 0.78), (r * 0.45, h)],
        [(r * 0.75, 0.0), (r * 1.0, h * 0.12), (r * 0.98, h * 0.4), (r * 0.75, h * 0.85), (r * 0.5, h)],
        [(r * 0.5, 0.0), (r * 0.72, h * 0.1), (r * 1.02, h * 0.6), (r * 0.92, h * 0.85), (r * 0.5, h)],
    ]
    outside = rng.choice(forms)
    skin = rng.choice([made_of.glaze, made_of.glaze, made_of.glaze, made_of.iron, made_of.metal])(rng)
    parts = [shapes.turned("body", [(0, 0), (0, 0), *outside, (r * 0.4, h * 0.99), (0, h * 0.97)], skin)]
    lid = r * 0.47
    knob = [(0.06, h + 0.16), (0.05, h + 0.2), (0.1, h + 0.27), (0.08, h + 0.34), (0.0, h + 0.36)]
    parts.append(shapes.turned("lid", [(lid, h), (lid, h), (lid * 0.98, h + 0.04), (lid * 0.6, h + 0.12), *knob], skin))
    start, top = h * rng.uniform(0.25, 0.4), h * rng.uniform(0.95, 1.1)
    edge = shapes.radius_at(outside, start)
    path = [(-edge + 0.12, 0, start), (-edge - 0.16, 0, start + 0.1), (-edge - 0.3, 0, (start + top) / 2 + 0.03)]
    path += [(-edge - 0.42, 0, top - 0.06), (-edge - 0.52, 0, top)]
    parts.append(shapes.drawn("spout", path, lambda t: 0.16 - 0.1 * t**0.7, skin, flat=0.85))
    if rng.random() < 0.3:
        arch = [(r * 0.62, 0, h * 0.85), (r * 0.8, 0, h * 1.3), (r * 0.35, 0, h + 0.75), (-r * 0.35, 0, h + 0.75)]
        arch += [(-r * 0.8, 0, h * 1.3), (-r * 0.62, 0, h * 0.85)]
        grip = skin if rng.random() < 0.5 else made_of.wood(rng)
        return [*parts, shapes.drawn("grip", arch, lambda t: 0.05, grip)]
    low, high = h * 0.22, h * 0.82
    at = [shapes.radius_at(outside, z) for z in (low, high)]
    return [*parts, handle(low, high, at[0], at[1], rng.uniform(0.32, 0.42), 0.06, skin)]


def vase(rng: Random) -> Parts:
    """A vase of some shape, empty or with a few stems."""
    h, r = rng.uniform(1.2, 1.7), rng.uniform(0.38, 0.55)
    forms = [
        (
            [
                (r * 0.5, 0.0),
                (r * 0.95, h * 0.2),
                (r, h * 0.38),
                (r * 0.5, h * 0.62),
                (r * 0.24, h * 0.78),
                (r * 0.24, h * 0.94),
                (r * 0.34, h),
            ],
            0.1,
        ),
        (
            [
                (r * 0.42, 0.0),
                (r * 0.6, h * 0.2),
                (r * 0.95, h * 0.6),
                (r * 0.82, h * 0.8),
                (r * 0.42, h * 0.92),
                (r * 0.52, h),
            ],
            0.2,
        ),
        ([(r * 0.55, 0.0), (r * 0.5, h * 0.3), (r * 0.48, h * 0.6), (r * 0.6, h * 0.85), (r * 0.85, h)], 0.3),
        (
            [
                (r * 0.6, 0.0),
                (r * 1.1, h * 0.2),
                (r * 0.9, h * 0.38),
                (r * 0.5, h * 0.5),
                (r * 0.62, h * 0.66),
                (r * 0.3, h * 0.85),
                (r * 0.4, h),
            ],
            0.12,
        ),
    ]
    outside, mouth = rng.choice(forms)
    skins = [made_of.glaze, made_of.glaze, made_of.glaze, lambda chance: made_of.rough("b5674a", chance), made_of.glass]
    parts = [shapes.turned("body", shapes.hollow(outside, 0.04), rng.choice(skins)(rng))]
    return parts + (stems(rng, h, mouth) if rng.random() < 0.6 else [])


def stems(rng: Random, h: float, mouth: float) -> Parts:
    """A few stalks with blossoms or leaves, out of a mouth at a height."""
    green = made_of.plain("green", made_of.varied(rng.choice(["4f6b3a", "7c8a5a", "8d7a4f"]), rng), 0.6)
    petal = made_of.plain(
        "petal", made_of.varied(rng.choice(["e8b9b0", "f2e3c6", "d97b5a", "c7b4dd", "e9c653"]), rng), 0.6
    )
    parts: Parts = []
    for _ in range(rng.randint(3, 6)):
        turn, lean, tall = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.6), rng.uniform(0.4, 0.8)
        x, y = math.cos(turn), math.sin(turn)
        start, bend = mouth * 0.5, mouth * 0.6 + lean * 0.35
        end = (x * (bend + lean * 0.4), y * (bend + lean * 0.4), h + tall)
        path = [(x * 0.02, y * 0.02, h * 0.4), (x * start, y * start, h), (x * bend, y * bend, h + tall * 0.55), end]
        parts.append(shapes.drawn("stalk", path, lambda t: 0.014, green, around=8))
        for leaf in range(rng.randint(3, 6)):
            size = rng.uniform(0.05, 0.09)
            bud = shapes.ball("bud", size, petal if leaf % 2 else green, (1, 1, rng.uniform(0.6, 1.6)))
            place = [c + rng.uniform(-0.1, 0.1) for c in end]
            parts.append(moved(bud, place[0], place[1], place[2] - size))
    return parts


def candle(rng: Random) -> Parts:
    """One candle or three, burning."""
    if rng.random() < 0.3:
        places = [(-0.3, 0.05), (0.22, 0.25), (0.12, -0.28)]
        skin = made_of.wax(rng)
        parts: Parts = []
        for x, y in places:
            parts += [moved(part, x, y, 0) for part in _pillar(rng, 0.2, rng.uniform(0.45, 1.1), skin)]
        return parts
    if rng.random() < 0.45:
        return _taper(rng)
    r = rng.uniform(0.24, 0.38)
    parts = _pillar(rng, r, rng.uniform(0.6, 1.2), made_of.wax(rng))
    if rng.random() < 0.6:
        plate = rng.choice([made_of.glaze, made_of.metal, made_of.wood])(rng)
        parts.append(
            shapes.turned(
                "saucer", [(0, 0.01), (0, 0.01), (r + 0.2, 0.01), (r + 0.26, 0.06), (r + 0.2, 0.04), (0, 0.02)], plate
            )
        )
    return parts


def _pillar(rng: Random, r: float, h: float, skin: bpy.types.Material, foot: float = 0.0) -> Parts:
    top = [
        (r, foot + h - 0.05),
        (r * 0.93, foot + h),
        (r * 0.75, foot + h - 0.02),
        (r * 0.4, foot + h - 0.06),
        (0, foot + h - 0.07),
    ]
    parts = [shapes.turned("wax", [(0, foot), (0, foot), (r, foot), (r, foot), (r, foot + h * 0.5), *top], skin)]
    tip, lean = foot + h + 0.06, rng.uniform(-0.015, 0.015)
    black = made_of.plain("wick", (0.02, 0.015, 0.01), 0.9)
    parts.append(
        shapes.drawn(
            "wick", [(0, 0, tip - 0.14), (lean, 0, tip - 0.06), (lean * 2, 0, tip)], lambda t: 0.012, black, around=8
        )
    )
    tall = rng.uniform(0.2, 0.28)
    line = [
        (0.0, tip - 0.05),
        (0.035, tip - 0.02),
        (0.052, tip + tall * 0.2),
        (0.034, tip + tall * 0.55),
        (0.01, tip + tall * 0.9),
        (0, tip + tall),
    ]
    fire = shapes.turned("flame", line, made_of.flame(), around=24)
    fire.visible_shadow = False
    return [*parts, fire]


def _taper(rng: Random) -> Parts:
    """A slim candle in its holder."""
    skin, foot = rng.choice([made_of.metal, made_of.glaze, made_of.wood])(rng), rng.uniform(0.25, 0.5)
    profile = [
        (0, 0),
        (0, 0),
        (0.36, 0.0),
        (0.38, 0.04),
        (0.3, 0.06),
        (0.08, 0.1),
        (0.06, foot * 0.6),
        (0.14, foot - 0.04),
        (0.15, foot + 0.06),
        (0.1, foot + 0.06),
        (0, foot),
    ]
    return [shapes.turned("holder", profile, skin), *_pillar(rng, 0.1, rng.uniform(0.8, 1.2), made_of.wax(rng), foot)]


KINDS: dict[str, Callable[[Random], Parts]] = {"candle": candle, "mug": mug, "teapot": teapot, "vase": vase}
