"""Against Torch-Pruning: one-shot top-1 at equal MACs removed, nothing trained afterwards.

    pip install --no-deps --target /tmp/peers torch-pruning
    PYTHONPATH=/tmp/peers python -m benchmarks.peers_accuracy [MODEL ...] [--photos FOLDER [--judge N]]

Same models, same validation images (the whole split; `--judge N`: N photographs of it), same 256 calibration images.
Ours are Find's cut and the best fixed rule that Find measures itself against (`benchmarks.find`; both chosen on
training images held apart). Torch-Pruning gets what timm needs of it (a pruner for patch merging, `num_heads`, the
attention's attributes set by hand afterwards) and every setting of `SETTINGS`, by L2 and by Taylor; its pruning ratio
is bisected until its cut removes the asked share of MACs. Of its settings the one of least loss on `HELD` training
images that nothing else read is judged: no validation image chooses anything. MACs are counted by torch on the forward
pass of the smaller model, on both sides. Rows of a run before are replaced one by one. Run `benchmarks.find
--structures 0.35,0.5` before.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from timm.models.swin_transformer import PatchMerging
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from dimap_core import pipeline
from dimap_core.data import balanced_subset, normalised, stratified_order
from dimap_core.measure import paired_difference, predict_all, wilson
from dimap_core.types import Difference, LabelledImages

from .find import chosen
from .judging import PHOTOGRAPHS, Images, asked, command_line
from .measured import machine, percent, store, stored, table

BUDGETS = (0.35, 0.5)
MODELS = ("swin-textured", "deit-textured", "swin-digits", "deit-digits", *PHOTOGRAPHS)
IMAGES, BATCH, HELD = 256, 32, 500
SETTINGS = tuple(itertools.product((True, False), ("uniform", "global", "isomorphic")))
"""Whether the embedding's width is cut too (its default), how channels are ranked."""
STEPS, NEAR = 7, 2e-3
"""Halvings at most of its pruning ratio; share of the MACs that is near enough."""
COLUMNS = (
    "model, MACs asked", "best fixed rule", "found", "Torch-Pruning, L2", "Torch-Pruning, Taylor",
    "MACs removed: rule, found, its best", "its best", "rule - its best", "found - its best",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """Which validation images came out right, at what share of MACs removed, by which setting."""

    title: str
    hits: np.ndarray
    removed: float

    def cell(self) -> str:
        """Top-1 with half the width of its interval."""
        top1 = wilson(int(self.hits.sum()), len(self.hits))
        return percent(top1.value, (top1.low, top1.high))


@dataclass(frozen=True)
class Judges:
    """The validation images, and the training images that choose."""

    data: LabelledImages
    held: LabelledImages

    def loss(self, model: nn.Module, info: Any) -> float:
        """Mean cross-entropy on the training images that choose."""
        return float(predict_all(model, info, self.held).loss.mean())

    def result(self, title: str, removed: float, model: nn.Module, info: Any) -> Result:
        """A chosen cut judged on the validation images."""
        found = predict_all(model, info, self.data)
        return Result(title, found.classes == self.data.labels[stratified_order(self.data.labels)], removed)


def held_apart(train: LabelledImages) -> LabelledImages:
    """`HELD` training images, as many of every class, that neither statistics nor repair read."""
    read = set(balanced_subset(train.labels, IMAGES, 0).tolist())
    rest = [place for place in stratified_order(train.labels).tolist() if place not in read][:HELD]
    return replace(train, images=train.images[rest], labels=train.labels[rest])


def ours(opened: pipeline.Opened, judges: Judges, budget: float) -> Iterator[Result]:
    """The best fixed rule and the cut found, as Find chose them, both repaired and sliced."""
    dense = macs(copy.deepcopy(opened.model), opened.info.input_size)
    for plan in chosen(opened.info.name, budget)[:2]:
        model, *_ = pipeline.prune(opened, plan)
        title = f"{plan.criterion}, {plan.scope}, {plan.cost_exponent:g}"
        yield judges.result(title, 1 - macs(model, opened.info.input_size) / dense, model, opened.info)


def macs(model: nn.Module, size: int) -> int:
    """Multiply-accumulates of one image's forward pass, as torch counts them: in fused attention it would see none, so
    that is turned off."""
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # type: ignore[assignment]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    return counter.get_total_flops() // 2


def torch_pruning(
    opened: pipeline.Opened, train: LabelledImages, judges: Judges, budget: float, taylor: bool
) -> tuple[float, Result]:
    """The best of its settings at the asked share of MACs, after its loss on the images that choose."""
    base, found = copy.deepcopy(opened.model), []
    if taylor:
        gradients(base, opened, train)
    dense = macs(base, opened.info.input_size)
    for embedding, ranking in SETTINGS:
        try:
            model, removed = at_budget(base, opened, budget, dense, (taylor, embedding, ranking))
        except (RuntimeError, ValueError) as error:
            print(f"Torch-Pruning {embedding} {ranking}: {str(error)[:100]}", flush=True)
            continue
        title = f"{'with' if embedding else 'without'} embedding, {ranking}"
        found.append((judges.loss(model, opened.info), removed, title, model))
        print(f"  Torch-Pruning, taylor {taylor}, {title}: loss {found[-1][0]:.3f}, {removed:.3f} removed", flush=True)
    loss, removed, title, model = min(found, key=lambda one: one[0])
    return loss, judges.result(title, removed, model, opened.info)


def gradients(model: nn.Module, opened: pipeline.Opened, train: LabelledImages) -> None:
    """What its Taylor importance reads: gradients summed over the same batches."""
    chosen = balanced_subset(train.labels, IMAGES, 0)
    for part in np.split(chosen, range(BATCH, len(chosen), BATCH)):
        logits = model(normalised(opened.info, train.images[part]))
        F.cross_entropy(logits, torch.from_numpy(train.labels[part])).backward()


def at_budget(
    base: nn.Module, opened: pipeline.Opened, budget: float, dense: int, setting: tuple[bool, bool, str]
) -> tuple[nn.Module, float]:
    """Bisect its pruning ratio; the cut whose MACs come nearest."""
    low, high, best = 0.0, 0.9, (opened.model, -1.0)
    for _ in range(STEPS):
        ratio = (low + high) / 2
        model = pruned(base, opened.info.input_size, ratio, setting)
        removed = 1 - macs(model, opened.info.input_size) / dense
        if abs(removed - budget) < abs(best[1] - budget):
            best = (model, removed)
        if abs(best[1] - budget) < NEAR:
            break
        low, high = (ratio, high) if removed < budget else (low, ratio)
    return best


def pruned(base: nn.Module, size: int, ratio: float, setting: tuple[bool, bool, str]) -> nn.Module:
    """A copy cut by Torch-Pruning."""
    import torch_pruning as tp

    taylor, embedding, ranking = setting
    model = with_gradients(base)
    attentions = [module for module in model.modules() if hasattr(module, "qkv")]
    bias_tables = [m.relative_position_bias_table for m in attentions if hasattr(m, "relative_position_bias_table")]
    ignored = [model.get_classifier(), *bias_tables, *([] if embedding else residual_writers(model))]
    importance = tp.importance.GroupTaylorImportance() if taylor else tp.importance.GroupMagnitudeImportance(p=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = tp.pruner.BasePruner(
            model, torch.zeros(1, 3, size, size), importance=importance, pruning_ratio=ratio,
            global_pruning=ranking != "uniform", isomorphic=ranking == "isomorphic", ignored_layers=ignored,
            num_heads={module.qkv: module.num_heads for module in attentions},
            in_channel_groups={}, out_channel_groups={},  # its default dicts are shared by all pruners
            prune_head_dims=True, prune_num_heads=False, max_pruning_ratio=0.95,
            customized_pruners={PatchMerging: merging_pruner(tp)} if bias_tables else None,
            root_module_types=(nn.Linear, nn.LayerNorm, nn.Conv2d, PatchMerging),
        )  # fmt: skip
        pruner.step()
    for module in attentions:
        module.attn_dim = module.qkv.out_features // 3
        module.head_dim = module.attn_dim // module.num_heads
        module.fused_attn = False  # the plain path keeps the dense model's temperature: `scale` as it was
    return model.eval()


def residual_writers(model: Any) -> list[nn.Module]:
    """Layers whose output width is the embedding's."""
    names = ("attn.proj", "mlp.fc2", "downsample.reduction", "patch_embed.proj")
    return [
        module for name, module in model.named_modules() if name.endswith(names) or isinstance(module, PatchMerging)
    ]


def with_gradients(base: nn.Module) -> Any:
    """A deep copy with gradients."""
    model = copy.deepcopy(base)
    for new, old in zip(model.parameters(), base.parameters(), strict=True):
        new.grad = None if old.grad is None else old.grad.clone()
    return model


def merging_pruner(tp: Any) -> Any:
    """Patch merging sees four neighbours side by side: one channel of its input is four of its layers'."""

    class Merging(tp.BasePruningFunc):
        def prune_out_channels(self, layer: Any, idxs: list[int]) -> Any:
            tp.prune_linear_out_channels(layer.reduction, idxs)
            return layer

        def prune_in_channels(self, layer: Any, idxs: list[int]) -> Any:
            dim = layer.norm.normalized_shape[0] // 4
            four = [place * dim + index for place in range(4) for index in idxs]
            tp.prune_layernorm_out_channels(layer.norm, four)
            tp.prune_linear_in_channels(layer.reduction, four)
            return layer

        def get_out_channels(self, layer: Any) -> int:
            return layer.reduction.out_features

        def get_in_channels(self, layer: Any) -> int:
            return layer.norm.normalized_shape[0] // 4

    return Merging()


def measure(name: str, images: Images) -> Iterator[list[str]]:
    """A row for each budget."""
    opened = images.open(name)
    train, data = pipeline.training_data(opened), pipeline.default_data(opened)
    judges = Judges(data, held_apart(train))
    for budget in BUDGETS:
        rule, found = ours(opened, judges, budget)
        theirs = [torch_pruning(opened, train, judges, budget, taylor) for taylor in (False, True)]
        kind, (_, best) = min(zip(("L2", "Taylor"), theirs, strict=True), key=lambda one: one[1][0])
        shown = [result.cell() for result in (rule, found, *(result for _, result in theirs))]
        removed = ", ".join(f"{100 * result.removed:.1f} %" for result in (rule, found, best))
        gaps = [_difference(paired_difference(result.hits, best.hits)) for result in (rule, found)]
        print(f"{name} {budget:.0%}: rule {rule.title}; found {found.title}", flush=True)
        yield [f"`{name}`, {budget:.0%}", *shown, removed, f"{kind}, {best.title}", *gaps]


def _difference(gap: Difference) -> str:
    """In points, with its 95 % interval; bold where that excludes zero."""
    text = f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    return f"**{text}**" if gap.low > 0 or gap.high < 0 else text


def main() -> None:
    """Print each setting of theirs as it is measured, then the table."""
    parser = command_line(__doc__, MODELS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine(), flush=True)
    rows = {row[0]: list(row) for row in stored("peers_accuracy").rows}
    names, images = asked(arguments)
    for name in names:
        photos = images.told(name)
        for row in measure(name, images):
            print(" | ".join(row), flush=True)
            rows[row[0]] = row
            store("peers_accuracy", COLUMNS, rows.values(), name, photos)
    print(f"\n{table(COLUMNS, rows.values())}")


if __name__ == "__main__":
    main()
