#!/usr/bin/env bash
# System packages that tests need beside Troop's prerequisites, for Debian and Ubuntu; nothing else of Troop needs them.
# Does nothing where they are there. Run it as root, or install the like of them by hand.
set -euo pipefail

packages=()

need() { # COMMAND PACKAGE…: the packages that bring a command
    command -v "$1" >/dev/null || packages+=("${@:2}")
}

need chromium chromium fonts-dejavu-core # the live page's browser
need chromedriver chromium-driver
need prometheus prometheus # dashboards, rules
if docker version >/dev/null 2>&1; then # images and docker-compose.yml
    need debootstrap debootstrap
    docker compose version >/dev/null 2>&1 || need docker-compose docker-compose
fi

((${#packages[@]})) || exit 0
echo "test packages: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
if [[ ! -e /usr/sbin/policy-rc.d ]]; then # tests start what they need themselves; nothing is to run beside them
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
