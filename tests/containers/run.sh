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

clean_up() {
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
}

trap clean_up EXIT
images=$(tests/containers/images.sh)
export ${images?} # NAME=IMAGE of each
echo "container tests: running them; a fresh machine does all that make test does, which takes a quarter of an hour"
"$python" -m pytest -rs tests/containers "$@"
