#!/bin/sh
# 14B on several machines with 8 GPUs each by verl, the program's own loop as its agent. Not run here.
# First, on one machine `ray start --head`, on the others `ray start --address=HEAD:6379`, each with the program, the
# package and the file of tasks at the same places; then on the first:
#   several_nodes.sh MODEL TASKS NODES
set -eu
export DATARUS_TASKS="$2"
rows=$(mktemp --suffix .jsonl)
python -c 'import json, sys
from datarus_training.adapters.episode import rows
for row in rows(sys.argv[1]):
    print(json.dumps({**row, "data_source": "datarus", "reward_model": {"style": "rule", "ground_truth": ""}}))' "$2" >"$rows"
exec python -m verl.trainer.main_ppo \
    algorithm.adv_estimator=grpo \
    data.train_files="$rows" data.val_files="$rows" data.return_raw_chat=True \
    data.train_batch_size=128 data.max_prompt_length=4096 data.max_response_length=16384 \
    actor_rollout_ref.model.path="$1" \
    actor_rollout_ref.actor.optim.lr=1e-6 actor_rollout_ref.actor.ppo_mini_batch_size=64 \
    actor_rollout_ref.actor.use_kl_loss=False \
    actor_rollout_ref.rollout.name=vllm actor_rollout_ref.rollout.mode=async actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.tensor_model_parallel_size=2 actor_rollout_ref.rollout.gpu_memory_utilization=0.5 \
    actor_rollout_ref.rollout.agent.default_agent_loop=datarus \
    actor_rollout_ref.rollout.agent.agent_loop_config_path="$(dirname "$0")/verl_agent.yaml" \
    trainer.nnodes="$3" trainer.n_gpus_per_node=8 trainer.total_epochs=1 trainer.logger='[console]'
