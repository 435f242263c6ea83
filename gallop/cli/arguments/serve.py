"""The arguments of ``gallop serve``: which models are served, where, and how much of what."""

from __future__ import annotations

import argparse

from gallop.cli import values
from gallop.cli.shared_options import MODEL_HELP, Commands
from gallop.service.http.options import ServeOptions

_USUAL = ServeOptions({})

_EXAMPLES = """\
examples:
  gallop serve my-model                                    # this machine only; Ctrl-C stops it
  curl -F photo=@cat.jpg localhost:8000/predict
  gallop serve pets=models/pets food=models/food           # localhost:8000/models/food/predict
  gallop serve my-model --host 0.0.0.0 --key-file key.txt  # for other machines, with Authorization: Bearer KEY
  gallop serve my-model --host 0.0.0.0 --allowed-host lab-pc   # for everyone, under the name lab-pc
  gallop serve my-model --batch 32 --queue 512

http://localhost:8000/openapi.json describes the API, docs/howto/serve.md everything else. The key can also be set in
the environment variable GALLOP_API_KEY. Standard error gets one line of JSON per request, without photos or file names.
On SIGTERM or Ctrl-C, the service finishes the requests that it has accepted.
Needs the extra serve: pip install 'gallop-explorer[serve]'"""


def add_serve(commands: Commands) -> None:
    """Add the command. It has no result, so no ``--json``."""
    parser = commands.add_parser(
        "serve",
        help="serve models over HTTP",
        epilog=_EXAMPLES,
        description="Classify photos that programs send over HTTP, and show which prompts and regions decided.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        type=values.named_model,
        metavar="MODEL",
        help=f"{MODEL_HELP}, or NAME=MODEL; the first is the default",
    )
    _add_door(parser.add_argument_group("access"))
    _add_request(parser.add_argument_group("limits for one request"))
    _add_work(parser.add_argument_group("limits for the service"))
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
    group.add_argument(
        "--allow-urls",
        action="store_true",
        help="fetch photos from public URLs that requests contain",
    )


def _add_request(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--photos", default=_USUAL.photos, type=values.some, metavar="N", help="number of photos (%(default)s)"
    )
    group.add_argument(
        "--body",
        default=_USUAL.body,
        type=values.megabytes,
        metavar="MB",
        help=f"size of the body ({_USUAL.body / 2**20:g})",
    )
    group.add_argument(
        "--megapixels",
        default=_USUAL.megapixels,
        type=values.some,
        metavar="N",
        help="megapixels of all its photos together (%(default)s)",
    )
    group.add_argument(
        "--answer-within",
        default=_USUAL.answer_within,
        type=values.duration,
        metavar="TIME",
        help=f"time limit, after which it gets status 503 ({_USUAL.answer_within:g}s)",
    )


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--batch",
        default=_USUAL.batch,
        type=values.some,
        metavar="PHOTOS",
        help="most photos in a batch (%(default)s)",
    )
    group.add_argument(
        "--wait",
        default=_USUAL.wait,
        type=values.milliseconds,
        metavar="MS",
        help=f"how long a batch waits for photos that are on their way ({1000 * _USUAL.wait:g})",
    )
    group.add_argument(
        "--queue",
        default=_USUAL.queue,
        type=values.some,
        metavar="PHOTOS",
        help="most photos in the service at once; requests beyond that get status 429 (%(default)s)",
    )
    group.add_argument(
        "--stop-within",
        default=_USUAL.stop_within,
        type=values.duration,
        metavar="TIME",
        help=f"how long it may take to finish accepted requests on SIGTERM or Ctrl-C ({_USUAL.stop_within:g}s)",
    )
    group.add_argument("--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda")
    group.add_argument("--backbone", metavar="NAME", help="where the backbone weights of the models are now")
