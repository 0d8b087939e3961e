"""`make report`: a page that stands alone, says what the results say, names what is missing, calls nothing bad good."""

from __future__ import annotations

import doctest
import json
import re

import pytest

import scripts.reporting.results
import scripts.reporting.svg
from model.files import read_json
from scripts.report import main
from scripts.reporting.results import KINDS
from tests import report_results as made
from tests.report_results import Page, put, put_everything

HOSTILE = "<script>alert(1)</script>\"'&<b>\x00\x1b]]>-->"
SECTIONS = ["accuracy", "network", "wavefront", "area", "tradeoff", "c", "regression", "coverage", "verification"]
SECTIONS += ["provenance"]


@pytest.fixture
def build(tmp_path):
    return tmp_path / "build"


def report(build):
    """The page of the results below `build`, read strictly, and the result file."""
    out = build / "report"
    assert main(["--build", str(build), "--out", str(out)]) == 0
    page = Page((out / "index.html").read_text())
    stands_alone(page)
    return page, read_json(out / "result.json")


def stands_alone(page):
    """Nothing is fetched, nothing runs, and anchors lead somewhere."""
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "object", "embed", "use", "image", "base", "form"} & set(names)
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    for _, given in page.tags:
        assert not [name for name in given if name.startswith("on") or name in ("src", "srcset", "data", "xlink:href")]
        assert given.get("href", "#")[0] == "#"
        assert given.get("href", "#")[1:] in ["", *ids]
        assert "http" not in "".join(str(value) for name, value in given.items() if name not in ("aria-label",))
    assert "url(" not in page.shown
    assert "@import" not in page.shown
    policy = next(given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def verdict(page, check):
    return page.row("What was checked", check)[1][0].split()[0]


def test_everything_there(build):
    put_everything(build)
    page, result = report(build)
    assert result["passed"] is True
    assert result["sections_with_data"] == SECTIONS
    assert (result["missing"], result["failing"], result["unreadable"]) == ({}, [], {})
    assert "✓ all pass" in page.shown
    assert "✗" not in page.shown
    checks = [row[0][0] for row in page.tables["What was checked"][1:]]
    assert sorted(name.split()[0] for name in checks) == sorted(set(KINDS) - {"setup"})
    assert {verdict(page, check) for check in checks} == {"✓"}


def test_the_test_of_standing_alone_can_fail():
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    stands_alone(Page(policy))
    for bad in (
        "<script></script>",
        '<a href="//x">y</a>',
        '<p onclick="x">y</p>',
        "<style>a{background:url(x)}</style>",
    ):
        with pytest.raises(AssertionError):
            stands_alone(Page(policy + bad))
    with pytest.raises(AssertionError):
        Page("<p><b></p></b>")


def test_the_cycles_table_is_the_result(build):
    put(build, "network/vgg16", made.network())
    page, _ = report(build)
    layers = made.network()["layers"]
    for layer in layers:
        values = [value for _, values in page.row("Cycles of every layer", layer["name"])[1:] for value in values]
        use, other = (layer["macs"] / (layer[name] * 64) for name in ("cycles", "scale_sim"))
        assert values == [
            *(layer[name] for name in ("macs", "cycles", "predicted_cycles", "floor", "scale_sim")),
            *(use, other, layer["pixels"] - layer["floor"], layer["waiting"], layer["filling"]),
        ]
        psums = [value for _, values in page.row("Psums", layer["name"])[1:] for value in values]
        assert psums == [-300, 211, 10, 14]
    total = [value for _, values in page.row("Cycles of every layer", "measured")[1:] for value in values]
    macs, cycles, scale = (sum(layer[name] for layer in layers) for name in ("macs", "cycles", "scale_sim"))
    lost = [sum(x["pixels"] - x["floor"] for x in layers), sum(x["waiting"] for x in layers), 3 * 33]
    assert total == [
        *(macs, cycles, cycles, sum(x["floor"] for x in layers), scale, macs / cycles / 64, macs / scale / 64),
        *lost,
    ]
    assert cycles == total[3] + sum(lost)  # nothing is lost without a name
    assert "7,654,321 activations" in page.shown


def test_bars_are_as_long_as_their_numbers(build):
    put(build, "network/vgg16", made.network())
    report(build)
    source = (build / "report/index.html").read_text()
    found = {
        name: (float(width), int(number.replace(",", "")))
        for width, name, number in re.findall(
            r'width="([0-9.]+)" height="12" class="useful"><title>(\S+): ([0-9,]+) cycles measured', source
        )
    }
    assert len(found) == 3
    scales = [width / number for width, number in found.values() if number > 500]
    assert max(scales) == pytest.approx(min(scales), rel=0.01)
    assert found["features.3"][1] == 2341


def test_figures_of_the_other_results(build):
    put_everything(build)
    page, _ = report(build)
    legs = {row[0][0]: row[1][1][:1] + row[2][1] for row in page.tables["Accuracy of the legs"][1:]}
    assert legs == {
        "float": [0.8606, 9999],
        "fake-quant": [0.8765, 9999],
        "fake-quant, float64": [0.875, 256],
        "integers": [0.8787, 9999],
    }
    recipe = {row[0][0]: row[1][0] for row in page.tables["Recipe"][1:]}
    assert recipe == {"seed": "17", "weight bits": "4", "act bits": "4", "float epochs": "31", "qat epochs": "19"}
    assert page.row("Evaluation in integers", "right, of images")[1][1] == [30, 40]
    assert page.row("Evaluation in integers", "images a second")[1][1] == [28.25]
    area = [value for _, values in page.row("Area of every block", "mac_tile")[1:] for value in values]
    assert area == [173, 41, 6, 76, 42, 2, 76, 42, 2]
    assert [v for _, vs in page.row("Clock of the array", "8x8, ecp5 85k")[1:] for v in vs] == [88.5, 9001, 83640]
    assert page.row("A PE of the array", "generic")[1][1] == [170.5]
    formats = {row[0][0]: [v for _, vs in row[1:] for v in vs] for row in page.tables["Formats side by side"][1:]}
    assert formats == {
        "int4": [0.8831, 4, 18, 151, 39, 72, 103, 107.5, 7400, 68.8, 68.75],
        "pot4": [0.8765, 4, 18, 122, 39, 72, 103, 107.5, 7400, 68.8, 55.5],
    }
    said = {row[0][0]: row[2][1] for row in page.tables["What was checked"][1:]}
    assert said == {
        "sim": [4608, 4608, 255, 255, 0],
        "network vgg16": [7654321, 0],
        "random": [201, 65151, 0],
        "regress": [7, 217, 7063, 0],
        "formal": [2, 51, 27],
        "coverage": [1.0, 1.0, 1.0, 0],
        "fuzz": [2205, 2, 0],
        "mutants": [72, 72],
        "mutation": [982, 982, 21],
        "synth": [7],
        "tradeoff vgg16": [3000, 2, 2],
        "c micro_pot4": [21, 0],
        "c-proof": [2, 540000, 360, 0],
        "test": [1645, 1],
        "evaluate vgg16": [30, 40, 0.75],
        "train vgg16": [0, 42729472],
        "benchmark": [9100.5, 9300.25, 0.979, 0.9],
        "benchmark-train": [382.5, 331.25, 1.155, 1.25],
    }
    covered = [v for _, vs in page.row("Coverage of every module", "fifo")[1:] for v in vs]
    assert covered == [20, 1.0, 0, 31, 1.0, 2, 805, 1.0, 7]
    assert page.row("Waived", "fifo, toggle 'unused*'")[1][1] == [9]
    assert [v for _, vs in page.row("Tests by folder", "all")[1:] for v in vs] == [2, 0, 0]
    commands = {row[0][0]: row[3][0] for row in page.tables["What was checked"][1:]}
    told = {
        place.replace("/", " "): result()["make"] for place, result in made.EVERYTHING.items() if "make" in result()
    }
    assert {name: commands[name] for name in told} == told
    row = page.row("C of the networks", "micro_pot4")
    assert [value for _, values in row[1:] for value in values] == [654321, 7654, 599, 207, 21, 0]
    assert "torch 2.15.0" in page.row("Where the figures come from", "train vgg16")[5][0]


def test_the_regression_by_mode_and_layer(build):
    put(build, "regress", made.regress())
    page, _ = report(build)
    assert [v for _, vs in page.row("The regression by mode", "ws")[1:] for v in vs] == [5, 0, 155, 5045, 2.5]
    layers = [([cell for cell, _ in row[:2]], row[2][1]) for row in page.tables["The regression by layer"][1:]]
    wanted = [(["conv", "ws"], [4]), (["drawn, 4x4", "ws"], [1]), (["conv", "os"], [2]), (["all", ""], [7])]
    assert layers == wanted
    assert "sum in os: several maps" in page.shown
    failed = {"job": "tiny/img3/conv/os", "what": "job 0, layer 1: expected 7, got 5", "again": "make regress ONLY=x"}
    modes, places = made.regress()["by_mode"], made.regress()["by_layer"]
    modes[1]["failed"] = places[2]["failed"] = 1
    put(build, "regress", made.regress(passed=False, failed=[failed], by_mode=modes, by_layer=places))
    page, result = report(build)
    assert result["failing"] == ["regress"]
    assert verdict(page, "regress") == "✗"
    assert all(told in page.shown for told in failed.values())
    put(build, "regress", made.regress(passed=False, failed=[failed]))  # of which the tables know nothing
    page, result = report(build)
    assert "by_mode has 7 jobs, 0 of them failed; expected the 7 and 1 of the whole" in result["unreadable"]["regress"]


def test_without_results_nothing_is_said_but_how_to_make_them(build):
    page, result = report(build)
    assert result["passed"] is True
    assert result["sections_with_data"] == []
    assert result["sections_without_data"] == SECTIONS
    lines = {
        "make train NET=vgg16",
        "make evaluate NET=vgg16",
        "make network NET=vgg16",
        "make tradeoff NET=vgg16",
        "make c NET=micro_pot4",
        "make c-proof",
        "make sim WAVES=vcd",
        *(
            f"make {name}"
            for name in (
                "sim",
                "random",
                "regress",
                "formal",
                "coverage",
                "fuzz",
                "mutants",
                "mutation",
                "synth",
                "test",
                "benchmark",
                "benchmark-train",
            )
        ),
    }
    assert set(result["missing"].values()) == lines
    assert all(line in page.shown for line in lines)
    assert page.values == [0, len(lines)]  # the counts of results that are there and missing
    assert not [tag for tag, _ in page.tags if tag == "svg"]
    assert "✓" not in page.shown


@pytest.mark.parametrize("place", [place for place in made.EVERYTHING if place != "setup"])
def test_a_result_that_did_not_pass_is_shown_failing(build, place):
    put_everything(build, **{place.split("/")[0]: {"passed": False}})
    page, result = report(build)
    name = place.replace("/", " ")
    assert result["failing"] == [name]
    assert verdict(page, name) == "✗"
    assert "✗ failing" in page.shown
    others = [row[0][0] for row in page.tables["What was checked"][1:] if row[0][0] != name]
    assert {verdict(page, check) for check in others} == {"✓"}


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("network/vgg16", {"mismatches": 3}),
        ("sim", {"mismatches": 1}),
        ("random", {"failed": [17]}),
        ("random", {"error": "broke off"}),
        ("formal", {"errors": ["x"]}),
        ("fuzz", {"defects": ["x"]}),
        ("mutants", {"survived": ["x"]}),
        ("coverage", {"holes": [{"module": "fifo", "line": 3, "kind": "branch", "what": ["if"], "source": "if (x)"}]}),
        ("coverage", {"missed_points": ["fifo: full"]}),
        ("coverage", {"waiver_errors": ["x"]}),
        ("mutation", {"survivors": [{"place": "rtl/fifo.v:30", "mode": "inv"}]}),
        ("train/vgg16", {"codes_differing": 1}),
        ("c/micro_pot4", {"differing_logits": 1}),
        ("c/micro_pot4", {"error": "x"}),
        ("c-proof", {"faults": ["x"]}),
        ("test", {"exit_status": 1}),
    ],
)
def test_a_verdict_that_its_own_counts_contradict_is_not_believed(build, place, changes):
    put_everything(build, **{place.split("/")[0]: changes})
    page, result = report(build)
    assert result["failing"] == [place.replace("/", " ")]
    assert verdict(page, place.replace("/", " ")) == "✗"


def test_what_was_not_judged_is_not_called_passed(build):
    put_everything(build, evaluate={"passed": None, "images": 40, "test_images": 400})
    page, result = report(build)
    assert result["failing"] == []
    assert verdict(page, "evaluate vgg16") == "○"
    assert "make evaluate NET=vgg16 IMAGES=40" in page.shown


def test_cycles_unlike_the_prediction_and_psums_too_wide_are_marked(build):
    layers = made.network()["layers"]
    layers[1]["predicted_cycles"] -= 2
    layers[2]["psum_range"] = [-9000, 3]
    put(build, "network/vgg16", made.network(layers=layers))
    page, _ = report(build)
    assert page.row("Cycles of every layer", "features.3")[3][0] == "✗ +2 2,339"
    assert page.row("Cycles of every layer", "features.0")[3][0] == "= 804"
    assert page.row("Psums", "classifier")[3][0] == "15 ✗ too wide"
    assert "in 2 of 3 layers" in page.shown


def test_both_dataflows_are_shown_layer_by_layer(build):
    """What `make network` leaves for a layer that runs in either, one that only could, and one that cannot."""
    layers = made.network()["layers"]
    layers[0]["dataflow"] = "os"
    table = [
        {"name": "features.0", "ws": 98340, "os": 55401, "os_runs": True, "better": "os", "saved": 42939},
        {"name": "features.3", "ws": 36900, "os": 37001, "os_runs": False, "better": "ws", "saved": 101},
        {"name": "features.7", "ws": 77, "os": None, "os_runs": False, "better": "ws", "saved": None},
    ]
    put(build, "network/vgg16", made.network(layers=layers, dataflows=table))
    page, _ = report(build)
    title = "Cycles of every layer in both dataflows, by the closed forms"
    shown = {
        name: [cell[0] for cell in page.row(title, name)[1:]] for name in ("features.0", "features.3", "features.7")
    }
    assert shown["features.0"] == ["98,340", "55,401", "os", "42,939", "os"]
    assert shown["features.3"] == ["36,900", "37,001*", "ws", "101", "ws"]
    assert shown["features.7"] == ["77", "\N{EN DASH}", "ws", "\N{EN DASH}", "\N{EN DASH}"]  # not among the layers run


def test_cycles_of_a_stream_held_back_are_not_called_wrong(build):
    layers = made.network()["layers"]
    layers[1]["predicted_cycles"] -= 2
    put(build, "network/vgg16", made.network(layers=layers, stall=64))
    page, _ = report(build)
    assert page.row("Cycles of every layer", "features.3")[3][0] == "○ +2 2,339"
    assert page.row("Cycles of every layer", "features.0")[3][0] == "= 804"
    assert "64 of 256 stream words were held back" in page.shown
    assert "equal the prediction" not in page.shown


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("make network NET=vgg16 SIM=icarus STALL=9", "make network NET=vgg16 SIM=icarus STALL=9"),
        ("make network NET=vgg16 IMAGE='\udcff.png'", "make network NET=vgg16 IMAGE='?.png'"),
        (None, "make network NET=vgg16"),
        (7, "make network NET=vgg16"),
    ],
)
def test_a_command_gives_its_result_again(build, told, line):
    """`test_network_takes_its_command_from_the_result` in test_scripts_network does it with a run."""
    put(build, "network/vgg16", made.network(make=told))
    page, _ = report(build)
    assert page.row("What was checked", "network vgg16")[3][0] == line


def test_a_layer_that_was_not_reached_has_no_figures(build):
    layers = made.network()["layers"]
    layers[2] |= dict.fromkeys(("cycles", "pixels", "waiting", "filling"))
    put(build, "network/vgg16", made.network(passed=False, mismatches=1, layers=layers))
    page, _ = report(build)
    assert [told for told, _ in page.row("Cycles of every layer", "classifier")][2] == "–"  # noqa: RUF001
    assert page.row("Cycles of every layer", "2 measured")[2][1] == [804 + 2341]
    assert verdict(page, "network vgg16") == "✗"


def test_a_benchmark_that_broke_off_has_no_ratio_and_says_why(build):
    put(build, "benchmark", {"passed": False, "simulator": "icarus", "error": "vvp ended; see the log\nmore"})
    page, result = report(build)
    assert "no ratio; vvp ended; see the log" in page.shown
    assert result["failing"] == ["benchmark"]
    assert not result["unreadable"]


def test_why_a_simulation_broke_off_is_told(build):
    error = "the simulation broke off (exit 3); see build/sim.log\n  last words"
    put(build, "network/vgg16", made.network(passed=False, error=error))
    put(build, "random", made.random(passed=False, error=f"draws 9..17 on 8x8: {error}", draws=8, wanted=201))
    page, result = report(build)
    assert result["failing"] == ["network vgg16", "random"]
    told = {row[0][0]: row[2][0] for row in page.tables["What was checked"][1:]}
    assert told["network vgg16"].endswith("; the simulation broke off (exit 3); see build/sim.log")
    assert told["random"].endswith("; draws 9..17 on 8x8: the simulation broke off (exit 3); see build/sim.log")
    assert page.row("What was checked", "random")[3][0] == "make random N=201 SIM=icarus SEED=3"


def test_failing_tests_are_named(build):
    put_everything(build, test={"passed": False})
    case = '<testcase classname="tests.test_x" name="bad[1]"><failure message="m">t</failure></testcase>'
    (build / "test/junit.xml").write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    page, _ = report(build)
    assert "tests.test_x.bad[1]" in page.shown
    assert [v for _, vs in page.row("Tests by folder", "tests")[1:] for v in vs] == [0, 1, 0]


@pytest.mark.parametrize(
    ("place", "text", "told"),
    [
        ("network/vgg16", "{", "line 1 column 2"),
        ("network/vgg16", "[]", "expected an object"),
        ("network/vgg16", '{"net": 1}', "passed is missing"),
        ("network/vgg16", json.dumps(made.network(layers=[made.layer("a", 64, 9, 1, cycles=99)])), "expected pixels +"),
        ("network/vgg16", json.dumps(made.network(layers=[made.layer("a", 64, 9, 1, floor=0)])), "is not positive"),
        (
            "network/vgg16",
            json.dumps(made.network(layers=[made.layer("a", 64, 9, 1) | {"macs": "1"}])),
            "layers[0]: macs is '1'",
        ),
        ("network/vgg16", json.dumps(made.network(layers=[])), "no layers"),
        ("network/vgg16", json.dumps(made.network(dataflows=[{"name": "a", "ws": "9"}])), "dataflows[0]: ws is '9'"),
        ("test", '{"passed": 1641}', "passed is 1641; expected true or false"),
        ("train/vgg16", json.dumps(made.train(integer_accuracy=None)), "integer_accuracy is None; expected a number"),
        ("evaluate/vgg16", json.dumps(made.evaluate(right_by_class={"cat": [1]})), "cat is [1]"),
        ("synth", json.dumps(made.synth(blocks=[])), "blocks is []"),
        ("random", json.dumps(made.random(draws=True)), "draws is True; expected a whole number"),
        ("sim", json.dumps(made.sim(breakdown={"load": "x"})), "load is 'x'"),
    ],
)
def test_a_result_that_cannot_be_used_is_told_and_the_rest_is_shown(build, place, text, told):
    put_everything(build)
    put(build, place, text)
    page, result = report(build)
    name = place.replace("/", " ")
    assert list(result["unreadable"]) == [name]
    assert told in result["unreadable"][name]
    assert result["unreadable"][name] in page.shown
    assert verdict(page, name) == "✗"
    assert "✓ all pass" not in page.shown
    others = [row[0][0] for row in page.tables["What was checked"][1:] if row[0][0] != name]
    assert {verdict(page, check) for check in others} == {"✓"}


def test_texts_from_outside_stay_texts(build):
    layers = [made.layer(HOSTILE, 64, 9, 1)]
    changes = {"network": {"layers": layers, "image": HOSTILE, "class": HOSTILE, "simulator": HOSTILE, "whole": False}}
    changes["network"] |= {"layers_run": [HOSTILE, HOSTILE], "image_given": HOSTILE}
    changes["train"] = {"recipe": {HOSTILE: HOSTILE, "weight_bits": 3, "act_bits": 4}, "device": HOSTILE}
    changes["evaluate"] = {"right_by_class": {HOSTILE: [1, 2]}, "versions": {HOSTILE: HOSTILE}}
    changes["mutants"] = {"survived": [HOSTILE], "passed": False}
    changes["sim"] = {"stopped": HOSTILE, "passed": False, "simulator": HOSTILE, "vectors": HOSTILE}
    changes["synth"] = {"blocks": {HOSTILE: {}}, "tools": {HOSTILE: {"version": HOSTILE}}}
    put_everything(build, **changes)
    put(build, "train", made.train(run=HOSTILE, passed=False))
    page, _ = report(build)  # read strictly, and no tag of theirs is in it
    shown = HOSTILE.replace("\x00", "?").replace("\x1b", "?")
    assert page.shown.count(shown) >= 12
    assert page.row("Cycles of every layer", shown)[1][1] == [64]


def test_a_second_network_is_shown_beside_the_first(build):
    put(build, "network/tiny", made.network("tiny"))
    page, result = report(build)
    assert result["missing"]["network vgg16"] == "make network NET=vgg16"
    assert verdict(page, "network tiny") == "✓"
    assert verdict(page, "network vgg16") == "○"


def test_a_freeze_that_differs_is_told_though_only_the_last_run_says_it(build):
    put(build, "train/vgg16", made.train())
    put(build, "train", {"passed": False, "net": "vgg16", "run": "vgg16_w3a4", "codes": 100, "differing_codes": 7})
    page, result = report(build)
    assert result["failing"] == ["train vgg16_w3a4"]
    assert "differs from the network in 7 of 100 codes" in page.shown


def test_an_older_page_does_not_outlive_a_folder_that_cannot_be_written(build, capsys):
    (build / "report").mkdir(parents=True)
    (build / "report/lock").touch()
    (build / "report/index.html").mkdir()
    put(build, "report", {"passed": True})
    assert main(["--build", str(build), "--out", str(build / "report")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (build / "report/result.json").exists()


@pytest.mark.parametrize("module", [scripts.reporting.results, scripts.reporting.svg])
def test_examples(module):
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0
