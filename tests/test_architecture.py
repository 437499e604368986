"""The house rules: rooms with doors, one direction, no cycles, no streamlit in the core, no torch where the app draws.

`python -m tests.test_architecture` writes the picture of the rooms, dimap_core/README.md, anew.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import dimap_core

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "dimap_core"
PICTURE = CORE / "README.md"
LEVELS = (
    ("types",),
    ("data", "anatomy", "figures"),
    ("criteria", "cut", "measure"),
    ("plan", "models"),
    ("pipeline",),
    ("training", "studies"),
    ("service", "cli"),
)
"""The rooms, lowest first: a room may import from lower levels only, and pictures are drawn from plain types; of the
core only the report among the studies draws."""
ROOMS = [room for level in LEVELS for room in level]
ALLOWED = {
    room: {below for lower in LEVELS[:height] for below in lower} - ({"figures"} if room != "studies" else set())
    for height, level in enumerate(LEVELS)
    for room in level
}

HEADING = """# The rooms of dimap_core

Every arrow points down. A room shows what its `__init__.pyi` lists, and no more.
`python -m tests.test_architecture` writes this picture anew; a test fails where it is out of date.

"""

PATHS = sorted(CORE.rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PATHS}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
USERS = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
TORCH_FREE = [
    "data",
    "data.registry",
    "data.sources",
    "data.permitted",
    "criteria.registry",
    "plan.recipe",
    "plan.selection",
    "cut.keep",
]
TORCH_FREE += ["measure.cost", "measure.intervals", "measure.predictions", "models.bundled", "models.catalogue"]
TORCH_FREE += [
    "models.files.layouts",
    "models.shapes.architectures",
    "models.presets",
    "models.published",
    "training.settings",
    "training.methods.revit",
]
TORCH_FREE += ["training.methods.registry", "training.methods.comparison"]
TORCH_FREE += [f"training.methods.{path.parent.name}.settings" for path in CORE.glob("training/methods/*/settings.py")]
TORCH_FREE += ["studies.agreement", "studies.allocation", "studies.architectures", "studies.grid"]
TORCH_FREE += [
    "studies.shared.ledger",
    "studies.shared.results",
    "studies.shared.tables",
    "studies.explanations",
    "studies.summaries",
    "service.client",
    "service.index",
    "service.jobs",
]
TORCH_FREE += ["service.uploads", "figures.trained.spvit"]


def room_of(module):
    """The room of a module of the core, None for the package itself and `__main__`."""
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    return room if package == "dimap_core" and room in ROOMS else None


def imports(tree, module="", package=False):
    """(module, name) of every import, late ones too; relative ones are resolved, and `import a` has no name."""
    parts = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((start, alias.name) for alias in node.names)


IMPORTS = {module: list(imports(TREES[module], module, path.stem == "__init__")) for module, path in MODULES.items()}


def shown_by(door):
    """{name: module that it is from} of a door; a module that a door shows is its own home."""
    stub = (MODULES[door].parent / "__init__.pyi").read_text(encoding="utf-8")
    found = {}
    for start, name in imports(ast.parse(stub), door, package=True):
        found[name] = f"{start}.{name}" if f"{start}.{name}" in MODULES else start
    return found


SHOWN = {stub.parent: None for stub in sorted(CORE.rglob("__init__.pyi"))}
SHOWN = {door: shown_by(door) for door in (".".join(folder.relative_to(ROOT).parts) for folder in SHOWN)}


def home(start, name):
    """The module of the core that an import reaches in the end, through doors; None for a foreign one."""
    while start in SHOWN and name in SHOWN[start] and SHOWN[start][name] != start:
        start, name = (SHOWN[start][name], name) if SHOWN[start][name] not in SHOWN else (SHOWN[start][name], None)
    return f"{start}.{name}" if f"{start}.{name}" in MODULES else start if start in MODULES else None


def reached(module, found):
    """The modules that imports reach, other than the one they stand in."""
    return sorted({home(*what) for what in found} - {module, None})


def runs(tree):
    """A module without what only a type checker reads."""
    return ast.Module(
        [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))], []
    )


GRAPH = {module: reached(module, IMPORTS[module]) for module in MODULES}
RUNNING = {
    module: reached(module, imports(runs(TREES[module]), module, MODULES[module].stem == "__init__"))
    for module in MODULES
}


def longest(graph):
    """The longest way through a graph; fails where it goes in a circle."""
    ways = {}

    def way(node, path):
        assert node not in path, " -> ".join([*path, node])
        if node not in ways:
            ways[node] = [node, *max((way(other, [*path, node]) for other in graph[node]), key=len, default=[])]
        return ways[node]

    return max((way(node, []) for node in graph), key=len)


def arrows():
    """{room: the rooms that it imports}."""
    found = {room: set() for room in ROOMS}
    for module, others in GRAPH.items():
        if room_of(module):
            found[room_of(module)] |= {room_of(other) for other in others} - {room_of(module), None}
    return found


def picture():
    """dimap_core/README.md: every room with its line and its arrows, highest first."""
    found, width, levels = arrows(), max(map(len, ROOMS)), []
    for height, level in reversed(list(enumerate(LEVELS, 1))):
        lines = []
        for room in level:
            first = ast.get_docstring(TREES[f"dimap_core.{room}"]).splitlines()[0].partition(": ")[2]
            lines.append(f"{height}  {room:{width}}  {first}")
            if below := [other for other in ROOMS if other in found[room]]:
                lines.append(f"   {'':{width}}  -> {' '.join(below)}")
        levels.append("\n".join(lines))
    return HEADING + "```text\n" + "\n\n".join(levels) + "\n```\n"


def test_rooms_import_from_lower_rooms_only():
    for module in MODULES:
        for other in GRAPH[module]:
            if (room := room_of(module)) and room_of(other) not in (room, None):
                assert room_of(other) in ALLOWED[room], f"{module} -> {other}"
                assert room != "figures" or room_of(other) == "types", f"{module} -> {other}"
                assert room_of(other) != "figures" or module.startswith("dimap_core.studies.report."), module
    assert arrows()["pipeline"] >= {"plan", "cut"}  # the graph is not empty by mistake


def test_other_rooms_pages_and_benchmarks_come_through_the_door():
    """Only what a room shows is used elsewhere, and all of that is."""
    used = {("dimap_core." + room, name) for name, room in dimap_core._HOMES.items()}
    for module in MODULES:
        outside = [what for what in IMPORTS[module] if room_of(what[0]) not in (room_of(module), None)]
        used |= check_doors(module, outside)
    for path in USERS:
        used |= check_doors(
            path, [what for what in imports(ast.parse(path.read_text(encoding="utf-8"))) if room_of(what[0])]
        )
    for attribute in attributes():
        used.add(attribute)
    for room in ROOMS:
        assert {(f"dimap_core.{room}", name) for name in SHOWN[f"dimap_core.{room}"]} <= used, room


def check_doors(where, found):
    """What is imported from rooms, once it is sure that all of it is shown."""
    for start, name in found:
        assert start == f"dimap_core.{room_of(start)}", f"{where} goes past the door of {start}"
        assert name in SHOWN[start], f"{where} imports {name}, which {start} does not show"
    return set(found)


def attributes():
    """What is used as `room.name` where a whole room is imported by its name."""
    for path in [*PATHS, *USERS]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ROOMS:
                yield f"dimap_core.{node.value.id}", node.attr


def test_there_are_no_import_cycles_and_no_long_ways():
    modules, rooms = longest(RUNNING), longest(arrows())
    assert len(rooms) <= 7, rooms
    assert len(modules) <= 14, modules  # doors are looked through


def test_names_of_test_files_are_one_of_a_kind():
    often = Counter(path.name for path in (CORE.parent / "tests").rglob("test_*.py"))
    assert [name for name, times in often.items() if times > 1] == []  # pytest takes two of a name for one module


def test_folders_and_flat_files_stay_few():
    assert sorted(path.name for path in CORE.glob("*.py")) == ["__init__.py", "__main__.py"]
    assert sorted(path.parent.name for path in CORE.glob("*/__init__.py")) == sorted(ROOMS)
    assert len(ROOMS) <= 14
    assert max(Counter(path.parent for path in PATHS).values()) <= 16


@pytest.mark.parametrize("module", MODULES)
def test_every_module_opens_with_a_docstring_and_stays_short(module):
    assert ast.get_docstring(TREES[module])
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef):
            words = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            assert node.end_lineno - node.lineno + 1 - words <= 40, node.name


def test_every_door_says_what_is_here_what_is_not_and_who_is_next_door():
    for room in ROOMS:
        here, *more = ast.get_docstring(TREES[f"dimap_core.{room}"]).splitlines()
        assert re.match(r"\w+: ", here) and "Not here: " in "\n".join(more) and "Next door: " in "\n".join(more), room


def test_the_picture_of_the_rooms_is_up_to_date():
    assert PICTURE.read_text(encoding="utf-8") == picture(), "write it anew: python -m tests.test_architecture"


def test_no_module_of_the_core_imports_streamlit():
    for module, found in IMPORTS.items():
        assert not [start for start, _ in found if start.split(".")[0] == "streamlit"], module


def test_types_import_nothing_of_the_project():
    assert arrows()["types"] == set() and GRAPH["dimap_core.types.model"] == []


def run(code):
    """What `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_the_app_needs_imports_neither_torch_nor_streamlit():
    """The modules that are kept free of it, then every name that app and pages import."""
    app = [what for path in USERS if "benchmarks" not in path.parts for what in imports(ast.parse(path.read_text()))]
    named = sorted({(start, name) for start, name in app if name and start.split(".")[0] == "dimap_core"})
    assert len(named) > 50
    code = f"""
import importlib, sys
wanted = [("dimap_core." + name, None) for name in {TORCH_FREE}] + {named}
for start, name in [("dimap_core", None), *wanted]:
    module = importlib.import_module(start)
    if name:
        getattr(module, name)
    heavy = [m for m in ("torch", "timm", "streamlit", "sklearn") if m in sys.modules]
    if heavy:
        print(f"{{start}} {{name}} imports {{heavy}}")
        break
"""
    assert run(code) == ""


def test_public_names_for_planning_resolve_without_torch():
    names = "CRITERIA, PruningError, PruningPlan, cost_report, from_recipe, keep_mask, select, to_recipe"
    assert run(f"import sys; from dimap_core import {names}; print('torch' in sys.modules)") == "False"


def test_at_most_twenty_public_names_and_each_resolves():
    assert 0 < len(dimap_core.__all__) <= 20
    assert len(set(dimap_core.__all__)) == len(dimap_core.__all__)
    for name in dimap_core.__all__:
        assert getattr(dimap_core, name) is not None


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = dimap_core.nope


def test_no_module_uses_pickle():
    for module, found in IMPORTS.items():
        names = {start.split(".")[0] for start, _ in found}
        assert not names & {"pickle", "cloudpickle", "joblib", "dill"}, module
        assert "torch.load(" not in re.sub(r"`[^`]*`", "", MODULES[module].read_text(encoding="utf-8")), module


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
