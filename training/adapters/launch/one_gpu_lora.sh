#!/bin/sh
# 7B with LoRA on one GPU of 80 GB. Not run here.
#   one_gpu_lora.sh MODEL TASKS OUT
# With LoRA and beta = 0 there is no second copy of the weights: the reference would be the model without its adapter.
set -eu
exec python "$(dirname "$0")/trl_tools.py" --model "$1" --tasks "$2" --out "$3" --lora 32
