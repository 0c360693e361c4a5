#!/usr/bin/env bash
# Runs Troop on the engines of docs/clusters.md that can run on this machine, and says of the others what is missing.
# Arguments are pytest's, e.g. `tests/clusters/run.sh -k swarm`.
#
#   BINARIES=target/release    images of these programs, instead of compiling them once more (tests/containers/images.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export TROOP_TAG=clusters-test
readonly venv=target/clusters/venv
readonly pins=tests/clusters/requirements.txt

# Helm's library and kubectl are large, and nothing else needs them.
install_tools() {
    if cmp --quiet "$pins" "$venv/pins"; then return; fi
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --require-hashes --no-deps --only-binary=:all: --requirement "$pins"
    cp "$pins" "$venv/pins"
}

install_tools
if docker version >/dev/null 2>&1; then
    images=$(tests/containers/images.sh)
    export ${images?} # NAME=IMAGE of each base
fi
PATH=$PWD/$venv/bin:$PATH exec "$venv/bin/python" -m pytest -rs tests/clusters "$@"
