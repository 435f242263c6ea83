"""The words of ``gallop convert``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop convert gallop_caltech101_vit_b16_seed1.ckpt --classes-file names.txt --out model
  gallop convert official.pt --classes "cat, dog" --out model --backbone ViT-B-16/openai --topk 5,10,15,20

The class names are not in the file: give those it was trained with, in any order. They may be others, as for CLIP.
The authors' code leaves the underscores in the names of OxfordPets and UCF101 (american_bulldog), which are other words
to the text encoder. So a file trained on these sets gets names with underscores for spaces; other classes than the
set's want --names-as-they-are. `gallop evaluate` takes a folder's "american bulldog" for american_bulldog.
The file is read as data: objects other than tensors, numbers, texts and the authors' options are refused, never run.

JSON: {out, backbone, class_names, global_prompts, topk, dropout}"""


def add_convert(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "convert",
        help="a checkpoint of the paper's own code as a model of gallop",
        epilog=_EXAMPLES,
        description="Turn a checkpoint of the paper's own implementation into a folder that gallop loads, safely.",
    )
    parser.add_argument("official", metavar="OFFICIAL", help="the .ckpt or .pt file that the official code wrote")
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument("--classes", metavar='"A,B"', help="class names")
    names.add_argument("--classes-file", metavar="FILE", help="class names, one a line")
    parser.add_argument(
        "--names-as-they-are",
        action="store_true",
        help="no underscores for the spaces in names, whatever the file was trained on",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the model goes: a new or empty folder")
    parser.add_argument("--topk", type=values.topk, metavar="K,K,...", help="one k a local prompt; else the file's")
    parser.add_argument("--dropout", type=float, metavar="P", help="of global prompts; else the file's")
    add_common(parser)
