"""What `pip install .` installs is whole, and the README's command and snippet run with it from any folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ASSETS = ("*.json", "*.safetensors", "curves/*.json", "lessons/*.toml", "lessons/class/*.toml", "published/*.json")
ASSETS += ("studies/*.toml",)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel holds; it is built from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("dimap_core", "assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools.build_meta import build_wheel; build_wheel('wheel')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", build], cwd=folder, check=True, capture_output=True)
    with zipfile.ZipFile(next((folder / "wheel").glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_the_wheel_holds_every_module_and_every_asset_that_is_read(installed):
    kinds = (".py", ".pyi", ".jinja", ".css", ".js")
    modules = {path.relative_to(ROOT) for path in (ROOT / "dimap_core").rglob("*") if path.suffix in kinds}
    assets = {"dimap_core" / path.relative_to(ROOT) for pattern in ASSETS for path in (ROOT / "assets").glob(pattern)}
    found = {path.relative_to(installed) for path in (installed / "dimap_core").rglob("*") if path.is_file()}
    assert found == modules | assets


def test_the_readmes_command_and_snippet_run_from_another_folder(installed, tmp_path):
    command = next(line for line in README.splitlines() if line.endswith("--out smaller"))
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    arguments = shlex.split(command.partition("dimap_core ")[2])
    program = f"from dimap_core.cli.commands import app\napp({arguments!r}, standalone_mode=False)\n{snippet}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "deit-digits torch.Size([1, 10])"
