"""The arguments of ``gallop doctor``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop doctor
  gallop doctor --json
  gallop doctor --backbones ViT-B-16=weights.safetensors # list a weights file, too
  gallop doctor --backbone mini                          # also load it and time a first photo

JSON: {versions, device, devices, backbones: [{name, source, bytes, memory, licence, input, grid, needs}],
       models, cache, app, backbone: {name, fingerprint, input, grid, seconds: {load, photo}}}"""


def add_doctor(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="show versions, devices and backbones",
        epilog=_EXAMPLES,
        description="Show versions, devices, the backbones on this machine and the cache, for a bug report. "
        "With --backbone, also load one and measure how long that and a first photo take. `gallop backbones` lists "
        "what can be downloaded.",
    )
    parser.add_argument(
        "--backbones",
        nargs="+",
        default=[],
        metavar="PATH",
        help="folders of backbones, or files as ARCH=FILE, to list with the built-in ones and those in the caches of "
        "open_clip and Hugging Face",
    )
    add_common(parser)
