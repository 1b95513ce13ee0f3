"""A reward model from pairs of a better and a worse step or answer, for `datarus reward --judge OUT`.

    python -m training.orders --out DIR --count 500 --hasty
    datarus episodes make DIR/tasks.jsonl -o DIR/done.jsonl --all --samples 5 --temperature 1.8 --model FILE
    datarus episodes export DIR/done.jsonl -o DIR/rows --profile compact --format preferences
    python trl_reward_model.py --model agent/embedded/datarus-mini.gguf --pairs DIR/rows/preferences.jsonl --out reward

With the weights of a large model, `--model FOLDER` and rows of `--profile full`; that has not been run.
"""

import argparse
import json
import pathlib

from trl import RewardConfig, RewardTrainer

from datarus_training.adapters.trl_reward import LONGEST, dataset, loaded, pairs, preferred, save


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "pairs", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=4, help="pairs")
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    if (args.out / "config.json").exists():
        parser.error(f"expected a folder without an earlier training, found `{args.out}`: this one is not gone on with")
    model, tokenizer = loaded(args.model)
    learnt, apart = (dataset(rows, tokenizer) for rows in pairs(args.pairs))
    before = preferred(model, apart)
    config = RewardConfig(
        output_dir=str(args.out / "trainer"), num_train_epochs=args.epochs, learning_rate=args.rate,
        per_device_train_batch_size=args.batch, lr_scheduler_type="cosine", warmup_steps=10,
        center_rewards_coefficient=0.01, max_length=LONGEST, gradient_checkpointing=False, use_cpu=args.cpu, bf16=False, logging_steps=5, save_strategy="no", report_to="none")
    trainer = RewardTrainer(model=model, args=config, train_dataset=learnt, processing_class=tokenizer)
    trainer.train()
    save(trainer.model, tokenizer, args.out)
    told = {"pairs": len(learnt), "apart_before": before, "apart": preferred(trainer.model, apart)}
    (args.out / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*trainer.state.log_history, told]))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
