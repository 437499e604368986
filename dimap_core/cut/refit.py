"""The solves behind the refit of zeros: every output of a layer has its own kept inputs. No model in here.

With C the covariance of a layer's inputs and S what a row keeps, the row w minimises (w - v) (C + l I) (w - v)^T, v the
row it had: (C + l I)_SS w = ((C + l I) v)_S. That is optimal brain surgeon (Hassibi & Stork, NeurIPS 1992) layer by
layer, all removed weights at once. Aimed at the dense model from inside a pruned one (ours), with x' what the layer
sees there, x what it saw dense, C' = cov(x') and D = cov(x, x') it is (C' + l I)_SS w = (v (D + l I))_S.

Each row has a matrix of its own, so where solving is dear all rows go down together by conjugate gradients, whose steps
are one product for all of them. SparseGPT (Frantar & Alistarh, ICML 2023) shares an inverse instead and freezes columns
as it goes: on layers of swin-textured, blocks of 128 columns, it left 1.1 to 2.8 times the exact solve's error where 20
steps leave at most 1.2 times and 40 at most 1.05, in less time.

Of Q/K dimensions, too: where some go, the others' parts of each logit are stretched so that they come nearest to all of
them, from the moments of those parts; `repair` mixes them instead, which takes windows of tokens.
Next door: `refitting` gathers the moments of a model's layers, `least_squares` has the solves of `repair`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..types import DataError

DAMPING = 1e-2  # of the mean diagonal
STEPS = 60  # of conjugate gradients at most
_NEAR = 1e-8  # of what the squared residual was at first: nothing is left to gain
_OVERHEAD = 256  # gathering a number of a row's matrix takes as long as so many multiply-adds
_RESOLUTION = 1e-5  # of the mean second moment: what float32 products cannot tell from zero
_TINY = 1e-30  # so that inputs that are always zero can be solved for
_CHUNK = 2**20  # numbers in the matrices that are solved at once: 8 MiB
_TOGETHER = 2**19  # numbers in the rows that go down together: 4 MiB for each of what a step holds


@dataclass(frozen=True)
class Seen:
    """What a layer's inputs look like, float64: `square` C' + l I and `cross` D + l I [in, in], the means `now` of x'
    and `dense` of x [in]."""

    square: torch.Tensor
    cross: torch.Tensor
    now: torch.Tensor
    dense: torch.Tensor

    def refitted(
        self, weight: torch.Tensor, keep: torch.Tensor, steps: int = STEPS
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(some rows of the layer [rows, in], of `weight`'s type and zero outside `keep`; what their biases grow by
        [rows], float64).

        `weight`: the dense rows; `keep` boolean [rows, in]. Exact where that is as fast, else by at most `steps` steps
        from the dense rows. Rows are taken in parts, so that little is held beside what is returned.
        """
        made, shift = torch.empty_like(weight), self.now.new_empty(len(weight))
        at_once = _as_fast(keep, steps)
        rows = len(weight) if alike(keep) else max(1, _TOGETHER // len(self.square))
        for at in range(0, len(weight), rows):
            some = slice(at, at + rows)
            dense, kept = weight[some].double(), keep[some]
            aim = dense @ self.cross
            new = exact(self.square, aim, kept) if at_once else descended(self.square, aim, kept, dense, steps)
            made[some], shift[some] = new, dense @ self.dense - new @ self.now
        return made, shift


def seen(square: torch.Tensor, cross: torch.Tensor, now: torch.Tensor, dense: torch.Tensor, bias: bool) -> Seen:
    """From E[x' x'^T], E[x x'^T], which are written over, and the means, float64, centred where the layer has a bias.
    l is 1 % of the mean diagonal. Raises DataError for what is not finite."""
    if not (square.sum() + cross.sum()).isfinite():  # `isfinite` on all of them would hold as much again
        raise DataError("What the model makes of its training images is not finite; check its weights, or drop repair.")
    floor = max(_RESOLUTION * float(square.diagonal().mean()), _TINY)
    alike = cross is square and dense is now  # the dense model's own: held once, as a wide layer's takes 128 MiB
    if bias:
        square.addr_(now, now, alpha=-1)
    strength = max(DAMPING * float(square.diagonal().mean()), floor)
    square.diagonal().add_(strength)
    if not alike:
        if bias:
            cross.addr_(dense, now, alpha=-1)
        cross.diagonal().add_(strength)
    return Seen(square, cross, now, dense)


@dataclass
class Pairs:
    """Sums over samples of what a layer sees now, x' [n, in], and what the dense model showed it, x [n, in].

    Both are counted from their means over the first batch: of inputs that hardly move about a large mean, products in
    float32 would hold the mean alone.
    """

    count: int = 0
    sums: list[torch.Tensor] = field(default_factory=list)
    shifts: list[torch.Tensor] = field(default_factory=list)

    def add(self, now: torch.Tensor, dense: torch.Tensor) -> None:
        """Count a batch; products in the batch's precision, sums in float64."""
        self.count += len(now)
        self.shifts = self.shifts or [now.mean(0), dense.mean(0)]
        now, dense = now - self.shifts[0], dense - self.shifts[1]
        new = [part.double() for part in (now.T @ now, dense.T @ now, now.sum(0), dense.sum(0))]
        self.sums = [old.add_(part) for old, part in zip(self.sums, new, strict=True)] if self.sums else new

    def seen(self, bias: bool) -> Seen:
        """The moments, for a layer with or without a bias."""
        square, cross, now, dense = (part / self.count for part in self.sums)
        first, second = (shift.double() for shift in self.shifts)
        # E[(y + s) (z + t)^T] = E[y z^T] + s (E[z] + t)^T + E[y] t^T
        square.addr_(first, now + first).addr_(now, first)
        cross.addr_(second, now + first).addr_(dense, first)
        return seen(square, cross, now + first, dense + second, bias)


def _as_fast(keep: torch.Tensor, steps: int) -> bool:
    """Whether a solve for every row takes no longer than `steps` steps of all rows."""
    sizes = keep.sum(1, dtype=torch.int32).double()
    work = float((sizes**2 * (sizes + _OVERHEAD)).sum())
    return work <= steps * keep.numel() * keep.shape[1] or alike(keep)


def alike(keep: torch.Tensor) -> bool:
    """Whether all rows keep the same."""
    return bool((keep == keep[:1]).all())


def exact(square: torch.Tensor, aim: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """For every row r the w with A_SS w = t_S, S = keep[r], and zeros elsewhere, [out, in]: a solve for every row, or
    one for all rows where they keep the same.

    `square` A [in, in], symmetric and positive definite; `aim` t [out, in]; `keep` boolean [out, in].
    """
    made = torch.zeros_like(aim)
    if alike(keep):
        kept = keep[0].nonzero()[:, 0]
        made[:, kept] = torch.cholesky_solve(aim[:, kept].T, factor(square[kept[:, None], kept])).T
        return made
    sizes = keep.sum(1, dtype=torch.int32)  # `bool` would be widened whole
    order = sizes.argsort(descending=True)  # rows of nearly the same size are solved together
    while len(order):
        size = int(sizes[order[0]])
        rows = order[: max(1, _CHUNK // max(size, 1) ** 2)]
        made[rows] = _solved(square, aim[rows], keep[rows], size)
        order = order[len(rows) :]
    return made


def _solved(square: torch.Tensor, aim: torch.Tensor, keep: torch.Tensor, size: int) -> torch.Tensor:
    """Some rows' solves in one batch, each filled up to `size` with equations that say zero."""
    columns = keep.int().argsort(dim=1, descending=True, stable=True)[:, :size]
    real = keep.gather(1, columns)
    squares = square[columns[:, :, None], columns[:, None, :]]
    squares *= real[:, :, None] & real[:, None, :]
    squares.diagonal(dim1=1, dim2=2).add_(~real)
    wanted = (aim.gather(1, columns) * real)[:, :, None]
    found = torch.cholesky_solve(wanted, factor(squares))[:, :, 0]
    return torch.zeros_like(aim).scatter_(1, columns, found)


def factor(squares: torch.Tensor) -> torch.Tensor:
    """Cholesky factors of matrices [..., n, n] that should be positive definite; where rounding in the moments has made
    one of them not so, it is damped by ten times more until it is."""
    more = DAMPING
    found, failed = torch.linalg.cholesky_ex(squares)
    while bool(failed.any()):
        extra = more * squares.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=_TINY) * (failed != 0)
        squares = squares + extra[..., None, None] * torch.eye(squares.shape[-1], dtype=squares.dtype).to(squares)
        found, failed = torch.linalg.cholesky_ex(squares)
        more *= 10
    return found


def descended(
    square: torch.Tensor, aim: torch.Tensor, keep: torch.Tensor, start: torch.Tensor, steps: int
) -> torch.Tensor:
    """`exact` by conjugate gradients from `start` [out, in], every row with its own step, scaled by A's diagonal; the
    error only falls."""
    mask = keep.to(aim.dtype)
    scale = mask / square.diagonal()
    made = start * mask
    missing = aim - made @ square
    way = missing * scale
    now = first = (missing * way).sum(1, keepdim=True)
    for _ in range(steps):
        if (now <= _NEAR * first).all():
            break
        bent = way @ square
        step = now / (way * bent).sum(1, keepdim=True).clamp(min=_TINY)
        made.addcmul_(step, way)
        missing.addcmul_(step, bent, value=-1)
        down = missing * scale
        now, before = (missing * down).sum(1, keepdim=True), now
        way.mul_(now / before.clamp(min=_TINY)).add_(down)
    return made


def stretched(products: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Factors [heads, k] of the kept Q/K dimensions that bring their sum nearest to the sum of all of them.

    `products` G = E[f f^T] [heads, d, d], float64, f what each dimension adds to a logit (`anatomy.Watch.logits`);
    `kept` [heads, k]. (G_SS + l I) c = (G 1)_S + l 1, so that without evidence a dimension stays as it is.
    """
    head = torch.arange(len(kept), device=kept.device)[:, None]
    squares = products[head[:, :, None], kept[:, :, None], kept[:, None, :]]
    strength = (DAMPING * products.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)).clamp(min=_TINY)
    squares.diagonal(dim1=1, dim2=2).add_(strength)
    wanted = products.sum(2)[head, kept] + strength
    return torch.cholesky_solve(wanted[:, :, None], factor(squares))[:, :, 0]
