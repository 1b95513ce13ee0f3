"""What training and evaluation share, and what they must not."""

import itertools
import random
import re
import unittest

import numpy as np

from training import hasty, names, phrases, public, words
from training.tables import make_table
from training.tasks import Context
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


def said(line):
    """What a wording can become, its letters and slots alone; of very many alternatives the first ones."""
    parts = [part[1:-1].split("|") if part.startswith("{") else [part] for part in re.split(r"(\{[^{}]*\})", line)]
    made = itertools.islice(itertools.product(*parts), 2000)
    return {" ".join(re.sub(r"[^a-z<> ]", "", "".join(chosen).lower()).split()) for chosen in made}


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
        for family, lines in phrases.WORDINGS.items():
            trained, asked = phrases.side(lines, False), phrases.side(lines, True)
            self.assertTrue(trained and asked, family)
            self.assertFalse(set(trained) & set(asked), family)

    def test_wordings_that_stand_apart_are_in_no_other_side_and_fill_the_same_slots(self):
        slots = lambda line: set(re.findall(r"<([a-z]+)>", line))
        self.assertLessEqual({kind for kind in phrases.WORDINGS if not kind.startswith("follow_")}, set(phrases.apart()))
        everything = set().union(*(said(line.lstrip("*")) for lines in phrases.WORDINGS.values() for line in lines))
        for kind, lines in phrases.apart().items():
            known = set().union(*map(slots, phrases.WORDINGS[kind]))
            for line in lines:
                self.assertLessEqual(slots(line), known, (kind, line))
                self.assertFalse(said(line) & everything, (kind, line))

    def test_what_a_held_out_wording_says_no_training_wording_of_others_says(self):
        for kind, lines in phrases.WIDE.items():
            held_out = set().union(*(said(line) for line in phrases.side(phrases.WORDINGS[kind], True)))
            for line in lines:
                self.assertFalse(said(line) & held_out, (kind, line))

    def test_names_and_values_are_none_of_the_words_that_questions_ask_with_but_for_old_ones(self):
        taught = [line for kind, lines in phrases.WORDINGS.items() for line in lines if line not in phrases.WIDE.get(kind, [])]
        old = set(re.findall("[a-z]+", " ".join([*taught, phrases.ORDINARY, *hasty.BEFORE, *hasty.AFTER]).lower()))
        old |= {word for said in phrases.AGGREGATES.values() for text in said for word in text.split()}
        self.assertLessEqual(set(phrases.known_words()) & words.in_tables(), old)

    def test_a_question_in_a_hurry_keeps_what_fills_its_slots_and_evaluation_is_never_in_a_hurry(self):
        hurried = 0
        for seed in range(300):
            rng, gen = random.Random(seed), np.random.default_rng(seed)
            pools = names.Pools(seed % 2 == 1)
            table = make_table(rng, gen, pools)
            context = Context(rng, pools, table, table.frame())
            question = context.typed("Please compute the qqabsentqq share of everything", {"z": "qqabsentqq"})
            plain = "the qqabsentqq share of everything" in question
            self.assertIn("qqabsentqq", question.lower())
            self.assertTrue(plain or not pools.evaluation, question)
            hurried += not plain
        self.assertGreater(hurried, 5)

    def test_wordings_of_others_fill_the_slots_that_their_kind_needs(self):
        one = lambda key: key.removesuffix("s")
        slots = lambda line: {one(key) for key in re.findall(r"<([a-z]+)>", line)}
        for kind, lines in phrases.WIDE.items():
            known = [slots(line) for line in phrases.side(phrases.WORDINGS[kind], False) if line not in lines]
            needed = set.intersection(*known) - {"high", "low", "l"}
            for line in lines:
                self.assertFalse(line.startswith("*"), line)
                self.assertLessEqual(slots(line), set().union(*known), (kind, line))
                self.assertGreaterEqual(slots(line), needed, (kind, line))

    def test_a_question_for_a_drawing_has_a_word_by_which_decoding_knows_it(self):
        begins, rng = drawing_words(), random.Random(1)
        slots = dict.fromkeys(["x", "xs", "y", "g", "gs", "t", "ts", "agg"], "qq") | {"k": "3"}
        for family, form in DRAWN.items():
            for line in phrases.WORDINGS[family]:
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
