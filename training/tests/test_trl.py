"""Rollouts by the program for TRL: what it takes of a sample, and two steps of its trainer with the real program."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from training.rollouts import Sample
from training.sequences import Sequence
from training.tests import MODEL, PROGRAM, ROOT

try:
    import trl
except ImportError:
    trl = None
else:
    from datasets import Dataset

    from training.adapters.episode import rows
    from training.adapters.trl_rollout import Rollouts, loaded, row_of, worth


@unittest.skipUnless(trl, "TRL is not installed (training/requirements-trl.txt)")
class Rows(unittest.TestCase):
    def test_what_comes_before_the_first_choice_is_the_prompt_and_only_tokens_that_were_chosen_count(self):
        choices = [(3, {"token": 7}), (4, {"token": None}), (5, {"token": 9})]
        sample = Sample("a", [Sequence([1, 2, 3, 7, 8, 9, 4], choices)], {"reward": 0.5})
        expected = {"prompt_ids": [1, 2, 3], "completion_ids": [7, 8, 9, 4, 0], "env_mask": [1, 0, 1, 0, 0], "reward": 0.5}
        self.assertEqual(row_of(sample, 0), expected)

    def test_a_task_without_an_end_and_a_shortened_past_teach_nothing(self):
        parts = [Sequence([1, 2], [(1, {"token": 2})]), Sequence([3, 4], [(1, {"token": 4})])]
        nothing = [Sequence([1, 2], [(1, {"token": None})])]
        samples = [Sample("a", sequences, {"reward": 1.0}) for sequences in ([], parts, nothing)]
        for sample in (None, *samples):
            self.assertEqual(row_of(sample, 9), {"prompt_ids": [9], "completion_ids": [9], "env_mask": [0], "reward": None})


@unittest.skipUnless(trl and PROGRAM, "TRL is not installed, or DATARUS_BIN names no program `datarus`")
class Steps(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        ask = lambda name, what, value: {
            "task": {"id": name, "prompt": f"What is the {what}?", "checker": {"kind": "number", "values": [value]}},
            "files": [{"name": "sales.csv", "text": "region,revenue,costs\nNorth,120.5,10\nSouth,100,20\nEast,80,5\n"}]}
        tasks = [ask("a", "average revenue", "100.1667"), ask("b", "total of costs", "35")]
        self.tasks = self.folder / "tasks.jsonl"
        self.tasks.write_text("".join(json.dumps(task) + "\n" for task in tasks))

    def test_the_trainer_moves_the_weights_by_work_that_the_program_has_done(self):
        model, tokenizer = loaded(MODEL)
        seen = []

        def uneven(prompts, completions, reward, **_):
            """Rewards that differ within a group, whatever the work is worth: the longer it is, the more."""
            seen.extend(reward)
            return [float(len(completion[0]["content"])) for completion in completions]

        # So warm that no two samples are alike.
        config = trl.GRPOConfig(output_dir=str(self.folder / "run"), max_steps=1, num_generations=4, temperature=4.0, beta=0.0,
                                per_device_train_batch_size=4, gradient_accumulation_steps=2, use_cpu=True, bf16=False,
                                learning_rate=1e-3, report_to="none", save_strategy="no", gradient_checkpointing=False)
        rollouts = Rollouts(MODEL, str(self.tasks), self.folder / "run", PROGRAM)
        trainer = trl.GRPOTrainer(model=model, reward_funcs=[worth, uneven], args=config, rollout_func=rollouts,
                                  train_dataset=Dataset.from_list(rows(str(self.tasks))), processing_class=tokenizer)
        trainer.train()
        self.assertEqual(len(seen), 8)
        self.assertTrue(all(0 <= reward <= 1 for reward in seen), seen)
        made = rollouts.weights(trainer.model)
        self.assertEqual(made.stat().st_size, MODEL.stat().st_size)
        digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
        self.assertNotEqual(digest(made), digest(MODEL))

    def test_the_launch_file_trains_and_tells_its_curve(self):
        # It names the installed package; here that is the folder of the sources.
        packages = self.folder / "packages"
        packages.mkdir()
        (packages / "datarus_training").symlink_to(ROOT / "training")
        command = [sys.executable, ROOT / "training/adapters/launch/trl_small.py", "--model", MODEL, "--tasks", self.tasks,
                   "--out", self.folder / "run", "--program", PROGRAM, "--steps", "1", "--tasks-a-step", "2", "--samples", "2"]
        environment = {**os.environ, "PYTHONPATH": str(packages)}
        subprocess.run(command, check=True, env=environment)
        told = [json.loads(line) for line in (self.folder / "run/curve.jsonl").read_text().splitlines()]
        self.assertEqual(sum("reward" in one for one in told), 1)
        again = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        self.assertIn("expected a folder without an earlier training", again.stderr)


if __name__ == "__main__":
    unittest.main()
