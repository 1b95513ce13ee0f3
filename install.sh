#!/usr/bin/env bash
# Builds Datarus and makes it known to Jupyter. May be run again at any time.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./install.sh [--sys-prefix | --prefix PREFIX] [--lab] [--cuda | --metal] [--uninstall]

Without options, for this user alone:
  program      ~/.local/bin/datarus
  Python       ~/.local/share/datarus/venv   (pandas, matplotlib, scikit-learn, ipykernel, …)
  kernelspec   ~/.local/share/jupyter/kernels/datarus
  extension    ~/.local/share/jupyter/labextensions/datarus   (a reload of JupyterLab's page loads it)

Options:
  --sys-prefix     into the Python environment that is active; missing packages are added to it
  --prefix PREFIX  program, Python and kernelspec under PREFIX
  --lab            JupyterLab into the same Python environment
  --cuda           models compute on a GPU of NVIDIA's, too; wants its driver and the CUDA toolkit (nvcc)
  --metal          models compute on an Apple GPU, too (written, not tried yet)
  --uninstall      remove what this script placed (with the same --sys-prefix or --prefix)
  -h, --help       this text

Variables: PYTHON (the Python to start from, 3.10 or newer), XDG_DATA_HOME, CARGO_TARGET_DIR.
TEXT
}

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "install.sh: $*"
    exit 1
}

# ---- what is wanted

place=user prefix="" lab=no remove=no gpu=""
while [ $# -gt 0 ]; do
    case "$1" in
        --sys-prefix) place=sys-prefix ;;
        --prefix)
            [ $# -gt 1 ] || fail "--prefix wants a folder"
            place=prefix prefix="$2"
            shift
            ;;
        --prefix=*) place=prefix prefix="${1#*=}" ;;
        --lab) lab=yes ;;
        --cuda | --metal) gpu="${1#--}" ;;
        --uninstall) remove=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            fail "unknown option: $1"
            ;;
    esac
    shift
done

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

# python3, or the newest other one when that is too old.
base_python="${PYTHON:-python3}"
if [ -z "${PYTHON:-}" ] && [ "$place" != sys-prefix ] && ! is_new_enough python3; then
    for other in python3.14 python3.13 python3.12 python3.11 python3.10; do
        if is_new_enough "$other"; then
            base_python="$other"
            break
        fi
    done
fi

# ---- where things go

case "$place" in
    user)
        [ -n "${HOME:-}" ] || fail "HOME is not set"
        data="${XDG_DATA_HOME:-$HOME/.local/share}/datarus"
        bin="$HOME/.local/bin"
        place_options=(--user)
        ;;
    prefix)
        mkdir -p "$prefix"
        prefix="$(cd "$prefix" && pwd)"
        data="$prefix/share/datarus"
        bin="$prefix/bin"
        place_options=(--prefix "$prefix")
        ;;
    sys-prefix)
        # shellcheck disable=SC2016
        prefix="$("$base_python" -c 'import os, sys
active = sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX") == sys.prefix
print(sys.prefix if active else "")')" || fail "cannot start $base_python"
        [ -n "$prefix" ] || fail "no Python environment is active: activate one, or leave out --sys-prefix"
        data="$prefix/share/datarus"
        bin="$prefix/bin"
        place_options=(--prefix "$prefix")
        ;;
esac
venv="$data/venv"
program="$bin/datarus"
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/datarus"

# ---- removal

if [ "$remove" = yes ]; then
    if [ -x "$program" ]; then
        "$program" uninstall "${place_options[@]}"
        rm -f "$program"
        say "removed $program"
    fi
    if [ -f "$venv/pyvenv.cfg" ]; then
        rm -rf "$venv"
        say "removed $venv"
    fi
    rm -rf "$cache"
    rmdir "$data" 2>/dev/null || true
    [ "$place" != sys-prefix ] || say "Python packages stay in $prefix"
    exit 0
fi

# ---- what must be there

missing=()
command -v cargo >/dev/null ||
    missing+=("Rust: install rustup (https://rustup.rs), then open a new shell")
command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
    missing+=("a C compiler: \`apt install build-essential\`, \`dnf install gcc\` or \`xcode-select --install\`")
if ! command -v "$base_python" >/dev/null; then
    missing+=("Python 3.10 or newer: \`apt install python3 python3-venv\`, \`dnf install python3\`, or set PYTHON")
elif ! is_new_enough "$base_python"; then
    missing+=("Python 3.10 or newer: $base_python is $("$base_python" -V 2>&1); set PYTHON to a newer one")
elif ! "$base_python" -c 'import venv, ensurepip' 2>/dev/null; then
    missing+=("Python's modules venv and ensurepip: \`apt install python3-venv\`")
fi
if [ "$gpu" = cuda ]; then
    command -v nvcc >/dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ] ||
        missing+=("the CUDA toolkit: \`apt install nvidia-cuda-toolkit\` or NVIDIA's own, with nvcc on PATH")
    [ -n "${CUDA_COMPUTE_CAP:-}" ] || command -v nvidia-smi >/dev/null ||
        missing+=("NVIDIA's driver (nvidia-smi), or CUDA_COMPUTE_CAP, such as 90, to build for another machine")
fi
if [ ${#missing[@]} -gt 0 ]; then
    say "install.sh: missing, and how to get it:"
    for one in "${missing[@]}"; do say "  - $one"; done
    exit 1
fi

# ---- the program

say "== building (a few minutes the first time)"
target="${CARGO_TARGET_DIR:-$repository/target}"
(cd "$repository" &&
    cargo build --release --locked --workspace --bin datarus --target-dir "$target" \
        ${gpu:+--features "datarus-kernel/$gpu"})
mkdir -p "$bin"
# Beside the target, then renamed: a kernel that runs keeps its program.
cp "$target/release/datarus" "$program.new"
mv -f "$program.new" "$program"

# ---- Python

if [ "$place" = sys-prefix ]; then
    python="$prefix/bin/python3"
    say "== adding missing packages to $prefix"
    "$python" -m pip install --quiet --disable-pip-version-check \
        "ipykernel>=7.3" "pandas>=2" matplotlib scikit-learn pyarrow openpyxl ipywidgets
else
    python="$venv/bin/python3"
    # The environment is made anew when it does not start, for example after an update of Python.
    "$python" -c '' 2>/dev/null || rm -rf "$venv"
    if [ ! -d "$venv" ]; then
        say "== making the Python environment $venv"
        mkdir -p "$data"
        "$base_python" -m venv "$venv"
    fi
    if ! cmp -s "$repository/requirements.txt" "$venv/requirements.txt"; then
        say "== installing Python packages"
        "$python" -m pip install --quiet --disable-pip-version-check -r "$repository/requirements.txt"
        cp "$repository/requirements.txt" "$venv/requirements.txt"
    fi
fi
if [ "$lab" = yes ]; then
    say "== installing JupyterLab"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$repository/requirements-lab.txt"
fi

# ---- what a sandbox saves time with, and what makes it tight

# matplotlib looks at all fonts when it is first loaded, which takes seconds; in a sandbox it could not keep what it found.
MPLCONFIGDIR="$cache/matplotlib" "$python" -I -c 'import matplotlib.font_manager' 2>/dev/null ||
    say "matplotlib is not there: plots cannot be drawn"
if [ "$(uname)" = Linux ] && ! command -v bwrap >/dev/null; then
    say "With bubblewrap (\`apt install bubblewrap\`, \`dnf install bubblewrap\`) cells do not even see your files and processes."
fi

# ---- Jupyter

say "== installing the kernel"
"$program" install "${place_options[@]}" --python "$python"

say ""
say "Datarus is installed: $program"
case ":$PATH:" in
    *":$bin:"*) ;;
    *) say "Add $bin to PATH to call it by its name." ;;
esac
if [ "$lab" = yes ]; then
    say "JupyterLab: $(dirname "$python")/jupyter lab"
fi
if [ "$place" = prefix ]; then
    say "Jupyter finds the kernel with JUPYTER_PATH=$prefix/share/jupyter"
fi
