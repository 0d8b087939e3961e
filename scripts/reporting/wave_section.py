"""The section with the picture of the wavefront, drawn from a dump."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.reporting.markup import badge, chart, charts, code, figure, note, percent, text
from scripts.reporting.results import Fields, Source, make_line
from scripts.reporting.section import Section
from scripts.reporting.svg import Bar, Part, bars, cells, steps
from scripts.reporting.wavefront import MOST_CYCLES, Wavefront, read

FRAMES = 32
COLOURS = 4
MAKE = make_line("sim", {"WAVES": "vcd"})
KINDS = {
    "load": "waiting",
    "fill_and_drain": "filling",
    "pixels": "useful",
    "bubbles": "bad",
    "accumulation": "padding",
}


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section; the dump lies beside the result of `make sim`."""
    made = Section("wavefront", "The wavefront, from a waveform")
    (source,) = found["sim"]
    dump = source.path.with_name("core.vcd")
    pictures: list[str] = []
    if dump.is_file():
        made.show(dump.name, lambda: _render(read(dump, FRAMES), dump, source, pictures))
    else:
        made.absent.append((f"a dump, {dump.name} beside the result of make sim", MAKE))

    def replay(fields: Fields) -> str:
        pictures.append(_replay(source, fields))
        return ""

    made.show_source(source, replay)
    made.add(charts(*pictures))
    return made


def _render(wave: Wavefront, dump: Path, source: Source, pictures: list[str]) -> str:
    """The array in its first cycles; the picture of all cycles is added to `pictures`."""
    pes, nanoseconds = wave.rows * wave.cols, wave.cycle_ps / 1000
    frames = []
    for cycle, numbers in enumerate(wave.passes):
        started = sorted({number for number in numbers if number >= 0})
        told = f"pass {', '.join(map(str, started))}" if started else "idle"
        title = f"Cycle {cycle}: {wave.busy[cycle]} of {pes} PEs at work, {told}"
        frames.append(
            f"<figure>{cells(title, numbers, wave.cols, COLOURS)}<figcaption><b>{cycle}</b><br>"
            f"{figure(wave.busy[cycle])} busy<br>{told}</figcaption></figure>"
        )
    last = max(max(numbers) for numbers in wave.passes)
    legend = [("idle", "no pixel")] + [(f"p{n}", _named(n, last)) for n in range(min(COLOURS, last + 1))]
    keys = "".join(f'<li><span class="key {kind}"></span>{text(words)}</li>' for kind, words in legend)
    total = sum(wave.busy)
    end = "" if wave.whole else f", of which the first {MOST_CYCLES:,} are shown"
    busy = chart(
        f"PEs at work in every cycle{end}",
        steps("PEs at work in every cycle", wave.busy, pes, f"cycle, of {nanoseconds:g} ns"),
        f"{figure(total)} PE-cycles with a pixel, {percent(total / (pes * len(wave.busy)))} of "
        f"{figure(pes)} PEs over {figure(len(wave.busy))} cycles{_against(source, dump, total, wave.whole)}",
    )
    pictures.append(busy)
    return (
        f"<p>The {wave.rows}x{wave.cols} array in {len(wave.passes)} consecutive cycles: a square is a PE, coloured "
        f"where its {code('valid_q')} is 1, by the pass whose weights it works with ({code('swap_q')} rides on the "
        "first pixel of a pass). "
        f"Pixels enter from the left, each row one cycle behind the row above it. In {figure(wave.busy.count(pes))} of "
        f"{figure(len(wave.busy))} cycles all {figure(pes)} are at work.</p>"
        f'<ul class="legend">{keys}</ul><div class="frames">{"".join(frames)}</div>'
        + note(
            f"{code(MAKE)} wrote {code(dump.name)} ({text(wave.date)}). "
            f"Cycle 0 begins at {figure(wave.start_ps / 1000)} ns, "
            f"with the first pixel in the registers of the first PE; {figure(wave.pass_count)} passes enter."
        )
    )


def _named(number: int, last: int) -> str:
    """The passes up to `last` that have one colour: ``pass 0, 4``."""
    return f"pass {', '.join(map(str, range(number, last + 1, COLOURS)))}"


def _replay(source: Source, fields: Fields) -> str:
    """Where the cycles of the replay went."""
    if "breakdown" not in fields:
        return ""
    parts, total = fields.object("breakdown"), fields.whole("cycles")
    rows = [
        Bar(
            name.replace("fill_and_drain", "fill, drain"),
            f"{parts.whole(name):,}",
            [
                Part(
                    parts.whole(name),
                    KINDS.get(name, "padding"),
                    f"{name.replace('_', ' ')}: {parts.whole(name):,} cycles",
                )
            ],
        )
        for name in sorted(parts, key=lambda name: (list(KINDS).index(name) if name in KINDS else len(KINDS), name))
    ]
    stream = figure(fields.maybe("stream_cycles"))
    use = f"{percent(fields.maybe('utilization'))} of the PEs over the {stream} of the stream"
    return chart(
        "Cycles of the replay",
        bars("Cycles of the replay, by what they are for", rows, total),
        f"{figure(total)} cycles from the first write to the last output; {use}. {code(source.command)}, "
        f"{badge(source.verdict)}",
    )


def _against(source: Source, dump: Path, total: int, whole: bool) -> str:
    """The same number by the result, where that run wrote this dump."""
    fields = source.fields
    if fields is None or not whole or Path(str(fields.value.get("waves"))).name != dump.name:
        return "; the result beside the dump is of another run"
    macs = fields.maybe("macs")
    told = f"; {code(source.command)} counts {figure(macs)} multiplications"
    return told + (
        ", the same." if macs == total else " (edge tiles have idle rows or columns, or the run had two turns)."
    )
