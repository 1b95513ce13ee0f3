#!/bin/sh
# Makes the embedded model from nothing: episodes, tokenizer, training, GGUF, evaluation.
#
#   training/make.sh [--minutes N] [--work DIR] [--python PROGRAM]
#
# Needs the packages of training/requirements.txt. The weights go to agent/embedded/datarus-mini.gguf.
set -eu
cd "$(dirname "$0")/.."
minutes=90 work=target/training python=python3
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) minutes=$2 ;;
        --work) work=$2 ;;
        --python) python=$2 ;;
        *) echo "unknown option: $1" >&2; exit 2 ;;
    esac
    shift 2
done
mkdir -p "$work" agent/embedded

# A whole shard holds about 180,000 tokens, one of decisions 67,000; 2,500 tokens a second are more than a core reads.
# Two in five batches are whole episodes, three are decisions.
seconds=$(( minutes * 60 ))
"$python" -m training.generate --out "$work" --shards $(( seconds * 1000 / 180000 + 2 ))
"$python" -m training.generate --out "$work" --decisions --shards $(( seconds * 1500 / 67000 + 2 ))
"$python" -m training.train --data "$work" --tokenizer "$work/tokenizer.json" --out "$work/run" --minutes "$minutes"
"$python" -m training.forms --out "$work/forms.json"
"$python" -m training.export --checkpoint "$work/run/checkpoint.pt" --tokenizer "$work/tokenizer.json" \
    --forms "$work/forms.json" --out agent/embedded/datarus-mini.gguf

"$python" -m training.questions --out "$work/held-out" --count 300
"$python" -m training.questions --out "$work/public" --public
cargo build --release --workspace
for questions in held-out public; do
    "$python" -m training.evaluate --questions "$work/$questions" --log "$work/$questions.jsonl" \
        --program "${CARGO_TARGET_DIR:-target}/release/datarus"
done
