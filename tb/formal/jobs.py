"""What `make formal` has to do: each variant of each proof, and each fault that must break one; results are kept.

A piece is done again only when the block's sources, the property module, the proof's entry, this package or the tools
have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from tb.common.jobs import Job
from tb.common.sources import contained
from tb.common.tools import Tool, ToolError
from tb.formal.proof import Parameters, Proof, title
from tb.formal.prove import ask, translate
from tb.mutants.campaign import mutate
from tb.mutants.patches import PATCHES, Mutant, read_mutant

FAULTS = Path(__file__).resolve().parent / "faults"
OURS = tuple(Path(__file__).with_name(name) for name in ("prove.py", "proof.py", "jobs.py"))


def read_fault(name: str) -> Mutant:
    """A named fault: one of ``tb/mutants``, or one that only a proof needs, of ``tb/formal/faults``.

    Raises
    ------
    LockstepError
        When it is in neither folder, or is no patch.
    """
    for folder in (PATCHES, FAULTS):
        if (folder / f"{name}.patch").is_file():
            return read_mutant(folder / f"{name}.patch")
    raise LockstepError(f"there is no fault {name!r}; expected a patch in tb/mutants or tb/formal/faults")


def jobs_of(
    proof: Proof,
    rtl: Mapping[str, str],
    tools: Mapping[str, Tool],
    out: Path,
    variants: Sequence[int] | None = None,
    faults: Sequence[str] | None = None,
) -> list[Job]:
    """The pieces of one proof.

    Parameters
    ----------
    proof : Proof
    rtl : mapping
        Sources by module.
    tools : mapping
        As `tb.formal.prove.find_tools` gives them.
    out : Path
        Folder for models, logs, traces and results.
    variants, faults : sequences, optional
        Only these.

    Returns
    -------
    list of Job
        Of groups ``proof`` and ``fault``. An error of the first is a counterexample or a tool that failed; of the
        second, a fault that was not found.

    Raises
    ------
    LockstepError
        When the proof is about a block that is not there, or a fault does not apply.
    """
    if proof.block not in rtl:
        raise LockstepError(f"proof {proof.name} is about rtl/{proof.block}.v, which is not there (any more)")
    versions = [f"{tool.name} {tool.source} {tool.version}" for tool in tools.values()]
    ours = [proof.path.read_text(), *(path.read_text() for path in OURS)]
    work = []

    def job(group: str, name: str, parameters: Parameters, sources: Mapping[str, str]) -> Job:
        used = {module: sources[module] for module in sorted(contained(proof.block, sources))}
        told = [proof.method, proof.depth, proof.cover, proof.boxes, dict(parameters)]
        folder = out / proof.name / name
        do = _prove if group == "proof" else _refute
        return Job(
            f"{proof.name}/{name}",
            group,
            proof.block,
            proof.method,
            folder,
            "\0".join([group, repr(told), *used.values(), *ours, *versions]),
            partial(do, proof, parameters, used, tools, folder),
            {"proof": proof.name, "parameters": dict(parameters)},
        )

    for index in range(len(proof.variants)) if variants is None else variants:
        parameters = proof.variants[index]
        work.append(job("proof", title(parameters), parameters, rtl))
    for name in proof.faults if faults is None else faults:
        parameters = proof.variants[proof.faults[name]]
        work.append(job("fault", name, parameters, mutate(read_fault(name), rtl)))
    return work


def _prove(
    proof: Proof, parameters: Parameters, rtl: Mapping[str, str], tools: Mapping[str, Tool], folder: Path
) -> Mapping[str, Any]:
    """All questions of a variant; every one must hold."""
    translate(proof, parameters, rtl, tools, folder)
    questions = {"base": proof.depth, "induction": proof.depth, "cover": proof.cover}
    if proof.method != "induction":
        del questions["induction"]
    for question, depth in questions.items():
        verdict = ask(tools, folder, question, depth)
        if not verdict.holds:
            if question == "induction":  # a run from the reset says more than a step from a state that may not occur
                longer = ask(tools, folder, "base", proof.from_reset)
                question, verdict = ("induction", verdict) if longer.holds else ("base", longer)
            what = {"base": "fails", "induction": "is not inductive", "cover": "is never reached"}[question]
            trace = f"; counterexample {verdict.trace}" if verdict.trace else f"; see {folder}"
            raise ToolError(f"{verdict.place} {what}{trace}")
    return {"questions": list(questions)}


def _refute(
    proof: Proof, parameters: Parameters, rtl: Mapping[str, str], tools: Mapping[str, Tool], folder: Path
) -> Mapping[str, Any]:
    """A fault: a run from the reset must exist that breaks an assertion."""
    translate(proof, parameters, rtl, tools, folder)
    verdict = ask(tools, folder, "base", proof.from_reset)
    if verdict.holds:
        raise ToolError(f"the fault is not found within {proof.from_reset} cycles; see {folder}")
    return {"found": verdict.place}
