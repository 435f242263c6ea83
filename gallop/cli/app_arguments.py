"""The words of ``gallop app``: where the app listens, and to whom."""

from __future__ import annotations

import argparse
from typing import Any

from gallop.cli import values

APP_EPILOG = """\
examples:
  gallop app                                             # this machine only; Ctrl-C ends it
  gallop app --port 8600 --no-browser
  gallop app --data runs                                 # trainings are kept in runs/, not in the user's data folder
  gallop app --host lab-pc.example --host lab-pc         # for others too, who write http://lab-pc:8501

With --host everybody who reaches this machine may use the app; each visitor has photos and runs of their own. A name
makes it listen on every address of this machine, one address alone makes it listen on that one. It refuses pages that
call it by another name. Needs the extra app: pip install 'gallop-explorer[app]'"""

_Commands = argparse._SubParsersAction  # generic in the type stubs only


def add_app(commands: _Commands[Any]) -> None:
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
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="where runs are kept; else $GALLOP_DATA, or the user's folder for program data",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.set_defaults(json=False)
