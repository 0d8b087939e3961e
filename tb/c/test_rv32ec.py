"""Generated C on RV32EC: equal to the golden model, no multiplication where none is asked for, sizes that are true."""

from __future__ import annotations

import builtins
import doctest
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.c import unrolled
from model.c.source import SOURCE, generate
from model.errors import LockstepError
from model.golden.execute import logits
from model.graph import storage
from model.numeric.weights import named
from tb.c import blocks, compilers, host, rv32ec
from tb.c.compilers import CompileError
from tb.c.kinds import BIASES, KINDS, noise

ROOM = 1 << 20


def built(folder: Path, kind: str, name: str, **wishes: Any) -> tuple[Any, rv32ec.Image]:
    graph = KINDS[kind](named(name), BIASES["negative"], 3)
    host.write(generate(graph, **wishes), folder)
    return graph, rv32ec.build(folder, ROOM, ROOM)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "style"),
    [
        ("planes", "pot4", "mixed"),
        ("shapes", "ternary", "packed"),
        ("signals", "pot5", "unrolled"),
        ("signals", "int4", "packed"),
    ],
)
def test_equal_without_a_multiplication(tmp_path: Path, kind: str, name: str, style: str) -> None:
    graph, image = built(tmp_path, kind, name, style=style, multiplier=False)
    assert image.helpers == ()
    pixels = noise(graph.input_shape, 255, 5, 1)
    chip = rv32ec.Chip(image, ROOM)
    found = np.stack([chip.run(graph, each).logits for each in pixels])
    np.testing.assert_array_equal(found, logits(graph, pixels))


@pytest.mark.slow
def test_int4_that_multiplies_calls_for_it_and_the_program_tells(tmp_path: Path) -> None:
    graph, image = built(tmp_path, "signals", "int4", style="packed", multiplier=True)
    assert "__mulsi3" in image.helpers
    pixels = noise(graph.input_shape, 255, 3, 1)
    chip = rv32ec.Chip(image, ROOM)
    np.testing.assert_array_equal(np.stack([chip.run(graph, each).logits for each in pixels]), logits(graph, pixels))


@pytest.mark.slow
def test_counts_are_those_of_single_steps_and_the_stack_is_followed(tmp_path: Path) -> None:
    graph, image = built(tmp_path, "signals", "pot4", style="packed", multiplier=False)
    pixels = noise(graph.input_shape, 255, 3, 1)[2]
    slow = rv32ec.Chip(image, ROOM, one_by_one=True).run(graph, pixels)
    fast = rv32ec.Chip(image, ROOM).run(graph, pixels)
    assert slow.instructions == fast.instructions > 10_000
    assert 16 < slow.stack == fast.stack < 400
    assert image.ram == graph_ram(graph)
    assert image.flash > generate(graph, "packed", False).table_bytes


def graph_ram(graph: Any) -> int:
    """Arena, input and logits, each aligned to what the linker aligns it to."""
    arena = generate(graph).plan.size
    total = 4 * len(graph.classes)
    for size in (arena, int(np.prod(graph.input_shape))):
        total += -(-size // 4) * 4
    return total


def test_a_program_that_does_not_fit_is_refused_by_the_linker(tmp_path: Path) -> None:
    graph = KINDS["signals"](named("pot4"), 0, 3)
    host.write(generate(graph, "packed", False), tmp_path)
    with pytest.raises(CompileError, match="overflowed"):
        rv32ec.build(tmp_path, 1024, ROOM)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("*(volatile uint8_t *)0x40000000 = 1;", "broke off"),
        ('__asm__ volatile("mul a0, a0, a0");', "refuses"),
        ("static int32_t count = 5; logits[0] += count++;", "variables with first values"),
        ("*(volatile uint8_t *)0x100 = 1;", "broke off"),
    ],
)
def test_a_program_that_leaves_its_chip_is_found(tmp_path: Path, line: str, told: str) -> None:
    graph = KINDS["signals"](named("pot4"), 0, 3)
    generated = generate(graph, "packed", False)
    host.write(generated, tmp_path)
    (tmp_path / SOURCE).write_text(generated.source.rstrip()[:-1] + f"    {line}\n}}\n")
    with pytest.raises(CompileError, match=told):
        rv32ec.Chip(rv32ec.build(tmp_path, ROOM, ROOM), ROOM).run(graph, noise(graph.input_shape, 255, 1, 1)[0])


def test_missing_tools_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "unicorn":
            raise ModuleNotFoundError("gone", name="unicorn")
        return real(name, *rest)

    rv32ec._tools.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LockstepError, match=r"^the tools for RV32EC are not installed \(unicorn\); `make c` installs"):
        rv32ec._tools()
    monkeypatch.undo()
    monkeypatch.setattr(compilers, "find_spec", lambda name: None)
    with pytest.raises(LockstepError, match=r"not installed \(package ziglang\); `make c` installs it"):
        compilers.zig()
    monkeypatch.setenv("CC", "no-such-cc")
    with pytest.raises(LockstepError, match="there is no C compiler CC=no-such-cc; expected gcc, clang or no CC"):
        compilers.of_this_machine()
    monkeypatch.delenv("CC")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LockstepError, match="there is no C compiler here; install gcc or clang"):
        compilers.of_this_machine()
    monkeypatch.setattr(compilers, "find_spec", lambda name: object())
    assert compilers.of_this_machine().sanitizers == ("undefined",)


def test_the_shipped_network_fits_two_kilobytes_and_calls_no_multiplication(tmp_path: Path) -> None:
    graph = storage.load(storage.ZOO / f"micro_pot4{storage.SUFFIX}")
    host.write(generate(graph, "packed", False), tmp_path)
    image = rv32ec.build(tmp_path, 16384, 2048)  # the linker refuses more
    assert image.helpers == ()
    pixels = np.load(storage.ZOO / "sample_digit.npy")
    found = rv32ec.Chip(image, 2048).run(graph, pixels)
    np.testing.assert_array_equal(found.logits, logits(graph, pixels[None])[0])
    assert image.ram + found.stack < 2048
    assert graph.meta["integer_accuracy"] >= 0.97


@pytest.mark.slow
def test_weights_of_many_digits_are_not_made_products_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three and more shifts of one code in a sum a compiler makes a multiplication, which this chip has not."""
    graph = KINDS["planes"](named("int8"), 0, 3)
    for most, called in ((unrolled.MOST_DIGITS, ()), (99, ("__mulsi3",))):
        monkeypatch.setattr(unrolled, "MOST_DIGITS", most)
        host.write(generate(graph, "unrolled", False), tmp_path)
        assert rv32ec.build(tmp_path, ROOM, ROOM).helpers == called


def test_examples() -> None:
    assert doctest.testmod(blocks).attempted == 1
    assert doctest.testmod(blocks).failed == 0


@pytest.mark.parametrize(
    ("code", "dip"),
    [
        ("0111 0000", -32),  # c.addi sp, -32
        ("130101f0 1301 0110", -256),  # addi sp, sp, -256 and back
        ("1301 0181 7971", -2032 - 48),  # addi sp, sp, -2032, then c.addi16sp sp, -48
        ("37010020 1301 01f0", 0),  # lui sp: from there on nothing is known of it here
        ("23110100", 0),  # a store by way of it
    ],
)
def test_blocks_tell_how_deep_the_stack_goes(code: str, dip: int) -> None:
    assert blocks.read(bytes.fromhex(code)).dip == dip
