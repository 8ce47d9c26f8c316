# SPDX-License-Identifier: Apache-2.0
"""Known weaknesses of the pinned packages, looked up in a copy of an advisory database.

    python -m tests.audit FOLDER

What lives here: comparing ``requirements.txt`` with advisories in the format of OSV, as the Python
Packaging Authority (``advisory-database``) and GitHub publish them, one file each. What must not:
any look at the network: whoever asks brings the copy, and this says how old it is. Invariants
- No copy, or one in which nothing can be read, is a failure and never "nothing known".
- A version is affected where it is listed, or lies in a range of the ecosystem's versions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
ECOSYSTEM = "PyPI"
PINNED = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([^ ;\\]+)")
HINT = (
    "No copy of an advisory database is given: nothing was looked up.\n"
    "Bring one (github.com/pypa/advisory-database, as a folder), then: make audit ADVISORIES=FOLDER"
)


class Known(NamedTuple):
    """A weakness of a pinned version: the advisory, and the first version without it, if any."""

    package: str
    version: str
    advisory: str
    fixed: str
    text: str


def pinned(requirements: str) -> dict[str, Version]:
    """Package → version of a file of pins."""
    return {canonicalize_name(n): Version(v) for n, v in PINNED.findall(requirements)}


def advisories(folder: Path, packages: set[str]) -> Iterator[dict[str, Any]]:
    """Those of a copy that concern these packages. A file that cannot be read raises ValueError."""
    # YAML is slow to read: the name stands in the text of each that matters.
    words = re.compile(
        "|".join(re.escape(p).replace(r"\-", "[-_.]") for p in sorted(packages)), re.I
    )
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".yaml", ".json") or not path.is_file():
            continue
        text = path.read_text("utf-8")
        if words.search(text):
            try:
                found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(f"{path.name}: {error}") from None
            if isinstance(found, dict) and "affected" in found:
                yield found


def hits(version: Version, affected: dict[str, Any]) -> tuple[bool, str]:
    """Is a version affected, and in which is it mended? What is no version is never equal."""
    fixed = ""
    inside = False
    for span in affected.get("ranges", []):
        if span.get("type") not in ("ECOSYSTEM", "SEMVER"):
            continue
        within = False
        for event in span.get("events", []):
            ((what, bound),) = event.items()
            at = Version("0") if bound == "0" else Version(bound)
            if what == "introduced" and version >= at:
                within = True
            elif what == "fixed":
                fixed = fixed or (bound if version < at else "")
                within = within and version < at
            elif what == "last_affected":
                within = within and version <= at
        inside = inside or within
    return inside or any(_is(version, one) for one in affected.get("versions", [])), fixed


def _is(version: Version, text: str) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


def audit(pins: dict[str, Version], folder: Path) -> tuple[list[Known], int, str]:
    """What is known of these pins, of how many advisories about them, the newest of what day.

    Raises ValueError where the copy holds no advisory about any of them.
    """
    out, count, newest = [], 0, ""
    for one in advisories(folder, set(pins)):
        if one.get("withdrawn"):
            continue
        for affected in one["affected"]:
            package = affected.get("package", {})
            name = canonicalize_name(str(package.get("name", "")))
            if package.get("ecosystem") != ECOSYSTEM or name not in pins:
                continue
            count += 1
            newest = max(newest, str(one.get("modified", "")))
            known, fixed = hits(pins[name], affected)
            if known:
                said = str(one.get("summary") or one.get("details") or "").split("\n")[0][:100]
                out.append(Known(name, str(pins[name]), str(one["id"]), fixed, said))
    if not count:
        raise ValueError("no advisory about any pinned package: is this a copy of such a database?")
    return sorted(set(out)), count, newest[:10]


def main(arguments: list[str]) -> int:
    """Look up and tell; 0: nothing known, 1: something, 2: nothing could be looked up."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(HINT)
        return 2
    pins = pinned((ROOT / "requirements.txt").read_text("utf-8"))
    try:
        found, count, newest = audit(pins, Path(arguments[0]))
    except ValueError as error:
        print(error)
        return 2
    print(f"{len(pins)} packages, {count} advisories about them, the newest of {newest}")
    for one in found:
        print(
            f"{one.package} {one.version}: {one.advisory}, mended in {one.fixed or '?'}: {one.text}"
        )
    print(f"{len(found)} known weaknesses")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
