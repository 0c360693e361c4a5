#!/usr/bin/env bash
# run.sh                    fuzzes each target for a minute, or for FUZZ_SECONDS
# run.sh TARGET [OPTION…]   fuzzes one, with options of libFuzzer, until it finds something; with a
#                           file in place of options it repeats that input
# run.sh --build            only builds
# run.sh --minimise         renews corpus/: what covers most of what has been reached, in few files
#
# Inputs that reach something new lie in target/found/, those that a target fails on in
# target/failures/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# What the compiler itself brings: no other toolchain than the stable one is needed.
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$PWD/target
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"

# Beside a panic, and a number that wraps, these are findings: memory and seconds for one input, and
# one allocation beyond what is left of the address space.
limits=(-rss_limit_mb=1024 -timeout=5)
address_space_kb=$((4 << 20))

# Of corpus/: how much is kept of each target.
most_files=48
most_bytes=1024

build() { cargo build --release --locked --target "$host"; }

# target TARGET [OPTION…] runs one.
target() {
  local name=$1
  shift
  mkdir -p "target/found/$name" "target/failures/$name" "corpus/$name"
  (ulimit -v "$address_space_kb" && exec "target/$host/release/$name" "${limits[@]}" \
    -artifact_prefix="target/failures/$name/" "$@")
}

fuzz() {
  local name=$1
  shift
  if [[ -f ${1-} ]]; then
    target "$name" "$1"
  else
    target "$name" -max_len=4096 -print_final_stats=1 "$@" "target/found/$name" "corpus/$name"
  fi
}

# In the order in which libFuzzer chooses them: those that cover most come first.
minimise() {
  local name=$1 chosen
  chosen=$(mktemp -d)
  target "$name" -set_cover_merge=1 -use_counters=0 -max_len="$most_bytes" "$chosen" \
    "target/found/$name" "corpus/$name" 2>/dev/null
  rm -f "corpus/$name/"*
  ls -tr "$chosen" | head -n "$most_files" | while read -r input; do
    cp "$chosen/$input" "corpus/$name/"
  done
  rm -r "$chosen"
  echo "$name: $(find "corpus/$name" -type f | wc -l) files, $(cat "corpus/$name/"* | wc -c) bytes"
}

each() {
  local source
  for source in src/bin/*.rs; do
    "$1" "$(basename "$source" .rs)" "${@:2}"
  done
}

build
case ${1-} in
'') each fuzz -max_total_time="${FUZZ_SECONDS:-60}" ;;
--build) ;;
--minimise) each minimise ;;
*) fuzz "$@" ;;
esac
