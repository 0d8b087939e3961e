"""The section on what was checked: one line a result, with its verdict, its counts and the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from model.errors import LockstepError
from scripts.reporting import junit
from scripts.reporting.markup import NOTHING, badge, code, figure, percent, table, text, unreadable
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section

ORDER = (
    *(
        "sim",
        "network",
        "random",
        "regress",
        "formal",
        "coverage",
        "fuzz",
        "mutants",
        "mutation",
        "synth",
        "tradeoff",
        "c",
        "c-proof",
        "test",
        "evaluate",
        "train",
    ),
    *("benchmark", "benchmark-train"),
)
SHOWN = 20  # failing tests by name
HEAD = ("check", "verdict", "what was compared", "command", "written")


def section(found: Mapping[str, list[Source]], broken: Mapping[str, str]) -> Section:
    """The section; `broken` is what the others could not use, by title: such a result is not called good here."""
    made = Section("verification", "What was checked")
    rows = []
    for source in [source for target in ORDER for source in found[target]]:
        if source.missing:
            made.absent.append((source.title, source.make))
            rows.append([text(source.title), badge(None, "no result"), NOTHING, code(source.make), NOTHING])
            continue
        mark = badge(source.verdict)
        try:
            problem = broken.get(source.title, source.problem)
            if source.fields is None or problem:
                raise LockstepError(problem)
            told = SAYS[source.kind.name](source.fields)
            made.data += 1
        except LockstepError as error:
            mark, told = badge(False, "UNREADABLE"), text(error)
            made.broken[source.title] = str(error)
        rows.append([text(source.title), mark, told, code(source.command), text(source.written)])
    made.add(table("What was checked", HEAD, rows, left=len(HEAD)))
    (tests,) = found["test"]
    xunit = tests.path.with_name("junit.xml")
    if xunit.is_file():
        made.add(_folders(xunit, made))
    return made


def failing(found: Mapping[str, list[Source]]) -> list[str]:
    """Results that are there, can be read, and did not pass."""
    return [
        source.title
        for target in ORDER
        for source in found[target]
        if source.fields is not None and source.verdict is False
    ]


def _folders(xunit: Path, made: Section) -> str:
    """The tests by folder, and the names of those that fail."""
    try:
        tests = junit.read(xunit)
    except LockstepError as error:
        made.broken[xunit.name] = str(error)
        return unreadable(str(error))
    kinds = ("passed", "failed", "skipped")
    rows = [[text(name), *(figure(count[kind]) for kind in kinds)] for name, count in sorted(tests.counts.items())]
    foot = ["all", *(figure(tests.total[kind]) for kind in kinds)]
    names = "".join(f"<li>{code(name)}</li>" for name in tests.failing[:SHOWN])
    more = f"<p>and {len(tests.failing) - SHOWN} more</p>" if len(tests.failing) > SHOWN else ""
    told = (
        f'<div class="box broken"><p>{badge(False)} these tests fail:</p><ul>{names}</ul>{more}</div>' if names else ""
    )
    inner = table("Tests by folder", ("folder", *kinds), rows, foot)
    return f"{told}<details><summary>Tests by folder ({code(xunit.name)})</summary>{inner}</details>"


def _sim(fields: Fields) -> str:
    if "stopped" in fields:
        return f"the simulation broke off: {text(fields.text('stopped'))}"
    pairs = [
        f"{figure(fields.whole(f'checked_{what}'))} of {figure(fields.whole(f'expected_{what}'))} {what}"
        for what in ("psums", "outputs")
    ]
    registers = ""
    if "registers" in fields:
        rows, cols = fields.object("registers").array("array")
        registers = f"; every register of {text(rows)}x{text(cols)} PEs at every edge: "
        registers += "equal" if fields.object("registers").flag("passed") else badge(False)
    return f"{', '.join(pairs)}, {figure(fields.whole('mismatches'))} mismatches{registers}"


def _network(fields: Fields) -> str:
    values, mismatches = fields.whole("checked_activations"), fields.whole("mismatches")
    part = "" if fields.flag("whole") else f", layers {text(' to '.join(map(str, fields.array('layers_run'))))} only"
    return f"{figure(values)} activations and logits, {figure(mismatches)} mismatches{part}{_broken_off(fields)}"


def _random(fields: Fields) -> str:
    failed = fields.array("failed")
    told = f"; failed: {text(', '.join(map(str, failed[:SHOWN])))}" if failed else ""
    return (
        f"{figure(fields.whole('draws'))} drawn layers, {figure(fields.whole('checked_values'))} values, "
        f"{figure(len(failed))} draws wrong{told}{_broken_off(fields)}"
    )


def _regress(fields: Fields) -> str:
    failed = [part.text("job") for part in fields.objects("failed")]
    told = f"; failed: {text(', '.join(failed[:SHOWN]))}" if failed else ""
    part = f", {text(fields.text('only'))} alone" if "only" in fields else ""
    return (
        f"{figure(fields.whole('jobs'))} jobs, {figure(fields.whole('values'))} values, "
        f"{figure(fields.whole('cycles'))} cycles, {figure(len(failed))} jobs failed{part}{told}"
    )


def _broken_off(fields: Fields) -> str:
    """The first line of what ended the simulation before its end, if something did."""
    error = fields.maybe_text("error")
    return f"; {text(error.splitlines()[0])}" if error else ""


def _formal(fields: Fields) -> str:
    proofs = fields.objects("proofs")
    bounded = [entry.text("name") for entry in proofs if entry.text("method") == "bounded"]
    part = "" if fields.flag("complete") else ", not all of them tried"
    told = f"; to a depth only: {text(', '.join(bounded[:SHOWN]))}" if bounded else ""
    return (
        f"{figure(len(proofs))} properties proved for all inputs in {figure(fields.whole('variants'))} variants{part}, "
        f"{figure(fields.whole('faults'))} faults refuted{told}"
    )


def _coverage(fields: Fields) -> str:
    shares = fields.object("shares")
    told = ", ".join(f"{text(kind)} {percent(shares.number(kind))}" for kind in shares)
    part = f", of {text(fields.text('only'))} alone" if "only" in fields else ""
    return f"{told}; {figure(len(fields.array('holes')))} places not met{part}"


def _mutants(fields: Fields) -> str:
    left = [str(name) for name in [*fields.array("survived"), *fields.array("errors")]]
    told = f"; not caught: {text(', '.join(left[:SHOWN]))}" if left else ""
    part = "" if fields.flag("complete") else ", not all of them tried"
    return f"{figure(fields.whole('killed'))} of {figure(fields.whole('mutants'))} faults caught{part}{told}"


def _mutation(fields: Fields) -> str:
    left = [f"{each.text('place')} {each.text('mode')}" for each in fields.objects("survivors")]
    told = f"; not caught: {text(', '.join(left[:SHOWN]))}" if left else ""
    part = "" if fields.flag("complete") else ", not of all modules"
    return (
        f"{figure(fields.whole('killed'))} of {figure(fields.whole('real'))} drawn mutants killed{part}, "
        f"{figure(fields.whole('equivalent'))} more proved to be the original{told}"
    )


def _synth(fields: Fields) -> str:
    if "gate_level" not in fields:
        return f"{figure(len(list(fields.object('blocks'))))} blocks synthesized; no test on gates"
    return f"{figure(fields.object('gate_level').whole('tests'))} tests of the array on its gates"


def _tradeoff(fields: Fields) -> str:
    entries = fields.objects("networks")
    runs = [
        entry.object("gates").whole("values")
        for entry in entries
        if "gates" in entry and "values" in entry.object("gates")
    ]
    return (
        f"{figure(sum(runs))} activations and logits of {figure(len(runs))} of {figure(len(entries))} formats "
        "with the array as gates"
    )


def _fuzz(fields: Fields) -> str:
    examples, defects = fields.object("examples"), fields.array("defects")
    told = f"; {text(defects[0])}" if defects else ""
    part = "" if fields.flag("complete") else ", of one reader only"
    count, readers = sum(examples.whole(name) for name in examples), len(list(examples))
    return f"{figure(count)} examples, {figure(readers)} readers and buses{part}, {figure(len(defects))} defects{told}"


def _c(fields: Fields) -> str:
    told = f"{figure(fields.whole('images'))} inputs, {figure(fields.maybe('differing_logits'))} logits differ"
    return f"{told}; {text(fields.text('target'))}{_broken_off(fields)}"


def _c_proof(fields: Fields) -> str:
    formats = fields.object("formats")
    faults = fields.array("faults")
    told = f"; {text(faults[0])}" if faults else ""
    return (
        f"{figure(len(list(formats)))} formats, {figure(fields.whole('inferences'))} inferences here and "
        f"{figure(fields.whole('chip_inferences'))} on RV32EC, {figure(len(faults))} programs faulty{told}"
    )


def _test(fields: Fields) -> str:
    counts = fields.object("tests")
    return ", ".join(f"{figure(counts.whole(kind))} {text(kind)}" for kind in counts if counts.whole(kind)) or "no test"


def _evaluate(fields: Fields) -> str:
    return (
        f"{figure(fields.whole('right'))} of {figure(fields.whole('images'))} images right in integers; "
        f"the graph states {percent(fields.maybe('recorded_accuracy'))}"
    )


def _train(fields: Fields) -> str:
    differ = fields.maybe("codes_differing") if "codes_differing" in fields else fields.maybe("differing_codes")
    of = fields.maybe("codes_compared") if "codes_compared" in fields else fields.maybe("codes")
    return f"{figure(differ)} of {figure(of)} codes differ between fake-quant network and graph"


def _benchmark(fields: Fields) -> str:
    if "cycles_per_second" not in fields:
        return f"no ratio{_broken_off(fields)}"
    speeds = fields.object("cycles_per_second")
    told = ", ".join(f"{text(name)} {figure(speeds.number(name))}" for name in speeds)
    ratio, wanted = figure(fields.number("ratio")), figure(fields.number("wanted"))
    return f"cycles a second: {told}; ratio {ratio}, wanted {wanted} or more"


def _benchmark_train(fields: Fields) -> str:
    speeds = fields.object("images_per_second")
    told = ", ".join(f"{text(name)} {figure(speeds.number(name))}" for name in speeds)
    ratio, wanted = figure(fields.number("ratio")), figure(fields.number("wanted"))
    return f"images a second: {told}; a QAT step takes {ratio} times a float one, wanted {wanted} at most"


SAYS: dict[str, Callable[[Fields], str]] = {
    "sim": _sim,
    "network": _network,
    "random": _random,
    "regress": _regress,
    "formal": _formal,
    "coverage": _coverage,
    "fuzz": _fuzz,
    "mutants": _mutants,
    "mutation": _mutation,
    "synth": _synth,
    "tradeoff": _tradeoff,
    "c": _c,
    "c-proof": _c_proof,
    "test": _test,
    "evaluate": _evaluate,
    "train": _train,
    "benchmark": _benchmark,
    "benchmark-train": _benchmark_train,
}
