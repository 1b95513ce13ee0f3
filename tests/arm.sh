#!/usr/bin/env bash
# Lints the engine for 64-bit ARM processors and runs its tests as one would run them, in an emulator: arm.sh [FILTER=llm::].
# Needs gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and qemu-user-static (Debian), and Rust's standard library for the
# target: `rustup target add aarch64-unknown-linux-gnu`, or its source, from which it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=aarch64-unknown-linux-gnu
for needed in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64-static; do
    if ! command -v "$needed" >/dev/null; then
        echo "arm: NOT RUN, it needs $needed"
        exit 0
    fi
done
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/arm"
options=(-p datarus-agent --lib --locked --target "$target")
library="$(rustc --print sysroot)/lib/rustlib"
if [ ! -d "$library/$target" ]; then
    if [ ! -d "$library/src/rust/library" ]; then
        echo "arm: NOT RUN, it needs the standard library of $target or its source"
        exit 0
    fi
    export RUSTC_BOOTSTRAP=1
    options+=(-Zbuild-std="std,panic_abort,test")
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu max -L /usr/aarch64-linux-gnu"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++

cargo clippy "${options[@]}" --tests -- -D warnings
cargo test "${options[@]}" -- "${1:-llm::}"
