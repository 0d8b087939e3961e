"""What `make test` leaves in its result file, and what `make check` takes of its tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.files import read_json
from scripts import check

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("chosen", "passed"), [("test_examples", True), ("a_test_that_is_not_there", False)])
def test_the_verdict_of_the_tests_stands_beside_their_counts(chosen: str, passed: bool, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_scripts_numbers.py"),
            *("-k", chosen, f"--junitxml={tmp_path / 'junit.xml'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    result = read_json(tmp_path / "result.json")
    assert result["passed"] is passed is (done.returncode == 0)
    assert result["tests"]["passed"] == int(passed)


def test_an_interrupted_check_leaves_no_older_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", interrupted)
    (tmp_path / "build/check").mkdir(parents=True)
    (tmp_path / "build/check/result.json").write_text('{"passed": true}')
    assert check.main(["types"]) == 130
    assert not (tmp_path / "build/check/result.json").exists()
    assert check.main(["tipes"]) == 2
    assert "'tipes' is no step of the check; expected lint, types, tests" in capsys.readouterr().err


def collected(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_the_inner_loop_has_the_first_case_of_each_quick_test_and_the_suite_has_all() -> None:
    slow, quick = "tb/network/test_os.py", "tests/test_scripts_numbers.py"
    every, inner = collected(slow, quick), collected(slow, quick, "-m", "not slow")
    firsts = {line.split("[")[0]: line for line in reversed(every)}
    assert inner == [line for line in every if firsts[line.split("[")[0]] == line and not line.startswith(slow)]
    assert len(every) > len(firsts) > len(inner) > 1
    files = [line.split("::")[0] for line in every]
    assert files == sorted(files, key=lambda file: file == slow), "what is long comes last"
