"""What a simulation is made of: the modules below a module, the Python files that a test imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

from model.errors import LockstepError
from tb.common.runner import ROOT

INSTANCE = re.compile(r"^\s*(\w+)\s+(?:#\s*\(|u_)", re.MULTILINE)


def read_rtl(folder: Path = ROOT / "rtl") -> dict[str, str]:
    """Every source of `folder`, by module.

    Raises
    ------
    LockstepError
        When there is none.
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.v"))}
    if not sources:
        raise LockstepError(f"no Verilog sources in {folder}; expected the folder of the RTL")
    return sources


def contained(top: str, rtl: Mapping[str, str]) -> set[str]:
    """`top` and every module below it."""
    found, waiting = {top}, [top]
    while waiting:
        below = (instantiated(rtl[waiting.pop()]) & rtl.keys()) - found
        found |= below
        waiting += below
    return found


@lru_cache(maxsize=4096)  # asked thousands of times for the few sources of a tree
def instantiated(source: str) -> frozenset[str]:
    """What stands where a module's name does in an instance; keywords may be among them."""
    return frozenset(INSTANCE.findall(source))


@cache
def imported(*modules: str) -> frozenset[Path]:
    """Files of `modules` and of every module of this repository that they import, directly or not."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = ROOT / f"{waiting.pop().replace('.', '/')}.py"
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return frozenset(found)
