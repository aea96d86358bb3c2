# Everything happens in .venv; `make run` is all a user needs.
PYTHON ?= python3
BIN := .venv/bin
COOLDOWN := 7
# Each machine has its own build of torch, for its CPU or GPU, so no lock holds its hash.
TORCH := 2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup run test test-slow test-deep lint format bench lock screenshots editor clean

setup: .venv/.setup

# pip compiles on one core and everything: of the largest packages few files are ever imported.
.venv/.setup: requirements/base.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile --no-deps --require-hashes -r requirements/base.txt
	$(BIN)/pip install -q --no-compile torch==$(TORCH)
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q -j 0 -x '/(torch|transformers|sympy|kubernetes|tests?)/' .venv/lib
	$(BIN)/python -m connectors.fetch_demo
	touch $@

.venv/.setup-test: requirements/test.txt requirements/tuning.txt .venv/.setup
	$(BIN)/pip install -q --no-compile --no-deps --require-hashes -r requirements/test.txt
	$(BIN)/python -m tuning.environment
	command -v npm > /dev/null && npm install --silent --no-audit --no-fund --prefix .venv/npm axe-core@4.10.3 openai@6.49.0 || true
	touch $@

run: setup
	$(BIN)/promptstone up

lint: .venv/.setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Database tests run on SQLite and PostgreSQL; faults repeat at about a tenth of `make test-deep`.
test: lint
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder

# What takes minutes each: a real model is trained and served.
test-slow: .venv/.setup-test
	$(BIN)/python -m pytest -m slow --timeout 1800

test-deep: lint
	PROMPTSTONE_TEST_DEEP=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --timeout 3600

format: .venv/.setup-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.setup-test
	$(BIN)/python -m benchmarks.batch

screenshots: .venv/.setup-test
	$(BIN)/python -m docs.screenshots

# The code editor as one file: its packages and the bundler as locked, none of their own scripts run.
EDITOR := app/workspace/components/editor_source
editor:
	mkdir -p .venv/editor
	cp $(EDITOR)/package.json $(EDITOR)/package-lock.json .venv/editor
	npm ci --silent --no-audit --no-fund --ignore-scripts --prefix .venv/editor
	node $(EDITOR)/build.mjs .venv/editor

# Releases younger than a week are left out: most poisoned packages are found within days.
lock: .venv/.setup-test
	$(BIN)/pip install -q uv
	for extra in "base.txt" "test.txt --extra test"; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-emit-package torch --exclude-newer "$$(date -d '-$(COOLDOWN) days' +%F)" \
	    pyproject.toml requirements/build.in -o requirements/$$extra || exit 1; \
	done
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-emit-package torch --exclude-newer "$$(date -d '-$(COOLDOWN) days' +%F)" \
	  -c requirements/base.txt requirements/tuning.in -o requirements/tuning.txt

clean:
	rm -rf .venv build *.egg-info
