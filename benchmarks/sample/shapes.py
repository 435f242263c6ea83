"""Meshes from curves: what a potter turns and what is drawn along a path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import bpy
from mathutils import Matrix, Vector

Point = tuple[float, ...]


def mesh(
    name: str, points: Sequence[Point], faces: Sequence[Sequence[int]], material: bpy.types.Material
) -> bpy.types.Object:
    """A smooth object of points and faces."""
    data = bpy.data.meshes.new(name)
    data.from_pydata([tuple(point) for point in points], [], [tuple(face) for face in faces])
    data.validate()
    data.materials.append(material)
    data.shade_smooth()
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    return made


def smooth(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """A Catmull-Rom curve through the points; a point that is given twice makes a corner."""
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            curve.append(
                tuple(
                    0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)
                    for p, q, r, s in zip(a, b, c, d, strict=True)
                )
            )
    return [*curve, tuple(points[-1])]


def turned(name: str, profile: Sequence[Point], material: bpy.types.Material, around: int = 72) -> bpy.types.Object:
    """A profile of (radius, height) turned about the upright axis; smoothed first."""
    line = smooth(profile)
    points = [
        (r * math.cos(2 * math.pi * i / around), r * math.sin(2 * math.pi * i / around), z)
        for r, z in line
        for i in range(around)
    ]
    faces = [
        (
            row * around + i,
            row * around + (i + 1) % around,
            (row + 1) * around + (i + 1) % around,
            (row + 1) * around + i,
        )
        for row in range(len(line) - 1)
        for i in range(around)
    ]
    return mesh(name, points, faces, material)


def hollow(outside: Sequence[Point], wall: float) -> list[Point]:
    """The profile of a vessel from that of its outside: up to the rim, over it, and down inside to the floor."""
    rim_r, rim_z = outside[-1]
    inside = [(max(r - wall, 0.0), z) for r, z in reversed(outside) if wall * 1.5 < z < rim_z - wall]
    rim = [(rim_r - wall * 0.25, rim_z + wall * 0.5), (rim_r - wall * 0.75, rim_z + wall * 0.5), (rim_r - wall, rim_z)]
    return [(0.0, 0.0), (0.0, 0.0), *outside, *rim, *inside, (inside[-1][0] * 0.8, wall * 1.5), (0.0, wall * 1.5)]


def radius_at(outside: Sequence[Point], height: float) -> float:
    """How wide a profile is at a height, between its points."""
    for (r0, z0), (r1, z1) in pairwise(outside):
        if z0 <= height <= z1 and z1 > z0:
            return r0 + (r1 - r0) * (height - z0) / (z1 - z0)
    return outside[-1][0]


def drawn(
    name: str,
    path: Sequence[Point],
    radius: Callable[[float], float],
    material: bpy.types.Material,
    flat: float = 1.0,
    around: int = 20,
) -> bpy.types.Object:
    """A round section drawn along a path; ``flat`` stretches it sideways, ``radius`` takes 0 to 1 along the way."""
    line = [Vector(point) for point in smooth(path)]
    line = [p for i, p in enumerate(line) if i == 0 or (p - line[i - 1]).length > 1e-5]
    points: list[Point] = []
    side = Vector((0, 1, 0))
    for i, point in enumerate(line):
        ahead = (line[min(i + 1, len(line) - 1)] - line[max(i - 1, 0)]).normalized()
        across = (side - ahead * side.dot(ahead)).normalized() if abs(ahead.dot(side)) < 0.99 else Vector((1, 0, 0))
        up = ahead.cross(across)
        r = radius(i / (len(line) - 1))
        for j in range(around):
            turn = 2 * math.pi * j / around
            points.append(tuple(point + across * (r * flat * math.cos(turn)) + up * (r * math.sin(turn))))
    last = (len(line) - 1) * around
    faces: list[Sequence[int]] = [
        (
            row * around + j,
            row * around + (j + 1) % around,
            (row + 1) * around + (j + 1) % around,
            (row + 1) * around + j,
        )
        for row in range(len(line) - 1)
        for j in range(around)
    ]
    faces += [tuple(range(around))[::-1], tuple(range(last, last + around))]
    return mesh(name, points, faces, material)


def box(name: str, size: Point, material: bpy.types.Material, round_by: float = 0.02) -> bpy.types.Object:
    """A box on the ground, its edges rounded."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    points = [(sx * x, sy * y, sz) for sz in (0.0, z) for sy in (-1, 1) for sx in (-1, 1)]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    made = mesh(name, points, faces, material)
    bevel = made.modifiers.new("round", "BEVEL")
    bevel.width, bevel.segments = round_by, 4
    return made


def ball(name: str, radius: float, material: bpy.types.Material, stretch: Point = (1.0, 1.0, 1.0)) -> bpy.types.Object:
    """An ellipsoid on the ground."""
    steps = 24
    profile = [
        (radius * math.sin(math.pi * i / steps), radius * (1 - math.cos(math.pi * i / steps))) for i in range(steps + 1)
    ]
    made = turned(name, profile, material, around=48)
    made.data.transform(Matrix.Diagonal((*stretch, 1.0)))
    return made


def ring(name: str, radius: float, thick: float, material: bpy.types.Material) -> bpy.types.Object:
    """A torus that lies on the ground."""
    turns, around = 64, 32
    points = []
    for i in range(turns):
        a = 2 * math.pi * i / turns
        for j in range(around):
            b = 2 * math.pi * j / around
            r = radius + thick * math.cos(b)
            points.append((r * math.cos(a), r * math.sin(a), thick * (1 + math.sin(b) * 0.9)))
    faces = [
        (
            i * around + j,
            (i + 1) % turns * around + j,
            (i + 1) % turns * around + (j + 1) % around,
            i * around + (j + 1) % around,
        )
        for i in range(turns)
        for j in range(around)
    ]
    return mesh(name, points, faces, material)
