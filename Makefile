# Tra. `make` lists what there is; `make demo` shows everything at work.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
ENV := .venv
AWS := .venv-aws
PEERS := .venv-peers
NODE_PEERS := tests/bench/node
NODE_RECIPIENT := docs/guide/samples/node-recipient
BIN := $(ENV)/bin
UV := $(BIN)/uv
RUN := $(BIN)/python -m
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes
VALIDATORS := build/interop/validators/validators.jar
STAGE ?= dev
REGION ?= ap-southeast-7

# Tests, demo and benchmarks start hundreds of interpreters: what one has compiled the next reads.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test interop campaign check format bench package deploy lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ENV)/.ready $(AWS)/.ready  ## virtual environments, pinned and checked by hash

$(BIN)/uv: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Tra needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "  environment with $$($(PYTHON) --version)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(ENV) \
	  || { echo "Python's venv module is missing (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(ENV)/.ready: $(BIN)/uv requirements/dev.txt pyproject.toml
	@echo '  install tools and libraries, pinned and hashed'
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bootstrap.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(AWS)/.ready: $(BIN)/uv requirements/aws.txt
	@test -x $(AWS)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(AWS)
	@echo '  install the embedded AWS'
	@$(UV) pip sync --quiet --python $(AWS)/bin/python --require-hashes requirements/aws.txt
	@touch $@

demo: setup  ## issue, seal, archive and deliver documents on the embedded AWS, and check them
	@$(RUN) infra.demo

up: setup  ## the same stack, left running; says how to use it
	@$(RUN) infra.local up

down:  ## stop it
	@test ! -x $(BIN)/python || $(RUN) infra.local down

status: setup  ## where it answers
	@$(RUN) infra.local status

test: setup  ## all tests
	$(BIN)/pytest -n auto --maxprocesses 4 --no-loadscope-reorder

interop: setup $(VALIDATORS) $(NODE_RECIPIENT)/node_modules/.ready  ## seals before EU DSS, veraPDF, pdfsig, openssl (needs Java 17); letters before a recipient in Node
	@rm -f build/interop/table-*.md
	@$(BIN)/pytest -m 'java or node' tests/interop; outcome=$$?; \
	  for table in build/interop/table-*.md; do test ! -f $$table || { echo; cat $$table; }; done; exit $$outcome

$(VALIDATORS): tests/interop/validators/pom.xml $(wildcard tests/interop/validators/src/main/java/tra/interop/*.java)
	@for program in java mvn pdfsig openssl; do command -v $$program >/dev/null \
	  || { echo "make interop needs $$program: infra/install-system-packages.sh installs it"; exit 1; }; done
	@echo '  build the validators (EU DSS, veraPDF, BouncyCastle), pinned'
	@mvn --quiet --batch-mode -Dstyle.color=never --file tests/interop/validators/pom.xml package
	@touch $@

$(NODE_RECIPIENT)/node_modules/.ready: $(NODE_RECIPIENT)/package-lock.json
	@if command -v npm >/dev/null && npm ci --silent --no-audit --no-fund --prefix $(NODE_RECIPIENT); \
	  then touch $@; else echo '  the recipient in Node could not be installed; its tests are skipped'; fi

campaign: setup  ## the long random fault campaign; SEED=n repeats one, DOCUMENTS=5000 LETTERS=1000
	@$(RUN) tests.fault.campaign --documents $(or $(DOCUMENTS),5000) --letters $(or $(LETTERS),1000) $(if $(SEED),--seed $(SEED))

check: setup  ## style, types, layers, template and policies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) infra.check_package
	$(BIN)/cfn-lint --regions $(REGION) --template build/package/template.json

format: setup  ## write it the way check wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup peers  ## measure; one of them with ONLY=name
	@$(RUN) tests.bench $(if $(ONLY),--only $(ONLY))

# What does not install is named in the table.
.PHONY: peers
peers: $(PEERS)/.ready $(NODE_PEERS)/node_modules/.ready

$(PEERS)/.ready: $(BIN)/uv requirements/peers.txt
	@echo "  install the benchmarks' peers"
	@test -x $(PEERS)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(PEERS)
	@if $(UV) pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements/peers.txt; \
	  then touch $@; else echo '  not all of the Python peers could be installed'; fi

$(NODE_PEERS)/node_modules/.ready: $(NODE_PEERS)/package-lock.json
	@if command -v npm >/dev/null && npm ci --silent --no-audit --no-fund --prefix $(NODE_PEERS); \
	  then touch $@; else echo '  the Node peers could not be installed'; fi

package: setup  ## template, function code and layers, in build/package
	@$(RUN) infra.package --stage $(STAGE)

deploy: setup  ## to AWS, or to AWS_ENDPOINT_URL: make deploy STAGE=dev PARAMETERS="PublicUrl=https://…"
	@$(RUN) infra.deploy --stage $(STAGE) $(foreach parameter,$(PARAMETERS),--parameter $(parameter))

lock: $(BIN)/uv  ## pin requirements/*.in again, with hashes
	$(COMPILE) -o requirements/bootstrap.txt requirements/bootstrap.in
	$(COMPILE) -c requirements/constraints.txt -o requirements.txt requirements/runtime.in
	$(COMPILE) -c requirements/constraints.txt -c requirements.txt -o requirements/dev.txt requirements/dev.in
	$(COMPILE) -o requirements/aws.txt requirements/aws.in
	$(COMPILE) -c requirements/constraints.txt -o requirements/peers.txt requirements/peers.in

clean: down  ## remove everything that was built, environments included
	rm -rf build $(ENV) $(AWS) $(PEERS) $(NODE_PEERS)/node_modules $(NODE_RECIPIENT)/node_modules .chalice/deployments .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
