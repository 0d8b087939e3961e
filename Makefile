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

# Which target takes which variable stands below it, in the lines that begin with "#:" (scripts/takes.awk reads them), and nowhere else.
declared := $(shell awk -f scripts/takes.awk Makefile)
own = $(patsubst $(1)/%,%,$(filter $(1)/%,$(declared)))
takes = $(patsubst $(1):%,%,$(filter $(1):%,$(declared)))
variables := $(sort $(foreach d,$(declared),$(lastword $(subst :, ,$(subst /, ,$d)))))

# A variable typed on the command line that no goal takes would be passed over: refuse it. Those of the environment are other people's.
goals := $(or $(MAKECMDGOALS),help)
typed := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$(if $(value $v),$v)))
stray := $(firstword $(filter-out $(foreach g,$(goals),$(call takes,$g)),$(typed)))
ifneq ($(stray),)
takers := $(filter-out setup-% own-setup any-start simulations,$(patsubst %:$(stray),%,$(filter %:$(stray),$(declared))))
offer := $(sort $(foreach g,$(goals),$(call takes,$g)))
$(error $(if $(takers),$(stray)= is for make $(takers),no target takes $(stray)=); make $(goals) takes $(or $(offer),no variables))
endif

given := $(foreach v,$(variables),$(if $(filter-out undefined,$(origin $(v))),$(v)))
$(foreach v,$(given),$(eval override $(v) := $$(value $(v))))
export $(given)
# Verilator's own makefiles are not to see this make's options and variables, nor Python another Python's paths
unexport MAKEFLAGS MFLAGS PYTHONHOME PYTHONPATH

# In a recipe, $(flags) is --net="$NET" --out="$OUT" for the target's own variables, each only where it has a value
lower = $(subst _,-,$(shell printf '%s' '$(1)' | tr '[:upper:]' '[:lower:]'))
flags = $(foreach v,$(call own,$@),$${$(v):+--$(call lower,$(v))="$${$(v)}"})

# The simulator: SIM, or the one that the set-up settled on
simulator = SIM="$${SIM:-$$(cat .venv/lockstep/simulator)}"; export SIM

.PHONY: help own-setup any-start simulations setup setup-vectors setup-network setup-regress setup-evaluate setup-synth setup-c setup-train setup-test train benchmark-train requant evaluate vectors sim network random regress benchmark waves synth tradeoff c c-proof formal coverage fuzz mutants mutation check test report clean distclean

help:
	@awk -f scripts/help.awk Makefile

##@ Set up (every target does its own part; nothing here has to be run first)
#: PYTHON=<python3, 3.11 or later> SYSTEM_PACKAGES=no

setup: ## What vectors and simulations need: NumPy, cocotb and a simulator in .venv, no torch
#: SIM=icarus|verilator
	@$(setup) sim

own-setup: # of targets whose recipe begins with a set-up that has a simulator of its own

setup-vectors:
	@$(setup) vectors

setup-network:
	@$(setup) network

setup-regress:
	@$(setup) regress

setup-evaluate:
	@$(setup) evaluate

setup-synth:
	@$(setup) synth

setup-formal:
	@$(setup) formal

setup-c:
	@$(setup) c

setup-train:
	@$(setup) train

setup-test: ## That, torch and the development tools
	@$(setup) test

##@ Train

train: setup-train ## Train a network, freeze it into an integer graph, measure that graph
#: NET=vgg16|tiny|micro|residual|separable|signal FORMAT=int4|pot4|pot2|ternary|level5|pot5 WBITS=4
#: ABITS=4 DATA=<folder> START=<graph> SEED= FLOAT_EPOCHS= QAT_EPOCHS=
	@exec $(python) -m scripts.train $(flags)

benchmark-train: setup-train ## What a QAT step costs beside a float one, and where it goes
#: NET=vgg16|tiny|micro|residual|separable|signal N=20 OUT=<folder>
	@exec $(python) -m scripts.benchmark_train $(flags)

requant: setup-vectors ## A trained graph again, each scale a sum of few powers of two: <net>_rq<terms>
#: NET=tiny|vgg16 TERMS=2
	@exec $(python) -m scripts.requant $(flags)

evaluate: setup-evaluate ## The integer graph on every test image, exactly: its accuracy, images a second
#: NET=vgg16|tiny|micro|residual|separable|signal DATA=<folder> IMAGES=<so many> JOBS=<processes>
#: OUT=<folder> RTL=<so many of them on the RTL as well> SIM=verilator|icarus
	@{ [ -z "$$RTL" ] || SIM="$${SIM:-verilator}" $(setup) sim; } && exec $(python) -m scripts.evaluate $(flags)

##@ Vectors

vectors: setup-vectors ## Write the text vectors of one layer and one image
#: NET=<network> LAYER=features.27 IMAGE=sample|<file>|<index into DATA> DATA=<folder>
#: ROWS=8 COLS=8 PSUM=16 SIMD=1 DATAFLOW=ws|os|auto OUT=<folder>
#: or, for a folder that others made: CHECK=<folder> MANIFEST=<file>, PROPOSE=<folder>
	@exec $(python) -m scripts.vectors $(flags)

##@ Simulate
any-start: # what simulations take from the environment: registers and memories do not begin with X or 0, but with values of the seed
#: INIT=random SEED=1 (of every target here but waves)

sim: setup any-start ## Replay a vector folder on the array and check every psum and every output
#: VECTORS=<folder> MANIFEST=<file> SIM=icarus|verilator WAVES=1|fst|vcd WGT_LANES=2
#: SEED=1 SIMD=1 OUT=<folder>
	@$(simulator); exec $(python) -m scripts.sim $(flags)

network: setup-network any-start ## A whole network on the RTL, pixels in, class out, every activation checked
#: NET=<network> IMAGE=sample|<file>|<index into DATA> DATA=<folder> LAYERS=<from>:<to>
#: SIM=icarus|verilator ROWS=8 COLS=8 INPUT=fold|patch|none STALL=0 CHECKS=1 WAVES=1 OUT=<folder>
#: SIMD=0 ACT_WIDTH=<bits of the array's activations> DATAFLOW=ws|os|auto
	@$(simulator); exec $(python) -m scripts.network $(flags)

random: setup any-start ## Drawn layers on engines of many sizes, under stalls, against golden and cycle model
#: N=200 SEED=1 FIRST=0 SIM=icarus|verilator JOBS=<simulations at a time> OUT=<folder>
	@$(simulator); exec $(python) -m scripts.random_layers $(flags)

regress: setup-regress any-start ## Images x layers x modes and drawn layers as jobs of Dask: here, on a cluster, on a farm
#: NET=tiny IMAGES=<so many> DATA=<folder> LAYERS=<from>:<to> MODES=ws,os,pairs ROWS=8 COLS=8
#: DRAWS=100 SEED=1 FIRST=0 SIM=icarus|verilator CHECKS=0 ONLY=<job> OUT=<folder>
#: JOBS=<processes, or jobs of the farm> SCHEDULER=tcp://<host>:<port>
#: CLUSTER=slurm|lsf CONFIG=<what a job of the farm is>
	@$(simulator); exec $(python) -m scripts.regress $(flags)

benchmark: setup any-start ## What comparing costs: the network testbench against one that only feeds
#: SIM=icarus|verilator N=5 OUT=<folder>
	@$(simulator); exec $(python) -m scripts.benchmark $(flags)

waves: setup-vectors ## Open the last dump in GTKWave or Surfer, signals laid out
#: VIEWER=gtkwave|surfer OUT=<folder given to make sim>
	@exec $(python) -m scripts.waves $(flags)

##@ Synthesize

synth: setup-synth ## Area of every block, Fmax of the array; the array's tests on its gates
#: TOOLS=pypi|native ONLY=<block> JOBS=<tools at a time> SIM=icarus|verilator
#: OUT=<folder>
	@$(simulator); exec $(python) -m scripts.synth $(flags)

tradeoff: own-setup ## Formats side by side: accuracy, area of a PE, clock, cycles, toggles of a run on gates
#: NET=<network> GATES=0|1 TOOLS=pypi|native JOBS=<tools at a time> OUT=<folder>
	@SIM=icarus; export SIM; $(setup) synth && exec $(python) -m scripts.tradeoff $(flags)

##@ C

c: setup-c ## An integer graph as C for a microcontroller, run here or on RV32EC, against golden
#: NET=micro FORMAT=pot4 TARGET=host|rv32ec WEIGHTS=packed|unrolled|mixed MULTIPLY=0|1
#: FLASH=<bytes> RAM=<bytes> IMAGES=<so many inputs> OUT=<folder>
	@exec $(python) -m scripts.c $(flags)

c-proof: setup-c ## Every weight format, kind of layer and sign of bias as C, on N inputs each: an hour
#: N=10000 FORMAT=<one> SEED=1 JOBS=<networks at a time> OUT=<folder>
	@exec $(python) -m scripts.c_proof $(flags)

##@ Check
simulations: any-start
#: SIM=icarus|verilator INIT=random SEED=1 (SIM of neither formal nor coverage, the others not of formal)

check: setup-test simulations ## Lint, types, the first case of each quick test: the inner loop
#: PYTEST_ADDOPTS=<options of pytest>
	@$(simulator); exec $(python) -m scripts.check

test: setup-test simulations ## Every test
#: PYTEST_ADDOPTS=<options of pytest>
	@$(simulator); mkdir -p build/test; rm -f build/test/junit.xml build/test/result.json; exec $(python) -m pytest $(parallel) --junitxml=build/test/junit.xml tests tb

formal: setup-formal ## Prove properties of the RTL for all inputs; named faults must break them
#: PROOF=<proof> TOOLS=pypi|native JOBS=<tools at a time> OUT=<folder>
	@exec $(python) -m scripts.formal $(flags)

coverage: own-setup any-start ## Lines, branches and bits of the RTL that the testbenches meet, counted by Verilator: hours
#: ONLY=<folder of tb/> JOBS=<testbenches at a time> OUT=<folder>
	@SIM=verilator; export SIM; $(setup) test && exec $(python) -m scripts.coverage $(flags)

fuzz: setup-test simulations ## Every reader on damaged files, the accelerator under a host that does things wrong
#: N=2000 ONLY=<reader>|bus SEED=1 REPLAY=<kept example, or seed:episode of the bus> OUT=<folder>
	@$(simulator); exec $(python) -m scripts.fuzz $(flags)

mutants: setup-test simulations ## Break the RTL on purpose: each named fault must fail the tests
#: ONLY=<mutant> JOBS=<simulations at a time>
	@$(simulator); exec $(python) -m scripts.mutants $(flags)

mutation: setup-test simulations ## Yosys' mutations of every RTL module: those that are real must fail the tests
#: N=1000 MODULE=<one> TOOLS=pypi|native JOBS=<simulations at a time> OUT=<folder>
	@$(simulator); exec $(python) -m scripts.mutation $(flags)

##@ Report

report: setup-vectors ## One page from all results that are there: build/report/index.html
#: OUT=<folder>
	@exec $(python) -m scripts.report $(flags)

##@ Clean

clean: ## Remove what was generated; trained runs, downloads and .venv stay
	@for entry in build/* build/.[!.]*; do \
	    case $$entry in build/train | build/data | build/cache) ;; *) rm -rf "$$entry" || exit 1 ;; esac; \
	done
	@rm -rf .pytest_cache .mypy_cache .ruff_cache

distclean: ## Remove those as well
	@rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache
