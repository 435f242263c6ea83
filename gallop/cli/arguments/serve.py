"""The words of ``gallop serve``: which models are served, where, and how much of what."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import MODEL_HELP, Commands, Parser
from gallop.service.http.options import ServeOptions

_USUAL = ServeOptions({})

_EXAMPLES = """\
examples:
  gallop serve my-model                                    # this machine only; Ctrl-C ends it
  curl -F photo=@cat.jpg localhost:8000/predict
  gallop serve pets=models/pets food=models/food           # localhost:8000/models/food/predict
  gallop serve my-model --host 0.0.0.0 --key-file key.txt  # for others too, who send Authorization: Bearer KEY
  gallop serve my-model --host 0.0.0.0 --allowed-host lab-pc   # for everybody who calls this machine lab-pc
  gallop serve my-model --batch 32 --queue 512

http://localhost:8000/openapi.json describes the interface, docs/howto/serve.md all the rest. The key may stand in the
environment instead, as GALLOP_API_KEY. Standard error has a line of JSON for each request, without photos and names of
files. Told to stop (SIGTERM, Ctrl-C), it answers what it has accepted.
Needs the extra serve: pip install 'gallop-explorer[serve]'"""


def add_serve(commands: Commands) -> None:
    """Add the command. It has no result, so no ``--json``."""
    parser = commands.add_parser(
        "serve",
        help="models as a service over HTTP",
        epilog=_EXAMPLES,
        description="Answer photos that programs send: what they show, and which prompts and regions decided.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        type=values.named_model,
        metavar="MODEL",
        help=f"{MODEL_HELP}, or NAME=MODEL; the first answers requests that name none",
    )
    _add_door(parser)
    _add_request(parser)
    _add_work(parser)
    parser.set_defaults(json=False)


def _add_door(parser: Parser) -> None:
    group = parser.add_argument_group("who is answered")
    group.add_argument("--host", default="127.0.0.1", type=values.listening, metavar="ADDRESS", help="(%(default)s)")
    group.add_argument("--port", default=8000, type=values.port, metavar="N", help="(%(default)s)")
    group.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        type=values.host,
        metavar="NAME",
        help="a further name or address by which others call this machine, where there is no key; may be given again",
    )
    group.add_argument("--key-file", metavar="FILE", help="keys, one a line, of which a request has to bring one")
    group.add_argument(
        "--allow-urls",
        action="store_true",
        help="fetch photos from addresses that requests name; never from private ones",
    )


def _add_request(parser: Parser) -> None:
    group = parser.add_argument_group("how much of what in a request")
    group.add_argument("--photos", default=_USUAL.photos, type=values.some, metavar="N", help="of them (%(default)s)")
    group.add_argument(
        "--body",
        default=_USUAL.body,
        type=values.megabytes,
        metavar="MB",
        help=f"of its body ({_USUAL.body / 2**20:g})",
    )
    group.add_argument(
        "--megapixels",
        default=_USUAL.megapixels,
        type=values.some,
        metavar="N",
        help="of all its photos together (%(default)s)",
    )
    group.add_argument(
        "--answer-within",
        default=_USUAL.answer_within,
        type=values.duration,
        metavar="TIME",
        help=f"after which it is told to come back, with status 503 ({_USUAL.answer_within:g}s)",
    )


def _add_work(parser: Parser) -> None:
    group = parser.add_argument_group("how much of what in all")
    group.add_argument(
        "--batch",
        default=_USUAL.batch,
        type=values.some,
        metavar="PHOTOS",
        help="that pass the backbone together (%(default)s)",
    )
    group.add_argument(
        "--wait",
        default=_USUAL.wait,
        type=values.milliseconds,
        metavar="MS",
        help=f"that a batch waits for photos which are on their way ({1000 * _USUAL.wait:g})",
    )
    group.add_argument(
        "--queue",
        default=_USUAL.queue,
        type=values.some,
        metavar="PHOTOS",
        help="that may be here at once; who sends more is told to come back, with status 429 (%(default)s)",
    )
    group.add_argument(
        "--stop-within",
        default=_USUAL.stop_within,
        type=values.duration,
        metavar="TIME",
        help=f"in which what was accepted is answered when the service is told to stop ({_USUAL.stop_within:g}s)",
    )
    group.add_argument("--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda")
    group.add_argument("--backbone", metavar="NAME", help="where the weights of the models' backbone are now")
