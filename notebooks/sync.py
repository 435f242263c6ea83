"""Write every notebook anew from the script of the same name: ``make notebooks-sync``.

A notebook is stored with what it printed and drew, so that it can be read on a code host; what only lives in a kernel
(widgets, the region grid) is left out, and has a picture beside it. Running takes a minute or two each, so only the
notebooks whose code has changed are run again.
"""

from __future__ import annotations

import base64
import copy
import io
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from PIL import Image

FOLDER = Path(__file__).resolve().parent
COLOURS = 256
"""Of a stored picture of lines and bars: a third of the bytes of a picture in full colour, and the same to the eye."""
FULL = 110_000
"""Bytes. A picture that takes no more in full colour keeps all of it: fewer colours draw bands across a photo."""


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
    """The notebook with its outputs.

    nbclient waits for ever, now and then, for a cell with widgets that is long done (its issue 312), so a cell that
    takes more than ``timeout`` seconds gets a second try in a new kernel.
    """
    resources = {"metadata": {"path": str(FOLDER)}}
    for last in (False, True):
        ran = copy.deepcopy(notebook)
        try:
            NotebookClient(ran, timeout=timeout, kernel_name="python3", resources=resources).execute()
        except (CellTimeoutError, DeadKernelError):
            if last:
                raise
        else:
            break
    return ran


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
