"""The arguments of ``gallop push``."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common

_EXAMPLES = """\
examples:
  gallop push model user/flowers --private
  gallop push model user/flowers --test photos --licence mit    # adds the accuracy on photos/test to the card
  gallop push model user/flowers --revision v2 --message "Sixteen shots a class"
  gallop predict photo.jpg --model hf://user/flowers            # anywhere, afterwards

One commit uploads gallop.json, prompts.safetensors and a model card (README.md) with metadata for the Hub. No photos
are uploaded. Log in first with `hf auth login`, or set HF_TOKEN to a token with write access.

JSON: {model, repository, revision, commit}"""


def add_push(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "push",
        help="upload a trained model to the Hugging Face Hub, with a model card",
        epilog=_EXAMPLES,
        description="Upload a trained model and its card to a repository on the Hugging Face Hub.",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("repository", metavar="USER/NAME", help="repository on the Hub; created if it does not exist")
    parser.add_argument("--revision", metavar="BRANCH", help="created if it does not exist (default: the main branch)")
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument(
        "--test", metavar="DATA", help="test photos, as for `gallop evaluate`; the accuracy on them goes into the card"
    )
    parser.add_argument("--data-set", default="", metavar="NAME", help="name of the data set, for the card")
    parser.add_argument(
        "--licence", metavar="ID", help="licence of the trained model, as the Hub writes it, such as mit"
    )
    parser.add_argument("--message", default="Upload a gallop model", metavar="TEXT", help="commit message")
    add_common(parser)
