"""The objective by numbers worked out by hand, the choices and their probabilities, and rounds with the real program."""

import argparse
import json
import math
import pathlib
import tempfile
import unittest

import torch

from training import blend, grpo, objective, restore, train
from training.choices import log_probabilities
from training.model import Model, Shape
from training.rollouts import Program, read_tasks, write_tasks
from training.sequences import Sequence, sequences
from training.tests import PROGRAM, ROOT

SMALL = Shape(vocab=8, width=16, layers=1, heads=2, kv_heads=2, hidden=24, context=32)


def values(*numbers):
    """A tensor of float64."""
    return torch.tensor(numbers, dtype=torch.float64)


class Objective(unittest.TestCase):
    def test_an_advantage_is_the_distance_from_the_mean_in_deviations(self):
        # Mean 2, deviations −1, 0, 1; variance (1 + 0 + 1)/2 = 1.
        expected = [-1 / 1.0001, 0.0, 1 / 1.0001]
        torch.testing.assert_close(objective.advantages(values(1, 2, 3)), values(*expected))
        # Mean 0.25; deviations −¼, −¼, −¼, ¾; variance (3/16 + 9/16)/3 = ¼, deviation ½.
        expected = [-0.25 / 0.5001] * 3 + [0.75 / 0.5001]
        torch.testing.assert_close(objective.advantages(values(0, 0, 0, 1)), values(*expected))

    def test_like_rewards_and_a_group_of_one_teach_nothing(self):
        self.assertLess(objective.advantages(values(0.7, 0.7, 0.7)).abs().max().item(), 1e-9)
        self.assertEqual(objective.advantages(values(0.7)).tolist(), [0.0])

    def test_the_ratio_is_clipped_on_the_side_that_the_advantage_pushes_to(self):
        old = values(0.5, 0.5, 0.5).log()
        new = values(0.75, 0.5, 0.25).log()  # Ratios 1.5, 1, 0.5.
        check = lambda advantage, expected: torch.testing.assert_close(
            objective.gain(new, old, advantage, 0.2, 0.3), values(*expected))
        check(2.0, [2.6, 2.0, 1.0])
        check(-2.0, [-3.0, -2.0, -1.6])
        is_clipped = lambda advantage: objective.is_clipped(new, old, advantage, 0.2, 0.3).tolist()
        self.assertEqual(is_clipped(2.0), [True, False, False])
        self.assertEqual(is_clipped(-2.0), [False, False, True])

    def test_what_is_clipped_has_no_gradient_and_the_rest_has_that_of_reinforce(self):
        old, new = values(0.5, 0.5).log(), values(0.75, 0.5).log().requires_grad_()
        objective.gain(new, old, 2.0, 0.2, 0.2).sum().backward()
        torch.testing.assert_close(new.grad, values(0.0, 2.0))  # d(r·A)/d ln π = r·A, with r = 1.

    def test_k3_is_nothing_between_equals_and_else_above_nothing(self):
        # π_ref/π = 2: 2 − ln 2 − 1; a half: ½ + ln 2 − 1.
        found = objective.k3(values(0.25, 0.5, 0.5).log(), values(0.5, 0.25, 0.5).log())
        torch.testing.assert_close(found, values(1 - math.log(2), math.log(2) - 0.5, 0.0))


class Choices(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.model = Model(SMALL).eval()

    def logits(self, ids):
        """Of the token after `ids`, as floats."""
        return self.model(torch.tensor([ids]))[0, -1].tolist()

    def check(self, choice, expected):
        """`expected` makes of the logits the odds of what was chosen and of all that could be."""
        odds, whole = expected([math.exp(z / 0.5) for z in self.logits([1, 2, 3])])
        found, _ = log_probabilities(self.model, Sequence([1, 2, 3, 4], [(3, choice)]), 0.5)
        self.assertAlmostEqual(found.item(), math.log(odds / whole), places=4)

    def test_a_probability_is_among_what_could_be_chosen(self):
        self.check({"token": 4, "open": True}, lambda z: (z[4], sum(z)))
        self.check({"token": 4, "open": True, "without": [5, 6]}, lambda z: (z[4], sum(z[:5]) + z[7]))
        self.check({"token": 4, "among": [[4, 0.0], [6, 0.0]]}, lambda z: (z[4], z[4] + z[6]))
        # A bonus of ½ at a temperature of ½ multiplies the odds by e.
        self.check({"token": 4, "among": [[4, 0.5], [6, 0.0]]}, lambda z: (math.e * z[4], math.e * z[4] + z[6]))

    def test_a_choice_that_ended_is_anything_but_what_would_have_gone_on(self):
        choice = {"token": None, "among": [[4, 0.5], [6, 0.0]], "open": True}
        self.check(choice, lambda z: (sum(z) - z[4] - z[6], sum(z) + (math.e - 1) * z[4]))

    def test_the_entropy_of_an_even_choice_among_four_is_two_bits(self):
        for block in (self.model.embed,):
            torch.nn.init.zeros_(block.weight)
        among = [[token, 0.0] for token in (0, 2, 4, 6)]
        _, entropy = log_probabilities(self.model, Sequence([1, 2], [(1, {"token": 2, "among": among})]), 1.0)
        self.assertAlmostEqual(entropy.item(), 2 * math.log(2), places=5)

    def test_only_choices_have_a_gradient(self):
        choice = {"token": 4, "among": [[4, 0.0], [6, 0.0]]}
        taken, _ = log_probabilities(self.model, Sequence([1, 2, 3, 4, 7, 7], [(3, choice)]), 1.0)
        hidden = self.model.hidden
        self.model.hidden = lambda ids: self.seen.setdefault("hidden", hidden(ids).detach().requires_grad_())
        self.seen = {}
        taken, _ = log_probabilities(self.model, Sequence([1, 2, 3, 4, 7, 7], [(3, choice)]), 1.0)
        taken.sum().backward()
        self.assertEqual(self.seen["hidden"].grad[0].abs().sum(-1).gt(0).tolist(), [False, False, True, False, False, False])

    def test_calls_that_go_on_are_one_sequence_and_a_shortened_chat_begins_another(self):
        choice = lambda at: {"at": at, "token": 1, "open": True}
        calls = [
            {"prompt": [1, 2], "tokens": [3, 4], "decisions": [choice(0), choice(1)]},
            {"prompt": [1, 2, 3, 4, 5], "tokens": [6], "decisions": [choice(0)]},
            {"prompt": [1, 5], "tokens": [7], "decisions": [choice(1)]},
        ]
        found = [(one.ids, [place for place, _ in one.choices]) for one in sequences(calls)]
        self.assertEqual(found, [([1, 2, 3, 4, 5, 6], [2, 3, 5]), ([1, 5, 7], [3])])


class Chance(unittest.TestCase):
    def test_no_two_rounds_of_any_seeds_draw_alike(self):
        drawn = set()
        for seed in range(30):
            for done in range(30):
                trainer = grpo.Trainer.__new__(grpo.Trainer)
                trainer.settings, trainer.done = grpo.Settings(seed=seed), done
                drawn |= {trainer._chance(what).getrandbits(63) for what in ("tasks", "draws", "order")}
        self.assertEqual(len(drawn), 30 * 30 * 3)
        self.assertEqual(trainer._chance("draws").random(), trainer._chance("draws").random())


class Files(unittest.TestCase):
    def test_weights_are_put_into_a_copy_of_a_model_file_and_nothing_else_changes(self):
        embedded = ROOT / "agent/embedded/datarus-mini.gguf"
        with tempfile.TemporaryDirectory() as place:
            shape, weights, tokenizer = restore.read(embedded)
            same, other = pathlib.Path(place) / "same.gguf", pathlib.Path(place) / "other.gguf"
            restore.replace(embedded, weights, same)
            self.assertEqual(same.read_bytes(), embedded.read_bytes())
            weights["norm.weight"] = weights["norm.weight"] + 1
            restore.replace(embedded, weights, other)
            again, found, read = restore.read(other)
            self.assertEqual((again, read), (shape, tokenizer))
            torch.testing.assert_close(found["norm.weight"], weights["norm.weight"])
            torch.testing.assert_close(found["embed.weight"], weights["embed.weight"])

    def test_training_goes_on_with_the_sizes_of_the_weights_that_are_there(self):
        shape, weights, tokenizer = restore.read(ROOT / "agent/embedded/datarus-mini.gguf")
        with tempfile.TemporaryDirectory() as place:
            out = pathlib.Path(place)
            torch.save({"shape": shape.to_dict(), "model": weights}, out / "checkpoint.pt")
            (out / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
            options = {"width": 64, "layers": 1, "heads": 1, "hidden": 64, "optimizer": "adamw", "rate": 1e-3, "muon_rate": 0.0}
            args = argparse.Namespace(out=out, tokenizer=out / "tokenizer.json", seed=1, threads=1, device="cpu", **options)
            model = train.Trainer(args).model
        self.assertEqual(model.shape, shape)
        torch.testing.assert_close(model.state_dict()["embed.weight"], weights["embed.weight"])

    def test_blended_weights_lie_between_and_those_of_other_sizes_are_refused(self):
        before, after = {"w": torch.tensor([0.0, 4.0])}, {"w": torch.tensor([2.0, 0.0])}
        for share, expected in ((0.0, [0.0, 4.0]), (0.25, [0.5, 3.0]), (1.0, [2.0, 0.0])):
            torch.testing.assert_close(blend.between(before, after, share)["w"], torch.tensor(expected))
        with self.assertRaises(SystemExit):
            blend.between(before, {"w": torch.zeros(3)}, 0.5)


@unittest.skipUnless(PROGRAM, "DATARUS_BIN names no program `datarus`")
class Rounds(unittest.TestCase):
    """The real program, the embedded model, two tasks; a minute."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        torch.set_num_threads(1)
        files = [{"name": "sales.csv", "text": "region,revenue\nNorth,120.5\nSouth,100\n"}]
        ask = lambda name, prompt, value: {
            "task": {"id": name, "prompt": prompt, "seed": 1, "checker": {"kind": "number", "values": [value]}}, "files": files}
        self.tasks = [[ask("a", "What is the total of revenue?", "220.5")], [ask("b", "How many rows are there?", "2")]]
        write_tasks(self.place / "tasks.jsonl", self.tasks)

    def train(self, name, rounds, **other):
        """A trainer that has run."""
        out = self.place / name
        out.mkdir(exist_ok=True)
        settings = grpo.Settings(rounds=rounds, tasks_a_round=2, samples=3, temperature=1.5, batches=2, **other)
        trainer = grpo.Trainer(settings, ROOT / "agent/embedded/datarus-mini.gguf", out, Program(PROGRAM, 1))
        trainer.run(read_tasks(self.place / "tasks.jsonl"))
        return trainer

    def test_a_run_that_was_cut_off_ends_like_one_that_was_not(self):
        whole = self.train("whole", 2, beta=0.02, progress=(1.0, 1.0))
        self.train("parts", 1, beta=0.02, progress=(1.0, 1.0))
        parts = self.train("parts", 2, beta=0.02, progress=(1.0, 1.0))
        for name, tensor in whole.model.state_dict().items():
            torch.testing.assert_close(parts.model.state_dict()[name], tensor, rtol=0, atol=0)
        kept = lambda one: {k: v for k, v in one.items() if not k.startswith(("seconds", "peak"))}
        self.assertEqual([kept(one) for one in parts.curve.rounds], [kept(one) for one in whole.curve.rounds])
        told = [json.loads(line) for line in (whole.out / "curve.jsonl").read_text().splitlines()]
        self.assertEqual([one["round"] for one in told], [0, 1])
        self.assertTrue((whole.out / "curve.png").stat().st_size > 10_000)
        self.assertLess(told[0]["KL to the reference"], 1e-3)


if __name__ == "__main__":
    unittest.main()
