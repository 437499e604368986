"""How live the loop is: ours / naive, measured side by side in one run.

    python -m benchmarks.live [--quick] [--sections abcde] [MODEL ...]

a  first index                    against LAMP as usually written: torch.sort, reverse float64 cumsum, scatter
b  a slider move to counts, MACs  against scoring again and torch.kthvalue over each competition set
c  new masks after a move         against the same, and against comparing cached scores with a threshold
d  streaming accuracy             against masking a copy and evaluating the whole set before answering
e  prefix cache                   against the same evaluation without it

Cells say: ratio of medians [smallest - largest of one repetition], then ours and theirs in absolute terms. Below 1 we
win, but for e, which prints how many times faster the cache is. Repetitions of both sides alternate. Timm models get
random weights: time and memory do not depend on them, and accuracy (d, e) is skipped.
"""

from __future__ import annotations

import ctypes
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from dimap_core import pipeline
from dimap_core.criteria import criterion
from dimap_core.cut import masked_weights
from dimap_core.measure import PrefixCache, concatenate, cost_report, predict
from dimap_core.models import bundled
from dimap_core.plan import SCOPES, competition_sets, count_to_remove, select, to_recipe
from dimap_core.service import Ticket, WorkerClient, index
from dimap_core.types import InvalidPlan, PruningPlan, Scores, Selection, drain

from .measured import command_line, machine, store, table

MODELS = ("swin-textured", "deit-textured", "swin_base_patch4_window7_224")
RATIOS = (0.5, 0.35, 0.6, 0.2, 0.55, 0.7, 0.4, 0.45)
BUDGETS = (0.5, 0.35, 0.6, 0.2, 0.55, 0.65, 0.4, 0.45)
BLOCKING_BATCH = 256
MIB = 1024**2


@dataclass
class Pair:
    """Seconds (or bytes) of both sides, one entry a repetition."""

    ours: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)

    def cell(self, form: Callable[[float], str] | None = None, inverse: bool = False) -> str:
        """Ratio of medians [smallest - largest], then both medians."""
        top, below = (self.naive, self.ours) if inverse else (self.ours, self.naive)
        single = [a / b for a, b in zip(top, below, strict=True)]
        low, high = min(single), max(single)
        form = form or seconds
        middle = f"{median(top) / median(below):.2g}"
        return f"**{middle}** [{low:.2g} – {high:.2g}]; {form(median(self.ours))} / {form(median(self.naive))}"


def seconds(value: float) -> str:
    """0.0123 -> "12 ms"."""
    return f"{1000 * value:.2g} ms" if value < 0.0995 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result)."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def resident(field_name: str = "VmRSS") -> int:
    """Bytes of this process in RAM now, or (VmHWM) at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field_name))


def forget_peak() -> int:
    """Give free memory back, start the peak anew and return what is in RAM now."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """(seconds, bytes at the peak above what was there before); the result is kept until the peak is read."""
    before = forget_peak()
    spent, result = timed(work)
    peak = resident("VmHWM") - before
    del result
    return spent, float(peak)


# --- the naive side: what one writes with torch alone ---------------------------------------------------------------


def naive_scores(opened: pipeline.Opened) -> dict[str, torch.Tensor]:
    """LAMP's (= DIMAP's) score of every weight, float32, in place."""
    scores = {}
    for layer in opened.anatomy.prunable:
        weight = opened.model.get_parameter(f"{layer.name}.weight").detach().flatten()
        ordered, order = torch.sort(weight.abs())
        squares = ordered.double() ** 2
        relative = squares / squares.flip(0).cumsum(0).flip(0)
        scores[layer.name] = torch.empty_like(weight).scatter_(0, order, relative.float())
    return scores


def naive_counts(
    opened: pipeline.Opened, scores: dict[str, torch.Tensor], plan: PruningPlan
) -> tuple[dict[str, float], dict[str, int]]:
    """(threshold, units removed) of each layer, by kthvalue over each competition set."""
    limits, removed = {}, {}
    for group in competition_sets(opened.anatomy.prunable, plan):
        names = [layer.name for layer in group.layers]
        pool = torch.cat([scores[name] for name in names])
        ratio = plan.ratio if group.cell is None else dict(plan.overrides)[group.cell]
        limit = pool.kthvalue(max(count_to_remove(ratio, len(pool)), 1)).values
        limits |= dict.fromkeys(names, float(limit))
        removed |= {name: int((scores[name] <= limit).sum()) for name in names}
    return limits, removed


def naive_masks(
    opened: pipeline.Opened, scores: dict[str, torch.Tensor], limits: dict[str, float]
) -> dict[str, torch.Tensor]:
    """Masked weights from cached scores."""
    masked = {}
    for name, score in scores.items():
        weight = opened.model.get_parameter(f"{name}.weight").detach()
        masked[name] = weight * (score > limits[name]).view_as(weight)
    return masked


def naive_move(opened: pipeline.Opened, plan: PruningPlan) -> Any:
    """Score again, threshold, count, price."""
    _, removed = naive_counts(opened, naive_scores(opened), plan)
    return cost_report(opened.anatomy, Selection(removed, plan.ratio or 0.0))


def naive_remask(opened: pipeline.Opened, plan: PruningPlan) -> dict[str, torch.Tensor]:
    """Score again, threshold, mask."""
    scores = naive_scores(opened)
    return naive_masks(opened, scores, naive_counts(opened, scores, plan)[0])


# --- a: the first index -----------------------------------------------------------------------------------------------


def first_index(opened: pipeline.Opened, repeats: int) -> str:
    """Time and peak memory until the first look-up is possible."""
    weights = 4 * sum(layer.size for layer in opened.anatomy.prunable)
    spent, peaks, disk = Pair(), Pair(), Pair()
    for _ in range(repeats):
        for side, work in (("ours", lambda: _score(opened)), ("naive", lambda: naive_scores(opened))):
            taken, peak = measured(work)
            getattr(spent, side).append(taken)
            getattr(peaks, side).append(peak / weights)
    scores = _score(opened)
    for taken in spent.naive:
        with tempfile.TemporaryDirectory() as folder:
            disk.ours.append(spent.ours[-1] + timed(lambda where=Path(folder): index.write_scores(where, scores))[0])
        disk.naive.append(taken)
    rows = [
        ["time to the index", spent.cell()],
        ["the same, written to disk for the app", disk.cell()],
        ["peak memory beyond the model", peaks.cell(lambda share: f"{share:.2f}x of the weights")],
    ]
    title = f"a. first index, {weights // 4:,} weights"
    return table([title, "ours / naive LAMP"], rows)


def _score(opened: pipeline.Opened) -> Scores:
    return criterion("dimap").fn(opened.model, opened.anatomy, "weight")


# --- b: a slider move -------------------------------------------------------------------------------------------------


@dataclass
class Played:
    """Moves of sliders: seconds, relative errors of met budgets, seconds until a plan was refused."""

    spent: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def play(self, opened: pipeline.Opened, scores: Scores, plan: PruningPlan, in_budget: bool) -> None:
        """Eight moves of one slider."""
        for value in BUDGETS if in_budget else RATIOS:
            moved = replace(plan, ratio=None, budget=value) if in_budget else replace(plan, ratio=value)
            start = time.perf_counter()
            try:
                total = cost_report(opened.anatomy, select(scores, opened.anatomy, moved)).total
            except InvalidPlan:
                self.refused.append(time.perf_counter() - start)
                continue
            self.spent.append(time.perf_counter() - start)
            if in_budget:
                self.errors.append(abs((1 - total.macs_after / total.macs) - value) / value)


def slider_moves(opened: pipeline.Opened, repeats: int) -> str:
    """Every scope, with and without an override, ratio and MAC budget, cost exponent 0 and 1."""
    scores, rows, everything = _score(opened), [], []
    naive: list[float] = []
    for scope in SCOPES:
        for overrides in ((), (((1, None), 0.3), ((2, "MLP-M"), 0.6))):
            plan = PruningPlan(scope=scope, overrides=overrides, ratio=0.5)
            if repeats > 1 or not overrides:  # one naive move takes long on a large model
                naive = [timed(lambda p=plan: naive_move(opened, p))[0] for _ in range(min(repeats, 3))]
            played = [
                _played(opened, scores, replace(plan, cost_exponent=exponent), in_budget, repeats)
                for in_budget in (False, True)
                for exponent in (0.0, 1.0)
            ]
            everything += played
            worst = max(error for each in played for error in each.errors)
            name = f"{scope}, {'override' if overrides else 'plain'}"
            rows.append([name, *(_move_cell(p, naive) for p in played), f"{100 * worst:.3f} %", seconds(median(naive))])
    kinds = [f"{kind}, exponent {a}" for kind in ("ratio", "MAC budget") for a in (0, 1)]
    header = ["b. one move: ours / naive; ours", *kinds, "worst budget error", "naive"]
    return f"{table(header, rows)}\n\n{_move_summary(everything)}"


def _played(opened: pipeline.Opened, scores: Scores, plan: PruningPlan, in_budget: bool, repeats: int) -> Played:
    played = Played()
    for _ in range(repeats):
        played.play(opened, scores, plan, in_budget)
    return played


def _move_cell(played: Played, naive: list[float]) -> str:
    middle = median(played.spent)
    return f"**{middle / median(naive):.2g}**; {seconds(middle)}, at most {seconds(max(played.spent))}"


def _move_summary(everything: list[Played]) -> str:
    spent = [value for played in everything for value in played.spent]
    refused = [value for played in everything for value in played.refused]
    slowest = f", the slowest in {seconds(max(refused))}" if refused else ""
    late = sum(value > 0.005 for value in spent)
    over = f"{late} of {len(spent):,} moves took over 5 ms."
    return f"{over} {len(refused)} plans were refused (they empty a layer){slowest}."


# --- c: masks ---------------------------------------------------------------------------------------------------------


def new_masks(opened: pipeline.Opened, repeats: int) -> str:
    """New masked weights after a move of the common ratio, and of the last stage alone."""
    scores, cached = _score(opened), naive_scores(opened)
    last = partial(_last_at, stage=len(opened.anatomy.stages) - 1)
    rows = []
    for what, plan_at in (("all layers change", _all_at), ("only the last stage changes", last)):
        anew, compared = Pair(), Pair()
        for turn in range(repeats):
            before, after = (select(scores, opened.anatomy, plan_at(r)) for r in (0.5, 0.55 + turn / 100))
            changed = {n: r if r != before.removed[n] else 0 for n, r in after.removed.items()}
            ours, _ = timed(lambda c=changed: masked_weights(opened.model, opened.anatomy, scores, Selection(c, 0.0)))
            plan = plan_at(0.55 + turn / 100)
            again, _ = timed(lambda p=plan: naive_remask(opened, p))
            limits, _ = naive_counts(opened, cached, plan)
            from_cache, _ = timed(lambda x=limits: naive_masks(opened, cached, x))
            for pair, theirs in ((anew, again), (compared, from_cache)):
                pair.ours.append(ours)
                pair.naive.append(theirs)
        rows.append([what, anew.cell(), compared.cell()])
    header = ["c. masks of the changed layers", "ours / scoring again", "ours / all layers from cached scores"]
    return table(header, rows)


def _all_at(ratio: float) -> PruningPlan:
    return PruningPlan(scope="module", ratio=ratio)


def _last_at(ratio: float, stage: int) -> PruningPlan:
    return PruningPlan(scope="module", ratio=0.5, overrides=(((stage, None), ratio),))


# --- d: streaming accuracy --------------------------------------------------------------------------------------------


def streaming(opened: pipeline.Opened, repeats: int) -> str:
    """First and last estimate after a move of everything, in this process and from the worker."""
    data = pipeline.default_data(opened)
    drain(pipeline.missing_dense(opened, data))
    cache, client = PrefixCache(), WorkerClient()
    pairs = {(where, when): Pair() for where in ("in-process", "worker") for when in ("first", "done")}
    waits: list[float] = []
    try:
        request = {"kind": "evaluate", "model": opened.info.name, "weights": "pretrained", "data": data.name}
        _follow(client.submit("bench", "live", {**request, "recipe": to_recipe(_all_at(0.1))}))
        for turn in range(repeats):
            plan = _all_at(RATIOS[turn % len(RATIOS)] + turn / 1000)
            found = [("in-process", _stream(pipeline.judge(opened, data, plan, cache=cache)))]
            found.append(("worker", _follow(client.submit("bench", "live", {**request, "recipe": to_recipe(plan)}))))
            blocking, _ = timed(lambda p=plan: _blocking(opened, data, p))
            for where, times in found:
                for when, value in zip(("first", "done"), times, strict=True):
                    pairs[where, when].ours.append(value)
                    pairs[where, when].naive.append(blocking)
            waits.append(_interrupt(client, request, plan))
    finally:
        client.close()
    words = {"first": "first number", "done": "done"}
    rows = [[f"{where}, {words[when]}", pair.cell()] for (where, when), pair in pairs.items()]
    ended = f"{seconds(median(waits))}, at most {seconds(max(waits))}"
    rows.append(["a newer request: the older one has ended after", ended])
    return table([f"d. accuracy on {len(data):,} images, everything changed", "ours / blocking evaluation"], rows)


def _stream(estimates: Iterator) -> tuple[float, float]:
    """Seconds to the first and to the last estimate."""
    start = time.perf_counter()
    next(estimates)
    first = time.perf_counter() - start
    drain(estimates)
    return first, time.perf_counter() - start


def _follow(ticket: Ticket, first_only: bool = False) -> tuple[float, float]:
    """The same for a request to the worker, seen from this process."""
    start, first = time.perf_counter(), 0.0
    while ticket.running:
        time.sleep(0.001)
        if not first and ticket.last and "n" in ticket.last:
            first = time.perf_counter() - start
            if first_only:
                break
    if ticket.error:
        raise RuntimeError(ticket.error)
    return first or time.perf_counter() - start, time.perf_counter() - start


def _interrupt(client: WorkerClient, request: dict, plan: PruningPlan) -> float:
    """How long an evaluation lives on after a newer request of the same session."""
    older = client.submit("bench", "live", {**request, "recipe": to_recipe(replace(plan, scope="model"))})
    _follow(older, first_only=True)
    start = time.perf_counter()
    newer = client.submit("bench", "live", {**request, "recipe": to_recipe(replace(plan, scope="layer"))})
    while older.running:
        time.sleep(0.0005)
    ended = time.perf_counter() - start
    _follow(newer)
    return ended


def _blocking(opened: pipeline.Opened, data: Any, plan: PruningPlan) -> float:
    """A masked copy, and its accuracy on everything, in large batches."""
    model, _, _ = pipeline.prune(opened, plan)
    found = concatenate(list(predict(model, opened.info, data, sizes=(BLOCKING_BATCH,))))
    return float(found.in_top5.mean())


# --- e: the prefix cache ----------------------------------------------------------------------------------------------


def prefix(opened: pipeline.Opened, repeats: int) -> str:
    """A change in one stage only, after a first evaluation with the other stages as they are."""
    data, rows, wrong = pipeline.default_data(opened), [], 0
    cache = PrefixCache()
    for stage in range(len(opened.anatomy.stages)):
        first, done = Pair(), Pair()
        _stream(pipeline.judge(opened, data, _last_at(0.5, stage), cache=cache))
        for turn in range(repeats):
            plan = _last_at(0.6 + turn / 100, stage)
            kept: list = []
            for side, where in (("ours", cache), ("naive", None)):
                estimates: list = []
                times = _stream(_collect(pipeline.judge(opened, data, plan, cache=where), estimates))
                kept.append(estimates[-1].cues)
                for pair, value in zip((first, done), times, strict=True):
                    getattr(pair, side).append(value)
            wrong += kept[0] != kept[1]
        rows.append([f"only {opened.anatomy.stage_word} {stage + 1} changes", done.cell(inverse=True), first.cell()])
    header = ["e. prefix cache", "times faster than without; ours / without", "first number: ours / without"]
    held = f"The cache holds {cache.used / MIB:.0f} MiB"
    return f"{table(header, rows)}\n\n{held}; {wrong} of {len(rows) * repeats} accuracies differ from uncached ones."


def _collect(estimates: Iterator, into: list) -> Iterator:
    for estimate in estimates:
        into.append(estimate)
        yield estimate


# --- all of it --------------------------------------------------------------------------------------------------------

SECTIONS = {"a": first_index, "b": slider_moves, "c": new_masks, "d": streaming, "e": prefix}


def repetitions(section: str, small: bool, quick: bool) -> int:
    """Quick, or as many as a few minutes allow."""
    if quick:
        return 3 if small else 1
    return {"a": 9, "b": 5, "c": 9, "d": 9, "e": 9}[section] if small else {"b": 2}.get(section, 3)


def _cells(name: str, text: str) -> Iterator[list[str]]:
    """Every cell of a section's table with what it is."""
    (title, *columns), *rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| "))
    for what, *values in rows:
        for column, value in zip(columns, values, strict=True):
            yield [f"`{name}`, {title}: {what}, {column}", value]


def main() -> None:
    """Print the machine and one table a model and section."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--quick", action="store_true", help="one to three repetitions only")
    parser.add_argument("--sections", default="abcde")
    arguments = parser.parse_args()
    print(machine(), "Sections d and e: 1 torch thread here, what the worker chose there.", flush=True)
    threads, measured_rows = torch.get_num_threads(), []
    for name in arguments.models:
        small = bundled(name) is not None
        opened = pipeline.open_model(name, "pretrained" if small else "random")
        print(f"\n**`{name}`**", flush=True)
        for section in arguments.sections:
            if section in "de" and not small:
                continue
            torch.set_num_threads(1 if section in "de" else threads)
            repeats = repetitions(section, small, arguments.quick)
            text = SECTIONS[section](opened, repeats)
            print(f"\n{text}", flush=True)
            measured_rows += _cells(name, text)
            store("live", ["ours / theirs", "value"], measured_rows)
    print(f"\nAt the end: {machine()}")


if __name__ == "__main__":
    main()
