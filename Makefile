# Needs Python 3.11+, Node 20+ and make; everything else is installed into .venv and node_modules.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install -qq --disable-pip-version-check
SETUP  := $(VENV)/.installed
PROVER := .venv-halmos
SITE   := .venv-docs
BOT    := .venv-silverback

.DEFAULT_GOAL := help
.PHONY: help setup build test demo bench-gas bench-options bench-option-gas bench-fuzz bench-keeper replay-keepers fuzz campaign profit profit-oracle risk latency option-quotes coverage faults faults-keeper hunt mutation prove docs lint lint-python lint-solidity slither sizes format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## install everything that is pinned (once; again only when a pin changes)

$(SETUP): node_modules/.installed pyproject.toml constraints.txt tools/ape_solc.py
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or later"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make setup PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: install python3-venv"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt --upgrade pip
	$(PIP) --no-deps --no-compile --requirement constraints.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(PY) -m pip check
	$(PY) tools/ape_solc.py
	@touch $@

# npm ci installs the lock to the letter. It sets no modification time of its own, hence the stamp.
node_modules/.installed: package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "node and npm are missing: install Node 20 or later"; exit 1; }
	npm ci --silent
	@touch $@

build: setup ## compile contracts/ (only what changed) and print the sizes
	$(PY) -m bulkhead.build

test: setup $(BOT)/.installed ## run the test suite on two cores
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m pytest -q -n 2 tests

demo: setup ## a local market from deployment to liquidation
	$(PY) -m bulkhead.cli demo

bench-gas: setup ## gas of every user call
	$(PY) benchmarks/gas.py

bench-options: setup ## gas and errors of option prices on chain; half a minute, fails above a target
	@$(PY) -m bulkhead.build --quiet
	$(PY) benchmarks/options.py

bench-option-gas: setup ## whole-transaction gas of options
	@$(PY) -m bulkhead.build --quiet
	PYTHONPATH=. $(PY) benchmarks/option_gas.py

bench-fuzz: setup ## calls per second of the fuzzer, of forge's invariants on the same, and of ape; five minutes
	@$(PY) -m bulkhead.build --quiet
	$(PY) benchmarks/fuzz.py

bench-keeper: setup ## a million positions in a keeper's index, and 12,000 vaults liquidated on a node; some ten minutes
	@$(PY) -m bulkhead.build --quiet
	$(PY) benchmarks/keeper.py

replay-keepers: setup ## 500 positions and live keepers through March 2020, also with keepers gone; half an hour
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m tests.integration.keeper_replay

fuzz: setup ## random histories against the model and every invariant, for a minute
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m bulkhead.cli fuzz --seconds 60

campaign: setup ## a hundred million random calls; interrupted, it goes on where it was
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m bulkhead.cli fuzz --calls 100000000 --resume out/fuzz/campaign.json

profit: setup ## search for money machines: the most that one person with every role earns; a minute
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m bulkhead.cli profit

profit-oracle: setup ## search for profit from prices, against real sources, an exchange and an arbitrageur; ten minutes
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m tests.attacks.oracle_search --minutes 10

risk: setup ## fixed margins beside margins that follow volatility, over the built-in crashes; pictures in out/risk
	$(PY) -m bulkhead.cli risk

latency: setup ## how long an order waits, and what a trader earns who is ahead of the feed; a minute and a half
	@$(PY) -m bulkhead.risk.latency
	@cp out/latency.json benchmarks/latency.json

option-quotes: setup ## what informed traders earn from a pool's quotes for options, and how wide these must be; five minutes
	@$(PY) -m bulkhead.risk.options $(sort $(wildcard ../shared/data/btc_*.csv ../shared/data/eth_*.csv))
	@cp out/options_quotes.json benchmarks/options_quotes.json

coverage: setup ## which branches of the core the tests take; fails for one that they do not
	$(PY) -m tools.coverage

faults: setup ## plant faults in the contracts, one by one; fails for one that no test sees
	$(PY) -m tools.faults

faults-keeper: setup ## break what a keeper stands on, at 200 random instants for each kind of fault; half an hour
	@$(PY) -m bulkhead.build --quiet
	$(PY) -m tests.integration.keeper_faults

hunt: setup ## plant subtle faults in the contracts, one by one; fails for one that the fuzzer does not find in a minute
	$(PY) -m tools.faults.hunt

mutation: setup ## make small changes in the core, in options and oracles, one by one; fails if too few are noticed
	$(PY) -m tools.mutation
	$(PY) -m tools.mutation --part options
	$(PY) -m tools.mutation --part oracles

prove: $(PROVER)/.installed ## prove the lemmas of proofs/ with halmos, about ten minutes; fails for one that is not proven
	$(PROVER)/bin/python -m tools.prove

$(PROVER)/.installed: node_modules/.installed proofs/constraints.txt
	test -x $(PROVER)/bin/python || $(PYTHON) -m venv $(PROVER)
	$(PROVER)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement proofs/constraints.txt
	@$(PROVER)/bin/python -m pip check
	@touch $@

docs: $(SITE)/.installed ## the pages of docs/ and a reference from the docstrings, as a site in out/site
	$(SITE)/bin/mkdocs build --strict --quiet --config-file tools/site/mkdocs.yml
	@echo "out/site/index.html"

$(SITE)/.installed: tools/site/constraints.txt
	test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement tools/site/constraints.txt
	@$(SITE)/bin/python -m pip check
	@touch $@

# Silverback and TaskIQ want packages of their own, and this package without what it draws pictures with. The tests start a Redis,
# taken from Debian where the machine has none.
$(BOT)/.installed: $(SETUP) tools/silverback/constraints.txt tools/redis.sh
	test -x $(BOT)/bin/python || $(PYTHON) -m venv $(BOT)
	$(BOT)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-compile --requirement tools/silverback/constraints.txt
	@$(BOT)/bin/python -m pip check
	@$(BOT)/bin/python -c 'import os, pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "bulkhead.pth").write_text(os.getcwd())'
	@tools/redis.sh .redis
	@touch $@

lint: lint-python lint-solidity slither sizes ## formatting, types, style, static analysis, contract sizes

lint-python: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lint-solidity: setup
	tools/forge fmt --check contracts benchmarks/forge proofs
	node_modules/.bin/solhint --max-warnings 0 --disc --noPoster 'contracts/**/*.sol'

slither: setup
	@$(PY) -m bulkhead.build --quiet --ast
	PATH="$(CURDIR)/tools:$$PATH" $(VENV)/bin/slither . --config-file slither.config.json

sizes: setup
	$(PY) -m bulkhead.build --sizes

format: setup ## rewrite Python and Solidity in the project's format
	$(VENV)/bin/ruff check --fix-only --quiet . && $(VENV)/bin/ruff format --quiet .
	tools/forge fmt contracts benchmarks/forge proofs

clean: ## remove everything that was installed or built
	rm -rf $(VENV) $(PROVER) $(SITE) $(BOT) .redis node_modules .build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
