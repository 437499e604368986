"""The house rules: one direction, no cycles, no streamlit in the core, no torch where the app plans and draws."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dimap_core

CORE = Path(dimap_core.__file__).parent
FILES = sorted(CORE.rglob("*.py"))
MODULES = {
    ".".join(("dimap_core", *path.relative_to(CORE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in FILES
}
TORCH_FREE = ["types", "errors", "plan", "selection", "cost", "criteria", "index", "intervals", "bundled", "allocate"]
TORCH_FREE += ["predictions", "explanations", "agreement", "catalogue", "layouts", "published", "architectures"]
TORCH_FREE += ["sources", "roots", "uploads", "settings", "client", "jobs", "methods.nvit_settings", "methods.revit"]
TORCH_FREE += ["methods.apma_settings", "comparison", "presets", "methods.spvit_settings", "figures.spvit"]


def imported_names(module, everywhere=True):
    """Absolute names of what `module` imports: everywhere, or outside functions only; relative imports are resolved."""
    path = MODULES[module]
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    if not everywhere:
        statements = [node for node in statements if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in (inner for statement in statements for inner in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


GRAPH = {module: sorted(set(imported_names(module, everywhere=False)) & set(MODULES) - {module}) for module in MODULES}


def test_no_module_of_the_core_imports_streamlit():
    for module in MODULES:
        assert not [name for name in imported_names(module) if name.split(".")[0] == "streamlit"], module


def test_there_are_no_import_cycles():
    done = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for other in GRAPH[module]:
                visit(other, [*path, module])
            done.add(module)

    for module in MODULES:
        visit(module, [])
    assert "dimap_core.types" in GRAPH["dimap_core.selection"]  # the graph is not empty by mistake


def test_types_and_errors_import_nothing_of_the_project():
    assert GRAPH["dimap_core.types"] == GRAPH["dimap_core.errors"] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_opens_with_a_docstring_and_has_at_most_300_lines(module):
    source = MODULES[module].read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source))
    assert len(source.splitlines()) <= 300


def run(code):
    """What `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], cwd=CORE.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_what_the_app_needs_imports_neither_torch_nor_streamlit():
    code = f"""
import importlib, sys
for name in ["", *{[f".{name}" for name in TORCH_FREE]}]:
    importlib.import_module("dimap_core" + name)
    heavy = [m for m in ("torch", "timm", "streamlit", "sklearn") if m in sys.modules]
    if heavy:
        print(f"dimap_core{{name}} imports {{heavy}}")
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
    for module in MODULES:
        names = {name.split(".")[0] for name in imported_names(module)}
        assert not names & {"pickle", "cloudpickle", "joblib", "dill"}, module
        for call in re.findall(r"torch\.load\([^)]*\)?", MODULES[module].read_text(encoding="utf-8")):
            assert module == "dimap_core.files" and "weights_only=True" in call, (module, call)
