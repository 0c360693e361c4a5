#!/usr/bin/env bash
# Makes a book of docs/ in target/book, and checks every link between the pages of this checkout, headings included.
# Links to elsewhere are not followed. Fetches mdbook and lychee first, into target/tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tools=$PWD/target/tools
readonly mdbook=0.5.4

# Nothing is done if it is that version already.
cargo install --quiet --root "$tools" --target-dir "$tools/build" --locked mdbook --version "$mdbook" \
    --no-default-features --features search
[[ -x $tools/venv/bin/lychee ]] || .venv/bin/python -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip install --quiet --require-hashes --only-binary=:all: \
    --requirement scripts/docs-requirements.txt

git ls-files -z '*.md' | xargs -0 "$tools/venv/bin/lychee" --offline --include-fragments --no-progress
"$tools/bin/mdbook" build
echo "docs: target/book/index.html"
