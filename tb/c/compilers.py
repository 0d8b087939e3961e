"""The C compilers: the machine's own, which brings the sanitizers, and Clang from the PyPI package `ziglang`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from model.errors import LockstepError

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
NOT_RECOVERED = "-fno-sanitize-recover=all"
ZIG_CACHE = Path("build") / "cache" / "zig"  # what it compiles of its own for a target, once: half a minute


class CompileError(Exception):
    """A compiler refused what was generated, or the program broke off; the message has its first lines."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler for this machine.

    Parameters
    ----------
    name : str
        For people.
    command : tuple of str
    sanitizers : tuple of str
        Those that it has, as ``-fsanitize`` calls them.
    """

    name: str
    command: tuple[str, ...]
    sanitizers: tuple[str, ...]


def zig(*target: str) -> tuple[str, ...]:
    """The command of the compiler of `ziglang`, for a target where one is given.

    Raises
    ------
    LockstepError
        When it is not installed.
    """
    if find_spec("ziglang") is None:
        raise LockstepError("the compiler for RV32EC is not installed (package ziglang); `make c` installs it")
    return (sys.executable, "-m", "ziglang", "cc", *target)


def of_this_machine() -> Compiler:
    """CC, else cc; where there is none, `ziglang`'s, which has no AddressSanitizer.

    Raises
    ------
    LockstepError
        When CC names none, or there is none at all.
    """
    name = os.environ.get("CC") or "cc"
    if shutil.which(name) is not None:
        return Compiler(name, (name,), ("address", "undefined"))
    if os.environ.get("CC"):
        raise LockstepError(f"there is no C compiler CC={name}; expected gcc, clang or no CC")
    if find_spec("ziglang") is None:
        raise LockstepError("there is no C compiler here; install gcc or clang, or the package ziglang (`make c` does)")
    return Compiler("ziglang", zig(), ("undefined",))


def compiled(command: Sequence[str], folder: Path) -> None:
    """Run the compiler `command` in `folder`.

    Raises
    ------
    CompileError
        When it has anything to say against its input.
    """
    cache = {"ZIG_GLOBAL_CACHE_DIR": str(ZIG_CACHE.absolute()), "ZIG_LOCAL_CACHE_DIR": str(ZIG_CACHE.absolute())}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **cache}, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        told = [line for line in lines if "error" in line or "overflowed" in line] or lines
        raise CompileError(f"the compiler refuses {folder}: {' | '.join(told[:3])}")
