"""The table and the loader around a sequencer, which look at everything in every cycle."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.program.descriptor import FIELDS, USED, Descriptor
from tb.common.drivers import next_cycle, parameters, read, settled
from tb.network.points import descriptor_points
from tb.sequencer.golden import Pixel, pixels

FETCH = 13
# Bits of a descriptor's words that are no field's, and may be anything.
FREE = ~np.array(USED) & ((1 << 32) - 1)
# Outputs that are a field of the descriptor, as coded; the window's is those of dx and dy together.
SETTINGS = {"passes_n": "passes", "tiles_n": "oc", "shift": "shift", "wide": "wide", "max": "out_max"}
SETTINGS |= {
    "out_base": "out_base",
    "out_map_n": "out_map",
    "simd": "simd",
    "out_pair": "out_pair",
    "window_n": "window",
}


class Bench:
    """Answers for the table and the loader, and looks at everything in every cycle."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.table: dict[int, list[int]] = {}
        self.rows, self.drain_cycles = (parameters()[name] for name in ("Rows", "DrainCycles"))
        self.words = [0] * len(FREE)  # of the descriptor, as the block has them

    async def cycle(self, **inputs: int) -> None:
        """Drive `inputs` and look; the table's answer is driven in the cycle behind."""
        for name, value in inputs.items():
            getattr(self.dut, name).value = value
        await settled(self.dut)
        if not read(self.dut.filling_o):
            assert read(self.dut.desc_addr_o) % 16 == 0, "the table's address moves, and no descriptor is fetched"

    async def step(self) -> None:
        """To the next cycle, with the table's answer to this one; noise where nothing was asked."""
        asked = read(self.dut.desc_re_o), read(self.dut.desc_addr_o)
        await next_cycle(self.dut)
        layer, word = divmod(asked[1], 16)
        noise = int(self.rng.integers(0, 1 << 32))
        self.dut.desc_data_i.value = self.table[layer][word] if asked[0] else noise
        self.dut.start_i.value = 0

    async def start(self, first: int, count: int) -> None:
        """One cycle of start_i; noise on the range afterwards."""
        await self.cycle(start_i=1, first_i=first, count_i=count, tile_ready_i=0, early_i=0, missing_i=0)
        assert not read(self.dut.busy_o)
        await self.step()
        self.dut.first_i.value, self.dut.count_i.value = (int(self.rng.integers(0, 256)) for _ in range(2))

    async def fetch(self, layer: int, told: Descriptor) -> None:
        """The 13 cycles before a layer."""
        for number in range(FETCH):
            await self.cycle(tile_ready_i=int(self.rng.integers(0, 2)))
            shown = [read(getattr(self.dut, f"{port}_o")) for port in ("busy", "filling", "waiting", "x_valid", "take")]
            assert shown == [1, 1, 0, 0, 0], (
                f"busy, filling, waiting, x_valid, take: {shown} in cycle {number} of FETCH"
            )
            assert read(self.dut.layer_o) == layer
            assert read(self.dut.desc_re_o) == (number < FETCH - 1), f"desc_re in cycle {number}"
            assert read(self.dut.load_start_o) == (number == FETCH - 1), f"load_start in cycle {number}"
            if number == FETCH - 1:
                assert read(self.dut.os_layer_o) == told.os
                for_loader = read(self.dut.passes_n_o), read(self.dut.tiles_n_o)
                assert for_loader == (told.passes - 1, told.oc - 1)
            assert not read(self.dut.os_o)
            arrived = max(0, number - 1)  # a word is there two cycles after it was asked for
            self.shows([*self.table[layer][:arrived], *self.words[arrived:]], f"cycle {number} of FETCH")
            await self.step()
        self.words = self.table[layer][: len(self.words)]

    def shows(self, words: list[int], when: str) -> None:
        """The fields of the descriptor `words` are at the outputs."""
        fields = {item.name: words[item.word] >> item.low & (1 << item.width) - 1 for item in FIELDS}
        fields["window"] = fields["dx"] | fields["dy"] << 4
        for port, name in SETTINGS.items():
            shown = getattr(self.dut, f"{port}_o")
            wanted = fields[name] % (1 << len(shown))
            assert read(shown) == wanted, f"{port} {read(shown)}, expected {wanted} in {when}"

    def pixel(self, pixel: Pixel) -> None:
        """The instruction of this cycle is `pixel`."""
        ports = ("x_swap", "x_last", "x_zero", "p_acc", "p_plane", "p_final", "p_swap", "p_first", "p_last")
        wanted = [pixel.swap, pixel.last, pixel.zero, pixel.acc, pixel.plane, pixel.final, pixel.final_swap]
        wanted += [pixel.window_first, pixel.window_last]
        shown = [read(getattr(self.dut, f"{port}_o")) for port in ports]
        assert shown == wanted, f"{dict(zip(ports, shown, strict=True))}; expected {pixel}"
        where = read(self.dut.x_addr_o), read(self.dut.p_addr_o)
        assert where == (pixel.address % (1 << len(self.dut.x_addr_o)), pixel.line), f"at {where}; expected {pixel}"

    async def run(self, told: Descriptor, ready: float, *, begin: int = 0, stop: int | None = None) -> None:
        """The pixels of a layer, or those from `begin` to before `stop`; weights are there with the chance `ready`."""
        gap = 0  # cycles in which the group in front still leaves its rows
        order = list(pixels(told))[begin:stop]
        for number, pixel in enumerate(order):
            while True:
                here = int(self.rng.random() < ready)
                await self.cycle(tile_ready_i=here)
                held = (not here or (pixel.last and gap > 0)) if told.os else (pixel.begins and not here)
                gap = max(0, gap - 1)
                status = [
                    read(getattr(self.dut, f"{port}_o")) for port in ("x_valid", "waiting", "filling", "busy", "os")
                ]
                assert status == [not held, held, 0, 1, told.os], f"valid, waiting, filling, busy, os: {status}"
                assert read(self.dut.take_o) == (not held and (told.os or pixel.begins))
                if number in (0, len(order) - 1) or self.rng.random() < 0.05:
                    self.shows(self.words, "RUN")
                if not held:
                    self.pixel(pixel)
                    gap = self.rows - 1 if pixel.last else gap
                await self.step()
                if not held:
                    break

    async def drain(self, told: Descriptor, more: bool, error: int = 0) -> None:
        """Until the layer's last code is in memory; then the next layer's FETCH, or the end."""
        for _ in range(self.drain_cycles + (self.rows if told.os else 0)):
            await self.cycle(tile_ready_i=int(self.rng.integers(0, 2)), early_i=0, missing_i=0)
            shown = [read(getattr(self.dut, f"{port}_o")) for port in ("busy", "filling", "x_valid", "done", "error")]
            assert shown == [1, 1, 0, 0, error], f"busy, filling, x_valid, done, error: {shown} in DRAIN"
            await self.step()
        if not more:
            await self.end(error)

    async def end(self, error: int = 0) -> None:
        """done_o for one cycle; the error stays."""
        for done in (1, 0):
            await self.cycle()
            shown = [read(getattr(self.dut, f"{port}_o")) for port in ("busy", "done", "error", "x_valid")]
            assert shown == [0, done, error, 0], f"busy, done, error, x_valid: {shown} at the end"
            await self.step()

    async def whole(self, first: int, layers: list[Descriptor], ready: float = 1.0) -> None:
        """A run of `layers` from `first` on."""
        rows = [told.encode() for told in layers]
        descriptor_points([np.array(rows)]).record()
        for at, row in enumerate(rows):
            noise = self.rng.integers(0, 1 << 32, len(row)) & FREE
            self.table[first + at] = [*(row | noise).tolist(), *(0xDEAD0000 + at for _ in range(4))]
        await self.start(first, len(layers))
        for at, told in enumerate(layers):
            await self.fetch(first + at, told)
            await self.run(told, ready)
            await self.drain(told, more=at < len(layers) - 1)
