"""The words of ``gallop doctor``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop doctor
  gallop doctor --json
  gallop doctor --backbones ViT-B-16=weights.safetensors # a file, among the backbones that are here
  gallop doctor --backbone mini                          # also load it: do its weights fit, and what does a pass cost?

JSON: {versions, device, devices, backbones: [{name, source, bytes, memory, licence, input, grid, needs}],
       models, cache, app, backbone: {name, fingerprint, input, grid, seconds: {load, photo}}}"""


def add_doctor(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="versions, devices and backbones found",
        epilog=_EXAMPLES,
        description="Show versions, devices, the backbones on this machine and the cache, for a bug report. "
        "With --backbone, load one and measure how long that and a first photo take.",
    )
    parser.add_argument(
        "--backbones",
        nargs="+",
        default=[],
        metavar="PATH",
        help="folders of backbones, or files as ARCH=FILE, beside those that ship and those in the caches of open_clip "
        "and Hugging Face",
    )
    add_common(parser)
