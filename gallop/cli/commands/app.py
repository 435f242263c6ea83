"""``gallop app``: run the app's server as a separate process, which ends with this one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from gallop.cli.arguments.running import app_words
from gallop.cli.console import Console
from gallop.errors import CommandError
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.process import ONE_HEAP

TERMINATED = 143
"""What a shell shows for SIGTERM."""

_NEEDED = ("streamlit", "plotly", "skimage")
_INSTALL = "pip install 'gallop-explorer[app]'"


def run(options: Namespace, console: Console) -> int:
    """Serve until the server ends, or until this process is stopped, which stops the server too."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise CommandError(f"{' and '.join(missing)} must be installed for the app: {_INSTALL}.")
    _check_address(options.host)
    signal.signal(signal.SIGTERM, end_terminated)
    server = _started(server_command(options))
    try:
        status = server.wait()
    finally:
        server.terminate()
        server.wait()
    if status:
        raise CommandError(
            f"The app's server ended (status {status}); the reason is shown above. If the port is not available, use "
            "another: gallop app --port N."
        )
    return 0


def app_entry() -> Path:
    """Return the app's entry script: inside the package in an installed wheel, beside it in a clone."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "app", package.parent / "app"):
        if (folder / "main.py").is_file():
            return folder / "main.py"
    raise CommandError(f"The app's files are not in {package}. Install gallop again: {_INSTALL}.")


def server_command(options: Namespace) -> list[str]:
    """Return the words that start the server, and after ``--`` the app's; what is left open, the app's settings say."""
    # `python -m` looks into the working folder first, where another gallop may lie; a script such as ours does not.
    safe = ["-P"] if hasattr(sys.flags, "safe_path") and os.getcwd() not in sys.path else []
    words = [sys.executable, *safe, "-m", "streamlit", "run", str(app_entry())]
    words += ["--server.port", str(options.port)] if options.port is not None else []
    words += ["--server.headless", "true"] if options.no_browser else []
    if options.host:
        shown = f"[{options.host[0]}]" if ":" in options.host[0] else options.host[0]
        words += ["--server.address", _listening_address(options.host), "--browser.serverAddress", shown]
        for name in dict.fromkeys([*LOCAL_NAMES, *options.host]):  # these replace those of .streamlit/config.toml
            words += ["--server.allowedHosts", name]
    for_app = app_words(options)
    return [*words, "--", *for_app] if for_app else words


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the server. It ignores the terminal's Ctrl-C while it loads, which would end in a traceback: we end it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(command, env={**ONE_HEAP, **os.environ})
    finally:
        signal.signal(signal.SIGINT, before)


def _listening_address(hosts: Sequence[str]) -> str:
    """Return a single address as it is; a name may mean any address of this machine, so it listens on all of them."""
    if all(name in LOCAL_NAMES for name in hosts):
        return "127.0.0.1"
    if len(hosts) == 1:
        with suppress(ValueError):
            return str(ip_address(hosts[0]))
    return "::" if any(":" in name for name in hosts) else "0.0.0.0"


def _check_address(hosts: Sequence[str]) -> None:
    """Refuse an address that is not this machine's, for which Streamlit would end in a traceback."""
    address = _listening_address(hosts)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
        try:
            trial.bind((address, 0))
        except OSError as error:
            raise CommandError(
                f"{address} is not an address of this machine. If another machine forwards visitors to this one, add "
                "--host localhost so that the app listens on every address."
            ) from error


def end_terminated(*_: object) -> NoReturn:
    """End this process as SIGTERM would; what it holds is given back."""
    raise SystemExit(TERMINATED)
