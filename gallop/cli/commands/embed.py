"""``gallop embed``: the global features of many photos."""

from __future__ import annotations

from argparse import Namespace

from gallop.answers import PhotoEmbedder
from gallop.cli.console import Console
from gallop.cli.inputs import DEFAULT_BACKBONE
from gallop.cli.many import answer_many, opener_of
from gallop.errors import CommandError


def run(options: Namespace, console: Console) -> int:
    """Write the features of every photo that can be read, and a row for the others."""
    if options.out is None:
        raise CommandError("embed needs --out DIR, the folder that the features are written to.")
    worker = PhotoEmbedder(
        options.backbone or DEFAULT_BACKBONE,
        device=options.device,
        opener=opener_of(options, options.source),
        draft=options.draft,
    )
    return answer_many(options.source, worker, options, console)
