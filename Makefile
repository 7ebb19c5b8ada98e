# Every task of a checkout. `make demo` and `make test` need only Python 3.12 or newer, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# Stamp files record the time of the last install, so that only a changed lock file is installed again.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
BENCH := $(VENV)/.installed-bench

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-dev clients peers test test-fast test-peers coverage lint format schema messages examples pictures attack faults bench bench-quick bench-lists bench-huge bench-fanout bench-process bench-bloat bench-admin restore-drill lock

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(RUN) .env ## Start the service with demonstration data (options: ARGS="--port 8001")
	@$(MANAGE) demo $(ARGS)

setup: $(RUN) .env ## Install the dependencies of the service into .venv and write .env

setup-dev: $(DEV) .env clients ## The same with the dependencies of tests and checks

clients: $(DEV) ## Generate the Python and the TypeScript client and build their packages in clients/dist
	@$(BIN)/python clients/build.py

PYTEST := $(BIN)/pytest -n auto --dist worksteal
STYLE := $(BIN)/ruff check . && $(BIN)/ruff format --check .
STRUCTURE := $(BIN)/lint-imports && $(MANAGE) makemigrations --check --dry-run
TYPES := $(VENV)/types.txt
# Tests start hundreds of processes. With PYTHONDONTWRITEBYTECODE, which many containers set, each would compile all code.
test test-fast peers test-peers coverage: export PYTHONDONTWRITEBYTECODE :=

# mypy uses one core for a minute and decides nothing that the tests need, so it runs beside the other checks and the
# first tests. What it found is printed at the end.
test: $(DEV) .env ## Run every check and all tests but test-peers (options: ARGS="tests/accounts -x")
	@$(STYLE)
	@$(BIN)/mypy . >$(TYPES) 2>&1 & types=$$!; \
		$(STRUCTURE) && $(BIN)/python clients/build.py && $(PYTEST) --durations=10 -m "not peers" $(ARGS); others=$$?; \
		wait $$types || { cat $(TYPES); exit 1; }; exit $$others

test-fast: $(DEV) .env clients ## Run the tests without browsers, processes, fuzzing, large data and what walks through all pages
	@$(PYTEST) -m "not slow and not browser and not peers" $(ARGS)

test-peers: peers ## Install the peers of the benchmark and check their types and responses
	@$(PYTEST) -m peers tests/benchmarks $(ARGS)

peers: $(BENCH) $(DEV) .env ## Install the peers of the benchmark and check their types
	@$(BIN)/mypy -p benchmarks.peers.fastapi_sqlalchemy

coverage: $(DEV) .env clients ## Run the tests of make test and print the uncovered lines and branches of the apps
	@$(BIN)/coverage erase
	@status=0; $(BIN)/coverage run $(PYTEST) -m "not peers" $(ARGS) || status=$$?; \
		$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$status

lint: $(DEV) .env ## Check style, types, import direction and missing migrations
	@$(STYLE)
	@$(BIN)/mypy . & types=$$!; $(STRUCTURE); others=$$?; wait $$types && exit $$others

format: $(DEV) ## Format the code and apply the fixes of ruff
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

schema: $(DEV) .env ## Write docs/openapi.yaml
	@mkdir -p docs
	@$(MANAGE) spectacular --file docs/openapi.yaml --validate --fail-on-warn

# English is the language of the source and needs no catalogue. The compiled catalogue is committed, so running needs no tools.
TR := locale/tr/LC_MESSAGES/django.po
# What django-unfold shows: kept by hand, and complete when tests/admin/test_unfold_texts.py passes.
TR_UNFOLD := locale/unfold/tr/LC_MESSAGES/django.po
messages: $(DEV) schema ## Collect the translatable texts into the Turkish catalogue and compile it
	@mkdir -p locale
	@PYTHONPATH=. $(BIN)/pybabel -q extract --mapping babel.cfg --sort-by-file --no-wrap --add-location file --project kumanda \
		--keyword gettext_lazy --keyword ngettext_lazy:1,2 --keyword pgettext_lazy:1c,2 --keyword gettext_noop \
		--output locale/django.pot .
	@test -f $(TR) || $(BIN)/pybabel -q init --input-file locale/django.pot --output-file $(TR) --locale tr
	@$(BIN)/pybabel -q update --no-wrap --no-fuzzy-matching --ignore-obsolete --input-file locale/django.pot --output-file $(TR) --locale tr
	@$(BIN)/pybabel compile --input-file $(TR) --output-file $(TR:.po=.mo) --locale tr --statistics
	@$(BIN)/pybabel compile --input-file $(TR_UNFOLD) --output-file $(TR_UNFOLD:.po=.mo) --locale tr --statistics

# In one process: each test writes its part of a file.
examples: $(DEV) .env ## Record the examples of the API document from the service (about five minutes), then run make schema
	@rm -f config/examples/*.json
	@RECORD_EXAMPLES=1 $(BIN)/pytest -q -p no:cacheprovider tests/api/test_every_status.py -k recorded $(ARGS)

pictures: $(DEV) .env ## Take the screenshots of the README from a demo, with Chromium
	@$(BIN)/python docs/take_pictures.py

bench-fanout: $(BENCH) .env ## Measure how long it takes to notify a million people, against two other ways
	@$(BIN)/python -m benchmarks.fanout $(ARGS)

attack: $(BENCH) .env ## Attack the service on this machine and report the effect on other clients (under three minutes)
	@$(BIN)/python -m benchmarks.attack $(ARGS)

faults: $(BENCH) .env ## Cause faults of database, servers and workers under load (under ten minutes; also ARGS=upgrade)
	@$(BIN)/python -m benchmarks.faults $(ARGS)

bench-lists: $(BENCH) $(DEV) .env ## Measure every list of the API with 10,000 and 1,000,000 streams (about fifteen minutes)
	@$(BIN)/python -m benchmarks.growth $(ARGS)

bench-huge: $(BENCH) $(DEV) .env ## The same, and with 10,000,000 streams (about forty minutes, 30 GB)
	@$(BIN)/python -m benchmarks.growth --sizes 3

bench-admin: $(BENCH) .env ## Measure every page, search and filter of the admin with a million bans (about fifteen minutes, 10 GB)
	@$(BIN)/python -m benchmarks.admin $(ARGS)

bench-bloat: .env ## Measure how much tables grow that are updated often, with several fill factors (about five minutes)
	@$(BIN)/python -m benchmarks.bloat $(ARGS)

bench-process: $(BENCH) $(DEV) .env ## Measure memory and starts of a server process, and migrations of big tables (about five minutes)
	@$(BIN)/python -m benchmarks.process $(ARGS)

restore-drill: $(BENCH) $(DEV) .env ## Back up and restore a million rows with pictures, and compare them (about ten minutes, 3 GB)
	@$(BIN)/python -m benchmarks.restore_drill

bench: bench-quick bench-lists bench-fanout bench-process bench-admin ## Run all benchmarks but the huge one (about an hour)

bench-quick: $(BENCH) .env ## Compare frequently called endpoints with other implementations (under five minutes)
	@$(BIN)/python -m benchmarks.quick $(ARGS)

# The order matters: each lock file constrains the next, so that all four fit in one environment.
lock: $(DEV) ## Resolve the newest allowed versions again and write the lock files
	@for set in run traces dev bench; do \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make lock" --output-file requirements/$$set.lock requirements/$$set.in || exit 1; \
	done

$(RUN): requirements/run.lock | $(BIN)/python
	@echo "Installing the dependencies of the service (once, about a minute)"
	@$(PIP) -r requirements/run.lock
	@touch $@

# dev.lock contains run.lock, so both stamps are set.
$(DEV): requirements/dev.lock requirements/run.lock | $(BIN)/python
	@echo "Installing the dependencies of tests and checks (once, about two minutes)"
	@$(PIP) -r requirements/dev.lock
	@touch $(RUN) $@

$(BENCH): requirements/bench.lock | $(BIN)/python
	@$(PIP) -r requirements/bench.lock
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || { \
		echo "Kumanda needs Python 3.12 or newer, and '$(PYTHON)' is older. Name another one: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Secrets are generated in each checkout, never committed.
.env: | .env.example
	@$(PYTHON) -c "import os, re, secrets; \
	text = open('.env.example', encoding='utf-8').read(); \
	filled = re.sub(r'(?m)^(SECRET_KEY|JWT_SIGNING_KEY)=$$', lambda found: found[0] + secrets.token_urlsafe(48), text); \
	os.write(os.open('.env', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), filled.encode())"
	@echo "Wrote .env with fresh secrets"
