#!/usr/bin/env bash
# Fuzzes targets for so many seconds each: run.sh [SECONDS=60] [TARGET…]; without a target, all, as many at once as there
# are processors. Grows corpora under target/fuzz; what it finds is written there, named, and ends it with an error.
# DATARUS_FUZZ_SEED sets the seed of what it tries, which is another one each time without it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds="${1:-60}"
targets=("${@:2}")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)
if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "fuzz: NOT RUN, it needs a C++ compiler (CXX names it; Debian: apt-get install g++)"
    exit 0
fi

RUSTC_WORKSPACE_WRAPPER="$PWD/tests/fuzz/rustc.sh" \
    cargo build --workspace --locked --features tests/fuzz --bin fuzz
target="${CARGO_TARGET_DIR:-$PWD/target}"
export FUZZER="$target/debug/fuzz" GROUND="$target/fuzz" SECONDS_EACH="$seconds"

# Called by the line below in a shell of its own.
# shellcheck disable=SC2329
fuzz() {
    set -euo pipefail
    mkdir -p "$GROUND/corpus/$1" "$GROUND/found"
    options=(-max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=1024 -use_value_profile=1 -print_final_stats=1)
    [ -z "${DATARUS_FUZZ_SEED:-}" ] || options+=(-seed="$DATARUS_FUZZ_SEED")
    [ ! -e "tests/fuzz/words/$1" ] || options+=(-dict="tests/fuzz/words/$1")
    log="$GROUND/$1.log"
    if ! DATARUS_FUZZ="$1" "$FUZZER" "${options[@]}" -artifact_prefix="$GROUND/found/$1-" \
        "$GROUND/corpus/$1" "tests/fuzz/corpus/$1" 2>"$log"; then
        echo "$1: found something, see $log"
        grep -a -B2 -A12 -m1 -e 'panicked at' -e '^==[0-9]*==' "$log" || tail -n 20 "$log"
        return 1
    fi
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf '%-12s %10s executions %7s a second %6s MiB at most\n' "$1" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$(stat peak_rss_mb)"
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz {}'
