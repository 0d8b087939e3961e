"""One episode: a run in which the host does something wrong, what the accelerator owes it all the same, and a good run.

Whatever is done, every bus transfer is answered within ANSWER cycles; a run ends within END cycles of the last word
that it was given, and one that waits for words ends with a word that is marked last; a run that tells no error has
the golden results; and after a reset, or a flush, the next run is as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import numpy as np
from cocotb.triggers import with_timeout
from cocotbext.axi import AxiStreamFrame

from model.errors import LockstepError
from model.golden.bus import LAYER_BYTES, TABLE, Register
from model.program.descriptor import FIELDS, Descriptor
from model.program.interpret import Interpreter
from model.program.layout import Lines
from model.program.stream import Stream
from tb.accelerator.bench import check_run, prepare
from tb.accelerator.host import FLUSH, START, Host, flat
from tb.accelerator.work import Work, engine_shape
from tb.common.drivers import PERIOD_NS, next_cycle, parameters, reset

ANSWER, END = 2_000, 20_000  # cycles, for transfers and runs that the host itself holds back at random
LAST_WORDS = 6  # marked last, until a run of at most four layers must be over
PATIENCE = 800  # cycles from one to the next
KINDS = ("registers", "short", "long", "early", "missing", "descriptor", "descriptor", "range", "reset", "unread")
LOOPS = tuple(item for item in FIELDS if item.name in ("dx", "dy", "wx", "wy", "kx", "ky", "sub", "ic", "oc", "passes"))

Array = np.ndarray[Any, Any]
T = TypeVar("T")


class Episode:
    """One episode, drawn from its seed and its number.

    Parameters
    ----------
    host : Host
    seed, number : int
    """

    def __init__(self, host: Host, seed: int, number: int) -> None:
        self.host, self.rng = host, np.random.default_rng([seed, number])
        self.kind = str(self.rng.choice(KINDS))
        self.shape = engine_shape(parameters())
        self.error = 0  # what the disturbed run told
        self.told = f"episode {number} of seed {seed} ({self.kind})"

    async def within(self, cycles: int, what: str, work: Awaitable[T]) -> T:
        """The result of `work`; AssertionError after so many cycles without one."""
        try:
            return await with_timeout(work, cycles * PERIOD_NS, "ns")
        except TimeoutError as error:
            raise AssertionError(f"{self.told}: {what} is not over after {cycles} cycles") from error

    async def run(self) -> None:
        """The disturbed run, its end, and the good run behind it."""
        host, rng = self.host, self.rng
        host.stall(rng, float(rng.choice((0.0, 0.1, 0.4))))
        work = await self.within(END, "loading", prepare(host, rng, 0, int(rng.integers(1, 4))))
        expected: list[int] | None = flat(work.results)
        must_fail = False
        if self.kind == "descriptor":
            expected, must_fail = await self._wrong_descriptor(work)
        stream = work.program.stream()
        if self.kind in ("short", "long", "early", "missing"):
            stream = self._wrong_stream(stream)
            must_fail = self.kind != "long"
        first, count = (int(n) for n in rng.integers(0, 6, 2)) if self.kind == "range" else (0, 2)
        if self.kind == "range":
            must_fail = not (count > 0 and first + count <= self.shape.layers)
            expected = expected if (first, count) == (0, 2) else None
        host.result.pause = self.kind == "unread"
        self._send(stream)
        await self.within(ANSWER, "the start", host.start(first, count))
        if self.kind == "registers":
            await self._noise()
        if self.kind == "reset":
            for _ in range(int(rng.integers(1, 400))):
                await next_cycle(host.dut)
        else:
            await self._ends()
            if self.kind == "unread" and self.error == 5:
                expected, must_fail = None, True
            assert not (must_fail and not self.error), f"{self.told}: the run was wrong, and tells no error"
            host.result.pause = False
            if not self.error and expected is not None:
                results = await self.within(ANSWER, "the frame of results", host.results())
                assert results == expected, f"{self.told}: no error, and wrong results {results}, expected {expected}"
        await self._recover()
        again = await self.within(END, "loading", prepare(host, rng, 0, int(rng.integers(1, 4))))
        await self.within(2 * END, "the good run", check_run(host, again))

    # ------------------------------------------------------------ what is wrong
    def _wrong_stream(self, stream: Stream) -> Stream:
        """Cut short, too long, `last` too early, or not at all."""
        rng, words, last = self.rng, stream.words, stream.last.copy()
        ends = np.flatnonzero(last)
        at = int(rng.integers(0, len(words) - 1))  # with one word less, any word marked last would do for it
        if self.kind == "short":
            return Stream(words[:at], last[:at])
        if self.kind == "long":
            more = int(rng.integers(1, 20))
            noise = rng.integers(0, 256, (more, *words.shape[1:])).astype(words.dtype)
            return Stream(np.concatenate([words, noise]), np.append(last, rng.random(more) < 0.3))
        if self.kind == "early":
            last[int(rng.choice(np.flatnonzero(~last)))] = True
        else:
            last[int(rng.choice(ends))] = False
            return Stream(np.concatenate([words, words[:1]]), np.append(last, True))  # a frame ends with a `last`
        return Stream(words, last)

    async def _wrong_descriptor(self, work: Work) -> tuple[list[int] | None, bool]:
        """Spoil the first layer's descriptor; what must come out if no error is told, and whether one must be."""
        rng, host = self.rng, self.host
        words = work.program.descriptors[0].copy()
        for _ in range(int(rng.integers(1, 4))):
            chosen = LOOPS if rng.random() < 0.3 else FIELDS  # those that decide how long a run is, more often
            item = chosen[int(rng.integers(len(chosen)))]
            full = (1 << item.width) - 1
            was = int(words[item.word]) >> item.low & full
            value = int(rng.choice((was + 1, was - 1, 0, full, int(rng.integers(0, full + 1))))) & full
            words[item.word] = (int(words[item.word]) & ~(full << item.low)) | value << item.low
        codes = rng.integers(0, 1 << self.shape.act_width, (self.shape.act_depth, self.shape.rows)).astype(np.uint8)
        lines = Lines(np.arange(self.shape.act_depth), codes)
        await self.within(END, "loading", host.load_lines(lines))
        await self.within(END, "the table", host.load_table(words[None]))
        engine = Interpreter(self.shape)
        for address, line in enumerate(codes):
            engine.load(address, line.tolist())
        try:
            for index, program in enumerate(work.program.layers):
                descriptor = words.tolist() if index == 0 else program.descriptor.encode().tolist()
                stream = program.stream()
                taken = [int.from_bytes(word.tobytes(), "little") for word in stream.words]
                outcome = engine.run(descriptor, taken, stream.last.tolist())
            told = Descriptor.decode(words)
        except LockstepError as error:
            return None, any(part in str(error) for part in ("stream", "marked last", "loops make", "asks for"))
        sound = told.shift <= 40 and told.out_max < 1 << self.shape.act_width
        return (flat(outcome.results) if sound else None), False

    def _send(self, stream: Stream) -> None:
        """Queue the words, a frame ending with each `last` and with the stream."""
        ends = np.flatnonzero(stream.last) + 1
        for words in np.split(stream.words, ends):
            if len(words):
                self.host.wgt.send_nowait(AxiStreamFrame(words.tobytes()))

    async def _noise(self) -> None:
        """Accesses of every kind, wherever they fall; what changes a run is refused while it goes on."""
        rng, host = self.rng, self.host
        for _ in range(int(rng.integers(1, 30))):
            address = int(rng.choice((*Register, 0x2C, 0x44, TABLE, TABLE + 4 * int(rng.integers(0, 64)), 0xFFFC)))
            address = int(rng.integers(0, 1 << 16)) & ~3 if rng.random() < 0.2 else address
            if rng.random() < 0.5:
                await self.within(ANSWER, f"a read of {address:#x}", host.try_read(address))
                continue
            data = int(rng.choice((0, START, FLUSH, START | FLUSH, int(rng.integers(0, 1 << 32)))))
            strobes = int(rng.choice((4, 4, 4, 1, 2, 3)))
            before = (await self.within(ANSWER, "STATUS", host.status()))[0]
            taken = await self.within(ANSWER, f"a write to {address:#x}", host.try_write(address, data, strobes))
            after = (await self.within(ANSWER, "STATUS", host.status()))[0]
            harmless = address == Register.CTRL and data & 3 == 0 and strobes == 4
            if before and after and taken and not harmless:
                raise AssertionError(f"{self.told}: {address:#x} took {data:#x} ({strobes} bytes) during a run")
            if not after:
                return  # what comes now is allowed, and would be another run

    # ------------------------------------------------------------ what is owed
    async def _ends(self) -> None:
        """The run ends by itself, or, where it waits for words, with words that are marked last."""
        sent = 0
        for _ in range(END // PATIENCE):
            if await self._idle_within(PATIENCE):
                return
            if not self.host.wgt.idle():
                continue  # words are still on their way
            if sent == LAST_WORDS:
                break
            self.host.wgt.send_nowait(AxiStreamFrame(bytes(len(self.host.dut.s_axis_wgt_tdata) // 8)))
            sent += 1
        raise AssertionError(f"{self.told}: busy for ever")

    async def _idle_within(self, cycles: int) -> bool:
        for _ in range(cycles // 40):
            busy, done, self.error, _ = await self.within(ANSWER, "STATUS", self.host.status())
            assert busy or done, f"{self.told}: neither busy nor done after a start"
            if not busy:
                return True
            for _ in range(30):
                await next_cycle(self.host.dut)
        return False

    async def _recover(self) -> None:
        """By a reset, always from a run that goes on, else now and then; or by a flush."""
        host = self.host
        if self.kind == "reset" or self.rng.random() < 0.3:
            host.wgt.clear()
            await reset(host.dut, int(self.rng.integers(1, 4)))
            host.result.pause = False
            host.wgt.clear()
            await next_cycle(host.dut)
            status = await self.within(ANSWER, "STATUS", host.status())
            assert status == (False, False, 0, 0), f"{self.told}: {status} after a reset"
        else:
            await self.within(END, "the flush", host.flush())
        for _ in range(60):
            await next_cycle(host.dut)
        while not host.result.empty():
            host.result.recv_nowait()


async def write_everything(host: Host) -> None:
    """Every word of the table and every line once, so that no wrong address finds what was never written."""
    shape = engine_shape(parameters())
    for word in range(shape.layers * LAYER_BYTES // 4):
        await host.write(TABLE + 4 * word, 0)
    await host.load_lines(Lines(np.arange(shape.act_depth), np.zeros((shape.act_depth, shape.rows), np.uint8)))
