"""GRPO by TRL on the embedded model, or one of its kind, on a processor: rollouts by the program's own engine.

    python -m training.orders --out DIR --count 24
    python trl_small.py --model agent/embedded/datarus-mini.gguf --tasks DIR/tasks.jsonl --out run --steps 20
"""

import argparse
import json
import pathlib

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from datarus_training.adapters.episode import rows
from datarus_training.adapters.trl_rollout import Rollouts, loaded, worth


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "tasks", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--program", default="datarus")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tasks-a-step", type=int, default=8)
    parser.add_argument("--samples", type=int, default=6, help="of each task: the group")
    args = parser.parse_args()
    if any(args.out.glob("[0-9]*")):
        parser.error(f"expected a folder without an earlier training, found `{args.out}`: this one is not gone on with")
    model, tokenizer = loaded(args.model)
    config = GRPOConfig(
        output_dir=str(args.out), max_steps=args.steps, num_generations=args.samples, temperature=1.7, learning_rate=1e-4,
        lr_scheduler_type="constant", beta=0.0, per_device_train_batch_size=args.samples,
        gradient_accumulation_steps=args.tasks_a_step, gradient_checkpointing=False, use_cpu=True, bf16=False,
        logging_steps=1, save_strategy="no", report_to="none")
    rollouts = Rollouts(args.model.resolve(), str(args.tasks), args.out.resolve(), args.program)
    trainer = GRPOTrainer(
        model=model, reward_funcs=worth, args=config, train_dataset=Dataset.from_list(rows(str(args.tasks))),
        processing_class=tokenizer, rollout_func=rollouts)
    trainer.train()
    rollouts.weights(trainer.model)
    history = "".join(json.dumps(told) + "\n" for told in trainer.state.log_history)
    (args.out / "curve.jsonl").write_text(history, encoding="utf-8")


if __name__ == "__main__":
    main()
