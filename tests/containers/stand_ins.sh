#!/usr/bin/env bash
# Where the base images of deploy/docker/Dockerfile and the Prometheus of docker-compose.yml come from: pulls them, pinned as
# they are there, and makes a local stand-in for each that cannot be pulled. Writes NAME=IMAGE for each to standard output:
# build arguments of the Dockerfile, variables of docker-compose.yml. Needs a Docker engine, root, and debootstrap.
# `stand_ins.sh make DEBIAN_IMAGE` looks after that one alone.
#
#   troop-stand-in/debian       debootstrap's minimal system
#   troop-stand-in/rust         that, a C++ compiler, and the Rust toolchain of this machine
#   troop-stand-in/prometheus   that, and Debian's prometheus, with the same paths, user and flags
#
# Stand-ins also have what this machine needs to reach package registries: certificates of its own, pip's and cargo's
# configuration, proxies. They carry the label troop.stand-in; `stand_ins.sh remove` removes what has it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root

readonly label=troop.stand-in
readonly names=troop-stand-in
base= # the Debian that is used, pulled or not

fail() {
    printf 'stand-ins: %s\n' "$*" >&2
    exit 1
}

# What a stand-in was made from, nothing if there is none.
origin() {
    docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null || true
}

# The image that a variable names where nothing is set.
pinned() {
    sed -n -e "s/^ARG $1=//p" -e "s/.*\${$1:-\(.*\)}.*/\1/p" "$root/deploy/docker/Dockerfile" "$root/docker-compose.yml"
}

# What the stand-ins of this machine are made from. Another certificate or toolchain makes others.
fingerprint() {
    {
        cat "${BASH_SOURCE[0]}"
        registry_files | xargs -r cat
        registry_variables
        rustc --version --verbose
    } | sha256sum | cut -c 1-16
}

registry_files() {
    local file
    for file in /usr/local/share/ca-certificates/*.crt /etc/pip.conf "${CARGO_HOME:-$HOME/.cargo}/config.toml"; do
        [[ ! -f $file ]] || echo "$file"
    done
}

registry_variables() {
    env | grep -iE '^(https?_proxy|no_proxy|pip_(index_url|extra_index_url|trusted_host|default_timeout))=' | sort || true
}

# Files of this machine's registries, into a system below $1.
add_registries() {
    local file
    while read -r file; do
        case $file in
        */config.toml) install -D -m 644 "$file" "$1/usr/local/cargo/config.toml" ;;
        *) install -D -m 644 "$file" "$1$file" ;;
        esac
    done < <(registry_files)
    # The package ca-certificates does this too, once an image installs it.
    mkdir -p "$1/etc/ssl/certs"
    [[ ! -f /etc/ssl/certs/ca-certificates.crt ]] || cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
}

make_debian() {
    local system=$work/debian changes=(--change "LABEL $label=$made_from" --change 'CMD ["bash"]') variable
    command -v debootstrap >/dev/null || fail "expected debootstrap, found none: run \`scripts/test-packages.sh containers\`."
    debootstrap --variant=minbase bookworm "$system" >"$work/log" 2>&1 || fail "debootstrap: $(tail -n 3 "$work/log")"
    # As in the real image: package lists are fetched when they are needed, and documentation is left out.
    rm -rf "$system"/var/{cache/apt/archives,lib/apt/lists,log}/* "$system"/usr/share/{doc,man,info,locale}/*
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$system/etc/dpkg/dpkg.cfg.d/slim"
    add_registries "$system"
    while IFS= read -r variable; do
        [[ -z $variable ]] || changes+=(--change "ENV $variable")
    done < <(registry_variables)
    tar -C "$system" --numeric-owner -c . | docker import "${changes[@]}" - "$names/debian" >/dev/null
    rm -rf "$system"
}

make_rust() {
    local toolchain context=$work/rust
    toolchain=$(rustc --print sysroot) || fail "expected a Rust toolchain, found no rustc."
    mkdir -p "$context/toolchain"
    cp -a "$toolchain"/{bin,lib} "$context/toolchain/"
    cat >"$context/Dockerfile" <<DOCKERFILE
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \\
        ca-certificates g++ gcc git libc6-dev make patch pkg-config python3 unzip wget xz-utils zlib1g-dev >/dev/null \\
    && rm -rf /var/lib/apt/lists/*
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/toolchain/bin:/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY toolchain /usr/local/toolchain
DOCKERFILE
    build "$names/rust" "$context"
}

make_prometheus() {
    local context=$work/prometheus
    mkdir -p "$context"
    cat >"$context/Dockerfile" <<DOCKERFILE
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null \\
    && rm -rf /var/lib/apt/lists/* /etc/prometheus && mkdir -p /etc/prometheus /prometheus && chown 65534:65534 /prometheus
USER 65534:65534
WORKDIR /prometheus
VOLUME ["/prometheus"]
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
DOCKERFILE
    build "$names/prometheus" "$context"
}

build() { # IMAGE CONTEXT
    docker build --quiet --label "$label=$made_from" --tag "$1" "$2" >"$work/log" 2>&1 ||
        fail "cannot build $1: $(tail -n 20 "$work/log")"
    rm -rf "$2"
}

# VARIABLE NAME: sets `image` to what is pinned, or to a stand-in of this name.
find_image() {
    image=$(pinned "$1")
    [[ -n $image ]] || fail "expected a pinned $1 in deploy/docker/Dockerfile or docker-compose.yml, found none."
    if docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1; then return; fi
    if [[ $(origin "$names/$2") != "$made_from" ]]; then
        echo "stand-ins: making $names/$2, for $image cannot be pulled" >&2
        "make_$2"
    fi
    image=$names/$2
}

remove() {
    docker images --quiet --filter "label=$label" | sort -u | xargs -r docker image rm --force
}

case ${1:-make} in
make)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    made_from=$(fingerprint)
    find_image DEBIAN_IMAGE debian
    base=$image
    echo "DEBIAN_IMAGE=$image"
    [[ ${2:-} != DEBIAN_IMAGE ]] || exit 0
    find_image RUST_IMAGE rust
    echo "RUST_IMAGE=$image"
    find_image PROMETHEUS_IMAGE prometheus
    echo "PROMETHEUS_IMAGE=$image"
    ;;
remove) remove ;;
*) fail "expected make or remove, found $1" ;;
esac
