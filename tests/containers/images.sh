#!/usr/bin/env bash
# Builds Troop's images as they ship, tagged $TROOP_TAG, on base images that stand_ins.sh finds. Writes NAME=IMAGE for each
# base to standard output, as stand_ins.sh does.
#
#   BINARIES=target/release    takes the programs from there instead of compiling them once more; they are of this system
#                              and have no libtorch (cargo build --release --workspace --no-default-features)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly tag=${TROOP_TAG:?expected a tag for the images}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Stages that have nothing of their own to show.
readonly preparatory='^(manifests|dependencies)$'

# The Dockerfile without its compiling: the stage `programs` has them, and the stages before it are left out.
without_compiling() {
    awk -v preparatory="$preparatory" '
        /^FROM / {
            left_out = $4 ~ preparatory || $4 == "programs"
            if ($4 == "programs") print "FROM ${DEBIAN_IMAGE} AS programs\nCOPY troop-* /troop/target/release/\n"
        }
        !left_out { print }
    ' deploy/docker/Dockerfile
}

# The stages that have a name afterwards, in their order.
targets() {
    sed -n 's/^FROM .* AS //p' deploy/docker/Dockerfile | grep --invert-match --extended-regexp "$preparatory"
}

# Sets `context` and `dockerfile` to what is built.
prepare() {
    context=. dockerfile=deploy/docker/Dockerfile
    [[ -n ${BINARIES:-} ]] || return 0
    context=$work dockerfile=$work/Dockerfile
    local program
    for program in "$BINARIES"/troop-{learner,replay,actor}; do
        ! ldd "$program" | grep --quiet libtorch ||
            { echo "images: expected $program without libtorch" >&2 && exit 1; }
        cp "$program" "$work/"
    done
    cp --recursive --parents actor/python deploy/docker/slim_python.py "$work/"
    without_compiling >"$dockerfile"
}

# A stage that has a name keeps its layers for the next build; those of earlier builds on stand-ins go.
build() {
    local target
    for target in $(targets); do
        echo "images: building troop-$target:$tag" >&2
        docker build --build-arg DEBIAN_IMAGE --build-arg RUST_IMAGE --target "$target" --tag "troop-$target:$tag" \
            --file "$dockerfile" "$context" >"$work/log" 2>&1 || { tail -n 50 "$work/log" >&2 && exit 1; }
    done
    docker image prune --force --filter label=troop.stand-in >/dev/null
}

if [[ -n ${BINARIES:-} ]]; then bases=$(tests/containers/stand_ins.sh make DEBIAN_IMAGE); else bases=$(tests/containers/stand_ins.sh); fi
export ${bases?} # NAME=IMAGE of each
# Only a Debian is needed for what is left.
[[ -z ${BINARIES:-} ]] || export RUST_IMAGE=$DEBIAN_IMAGE
prepare
build
echo "$bases"
