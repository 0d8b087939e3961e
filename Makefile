# One target a stage, in the order the data flows; `make` prints them.
#
# Values given on the command line or in the environment (NET=..., IMAGE=...) reach the scripts as they are: blanks, quotes and dollar
# signs in them mean nothing to make or to the shell.

SHELL := /bin/sh
.SUFFIXES:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
setup := bash scripts/setup.sh
parallel := --numprocesses=2 --dist=loadfile

variables := NET WBITS ABITS DATA FLOAT_EPOCHS QAT_EPOCHS SEED LAYER IMAGE ROWS COLS PSUM OUT CHECK PROPOSE VECTORS MANIFEST SIM WAVES WGT_LANES VIEWER ONLY PYTHON SYSTEM_PACKAGES
given := $(foreach v,$(variables),$(if $(filter-out undefined,$(origin $(v))),$(v)))
$(foreach v,$(given),$(eval override $(v) := $$(value $(v))))
export $(given)
# Verilator's own makefiles are not to see this make's options and variables, nor Python another Python's paths
unexport MAKEFLAGS MFLAGS PYTHONHOME PYTHONPATH

# $(call flags,NET OUT): in the recipe's shell, --net="$NET" --out="$OUT", each only where it has a value
lower = $(subst _,-,$(shell printf '%s' '$(1)' | tr '[:upper:]' '[:lower:]'))
flags = $(foreach v,$(1),$${$(v):+--$(call lower,$(v))="$${$(v)}"})

# The simulator: SIM, or the one that the set-up settled on
simulator = SIM="$${SIM:-$$(cat .venv/lockstep/simulator)}"; export SIM

.PHONY: help setup setup-vectors setup-train setup-test train vectors sim waves mutants check test clean distclean

help:
	@awk -f scripts/help.awk Makefile

##@ Set up (every target does its own part; nothing here has to be run first)

setup: ## What vectors and simulations need: NumPy, cocotb and a simulator in .venv, no torch
	@$(setup) sim

setup-vectors:
	@$(setup) vectors

setup-train:
	@$(setup) train

setup-test: ## That, torch and the development tools
	@$(setup) test

##@ Train

train: setup-train ## Train a network, freeze it into an integer graph, measure that graph
#: NET=vgg16|tiny WBITS=4 ABITS=4 DATA=<folder> SEED= FLOAT_EPOCHS= QAT_EPOCHS=
	@exec $(python) -m scripts.train $(call flags,NET WBITS ABITS DATA FLOAT_EPOCHS QAT_EPOCHS SEED)

##@ Vectors

vectors: setup-vectors ## Write the text vectors of one layer and one image
#: NET=vgg16|tiny LAYER=features.27 IMAGE=sample|<file>|<index into DATA> DATA=<folder>
#: ROWS=8 COLS=8 PSUM=16 OUT=<folder>
#: or, for a folder that others made: CHECK=<folder> MANIFEST=<file>, PROPOSE=<folder>
	@exec $(python) -m scripts.vectors $(call flags,NET LAYER IMAGE DATA ROWS COLS PSUM OUT CHECK PROPOSE MANIFEST)

##@ Simulate

sim: setup ## Replay a vector folder on the array and check every psum and every output
#: VECTORS=<folder> MANIFEST=<file> SIM=icarus|verilator WAVES=1|vcd WGT_LANES=2 OUT=<folder>
	@$(simulator); exec $(python) -m scripts.sim $(call flags,VECTORS MANIFEST SIM WAVES WGT_LANES OUT)

waves: setup-vectors ## Open the last dump in GTKWave or Surfer, signals laid out
#: VIEWER=gtkwave|surfer OUT=<folder given to make sim>
	@exec $(python) -m scripts.waves $(call flags,OUT VIEWER)

##@ Check

check: setup-test ## Lint, types and the fast tests, in a few minutes
	@$(simulator); exec $(python) -m scripts.check

test: setup-test ## Every test
	@$(simulator); mkdir -p build/test; exec $(python) -m pytest $(parallel) --junitxml=build/test/junit.xml tests tb

mutants: setup-test ## Break the RTL on purpose: each named fault must fail the tests
#: ONLY=<mutant>
	@$(simulator); exec $(python) -m scripts.mutants $(call flags,ONLY)

##@ Clean

clean: ## Remove what was generated; trained runs, downloads and .venv stay
	@for entry in build/* build/.[!.]*; do \
	    case $$entry in build/train | build/data | build/cache) ;; *) rm -rf "$$entry" ;; esac; \
	done
	@rm -rf .pytest_cache .mypy_cache .ruff_cache

distclean: ## Remove those as well
	@rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache
