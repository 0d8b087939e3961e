"""What `make synth` has to do, piece by piece; each piece's result is kept, and made again only when it must be.

The key of a piece is the hash of everything it depends on: the sources of the block and of all blocks below it, this
package, the tools' versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tb.common.jobs import Job
from tb.common.runner import ROOT
from tb.common.sources import contained
from tb.common.tools import Tool
from tb.synth import formats
from tb.synth.flows import AREA_FLOWS, synthesize
from tb.synth.gates import shape, write_netlist
from tb.synth.place import TARGETS, place

ARRAY = "mac_array"
GATES_SHAPE = (8, 8)


def sources_of(block: str, blocks: Mapping[str, str]) -> list[Path]:
    """Files of `block` and of all blocks below it."""
    return [ROOT / "rtl" / f"{name}.v" for name in sorted(contained(block, blocks))]


def depends_on(block: str, blocks: Mapping[str, str], tools: Sequence[Tool]) -> str:
    """What every result about `block` depends on: its sources, those below it, this package, the tools."""
    ours = [path.read_text() for path in sorted(Path(__file__).parent.glob("*")) if path.suffix in (".py", ".v")]
    versions = [f"{tool.source} {tool.version}" for tool in tools]
    return "\0".join([blocks[name] for name in sorted(contained(block, blocks))] + ours + versions)


def area_jobs(chosen: Sequence[str], blocks: Mapping[str, str], tools: Mapping[str, Tool], out: Path) -> list[Job]:
    """Every chosen block, with the parameters it has by default, in every flow."""
    yosys = tools["yosys"]

    def job(block: str, flow: str) -> Job:
        folder, sources = out / block / flow, sources_of(block, blocks)

        def work() -> Mapping[str, int]:
            return synthesize(yosys, flow, sources, block, folder)

        return Job(f"{block}/{flow}", "area", block, flow, folder, depends_on(block, blocks, [yosys]), work)

    return [job(block, flow) for block in chosen for flow in AREA_FLOWS]


def format_jobs(chosen: Sequence[str], blocks: Mapping[str, str], tools: Mapping[str, Tool], out: Path) -> list[Job]:
    """The PE and the array, those that are chosen, in every weight format and every flow."""
    yosys, jobs = tools["yosys"], []
    for block in formats.BLOCKS:
        for name in formats.NAMES if block in chosen else ():
            for flow in AREA_FLOWS:
                folder = out / "formats" / block / name / flow

                def work(
                    block: str = block, name: str = name, flow: str = flow, folder: Path = folder
                ) -> Mapping[str, Any]:
                    return formats.area(yosys, block, name, flow, sources_of(block, blocks), folder)

                about = {"format": name, "parameters": formats.parameters(block, name)}
                depends = depends_on(block, blocks, [yosys]) + repr(about)
                title = f"formats/{block}/{name}/{flow}"
                jobs.append(Job(title, "format", block, flow, folder, depends, work, about))
    return jobs


def array_jobs(blocks: Mapping[str, str], tools: Mapping[str, Tool], out: Path) -> list[Job]:
    """The array placed in every target, and its netlist."""
    rtl, yosys, jobs = ROOT / "rtl", tools["yosys"], []
    for target in TARGETS:
        nextpnr, folder = tools[f"nextpnr-{target.family}"], out / target.name
        about = {name: getattr(target, name) for name in ("flow", "device", "package", "rows", "cols")}

        def work(target: Any = target, nextpnr: Tool = nextpnr, folder: Path = folder) -> Mapping[str, Any]:
            return place(yosys, nextpnr, target, rtl, folder)

        depends = depends_on(ARRAY, blocks, [yosys, nextpnr])
        jobs.append(Job(target.name, "fmax", ARRAY, target.flow, folder, depends, work, about))
    rows, cols = GATES_SHAPE
    folder = gates_folder(out)

    def netlist() -> Mapping[str, Any]:
        return write_netlist(yosys, rtl, shape(rows, cols), folder)

    depends = depends_on(ARRAY, blocks, [yosys])
    about = {"rows": rows, "cols": cols}
    return [*jobs, Job("gates", "gates", ARRAY, "generic", folder, depends, netlist, about)]


def gates_folder(out: Path) -> Path:
    """Where the netlist is."""
    return out / "gates"
