# The front door. `make` alone lists the targets. Everything it makes stays in this folder; see docs/hacking.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PRESET ?= release
JOBS ?= $(shell nproc)
# Most tests wait for a server or a database: three at a time keep two processors busy.
TEST_JOBS ?= 3
BUILD := build/$(PRESET)
PYTHON := .venv/bin/python
CMAKE_FLAGS := $(if $(CI),-DCORRAL_WERROR=ON)
CPP_FILES = $(shell find src tests fuzz bench -name '*.cc' -o -name '*.h')
PYTHON_DIRS := python tests tools bench

.PHONY: help setup build demo test fmt lint bench counts hostile chaos fuzz asan tsan wheel clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@tools/setup.sh build

$(BUILD)/build.ninja: | setup
	@cmake --preset $(PRESET) $(CMAKE_FLAGS) >build.log 2>&1 || { cat build.log; rm -f $@; exit 1; }; rm -f build.log

build: setup $(BUILD)/build.ninja  ## set up, compile, install into .venv (.venv/bin/corral, .venv/bin/python)
	@cmake --build $(BUILD) --parallel $(JOBS) --target _core
	@$(PYTHON) tools/develop.py $(BUILD)

demo: build  ## build and run the demo site; PORT=9000 changes the port, Ctrl-C ends it
	@exec tools/demo.sh $(ARGS)

test: build  ## build and run all tests: C++ rooms, Python, a real server; ARGS="-k name" goes to pytest
	@tools/setup.sh test
	@cmake --build $(BUILD) --parallel $(JOBS) --target all all_verify_interface_header_sets
	@status=0; \
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error --progress -j $(JOBS) || status=$$?; \
	CORRAL_BUILD_DIR=$(BUILD) $(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile $(ARGS) || status=$$?; \
	exit $$status

fmt: setup  ## format C++ and Python in place
	@tools/setup.sh lint
	@.venv/bin/clang-format -i $(CPP_FILES)
	@.venv/bin/ruff format --quiet $(PYTHON_DIRS)
	@.venv/bin/ruff check --quiet --fix $(PYTHON_DIRS)

lint: setup  ## check format and style without changing anything
	@tools/setup.sh lint
	@.venv/bin/clang-format --dry-run --Werror $(CPP_FILES)
	@.venv/bin/ruff format --check --quiet --diff $(PYTHON_DIRS)
	@.venv/bin/ruff check $(PYTHON_DIRS)

bench: build  ## measure Corral beside other servers (docs/benchmarks.md); ARGS go to bench/run.py
	@$(PYTHON) bench/run.py $(ARGS)

counts: build  ## count instructions of parse and of one WSGI call again, into bench/counts.json
	@tools/setup.sh test
	@cmake --build $(BUILD) --parallel $(JOBS) --target http_parse_count
	@CORRAL_BUILD_DIR=$(BUILD) $(PYTHON) bench/counts.py --update

hostile: build  ## all bad clients at once, for SECONDS=60 with SEED=1; ARGS go to bench/hostile.py
	@$(PYTHON) bench/hostile.py --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1) $(ARGS)

chaos: build  ## kills, hangs, lost databases, dead hosts, for SECONDS=120 with SEED=1 on DATABASE=sqlite (or postgresql)
	@tools/setup.sh test
	@$(PYTHON) tests/chaos --seconds $(or $(SECONDS),120) --seed $(or $(SEED),1) --database $(or $(DATABASE),sqlite) $(ARGS)

fuzz: setup  ## fuzz the parser, alone and beside llhttp, for SECONDS=120; see fuzz/README.md
	@tools/setup.sh fuzz
	@tools/fuzz.sh $(or $(SECONDS),120)

asan tsan: setup
	@tools/setup.sh test
	@cmake --preset $@ >/dev/null
	@cmake --build build/$@ --parallel $(JOBS)
	@tools/sanitize.sh $@ $(ARGS)

asan:  ## C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer
tsan:  ## C++ tests with ThreadSanitizer

wheel: setup  ## a wheel for this Python in dist/
	@.tools/bin/uv build --quiet --wheel --python $(PYTHON) --out-dir dist
	@ls dist/*.whl

clean:  ## remove what builds and tests made
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis python/corral/_core.*.so
	@find $(PYTHON_DIRS) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove the environments too: .venv, .tools, .python, .bench
	@rm -rf .venv .tools .python .bench .setup.log
