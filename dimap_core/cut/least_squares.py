"""The solves behind repair: running sums of what layers see, and the updates that follow from them. No model in here.

Sums are gathered batch by batch and solved in float64 with damping, so an update never makes the fit on what was seen
worse than no update. Next door: `repair` walks through a model and feeds these.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

DAMPING = 1e-3  # of the diagonal; between 1e-2 and 1e-4 nothing changes on the bundled models
_TINY = 1e-30  # so that inputs that are always zero get no update instead of a singular solve


def ridge(inputs: torch.Tensor, cross: torch.Tensor, damping: float = DAMPING) -> torch.Tensor:
    """The update dW [out, in] that makes dW x come nearest to the missing output e, E|e - dW x|^2 + l |dW|^2.

    `inputs` E[x x^T] [in, in] and `cross` E[e x^T] [out, in], centred where the layer has a bias; l = `damping` times
    the mean diagonal. dW = E[e x^T] (E[x x^T] + l I)^-1; for e = W_R x_R it is W_R B^T of `apma.md` 10g.
    """
    strength = (damping * inputs.diagonal().mean()).clamp(min=_TINY)
    damped = inputs + strength * torch.eye(len(inputs), dtype=inputs.dtype, device=inputs.device)
    return torch.linalg.solve(damped, cross.T).T


@dataclass
class Moments:
    """Sums over samples of a layer's kept inputs x [n, in] and of what its output misses, e [n, out]."""

    bias: bool
    count: int = 0
    sums: list[torch.Tensor] = field(default_factory=list)

    def add(self, x: torch.Tensor, e: torch.Tensor) -> None:
        """Count a batch; products in the batch's precision, sums in float64."""
        self.count += len(x)
        new = [part.double() for part in (x.sum(0), e.sum(0), x.T @ x, e.T @ x)]
        self.sums = [old + part for old, part in zip(self.sums, new, strict=True)] if self.sums else new

    def update(self, damping: float = DAMPING) -> tuple[torch.Tensor, torch.Tensor]:
        """(dW [out, in], db [out]), float64; db is zero for a layer without a bias."""
        x, e, xx, ex = (part / self.count for part in self.sums)
        if not self.bias:
            return ridge(xx, ex, damping), torch.zeros_like(e)
        change = ridge(xx - torch.outer(x, x), ex - torch.outer(e, x), damping)
        return change, e - change @ x


@dataclass
class LogitMoments:
    """What is needed to mix the kept query channels of each head so that its logits come nearest to the dense ones.

    With Q_i, K_i the kept channels of window i and L_i the logits of all channels, M minimises the sum over i of
    |Q_i M K_i^T - L_i|^2:  [sum of (Q_i^T Q_i) kron (K_i^T K_i)] vec(M) = vec(sum of Q_i^T L_i K_i), vec row-major
    (`apma.md` 10g). Two refinements of ours: keys are centred over the window, since softmax does not see what is added
    to a row of logits, and where there is a bias Q_i gets a column of ones, so that M's last row is a new bias.
    """

    bias: bool
    grams: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    cross: torch.Tensor | None = None

    def add(self, q: torch.Tensor, k: torch.Tensor, kept: torch.Tensor) -> None:
        """Queries and keys of all channels, [heads, windows, tokens, dim]; `kept` [heads, d] the channels that stay."""
        k = k - k.mean(dim=2, keepdim=True)
        places = kept[:, None, None, :].expand(*q.shape[:3], -1)
        small_q, small_k = q.gather(3, places), k.gather(3, places)
        if self.bias:
            small_q = torch.cat([small_q, torch.ones_like(small_q[..., :1])], dim=-1)
        self.grams.append((small_q.mT @ small_q, small_k.mT @ small_k))
        cross = ((small_q.mT @ q) @ (k.mT @ small_k)).sum(dim=1).double()
        self.cross = cross if self.cross is None else self.cross + cross

    def mixing(self, damping: float = DAMPING) -> torch.Tensor:
        """M [heads, d (+ 1 with a bias), d], float64, damped towards the identity: channels left as they are."""
        if self.cross is None:
            raise ValueError("nothing was added")
        heads, rows, columns = self.cross.shape
        still = torch.eye(rows, columns, dtype=torch.float64, device=self.cross.device)
        found = []
        for head in range(heads):
            queries, keys = (torch.cat([pair[i][head] for pair in self.grams]).double() for i in (0, 1))
            # [(a c), (b d)] = sum over windows of (Q^T Q)[a, b] (K^T K)[c, d]
            products = queries.flatten(1).T @ keys.flatten(1)
            square = products.view(rows, rows, columns, columns).transpose(1, 2).reshape(rows * columns, -1)
            missing = self.cross[head].reshape(-1) - square @ still.reshape(-1)
            damped = square + torch.diag((damping * square.diagonal()).clamp(min=_TINY))
            found.append(still + torch.linalg.solve(damped, missing).view(rows, columns))
        return torch.stack(found)
