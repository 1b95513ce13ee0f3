"""What a recipe tells: intervals by numbers worked out by hand, running means, and the table."""

import json
import pathlib
import tempfile
import unittest

from training.curves import Curve, smoothed
from training.recipe import measured, table, wilson


class Told(unittest.TestCase):
    def test_an_interval_is_that_of_wilson(self):
        # z² = 3.8416: none of ten is at most z²/(10 + z²); eight of ten is the example of the textbooks.
        low, high = wilson(0, 10)
        self.assertEqual(low, 0.0)
        self.assertAlmostEqual(high, 3.8416 / 13.8416)
        low, high = wilson(8, 10)
        self.assertAlmostEqual(low, 0.4902, places=4)
        self.assertAlmostEqual(high, 0.9433, places=4)

    def test_a_task_that_came_to_nothing_is_counted(self):
        found = measured({"a": {"correct": 1.0, "reward": 0.9}, "b": {"correct": None, "reward": 0.3}}, 4)
        self.assertEqual((found["right"], found["of"], found["reward"]), (1, 4, 0.3))

    def test_a_running_mean_begins_with_the_first_value(self):
        self.assertEqual([round(value, 6) for value in smoothed([1.0, 1.0, 1.0])], [1.0] * 3)
        # Weights 0.16 and 0.2 of 0 and 1.
        self.assertAlmostEqual(smoothed([0.0, 1.0])[1], 0.2 / 0.36)

    def test_a_curve_goes_on_after_what_is_known_of_it(self):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            curve = Curve(folder, 0)
            for number in range(3):
                curve.add({"round": number, "reward": number / 2, "KL": None if number == 0 else 0.1})
            again = Curve(folder, 2)  # The third round was not saved with the weights: it is made again.
            again.add({"round": 2, "reward": 0.7, "KL": 0.1})
            told = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
            self.assertEqual([one["reward"] for one in told], [0.0, 0.5, 0.7])
            self.assertTrue((folder / "curve.png").read_bytes().startswith(b"\x89PNG"))

    def test_a_table_has_a_line_for_each_model(self):
        one = {"right": 30, "of": 60, "from": 0.377, "to": 0.623, "reward": 0.61}
        self.assertEqual(table({"held-out": {"grpo": one}}).splitlines()[-1], "| grpo | 30 of 60 | 38% to 62% | 0.610 |")


if __name__ == "__main__":
    unittest.main()
