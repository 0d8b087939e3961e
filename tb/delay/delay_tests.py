"""cocotb tests of delay: every word, exactly as late as it should be."""

from __future__ import annotations

from typing import Any

import cocotb

from tb.common.drivers import begin_quiet, generator, next_cycle, parameters, read, reset, settled

WIDTH, CYCLES = parameters()["Width"], parameters()["Cycles"]


async def play(dut: Any, words: list[int], before: list[int]) -> None:
    """`words` in, one a cycle; out come those of `before`, the cycles behind, and then they."""
    expected = [*before, *words]
    for cycle, word in enumerate(words):
        dut.data_i.value = word
        await settled(dut)
        assert read(dut.data_o) == expected[cycle], f"cycle {cycle}: {read(dut.data_o)}, expected {expected[cycle]}"
        await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_word_comes_out_in_its_cycle(dut: Any) -> None:
    """Words with a run of one another's complements among them; after a reset in the middle, zeros first."""
    await begin_quiet(dut, ("data_i",))
    rng = generator()
    for run in range(4):
        words = [int(word) for word in rng.integers(0, 1 << WIDTH, 2 * CYCLES + 20)]
        words += [words[0] ^ (run + cycle) % 2 * ((1 << WIDTH) - 1) for cycle in range(6)]
        await play(dut, words, [0] * CYCLES)
        dut.data_i.value = (1 << WIDTH) - 1
        await reset(dut, cycles=1)  # one is enough for every register
