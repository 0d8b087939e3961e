"""`make waves`: open the last dump in GTKWave or Surfer with its signals laid out, or say how where that cannot be."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from model.errors import LockstepError
from scripts.guard import guarded

OUT = Path("build/sim")
VIEWERS = ("gtkwave", "surfer")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when the viewer fails, 2 when there is nothing to open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(OUT), help="folder of the dump (%(default)s)")
    parser.add_argument("--viewer", default=os.environ.get("VIEWER", ""), help="gtkwave or surfer, name or path")
    args = parser.parse_args(arguments)
    dump = find_dump(Path(args.out))
    viewer = find_viewer(args.viewer)
    line = command(viewer or VIEWERS[0], dump)
    if viewer is None:
        how = "apt install gtkwave, brew install --cask gtkwave, or https://surfer-project.org"
        print(f"no waveform viewer here; install one ({how}), then: {shlex.join(line)}")
        return 0
    if not has_display():
        print(f"no display here; where there is one: {shlex.join(line)}")
        return 0
    print(shlex.join(line), flush=True)
    return 0 if subprocess.run(line, check=False).returncode == 0 else 1


def find_dump(out: Path) -> Path:
    """The newest dump in `out`.

    Raises
    ------
    LockstepError
        When there is none, or its layout is missing.
    """
    dumps = sorted((path for path in (out / "core.fst", out / "core.vcd") if path.is_file()), key=os.path.getmtime)
    if not dumps:
        raise LockstepError(f"no waveform dump in {out}; run `make sim WAVES=1` first")
    for layout in (out / "core.gtkw", out / "core.sucl"):
        if not layout.is_file():
            raise LockstepError(f"{layout} is missing beside {dumps[-1]}; run `make sim WAVES=1` again")
    return dumps[-1]


def find_viewer(wanted: str) -> str | None:
    """The viewer to run: `wanted`, else the first of VIEWERS that is installed; None when none is.

    Raises
    ------
    LockstepError
        When `wanted` is not one of the viewers, or not installed.
    """
    if not wanted:
        return next((found for name in VIEWERS if (found := shutil.which(name))), None)
    if Path(wanted).name not in VIEWERS:
        raise LockstepError(f"VIEWER is {wanted!r}; expected {' or '.join(VIEWERS)}")
    found = shutil.which(wanted)
    if found is None:
        raise LockstepError(f"{wanted} is not installed; install it, or leave VIEWER out")
    return found


def command(viewer: str, dump: Path) -> list[str]:
    """The command line that opens `dump` with its layout."""
    if Path(viewer).name == "surfer":
        return [viewer, "--command-file", str(dump.with_suffix(".sucl")), str(dump)]
    return [viewer, str(dump), str(dump.with_suffix(".gtkw"))]


def has_display() -> bool:
    """Whether a window can be opened."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
