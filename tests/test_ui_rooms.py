"""The rooms of pages/ui: imports go one way, through doors, and nothing lies behind a door that nobody reaches."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UI = ROOT / "pages" / "ui"
SHARED = ("look", "session", "parts", "story", "live", "recipe_line", "exercises")  # each may import those before it
PAGE_FILES = sorted((ROOT / "pages").glob("*.py"))
PAGES = [page.stem for page in PAGE_FILES if (UI / page.stem).is_dir()]  # rooms of one page each
MAY_IMPORT = {room: {*SHARED[:place]} for place, room in enumerate(SHARED)}
MAY_IMPORT |= {room: {*SHARED} for room in PAGES}
FILES = {path: path.parent.name for path in sorted(UI.glob("*/*.py"))}
TESTS, BENCHMARKS = (sorted((ROOT / folder).rglob("*.py")) for folder in ("tests", "benchmarks"))
OUTSIDE = [path for path in (ROOT / "app.py", *PAGE_FILES, *TESTS, *BENCHMARKS) if "pages.ui" in path.read_text()]
MOST_FILES, MOST_LINES = 16, 300


@cache
def tree(path):
    """The file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path):
    """(module, name) of everything that a file imports from pages.ui, also inside functions; relative ones resolved."""
    package, every = path.relative_to(ROOT).parent.parts, []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found = [(module, alias.name) for alias in node.names]
        else:
            continue
        every += [(module, name) for module, name in found if f"{module}.".startswith("pages.ui.")]
    return every


def room_of(module, name):
    """The room that an import leads to."""
    return f"{module}.{name}".split(".")[2]


def through_the_door(module, name):
    """Whether an import takes a room, or what a room's door lists."""
    if module == "pages.ui":
        return name in MAY_IMPORT
    return module.count(".") == 2 and name in importlib.import_module(module).__all__


def test_every_folder_has_a_place_in_the_order_and_nothing_lies_flat():
    assert {path.name for path in UI.iterdir() if path.is_dir()} - {"__pycache__"} == set(MAY_IMPORT)
    assert [path.name for path in UI.glob("*.py")] == ["__init__.py"]
    told = ast.get_docstring(tree(UI / "__init__.py"))
    assert all(room in told for room in (*SHARED, "recipe_line"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_before_it_and_by_their_doors(room):
    for path in (path for path, of in FILES.items() if of == room):
        for module, name in imports(path):
            if (other := room_of(module, name)) != room:
                assert other in MAY_IMPORT[room], f"{path}: {room} may not import {other}"
                assert through_the_door(module, name), f"{path}: {module} does not offer {name}"


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.name)
def test_everyone_else_comes_through_the_doors_too(path):
    for module, name in imports(path):
        assert through_the_door(module, name), f"{module} does not offer {name}"
        if path in PAGE_FILES:
            assert room_of(module, name) in {*SHARED, path.stem}, f"{path.name} may not import {module}"


def test_nobody_reads_what_a_module_keeps_to_itself():
    for path in [*FILES, *OUTSIDE]:
        taken = {name for module, name in imports(path) if name.islower()}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in taken:
                assert not node.attr.startswith("_"), f"{path}: {node.value.id}.{node.attr}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_door_tells_what_lives_there_and_offers_only_what_is_taken(room):
    door = importlib.import_module(f"pages.ui.{room}")
    assert "Not here:" in door.__doc__ and "Next door:" in door.__doc__
    everyone = [path for path in [*FILES, *OUTSIDE] if FILES.get(path) != room]
    taken = {name for path in everyone for module, name in imports(path) if module == door.__name__}
    used = {name for path in everyone for module, name in imports(path) if (module, name) == ("pages.ui", room)}
    assert taken == set(door.__all__) or (used and not taken and len(door.__all__) == 1)


def test_rooms_are_small():
    for room in MAY_IMPORT:
        assert len([path for path, of in FILES.items() if of == room]) <= MOST_FILES
    for path in FILES:
        assert ast.get_docstring(tree(path)), path
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path


def graph():
    """What each module of pages.ui imports of it: modules, not names in them."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    found = {}
    for name, path in names.items():
        reached = {f"{module}.{part}" if f"{module}.{part}" in names else module for module, part in imports(path)}
        found[name] = reached & set(names) - {name}
    return found


def test_modules_form_no_cycle_and_each_is_reached_from_its_door():
    others, done = graph(), set()

    def visit(module, way):
        assert module not in way, " -> ".join([*way, module])
        if module not in done:
            for other in others[module]:
                visit(other, [*way, module])
            done.add(module)

    for room in MAY_IMPORT:
        visit(f"pages.ui.{room}", [])
    assert done == set(others)
    assert "pages.ui.session.cache" in others["pages.ui.session.opening"]  # the graph is not empty by mistake
