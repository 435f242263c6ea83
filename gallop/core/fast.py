"""``region_cosines`` and ``pooled_cosines`` of ``gallop.core.cosines`` in less time: same signatures, same numbers.

Regions are frozen here: no gradient reaches them. ``pooled_cosines`` never holds the cosines of a training step, but
works from what the top-k chooses. Cosines are computed a block of regions and classes at a time, small enough for the
processor's cache; of each class and prompt the k largest are stored, and which regions they are. With 21,841 classes, 4
local prompts, 32 images and 196 regions the cosines would be 2.2 GB and their gradients as much again; what is stored
takes 0.2 GB.

With regions x (V,), unit vectors t (K, N, D), norms n = |x A| or the damping, cosines c = x A t / n, and g the gradient
of a prompt's mean divided by its k:

    P = sum of g x / n over the chosen regions (K, N, V)        dt = P A
    dA = P' t - sum of w x (x A)' / n^2 over the regions        w = sum of g c over all that chose the region

the last sum over regions whose n is a norm. Where the projection learns and nothing is damped, x A / n is stored for
it, (B, R, D); with damping few regions are that long, and theirs is computed again. P gathers the chosen regions where
they are few, and is a product with a sparse matrix's zeros where they are many. Regions are read as they are and no
copy of them is divided by n: the weights are.

Shapes: B images, R regions, K classes, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from gallop.core import cosines as plain

REGIONS_AT_ONCE = 2**11
"""Regions that are projected together: their numbers stay in the processor's cache."""

GPU_REGIONS_AT_ONCE = 2**16
"""On a GPU, which would wait for the calls of many small parts."""

BYTES_AT_ONCE = 2**22
"""Of cosines that are computed together: they stay in the processor's cache."""

GPU_BYTES_AT_ONCE = 2**28
"""On a GPU, which would wait for the calls of many small blocks."""

GATHERED = 5
"""Where one in so many regions is chosen, gathering them takes a processor as long as a product with all; a GPU
multiplies zeros faster than it gathers."""

Chosen = tuple[Tensor, Tensor]
"""The k largest cosines, and which regions of their image they are; of one prompt (K, B, k) both."""


def _in_turn(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _k_largest(cosines: Tensor, k: int) -> Chosen:
    best, which = cosines.topk(k, dim=-1, sorted=False)
    return best, which


@dataclass(frozen=True)
class Machine:
    """What runs the parts of a computation; by default this thread, one part after the other, in torch alone.

    Attributes:
        each: (function, items) -> what the function gives for every item, in order.
        threads: how many threads share the work on a device.
        k_largest: (cosines (..., R), k) -> the k largest of each row in any order, and where they are, (..., k) both.
    """

    each: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] = _in_turn
    threads: Callable[[torch.device], int] = lambda device: 1
    k_largest: Callable[[Tensor, int], Chosen] = _k_largest


ONE_THREAD = Machine()


def region_cosines(
    regions: Tensor, projection: Tensor, text: Tensor, damping: float = 0.0, machine: Machine = ONE_THREAD
) -> Tensor:
    """Return ``gallop.core.cosines.region_cosines``; where gradients are needed, that function computes them.

    A product x A t is x (A t), so projecting a region costs V x Q for Q = K x N vectors. Its norm n = |x A| costs V x D
    and is computed only where it may exceed the damping, by a bound on |x A| / |x|; elsewhere n is the damping itself.
    Regions are read in their stored precision, a few images at a time, and computed in fp32.
    """
    if torch.is_grad_enabled() and (projection.requires_grad or text.requires_grad):
        return plain.region_cosines(regions, projection, text, damping)
    (images, count), sizes = regions.shape[:2], text.shape[:2]
    pulled = F.normalize(text, dim=-1).flatten(0, 1) @ projection.T  # (Q, V)
    cosines = projection.new_empty(images, len(pulled), count)
    stretch = most_stretch(projection) if damping else 1.0

    def fill(slices: list[slice]) -> None:
        for some in slices:
            x = regions[some].to(projection.dtype)
            lengths = damped_norms(x, projection, damping, stretch)
            torch.matmul(pulled, x.transpose(1, 2), out=cosines[some]).div_(lengths.unsqueeze(1))

    machine.each(fill, slices_by_thread(regions, machine.threads(regions.device)))
    return cosines.unflatten(1, sizes).movedim(-1, 1)  # type: ignore[no-untyped-call, no-any-return]


def pooled_cosines(
    regions: Tensor,
    projection: Tensor,
    text: Tensor,
    topk: Sequence[int],
    damping: float = 0.0,
    machine: Machine = ONE_THREAD,
) -> Tensor:
    """Return ``gallop.core.cosines.pooled_cosines``, without gradients of ``regions``."""
    if len(topk) != text.shape[1]:
        raise ValueError(f"{text.shape[1]} local prompts need one k each, but topk has {len(topk)} values.")
    unit = F.normalize(text, dim=-1)
    pooled: Tensor = _PooledCosines.apply(regions, projection, unit, tuple(topk), damping, machine)  # type: ignore[no-untyped-call, unused-ignore]
    return pooled


class _PooledCosines(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        regions: Tensor,
        projection: Tensor,
        text: Tensor,
        topk: tuple[int, ...],
        damping: float,
        machine: Machine,
    ) -> Tensor:
        (images, count), (classes, prompts) = regions.shape[:2], text.shape[:2]
        norms = projection.new_full((images, count), damping)
        store_units = ctx.needs_input_grad[1] and not damping
        units = projection.new_empty(images, count, projection.shape[1]) if store_units else None
        pooled = text.new_empty(images, classes, prompts)
        small = torch.int16 if count <= 2**15 else torch.int32
        sizes = [(classes, images, min(k, count)) for k in topk]
        chosen = [(text.new_empty(size), text.new_empty(size, dtype=small)) for size in sizes]
        # x A t as (x A) t where every norm is computed, and as x (A t) where the damping replaces them.
        targets = text.transpose(0, 1).contiguous()
        targets = targets @ projection.T if damping else targets  # (N, K, V or D)
        stretch = most_stretch(projection) if damping else 1.0

        def fill(slices: list[slice]) -> None:
            for some in slices:
                x = regions[some].to(projection.dtype).flatten(0, 1)
                if damping:
                    lengths = damped_norms(x, projection, damping, stretch)
                else:
                    x = torch.mm(x, projection, out=None if units is None else units[some].flatten(0, 1))
                    lengths = plain.norms(x)
                x = torch.div(x, lengths.unsqueeze(-1), out=None if units is None else x)
                norms[some] = lengths.view(-1, count)
                for part in _blocks(slice(0, classes), len(x) * prompts, x.device):
                    cosines = targets[:, part].reshape(-1, x.shape[-1]) @ x.T
                    cosines = cosines.view(prompts, -1, some.stop - some.start, count)  # (N, some K, some B, R)
                    for n, (largest, which) in enumerate(chosen):
                        best, places = machine.k_largest(cosines[n], largest.shape[-1])
                        largest[part, some], which[part, some] = best, places
                        pooled[some, part, n] = best.mean(dim=-1).T

        machine.each(fill, slices_by_thread(regions, machine.threads(regions.device)))
        ctx.save_for_backward(regions, projection, text, norms, units, *(tensor for both in chosen for tensor in both))
        ctx.damping, ctx.machine = damping, machine
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        regions, projection, text, norms, units, *both = ctx.saved_tensors
        chosen = list(zip(both[::2], both[1::2], strict=True))
        learns = ctx.needs_input_grad[1]
        given = (regions, projection, norms, units, chosen, gradient)
        pulled, through = _Gathering(*given, ctx.damping, learns, ctx.machine).sums()
        moved = None if through is None else pulled.flatten(0, 1).T @ text.flatten(0, 1) - through
        return None, moved, pulled @ projection, None, None, None


class _Gathering:
    """The way back, with a gradient (B, K, N) of the means: sums over the regions that were chosen."""

    def __init__(
        self,
        regions: Tensor,
        projection: Tensor,
        norms: Tensor,
        units: Tensor | None,
        chosen: Sequence[Chosen],
        gradient: Tensor,
        damping: float,
        learns: bool,
        machine: Machine,
    ) -> None:
        self._regions, self._projection, self._norms, self._units = regions, projection, norms, units
        self._chosen, self._gradient, self._damping, self._learns = chosen, gradient, damping, learns
        self._machine, self._threads = machine, machine.threads(regions.device)
        self._slices = slices_by_thread(regions, self._threads)

    def sums(self) -> tuple[Tensor, Tensor | None]:
        """P (K, N, V) of the formula above, and what dA loses through the norms (V, D), where the projection learns.

        Threads divide the images among them, or the classes where a separate sum for each thread would be larger.
        """
        (images, count), classes = self._regions.shape[:2], self._gradient.shape[1]
        if classes * len(self._chosen) <= images * count:
            pulled, through = map(_sum, zip(*self._machine.each(self._of_images, self._slices), strict=True))
            return pulled, through if self._learns else None
        count_of_parts = min(self._threads, classes)
        ends = [classes * i // count_of_parts for i in range(count_of_parts + 1)]
        slices = [slice(*both) for both in pairwise(ends)]
        parts, weights = zip(*self._machine.each(self._of_classes, slices), strict=True)
        if not self._learns:
            return torch.cat(parts), None
        of_all = _sum(weights)
        parts_through = self._machine.each(lambda slices: self._through_norms(slices, of_all), self._slices)
        return torch.cat(parts), _sum(parts_through)

    def _of_images(self, slices: Sequence[slice]) -> tuple[Tensor, Tensor]:
        """Of some images and every class: P (K, N, V) and what dA loses (V, D)."""
        classes = self._gradient.shape[1]
        pulled, weights = self._nothing(classes)
        through = torch.zeros_like(self._projection)
        for some in slices:
            x = self._rows(some)
            self._add_chosen(x, some, slice(0, classes), pulled, weights)
            if self._learns:
                self._add_through_norms(x, some, weights, through)
        return pulled, through

    def _of_classes(self, classes: slice) -> tuple[Tensor, Tensor]:
        """Of every image and some classes: P (so many K, N, V) and the sum of g c for each region (B, R)."""
        pulled, weights = self._nothing(classes.stop - classes.start)
        for some in (some for slices in self._slices for some in slices):
            self._add_chosen(self._rows(some), some, classes, pulled, weights)
        return pulled, weights

    def _through_norms(self, slices: Sequence[slice], weights: Tensor) -> Tensor:
        """What dA loses (V, D) to some images, with the sum of g c of every class for each region (B, R)."""
        through = torch.zeros_like(self._projection)
        for some in slices:
            self._add_through_norms(self._rows(some), some, weights, through)
        return through

    def _add_chosen(self, x: Tensor, some: slice, classes: slice, pulled: Tensor, weights: Tensor) -> None:
        """Add, of some images' regions x (rows, V) and some classes, g x / n to ``pulled`` and g c to ``weights``."""
        lengths, count = self._norms[some].flatten(), self._norms.shape[1]
        first = count * torch.arange(some.stop - some.start, device=x.device).unsqueeze(-1)
        of_some = weights[some].view(-1)
        for part in _blocks(classes, len(x), x.device):
            inside = slice(part.start - classes.start, part.stop - classes.start)
            for n, (largest, which) in enumerate(self._chosen):
                best = largest[part, some]
                places = (which[part, some] + first).flatten(1)
                g = self._gradient[some, part, n].T.unsqueeze(-1) / best.shape[-1]
                pulled[inside, n] += _weighted_sums(x, places, g.expand_as(best).flatten(1) / lengths[places])
                of_some.scatter_add_(0, places.flatten(), (g * best).flatten())

    def _add_through_norms(self, x: Tensor, some: slice, weights: Tensor, through: Tensor) -> None:
        """Add w x (x A)' / n^2 of some images' regions x (rows, V) to ``through``; those of weight 0 are not read."""
        norms = self._norms[some].flatten()
        w = weights[some].flatten() / norms * (norms > self._damping)
        meant = w.nonzero().squeeze(-1)
        x = _at(meant, x)
        if self._units is None:
            y = x @ self._projection / norms[meant].unsqueeze(-1)
        else:
            y = _at(meant, self._units[some].flatten(0, 1))
        torch.addmm(through, x.T, y * w[meant].unsqueeze(-1), out=through)

    def _nothing(self, classes: int) -> tuple[Tensor, Tensor]:
        """Zeros for P of so many classes and for a number of each region."""
        width = self._regions.shape[2]
        return self._norms.new_zeros(classes, len(self._chosen), width), torch.zeros_like(self._norms)

    def _rows(self, some: slice) -> Tensor:
        """The regions of some images (so many B x R, V)."""
        return self._regions[some].to(self._projection.dtype).flatten(0, 1)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum(dim=0)


def _at(places: Tensor, rows: Tensor) -> Tensor:
    """Rows at some places, in order; where these are all rows, without a copy, which takes a while for all regions."""
    return rows if len(places) == len(rows) else rows[places]


def _weighted_sums(x: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Sums (Q, V) of rows of x (rows, V) at some places (Q, m), none of them twice for one sum, by weights (Q, m)."""
    if x.device.type == "cpu" and places.shape[1] * GATHERED <= len(x):
        return F.embedding_bag(places, x, mode="sum", per_sample_weights=weights)
    return x.new_zeros(len(places), len(x)).scatter_(1, places, weights) @ x


def _blocks(classes: slice, numbers: int, device: torch.device) -> Iterator[slice]:
    """Parts of the classes whose cosines are computed together, so many numbers for each."""
    step = max((BYTES_AT_ONCE if device.type == "cpu" else GPU_BYTES_AT_ONCE) // (4 * numbers), 1)
    for start in range(classes.start, classes.stop, step):
        yield slice(start, min(start + step, classes.stop))


def most_stretch(matrix: Tensor) -> float:
    """Return a bound on |x A| / |x|, the largest singular value: the fourth root of the norm of (A'A)^2, plus 0.1%."""
    gram = matrix.T @ matrix
    size = gram.norm().clamp_min(1e-30)  # taken out first, or its fourth power may be too large a number
    gram = gram / size
    return 1.001 * float((size * (gram @ gram).norm().sqrt()).sqrt())


def slices_by_thread(regions: Tensor, threads: int) -> list[list[slice]]:
    """Return slices of the images of (B, R, V) for each of some threads, a few images at a time."""
    images, count = regions.shape[:2]
    at_once = REGIONS_AT_ONCE if regions.device.type == "cpu" else GPU_REGIONS_AT_ONCE
    parts = max(min(threads, images, images * count // at_once), 1)
    ends, step = [images * i // parts for i in range(parts + 1)], max(at_once // count, 1)
    return [[slice(i, min(i + step, stop)) for i in range(start, stop, step)] for start, stop in pairwise(ends)]


def damped_norms(vectors: Tensor, projection: Tensor, damping: float, stretch: float) -> Tensor:
    """Return norms (...) of projected vectors (..., V), or ``damping`` where that is more; others are not projected.

    Args:
        projection: (V, D).
        stretch: what ``most_stretch`` returns for it.
    """
    norms = vectors.new_full(vectors.shape[:-1], damping)
    long = torch.linalg.vector_norm(vectors, dim=-1) * stretch >= damping
    norms[long] = plain.norms(vectors[long] @ projection, damping)
    return norms
