"""A mutant on trial: its sources, its simulations, and a result that outlives an interrupted run.

A result is kept beside the mutant's sources under a key, the hash of everything it depends on: the RTL with the fault
in it, the patch, the tests and the golden model, the stages, the simulator and the seed. Errors are not kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_json, write_json
from tb.mutants.patches import Mutant
from tb.mutants.stage import Kind, Stage, Verdict, depends, run_stage
from tb.mutants.stages import stages_of

Result = dict[str, Any]


def mutate(mutant: Mutant, rtl: Mapping[str, str]) -> dict[str, str]:
    """`rtl` with one fault in it.

    Raises
    ------
    LockstepError
        When the patch does not apply.
    """
    if mutant.module not in rtl:
        raise LockstepError(f"{mutant.path} does not apply: there is no rtl/{mutant.module}.v (any more)")
    return {**rtl, mutant.module: mutant.apply(rtl[mutant.module])}


@dataclass(frozen=True)
class Trial:
    """A mutant, its sources and the folder of its results; or, with `mutant` None, one stage on the RTL as it is."""

    mutant: Mutant | None
    rtl: Mapping[str, str]
    stages: Sequence[Stage]
    folder: Path
    surroundings: str
    checks: bool = True

    @property
    def key(self) -> str:
        """Hash of everything that the result depends on."""
        patch = self.mutant.path.read_text(encoding="utf-8") if self.mutant else None
        ours = Path(__file__).read_text(encoding="utf-8")
        told = [patch, dict(self.rtl), [asdict(stage) for stage in self.stages], self.surroundings, self.checks, ours]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def run(self) -> Result:
        """The kept result, if it is this trial's; else simulate, and keep what comes out.

        Raises
        ------
        LockstepError
            When there is no simulator, or the folder cannot be written.
        """
        kept = self.folder / "result.json"
        key = self.key
        if kept.is_file():
            try:
                result = read_json(kept)
            except LockstepError:
                result = None  # cut short or not ours: made again
            if isinstance(result, dict) and result.get("key") == key:
                return {**result, "kept": True}
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "rtl").mkdir(parents=True)
        for module, source in self.rtl.items():
            (self.folder / "rtl" / f"{module}.v").write_text(source, encoding="utf-8")
        result = {"key": key, **(self._judge() if self.mutant else self._hold())}
        if result["outcome"] != "error":
            write_json(kept, result)
        return {**result, "kept": False}

    def _simulate(self, checks: bool) -> list[Verdict]:
        """Stage after stage, up to the first that does not pass."""
        verdicts: list[Verdict] = []
        for stage in self.stages:
            folder = self.folder / ("checks" if checks else "plain") / stage.name
            verdicts.append(run_stage(stage, self.folder / "rtl", folder, checks))
            if verdicts[-1].kind is not Kind.PASSED:
                break
        return verdicts

    def _hold(self) -> Result:
        """The RTL as it is: passed only if every stage passes."""
        verdicts = self._simulate(self.checks)
        last = verdicts[-1]
        outcome = {Kind.PASSED: "passed", Kind.ERROR: "error"}.get(last.kind, "failed")
        seconds = round(sum(verdict.seconds for verdict in verdicts), 2)
        return {"outcome": outcome, "checks": self.checks, "last": told(last), "seconds": seconds}

    def _judge(self) -> Result:
        """Who catches the mutant, with SIM_CHECKS and without.

        A test that fails by comparison before any assertion has spoken fails in the same way without them, since the
        simulation is the same up to there: only when an assertion was first is there anything to run again.
        """
        assert self.mutant is not None
        verdicts = self._simulate(checks=True)
        caught = verdicts[-1]
        plain = caught
        if caught.kind is Kind.ASSERTION:
            again = self._simulate(checks=False)
            verdicts, plain = verdicts + again, again[-1]
        kinds = {caught.kind, plain.kind}
        outcome = "error" if Kind.ERROR in kinds else "survived" if caught.kind is Kind.PASSED else "killed"
        return {
            "name": self.mutant.name,
            "module": self.mutant.module,
            "fault": self.mutant.fault,
            "stands_for": self.mutant.stands_for,
            "outcome": outcome,
            "by": None if caught.kind is Kind.PASSED else told(caught),
            "by_without_checks": None if plain.kind is Kind.PASSED else told(plain),
            "stages": [verdict.stage.name for verdict in verdicts],
            "seconds": round(sum(verdict.seconds for verdict in verdicts), 2),
        }


def told(verdict: Verdict) -> Result:
    """A verdict for the result file."""
    stage = verdict.stage
    return {
        "block": stage.top,
        "tests": stage.tests,
        "parameters": dict(stage.parameters),
        "test": verdict.test,
        "how": verdict.kind.value,
        "message": verdict.message,
        "seconds": verdict.seconds,
    }


def trials(mutants: Sequence[Mutant], rtl: Mapping[str, str], out: Path) -> list[Trial]:
    """One trial a mutant.

    Raises
    ------
    LockstepError
        When a patch does not apply, or no stage contains the module it changes.
    """
    result = []
    for mutant in mutants:
        stages = stages_of(mutant.module, rtl)
        if not stages:
            raise LockstepError(f"{mutant.path}: no block under test contains rtl/{mutant.module}.v")
        result.append(Trial(mutant, mutate(mutant, rtl), stages, out / mutant.name, depends(stages, rtl)))
    return result


def baseline(chosen: Sequence[Trial], rtl: Mapping[str, str], out: Path) -> list[Trial]:
    """Every stage that `chosen` may run, on the RTL as it is, with SIM_CHECKS and without: all must pass."""
    stages = {stage.name: stage for trial in chosen for stage in trial.stages}
    return [
        Trial(None, rtl, [stage], out / ".baseline" / f"{name}_{folder}", depends([stage], rtl), checks)
        for name, stage in stages.items()
        for checks, folder in ((True, "checks"), (False, "plain"))
    ]
