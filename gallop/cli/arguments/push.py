"""The words of ``gallop push``."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common

_EXAMPLES = """\
examples:
  gallop push model user/flowers --private
  gallop push model user/flowers --test photos --licence mit    # the accuracy on photos/test goes into the card
  gallop push model user/flowers --revision v2 --message "Sixteen shots a class"
  gallop predict photo.jpg --model hf://user/flowers            # anywhere, afterwards

It goes there in one commit: gallop.json and prompts.safetensors, and a model card (README.md) with what the Hub reads
of it. No photo does. Log in first with `hf auth login`, or put a token that may write into HF_TOKEN.

JSON: {model, repository, revision, commit}"""


def add_push(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "push",
        help="a trained model to the Hugging Face Hub, with a model card",
        epilog=_EXAMPLES,
        description="Write a trained model and its card into a repository of the Hugging Face Hub.",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("repository", metavar="USER/NAME", help="of the Hub; it is made where there is none")
    parser.add_argument("--revision", metavar="BRANCH", help="which is made where there is none; else the main one")
    parser.add_argument("--private", action="store_true", help="make a repository that others do not see")
    parser.add_argument(
        "--test", metavar="DATA", help="photos kept for testing, as of `gallop evaluate`: how many it is right on"
    )
    parser.add_argument("--data-set", default="", metavar="NAME", help="what the photos are called")
    parser.add_argument("--licence", metavar="ID", help="of what was learned, as the Hub writes them, such as mit")
    parser.add_argument("--message", default="A model of gallop's", metavar="TEXT", help="of the commit")
    add_common(parser)
