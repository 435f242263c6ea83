"""The arguments of ``gallop backbones``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands

_EXAMPLES = """\
examples:
  gallop backbones                                       # those here, and those that can be downloaded
  gallop backbones get hf-hub:timm/vit_xsmall_patch16_clip_224.tinyclip_yfcc15m
  gallop backbones get ViT-B-16/openai                   # any pair of open_clip
  gallop backbones rm ViT-B-16/openai
  gallop backbones --check                               # what is installed and can be used, for a bug report
  gallop train photos --out model --backbone ViT-B-16/openai

Look at the licence before you use one; --json and docs/howto/clip_backbones.md tell on which page and when it was
looked up. Downloads go into the cache of the Hugging Face Hub ($HF_HOME), which other programs use too, and are
compared with the digest that the Hub gives. get continues a download that was stopped. rm removes all files of the
backbone's repository from this cache, such a download too.

JSON: [{name, here, bytes, memory, input, grid, licence, licence_source, licence_date, needs, about}, ...];
of get {name, bytes}, of rm {name, freed}, of --check {versions, device, devices, backbones {NAME: needs}, cache}"""


def add_backbones(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "backbones",
        help="list, download and remove backbones",
        epilog=_EXAMPLES,
        description="List the backbones on this machine and those worth a download, each with its size, grid, licence "
        "and what it needs; download one, or remove it from the cache.",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("action", nargs="?", choices=("get", "rm"), help="download or remove NAME (default: list)")
    either.add_argument("--check", action="store_true", help="show versions, devices and the backbones on this machine")
    parser.add_argument("name", nargs="?", metavar="NAME", help="ARCHITECTURE/WEIGHTS, or hf-hub:OWNER/NAME")
    parser.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")
