#!/bin/sh
# Episodes and supervised training on a machine with a GPU: the processors execute episodes, the GPU learns from those
# that are there. Tokenizer, forms, the GGUF file and the evaluation are as in make.sh.
#
#   training/gpu.sh [--minutes N] [--work DIR] [--python PROGRAM] [--workers N] [-- OPTIONS OF training.train]
set -eu
cd "$(dirname "$0")/.."
minutes=9 work=target/training python=python3 workers=14
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) minutes=$2 ;;
        --work) work=$2 ;;
        --python) python=$2 ;;
        --workers) workers=$2 ;;
        --) shift; break ;;
        *) echo "unknown option: $1" >&2; exit 2 ;;
    esac
    shift 2
done
mkdir -p "$work"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

[ -e "$work/tokenizer.json" ] || "$python" -m training.generate --out "$work" --shards 0
started=""
trap 'kill $started 2>/dev/null' EXIT
worker=0
while [ "$worker" -lt "$workers" ]; do
    # Every fourth makes decisions, which are shorter.
    kind="" number=$(( worker - (worker + 3) / 4 )) of=$(( workers - (workers + 3) / 4 ))
    if [ $(( worker % 4 )) -eq 0 ]; then
        kind=--decisions number=$(( worker / 4 )) of=$(( (workers + 3) / 4 ))
    fi
    # shellcheck disable=SC2086
    "$python" -m training.generate --out "$work" $kind --shards 100000 --start "$number" --stride "$of" \
        --scratch "/dev/shm/worker-$worker" >"$work/worker-$worker.log" 2>&1 &
    started="$started $!"
    worker=$(( worker + 1 ))
done
"$python" -m training.train --device cuda --data "$work" --tokenizer "$work/tokenizer.json" --out "$work/run" --minutes "$minutes" \
    --threads 2 --batch 65536 --keep 2 --decisions 0.35 --drill 0.15 --drill-until 0.4 "$@"
