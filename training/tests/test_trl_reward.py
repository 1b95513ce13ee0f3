"""A reward model by TRL: what a pair becomes, and that the program gives what PyTorch does."""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from training.tests import MODEL, PROGRAM, ROOT

try:
    import trl
except ImportError:
    trl = None
else:
    import torch

    from training.adapters.trl_reward import dataset, loaded, pairs, preferred, save

CELL = {"execution_count": 1, "status": "ok", "figures": [], "seconds": 0,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "1\n"}]}


def sample(name, code, answer):
    """A trajectory of one step over a table in memory; 1 is right."""
    return {
        "v": 1, "id": name, "episode": name, "dialect": "datarus",
        "task": {"id": "t", "prompt": "What is the total of a?", "checker": {"kind": "number", "values": ["1"]}},
        "given": {"files": [], "variables": [{"name": "df", "columns": ["a", "b"]}], "brief": ""},
        "steps": [{"number": 1, "thought": "Add up.", "code": code, "execution": CELL, "evidence": {"reads": ["df"], "shows": ["df"]}}],
        "outcome": {"kind": "answered", "thought": "It was printed.", "answer": answer}}


def row(task):
    said = lambda text: [{"role": "assistant", "content": text}]
    return {"prompt": [{"role": "user", "content": "What is the total?"}], "chosen": said("df.a.sum()"), "rejected": said("df.b.sum()"),
            "task_id": task}


@unittest.skipUnless(trl, "TRL is not installed (training/requirements-trl.txt)")
class Pairs(unittest.TestCase):
    def test_pairs_of_one_task_are_all_learnt_or_all_apart(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "pairs.jsonl"
            path.write_text("".join(json.dumps(row(f"t{n % 20}")) + "\n" for n in range(60)))
            learnt, apart = pairs(path)
        self.assertEqual((len(learnt), len(apart)), (54, 6))
        tasks = lambda rows: {row["task_id"] for row in rows}
        self.assertFalse(tasks(learnt) & tasks(apart))

    def test_a_chat_ends_with_what_the_analyst_wrote(self):
        _, tokenizer = loaded(MODEL)
        [one] = dataset([row("t")], tokenizer)
        self.assertTrue(tokenizer.decode(one["chosen_ids"]).endswith("df.a.sum()"))
        self.assertEqual(one["chosen_ids"][:5], one["rejected_ids"][:5])


@unittest.skipUnless(trl, "TRL is not installed (training/requirements-trl.txt)")
class Launch(unittest.TestCase):
    def test_the_launch_file_trains_and_tells_how_often_it_prefers_what_is_better(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            # It names the installed package; here that is the folder of the sources.
            (folder / "datarus_training").symlink_to(ROOT / "training")
            (folder / "pairs.jsonl").write_text("".join(json.dumps(row(f"t{n}")) + "\n" for n in range(20)))
            command = [sys.executable, ROOT / "training/adapters/launch/trl_reward_model.py", "--model", MODEL,
                       "--pairs", folder / "pairs.jsonl", "--out", folder / "reward", "--rate", "1e-3", "--cpu"]
            environment = {**os.environ, "PYTHONPATH": str(folder)}
            subprocess.run(command, check=True, env=environment)
            told = [json.loads(line) for line in (folder / "reward/curve.jsonl").read_text().splitlines()]
            self.assertEqual((told[-1]["pairs"], told[-1]["apart"]), (18, [2, 2]))
            again = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
            self.assertIn("expected a folder without an earlier training", again.stderr)


@unittest.skipUnless(trl and PROGRAM, "TRL is not installed, or DATARUS_BIN names no program `datarus`")
class Judged(unittest.TestCase):
    def test_the_program_gives_the_rewards_that_pytorch_gives(self):
        torch.manual_seed(1)
        model, tokenizer = loaded(MODEL)
        with torch.no_grad():
            model.score.weight.normal_(std=0.05)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            save(model, tokenizer, folder / "reward")
            samples = [sample("a", 'df["a"].sum()', "It is 1."), sample("b", 'df["b"].sum()', "It is 2.")]
            (folder / "done.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
            run = lambda *words: subprocess.run([PROGRAM, *words], cwd=folder, check=True, capture_output=True, text=True).stdout
            run("episodes", "export", "done.jsonl", "-o", "rows", "--profile", "compact", "--format", "steps,preferences")
            rows = [json.loads(line) for line in (folder / "rows/steps.jsonl").read_text().splitlines()]
            moves = [{"prompt": one["prompt"], "chosen": one["completion"], "rejected": one["completion"]} for one in rows]
            data = dataset(moves, tokenizer)
            model.eval()
            with torch.no_grad():
                expected = [torch.sigmoid(model(input_ids=torch.tensor([one["chosen_ids"]])).logits).item() for one in data]
            bare, judged = ([json.loads(line) for line in run("reward", "done.jsonl", "--json", *words).splitlines()]
                            for words in ([], ["--judge", "reward"]))
            preferences = (folder / "rows/preferences.jsonl").read_text().splitlines()
        step, _, other, _ = expected
        # A step is worth the mean of what can be reckoned and what the model gives.
        for scores, before, reward in zip(judged, bare, (step, other)):
            self.assertTrue(math.isclose(scores["steps"][0], (before["steps"][0] + reward) / 2, abs_tol=2e-3), (scores, reward))
        self.assertEqual(len(preferences), 1)
        [pair] = dataset([json.loads(preferences[0])], tokenizer)
        self.assertEqual((pair["chosen_ids"], pair["rejected_ids"]), (data[0]["chosen_ids"], data[2]["chosen_ids"]))
        self.assertEqual(preferred(model, [pair]), (int(step > other), 1))


if __name__ == "__main__":
    unittest.main()
