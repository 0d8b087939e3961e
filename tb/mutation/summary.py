"""What a campaign comes to: rates by module, and every mutant that lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tb.mutation.netlist import Mutation
from tb.mutation.subject import Subject

Entry = dict[str, Any]


def entry(
    each: Subject, number: int, mutation: Mutation, by: Mapping[str, Any] | None, proof: Mapping[str, Any] | None
) -> Entry:
    """One mutant: where it is, what it does, and what became of it.

    Parameters
    ----------
    each : Subject
    number : int
    mutation : Mutation
    by : mapping or None
        The verdict that killed it.
    proof : mapping or None
        Of one that no test killed: what `tb.mutation.equivalence.compare` says, or an ``error``.
    """
    verdict = "killed" if by else "undecided" if proof is None or proof["error"] else str(proof["verdict"])
    return {
        "module": each.module,
        "subject": each.name,
        "parameters": dict(each.parameters),
        "number": number,
        "place": f"rtl/{each.module}.v:{mutation.line}",
        "mode": mutation.mode,
        "wire": mutation.wire,
        "port": f"{mutation.cell}.{mutation.port}[{mutation.bit}]",
        "outcome": verdict,
        "by": None if by is None else {name: by[name] for name in ("stage", "test", "how", "message", "seconds")},
        "trace": proof.get("trace") if proof else None,
        "error": proof["error"] if proof else None,
    }


def totals(entries: Sequence[Entry]) -> Entry:
    """Counts and the rate: killed of the real ones, which are all but the equivalent."""
    killed = [each for each in entries if each["outcome"] == "killed"]
    equivalent = sum(each["outcome"] == "equivalent" for each in entries)
    real = len(entries) - equivalent
    return {
        "mutants": len(entries),
        "equivalent": equivalent,
        "real": real,
        "killed": len(killed),
        "rate": round(len(killed) / real, 4) if real else None,
        "killed_by": {
            how: sum(each["by"]["how"] == how for each in killed) for how in ("comparison", "assertion", "error")
        },
        "undecided": sum(each["outcome"] == "undecided" for each in entries),
    }


def survivors(entries: Sequence[Entry]) -> list[Entry]:
    """The real ones that no test killed."""
    return [each for each in entries if each["outcome"] not in ("killed", "equivalent")]


def line(each: Entry) -> str:
    """A survivor for people: ``rtl/fifo.v:30 full_o[0] const1 in fifo_5_3, number 7: different``."""
    wire = f" {each['wire']}" if each["wire"] else ""
    return f"{each['place']}{wire} {each['mode']} in {each['subject']}, number {each['number']}: {each['outcome']}"
