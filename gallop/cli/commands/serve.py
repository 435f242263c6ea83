"""``gallop serve``: serve a model over HTTP, until the process gets a signal to stop."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from dataclasses import fields
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gallop.checkpoints.hub import model_folder
from gallop.cli.commands.app import end_terminated
from gallop.cli.console import Console
from gallop.errors import CommandError
from gallop.runtime.hosts import LOCAL_NAMES

if TYPE_CHECKING:
    from gallop.service.http.options import ServeOptions

_NEEDED = ("fastapi", "uvicorn", "python_multipart")


def run(options: Namespace, console: Console) -> int:
    """Load the model, then serve."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise CommandError(
            f"{' and '.join(missing)} must be installed for the service: pip install 'gallop-explorer[serve]'."
        )
    from gallop.service.http.server import bound_socket, serve
    from gallop.service.http.service import Service

    made = _options_of(options)
    signal.signal(signal.SIGTERM, end_terminated)
    with bound_socket(options.host, options.port) as listening:
        console.progress(f"loading {made.name}")
        service = Service(made)
        if not made.keys and options.host not in LOCAL_NAMES:
            console.warn(
                f"Anyone who can reach this machine on port {options.port} can use the service. Use --key-file to "
                "require a key."
            )
        host = f"[{options.host}]" if ":" in options.host else options.host
        console.note(f"Serving {made.name} at http://{host}:{options.port}; the API is described in /openapi.json.")
        serve(service, listening)
    return 0


def _options_of(options: Namespace) -> ServeOptions:
    from gallop.service.http.options import KEY_VARIABLE, ServeOptions, read_keys

    if options.photos > options.queue:
        raise CommandError(
            f"--queue {options.queue} is less than --photos {options.photos}, the limit for one request: "
            "raise --queue, or lower --photos."
        )
    keys = read_keys(options.key_file, os.environ)
    os.environ.pop(KEY_VARIABLE, None)  # nothing that is started from here needs it
    every_address = options.host in ("0.0.0.0", "::")
    if every_address and not keys and not options.allowed_host:
        raise CommandError(
            f"With --host {options.host}, this machine can be reached under any host name. Add --key-file FILE, "
            "or --allowed-host NAME for each host name in use, so that pages of other sites cannot reach the service."
        )
    given = {each.name: getattr(options, each.name) for each in fields(ServeOptions) if hasattr(options, each.name)}
    return ServeOptions(
        **given
        | {
            "model": str(model_folder(options.model)),
            "name": os.path.basename(os.path.abspath(options.model)),
            "keys": keys,
            "names": tuple(dict.fromkeys([*LOCAL_NAMES, *[options.host] * (not every_address), *options.allowed_host])),
        }
    )
