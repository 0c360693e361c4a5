#!/usr/bin/env bash
# Pins all Python packages: beside each NAME.in, which says what is wanted, it writes NAME.txt, with dependencies of
# dependencies and the hashes of all their wheels on PyPI. pip installs nothing that is not in it (--require-hashes).
#
# A pin stays as it is unless its .in says otherwise. Arguments are uv's: `--upgrade`, `--upgrade-package numpy`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
cat >"$tools/uv.txt" <<REQUIREMENTS
uv==0.13.9 \
    --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
    --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe
REQUIREMENTS
"$tools/bin/pip" install --quiet --require-hashes --only-binary=:all: --requirement "$tools/uv.txt"
readonly options=("$@")

oldest=3.10 # Python that the README names

pin() { # NAME UV_OPTIONS…: for every Python since the oldest
    echo "pinning $1.txt"
    "$tools/bin/uv" pip compile --quiet --universal --python-version "$oldest" --generate-hashes --only-binary :all: \
        --custom-compile-command scripts/pin_python.sh --output-file "$1.txt" "${@:2}" "${options[@]}" "$1.in"
}

without() { # PACKAGES…: uv's options that leave them out
    printf -- '--no-emit-package=%s ' "$@"
}

# Those of torch's dependencies that only Python needs, and torch.
readonly python_only=(torch cuda-bindings cuda-pathfinder filelock fsspec jinja2 markupsafe mpmath networkx setuptools
    sympy triton typing-extensions)

# What MinAtar draws its games with, which nobody here asks it to.
readonly drawing=(contourpy cycler fonttools kiwisolver matplotlib pandas pyparsing python-dateutil pytz scipy seaborn
    six tzdata)

pin actor/python/requirements-build
pin actor/python/requirements $(without "${drawing[@]}" packaging)
pin actor/python/requirements-dev $(without "${drawing[@]}")
pin tests/browser/requirements $(without greenlet playwright pyee)
pin tests/clusters/requirements
pin tests/containers/requirements
pin scripts/docs-requirements
pin scripts/release/requirements
pin scripts/libtorch/torch --no-deps
pin scripts/libtorch/cpu --no-deps
pin scripts/libtorch/cuda $(without "${python_only[@]}")
oldest=3.11
pin tests/peers/requirements
