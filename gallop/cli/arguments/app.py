"""The arguments of ``gallop app``: where the app listens, and to whom."""

from __future__ import annotations

import argparse

from gallop.cli import values
from gallop.cli.shared_options import Commands
from gallop.config import REGION_ADVICE, REGION_KINDS

APP_EPILOG = """\
examples:
  gallop app                                             # this machine only; Ctrl-C stops it
  gallop app --port 8600 --no-browser
  gallop app --data runs                                 # keep training runs in runs/, not in the user's data folder
  gallop app --keep 24h                                  # keep photos until tomorrow, for the page's URL
  gallop app --backbones ViT-B-16=ViT-B-16.pt            # offer another backbone besides mini
  gallop app --host lab-pc.example --host lab-pc         # for other machines too, at http://lab-pc:8501

With --host, anyone who can reach this machine can use the app; each visitor has separate photos and runs. With a
name, the app listens on every address of this machine; with a single address, only on that one. Requests that use any
other name are refused. Needs the extra app: pip install 'gallop-explorer[app]'"""


def add_app(commands: Commands) -> None:
    """Add the command. It has no result, so no ``--json``."""
    parser = commands.add_parser(
        "app",
        help="start the app in the browser",
        epilog=APP_EPILOG,
        description="Serve the app on this machine and open it in the browser. No photo leaves the machine.",
    )
    parser.add_argument("--port", type=values.port, metavar="N", help="(8501, or the next that is free)")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=values.host,
        metavar="NAME",
        help="serve other machines too: a host name or address that they use for this one; may be repeated",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    add_app_words(parser)
    parser.set_defaults(json=False)


def add_app_words(parser: argparse.ArgumentParser) -> None:
    """Add the options of the app itself, for ``gallop app`` and for ``streamlit run app/main.py --``."""
    parser.add_argument(
        "--data", metavar="DIR", help="folder for training runs (default: $GALLOP_DATA, or the user's data folder)"
    )
    parser.add_argument(
        "--keep",
        type=values.retention_time,
        metavar="TIME",
        help="how long photos and trained models stay in memory after the page is closed, such as 30m (8h; 2m with "
        "--host, where all visitors use the same memory)",
    )
    parser.add_argument(
        "--visitor-memory",
        type=values.gigabytes,
        metavar="GB",
        help="memory limit for the photos of one visitor, including uploads in progress (1.6)",
    )
    _add_backbones(parser.add_argument_group("backbones"))


def _add_backbones(backbones: argparse._ArgumentGroup) -> None:
    backbones.add_argument(
        "--backbones",
        nargs="+",
        action="extend",
        default=[],
        type=values.backbone,
        metavar="BACKBONE",
        help="more backbones to choose from: a folder with the layout of checkpoints/mini or open_clip's, "
        "hf-hub:OWNER/NAME once it was downloaded, or ARCH=FILE with an open_clip architecture; those in the caches of "
        "open_clip and Hugging Face are listed automatically",
    )
    backbones.add_argument(
        "--allow-downloads", action="store_true", help="let visitors download a few open_clip backbones"
    )
    backbones.add_argument(
        "--backbone-memory",
        type=values.gigabytes,
        metavar="GB",
        help="memory limit for all backbones together (half of the device's memory); old ones make room for new ones",
    )
    backbones.add_argument(
        "--device", default="auto", metavar="NAME", help="auto (a GPU when there is one), cpu or cuda"
    )
    backbones.add_argument(
        "--precision",
        default="fp32",
        choices=("auto", "fp32", "bf16"),
        help="precision of backbones other than mini on a CPU; auto uses bf16 if the processor supports it, which can "
        "be slower for several photos at once, so measure it first",
    )
    backbones.add_argument(
        "--regions",
        default="value",
        choices=REGION_KINDS,
        help="which region features a CLIP ViT uses unless a visitor chooses others (%(default)s, as in the paper). "
        f"{REGION_ADVICE}",
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
