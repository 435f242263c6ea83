"""The words of ``gallop app``: where the app listens, and to whom."""

from __future__ import annotations

import argparse

from gallop.cli import values
from gallop.cli.shared_options import Commands
from gallop.config import REGION_ADVICE, REGION_KINDS

APP_EPILOG = """\
examples:
  gallop app                                             # this machine only; Ctrl-C ends it
  gallop app --port 8600 --no-browser
  gallop app --data runs                                 # trainings are kept in runs/, not in the user's data folder
  gallop app --keep 24h                                  # photos stay till tomorrow, for the page's address
  gallop app --backbones ViT-B-16=ViT-B-16.pt            # a choice of backbones beside mini
  gallop app --host lab-pc.example --host lab-pc         # for others too, who write http://lab-pc:8501

With --host everybody who reaches this machine may use the app; each visitor has photos and runs of their own. A name
makes it listen on every address of this machine, one address alone makes it listen on that one. It refuses pages that
call it by another name. Needs the extra app: pip install 'gallop-explorer[app]'"""


def add_app(commands: Commands) -> None:
    """Add the command. It has no result, so no ``--json``."""
    parser = commands.add_parser(
        "app",
        help="the app, in the browser",
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
        help="serve others too: a name or an address by which they call this machine; may be given again",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    add_app_words(parser)
    parser.set_defaults(json=False)


def add_app_words(parser: argparse.ArgumentParser) -> None:
    """Add what the app itself is told, with ``gallop app`` as behind ``streamlit run app/main.py --``."""
    parser.add_argument(
        "--data", metavar="DIR", help="where runs are kept; else $GALLOP_DATA, or the user's folder for program data"
    )
    parser.add_argument(
        "--keep",
        type=values.hours_kept,
        metavar="TIME",
        help="how long photos and what was taught stay in memory after the page was closed, such as 30m (8h; 2m with "
        "--host, where visitors share the memory)",
    )
    parser.add_argument(
        "--visitor-memory",
        type=values.gigabytes,
        metavar="GB",
        help="what the photos of one visitor may take, with files on their way in (1.6)",
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
        help="further ones to choose from: a folder laid out as checkpoints/mini is, or ARCH=FILE with an architecture "
        "of open_clip; those in the caches of open_clip and Hugging Face are found by themselves",
    )
    backbones.add_argument(
        "--allow-downloads", action="store_true", help="let visitors have a few backbones of open_clip downloaded"
    )
    backbones.add_argument(
        "--backbone-memory",
        type=values.gigabytes,
        metavar="GB",
        help="what backbones may take together (half of the device's memory); one makes room for another",
    )
    backbones.add_argument("--device", default="auto", metavar="NAME", help="auto (a GPU if there is one), cpu or cuda")
    backbones.add_argument(
        "--precision",
        default="fp32",
        choices=("auto", "fp32", "bf16"),
        help="of backbones on a CPU, but for mini: auto is bf16 where the processor multiplies it; try whether that "
        "pays, since some are slower with it at several photos at once",
    )
    backbones.add_argument(
        "--regions",
        default="value",
        choices=REGION_KINDS,
        help="which features of its regions a ViT of CLIP's gives unless a visitor chooses others (%(default)s, the "
        f"paper's). {REGION_ADVICE}",
    )


def app_words(options: argparse.Namespace) -> list[str]:
    """Return the same again as words, for the server that ``gallop app`` starts."""
    words = [f"--data={options.data}"] if options.data else []
    words += [f"--keep={options.keep:.9g}s"] if options.keep is not None else []
    words += [f"--visitor-memory={options.visitor_memory / 1e9:.9g}"] if options.visitor_memory is not None else []
    words += [word for backbone in options.backbones for word in ("--backbones", backbone)]
    words += ["--allow-downloads"] * options.allow_downloads
    words += [f"--backbone-memory={options.backbone_memory / 1e9:.9g}"] if options.backbone_memory is not None else []
    words += [f"--device={options.device}"] * (options.device != "auto")
    words += [f"--precision={options.precision}"] * (options.precision != "fp32")
    words += [f"--regions={options.regions}"] * (options.regions != "value")
    return words
