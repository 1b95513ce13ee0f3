"""GRPO by TRL with `DatarusEnv`; not run here: it needs transformers, TRL 1.16, PEFT and a GPU.

    python trl_tools.py --model Qwen/Qwen2.5-7B-Instruct --tasks tasks.jsonl --out run --lora 32
"""

import argparse
import functools

from datasets import Dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

from datarus_training.adapters.episode import tasks_by_name
from datarus_training.adapters.trl_env import DatarusEnv

SYSTEM = "Answer the question about the files by running Python cells, then call finish with the answer."


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "tasks", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--lora", type=int, default=0, help="rank; 0 trains all weights")
    args = parser.parse_args()
    prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ""}]  # `reset` adds the question.
    rows = [{"prompt": prompt, "task_id": name} for name, task in tasks_by_name(args.tasks).items() if len(task) == 1]
    config = GRPOConfig(
        output_dir=args.out, num_generations=8, per_device_train_batch_size=1, gradient_accumulation_steps=8,
        max_completion_length=8192, max_tool_calling_iterations=13, learning_rate=1e-5 if args.lora else 1e-6, beta=0.0,
        use_vllm=True, vllm_mode="colocate", vllm_gpu_memory_utilization=0.35, vllm_enable_sleep_mode=True,
        gradient_checkpointing=True, bf16=True, logging_steps=1, save_steps=50, report_to="none")
    lora = LoraConfig(r=args.lora, lora_alpha=2 * args.lora, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = GRPOTrainer(
        model=args.model, args=config, train_dataset=Dataset.from_list(rows), peft_config=lora if args.lora else None,
        environment_factory=functools.partial(DatarusEnv, args.tasks))
    trainer.train()
    trainer.save_model(args.out)


if __name__ == "__main__":
    main()
