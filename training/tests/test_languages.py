"""Questions in other languages: the same tasks in other words."""

import json
import os
import pathlib
import re
import sys
import tempfile
import unittest
from unittest import mock

from training import orders, phrases
from training.languages import LANGUAGES
from training.wordings_languages import AGGREGATES, FILE, QUESTIONS

ENGLISH = re.compile(r"\b(the|what|which|how|show|mean of|average|rows)\b", re.IGNORECASE)


def tasks(*options):
    """The tasks that the command writes."""
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "out"
        command = ["orders", "--out", str(out), "--scratch", str(pathlib.Path(place) / "scratch"), *options]
        before = pathlib.Path.cwd()
        with mock.patch.object(sys, "argv", command):
            try:
                orders.main()
            finally:
                os.chdir(before)
        return [json.loads(line) for line in (out / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]


class Languages(unittest.TestCase):
    def test_each_language_says_the_same_families_and_aggregates_on_both_sides(self):
        families = set(QUESTIONS["german"])
        self.assertGreaterEqual(len(families), 30)
        for language in LANGUAGES:
            self.assertEqual(set(QUESTIONS[language]), families, language)
            self.assertEqual(set(AGGREGATES[language]), set(phrases.AGGREGATES), language)
            self.assertEqual(FILE[language].count("{}"), 2, language)
            for family, text in QUESTIONS[language].items():
                lines = text.strip().split("\n")
                trained, asked = phrases.side(lines, False), phrases.side(lines, True)
                self.assertTrue(trained and asked, (language, family))
                self.assertFalse(set(trained) & set(asked), (language, family))

    def test_a_wording_says_what_the_english_one_says(self):
        slots = lambda text: set(re.findall(r"<([a-z]+)>", text))
        for language in LANGUAGES:
            for family, text in QUESTIONS[language].items():
                known = slots(phrases.QUESTIONS[family])
                for line in text.strip().split("\n"):
                    self.assertLessEqual(slots(line), known, (language, line))
                    # High, low and plural forms are part of the words here; what a value alone or "time" tells may be left out.
                    needed = known - {"high", "low", "t", "l"} - {key for key in known if key.endswith("s") and key[:-1] in known}
                    self.assertLessEqual(needed, slots(line), (language, line))

    def test_tasks_have_a_checker_and_no_solution_and_their_questions_no_english(self):
        for language in LANGUAGES:
            for task in tasks("--language", language, "--count", "20"):
                prompt = task["task"]["prompt"]
                self.assertNotIn("solution", task)
                self.assertTrue(task["task"]["checker"]["values"], prompt)
                self.assertIsNone(ENGLISH.search(prompt), prompt)
                self.assertNotRegex(prompt, r"[{}<>|*]")

    def test_the_same_seed_makes_the_same_questions(self):
        once, again = (tasks("--language", "french", "--count", "5", "--first", "70") for _ in range(2))
        self.assertEqual(once, again)

    def test_slips_of_english_keys_are_not_made_in_another_language(self):
        with self.assertRaises(SystemExit), mock.patch.object(sys, "stderr"):
            tasks("--language", "german", "--hasty", "--count", "1")


if __name__ == "__main__":
    unittest.main()
