# Everything there is to do here, by name; `make` alone lists it. Needs make and a python3 of 3.11 to 3.13, and nothing else.

# The first of python3, python3.13, 3.12 and 3.11 that answers and is one of these.
PYTHON ?= $(shell tools/find-python)
# Not from the environment, where other tools mean other things by it: `make build ARCH=x86_64`.
ARCH = arm64
BUILD_DIR = .aws-sam/build
# Two processes for the two cores of a small machine; more of them would each import everything once more.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
PYTEST = .venv/bin/python -m pytest $(PYTEST_ARGS)

# The suite starts Python some hundreds of times. Where bytecode may not be kept, each start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

# The lock files are complete, so pip need not follow dependencies: it then asks for nothing that is not hashed.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-deps
# A tool compiles what it imports when it first runs; compiling all of it takes minutes.
TOOL_INSTALL := install -qq --disable-pip-version-check --no-deps --no-compile
WHEELS := .cache/wheels
# What it looks at and what it leaves out, with the reasons, stands in .checkov.yaml.
CHECKOV = .venv-checkov/bin/checkov --config-file .checkov.yaml
SAM = SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} .venv-sam/bin/sam

help:  ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

install: .venv/.local  ## Make .venv with the darkroom command in it

demo: install  ## Run the pipeline once, from a prompt to a picture, against a simulated upstream
	.venv/bin/darkroom demo

up: install  ## Keep the same stack running here until Ctrl-C
	.venv/bin/darkroom up

test: .venv/.dev .venv-ministack/.installed  ## Test what a change is likely to break, with the coverage gate
	$(PYTEST) --suite core --cov --cov-report=term-missing:skip-covered

test-fast: .venv/.dev  ## Test while you write: units, functions, contracts in memory and on moto
	$(PYTEST) --suite fast

test-rest: .venv/.dev install-tools  ## Run what `make test` leaves out: built layers, killed processes, made-up requests, tools
	$(PYTEST) --suite rest

test-all: test test-rest  ## Run every test

chaos: .venv/.dev install-tools  ## Try to break the five promises at length: every crash, thousands of schedules, real kills (about half an hour)
	.venv/bin/python -m tests.chaos

bench: .venv/.dev .venv-sam/.installed .venv-lambda/.installed  ## Measure speed, cost and manners beside others' and write docs/performance.md (15 minutes; needs valgrind)
	@$(MAKE) --no-print-directory .venv-bench/.installed || echo "LiteLLM's proxy could not be installed: the run goes on without it." >&2
	.venv/bin/python -m tests.benchmarks

format: .venv/.dev  ## Format the code, and mend what ruff can mend by itself
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix-only --quiet .

lint: .venv/.dev  ## Look for faults in the code, in seconds: ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

quality: .venv/.dev  ## Tell how the code is written, in numbers (QUALITY="--json FILE" keeps them, "--beside FILE" shows kept ones too)
	@.venv/bin/python -m tools.quality $(QUALITY)

check: lint .venv-sam/.installed .venv-checkov/.installed  ## Look for faults without running anything: lint, and the template
	.venv/bin/cfn-lint template.yaml
	$(SAM) validate --lint
	$(CHECKOV)

# SAM wants a real python3.13 first on PATH. The layer's wheels are fetched once; a plain `sam build` lets pip fetch them each time.
build: .venv-sam/.installed $(WHEELS)/$(ARCH)/.complete  ## Build what is deployed into .aws-sam (ARCH=arm64, or x86_64)
	@python313=$$(tools/find-python313) && \
	  PATH="$$(dirname "$$python313"):$$PATH" MAKEFLAGS= DARKROOM_WHEELS="$(CURDIR)/$(WHEELS)/$(ARCH)" \
	  $(SAM) build --build-dir "$(BUILD_DIR)" --cache-dir "$(BUILD_DIR)-cache" --parameter-overrides Architecture=$(ARCH)

deploy: build  ## Build and deploy into your AWS account; asks before it changes anything
	.venv-sam/bin/sam deploy --guided

openapi: .venv/.local  ## Write the OpenAPI document anew from the code
	.venv/bin/python -m darkroom.web.openapi

.PHONY: record
record: .venv/.dev  ## Write down anew what the code does to the outside (tests/net/recorded); the diff shows what a change changes
	.venv/bin/python -m tests.net --record

lock: .venv/.dev  ## Resolve the dependencies anew into requirements/ and the layer (needs uv; UPGRADE=--upgrade for newer ones)
	tools/lock $(UPGRADE)

install-tools: .venv-sam/.installed .venv-ministack/.installed .venv-checkov/.installed .venv-lambda/.installed $(WHEELS)/arm64/.complete $(WHEELS)/x86_64/.complete  ## Fetch what the tests need beside .venv: SAM CLI, MiniStack, checkov, Lambda's runtime client, the layer's wheels

clean:  ## Remove everything that was made here, the environments too
	rm -rf .venv .venv-sam .venv-ministack .venv-checkov .venv-lambda .venv-bench .cache .aws-sam .hypothesis .mypy_cache .ruff_cache .coverage demo-output
	find layers functions local tests tools -name __pycache__ -type d -prune -exec rm -r {} +

# A stamp in each environment says that it holds what its lock file says.

.venv/bin/python:
	@python=$(PYTHON); "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "Darkroom needs a Python of 3.11 to 3.13; $$python is $$("$$python" --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 1; }; \
	echo "Creating .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv || { rm -rf .venv; echo "No virtual environment could be made: on Debian, apt install python3-venv" >&2; exit 1; }

# What a lock file holds, said before pip is silent about it for a while.
PACKAGES = $$(grep -c == $(1)) packages of $(1) into $(2)

.venv/.local: requirements/local.txt pyproject.toml | .venv/bin/python
	@echo "Installing the $(call PACKAGES,requirements/local.txt,.venv): about a minute"
	@.venv/bin/python $(PIP_INSTALL) --require-hashes -r requirements/local.txt
	@echo "Installing the darkroom command as .venv/bin/darkroom"
	@.venv/bin/python $(PIP_INSTALL) --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.local requirements/dev.txt
	@echo "Installing the $(call PACKAGES,requirements/dev.txt,.venv), for the tests"
	@.venv/bin/python $(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv-sam/.installed .venv-ministack/.installed .venv-checkov/.installed .venv-bench/.installed: .venv-%/.installed: requirements/%.txt | .venv/bin/python
	@echo "Installing the $(call PACKAGES,$<,.venv-$*)"
	@.venv/bin/python -m venv --clear --without-pip .venv-$*
	@.venv/bin/python -m pip --python .venv-$*/bin/python $(TOOL_INSTALL) --require-hashes -r $<
	@touch $@

# Without a python3.13 this one is left out, and the tests that need it say so.
.venv-lambda/.installed: requirements/lambda.txt | .venv/bin/python
	@if python313=$$(tools/find-python313); then \
	  set -e; echo "Installing the $(call PACKAGES,$<,.venv-lambda)"; "$$python313" -m venv --clear --without-pip .venv-lambda; \
	  .venv/bin/python -m pip --python .venv-lambda/bin/python $(TOOL_INSTALL) --require-hashes -r $<; touch $@; fi

$(WHEELS)/%/.complete: layers/dependencies/requirements.txt layers/dependencies/%/platform.mk | .venv/bin/python
	@echo "Fetching the $(call PACKAGES,$<,$(@D))"
	@rm -rf $(@D)
	@$(MAKE) --no-print-directory -C layers/dependencies/$* -f ../Makefile wheels PYTHON="$(CURDIR)/.venv/bin/python" DEST="$(CURDIR)/$(@D)"
	@touch $@

.PHONY: help install demo up test test-fast test-rest test-all chaos bench format lint quality check build deploy openapi lock install-tools clean
