"""What `make mutation` has to do, piece by piece: elaborate, mutate, simulate, prove what survives.

The pieces are `tb.common.jobs.Job`: what is done is kept, and done again only when something it depends on has changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tb.common.jobs import Job
from tb.common.sources import contained
from tb.common.tools import Tool
from tb.formal.prove import write_model
from tb.mutants.stage import Stage, depends
from tb.mutation import contract, equivalence, netlist, subject, transition
from tb.mutation.contract import with_assumptions
from tb.mutation.netlist import Mutation, elaborated, flattened, insert, list_mutations
from tb.mutation.subject import Subject, elaborate, subjects
from tb.mutation.transition import Transition, write_transition
from tb.mutation.trial import FORKED, judge_all

BATCH = 10  # mutants that one simulator is started for
Text = Mapping[str, str]


@dataclass(frozen=True)
class Campaign:
    """The sources, the tools and the folder of a run.

    Parameters
    ----------
    rtl : mapping
        Sources by module.
    tools : mapping
        As `tb.formal.prove.find_tools` gives them.
    out : Path
        An absolute path.
    seed : int
        Of the choice of mutations.
    stages : sequence of Stage
    """

    rtl: Text
    tools: Mapping[str, Tool]
    out: Path
    seed: int
    stages: Sequence[Stage]

    def _job(self, name: str, group: str, block: str, told: Sequence[object], work: Any, **about: Any) -> Job:
        versions = [f"{tool.name} {tool.source} {tool.version}" for tool in self.tools.values()]
        return Job(name, group, block, group, self.out / name, "\0".join(map(repr, [*told, *versions])), work, about)

    def elaboration(self) -> Job:
        """Which modules each stage holds, with which parameters; leaves files for `subjects`."""
        folder = self.out / "elaboration"

        def work() -> Mapping[str, Any]:
            elaborate(self.stages, self.rtl, self.tools["yosys"], folder)
            return {}

        told = [dict(self.rtl), [(stage.top, dict(stage.parameters)) for stage in self.stages], _text(subject)]
        return self._job("elaboration", "elaboration", "", told, work)

    def subjects(self) -> list[Subject]:
        """After `elaboration`: all subjects."""
        return subjects(self.stages, self.rtl, self.out / "elaboration")

    def netlist(self, each: Subject, wanted: int) -> Job:
        """The mutants of a subject; the result has ``mutations``."""
        folder = self.out / each.name

        def work() -> Mapping[str, Any]:
            found = list_mutations(each, self.rtl, self.tools["yosys"], folder, self.seed, wanted)
            if found:
                insert(each, self.rtl, self.tools["yosys"], folder, found)
            return {"mutations": [asdict(mutation) for mutation in found]}

        told = [self._sources(each), each.parameters, each.alone, self.seed, wanted, _text(netlist)]
        return self._job(each.name, "netlist", each.module, told, work)

    def trials(self, each: Subject, mutations: Sequence[Mutation]) -> list[Job]:
        """The simulations of a subject's mutants, BATCH at a time; the results have ``killed``."""
        around = depends(each.stages, self.rtl, FORKED)
        place = hashlib.sha256((self.out / each.name / "rtl" / f"{each.module}.v").read_bytes()).hexdigest()
        jobs = []
        for first in range(1, len(mutations) + 1, BATCH):
            numbers = list(range(first, min(first + BATCH, len(mutations) + 1)))
            work = partial(judge_all, each.stages, numbers, self.out / each.name / "rtl", self.builds / each.name)
            told = [around, place, numbers]
            jobs.append(self._job(f"{each.name}/trial_{first}", "trial", each.module, told, work, subject=each.name))
        return jobs

    def proof(self, each: Subject, mutations: Sequence[Mutation], number: int) -> Job:
        """Whether a survivor is the original; the result has ``verdict``, ``depth`` and ``trace``."""
        folder = self.out / each.name
        name = f"{each.name}/same_{number}"

        def work() -> Mapping[str, Any]:
            here = self.out / name
            shutil.rmtree(here, ignore_errors=True)
            sources = {**self.rtl, each.module: with_assumptions(self.rtl[each.module])}
            here.mkdir(parents=True)
            shutil.copy(folder / "mutated.il", here)
            for whole in (False, True)[: len(contained(each.module, self.rtl))]:
                for free in (True, False):
                    step, owed = self._transitions(each, sources, here, whole, free)
                    if step.products != owed.products:
                        continue  # not the same multipliers: none of them is free
                    verilog = {file: (here / f"{file}.v").read_text() for file in ("next", "contract")}
                    answer = equivalence.compare(step, owed, number, self.tools, verilog, here / "model")
                    # A difference is none with products that are not the factors', or if nobody below minds.
                    if answer.verdict is equivalence.Equivalence.EQUIVALENT or not step.products:
                        break
                if answer.verdict is equivalence.Equivalence.EQUIVALENT:
                    break
            told = {field: value for field, value in answer._asdict().items() if field != "trace"}
            return {**told, "assumed": len(owed.owed), "trace": str(answer.trace) if answer.trace else None}

        ours = [_text(transition), _text(equivalence), _text(contract), _text(write_model)]
        told = [self._sources(each), each.parameters, mutations[number - 1].command, number, *ours]
        return self._job(name, "proof", each.module, told, work, subject=each.name, number=number)

    def _transitions(
        self, each: Subject, sources: Text, here: Path, whole: bool, free: bool
    ) -> tuple[Transition, Transition]:
        """Write ``next.v``, of the netlist in `here`, and ``contract.v``; with the modules below where `whole`."""
        yosys = self.tools["yosys"]
        read = [*elaborated(each, sources, here, "-formal -DSIM_CHECKS"), "rename -top contract"]
        read += flattened(each.module, "contract", self.rtl) if whole else []
        read += ["opt -keepdc", "wreduce -keepdc", "memory_collect"]
        read += ["delete -port o:*", "opt_clean"]  # what its checks do not look at
        owed = write_transition(yosys, read, here, "contract", free_products=free)
        nets = {net for bits in owed.places.values() for net, _ in bits}
        design = ["read_rtlil mutated.il"]
        design += flattened(each.module, f"{each.module}_mutants", self.rtl) if whole else []
        return write_transition(yosys, design, here, "next", nets, free_products=free), owed

    @property
    def builds(self) -> Path:
        """Compiled simulations; nothing in it is a result."""
        return self.out / "builds"

    def _sources(self, each: Subject) -> Text:
        return {module: self.rtl[module] for module in sorted(contained(each.module, self.rtl))}


def _text(module: Any) -> str:
    """Hash of the file that a module or function is in."""
    path = getattr(module, "__file__", None) or module.__code__.co_filename
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
