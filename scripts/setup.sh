#!/usr/bin/env bash
# Everything that Troop needs beside its prerequisites, inside the checkout: Python packages in .venv, libtorch in
# .libtorch. Checks the prerequisites first. Safe to interrupt and to run again; does nothing where nothing is to do.
#
#   setup.sh                all of it
#   setup.sh PART…          a part of it: python, libtorch, or the prerequisites alone
#
#   PYTHON=python3.12       the interpreter that .venv is made from (default: python3); a .venv that works stays
#   LIBTORCH=/path          a libtorch of your own in place of the fetched one (set it for cargo as well)
#   TROOP_LIBTORCH_CUDA=1   keep the CUDA half of libtorch, with 3 GB of what it needs (see scripts/libtorch.py)
#
# pip's own configuration and environment variables say where packages come from. They have to be those that are pinned
# (scripts/pin_python.sh): each is compared with its hash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly venv_python=.venv/bin/python
readonly venv_stamp=.venv/troop-setup
readonly build_packages=actor/python/requirements-build.txt
readonly packages=(actor/python/requirements-dev.txt tests/browser/requirements.txt tests/containers/requirements.txt)

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

one_at_a_time() {
    # `make train` and `make test` may be started side by side. Where there is no flock, they must not.
    if command -v flock >/dev/null; then
        exec 9<scripts/setup.sh
        flock --nonblock 9 || {
            echo "setup: waiting for another setup of this checkout to end"
            flock 9
        }
    fi
}

at_least() { # FOUND MINIMUM: compares the first two numbers of a version
    local found_major found_minor major minor
    IFS=. read -r found_major found_minor _ <<<"$1"
    IFS=. read -r major minor _ <<<"$2"
    ((found_major > major || (found_major == major && found_minor >= minor)))
}

check_platform() {
    local platform
    platform="$(uname -s) $(uname -m)"
    case $platform in
    "Linux x86_64" | "Linux aarch64") ;;
    *)
        [[ -n ${LIBTORCH:-} ]] ||
            fail "expected Linux on x86_64 or aarch64, found $platform. Elsewhere Troop is untested;" \
                "to try it, get the libtorch that scripts/libtorch.py names and set LIBTORCH to its absolute path."
        ;;
    esac
}

check_rust() {
    local minimum found
    minimum=$(sed -n 's/^rust-version *= *"\(.*\)".*/\1/p' Cargo.toml)
    command -v cargo >/dev/null ||
        fail "expected Rust $minimum or newer, found no cargo. Install it with rustup (https://rustup.rs)" \
            "and make sure that cargo is in PATH."
    found=$(cargo --version | cut -d ' ' -f 2) || fail "cargo is there but \`cargo --version\` fails (see above)."
    at_least "$found" "$minimum" ||
        fail "expected Rust $minimum or newer, found $found. Run \`rustup update stable\`."
}

check_cxx() {
    local cxx
    read -r cxx _ <<<"${CXX:-c++}"
    command -v "$cxx" >/dev/null ||
        fail "expected a C++ compiler, found no \`$cxx\`. Install g++ (Debian and Ubuntu: apt install g++; Fedora:" \
            "dnf install gcc-c++) or set CXX."
    # rustc links with cc, whatever compiles C++.
    command -v cc >/dev/null || fail "expected a C compiler to link with, found no \`cc\`. Install gcc or clang."
}

check_python() {
    local python=${PYTHON:-python3} found
    command -v "$python" >/dev/null ||
        fail "expected Python 3.10 or newer, found no \`$python\`. Install it, or name another with PYTHON=."
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "\`$python\` does not run."
    at_least "$found" 3.10 ||
        fail "expected Python 3.10 or newer, found $found as \`$python\`. Name a newer one: PYTHON=python3.12."
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "expected Python's venv module, \`$python\` ($found) has none. Install it (Debian and Ubuntu: apt" \
            "install python$found-venv) or name another interpreter with PYTHON=."
}

check_own_libtorch() {
    [[ $LIBTORCH == /* ]] ||
        fail "LIBTORCH is \"$LIBTORCH\": expected an absolute path. Correct it, or unset it to have libtorch fetched."
    local wanted
    for wanted in lib include; do
        [[ -d $LIBTORCH/$wanted ]] ||
            fail "LIBTORCH is $LIBTORCH, which has no $wanted/. Correct it, or unset it to have libtorch fetched."
    done
}

make_venv() {
    "$venv_python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && return
    check_python
    echo "setup: making .venv with $("${PYTHON:-python3}" --version)"
    "${PYTHON:-python3}" -m venv --clear .venv || fail "could not make .venv (see above)."
}

venv_fingerprint() { # the path too: an editable install and a virtual environment stop working when moved
    pwd
    cat "$build_packages" "${packages[@]}" actor/python/pyproject.toml
}

pip_install() {
    # A user-wide `pip config set install.user true` would break installing into a virtual environment.
    PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv_python" -m pip install --quiet "$@" ||
        fail "pip could not install $* (its message is above). Check the network and pip's configuration, then run" \
            "\`make setup\` again."
}

python_packages() {
    local fingerprint
    fingerprint=$(venv_fingerprint)
    [[ -f $venv_stamp && $(<"$venv_stamp") == "$fingerprint" ]] && return
    echo "setup: installing Python packages into .venv"
    rm -f "$venv_stamp"
    # Dependencies are pinned as well; pip is to look for no others.
    pip_install --require-hashes --no-deps --only-binary=:all: --requirement "$build_packages"
    pip_install --require-hashes --no-deps --only-binary=:all: "${packages[@]/#/--requirement=}"
    # setuptools has a page of advice for whoever wrote pyproject.toml.
    PYTHONWARNINGS=ignore pip_install --no-deps --no-build-isolation --editable actor/python
    printf '%s\n' "$fingerprint" >"$venv_stamp"
}

libtorch() {
    # Set but empty still counts for cargo, hence for this.
    if [[ -n ${LIBTORCH+set} ]]; then
        check_own_libtorch
    else
        "$venv_python" scripts/libtorch.py
    fi
}

check_platform
check_rust
check_cxx
one_at_a_time
for part in "${@:-all}"; do
    case $part in
    prerequisites) ;;
    python) make_venv; python_packages ;;
    libtorch) make_venv; libtorch ;;
    all) make_venv; python_packages; libtorch ;;
    *) fail "expected python, libtorch or prerequisites, found \`$part\`." ;;
    esac
done
