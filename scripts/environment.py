"""What `.venv` holds, compared with the pins; `scripts/setup.sh` asks it before and after it installs.

It runs before anything is installed, so it needs the standard library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import re
import sys
import time
from importlib import metadata
from pathlib import Path

from model.errors import LockstepError
from model.files import write_json

REQUIREMENTS = Path("requirements")
MARKS = Path(".venv") / "lockstep"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)")


def pins(text: str) -> dict[str, str]:
    """The ``name==version`` pins of a requirements file.

    Parameters
    ----------
    text : str
        The file; empty lines and comments are skipped.

    Returns
    -------
    dict
        Version by distribution name, in the order of the file.

    Raises
    ------
    ValueError
        When a line is neither a pin nor a comment.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = PIN.match(line)
        if match is None:
            raise ValueError(f"line {number}: {line!r} is not name==version")
        found[match[1]] = match[2]
    return found


def trouble(group: str) -> str | None:
    """Why the requirement set `group` is not completely installed in the running environment; None when it is.

    Two things must hold: the mark that `setup.sh` leaves after a whole installation is a copy of today's
    ``requirements/<group>.txt``, and every pinned distribution is there in its version.
    """
    wanted = (REQUIREMENTS / f"{group}.txt").read_text()
    mark = MARKS / f"{group}.txt"
    if not mark.is_file() or mark.read_text() != wanted:
        return f"requirements/{group}.txt is new here or has changed"
    for name, version in pins(wanted).items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"{name} is missing"
        if found != version:
            return f"{name} is {found}, not {version}"
    return None


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every set is installed, 1 when one is not (named on stdout)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="+", help="names of files in requirements/, without .txt")
    parser.add_argument("--result", type=Path, help="write what is installed as JSON to this file")
    parser.add_argument("--simulator", default="", help="the simulator chosen, for the result")
    parser.add_argument("--started", type=int, help="start of the set-up, in seconds since 1970, for the result")
    args = parser.parse_args(arguments)
    python = MARKS / "python"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not python.is_file() or python.read_text().strip() != version:
        print(f".venv was not made for Python {version}")
        return 1
    for group in args.groups:
        why = trouble(group)
        if why is not None:
            print(why)
            return 1
    if args.result is not None:
        versions = {
            name: pin
            for group in args.groups
            for name, pin in pins((REQUIREMENTS / f"{group}.txt").read_text()).items()
        }
        result = {
            "passed": True,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "simulator": args.simulator or None,
            "packages": versions,
            "seconds": None if args.started is None else max(0, int(time.time()) - args.started),
        }
        with contextlib.suppress(LockstepError):  # in a checkout that cannot be written, what is installed will do
            write_json(args.result, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
