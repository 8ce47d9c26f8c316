# SPDX-License-Identifier: Apache-2.0
"""What is delivered: a wheel that comes out the same twice, and a bill of what it stands on."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
pytestmark = pytest.mark.slow


def wheel(folder: Path, epoch: str) -> bytes:
    """Build a wheel from a copy of the tree in a folder of its own."""
    tree, out = folder / "tree", folder / "out"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "*.pyd")
    packages = [p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name != "tests"]
    for name in packages:
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)],
        cwd=tree,
        env=os.environ | {"SOURCE_DATE_EPOCH": epoch},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return made.read_bytes()


def test_two_builds_of_the_wheel_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (wheel(tmp_path / name, "1700000000") for name in ("a", "b"))
    assert first == second
    # The compiled loops are in it where they could be built here, made anew in each folder.
    held = [name for name in zipfile.ZipFile(io.BytesIO(first)).namelist() if "/_kernel." in name]
    built = list((ROOT / "sync").glob("_kernel.*.*"))
    assert len([name for name in held if not name.endswith(".pyi")]) == len(built)
    # The time that is told is in it: the comparison above could fail.
    assert wheel(tmp_path / "c", "1600000000") != first


def test_the_bill_of_materials_names_every_pinned_package(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    subprocess.run(["make", "sbom", f"SBOM={target}"], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(target.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {(part["name"].lower(), part["version"]) for part in bill["components"]}
    pinned = re.findall(
        r"(?m)^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements.txt").read_text()
    )
    assert len(pinned) > 50
    assert {(name.lower(), version) for name, version in pinned} <= named
