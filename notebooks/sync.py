"""Write every notebook again from the script of the same name: ``make notebooks-sync``.

A notebook is stored with what it printed and drew, so that it can be read on a code host; what only lives in a kernel
(widgets, the explainer) is left out, and has a picture beside it. Running takes a minute or two each, so only the
notebooks whose code or outputs have changed since are run again: each stores a digest of both. The library is not in
the digest, since it changes with nearly every commit: the slow tests check that all notebooks still run.

Each notebook also gets a badge that opens it in Colab, and a first cell that installs the package where it is missing,
which has no outputs, so that no notebook is run again where only that cell has changed.
The address to install from is in ``pyproject.toml``: a release that has one writes it under ``[project.urls]`` as
``Repository``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent / "pyproject.toml"
COLAB = "https://colab.research.google.com"
INSTALL = """\
# Where the package is missing (Colab, Kaggle), this installs it; anywhere else it does nothing
import importlib.util
import subprocess
import sys

GALLOP = "{source}"  # the wheel beside this notebook, or an address
if importlib.util.find_spec("gallop") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", GALLOP], check=True)"""
"""The first cell."""
STEP = 4
"""Between two levels of red, green or blue in a stored picture: 65 levels take about 40 % fewer bytes than 256, and are
the same to the eye. A palette of 256 colours takes fewer still, but draws bands or specks across a photo."""
PYTHON = (sys.executable,)
"""The words that start the process in which a notebook is run."""
LOOK_AGAIN = 0.2
"""Seconds after which the end of a cell is checked again: see ``EXECUTE``."""
EXECUTE = f"""
import sys
import time
from queue import Empty

import nbformat
from nbclient import NotebookClient


class Client(NotebookClient):
    async def async_start_new_kernel_client(self):
        client = await super().async_start_new_kernel_client()
        channel, once = client.shell_channel, client.shell_channel.get_msg

        async def get_msg(timeout):
            end = time.monotonic() + timeout
            while True:
                try:
                    return await once(timeout=max(min(end - time.monotonic(), {LOOK_AGAIN}), 0))
                except Empty:
                    if time.monotonic() >= end:
                        raise

        channel.get_msg = get_msg
        return client


path, folder, timeout = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
settings = {{"kernel_name": "python3", "resources": {{"metadata": {{"path": folder}}}}}}
Client(notebook, timeout=float(timeout), **settings).execute()
nbformat.write(notebook, path)
"""
"""Run the notebook at a path, in place.

nbclient answers the messages of widgets on the socket on which it waits for the end of a cell. ZeroMQ signals a message
once, and a signal that comes during a send is lost: the message that ends the cell has arrived, and nbclient waits on.
"""


def scripts() -> list[Path]:
    """The sources, in the order in which they are read."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def source_and_page(project: str) -> tuple[str, str]:
    """What pip installs, and the page of the repository where it is on GitHub, from the text of ``pyproject.toml``.

    Without an address it is the wheel beside the notebook, and there is no page.
    """
    described = tomllib.loads(project)["project"]
    name, address = described["name"], described.get("urls", {}).get("Repository", "")
    if not address:
        return f"./{name.replace('-', '_')}-{described['version']}-py3-none-any.whl[notebooks]", ""
    address = address.removesuffix("/").removesuffix(".git")
    return f"{name}[notebooks] @ git+{address}", address if address.startswith(
        "https://github.com/"
    ) else ""


def badge(stem: str, page: str) -> str:
    """The picture to click on; without a page to open, Colab asks for the file itself."""
    picture = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]"
    if page:
        return f"{picture}({COLAB}/github/{page.removeprefix('https://github.com/')}/blob/main/notebooks/{stem}.ipynb)"
    return f"{picture}({COLAB}/) There, upload this file and the wheel that `make wheel` writes, which it installs."


def blank(script: Path) -> Any:
    """The notebook of a script, without outputs, and the same each time."""
    notebook = jupytext.read(script, fmt="py:percent")
    source, page = source_and_page(PROJECT.read_text(encoding="utf-8"))
    notebook.cells[0].source += f"\n\n{badge(script.stem, page)}"
    notebook.cells.insert(1, nbformat.v4.new_code_cell(INSTALL.format(source=source)))
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02}", {}
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = number  # as a run from top to bottom counts
    return notebook


def stills(outputs: list[Any]) -> list[Any]:
    """Return those outputs of a cell that show without a kernel: text as it was printed, and pictures, made small, each
    with its alternative text.
    """
    static = []
    for output in outputs:
        if output.output_type == "stream":
            static.append(nbformat.v4.new_output("stream", name=output.name, text=output.text))
        elif "image/png" in output.data:
            data = {
                "image/png": smaller(output.data["image/png"]),
                "text/plain": output.data["text/plain"],
            }
            static.append(nbformat.v4.new_output("display_data", data, metadata=output.metadata))
    return static


def smaller(png: str) -> str:
    """Return a picture (base64) without the name of the program that drew it, in fewer colours (``STEP``); white stays
    white.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    levels = (np.asarray(picture, dtype=int) + STEP // 2) // STEP * STEP
    packed = io.BytesIO()
    Image.fromarray(levels.clip(max=255).astype(np.uint8)).save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook: Any) -> str:
    """Return the SHA-256 of what runs in a notebook and of what came of it."""
    made = [(cell.source, cell.outputs) for cell in code_cells(notebook)]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def run(notebook: Any, timeout: float) -> Any:
    """Return the notebook with its outputs, run by a separate process, whatever this one has loaded or left running.
    It is alone in its folder, as when it is opened elsewhere.

    Raises:
        RuntimeError: a cell failed, or took more than ``timeout`` seconds; the message is the end of the error output.
    """
    # Streamlit, where it was imported, has set a backend under which no picture is shown.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "notebook.ipynb")
        nbformat.write(notebook, path)
        command = [*PYTHON, "-c", EXECUTE, str(path), folder, str(timeout)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-4000:])
        return nbformat.read(path, as_version=4)


def write(script: Path) -> None:
    """Write the notebook of one script; run it if what is stored did not come from its code as it is now."""
    path, notebook = script.with_suffix(".ipynb"), blank(script)
    stored = nbformat.read(path, as_version=4) if path.exists() else blank(script)
    sources = [[cell.source for cell in code_cells(one)[1:]] for one in (stored, notebook)]
    if sources[0] == sources[1] and stored.metadata.get("digest") == digest(stored):
        shown = [cell.outputs for cell in code_cells(stored)]
    else:
        print(f"Running {script.stem}.", file=sys.stderr)
        shown = [stills(cell.outputs) for cell in code_cells(run(blank(script), timeout=600))]
    for cell, outputs in zip(code_cells(notebook), shown, strict=True):
        cell.outputs = outputs
    notebook.metadata["digest"] = digest(notebook)
    nbformat.write(notebook, path, version=nbformat.NO_CONVERT)


if __name__ == "__main__":
    for script in scripts():
        write(script)
