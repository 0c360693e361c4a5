#!/usr/bin/env bash
# Builds the images and runs them as people do, then does what a newcomer does on a fresh machine. Needs a Docker engine.
# Stand-ins take the place of images that cannot be pulled (stand_ins.sh). Arguments are pytest's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly python=.venv/bin/python
export TROOP_TAG=test COMPOSE_PROJECT_NAME=troop-test-$$

compose() {
    if command -v docker-compose >/dev/null; then docker-compose "$@"; else docker compose "$@"; fi
}

# A stage that has a name keeps its layers for the next build; those of earlier builds on stand-ins go.
build() {
    local log target
    log=$(mktemp)
    for target in learner-build learner packages gym-host actor-build actor; do
        echo "container tests: building troop-$target:$TROOP_TAG"
        docker build --build-arg DEBIAN_IMAGE --build-arg RUST_IMAGE --target "$target" --tag "troop-$target:$TROOP_TAG" \
            --file deploy/docker/Dockerfile . >"$log" 2>&1 || { tail -n 50 "$log" && exit 1; }
    done
    rm -f "$log"
    docker image prune --force --filter label=troop.stand-in >/dev/null
}

clean_up() {
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
}

trap clean_up EXIT
images=$(tests/containers/stand_ins.sh)
export ${images?} # NAME=IMAGE of each
build
echo "container tests: running them; a fresh machine compiles everything, which takes a quarter of an hour"
"$python" -m pytest -rs tests/containers "$@"
