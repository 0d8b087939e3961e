"""Generated C on RV32EC, the instruction set of microcontrollers with sixteen registers and no multiplier.

Built with Clang, which the PyPI package `ziglang` brings, run in Unicorn (QEMU's processors) with input, logits and
stack in the RAM of the chip, all of them counted. Instructions and stack are followed block by block: a block that is
entered is executed to its end. One by one, which is slow, gives the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from model.c.source import SOURCE
from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph
from tb.c.blocks import Block, read
from tb.c.compilers import CompileError, compiled, zig

Array = np.ndarray[Any, Any]
TARGET = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+e+c", "-mabi=ilp32e")
STRICT = ("-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Werror")
SMALL = ("-g", "-Os", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")
FLASH, RAM, PAGE = 0x00000000, 0x20000000, 4096
NOISE = b"\xa5"
SECONDS = 300  # of one inference, in the simulator
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
    """One inference, from reset to the return of ``net_run``.

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
        When the tools are not installed.
    """
    elffile = _tools()[1]
    folder = folder.resolve()
    write_atomic(folder / "start.c", START)
    script = Path(__file__).with_name("link.ld").read_text()
    write_atomic(folder / "link.ld", script.replace("flash_bytes", str(flash)).replace("ram_bytes", str(ram)))
    program = folder / "net.elf"
    compiled((*zig(*TARGET), *STRICT, *SMALL, "-Wl,-T,link.ld", "-o", str(program), SOURCE, "start.c"), folder)
    with program.open("rb") as file:
        elf = elffile.ELFFile(file)
        sizes_of = {name: _section(elf, name) for name in (".text", ".data", ".bss")}
        helpers = tuple(sorted(name for name in _symbols(elf) if HELPERS.fullmatch(name)))
    if sizes_of[".data"]:
        raise CompileError(f"{folder}: {sizes_of['.data']} bytes of variables with first values; there are to be none")
    return Image(program, sizes_of[".text"], sizes_of[".bss"], helpers)


@cache
def _tools() -> tuple[Any, Any]:
    """Unicorn and the reader of ELF files, imported when they are needed: only `make c` installs them.

    Raises
    ------
    LockstepError
        When they are not installed.
    """
    try:
        import unicorn
        from elftools.elf import elffile
    except ImportError as error:
        raise LockstepError(f"the tools for RV32EC are not installed ({error.name}); `make c` installs them") from error
    return unicorn, elffile


def _section(elf: Any, name: str) -> int:
    section = elf.get_section_by_name(name)
    return 0 if section is None else int(section["sh_size"])


def _symbols(elf: Any) -> dict[str, int]:
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
    one_by_one : bool
        Count and follow the stack instruction by instruction, not block by block.
    """

    def __init__(self, image: Image, ram: int, one_by_one: bool = False) -> None:
        unicorn, elffile = _tools()
        self.ram = ram
        with image.path.open("rb") as file:
            elf = elffile.ELFFile(file)
            self.symbols = _symbols(elf)
            segments = [
                (int(part["p_paddr"]), part.data()) for part in elf.iter_segments("PT_LOAD") if part["p_filesz"]
            ]
            self.entry = int(elf.header["e_entry"])
        self._machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        flash = max(at + len(data) for at, data in segments)
        self._machine.mem_map(FLASH, PAGE * -(-flash // PAGE), unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        self._machine.mem_map(RAM, PAGE * -(-ram // PAGE), unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        for at, data in segments:
            self._machine.mem_write(at, data)
        self._blocks: dict[tuple[int, int], Block] = {}
        self._register = unicorn.riscv_const.UC_RISCV_REG_SP
        self._instructions = self._lowest = 0
        if one_by_one:
            self._machine.hook_add(unicorn.UC_HOOK_CODE, self._step)
        else:
            self._machine.hook_add(unicorn.UC_HOOK_BLOCK, self._block)

    def _block(self, machine: Any, address: int, size: int, _: Any) -> None:
        key = address, size
        if key not in self._blocks:
            self._blocks[key] = read(bytes(machine.mem_read(address, size)))
        instructions, dip = self._blocks[key]
        self._instructions += instructions
        self._lowest = min(self._lowest, machine.reg_read(self._register) + dip)

    def _step(self, machine: Any, *_: Any) -> None:
        self._instructions += 1
        self._lowest = min(self._lowest, machine.reg_read(self._register))

    def run(self, graph: IntegerGraph, pixels: Array) -> Run:
        """One inference on the image `pixels`, unsigned (channels, height, width), from reset.

        Raises
        ------
        CompileError
            When the program leaves its memory, meets an instruction that the chip has not, or ends nowhere.
        """
        unicorn, machine = _tools()[0], self._machine
        given = np.ascontiguousarray(pixels.transpose(1, 2, 0), np.uint8).tobytes()  # channels innermost
        machine.mem_write(RAM, NOISE * -(-self.ram // len(NOISE)))  # nothing may rest on what RAM holds at reset
        machine.mem_write(self.symbols["net_input"], given)
        self._lowest = top = RAM + self.ram
        self._instructions = 0
        machine.reg_write(self._register, top)
        try:
            machine.emu_start(self.entry, self.symbols["done"], timeout=SECONDS * 1_000_000)
        except unicorn.UcError as error:
            at = machine.reg_read(unicorn.riscv_const.UC_RISCV_REG_PC)
            raise CompileError(f"the program broke off at {at:#x}: {error}") from error
        if machine.reg_read(unicorn.riscv_const.UC_RISCV_REG_PC) != self.symbols["done"]:
            raise CompileError(f"the program did not end within {SECONDS} seconds")
        told = bytes(machine.mem_read(self.symbols["net_logits"], 4 * len(graph.classes)))
        return Run(np.frombuffer(told, np.int32), self._instructions, top - self._lowest)
