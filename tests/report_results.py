"""Results for `make report` to show, made up, and the dump of an array that holds what it is told."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "br", "hr", "img", "input", "link"}
SHA = "ab" * 32


def layer(name: str, macs: int, pixels: int, waiting: int, **changes: Any) -> dict[str, Any]:
    cycles = pixels + waiting + 33
    entry = {
        "name": name,
        "dataflow": "ws",
        "macs": macs,
        "pixels": pixels,
        "waiting": waiting,
        "filling": 33,
        "cycles": cycles,
    }
    entry |= {"predicted_cycles": cycles, "floor": -(-macs // 64), "scale_sim": 2 * pixels + 7, "writes": 5}
    return entry | {"psum_range": [-300, 211], "seconds": 1.5} | changes


def network(net: str = "vgg16", **changes: Any) -> dict[str, Any]:
    layers = [layer("features.0", 9216, 768, 3), layer("features.3", 147456, 2304, 4), layer("classifier", 320, 8, 44)]
    cycles, macs = (sum(entry[name] for entry in layers) for name in ("cycles", "macs"))
    result = {"passed": True, "net": net, "graph_sha256": SHA, "image": "sample", "whole": True, "simulator": "icarus"}
    result |= {"image_given": "sample", "stall": 0, "checks": False}
    result |= {"layers_run": ["features.0", "classifier"], "input": "fold", "mismatches": 0, "class": "frog"}
    result |= {"engine": {"Rows": 8, "Cols": 8, "PsumWidth": 14}, "checked_activations": 7654321, "cycles": cycles}
    result |= {"macs": macs, "utilization": macs / cycles / 64, "cycles_per_second": 1234.5, "layers": layers}
    result |= {"make": f"make network NET={net} SIM=icarus STALL=9"}
    return result | changes


def train(net: str = "vgg16", **changes: Any) -> dict[str, Any]:
    result = {"passed": True, "net": net, "run": net, "integer_accuracy": 0.8787, "fake_quant_accuracy": 0.8765}
    result |= {"float_accuracy": 0.8606, "test_images": 9999, "codes_compared": 42729472, "codes_differing": 0}
    result |= {"fake_quant_accuracy_float64": {"images": 256, "accuracy": 0.875}, "graph_sha256": SHA, "device": "cpu"}
    recipe = {"seed": 17, "weight_bits": 4, "act_bits": 4, "float": {"epochs": 31}, "qat": {"epochs": 19}}
    result |= {"recipe": recipe, "data_sha256": SHA, "make": f"make train NET={net} SEED=17"}
    return result | {"training_seconds": 5000.5, "versions": {"torch": "2.15.0"}} | changes


def evaluate(net: str = "vgg16", **changes: Any) -> dict[str, Any]:
    result = {"passed": True, "net": net, "accuracy": 0.75, "right": 30, "images": 40, "test_images": 40}
    result |= {"recorded_accuracy": 0.75, "right_by_class": {"cat": [13, 20], "frog": [17, 20]}, "graph_sha256": SHA}
    result |= {"make": f"make evaluate NET={net} IMAGES=40"}
    return result | {"probes": {"images": 8, "differing_logits": 0}, "images_per_second": 28.25} | changes


def sim(**changes: Any) -> dict[str, Any]:
    result = {"passed": True, "checked_psums": 4608, "expected_psums": 4608, "checked_outputs": 255, "mismatches": 0}
    result |= {"expected_outputs": 255, "registers": {"array": [8, 8], "passed": True}, "cycles": 718, "macs": 36864}
    result |= {"simulator": "Icarus Verilog 11.0", "vectors": "vectors/vgg16/features.27/imgsample", "waves": None}
    result |= {"breakdown": {"load": 4, "fill_and_drain": 15, "pixels": 576, "bubbles": 0, "accumulation": 123}}
    return result | {"utilization": 0.9746, "stream_cycles": 591} | changes


def random(**changes: Any) -> dict[str, Any]:
    result = {
        "passed": True,
        "draws": 201,
        "seed": 3,
        "first": 0,
        "failed": [],
        "checked_values": 65151,
        "simulator": "icarus",
        "make": "make random N=201 SIM=icarus SEED=3",
    }
    return result | changes


def regress(**changes: Any) -> dict[str, Any]:
    def counts(jobs: int, failed: int) -> dict[str, Any]:
        return {"jobs": jobs, "failed": failed, "values": 31 * jobs, "cycles": 1009 * jobs, "seconds": 0.5 * jobs}

    result = {"passed": True, **counts(7, 0), "failed": [], "kept": 2, "retried": 1, "workers": 3, "only": None}
    result |= {"by_mode": [{"mode": "ws", **counts(5, 0)}, {"mode": "os", **counts(2, 0)}], "simulator": "icarus"}
    places = (("conv", "ws", 4), ("drawn, 4x4", "ws", 1), ("conv", "os", 2))
    result |= {"by_layer": [{"layer": layer, "mode": mode, **counts(jobs, 0)} for layer, mode, jobs in places]}
    result |= {"left_out": [{"layer": "sum", "mode": "os", "why": "several maps"}], "on": "3 processes here"}
    return result | {"make": "make regress NET=tiny IMAGES=2 DRAWS=1"} | changes


def mutants(**changes: Any) -> dict[str, Any]:
    result = {"passed": True, "killed": 72, "mutants": 72, "survived": [], "errors": [], "complete": True}
    return result | {"baseline_failures": []} | changes


def mutation(**changes: Any) -> dict[str, Any]:
    result = {"passed": True, "complete": True, "mutants": 1003, "equivalent": 21, "real": 982, "killed": 982}
    return (
        result
        | {"make": "make mutation MODULE=pool", "survivors": [], "errors": [], "asked": 1000, "seed": 1}
        | changes
    )


def formal(**changes: Any) -> dict[str, Any]:
    proofs = [{"name": "fifo_order", "method": "induction"}, {"name": "engine_ends", "method": "bounded"}]
    result = {"passed": True, "complete": True, "proofs": proofs, "variants": 51, "faults": 27, "errors": []}
    return result | changes


def coverage(**changes: Any) -> dict[str, Any]:
    kinds = {
        "line": {"places": 20, "met": 20, "waived": 0},
        "branch": {"places": 31, "met": 29, "waived": 2},
        "toggle": {"places": 805, "met": 798, "waived": 7},
    }
    result = {"passed": True, "only": None, "failed": [], "modules": {"fifo": kinds}, "totals": kinds, "holes": []}
    result |= {"shares": dict.fromkeys(kinds, 1.0), "points": {"fifo: full": 30}, "missed_points": []}
    waiver = {"waiver": "fifo, toggle 'unused*'", "reason": "a constant", "places": 9}
    return result | {"waivers": [waiver], "waiver_errors": []} | changes


def synth(**changes: Any) -> dict[str, Any]:
    flows = {"generic": {"error": None, "gates": 173, "flip_flops": 41, "memory_bits": 6}}
    flows |= {name: {"error": None, "luts": 76, "flip_flops": 42, "brams": 2} for name in ("ice40", "ecp5")}
    placed = {"flow": "ecp5", "device": "85k", "rows": 8, "cols": 8, "error": None, "mhz": 88.5}
    result = {"passed": True, "complete": True, "blocks": {"mac_tile": flows}, "tools": {"yosys": {"version": "0.70"}}}
    result |= {"fmax": [placed | {"used": 9001, "available": 83640}], "per_pe": {"generic": {"gates": 170.5}}}
    return result | {"gate_level": {"passed": True, "tests": 7, "rows": 8, "cols": 8}} | changes


def tradeoff(net: str = "vgg16", **changes: Any) -> dict[str, Any]:
    pe = {"error": None, "gates": 151, "flip_flops": 39, "luts": 72}
    entry = {"name": net, "accuracy": 0.8831, "weights": ["int4"], "act_bits": 4, "psum_bits": 18, "cycles": 7400}
    entry |= {"pe_generic": pe, "pe_ice40": pe, "pe_ecp5": pe | {"luts": 103}, "clock": {"error": None, "mhz": 107.5}}
    gates = {"error": None, "values": 2345, "toggles": 28535136}
    entry |= {"microseconds": 68.8, "toggles_per_mac": 68.75, "gates": gates}
    other = entry | {"name": f"{net}_pot4", "accuracy": 0.8765, "weights": ["pot4"], "pe_generic": pe | {"gates": 122}}
    other |= {"gates": {"error": None, "values": 655, "toggles": 1}, "toggles_per_mac": 55.5}
    return {"passed": True, "errors": [], "net": net, "networks": [entry, other]} | changes


def c(net: str = "micro_pot4", **changes: Any) -> dict[str, Any]:
    result = {"passed": True, "error": None, "net": net, "target": "rv32ec", "weights": "mixed", "multiply": False}
    result |= {"instructions": {"mean": 654321, "least": 654000, "most": 655000}, "images": 21, "differing_logits": 0}
    result |= {"make": f"make c NET={net} TARGET=rv32ec WEIGHTS=mixed"}
    return result | {"flash_bytes": 7654, "ram_bytes": 599, "stack_bytes": 207} | changes


def fuzz(**changes: Any) -> dict[str, Any]:
    result = {"passed": True, "complete": True, "wanted": 2100, "seed": 9, "defects": [], "refusals": {"text": 1999}}
    result |= {"make": "make fuzz N=2100 SEED=9"}
    return result | {"examples": {"text": 2100, "bus": 105}, "seconds": 99.5} | changes


def c_proof(**changes: Any) -> dict[str, Any]:
    tally = {"programs": 27, "inferences": 270000, "chip_programs": 18, "chip_inferences": 180, "faults": 0}
    result = {"passed": True, "inputs": 10000, "seed": 1, "formats": {"int2": tally, "pot4": tally}, "faults": []}
    result |= {"make": "make c-proof FORMAT=pot4"}
    return result | {"inferences": 540000, "chip_inferences": 360} | changes


def tests(**changes: Any) -> dict[str, Any]:
    counts = {"passed": 1645, "failed": 0, "error": 0, "skipped": 1, "xfailed": 0}
    return {"passed": True, "tests": counts, "exit_status": 0, "seconds": 2500.0} | changes


def benchmark(**changes: Any) -> dict[str, Any]:
    speeds = {"comparing": 9100.5, "feeding": 9300.25}
    return {"passed": True, "simulator": "icarus", "cycles_per_second": speeds, "ratio": 0.979, "wanted": 0.9} | changes


def benchmark_train(**changes: Any) -> dict[str, Any]:
    speeds = {"float": 382.5, "qat": 331.25}
    return {"passed": True, "net": "vgg16", "images_per_second": speeds, "ratio": 1.155, "wanted": 1.25} | changes


EVERYTHING = {
    "network/vgg16": network,
    "train/vgg16": train,
    "evaluate/vgg16": evaluate,
    "sim": sim,
    "random": random,
    "regress": regress,
    "formal": formal,
    "coverage": coverage,
    "fuzz": fuzz,
    "mutants": mutants,
    "mutation": mutation,
    "synth": synth,
    "tradeoff/vgg16": tradeoff,
    "c/micro_pot4": c,
    "c-proof": c_proof,
    "test": tests,
    "benchmark": benchmark,
    "benchmark-train": benchmark_train,
    "setup": lambda: {"passed": True, "python": "3.11.7", "packages": {"numpy": "2.4.6"}},
}


def put(build: Path, place: str, result: object) -> Path:
    """Write a result file; text as it is."""
    path = build / place / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result if isinstance(result, str) else json.dumps(result))
    return path


def put_everything(build: Path, **changes: dict[str, Any]) -> None:
    """One result of every kind, a dump and an xUnit file; `changes` by the first word of the place."""
    for place, make in EVERYTHING.items():
        put(build, place, make() | changes.get(place.split("/")[0], {}))
    (build / "sim/core.vcd").write_text(dump(8, 8, [(16, 0), (16, 0)]))
    case = '<testcase classname="tb.core.test_core" name="a"/><testcase classname="tests.test_x" name="b"/>'
    (build / "test/junit.xml").write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")


def pixels(passes: list[tuple[int, int]]) -> list[tuple[bool, bool, int]]:
    """What enters PE (0, 0), by cycle: (valid, swap, pass); `passes` are (pixels, idle cycles behind them)."""
    found = []
    for number, (count, gap) in enumerate(passes):
        found += [(True, index == 0, number) for index in range(count)] + [(False, False, -1)] * gap
    return found


def dump(rows: int, cols: int, passes: list[tuple[int, int]], stuck: tuple[int, int] | None = None) -> str:
    """The VCD of an array that `passes` cross; the flag of the PE `stuck` stays 0. Up to the reset all flags are 1."""
    entering, out = pixels(passes), ["$date now $end $timescale 1ns $end", "$scope module core $end"]
    out += ["$var wire 1 ! clk_i $end", "$scope module u_array $end"]
    codes = {}
    for r in range(rows):
        for c in range(cols):
            codes[r, c] = (f"v{r}.{c}", f"s{r}.{c}")
            scopes = (f"begin gen_row[{r}]", "module u_row", f"begin gen_col[{c}]", "module u_tile")
            out += [f"$scope {scope} $end" for scope in scopes] + [
                "$var wire 1 ! clk_i $end",
                "$var wire 1 R rst_ni $end",
            ]
            out += [
                f"$var reg 1 {code} {name} $end" for code, name in zip(codes[r, c], ("valid_q", "swap_q"), strict=True)
            ]
            out += ["$upscope $end"] * len(scopes)
    out += ["$upscope $end $upscope $end $enddefinitions $end", "#0", "$dumpvars", "0!", "0R"]
    out += [f"1{code}" for pair in codes.values() for code in pair] + ["$end"]
    for edge in range(len(entering) + rows + cols + 4):
        out += [f"#{10 * edge + 5}", "1!"]
        for (r, c), names in codes.items():  # what came in with the cycle that ends here
            index = edge - 2 - r - c
            valid, swap, _ = entering[index] if 0 <= index < len(entering) else (False, False, -1)
            flags = (False, False) if (r, c) == stuck else (valid, swap)
            out += [f"{int(flag)}{name}" for flag, name in zip(flags, names, strict=True)]
        out += [f"#{10 * edge + 10}", "0!", "1R"]
    return "\n".join(out) + "\n"


class Page(HTMLParser):
    """A page read strictly: every tag closed in order; its figures, tables, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.tables: dict[str, list[list[tuple[str, list[float]]]]] = {}
        self.values: list[float] = []
        self._label = ""
        self.feed(source)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if given.get("role") == "region":
            self._label = str(given["aria-label"])
            self.tables.setdefault(self._label, [])
        if tag == "tr":
            self.tables[self._label].append([])
        if tag in ("td", "th"):
            self.tables[self._label][-1].append(("", []))
        if tag == "data":
            self.values.append(float(str(given["value"])))
            if "td" in self.open or "th" in self.open:
                self.tables[self._label][-1][-1][1].append(self.values[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))  # <path .../>

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if "td" in self.open or "th" in self.open:
            told, values = self.tables[self._label][-1][-1]
            self.tables[self._label][-1][-1] = (told + data, values)

    @property
    def shown(self) -> str:
        """All text."""
        return "".join(self.text)

    def row(self, table: str, head: str) -> list[tuple[str, list[float]]]:
        """The row that begins with `head`."""
        return next(row for row in self.tables[table] if row[0][0] == head)
