# One Cargo profile for everything: libtorch's bindings take minutes to compile, once.

CARGO ?= cargo
PRESET ?= cartpole
ARGS ?=
RUNS ?= runs/methods
target := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build train report test test-containers verify fix clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check prerequisites; fill .libtorch and .venv (switches: see scripts/setup.sh)
	@scripts/setup.sh

build: setup ## Build troop, troop-learner and troop-actor
	$(CARGO) build --release --workspace --locked

train: build ## Set up, build and train: PRESET=cartpole ARGS="--seed 1"
	$(target)/release/troop train $(PRESET) $(ARGS)

report: build ## Make docs/results/methods.md of the runs in RUNS=runs/methods
	$(target)/release/troop report $(RUNS) --output docs/results/methods.md

test: build ## Set up, build and run every test
	$(CARGO) test --release --workspace --locked
	.venv/bin/python -m pytest actor/python
	.venv/bin/python -m pytest deploy/grafana tests/monitoring
	.venv/bin/python -m pytest tests/browser

test-containers: setup ## Build the images and run docker-compose.yml, where a Docker engine answers
	tests/containers/run.sh

verify: setup ## Check format, lints and documentation; changes nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --workspace --locked

fix: setup ## Format, and apply the lints that can be applied
	$(CARGO) clippy --release --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

clean: ## Remove what was built
	$(CARGO) clean

distclean: clean ## Remove what was built and what `make setup` fetched
	rm -rf .libtorch .libtorch.partial .venv
