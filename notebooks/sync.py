"""Write every notebook anew from the script of the same name: ``make notebooks-sync``.

A notebook is stored with what it printed and drew, so that it can be read on a code host; what only lives in a kernel
(widgets, the explainer) is left out, and has a picture beside it. Running takes a minute or two each, so only the
notebooks whose code has changed are run again.
"""

from __future__ import annotations

import base64
import io
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

FOLDER = Path(__file__).resolve().parent
COLOURS = 256
"""Of a stored picture of lines and bars: a third of the bytes of a picture in full colour, and the same to the eye."""
FULL = 110_000
"""Bytes. A picture that takes no more in full colour keeps all of it: fewer colours draw bands across a photo."""
PYTHON = (sys.executable,)
"""The words that start the process in which a notebook is run."""
LOOK_AGAIN = 0.2
"""Seconds after which the end of a cell is looked for again: see ``EXECUTE``."""
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

nbclient answers the messages of widgets on the socket on which it waits for the end of a cell. ZeroMQ tells of a
message once, and what is told while something is sent goes under: the end of the cell is there, and nobody looks.
"""


def scripts() -> list[Path]:
    """The sources, in the order in which they are read."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def blank(script: Path) -> Any:
    """The notebook of a script, without outputs, and the same each time."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02}", {}
    return notebook


def stills(outputs: list[Any]) -> list[Any]:
    """Of a cell's outputs, what shows without a kernel: text as it was printed, and pictures, made small."""
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            kept.append(nbformat.v4.new_output("stream", name=output.name, text=output.text))
        elif "image/png" in output.data:
            kept.append(nbformat.v4.new_output("display_data", {"image/png": smaller(output.data["image/png"])}))
    return kept


def smaller(png: str) -> str:
    """A picture (base64) without the name of the program that drew it, in few colours where those of all are too many.

    What has few colours by itself, lines and bars, keeps them exactly or nearly so; a photo is kept in full colour
    while that is small, and otherwise gets the palette that fits it best, dithered, so that no bands show.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    full, few = io.BytesIO(), io.BytesIO()
    picture.save(full, "PNG", optimize=True)
    best = picture.quantize(COLOURS)
    colours = np.reshape(best.getpalette(), (-1, 3))
    white = colours.sum(axis=1).argmax()
    colours[white] = 255
    best.putpalette(colours.ravel().tolist())
    dithered = picture.quantize(palette=best, dither=Image.Dither.FLOYDSTEINBERG)
    page = (np.asarray(picture) == 255).all(axis=2)
    dithered.putdata(np.where(page, white, np.asarray(dithered)).ravel().tolist())  # the page stays white
    dithered.save(few, "PNG", optimize=True)
    packed = full if full.tell() <= max(FULL, few.tell()) else few
    return base64.b64encode(packed.getvalue()).decode()


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(notebook: Any, timeout: float) -> Any:
    """The notebook with its outputs, run by a process of its own, whatever this one has loaded or left running.

    Raises:
        RuntimeError: a cell failed, or took more than ``timeout`` seconds; the message is what was said.
    """
    # Streamlit, where it was imported, has set a backend under which no picture is shown.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "notebook.ipynb")
        nbformat.write(notebook, path)
        command = [*PYTHON, "-c", EXECUTE, str(path), str(FOLDER), str(timeout)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-4000:])
        return nbformat.read(path, as_version=4)


def write(script: Path) -> None:
    """Write the notebook of one script; run it if its code is not what the stored outputs came from."""
    path, notebook = script.with_suffix(".ipynb"), blank(script)
    stored = code_cells(nbformat.read(path, as_version=4)) if path.exists() else []
    unchanged = [cell.source for cell in stored] == [cell.source for cell in code_cells(notebook)]
    if unchanged and any(cell.outputs for cell in stored):
        shown = [cell.outputs for cell in stored]
    else:
        print(f"Running {script.stem}.", file=sys.stderr)
        shown = [stills(cell.outputs) for cell in code_cells(run(blank(script), timeout=600))]
    for cell, outputs in zip(code_cells(notebook), shown, strict=True):
        cell.outputs = outputs
    nbformat.write(notebook, path, version=nbformat.NO_CONVERT)


if __name__ == "__main__":
    for script in scripts():
        write(script)
