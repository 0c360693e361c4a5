#!/usr/bin/env bash
# Programs that tests need beside Troop's prerequisites; nothing else of Troop needs them. Does nothing if they are there.
# Debian and Ubuntu: installs them, as root or with sudo. Elsewhere it says what is missing, and fails.
#
#   scripts/test-packages.sh tests         what `make test` needs: a browser with its driver, Prometheus
#   scripts/test-packages.sh containers    what `make test-containers` needs: Compose, debootstrap
#   scripts/test-packages.sh clusters      what `make test-clusters` needs: debootstrap, Podman, Slurm. An engine that cannot be
#                                          installed so, as Docker's, is left out; its tests say that
set -euo pipefail

readonly policy=/usr/sbin/policy-rc.d
missing=()  # programs
packages=() # that bring them

fail() {
    printf 'test packages: %s\n' "$*" >&2
    exit 1
}

# COMMANDS PACKAGES: the packages that bring one of the commands, if none of them is there.
need() {
    local command
    for command in $1; do
        if command -v "$command" >/dev/null; then return; fi
    done
    missing+=("${1// / or }")
    [[ " ${packages[*]} " == *" $2 "* ]] || read -ra packages <<<"${packages[*]} $2"
}

is_ubuntu() {
    grep -qE '^ID(_LIKE)?=.*ubuntu' /etc/os-release 2>/dev/null
}

need_for_tests() {
    local browser="chromium fonts-dejavu-core" driver=chromium-driver
    # There Chromium is a snap, which these two bring.
    if is_ubuntu; then browser=chromium-browser driver=chromium-chromedriver; fi
    need "chromium chromium-browser google-chrome" "$browser" # the live page
    need chromedriver "$driver"
    need prometheus prometheus # dashboards and rules
    need promtool prometheus
}

need_for_containers() {
    docker version >/dev/null 2>&1 ||
        fail "expected a Docker engine that answers, found none. Install one and start it, then try again."
    need /usr/sbin/debootstrap debootstrap # base images, if they cannot be pulled
    docker compose version >/dev/null 2>&1 || need docker-compose docker-compose
}

need_for_clusters() {
    need /usr/sbin/debootstrap debootstrap # base images, if they cannot be pulled
    need podman "podman catatonit netavark aardvark-dns" # runs what Kubernetes would
    need promtool prometheus
    need /usr/sbin/munged munge # what keeps Slurm's messages among its own
    need /usr/sbin/slurmctld slurmctld
    need /usr/sbin/slurmd slurmd
    need sbatch slurm-client
}

listed() {
    local text
    printf -v text ', %s' "$@"
    echo "${text:2}"
}

# What comes before a command that has to run as root: nothing, or sudo. Fails if there is no way to.
as_root() {
    local expected hint="Run \`apt-get install --no-install-recommends ${packages[*]}\` as root, then try again."
    expected="expected $(listed "${missing[@]}") in PATH, found none"
    command -v apt-get >/dev/null || fail "$expected, and no apt-get to install them. Install them, then try again."
    if ((EUID == 0)); then return; fi
    command -v sudo >/dev/null || fail "$expected, and $(id -un) cannot install them: there is no sudo. $hint"
    # Without a terminal nobody can be asked for a password.
    [[ -t 0 ]] || sudo --non-interactive true 2>/dev/null || fail "$expected, and sudo asks for a password. $hint"
    echo sudo
}

install_packages() {
    echo "test packages: installing ${packages[*]}${sudo:+ with $sudo}"
    if [[ ! -e $policy ]]; then # tests start what they need themselves; nothing is to run beside them
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod +x "$policy"
        trap '$sudo rm -f "$policy"' EXIT
    fi
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    $sudo "${apt[@]}" update || fail "apt-get update failed (see above): check the network and apt's sources."
    $sudo "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "apt-get could not install ${packages[*]} (see above)."
}

case ${1:-} in
tests | containers | clusters) look=need_for_$1 ;;
*) fail "expected \`tests\`, \`containers\` or \`clusters\`, found \`${1:-}\`." ;;
esac
"$look"
((${#missing[@]})) || exit 0
sudo=$(as_root)
install_packages
missing=() packages=()
"$look"
((${#missing[@]} == 0)) ||
    fail "still no $(listed "${missing[@]}") in PATH after ${packages[*]} was installed. Install it by hand."
