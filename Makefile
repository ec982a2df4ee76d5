# `make help` lists the targets. Everything runs in .venv, which `make env` fills from the lock.

# Asked one by one: some shells' `command -v` takes one name, and a name on the path may be a shim of
# a version that is not installed.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then command -v "$$name"; break; fi; done)
BIN := .venv/bin
STAMP := .venv/installed
CHAPTERS ?= $(wildcard book/*.ipynb)
PROFILE ?= paper
# The other experiments draw nothing that a GPU would speed up.
EXPERIMENTS ?= $(if $(filter gpu,$(PROFILE)),\
  linear_codes structured_targets throughput learned_statements,\
  $(basename $(notdir $(wildcard book/experiments/*.ipynb))))
# Two workers share the machine: each computes with one thread. A file stays with one worker; what is
# named first starts first, so that no long file is left for the end.
WORKERS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
UV := uv==0.13.9
# For wheels that are read and run under _build, and installed nowhere.
UNPACK = -m pip install --quiet --require-hashes --no-deps --only-binary :all: --no-compile

.DEFAULT_GOAL := help
.PHONY: help env models sequences book site test test-slow test-wheel links
.PHONY: bench compare record notebooks lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

env: $(STAMP) ## create .venv and install the locked requirements

$(STAMP): requirements.txt requirements-torch.txt pyproject.toml book/pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is incomplete: on Debian, apt-get install python3-venv"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-torch.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable book
	$(BIN)/python -m pip check
	@touch $@

models: _build/models/unpacked ## download the antibody models and unpack them (100 MB)

_build/models/unpacked: requirements-models.txt | $(STAMP)
	rm -rf _build/models
	$(BIN)/python $(UNPACK) --target _build/models --requirement requirements-models.txt
	@touch $@

sequences: _build/sequences/heavy_chains.txt ## simulate antibody sequences (runs GenAIRR, GPL-3)

_build/sequences/heavy_chains.txt: requirements-sequences.txt book/experiments/heavy_chains.py | $(STAMP)
	rm -rf _build/sequences
	$(BIN)/python $(UNPACK) --target _build/sequences --requirement requirements-sequences.txt
	PYTHONPATH=_build/sequences $(BIN)/python book/experiments/heavy_chains.py > $@.part
	@mv $@.part $@

book: env ## execute what is outdated, build the pages into _build/html, and check them (FRESH=1 keeps nothing)
	$(BIN)/python -m bookkit.build $(if $(filter-out 0 false,$(FRESH)),--fresh)

site: book ## make a site in _build/site: the pages, the book as a PDF, the notebooks as an archive
	$(BIN)/python -m bookkit.site
	$(BIN)/python -m pytest tests/book/test_site.py -m "site and not slow"

# Where CI is set nothing may be skipped.
test: env $(if $(filter-out 0 false,$(CI)),models sequences) ## lint, test the package and the book, and re-run the chapters against their outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --quiet --offline --no-progress .github/workflows
	$(WORKERS) $(CHAPTERS) tests dlm_core book/bookkit \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
	  --doctest-modules -m "not slow and not pages and not site"

test-slow: site ## run the slow tests
	$(WORKERS) tests -m slow

test-wheel: env ## build the wheel, and try it in fresh environments on every Python found
	$(BIN)/python -m pytest tests/test_install.py -m slow

links: env ## look up every link to another site
	$(BIN)/python -m bookkit.execution
	$(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

bench: env ## time the sampler and the schedules beside others, within limits (RECORD=yes records)
	$(BIN)/python benchmarks/speed.py $(if $(RECORD),--record)

compare: _build/bench/installed ## record the information calculators beside dit and hoi, in their own environment
	PYTHONPATH=.:book _build/bench/bin/python benchmarks/information.py --record

_build/bench/installed: requirements-bench.txt
	"$(PYTHON)" -m venv _build/bench
	_build/bench/bin/python -m pip install --quiet --require-hashes --requirement requirements-bench.txt
	@touch $@

record: env $(if $(filter learned_antibodies,$(EXPERIMENTS)),models sequences) ## run all experiments and record their results (PROFILE=paper or gpu)
	for name in $(EXPERIMENTS); do \
	  $(BIN)/python -m bookkit run $$name --profile $(PROFILE) || exit 1; \
	done

notebooks: env ## re-execute the chapters in place (CHAPTERS="book/04_tc_adaptive.ipynb" for some)
	$(BIN)/python -m bookkit.notebooks $(CHAPTERS)

lock: ## compile requirements*.in to requirements*.txt: all versions and hashes, for every Python
	"$(PYTHON)" -m venv _build/lock
	_build/lock/bin/python -m pip install --quiet $(UV)
	for name in requirements requirements-bench; do \
	  _build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" \
	    --output-file $$name.txt $$name.in || exit 1; \
	done

clean: ## remove everything that the other targets made
	rm -rf _build build .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -rf dlm_core.egg-info book/build book/bookkit.egg-info
