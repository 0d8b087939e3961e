"""Yosys turns a property module and its block into SMT-LIB; yosys-smtbmc and the solver prove or refute it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from tb.common.tools import Tool, ToolError, find
from tb.formal.proof import Parameters, Proof, joints

SOLVER = "yices-smt2"
LIMIT_SECONDS = 900.0
WHERE = re.compile(r"(?:Assert failed in|Unreached cover statement at) [^:]*:? ?(?P<place>\S+\.v:\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """How a question to the solver ended: `holds`, else `place`, the statement that does not, and `trace`, a VCD."""

    holds: bool
    place: str = ""
    trace: Path | None = None


def find_tools(choice: str | None = None) -> dict[str, Tool]:
    """Yosys, yosys-smtbmc and the solver, by name.

    Raises
    ------
    LockstepError
        When one is missing.
    """
    yosys = find("yosys", choice)
    smtbmc = Tool("yosys-smtbmc", f"{yosys.program}-smtbmc", yosys.source, yosys.version)  # it does not tell its own
    if not Path(smtbmc.program).exists():
        raise LockstepError(f"{smtbmc.program} is not installed; it comes with Yosys")
    beside = str(Path(sys.executable).parent / SOLVER)
    found = {"pypi": shutil.which(beside), "native": shutil.which(SOLVER)}
    for source in ("pypi", "native") if choice is None else (choice,):
        program = found[source]
        if program is not None:
            told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout
            return {"yosys": yosys, "smtbmc": smtbmc, "solver": Tool(SOLVER, program, source, told.splitlines()[0])}
    raise LockstepError(f"{SOLVER} is not {'on PATH' if choice == 'native' else 'installed'}; run `make setup-formal`")


def script(
    top: str,
    parameters: Parameters,
    sources: Sequence[str],
    boxes: Sequence[str],
    inside: Sequence[tuple[str, str]],
) -> str:
    """The Yosys commands that write ``model.smt2``: elaborated, flattened, the joints made, memories as registers."""
    values = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    steps = [
        f"read_verilog -formal -sv -DSYNTHESIS {' '.join(sources)}",
        f"hierarchy -check -top {top} {values}",
        f"rename -top {top}",
        *(f"blackbox *{box}*" for box in boxes),
        *([f"hierarchy -top {top}"] if boxes else []),
        "proc",
        "flatten",
        *(["cutpoint -blackbox"] if boxes else []),
        "memory_collect",
        "memory_map",
        *(f"connect -nounset -set {wire} {signal}" for wire, signal in inside),
        "setundef -undriven -anyseq",  # what has no value may have any
        "async2sync",
        "chformal -lower",
        "dffunmap",
        "opt_clean",
        "check -assert",
        "write_smt2 -wires model.smt2",
    ]
    return "\n".join(steps) + "\n"


def translate(
    proof: Proof, parameters: Parameters, rtl: Mapping[str, str], tools: Mapping[str, Tool], folder: Path
) -> None:
    """Write ``model.smt2`` into `folder`.

    Parameters
    ----------
    proof : Proof
    parameters : mapping
        The variant's.
    rtl : mapping
        Sources of the block and of those below it, by module; a fault may be in one.
    tools : mapping
        As `find_tools` gives them.
    folder : Path

    Raises
    ------
    ToolError
        When Yosys refuses.
    """
    inside = joints(proof.path.read_text(), parameters)
    sources = {**rtl, proof.top: proof.path.read_text()}
    write_model(sources, proof.top, tools, folder, parameters, boxes=proof.boxes, inside=inside)


def write_model(
    sources: Mapping[str, str],
    top: str,
    tools: Mapping[str, Tool],
    folder: Path,
    parameters: Parameters | None = None,
    *,
    boxes: Sequence[str] = (),
    inside: Sequence[tuple[str, str]] = (),
) -> None:
    """Write ``model.smt2`` of any property module into `folder`, which is emptied first.

    Parameters
    ----------
    sources : mapping
        By module, `top` among them.
    top : str
        The property module.
    tools : mapping
        As `find_tools` gives them.
    folder : Path
    parameters : mapping, optional
        Values for parameters of `top`.
    boxes, inside : sequences
        As a `Proof` has them.

    Raises
    ------
    ToolError
        When Yosys refuses.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "src").mkdir(parents=True)
    names = []
    for module, source in sources.items():
        names.append(f"src/{module}.v")
        (folder / names[-1]).write_text(source)
    (folder / "model.ys").write_text(script(top, parameters or {}, names, boxes, inside))
    tools["yosys"].run(["-Q", "-T", "-s", "model.ys"], folder, "yosys.log")


def _children(process: int) -> list[int]:
    """Processes that `process` has started, where the system tells (Linux)."""
    told = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in told.read_text().split()] if told.is_file() else []


def ask(tools: Mapping[str, Tool], folder: Path, question: str, depth: int, limit: float = LIMIT_SECONDS) -> Verdict:
    """Ask one question about ``model.smt2``.

    Parameters
    ----------
    tools : mapping
    folder : Path
    question : {"base", "induction", "cover"}
        No assertion fails in the first `depth` cycles; if none fails in `depth` cycles in a row, none does in the next;
        every cover statement is reached within `depth` cycles.
    depth : int
    limit : float
        Seconds that the answer may take.

    Raises
    ------
    ToolError
        When the solver gives no answer, or the assumptions contradict each other.
    """
    options = {"base": ["--presat"], "induction": ["-i"], "cover": ["-c"]}[question]
    trace = folder / f"{question}.vcd"
    log = folder / f"{question}.log"
    program = [tools["smtbmc"].program, "-s", "yices", "--noprogress", *options, "-t", str(depth)]
    path = {"PATH": f"{Path(tools['solver'].program).parent}:/usr/bin:/bin"}
    dump = ["--dump-vcd", trace.name] if question != "cover" else []
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [*program, *dump, "model.smt2"],
            cwd=folder,
            env=path,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as done,
    ):
        try:
            done.wait(limit)
        except subprocess.TimeoutExpired as error:
            solvers = _children(done.pid)  # they would go on
            done.kill()
            for solver in solvers:
                with suppress(ProcessLookupError):
                    os.kill(solver, signal.SIGKILL)
            raise ToolError(f"no answer after {limit:.0f} s; see {log}") from error
    text = log.read_text(errors="replace")
    if done.returncode == 0 and "Status: PASSED" in text:
        return Verdict(True)
    if "Status: FAILED" not in text:
        words = "the assumptions contradict each other" if "PREUNSAT" in text else text.strip().splitlines()[-1:]
        raise ToolError(f"{question}: {words}; see {log}")
    found = WHERE.search(text)
    return Verdict(False, found["place"].removeprefix("src/") if found else "?", trace if trace.exists() else None)
