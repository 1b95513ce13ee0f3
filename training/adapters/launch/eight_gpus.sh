#!/bin/sh
# 7B to 14B, all weights, on one machine with 8 GPUs of 80 GB: sharded by FSDP2, engine on the same GPUs. Not run here.
#   eight_gpus.sh MODEL TASKS OUT
set -eu
configs=$(python -c 'import pathlib, trl; print(pathlib.Path(trl.__file__).parent / "accelerate_configs")')
exec accelerate launch --config_file "$configs/fsdp2.yaml" --num_processes 8 \
    "$(dirname "$0")/trl_tools.py" --model "$1" --tasks "$2" --out "$3"
