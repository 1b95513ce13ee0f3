"""What training and evaluation share, and what they must not."""

import random
import unittest

import numpy as np

from training import names, phrases, public, words
from training.tables import make_table


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

    def test_aggregates_are_known_under_several_words(self):
        for agg, said in phrases.AGGREGATES.items():
            self.assertGreaterEqual(len(phrases.side(said, False)), 1, agg)


if __name__ == "__main__":
    unittest.main()
