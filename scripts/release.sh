#!/usr/bin/env bash
# Makes what a release consists of: programs, wheel, the list of what is in them (CycloneDX), notices, checksums.
#
#   scripts/release.sh [DIRECTORY]      into target/dist, or elsewhere
#   scripts/release.sh --images [DIRECTORY]
#                                       images as well, for `docker load`; needs a Docker engine
#
# A commit and a toolchain give the same bytes in whatever directory they are built: paths are written as below /troop, times
# are the commit's (or SOURCE_DATE_EPOCH). Images are not the same: they have Debian's packages of the day.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'release: %s\n' "$*" >&2
    exit 1
}

images=
if [[ ${1:-} == --images ]]; then
    images=yes
    shift
fi
(($# <= 1)) && [[ ${1:-} != -* ]] || fail "expected --images, a directory, or both, found $*"
dist=$(realpath -m "${1:-target/dist}")
root=$PWD
# Other flags than those of daily work, hence a directory of its own.
build=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release-build
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=troop-$version-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly images dist root build version name work

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} ||
    fail "expected a checkout of git, or SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
# Backtraces have names, and no lines.
export CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=debuginfo CARGO_INCREMENTAL=0

# Paths of this machine, for rustc and for the C compiler.
remap_paths() {
    local cargo rust commit
    cargo=$(realpath -m "${CARGO_HOME:-$HOME/.cargo}")
    rust=$(rustc --print sysroot)/lib/rustlib/src/rust
    commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
    # The last one that fits is taken.
    CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s\x1f' "$root=/troop" "$cargo=/cargo" "$build=/troop/target" \
        "$rust=/rustc/$commit")
    CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}
    CFLAGS="-ffile-prefix-map=$cargo=/cargo -ffile-prefix-map=$build=/troop/target ${CFLAGS:-}"
    export CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS=$CFLAGS
}

install_tools() {
    local pins=scripts/release/requirements.txt
    tools=$build/tools
    if cmp --quiet "$pins" "$tools/pins"; then return; fi
    "${PYTHON:-python3}" -m venv --clear "$tools"
    "$tools/bin/python" -m pip install --quiet --require-hashes --no-deps --only-binary=:all: --requirement "$pins"
    cp "$pins" "$tools/pins"
}

# The wheel, unpacked in $work/wheel: its list of crates knows them by their paths, and the notices come in.
make_wheel() {
    local unpacked
    PATH=$tools/bin:$PATH maturin build --quiet --release --locked --target-dir "$build/cargo" --out "$work/built"
    "$tools/bin/wheel" unpack --dest "$work/wheel" "$work/built"/*.whl >/dev/null
    unpacked=$(echo "$work"/wheel/*)
    sed -i "s|file://$root|file:///troop|g" "$unpacked"/*.dist-info/sboms/*.json
    python3 scripts/release/notices.py >"$unpacked/$(cd "$unpacked" && echo ./*.dist-info)/licenses/THIRD-PARTY.txt"
    "$tools/bin/wheel" pack --dest-dir "$dist" "$unpacked" >/dev/null
    cp "$unpacked"/*.dist-info/sboms/*.json "$dist/$name.cyclonedx.json"
}

# The same programs with what is used beside them.
make_archive() {
    local folder=$work/archive/$name
    mkdir -p "$folder/bin"
    cp "$work"/wheel/*/*.data/scripts/* "$folder/bin/"
    cp -r LICENSE-* README.md presets deploy/slurm "$folder/"
    cp "$work"/wheel/*/*.dist-info/licenses/THIRD-PARTY.txt "$folder/"
    chmod -R u=rwX,go=rX "$folder"
    tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --directory="$work/archive" "$name" | gzip --no-name --best >"$dist/$name.tar.gz"
}

# With the packages that each has, by their versions.
make_images() {
    local target
    for target in learner actor actor-gymnasium actor-native replay; do
        docker build ${DEBIAN_IMAGE:+--build-arg DEBIAN_IMAGE} ${RUST_IMAGE:+--build-arg RUST_IMAGE} --target "$target" \
            --tag "troop-$target:$version" --file deploy/docker/Dockerfile .
        docker save "troop-$target:$version" | gzip --no-name >"$dist/troop-$target-$version-image.tar.gz"
        # They have some of Debian's libraries, and nothing that could list them.
        [[ $target != actor-* ]] || continue
        docker run --rm --entrypoint dpkg-query "troop-$target:$version" --show >"$dist/troop-$target-$version-packages.txt"
    done
}

rm -rf "$dist"
mkdir -p "$dist" "$build"
remap_paths
install_tools
make_wheel
make_archive
[[ -z $images ]] || make_images
(cd "$dist" && sha256sum ./* >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
echo "release: $version is in $dist"
