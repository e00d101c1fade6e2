# One command to a working bot: `make run`. One command to pass every test: `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test chaos lint format train bench install clean

run: $(INSTALLED)
	@$(BIN)/frontdesk run

test: $(INSTALLED)
	@$(BIN)/python -m pytest $(or $(TESTS),-n auto --dist loadfile --no-loadscope-reorder)

# Every fault against real processes: make chaos ROUNDS=20 SEED=1
chaos: $(INSTALLED)
	@$(BIN)/python -m tests.chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.chaos.mutations

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

train: $(INSTALLED)
	@$(BIN)/frontdesk train

# Everything, or what is named: make bench ONLY="swap retrain"
bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(ONLY)

install: $(INSTALLED)

# The stamp is newer than pyproject.toml exactly when the environment fits it.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
		ok or sys.exit("Frontdesk needs Python 3.11 to 3.13, and $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	@echo "Making the environment in $(VENV); this takes a minute or two the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test,lint]'
	@touch $(INSTALLED)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
