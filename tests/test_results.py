"""What `make test` leaves in its result file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.files import read_json

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
