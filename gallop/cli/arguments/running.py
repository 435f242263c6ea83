"""The arguments of the commands that run servers, and of ``gallop backbones``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from gallop.cli import values
from gallop.cli.shared_options import JSON, MODEL_HELP, Command, Group, OneOf, Option, add_options
from gallop.config import REGION_ADVICE, REGION_KINDS
from gallop.service.http.options import ServeOptions

_APP_WORDS = (
    Option("--data", metavar="DIR", help="folder for training runs (default: $GALLOP_DATA, or the user's data folder)"),
    Option(
        "--keep",
        type=values.retention_time,
        metavar="TIME",
        help="how long photos and trained models stay in memory after the page is closed, such as 30m (8h; 2m with "
        "--host, where all visitors use the same memory)",
    ),
    Option(
        "--visitor-memory",
        type=values.gigabytes,
        metavar="GB",
        help="memory limit for the photos of one visitor, including uploads in progress (1.6)",
    ),
    Group(
        [
            Option(
                "--backbones",
                nargs="+",
                action="extend",
                default=[],
                type=values.backbone,
                metavar="BACKBONE",
                help="more backbones to choose from: a folder with the layout of checkpoints/mini or open_clip's, "
                "hf-hub:OWNER/NAME once it was downloaded, or ARCH=FILE with an open_clip architecture; those in the "
                "caches of open_clip and Hugging Face are listed automatically",
            ),
            Option("--allow-downloads", action="store_true", help="let visitors download a few open_clip backbones"),
            Option(
                "--backbone-memory",
                type=values.gigabytes,
                metavar="GB",
                help="memory limit for all backbones together (half of the device's memory); old ones make room for "
                "new ones",
            ),
            Option("--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda"),
            Option(
                "--precision",
                default="fp32",
                choices=("auto", "fp32", "bf16"),
                help="precision of backbones other than mini on a CPU; auto uses bf16 if the processor supports it, "
                "which can be slower for several photos at once, so measure it first",
            ),
            Option(
                "--regions",
                default="value",
                choices=REGION_KINDS,
                help="which region features of a CLIP ViT come first among the backbones (%(default)s, as in the "
                f"paper). {REGION_ADVICE}",
            ),
        ],
        "backbones",
    ),
)


def add_app_words(parser: argparse.ArgumentParser) -> None:
    """Add the options of the app itself, for ``gallop app`` and for ``streamlit run app/main.py --``."""
    add_options(parser, _APP_WORDS)


APP = Command(
    help="start the app in the browser",
    about="Serve the app on this machine and open it in the browser. No photo leaves the machine.",
    options=[
        Option("--port", type=values.port, metavar="N", help="(8501, or the next that is free)"),
        Option(
            "--host",
            action="append",
            default=[],
            type=values.host,
            metavar="NAME",
            help="serve other machines too: a host name or address that they use for this one; may be repeated",
        ),
        Option("--no-browser", action="store_true", help="do not open a browser"),
        *_APP_WORDS,
    ],
    examples="""\
examples:
  gallop app                                             # this machine only; Ctrl-C stops it
  gallop app --port 8600 --no-browser
  gallop app --data runs                                 # keep training runs in runs/, not in the user's data folder
  gallop app --keep 24h                                  # keep photos until tomorrow, for the page's URL
  gallop app --backbones ViT-B-16=ViT-B-16.pt            # offer another backbone besides mini
  gallop app --host lab-pc.example --host lab-pc         # for other machines too, at http://lab-pc:8501

With --host, anyone who can reach this machine can use the app; each visitor has separate photos and runs. With a
name, the app listens on every address of this machine; with a single address, only on that one. Requests that use any
other name are refused. Needs the extra app: pip install 'gallop-explorer[app]'""",
)


def app_words(options: argparse.Namespace) -> list[str]:
    """Return the same options as words, for the server that ``gallop app`` starts."""
    given = {  # what is None here is as the app has it by default
        "data": options.data or None,
        "keep": None if options.keep is None else f"{options.keep:.9g}s",
        "visitor-memory": None if options.visitor_memory is None else f"{options.visitor_memory / 1e9:.9g}",
        "backbone-memory": None if options.backbone_memory is None else f"{options.backbone_memory / 1e9:.9g}",
        "device": options.device if options.device != "auto" else None,
        "precision": options.precision if options.precision != "fp32" else None,
        "regions": options.regions if options.regions != "value" else None,
    }
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    words += [word for backbone in options.backbones for word in ("--backbones", backbone)]
    return words + ["--allow-downloads"] * options.allow_downloads


def _limits() -> Iterator[Option]:
    for name, kind, unit, words in (
        ("--photos", values.some, "N", "photos of one request ({})"),
        ("--body", values.megabytes, "MB", "size of one request (64)"),
        ("--megapixels", values.some, "N", "megapixels of all photos of one request together ({})"),
        ("--answer-within", values.duration, "TIME", "time for one request, which then gets status 503 ({:g}s)"),
        ("--queue", values.some, "N", "photos in the service at once; requests beyond that get status 429 ({})"),
        ("--stop-within", values.duration, "TIME", "time to finish accepted requests on SIGTERM or Ctrl-C ({:g}s)"),
    ):
        usual = getattr(ServeOptions, name[2:].replace("-", "_"))
        yield Option(name, default=usual, type=kind, metavar=unit, help=words.format(usual))


SERVE = Command(
    help="serve a model over HTTP",
    about="Classify photos that programs send over HTTP, and show which prompts and regions decided.",
    options=[
        Option("model", metavar="MODEL", help=MODEL_HELP),
        Group(
            [
                Option(
                    "--host",
                    default="127.0.0.1",
                    type=values.listening,
                    metavar="ADDRESS",
                    help="address to listen on (%(default)s)",
                ),
                Option("--port", default=8000, type=values.port, metavar="N", help="port to listen on (%(default)s)"),
                Option(
                    "--allowed-host",
                    action="append",
                    default=[],
                    type=values.host,
                    metavar="NAME",
                    help="another host name or address that requests may use when no key is set; may be repeated",
                ),
                Option(
                    "--key-file",
                    metavar="FILE",
                    help="file with keys, one per line; every request must send one of them",
                ),
            ],
            "access",
        ),
        Group([*_limits()], "limits"),
        Option("--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda"),
        Option("--backbone", metavar="NAME", help="where the backbone weights of the model are now"),
    ],
    examples="""\
examples:
  gallop serve my-model                                    # this machine only; Ctrl-C stops it
  curl -F photo=@cat.jpg localhost:8000/predict
  gallop serve my-model --host 0.0.0.0 --key-file key.txt  # for other machines, with Authorization: Bearer KEY
  gallop serve my-model --host 0.0.0.0 --allowed-host lab-pc   # for everyone, under the name lab-pc
  gallop serve food --port 8001                            # one service for each model

http://localhost:8000/openapi.json describes the API, docs/howto/serve.md everything else. The key can also be set in
the environment variable GALLOP_API_KEY. Standard error gets one line of JSON per request, without photos or file names.
On SIGTERM or Ctrl-C, the service finishes the requests that it has accepted.
Needs the extra serve: pip install 'gallop-explorer[serve]'""",
)

BACKBONES = Command(
    help="list, download and remove backbones",
    about="List the backbones on this machine and those worth a download, each with its size, grid, licence "
    "and what it needs; download one, or remove it from the cache.",
    options=[
        OneOf(
            [
                Option("action", nargs="?", choices=("get", "rm"), help="download or remove NAME (default: list)"),
                Option("--check", action="store_true", help="show versions, devices and the backbones on this machine"),
            ]
        ),
        Option("name", nargs="?", metavar="NAME", help="ARCHITECTURE/WEIGHTS, or hf-hub:OWNER/NAME"),
        JSON,
    ],
    examples="""\
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
of get {name, bytes}, of rm {name, freed}, of --check {versions, device, devices, backbones {NAME: needs}, cache}""",
)
