"""Makes the catalogue from the installed timm: `python -m dimap_core.models.make_catalogue` (minutes, no network).

Every architecture is built without memory for its weights and looked into, so that what the picker offers can be taken
apart, and what a file's shapes belong to is known.
Next door: `catalogue` reads what is written here.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import timm
from torch import nn

from ..anatomy import build_anatomy
from ..types import Family, UnsupportedModel, whole_file
from .bundled import BUNDLED
from .catalogue import PATH
from .named_models import FAMILIES, build
from .shapes import exact, signature


def names() -> list[str]:
    """Every pretrained name of the families' source modules."""
    modules = [source.rpartition(".")[2] for source in FAMILIES]
    return sorted(name for module in modules for name in timm.list_models(module=module, pretrained=True))


def look_into(architecture: str) -> tuple[list[Any], dict[str, int]]:
    """(the architecture's row, sizes of its head); raises UnsupportedModel where it cannot be taken apart."""
    family: Family = FAMILIES[timm.model_entrypoint(architecture).__module__]
    model: Any = timm.create_model(architecture, num_classes=0, device="meta")
    anatomy = build_anatomy(model, family)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    windows = [] if family == "deit" else [stage.blocks[0].attn.window_size[0] for stage in model.layers]
    row = [
        architecture,
        family,
        signature(shapes),
        behaviour(model, family),
        anatomy.input_size,
        _positions(model),
        windows,
    ]
    params = sum(parameter.numel() for parameter in model.parameters())
    return row, {"params": params, "width": model.num_features, "heads": 2 if hasattr(model, "head_dist") else 1}


def behaviour(model: Any, family: Family) -> str:
    """A hash of what parameters of the same shapes are used for: modules with their settings, heads, pooling."""
    told = str(model.blocks if family == "deit" else model.layers) + str(model.norm)
    blocks = model.blocks if family == "deit" else [block for stage in model.layers for block in stage.blocks]
    heads = [(block.attn.num_heads, getattr(block.attn, "pretrained_window_size", 0)) for block in blocks]
    kind = [type(model).__name__, getattr(model, "global_pool", ""), getattr(model, "pool_include_prefix", "")]
    return hashlib.sha256(repr((told, heads, kind)).encode()).hexdigest()[:8]


def _positions(model: Any) -> int:
    """How many tokens besides the patches have a position."""
    places = getattr(model, "pos_embed", None)
    return 0 if places is None else places.shape[1] - model.patch_embed.num_patches


def make() -> dict[str, Any]:
    """The catalogue's content."""
    rows: list[list[Any]] = []
    found: dict[str, tuple[list[Any], dict[str, int]]] = {}
    refused: dict[str, str] = {}
    for name in names():
        architecture = name.partition(".")[0]
        if architecture not in found and architecture not in refused:
            try:
                found[architecture] = look_into(architecture)
            except UnsupportedModel as error:
                refused[architecture] = str(error)
        if architecture in found:
            rows.append(_row(name, *found[architecture]))
    rows.sort(key=lambda row: (not row[0].startswith("swin_"), not row[0].startswith(("swin", "deit")), row[0]))
    bundled = {exact(_shapes(build(spec, device="meta"))): spec.name for spec in BUNDLED}
    architectures = [row for row, _ in found.values()]
    return {
        "timm": timm.__version__, "models": rows, "architectures": architectures, "refused": refused, "bundled": bundled
    }  # fmt: skip


def _row(name: str, build: list[Any], head: dict[str, int]) -> list[Any]:
    config: Any = timm.get_pretrained_cfg(name)
    classes = config.num_classes
    params = head["params"] + head["heads"] * classes * (head["width"] + 1)
    return [name, build[1], config.input_size[-1], params, classes, config.license or ""]


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def main() -> None:
    """Write the catalogue; one row a line, so that a newer timm's changes can be read."""
    content = make()
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            parts.append(f' "{key}": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]")
        else:
            parts.append(f' "{key}": {json.dumps(value, indent=2) if isinstance(value, dict) else json.dumps(value)}')
    with whole_file(PATH) as part:
        part.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    counts = {key: len(content[key]) for key in ("models", "architectures", "refused")}
    sys.stdout.write(f"{PATH.name}: {counts}\n")


if __name__ == "__main__":
    main()
