"""The arguments of ``gallop serve``: which model is served, where, and how much of what."""

from __future__ import annotations

import argparse

from gallop.cli import values
from gallop.cli.shared_options import MODEL_HELP, Commands
from gallop.service.http.options import ServeOptions

_EXAMPLES = """\
examples:
  gallop serve my-model                                    # this machine only; Ctrl-C stops it
  curl -F photo=@cat.jpg localhost:8000/predict
  gallop serve my-model --host 0.0.0.0 --key-file key.txt  # for other machines, with Authorization: Bearer KEY
  gallop serve my-model --host 0.0.0.0 --allowed-host lab-pc   # for everyone, under the name lab-pc
  gallop serve food --port 8001                            # one service for each model

http://localhost:8000/openapi.json describes the API, docs/howto/serve.md everything else. The key can also be set in
the environment variable GALLOP_API_KEY. Standard error gets one line of JSON per request, without photos or file names.
On SIGTERM or Ctrl-C, the service finishes the requests that it has accepted.
Needs the extra serve: pip install 'gallop-explorer[serve]'"""


def add_serve(commands: Commands) -> None:
    """Add the command. It has no result, so no ``--json``."""
    parser = commands.add_parser(
        "serve",
        help="serve a model over HTTP",
        epilog=_EXAMPLES,
        description="Classify photos that programs send over HTTP, and show which prompts and regions decided.",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    _add_door(parser.add_argument_group("access"))
    _add_limits(parser.add_argument_group("limits"))
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda")
    parser.add_argument("--backbone", metavar="NAME", help="where the backbone weights of the model are now")
    parser.set_defaults(json=False)


def _add_door(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--host",
        default="127.0.0.1",
        type=values.listening,
        metavar="ADDRESS",
        help="address to listen on (%(default)s)",
    )
    group.add_argument("--port", default=8000, type=values.port, metavar="N", help="port to listen on (%(default)s)")
    group.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        type=values.host,
        metavar="NAME",
        help="another host name or address that requests may use when no key is set; may be repeated",
    )
    group.add_argument(
        "--key-file", metavar="FILE", help="file with keys, one per line; every request must send one of them"
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    for option, kind, unit, words in (
        ("--photos", values.some, "N", "photos of one request ({})"),
        ("--body", values.megabytes, "MB", "size of one request (64)"),
        ("--megapixels", values.some, "N", "megapixels of all photos of one request together ({})"),
        ("--answer-within", values.duration, "TIME", "time for one request, which then gets status 503 ({:g}s)"),
        ("--queue", values.some, "N", "photos in the service at once; requests beyond that get status 429 ({})"),
        ("--stop-within", values.duration, "TIME", "time to finish accepted requests on SIGTERM or Ctrl-C ({:g}s)"),
    ):
        usual = getattr(ServeOptions, option[2:].replace("-", "_"))
        group.add_argument(option, default=usual, type=kind, metavar=unit, help=words.format(usual))
