"""What things are made of: glazes, wood, metal, wax, glass, cloth. Each call makes a new material, varied by chance."""

from __future__ import annotations

import colorsys
from random import Random

import bpy

Colour = tuple[float, float, float]

GLAZES = [
    "e9e4d8",
    "f4f1ea",
    "2f4b66",
    "88a9b5",
    "6f8f72",
    "c9624a",
    "d9a441",
    "34383c",
    "d8b4a6",
    "7d5a6b",
    "3f6f6a",
    "b9c4a0",
    "efe0b8",
]
WALLS = ["d9d3c7", "b8c4c4", "8fa39b", "c9b29b", "5f7480", "a5654f", "e6dccb", "3d4a4f", "c7a9a0", "9aa7b8", "d6c48f"]
WOODS = [("5a3a22", "8c6239"), ("a97c50", "d2a679"), ("3b2618", "5c3f2a"), ("c8a27a", "e6cba5")]


def colour(code: str) -> Colour:
    """Linear light from a web colour."""
    channels = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return r, g, b


def varied(code: str, rng: Random) -> Colour:
    """A colour near one: no two cups are the same."""
    h, s, v = colorsys.rgb_to_hsv(*colour(code))
    return colorsys.hsv_to_rgb(
        (h + rng.uniform(-0.02, 0.02)) % 1, min(1, s * rng.uniform(0.8, 1.2)), min(1, v * rng.uniform(0.85, 1.1))
    )


def plain(name: str, base: Colour, rough: float = 0.5, **inputs: object) -> bpy.types.Material:
    """A material of one colour; ``inputs`` are those of the principled shader, _ for a space."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*base, 1)
    shader.inputs["Roughness"].default_value = rough
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return made


class _Nodes:
    """Shader nodes of a material, wired in one line each."""

    def __init__(self, material: bpy.types.Material) -> None:
        self.tree = material.node_tree
        self.shader = self.tree.nodes["Principled BSDF"]

    def add(self, kind: str, **sources: object) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        for key, value in sources.items():
            name = key.replace("_", " ")
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node

    def ramp(self, factor: bpy.types.NodeSocket, *stops: tuple[float, Colour]) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeValToRGB", Fac=factor)
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (place, base) in zip(elements, stops, strict=True):
            element.position, element.color = place, (*base, 1)
        return node.outputs["Color"]

    def stretched(self, *scale: float) -> bpy.types.NodeSocket:
        place = self.add("ShaderNodeTexCoord").outputs["Object"]
        return self.add("ShaderNodeMapping", Vector=place, Scale=scale).outputs["Vector"]

    def paint(self, socket: bpy.types.NodeSocket) -> None:
        self.tree.links.new(socket, self.shader.inputs["Base Color"])

    def bump(self, height: bpy.types.NodeSocket, strength: float, distance: float = 0.02) -> None:
        node = self.add("ShaderNodeBump", Height=height, Strength=strength, Distance=distance)
        self.tree.links.new(node.outputs["Normal"], self.shader.inputs["Normal"])


def glaze(rng: Random, code: str | None = None) -> bpy.types.Material:
    """Glazed stoneware: of one colour, dipped into a second one, speckled, or banded."""
    base = varied(code or rng.choice(GLAZES), rng)
    second = varied(rng.choice(GLAZES), rng)
    made = plain("glaze", base, rng.uniform(0.12, 0.45), Coat_Weight=rng.uniform(0, 0.8), Coat_Roughness=0.06)
    nodes = _Nodes(made)
    kind = rng.choice(["plain", "dipped", "speckled", "banded", "dipped"])
    place = nodes.stretched(1, 1, 1)
    noise = nodes.add("ShaderNodeTexNoise", Vector=place, Scale=rng.uniform(40, 70), Detail=2.0).outputs["Fac"]
    height = nodes.add("ShaderNodeSeparateXYZ", Vector=place).outputs["Z"]
    if kind == "speckled":
        nodes.paint(nodes.ramp(noise, (0.0, base), (0.63, base), (0.68, tuple(c * 0.25 for c in base))))
    elif kind == "dipped":
        drip = nodes.add("ShaderNodeTexNoise", Vector=place, Scale=rng.uniform(1, 3)).outputs["Fac"]
        edge = nodes.add("ShaderNodeMath")
        edge.operation = "MULTIPLY_ADD"
        nodes.tree.links.new(drip, edge.inputs[0])
        edge.inputs[1].default_value = rng.uniform(0.05, 0.3)
        nodes.tree.links.new(height, edge.inputs[2])
        line = rng.uniform(0.3, 0.7)
        nodes.paint(nodes.ramp(edge.outputs[0], (0.0, second), (line, second), (line + 0.02, base)))
    elif kind == "banded":
        low = rng.uniform(0.25, 0.6)
        wide = rng.uniform(0.04, 0.12)
        stops = [(0.0, base), (low, base), (low + 0.005, second), (low + wide, second), (low + wide + 0.005, base)]
        nodes.paint(nodes.ramp(height, *stops))
    return made


def wood(rng: Random, shades: tuple[str, str] | None = None, grain: float = 1.0) -> bpy.types.Material:
    """Boards or turned wood, its grain along x."""
    dark, light = shades or rng.choice(WOODS)
    made = plain("wood", colour(light), rng.uniform(0.35, 0.6))
    nodes = _Nodes(made)
    place = nodes.stretched(0.35 * grain, 4 * grain, 4 * grain)
    noise = nodes.add("ShaderNodeTexNoise", Vector=place, Scale=1.2, Detail=4.0, Distortion=0.6).outputs["Fac"]
    fine = nodes.add("ShaderNodeTexNoise", Vector=nodes.stretched(1.5, 40, 40), Scale=2.0, Detail=1.0).outputs["Fac"]
    mix = nodes.add("ShaderNodeMath")
    mix.operation = "MULTIPLY_ADD"
    nodes.tree.links.new(fine, mix.inputs[0])
    mix.inputs[1].default_value = 0.35
    nodes.tree.links.new(noise, mix.inputs[2])
    nodes.paint(nodes.ramp(mix.outputs[0], (0.45, colour(dark)), (0.85, colour(light))))
    nodes.bump(mix.outputs[0], 0.25)
    return made


def metal(rng: Random, code: str | None = None) -> bpy.types.Material:
    """Brass, copper, steel or pewter."""
    base = colour(code or rng.choice(["d9b36c", "cf8b68", "c9ccd0", "9a9a98"]))
    return plain("metal", base, rng.uniform(0.15, 0.35), Metallic=1.0)


def iron(rng: Random) -> bpy.types.Material:
    """Cast iron: dark and grainy."""
    made = plain("iron", varied(rng.choice(["22262a", "1f2f33", "33261f"]), rng), 0.5, Metallic=0.3)
    nodes = _Nodes(made)
    place = nodes.stretched(1, 1, 1)
    nodes.bump(nodes.add("ShaderNodeTexVoronoi", Vector=place, Scale=14.0).outputs["Distance"], 0.5, 0.04)
    return made


def wax(rng: Random) -> bpy.types.Material:
    """Candle wax, light in its depth."""
    base = varied(rng.choice(["f3ead6", "efe2c0", "e8c7b0", "b04a3c", "6f8a86", "d7b56d", "f6f3ec"]), rng)
    return plain("wax", base, 0.4, Subsurface_Weight=0.6, Subsurface_Radius=(0.3, 0.15, 0.08), Subsurface_Scale=0.3)


def glass(rng: Random, tint: str | None = None) -> bpy.types.Material:
    """Clear or coloured glass."""
    base = colour(tint or rng.choice(["dfeee8", "bfe0d8", "e8c9a0", "a9c8dc"]))
    return plain("glass", base, 0.02, Transmission_Weight=1.0, IOR=1.45)


def flame() -> bpy.types.Material:
    """A flame, which emits light."""
    glow = (1.0, 0.5, 0.12, 1)
    return plain("flame", (1.0, 0.6, 0.2), 1.0, Emission_Color=glow, Emission_Strength=14.0)


def rough(code: str, rng: Random, scale: float = 6.0, bump: float = 0.3) -> bpy.types.Material:
    """Plaster, stone, peel: one colour, a little cloudy, uneven to the touch."""
    base = varied(code, rng)
    made = plain("rough", base, rng.uniform(0.6, 0.9))
    nodes = _Nodes(made)
    place = nodes.stretched(1, 1, 1)
    cloud = nodes.add("ShaderNodeTexNoise", Vector=place, Scale=scale, Detail=3.0).outputs["Fac"]
    nodes.paint(nodes.ramp(cloud, (0.3, tuple(c * 0.82 for c in base)), (0.7, base)))
    nodes.bump(cloud, bump)
    return made


def linen(rng: Random) -> bpy.types.Material:
    """Woven cloth, plain or checked."""
    base, second = varied(rng.choice(WALLS), rng), varied(rng.choice(WALLS), rng)
    made = plain("linen", base, 0.9, Sheen_Weight=0.3)
    nodes = _Nodes(made)
    place = nodes.stretched(1, 1, 1)
    if rng.random() < 0.5:
        size = rng.uniform(0.8, 2.0)
        checks = nodes.add("ShaderNodeTexChecker", Vector=place, Scale=size, Color1=(*base, 1), Color2=(*second, 1))
        nodes.paint(checks.outputs["Color"])
    nodes.bump(nodes.add("ShaderNodeTexNoise", Vector=place, Scale=90.0).outputs["Fac"], 0.5)
    return made


def marble(rng: Random) -> bpy.types.Material:
    """Pale stone with veins."""
    base, vein = varied("eeece8", rng), varied(rng.choice(["8d8f92", "a58f77"]), rng)
    made = plain("marble", base, 0.15)
    nodes = _Nodes(made)
    place = nodes.stretched(0.5, 0.5, 0.5)
    noise = nodes.add("ShaderNodeTexNoise", Vector=place, Scale=1.2, Detail=5.0, Distortion=1.8).outputs["Fac"]
    nodes.paint(nodes.ramp(noise, (0.42, base), (0.49, vein), (0.54, base)))
    return made


def tiles(rng: Random) -> bpy.types.Material:
    """Glazed tiles of a kitchen wall."""
    base = varied(rng.choice(WALLS), rng)
    made = plain("tiles", base, 0.18)
    nodes = _Nodes(made)
    joint = tuple(min(1.0, c * 0.6 + 0.15) for c in base)
    brick = nodes.add(
        "ShaderNodeTexBrick",
        Vector=nodes.stretched(1, 1, 1),
        Scale=rng.uniform(0.8, 1.4),
        Mortar_Size=0.012,
        Color1=(*base, 1),
        Color2=(*varied("d9d3c7", rng), 1) if rng.random() < 0.3 else (*base, 1),
        Mortar=(*joint, 1),
    )
    nodes.paint(brick.outputs["Color"])
    nodes.bump(brick.outputs["Fac"], -0.4)
    return made
