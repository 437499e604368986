"""One thread for numpy's and scipy's products: on busy cores they wait for each other, 0.25 s in place of 1 ms.

Next door: `elimination`, `weights` and `criteria.arrays` solve inside it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread while it is open."""
    return _pools().limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _pools() -> ThreadpoolController:
    """Found once: looking through all loaded libraries takes longer than a small solve."""
    return ThreadpoolController()
