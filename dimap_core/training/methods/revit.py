"""ReViT's rule: how width is spread over depth, read off the searched models by NViT's authors. No torch.

Yang et al., CVPR 2023 (arXiv 2110.04869), Table 6: with eps = 2 in the middle half of the blocks (4 to 9 of 12), else
1, heads = eps * EMB / 100, Q/K = eps * EMB / 20, MLP = 3 * eps * EMB, and V = 64 throughout. The absolute numbers are
made for widths near DeiT's; at other sizes only the shape means something. The released code departs from the rule in
the first and last block (10 heads, twice the Q/K); the published counts are those of the code.
"""

from __future__ import annotations

from ...types import KINDS


def epsilon(depth: int) -> list[int]:
    """The rule's factor of each block."""
    return [2 if depth / 4 <= place < 3 * depth / 4 else 1 for place in range(depth)]


def revit_shape(depth: int) -> dict[str, list[float]]:
    """By kind each block's width as a multiple of the mean over blocks."""
    factors = epsilon(depth)
    mean = sum(factors) / depth
    return {kind: [1.0] * depth if kind == "v_dim" else [factor / mean for factor in factors] for kind in KINDS}
