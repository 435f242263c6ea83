# `make app` and `make test` do all their own set-up: they need make and a Python from 3.10 to 3.13, nothing else.
# Another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
LOWEST_ROOMS := golden names images data model backbones features training predictions evaluation methods maps checkpoints estimator runtime
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
# uv installs several times faster than pip. It reads no settings of pip's, so the indexes, links and constraints that pip
# would use are handed on: both take the same packages. Where uv cannot be had, or fails, pip installs.
PIP_TO_UV := s/^[^=]*\.constraint=/UV_CONSTRAINT=/p; s/^[^=]*\.find-links=/UV_FIND_LINKS=/p; s/^[^=]*\.no-index=/UV_NO_INDEX=/p; \
  s/^[^=]*\.index-url=/UV_DEFAULT_INDEX=/p; s/^[^=]*\.extra-index-url=/UV_INDEX=/p; s/^[^=]*\.cert=/SSL_CERT_FILE=/p
define INSTALL
@set -a; eval "$$($(BIN)/python -m pip config list | sed -n '$(PIP_TO_UV)' | sed 's/\\n/ /g')"; set +a; \
if $(PIP_INSTALL) --quiet uv; then \
  UV_INDEX_STRATEGY=unsafe-best-match $(BIN)/uv pip install --python $(BIN)/python -e '.[$(EXTRAS)]' || $(PIP_INSTALL) -e '.[$(EXTRAS)]'; \
else $(PIP_INSTALL) -e '.[$(EXTRAS)]'; fi
endef

# Torch's idle threads sleep instead of spinning, which on shared cores would slow a small training step many times over.
export OMP_WAIT_POLICY := PASSIVE
# Compiled files are kept: where images forbid them, every test worker would rewrite all assertions, ten seconds each.
unexport PYTHONDONTWRITEBYTECODE
# In CI a missing Chromium or Node is a failure; elsewhere the tests that need one are left out, and named.
ifneq ($(CI),)
export GALLOP_REQUIRE_TOOLS := 1
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help app test test-slow test-all quick lint format notebooks notebooks-sync docs screenshots bench gpu web wheel release lowest clean

help:
	@echo "make app     install into $(VENV) and open the app in the browser"
	@echo "make test    install into $(VENV) and run the checks and the fast tests: every room, in seven to nine minutes"
	@echo "make test-all  that, and then the slow tests"
	@echo "make quick   the tests of what differs from main, in a minute and a half"
	@echo "make lint    the checks alone: ruff, mypy, import-linter and the size"
	@echo "make format  let ruff put the code in order"
	@echo "make notebooks  install into $(VENV) and open the tutorial notebooks in Jupyter"
	@echo "make notebooks-sync  write the notebooks again from their scripts"
	@echo "make docs    build the documentation into build/docs"
	@echo "make screenshots  pictures of every page of the app, into test-results/screenshots"
	@echo "make bench   measure how fast everything is here: about half an hour"
	@echo "make gpu     test and measure everything that wants a GPU: less than ten minutes on one card"
	@echo "make web     have npm fetch what pages for browsers run on; a wheel that is built then carries it"
	@echo "make wheel   build the package into dist/ and check it as PyPI does"
	@echo "make release  check everything that a release needs, build it, and stop before the upload"
	@echo "make lowest  test library and app on the oldest versions they admit: run it with the oldest Python"
	@echo "make clean   remove $(VENV), caches and build outputs"

app: $(VENV)/.app
	$(BIN)/gallop app

test: lint
	$(BIN)/python -m pytest

# What `make test` leaves out.
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

test-all: test
	$(MAKE) test-slow

quick: $(VENV)/.dev
	$(BIN)/python -m tests.quick

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.size

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/.notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks-sync: $(VENV)/.dev
	$(BIN)/python -m notebooks.sync

# A warning is an error; links are checked without a network (docs/_ext/checked_links.py).
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --fresh-env --quiet -c docs -d build/docs-read . build/docs
	@echo "The documentation begins at build/docs/index.html"

screenshots: $(VENV)/.dev
	$(BIN)/python -m docs.pictures.screenshots

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks --write

gpu: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gpu --write

web: $(VENV)/.dev
	$(BIN)/python -m gallop.export.web.fetch

wheel: web
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# What a release consists of is committed, has its changelog, and passes every check; uploading is left to a person.
release: export GALLOP_REQUIRE_TOOLS := 1
release:
	@git diff --quiet HEAD || { echo "There are changes that are not committed." >&2; exit 1; }
	@grep -q "^## \[$(VERSION)\]" CHANGELOG.md || { \
	  echo "CHANGELOG.md has no entry for $(VERSION), which pyproject.toml names: what is under Unreleased gets it, and the date." >&2; exit 1; }
	$(MAKE) test-all
	$(MAKE) wheel
	$(MAKE) docs
	@echo "Everything passed. dist/ holds both packages, build/docs the site. Nothing was uploaded or tagged:"
	@echo "  git tag v$(VERSION) && git push origin v$(VERSION) && $(BIN)/twine upload dist/*"

# Library and app on the oldest versions that pyproject.toml admits. What the other extras bring is left out by its tests.
lowest: $(VENV)/.made
	$(PIP_INSTALL) uv
	$(BIN)/uv venv --clear --python "$(PYTHON)" $(LOWEST)
	$(BIN)/uv pip install --python $(LOWEST) --resolution lowest-direct -e '.[app]'
	$(BIN)/uv pip install --python $(LOWEST) pytest pytest-xdist hypothesis
	$(LOWEST)/bin/python -m pytest $(addprefix tests/,$(LOWEST_ROOMS))

clean:
	rm -rf $(VENV) $(LOWEST) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a second run installs nothing unless pyproject.toml changed.
$(VENV)/.app: EXTRAS := app
$(VENV)/.app: pyproject.toml $(VENV)/.made
	@echo "Installing GalLoP Explorer and its app into $(VENV): a minute or two the first time."
	$(INSTALL)
	@touch $@

$(VENV)/.notebooks: EXTRAS := notebooks
$(VENV)/.notebooks: pyproject.toml $(VENV)/.made
	@echo "Installing GalLoP Explorer and Jupyter into $(VENV): a minute or two the first time."
	$(INSTALL)
	@touch $@

$(VENV)/.docs: EXTRAS := docs,onnx
$(VENV)/.docs: pyproject.toml $(VENV)/.made
	@echo "Installing GalLoP Explorer and Sphinx into $(VENV): a minute or two the first time."
	$(INSTALL)
	-$(BIN)/python -m gallop.export.web.fetch # without it, the site has no page that answers photos in the browser
	@touch $@

$(VENV)/.dev: EXTRAS := app,notebooks,onnx,tokenizers,many,ray,serve,docs,dev
$(VENV)/.dev: pyproject.toml $(VENV)/.made
	@echo "Installing GalLoP Explorer with app, notebooks and developers' tools into $(VENV): a minute or two the first time."
	$(INSTALL)
	-$(BIN)/python -m gallop.export.web.fetch # without it, tests of pages for browsers are left out, and named
	@touch $(VENV)/.app $(VENV)/.notebooks $(VENV)/.docs $@

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "There is no '$(PYTHON)' here. Install Python 3.10 to 3.13, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.10 to 3.13 is needed, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@# An environment that was made by hand is used as it is; a broken one is made again.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@
