"""A checkpoint as bytes, for those who send it on: another machine, or the Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from gallop.checkpoints.folder import (
    LARGEST_SETTINGS,
    LARGEST_TENSORS,
    SETTINGS,
    TENSORS,
    save_checkpoint,
)
from gallop.checkpoints.settings import Checkpoint
from gallop.model.branches.branch import Branch
from gallop.model.prompted import Prompts
from gallop.runtime.reading import read_bytes


def checkpoint_bytes(checkpoint: Checkpoint, prompts: Prompts, branches: Sequence[Branch] = ()) -> dict[str, bytes]:
    """Return the files that ``save_checkpoint`` writes, by their names.

    Raises:
        OSError: the folder for temporary files has no room for them.
    """
    with tempfile.TemporaryDirectory(prefix="gallop-") as folder:
        save_checkpoint(folder, checkpoint, prompts, branches)
        most = {SETTINGS: LARGEST_SETTINGS, TENSORS: LARGEST_TENSORS}
        return {name: read_bytes(Path(folder) / name, largest) for name, largest in most.items()}
