#!/usr/bin/env bash
# Everything that must pass, from a clean clone: needs the operating system, Rust, Python, git, package registries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec </dev/null

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}" PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
target="${CARGO_TARGET_DIR:-$PWD/target}"
environment="$target/test-env"

section() { printf '\n==== %s (%s s)\n' "$1" "$SECONDS"; }

section "Python environment of the tests"
if ! "$environment/bin/python" -c '' 2>/dev/null; then
    rm -rf "$environment"
    "${PYTHON:-python3}" -m venv "$environment"
fi
if ! cat requirements.txt requirements-test.txt | cmp -s - "$environment/requirements.txt"; then
    "$environment/bin/python" -m pip install --quiet -r requirements.txt -r requirements-test.txt
    cat requirements.txt requirements-test.txt >"$environment/requirements.txt"
fi
"$environment/bin/python" -V

# A configuration of this machine must not decide a test; neither must a folder that another user owns.
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
unset DATARUS_SANDBOX DATARUS_NETWORK DATARUS_READABLE DATARUS_PASS_ENV DATARUS_MEMORY
export DATARUS_PYTHON="$environment/bin/python"
export IPYTHONDIR="$scratch/ipython" JUPYTER_CONFIG_DIR="$scratch/config" JUPYTER_DATA_DIR="$scratch/data"
export MPLCONFIGDIR="$scratch/matplotlib" NO_COLOR=1
unset MPLBACKEND
# matplotlib lists the fonts once, which takes seconds; a kernel in a sandbox gets a copy.
"$DATARUS_PYTHON" -c 'import matplotlib.font_manager'

section "format, shell scripts"
cargo fmt --all --check
"$environment/bin/shellcheck" install.sh test.sh .ci/run tests/fuzz/run.sh tests/fuzz/rustc.sh tests/arm.sh

section "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

# The tests start the program, which `cargo test` alone does not build: it belongs to another package.
section "Rust tests"
cargo build --workspace --locked
cargo test --workspace --locked

# `target/debug/soak 2000` plays more, and judges how fast memory grows.
section "soak: turns while things go wrong"
"$target/debug/soak" 150

# Each target for a minute and from one seed, so that a change alone decides: `tests/fuzz/run.sh 3600` looks further.
section "fuzz targets"
DATARUS_FUZZ_SEED=1 tests/fuzz/run.sh 60

# Link-time optimisation takes minutes and changes no answer; `install.sh` builds with it.
section "release build"
CARGO_PROFILE_RELEASE_LTO=off cargo build --release --workspace --bin datarus --locked
export DATARUS_BIN="$target/release/datarus"
"$DATARUS_BIN" doctor

if [ -d tests/conformance ]; then
    # What other people's suites ask for that Landlock forbids: the debugger's port, output of forked processes.
    if ! command -v bwrap >/dev/null || ! bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true 2>/dev/null; then
        section "conformance: NOT RUN in a sandbox, it needs bubblewrap (Debian: apt-get install bubblewrap)"
        export DATARUS_SANDBOX=off
    fi
    section "conformance: other people's suites and tools"
    "$environment/bin/python" -m pytest -q -p no:cacheprovider tests/conformance training/tests/test_adapters.py
    unset DATARUS_SANDBOX
fi

# A page needs a browser: where there is none, all else is tested.
chromium="${CHROMIUM:-/usr/bin/chromium}"
if [ -x "$chromium" ] && command -v node >/dev/null && command -v npm >/dev/null; then
    section "browser: types of the extension, packages of its tests"
    browser="$target/browser"
    mkdir -p "$browser"
    if ! cmp -s tests/browser/package-lock.json "$browser/package-lock.json"; then
        cp tests/browser/package.json tests/browser/package-lock.json "$browser/"
        npm ci --prefix "$browser" --no-audit --no-fund --loglevel=error || { rm -f "$browser/package-lock.json"; exit 1; }
    fi
    ln -sfn "$browser/node_modules" tests/browser/node_modules
    "$browser/node_modules/.bin/tsc" -p labextension
    for version in newest oldest together; do
        wanted="tests/browser/requirements-$version.txt"
        if ! cmp -s "$wanted" "$browser/$version/requirements.txt"; then
            rm -rf "${browser:?}/$version"
            "${PYTHON:-python3}" -m venv "$browser/$version"
            "$browser/$version/bin/python" -m pip install --quiet -r "$wanted"
            cp "$wanted" "$browser/$version/requirements.txt"
        fi
    done

    # The kernel is the real one, with a model that follows a script; product.test.mjs plays the release ($DATARUS_BIN).
    export CHROMIUM="$chromium" DATARUS_SCRIPTED_KERNEL="$target/debug/scripted-kernel"
    in_browser() {
        section "browser: $1 of $2, ${*:3}"
        (cd tests/browser && DATARUS_LAB_APP="$1" DATARUS_LAB_PYTHON="$browser/$2/bin/python" \
            node --test --test-concurrency=1 "${@:3}")
    }
    scenes=({contract,product,large,turn,goon,question,research,reader,cells,tabs,faults,trust}.test.mjs)
    in_browser lab newest "${scenes[@]}"
    in_browser lab oldest "${scenes[@]}"
    in_browser lab together together.test.mjs
    in_browser notebook newest turn.test.mjs cells.test.mjs
else
    section "browser: NOT RUN, it needs node, npm and Chromium (CHROMIUM names it; Debian: apt-get install chromium npm)"
fi

# Training needs torch, some gigabytes: its tests run where DATARUS_TRAINING_PYTHON names a Python that has it.
if [ -n "${DATARUS_TRAINING_PYTHON:-}" ]; then
    section "training"
    "$DATARUS_TRAINING_PYTHON" -m pytest -q -p no:cacheprovider training/tests
else
    section "training: not run, DATARUS_TRAINING_PYTHON is not set (see training/README.md)"
fi

section "all passed"
