"""Generated C on RV32EC, the instruction set of microcontrollers with sixteen registers and no multiplier.

Built with Clang, which the PyPI package `ziglang` brings, run in Unicorn (QEMU's processors) with input, logits and stack in
the RAM of the chip. Instructions are counted one by one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import riscv_const

from model.c.source import SOURCE
from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph
from tb.c.host import CompileError

Array = np.ndarray[Any, Any]
TARGET = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+e+c", "-mabi=ilp32e")
STRICT = ("-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Werror")
SMALL = ("-g", "-Os", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")
FLASH, RAM, PAGE = 0x00000000, 0x20000000, 4096
# Input and logits stand where a user's program would have them: in RAM, beside the arena.
START = """#include "net.h"

uint8_t net_input[NET_INPUT_BYTES];
int32_t net_logits[NET_CLASSES];

__attribute__((naked, section(".start"), used)) void _start(void)
{
    __asm__ volatile("la sp, _stack\\n jal run\\n.globl done\\ndone: j done\\n");
}

void run(void);
void run(void)
{
    net_run(net_input, net_logits);
}
"""
HELPERS = re.compile(r"__(?:mul|div|udiv|mod|umod)\w*")


@dataclass(frozen=True)
class Image:
    """What the linker made.

    Parameters
    ----------
    path : Path
        The ELF file.
    flash, ram : int
        Bytes: code and constants; arena, input and logits. The stack is counted when it runs.
    helpers : tuple of str
        Functions of the compiler's own that multiply or divide.
    """

    path: Path
    flash: int
    ram: int
    helpers: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One inference.

    Parameters
    ----------
    logits : int32 array (classes,)
    instructions : int
    stack : int
        Bytes, at the deepest.
    """

    logits: Array
    instructions: int
    stack: int


def build(folder: Path, flash: int, ram: int) -> Image:
    """Compile and link ``net.c`` in `folder` for a chip of so many bytes of flash and RAM.

    Raises
    ------
    CompileError
        When the compiler has anything to say, or the image does not fit: the linker tells by how much.
    LockstepError
        When the compiler is not installed.
    """
    folder = folder.resolve()
    write_atomic(folder / "start.c", START)
    script = Path(__file__).with_name("link.ld").read_text()
    write_atomic(folder / "link.ld", script.replace("flash_bytes", str(flash)).replace("ram_bytes", str(ram)))
    program = folder / "net.elf"
    command = [sys.executable, "-m", "ziglang", "cc", *TARGET, *STRICT, *SMALL, "-Wl,-T,link.ld"]
    done = subprocess.run([*command, "-o", str(program), SOURCE, "start.c"], cwd=folder, capture_output=True, text=True)
    if "No module named ziglang" in done.stderr:
        raise LockstepError("the compiler for RV32EC is not installed; run `make setup-c` (it installs ziglang)")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise CompileError(f"{folder / SOURCE}: {' | '.join(line.strip() for line in told[:3])}")
    with program.open("rb") as file:
        elf = ELFFile(file)
        sizes_of = {name: _section(elf, name) for name in (".text", ".data", ".bss")}
        helpers = tuple(sorted(name for name in _symbols(elf) if HELPERS.fullmatch(name)))
    # .data has its first values in flash
    return Image(program, sizes_of[".text"] + sizes_of[".data"], sizes_of[".data"] + sizes_of[".bss"], helpers)


def _section(elf: ELFFile, name: str) -> int:
    section = elf.get_section_by_name(name)
    return 0 if section is None else int(section["sh_size"])


def _symbols(elf: ELFFile) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise CompileError("the linked program has no symbols")
    return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}


class Chip:
    """A chip with `image` in its flash.

    Parameters
    ----------
    image : Image
    ram : int
        Bytes of RAM.
    """

    def __init__(self, image: Image, ram: int) -> None:
        self.ram = ram
        with image.path.open("rb") as file:
            elf = ELFFile(file)
            self.symbols = _symbols(elf)
            self.segments = [
                (int(part["p_paddr"]), part.data()) for part in elf.iter_segments("PT_LOAD") if part["p_filesz"]
            ]
            self.entry = int(elf.header["e_entry"])

    def run(self, graph: IntegerGraph, pixels: Array, limit: int = 200_000_000) -> Run:
        """One inference on the image `pixels`, unsigned (channels, height, width), from reset.

        Raises
        ------
        CompileError
            When the program leaves its memory, meets an instruction that the chip has not, or does not end.
        """
        machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        machine.mem_map(FLASH, PAGE * -(-max(at + len(data) for at, data in self.segments) // PAGE))
        machine.mem_map(RAM, PAGE * -(-self.ram // PAGE))
        for at, data in self.segments:
            machine.mem_write(at, data)
        given = np.ascontiguousarray(pixels.transpose(1, 2, 0), np.uint8).tobytes()  # channels innermost
        machine.mem_write(self.symbols["net_input"], given)
        lowest = top = RAM + self.ram
        count = 0

        def step(uc: Any, address: int, size: int, data: Any) -> None:
            nonlocal count, lowest
            count += 1
            lowest = min(lowest, uc.reg_read(riscv_const.UC_RISCV_REG_SP) or top)

        machine.hook_add(unicorn.UC_HOOK_CODE, step)
        machine.reg_write(riscv_const.UC_RISCV_REG_SP, top)
        try:
            machine.emu_start(self.entry, self.symbols["done"], count=limit)
        except unicorn.UcError as error:
            at = machine.reg_read(riscv_const.UC_RISCV_REG_PC)
            raise CompileError(f"the program broke off at {at:#x} after {count} instructions: {error}") from error
        if count >= limit:
            raise CompileError(f"the program did not end within {limit} instructions")
        told = machine.mem_read(self.symbols["net_logits"], 4 * len(graph.classes))
        return Run(np.frombuffer(bytes(told), np.int32), count, top - lowest)
