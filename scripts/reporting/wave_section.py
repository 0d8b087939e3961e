"""The section with the picture of the wavefront, drawn from a dump."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.reporting.commands import command
from scripts.reporting.markup import chart, charts, code, figure, note, percent, text
from scripts.reporting.results import Source, make_line
from scripts.reporting.section import Section
from scripts.reporting.svg import cells, steps
from scripts.reporting.wavefront import MOST_CYCLES, Wavefront, read

FRAMES = 32
COLOURS = 4
MAKE = make_line("sim", {"WAVES": "vcd"})


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section; the dump lies beside the result of `make sim`."""
    made = Section("wavefront", "The wavefront, from a waveform")
    (source,) = found["sim"]
    dump = source.path.with_name("core.vcd")
    if dump.is_file():
        made.show(lambda: _render(read(dump, FRAMES), dump, source))
    else:
        made.absent.append((f"a dump, {dump.name} beside the result of make sim", MAKE))
    return made


def _render(wave: Wavefront, dump: Path, source: Source) -> str:
    pes, nanoseconds = wave.rows * wave.cols, wave.cycle_ps / 1000
    frames = []
    for cycle, numbers in enumerate(wave.passes):
        started = sorted({number for number in numbers if number >= 0})
        told = f"pass {', '.join(map(str, started))}" if started else "idle"
        title = f"Cycle {cycle}: {wave.busy[cycle]} of {pes} PEs at work, {told}"
        frames.append(
            f"<figure>{cells(title, numbers, wave.cols, COLOURS)}<figcaption><b>{cycle}</b>: "
            f"{figure(wave.busy[cycle])} busy<br>{told}</figcaption></figure>"
        )
    legend = [("idle", "no pixel")] + [(f"p{n}", f"pass {n}, {n + COLOURS}, …") for n in range(COLOURS)]
    keys = "".join(f'<li><span class="key {kind}"></span>{text(words)}</li>' for kind, words in legend)
    total = sum(wave.busy)
    end = "" if wave.whole else f", of which the first {MOST_CYCLES:,} are shown"
    busy = chart(
        f"PEs at work in every cycle{end}",
        steps("PEs at work in every cycle", wave.busy, pes, f"cycle, of {nanoseconds:g} ns"),
        f"{figure(total)} PE-cycles with a pixel, {percent(total / (pes * len(wave.busy)))} of "
        f"{figure(pes)} PEs over {figure(len(wave.busy))} cycles{_against(source, dump, total, wave.whole)}",
    )
    return (
        f"<p>The {wave.rows}x{wave.cols} array in {len(wave.passes)} consecutive cycles: a square is a PE, coloured "
        f"where its {code('valid_q')} is 1, by the pass whose weights it works with ({code('swap_q')} rides on the "
        "first pixel of a pass). "
        "The front crosses the array one diagonal a cycle, and the next pass follows on its heels.</p>"
        f'<ul class="legend">{keys}</ul><div class="frames">{"".join(frames)}</div>'
        + charts(busy)
        + note(
            f"{code(MAKE)} wrote {code(dump.name)} ({text(wave.date)}). "
            f"Cycle 0 begins at {figure(wave.start_ps / 1000)} ns, "
            f"with the first pixel in the registers of the first PE; {figure(wave.pass_count)} passes enter."
        )
    )


def _against(source: Source, dump: Path, total: int, whole: bool) -> str:
    """The same number by the result, where that run wrote this dump."""
    fields = source.fields
    if fields is None or not whole or Path(str(fields.value.get("waves"))).name != dump.name:
        return "; the result beside the dump is of another run"
    macs = fields.maybe("macs")
    told = f"; {code(command(source))} counts {figure(macs)} multiplications"
    return told + (
        ", the same." if macs == total else " (edge tiles have idle rows or columns, or the run had two turns)."
    )
