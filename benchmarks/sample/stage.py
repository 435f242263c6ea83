"""The table, the light and the camera; a picture and the mask of its thing out."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import bpy
from mathutils import Vector
from PIL import Image

from benchmarks.sample import materials as made_of
from benchmarks.sample import shapes
from benchmarks.sample.beside import BESIDE
from benchmarks.sample.things import Parts

SIDE = 320
"""Of a photo, in pixels; a mask has half as many."""
SAMPLES = 10
"""Light paths of a pixel: few, and the denoiser, which knows colours and shapes, makes them enough."""


def empty() -> bpy.types.Scene:
    """Nothing, and the renderer set."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples = "CPU", SAMPLES
    scene.cycles.use_denoising, scene.cycles.denoiser = True, "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.sample_clamp_indirect = 5, 2, 4.0
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - Medium High Contrast"
    return scene


def together(parts: Parts, x: float, y: float, turn: float) -> bpy.types.Object:
    """The parts as one that is moved and turned."""
    grip = bpy.data.objects.new("grip", None)
    bpy.context.scene.collection.objects.link(grip)
    for part in parts:
        part.parent = grip
    grip.location, grip.rotation_euler = (x, y, 0), (0, 0, turn)
    bpy.context.view_layer.update()
    return grip


def extent(parts: Parts) -> tuple[Vector, float]:
    """The middle of the parts and half of their longest side."""
    corners = [part.matrix_world @ Vector(corner) for part in parts for corner in part.bound_box]
    low = Vector([min(c[i] for c in corners) for i in range(3)])
    high = Vector([max(c[i] for c in corners) for i in range(3)])
    return (low + high) / 2, max(high - low) / 2


def furnish(rng: Random) -> None:
    """A table top and a wall."""
    tops = [
        made_of.wood,
        made_of.wood,
        made_of.linen,
        made_of.marble,
        lambda chance: made_of.rough(chance.choice(made_of.WALLS), chance, 1.5),
    ]
    top, behind = rng.choice(tops)(rng), rng.uniform(2.2, 5.0)
    walls = [lambda chance: made_of.rough(chance.choice(made_of.WALLS), chance, 0.8, 0.1)] * 3 + [
        made_of.tiles,
        made_of.wood,
    ]
    ground = [(-20.0, -20.0, 0.0), (20.0, -20.0, 0.0), (20.0, behind, 0.0), (-20.0, behind, 0.0)]
    table = shapes.mesh("table", ground, [(0, 1, 2, 3)], top)
    table.rotation_euler = (0, 0, rng.uniform(-0.1, 0.1))
    upright = [(-20.0, -12.0, 0.0), (20.0, -12.0, 0.0), (20.0, 12.0, 0.0), (-20.0, 12.0, 0.0)]
    wall = shapes.mesh("wall", upright, [(0, 1, 2, 3)], rng.choice(walls)(rng))
    wall.location, wall.rotation_euler = (0, behind, 0), (math.pi / 2, 0, 0)


def scatter(rng: Random, size: float, most: int) -> None:
    """Other things beside and behind, none in front of the thing."""
    for place in rng.sample([0.15, 0.3, 0.5, 0.7, 0.85], rng.randint(0, most)):
        turn, away = math.pi * place, size + rng.uniform(0.75, 1.3)
        together(rng.choice(BESIDE)(rng), away * math.cos(turn), away * math.sin(turn), rng.uniform(0, 2 * math.pi))


def _lamp(place: Vector, towards: Vector, size: float, watts: float, tint: made_of.Colour) -> None:
    light = bpy.data.lights.new("lamp", "AREA")
    light.size, light.energy, light.color = size, watts, tint
    lamp = bpy.data.objects.new("lamp", light)
    lamp.location, lamp.rotation_euler = place, (towards - place).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)


def illuminate(rng: Random, middle: Vector, dusk: bool) -> None:
    """A window at one side, and the room's light."""
    side = rng.choice([-1, 1])
    warm = rng.choice([(1.0, 0.82, 0.62), (1.0, 0.93, 0.84), (0.86, 0.93, 1.0)])
    key = Vector((side * rng.uniform(2.5, 4.5), rng.uniform(-3.5, 1.0), rng.uniform(2.5, 4.5)))
    _lamp(middle + key, middle, rng.uniform(0.8, 2.5), (110 if dusk else 480) * key.length_squared / 22, warm)
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    room = world.node_tree.nodes["Background"]
    room.inputs["Color"].default_value = (*rng.choice([(0.75, 0.85, 1.0), (1.0, 0.95, 0.88), (0.9, 0.9, 0.9)]), 1)
    room.inputs["Strength"].default_value = rng.uniform(0.06, 0.14) if dusk else rng.uniform(0.25, 0.55)


def look(rng: Random, middle: Vector, half: float, fraction: float) -> bpy.types.Object:
    """A camera with the thing sharp, somewhat beside the middle, filling about that fraction of the picture."""
    data = bpy.data.cameras.new("camera")
    data.lens = rng.uniform(45, 70)
    camera = bpy.data.objects.new("camera", data)
    away = half / (fraction * math.tan(data.angle / 2))
    rise, round_ = math.radians(rng.uniform(9, 38)), math.radians(rng.uniform(-22, 22))
    direction = Vector((math.sin(round_) * math.cos(rise), -math.cos(round_) * math.cos(rise), math.sin(rise)))
    camera.location = middle + direction * away
    slip = half * (1 / fraction - 1) * 0.55
    aim = middle + Vector((rng.uniform(-slip, slip), 0, rng.uniform(-slip, slip) * 0.6))
    camera.rotation_euler = (aim - camera.location).to_track_quat("-Z", "Y").to_euler()
    data.dof.use_dof, data.dof.focus_distance = True, away - half * 0.5
    data.dof.aperture_fstop = rng.uniform(0.12, 0.45)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    return camera


def photograph(path: Path, quality: int = 90) -> None:
    """Render the scene to a JPEG."""
    scene = bpy.context.scene
    raw = path.with_suffix(".png")
    scene.render.filepath = str(raw)
    bpy.ops.render.render(write_still=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(raw) as picture:
        picture.convert("RGB").save(path, quality=quality, optimize=True, progressive=True)
    raw.unlink()


def outline(camera: bpy.types.Object, parts: Parts) -> Image.Image:
    """Where the thing is in the picture: one bit a pixel, by a ray through each of them."""
    scene, graph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    names = {part.name for part in parts}
    eye, half = camera.matrix_world.translation, math.tan(camera.data.angle / 2)
    turn = camera.matrix_world.to_3x3()
    side = SIDE // 2
    mask = Image.new("1", (side, side))
    for y in range(side):
        for x in range(side):
            ray = Vector(((2 * (x + 0.5) / side - 1) * half, (1 - 2 * (y + 0.5) / side) * half, -1)).normalized()
            hit = scene.ray_cast(graph, eye, turn @ ray)
            if hit[0] and hit[4].name in names:
                mask.putpixel((x, y), 1)
    return mask
