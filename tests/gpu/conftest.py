"""Where the tests of this folder compute: each of them once on the CPU, and once on a GPU (marked ``gpu``).

On the CPU they show that they are sound, on backbones of a few thousand weights; what they are for is the GPU. There is
one command for them and the rates beside them: ``make gpu``.
"""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """A device that is there; without a GPU the tests that are for one are left out, and named."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    return torch.device(request.param)
