"""The arguments of ``gallop embed``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common, add_many

_EXAMPLES = """\
examples:
  gallop embed archive/ --out features                                   # with mini
  gallop embed s3://bucket/photos --backbone ViT-B-16/openai --out features

Columns: key, error, embedding (length 1, half precision). Run an interrupted command again to continue it.
If a bucket or a server stops responding, the command stops with exit status 75."""


def add_embed(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "embed",
        help="compute features of many photos",
        epilog=_EXAMPLES,
        description="Write the global features of photos, for search, clustering and other programs.",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a folder, a .txt list, a .csv or .parquet table, .tar archives, or a URL"
    )
    add_many(parser, "the features")
    add_common(parser)
