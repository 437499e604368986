"""Against peers: plan and apply a 50 % cut, each case in a process of its own so that memory peaks do not mix.

    python -m benchmarks.peers [--repeats 3] [MODEL ...]

- global magnitude: ours (criterion magnitude, scope model) / `torch.nn.utils.prune.global_unstructured` (L1)
- LAMP's score: ours (criterion dimap, scope model) / torch.sort, scatter, kthvalue as in `benchmarks.live`
- context, if `torch_pruning` can be imported: its structured cut of half the channels; what fails is printed

Both sides cut the same layers of the same random weights to the same count. Ours makes a pruned copy of the model
(`pipeline.prune`), torch masks in place. Peaks are resident memory above the loaded model. Then the removed weights are
compared one by one: whatever differs must be a tie in |w|.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import prune as torch_prune

from dimap_core import pipeline
from dimap_core.plan import count_to_remove
from dimap_core.types import PruningPlan

from .live import MIB, Pair, forget_peak, naive_remask, resident, seconds, timed
from .measured import command_line, machine, store, table

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("swin_tiny_patch4_window7_224", "swin_base_patch4_window7_224", "deit_base_patch16_224")
RATIO = 0.5
PLANS = {
    "magnitude": PruningPlan(criterion="magnitude", scope="model", ratio=RATIO),
    "dimap": PruningPlan(criterion="dimap", scope="model", ratio=RATIO),
}
PAIRS = (("magnitude", "torch-global"), ("dimap", "torch-lamp"))
Removed = dict[str, np.ndarray]


def ours(opened: pipeline.Opened, name: str) -> tuple[Callable[[], Any], Callable[[Any], Removed]]:
    """Our cut, and how to read what it removed."""
    return lambda: pipeline.prune(opened, PLANS[name])[0], lambda pruned: _zeros(opened, pruned.get_parameter)


def torch_global(opened: pipeline.Opened) -> tuple[Callable[[], Any], Callable[[Any], Removed]]:
    """PyTorch's own global magnitude pruning."""
    modules = {layer.name: opened.model.get_submodule(layer.name) for layer in opened.anatomy.prunable}
    count = count_to_remove(RATIO, sum(layer.size for layer in opened.anatomy.prunable))

    def work() -> None:
        pairs = [(module, "weight") for module in modules.values()]
        torch_prune.global_unstructured(pairs, pruning_method=torch_prune.L1Unstructured, amount=count)

    return work, lambda _: {name: module.weight_mask.numpy().ravel() == 0 for name, module in modules.items()}


def torch_lamp(opened: pipeline.Opened) -> tuple[Callable[[], Any], Callable[[Any], Removed]]:
    """LAMP with torch.sort and kthvalue."""
    return lambda: naive_remask(opened, PLANS["dimap"]), lambda new: _zeros(
        opened, lambda key: new[key.removesuffix(".weight")]
    )


def torch_pruning(opened: pipeline.Opened) -> tuple[Callable[[], Any], Callable[[Any], Removed]]:
    """Torch-Pruning's structured magnitude cut, by its README, with the heads of every attention named."""
    import torch_pruning as tp

    model, example = opened.model, torch.randn(1, 3, opened.info.input_size, opened.info.input_size)
    heads = {module.qkv: module.num_heads for module in model.modules() if hasattr(module, "qkv")}

    def work() -> None:
        pruner = tp.pruner.MagnitudePruner(
            model, example, importance=tp.importance.MagnitudeImportance(p=2), pruning_ratio=RATIO,
            ignored_layers=[model.get_classifier()], num_heads=heads, round_to=8,
        )  # fmt: skip
        pruner.step()

    def check(_: Any) -> Removed:
        with torch.no_grad():
            model(example)
        return {}

    return work, check


def _zeros(opened: pipeline.Opened, weight: Callable[[str], torch.Tensor]) -> Removed:
    """Where each prunable weight became zero."""
    return {
        layer.name: (weight(f"{layer.name}.weight") == 0).detach().numpy().ravel() for layer in opened.anatomy.prunable
    }


CASES = {
    "magnitude": lambda opened: ours(opened, "magnitude"),
    "dimap": lambda opened: ours(opened, "dimap"),
    "torch-global": torch_global,
    "torch-lamp": torch_lamp,
    "torch-pruning": torch_pruning,
}


def child(case: str, model: str, into: Path) -> dict[str, Any]:
    """One case: seconds and peak; what was removed goes to a file, packed."""
    opened = pipeline.open_model(model, "random")
    work, read = CASES[case](opened)
    before = forget_peak()
    spent, result = timed(work)
    found: dict[str, Any] = {"seconds": spent, "peak": resident("VmHWM") - before}
    found["params"] = sum(parameter.numel() for parameter in opened.model.parameters())
    try:
        removed = read(result)
    except RuntimeError as error:
        return found | {"failed": f"forward pass: {str(error)[:120]}"}
    if removed:
        np.save(into, np.packbits(np.concatenate(list(removed.values()))))
    return found


def run(case: str, model: str, into: Path) -> dict[str, Any]:
    """`child` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.peers", model, "--case", case, "--into", str(into)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    if answer.returncode:
        return {"failed": answer.stderr.strip().splitlines()[-1][:160]}
    return json.loads(answer.stdout.splitlines()[-1])


def compare(opened: pipeline.Opened, ours_file: Path, theirs_file: Path) -> tuple[int, int, int, bool]:
    """(zeros of ours, zeros of theirs, weights removed by one side only, whether all of those have the same |w|)."""
    size = sum(layer.size for layer in opened.anatomy.prunable)
    ours_gone, theirs_gone = (np.unpackbits(np.load(path), count=size).view(bool) for path in (ours_file, theirs_file))
    differs = np.flatnonzero(ours_gone != theirs_gone)
    weights = np.concatenate([array.ravel() for array in pipeline.weight_arrays(opened).values()])
    tied = len(np.unique(np.abs(weights[differs]))) <= 1
    return int(ours_gone.sum()), int(theirs_gone.sum()), len(differs), tied


def measure_pair(model: str, pair: tuple[str, str], repeats: int, folder: Path) -> tuple[list[str], list[str]]:
    """A row of times and peaks, and a row on what was removed."""
    spent, peaks = Pair(), Pair()
    files = [folder / f"{case}.npy" for case in pair]
    for _ in range(repeats):
        for side, case, file in zip(("ours", "naive"), pair, files, strict=True):
            found = run(case, model, file)
            if "failed" in found:
                raise RuntimeError(f"{case} on {model}: {found['failed']}")
            getattr(spent, side).append(found["seconds"])
            getattr(peaks, side).append(found["peak"])
    opened = pipeline.open_model(model, "random")
    total = sum(layer.size for layer in opened.anatomy.prunable)
    mine, theirs, differ, tied = compare(opened, *files)
    asked = count_to_remove(RATIO, total)
    title = f"`{model.split('_patch')[0]}`, {pair[0]} / {pair[1]}"
    exact = "exact" if mine == asked else f"OFF BY {mine - asked:+,}"
    tied_text = "" if not differ else ", all tied in abs(w)" if tied else ", not only ties in abs(w)"
    counts = [title, f"{asked:,} of {total:,}", f"{mine:,} ({exact})", f"{theirs:,}", f"{differ:,}{tied_text}"]
    return [title, spent.cell(), peaks.cell(lambda value: f"{value / MIB:,.0f} MiB")], counts


def context(models: list[str]) -> str:
    """Torch-Pruning, which cuts structures: another task, so no ratio."""
    if importlib.util.find_spec("torch_pruning") is None:
        return "Torch-Pruning: not installed."
    rows = []
    for model in models:
        found = run("torch-pruning", model, Path("unused.npy"))
        cost = [seconds(found["seconds"]), f"{found['peak'] / MIB:,.0f} MiB"] if "seconds" in found else ["–", "–"]
        rows.append([f"`{model.split('_patch')[0]}`", *cost, found.get("failed", "forward pass works")])
    columns = ["Torch-Pruning, half the channels (structured)", "time", "peak", "afterwards"]
    store("peers_structured", columns, rows)
    return table(columns, rows)


def main() -> None:
    """Print ratios, then correctness, then context."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(child(arguments.case, arguments.models[0], arguments.into)))
        return
    print(machine(), f"Each side {arguments.repeats} times, alternated.\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measure_pair(model, pair, arguments.repeats, Path(folder)) for model in arguments.models for pair in PAIRS
        ]
    columns, times = ["plan and apply 50 %", "time, ours / theirs", "peak, ours / theirs"], [row for row, _ in found]
    print(table(columns, times))
    store("peers", columns, times)
    header = ["removed weights", "asked", "ours", "theirs", "removed by one side only"]
    print(f"\n{table(header, [counts for _, counts in found])}\n\n{context(arguments.models)}")
    print(f"\nAt the end: {machine()}")


if __name__ == "__main__":
    main()
