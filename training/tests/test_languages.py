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

ENGLISH = re.compile(r"\b(the|what|which|how|show|with|by|bins|mean of|average|rows|in all)\b", re.IGNORECASE)
LETTERS = r"[A-Za-z_]{2,}"


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
                known = slots("\n".join(phrases.WORDINGS[family]))
                for line in text.strip().split("\n"):
                    self.assertLessEqual(slots(line), known, (language, line))
                    # High, low and plural forms are part of the words here; what a value alone or "time" tells may be left out.
                    needed = known - {"high", "low", "t", "l"} - {key for key in known if key.endswith("s") and key[:-1] in known}
                    self.assertLessEqual(needed, slots(line), (language, line))

    def test_tasks_have_a_checker_and_no_solution_and_nothing_in_them_is_english_prose(self):
        for language in LANGUAGES:
            for task in tasks("--language", language, "--count", "60"):
                prompt, checker = task["task"]["prompt"], task["task"]["checker"]
                self.assertNotIn("solution", task)
                self.assertTrue(checker["values"], prompt)
                self.assertNotRegex(prompt, r"[{}<>|*]")
                if any("text" not in file for file in task["files"]):
                    continue
                data = " ".join(file["text"] + file["name"] for file in task["files"])
                names = sorted(set(re.findall(LETTERS, data)), key=len, reverse=True)
                bare = re.sub("|".join(map(re.escape, names)), "", prompt)
                self.assertIsNone(ENGLISH.search(bare), prompt)
                if checker["kind"] != "figure":
                    told = [value for value in checker["values"] if re.search(LETTERS, value)]
                    self.assertEqual([value for value in told if value not in data], [], prompt)

    def test_the_same_seed_makes_the_same_questions(self):
        once, again = (tasks("--language", "french", "--count", "5", "--first", "70") for _ in range(2))
        self.assertEqual(once, again)

    def test_slips_of_english_keys_are_not_made_in_another_language(self):
        with self.assertRaises(SystemExit), mock.patch.object(sys, "stderr"):
            tasks("--language", "german", "--hasty", "--count", "1")


if __name__ == "__main__":
    unittest.main()
