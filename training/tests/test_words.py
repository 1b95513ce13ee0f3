"""What training and evaluation share, and what they must not."""

import random
import re
import unittest

import numpy as np

from training import names, phrases, public, words
from training.tables import make_table
from training.tests import ROOT


DEMAND = ROOT / "agent/src/forms/demand.rs"
# Families that are answered by a drawing of one of these forms.
DRAWN = {"bar": "Bars", "bar_counts": "Bars", "box": "Boxes", "pie": "Pie", "scatter": "Scatter", "hist": "Histogram",
         "line": "Line", "lines": "Lines", "moving": "Moving", "running": "Running"}


def drawing_words():
    """How words begin that let decoding make a drawing, by its form."""
    text = DEMAND.read_text(encoding="utf-8")
    strings = lambda part: re.findall(r'"(\w+)"', part)
    anything = strings(text.split("const DRAWN:", 1)[1].split("];", 1)[0])
    table = text.split("const DRAWINGS:", 1)[1].split("\n];", 1)[0]
    rows = re.findall(r"&\[([^\]]*)\],\s*&\[([^\]]*)\]", table)
    return {form: tuple(anything + strings(words)) for forms, words in rows for form in strings(forms)}


def columns(evaluation, tables):
    """Columns of many tables of one side."""
    pools = names.Pools(evaluation)
    start = 10_000_000 if evaluation else 0
    for seed in range(start, start + tables):
        yield from make_table(random.Random(seed), np.random.default_rng(seed), pools).columns


class Words(unittest.TestCase):
    def test_no_word_is_on_both_sides(self):
        one, two = names.Pools(False), names.Pools(True)
        for part in ("measures", "modifiers", "categories", "entities", "stems"):
            self.assertFalse(set(getattr(one, part)) & set(getattr(two, part)), part)

    def test_held_out_column_names_do_not_occur_in_training(self):
        trained = {words.plain(c.text) for c in columns(False, 1500)}
        asked = [words.plain(c.text) for c in columns(True, 150)]
        # Dates are named so on both sides; names such as x1, and invented ones, can meet by chance.
        asked = [name for name in asked if len(name) > 2 and name not in ("date", "day", "month")]
        common = [name for name in asked if name in trained]
        self.assertLess(len(common), len(asked) * 0.03, common)

    def test_columns_of_public_tables_never_occur_in_training(self):
        real = set()
        for _, load, _ in public.TABLES:
            real |= {words.plain(str(name)) for name in load().columns}
        self.assertLessEqual(real, words.PUBLIC)
        for column in columns(False, 1500):
            self.assertNotIn(words.plain(column.text), words.PUBLIC)

    def test_files_of_public_tables_never_occur_in_training(self):
        self.assertFalse(words.PUBLIC_STEMS & set(names.Pools(False).stems))

    def test_wordings_are_split_and_no_family_is_without_either_side(self):
        for family, text in phrases.QUESTIONS.items():
            lines = text.strip().split("\n")
            trained, asked = phrases.side(lines, False), phrases.side(lines, True)
            self.assertTrue(trained and asked, family)
            self.assertFalse(set(trained) & set(asked), family)

    def test_a_question_for_a_drawing_has_a_word_by_which_decoding_knows_it(self):
        begins, rng = drawing_words(), random.Random(1)
        slots = dict.fromkeys(["x", "xs", "y", "g", "gs", "t", "ts", "agg"], "qq") | {"k": "3"}
        for family, form in DRAWN.items():
            for line in phrases.QUESTIONS[family].strip().split("\n"):
                for _ in range(60):
                    question = phrases.fill(rng, line.lstrip("*"), slots)
                    said = re.findall(r"[a-z]+", question.lower())
                    known = any(word.startswith(begins[form]) for word in said)
                    # By a day: "qq" stands for a column such as `date`, whose name tells it.
                    self.assertTrue(known or "<t>" in line, (family, question))

    def test_aggregates_are_known_under_several_words(self):
        for agg, said in phrases.AGGREGATES.items():
            self.assertGreaterEqual(len(phrases.side(said, False)), 1, agg)


if __name__ == "__main__":
    unittest.main()
