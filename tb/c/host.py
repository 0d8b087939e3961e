"""Generated C on this machine: compiled strictly, run on many inputs at once, under the sanitizers where asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.c.source import HEADER, SOURCE, Generated
from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph

Array = np.ndarray[Any, Any]
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion")
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DRIVER = """#include <stdio.h>
#include "net.h"

int main(void)
{
    static uint8_t input[NET_INPUT_BYTES];
    static int32_t logits[NET_CLASSES];
    while (fread(input, 1, sizeof input, stdin) == sizeof input) {
        net_run(input, logits);
        if (fwrite(logits, sizeof logits, 1, stdout) != 1)
            return 1;
    }
    return 0;
}
"""


class CompileError(Exception):
    """A compiler refused what was generated, or the program broke off; the message has its first lines."""


def write(generated: Generated, folder: Path) -> None:
    """Write ``net.h`` and ``net.c`` into `folder`, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((HEADER, generated.header), (SOURCE, generated.source)):
        write_atomic(folder / name, text)


def compiler() -> str:
    """The machine's C compiler: CC, else cc.

    Raises
    ------
    LockstepError
        When there is none.
    """
    name = os.environ.get("CC") or "cc"
    if shutil.which(name) is None:
        raise LockstepError(f"there is no C compiler {name}; install gcc or clang, or set CC")
    return name


def build(folder: Path, sanitize: bool = False, optimize: str = "-O1") -> Path:
    """Compile ``net.c`` in `folder` with a driver that feeds it; returns the program.

    Raises
    ------
    CompileError
        When the compiler has anything to say.
    LockstepError
        When there is no compiler.
    """
    folder = folder.resolve()
    write_atomic(folder / "driver.c", DRIVER)
    program = folder / ("net_sanitized" if sanitize else "net")
    extra = SANITIZE if sanitize else ()
    _call([compiler(), *STRICT, optimize, *extra, "-o", str(program), SOURCE, "driver.c"], folder)
    return program


def run(program: Path, graph: IntegerGraph, pixels: Array) -> Array:
    """Logits int32 (n, classes) of `pixels`, unsigned (n, channels, height, width).

    Raises
    ------
    CompileError
        When the program breaks off, for instance because a sanitizer stopped it.
    """
    given = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), np.uint8).tobytes()  # channels innermost
    done = subprocess.run([str(program)], input=given, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CompileError(f"{program.name} broke off with {done.returncode}: {' | '.join(said[:3])}")
    return np.frombuffer(done.stdout, np.int32).reshape(-1, len(graph.classes))


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()]
        raise CompileError(f"{Path(command[0]).name} refuses {folder / SOURCE}: {' | '.join(told[:3])}")
