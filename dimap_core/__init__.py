"""DIMAP Explorer's pruning core: model -> anatomy -> scores -> plan -> selection -> cut -> cost + accuracy.

Pure Python, numpy and torch; never streamlit. Names resolve lazily, so that `import dimap_core` (and the app process,
which only plans, looks up and draws) does not import torch.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "BUNDLED": "models",
    "CRITERIA": "criteria",
    "DATASETS": "data",
    "PruningError": "types",
    "PruningPlan": "types",
    "apply_plan": "pipeline",
    "build_anatomy": "anatomy",
    "cost_report": "measure",
    "from_recipe": "plan",
    "judge": "pipeline",
    "keep_mask": "cut",
    "load_data": "data",
    "load_model": "models",
    "main": "cli",
    "open_model": "pipeline",
    "prune": "pipeline",
    "score": "pipeline",
    "select": "plan",
    "to_recipe": "plan",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name through its room's door on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dimap_core' has no attribute '{name}'")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
