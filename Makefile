# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs by itself. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PYTHON ?=
UPGRADE ?=
ARGS ?=
SBOM ?= build/sbom.json
ADVISORIES ?=
BIN := .venv/bin
RUN := $(BIN)/python
CODE := $(wildcard sync crypto client_sdk server fixtures tests)
# Debian packages that the tests need
SYSTEM_PACKAGES ?= postgresql chromium fonts-noto-cjk strace softhsm2 opensc openssl
TESTS := $(RUN) -m pytest -q
# All tests run in so many processes, each file in one of them: most of them wait for servers.
WORKERS ?= 2

# $(call stage,NAME,COMMAND): says what runs and how long it took; the command's failure ends make.
stage = @printf '== %s\n' '$(1)'; start=$$SECONDS; $(2) || { status=$$?; \
	printf '== %s failed after %d s\n' '$(1)' $$((SECONDS - start)); exit $$status; }; \
	printf '== %s: %d s\n' '$(1)' $$((SECONDS - start))

.PHONY: help setup system static quick test plant mutation demo pictures console bench bench-peers fuzz kill network load soak crash simulate reliability conformance lock sbom audit clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with the pinned packages and Doorstep itself (instant when nothing changed)
	@PYTHON='$(PYTHON)' .ci/setup

system: ## install the Debian packages that the tests need, or say which
	@.ci/system $(SYSTEM_PACKAGES)

static: setup ## formatting, lint, types and the layers between the packages
	$(call stage,format,$(BIN)/ruff format --quiet --diff $(CODE))
	$(call stage,lint,$(BIN)/ruff check --quiet $(CODE))
	$(call stage,types,$(BIN)/mypy --no-error-summary)
	$(call stage,types of Windows,$(BIN)/mypy --no-error-summary --platform win32 --cache-dir .mypy_cache/win32 sync crypto client_sdk)
	$(call stage,layers,$(BIN)/lint-imports --no-logo)

quick: static ## static checks and the unit tests, in under 90 s
	$(call stage,unit tests,$(TESTS) -m 'not slow' $(ARGS))

test: setup system static ## everything: static checks and all tests
	$(call stage,all tests,$(TESTS) --numprocesses $(WORKERS) --dist loadfile $(ARGS))

plant: setup ## planted bugs, each of which a named test must catch (ARGS: words, --markdown)
	@$(RUN) -m tests.plant $(ARGS)

mutation: setup ## bugs that a machine makes in sync and crypto, and the quick tests (ARGS: modules, --survivors)
	@$(RUN) -m tests.mutation $(ARGS)

demo: setup ## a server and 15 tablets on loopback: a day offline, an evening sync
	@$(RUN) -m fixtures.demo $(ARGS)

pictures: setup system ## pictures of every page into pictures/ (ARGS: words in their names; --shown: those of the README)
	@$(RUN) -m fixtures.pictures $(ARGS)

console: setup ## what every page of the console costs in a large district (ARGS: words in addresses)
	@$(RUN) -m fixtures.console_measured $(ARGS)

bench: setup ## the marks of workload W, against the limits of this machine (ARGS="--write": into the README)
	@$(RUN) -m fixtures.bench $(ARGS)

bench-peers: setup ## workload W side by side with what others use (ARGS="--tablets 5 --runs 1", --write)
	@$(RUN) -m fixtures.peers $(ARGS)

fuzz: setup ## wrong bytes for every parser (ARGS="--cases N": per parser; 60 million in all by default)
	@$(RUN) -m tests.fuzz --cases 1750000 $(ARGS)

kill: setup ## kill servers and tablets at any moment, 200 times, and look for losses
	@$(RUN) -m fixtures.kill $(ARGS)

network: setup ## eight servers on four levels, 40 tablets and a bad week (ARGS="--small --seed N")
	@$(RUN) -m fixtures.network $(ARGS)

load: setup ## 2,000 tablets against one district server, latency over load (ARGS="--minutes 1 --keep load")
	@$(RUN) -m fixtures.load $(ARGS)

soak: setup ## 300 tablets again and again for an hour: is the server's memory flat? (MINUTES=60)
	@$(RUN) -m fixtures.load --soak --tablets 300 --minutes $(or $(MINUTES),60) --grow-mib 16 --out build/soak.json $(ARGS)

crash: setup system ## what a power cut may leave at every step of a sync (ARGS="--states N")
	@$(RUN) -m tests.crash_states $(ARGS)

simulate: setup ## seeded runs that break everything (RUNS=2000; ARGS="--seed N --shrink": one run)
	@$(RUN) -m tests.simulation --runs $(or $(RUNS),2000) $(ARGS)

reliability: setup system ## all of these in full, hours of it, into tests/reliability.json (ARGS="kill --minutes 30")
	@$(RUN) -m tests.reliability $(ARGS)

conformance: setup ## the recorded histories through the real engine
	@$(RUN) -m fixtures.conformance fixtures/conformance/*.jsonl $(ARGS)

lock: setup ## resolve pyproject.toml anew into requirements.txt (UPGRADE=1: to the newest)
	@UPGRADE='$(UPGRADE)' .ci/lock

sbom: setup ## what Doorstep stands on, as CycloneDX, into build/sbom.json
	@mkdir -p $(dir $(SBOM))
	@$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible \
		--of JSON -o $(SBOM)

audit: setup ## known weaknesses of the pinned packages, in a copy of an advisory database (ADVISORIES=FOLDER)
	@$(RUN) -m tests.audit $(ADVISORIES)

clean: ## remove what was built and the caches; .venv stays
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +
