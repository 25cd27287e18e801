# The targets of the project; `make` without arguments lists them.
PYTHON ?= python3
VENV ?= .venv
IMAGE ?= sagemaker-kmeans
# If build containers of the Docker engine have no network of their own: DOCKER_BUILD_FLAGS="--network host".
DOCKER_BUILD_FLAGS ?=
# Arguments for pytest or a benchmark: make test ARGS="-k csv -x"
ARGS ?=

bin := $(VENV)/bin

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf 'make %-16s %s\n' "$$target" "$$text"; done

.PHONY: setup
setup: $(VENV)/dev.stamp ## create .venv with the locked dependencies, including those for development

.PHONY: demo
demo: setup ## train on handwritten digits, serve the model and query it, without Docker
	@$(bin)/python demo.py

.PHONY: test
test: setup ## run all tests that do not need Docker, in a process for each core
	$(bin)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder --ignore tests/image --ignore tests/sagemaker_kmeans/sdk $(ARGS)

.PHONY: coverage
coverage: setup ## show which lines tests execute; slow, so select some: ARGS=tests/kmeans/finalization/test_lloyd.py
	NUMBA_DISABLE_JIT=1 $(bin)/python -m pytest $(or $(ARGS),tests/kmeans) --cov

.PHONY: lint
lint: setup ## check style, types and formatting
	$(bin)/ruff check . train serve
	$(bin)/ruff format --check . train serve
	$(bin)/mypy
	$(bin)/mypy --scripts-are-modules demo.py train serve
	$(bin)/shellcheck container/*.sh container/local_test/*.sh .ci/run

.PHONY: format
format: setup ## fix what ruff can fix, and format
	$(bin)/ruff check --fix . train serve
	$(bin)/ruff format . train serve

.PHONY: bench
bench: $(VENV)/bench.stamp ## measure speed; results go to benchmarks/results/
	$(bin)/python -m benchmarks $(ARGS)

.PHONY: bench-quality
bench-quality: setup ## compare the accuracy with other k-means; results go to benchmarks/results/
	$(bin)/python -m benchmarks.quality $(ARGS)

.PHONY: bench-serve
bench-serve: setup ## compare serving with bare Flask and scikit-learn (needs wrk)
	$(bin)/python -m benchmarks.serve $(ARGS)

.PHONY: soak-serve
soak-serve: setup ## keep `serve` under load for 150 s for each payload and watch its memory (needs wrk)
	$(bin)/python -m benchmarks.serve soak $(ARGS)

.PHONY: fuzz
fuzz: setup ## feed random bytes to the decoders and random trees to train and serve, for 10 minutes
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) $(bin)/python -m pytest tests/container/fuzz --timeout 0 $(ARGS)

.PHONY: test-resumes
test-resumes: setup ## kill jobs of two hosts 50 times at random, and compare the resumed jobs with uninterrupted ones
	RESUMES=$(or $(RESUMES),50) $(bin)/python -m pytest tests/container/hosts/test_resume.py -s --timeout 0 $(ARGS)

.PHONY: test-chaos
test-chaos: setup ## hit processes of jobs of three hosts 200 times at random, and try what takes long on several hosts
	CHAOS=$(or $(CHAOS),200) $(bin)/python -m pytest tests/container/hosts/test_chaos.py tests/container/hosts/test_long.py -s --timeout 0 $(ARGS)

.PHONY: bench-hosts
bench-hosts: setup ## measure one and two hosts, predict up to 64; results go to benchmarks/results/
	$(bin)/python -m benchmarks.hosts $(ARGS)

.PHONY: image
image: ## build the Docker image
	docker build $(DOCKER_BUILD_FLAGS) --tag $(IMAGE) .

.PHONY: image-gpu
image-gpu: ## build the experimental image for machines with an NVIDIA GPU
	docker build $(DOCKER_BUILD_FLAGS) --target gpu --build-arg REQUIREMENTS=gpu --tag $(IMAGE):gpu-experimental .

.PHONY: test-container
test-container: $(VENV)/sdk.stamp $(VENV)/sdk3.stamp ## build the image and test it, also with the SageMaker SDK
	$(bin)/python -m pytest tests/image $(ARGS)

.PHONY: test-sdk
test-sdk: $(VENV)/sdk.stamp $(VENV)/sdk3.stamp ## test the package sagemaker_kmeans with versions 2 and 3 of the SageMaker SDK
	$(bin)/python -m pytest tests/sagemaker_kmeans/sdk $(ARGS)
	KMEANS_PYTHON=$(abspath $(bin)/python) $(sdk3)/bin/python -m pytest tests/sagemaker_kmeans/sdk $(ARGS)

.PHONY: lock
lock: setup ## update the lock files from pyproject.toml
	$(compile) --group dev --group sdk --group spark --group intel -o requirements/bench.txt
	$(compile) --group dev --group sdk -c requirements/bench.txt -o requirements/sdk.txt
	$(compile:pyproject.toml=) --group sdk3 -o requirements/sdk3.txt
	$(compile) --group dev -c requirements/bench.txt -o requirements/dev.txt
	$(compile) -c requirements/bench.txt -o requirements/runtime.txt
	$(compile) --extra gpu -c requirements/bench.txt -o requirements/gpu.txt

# All files use one resolution, that of the largest set. They keep the extras: pip would otherwise look for newer releases
# of packages that are required with an extra, and find no hash for them.
compile = $(bin)/uv pip compile --quiet --universal --python-version 3.11 pyproject.toml \
	--system-certs --no-emit-index-url --no-emit-find-links --generate-hashes --no-header --no-strip-extras

.PHONY: readme
readme: setup ## update the generated parts of README, docs/ and other files
	$(bin)/python -m tools.generated

.PHONY: clean
clean: ## remove .venv and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp is newer than the lock file that was installed, so a second run has nothing to do.
install = $(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement

# Fails if PYTHON was given, and is another version than that of an environment that exists.
.PHONY: same-python
same-python:
ifneq ($(origin PYTHON),file)
	@[ ! -x $(bin)/python ] || { \
		there=$$($(bin)/python $(version)) && given=$$($(PYTHON) $(version)) || exit 1; \
		[ "$$there" = "$$given" ] || { \
			echo "$(VENV) has Python $$there, and $(PYTHON) is Python $$given: to replace it, run rm -r $(VENV) first" >&2; \
			exit 1; }; }
endif

version := -c 'import sys; print("%d.%d" % sys.version_info[:2])'

$(VENV)/bin/python: | same-python
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11.4 or newer is needed; name one: make PYTHON=python3.12" if sys.version_info < (3, 11, 4) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/bin/python
	$(install) $<
	@touch $@

$(VENV)/sdk.stamp: requirements/sdk.txt $(VENV)/dev.stamp
	$(install) $<
	@touch $@

# Version 3 excludes version 2, and has an environment of its own.
sdk3 := $(VENV)/sdk3

$(sdk3)/bin/python: | $(VENV)/bin/python
	$(bin)/python -m venv $(sdk3)

$(VENV)/sdk3.stamp: requirements/sdk3.txt | $(sdk3)/bin/python
	$(sdk3)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/sdk.stamp
	$(install) $<
	@touch $@
