"""Generated C on this machine: compiled strictly, run on many inputs at once, under the sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from model.c.source import HEADER, SOURCE, Generated
from model.files import write_atomic
from model.graph.graph import IntegerGraph
from tb.c.compilers import NOT_RECOVERED, STRICT, CompileError, Compiler, compiled

Array = np.ndarray[Any, Any]
# Clang's means something else by the same word: gcc alone tells of conversions that lose bits and no others.
CONVERSIONS = "-Wconversion"
DRIVER = """#include <stdio.h>
#include <stdlib.h>
#include "net.h"

int main(void)
{
    /* of their exact sizes, on the heap: a read or a write past either end is found by AddressSanitizer */
    uint8_t *input = malloc(NET_INPUT_BYTES);
    int32_t *logits = malloc(NET_CLASSES * sizeof *logits);
    if (!input || !logits)
        return 1;
    while (fread(input, 1, NET_INPUT_BYTES, stdin) == NET_INPUT_BYTES) {
        net_run(input, logits);
        if (fwrite(logits, sizeof *logits, NET_CLASSES, stdout) != NET_CLASSES)
            return 1;
    }
    free(input);
    free(logits);
    return 0;
}
"""


def write(generated: Generated, folder: Path) -> None:
    """Write ``net.h`` and ``net.c`` into `folder`, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((HEADER, generated.header), (SOURCE, generated.source)):
        write_atomic(folder / name, text)


def build(folder: Path, compiler: Compiler, sanitize: bool = True, optimize: str = "-O1") -> Path:
    """Compile ``net.c`` in `folder` with a driver that feeds it; returns the program.

    Parameters
    ----------
    folder : Path
    compiler : Compiler
    sanitize : bool
        With all the sanitizers that the compiler has.
    optimize : str

    Raises
    ------
    CompileError
        When the compiler has anything to say.
    """
    folder = folder.resolve()
    write_atomic(folder / "driver.c", DRIVER)
    program = folder / ("net_sanitized" if sanitize else "net")
    extra = ("-g", f"-fsanitize={','.join(compiler.sanitizers)}", NOT_RECOVERED) if sanitize else ()
    strict = STRICT if compiler.name == "ziglang" else (*STRICT, CONVERSIONS)
    compiled((*compiler.command, *strict, optimize, *extra, "-o", str(program), SOURCE, "driver.c"), folder)
    return program


def run(program: Path, graph: IntegerGraph, pixels: Array) -> Array:
    """Logits int32 (n, classes) of `pixels`, unsigned (n, channels, height, width).

    Raises
    ------
    CompileError
        When the program breaks off, for instance because a sanitizer stopped it.
    """
    given = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), np.uint8).tobytes()  # channels innermost
    done = subprocess.run([str(program)], input=given, capture_output=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip(" =")]
        raise CompileError(f"{program.name} broke off with {done.returncode}: {' | '.join(said[:3])}")
    logits: Array = np.frombuffer(done.stdout, np.int32).reshape(-1, len(graph.classes))
    return logits


def differing(logits: Array, expected: Array) -> list[str]:
    """The first logit that differs, in words, and how many do; empty where none does.

    Parameters
    ----------
    logits, expected : int32 arrays (image, class)
    """
    if logits.shape != expected.shape:
        return [f"{len(logits)} images came back, expected {len(expected)}"]
    wrong = np.argwhere(logits != expected)
    if not len(wrong):
        return []
    image, logit = (int(n) for n in wrong[0])
    told = f"image {image}, logit {logit} is {logits[image, logit]}, expected {expected[image, logit]}"
    return [f"{told}; {len(wrong)} of {expected.size} differ"]
