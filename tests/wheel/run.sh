#!/usr/bin/env bash
# Makes the release twice, in two directories, and uses its wheel where there is no compiler. Arguments are pytest's.
#
#   DIST=target/dist       a release that is there already (scripts/release.sh); none is made, and none compared
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bases=$(tests/containers/stand_ins.sh make DEBIAN_IMAGE)
export ${bases?} # NAME=IMAGE of each
if [[ -z ${DIST:-} ]]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    export DIST=$work/dist AGAIN=$work/again
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
    echo "wheel tests: making the release twice, which compiles everything twice"
    scripts/release.sh "$DIST"
    mkdir "$work/elsewhere"
    git ls-files -z --cached --others --exclude-standard --deduplicate |
        tar --create --null --files-from=- | tar --extract --directory="$work/elsewhere"
    env --unset=CARGO_TARGET_DIR "$work/elsewhere/scripts/release.sh" "$AGAIN"
fi
.venv/bin/python -m pytest -rs tests/wheel "$@"
