"""Questions as people type them in a hurry: other letters, the same names."""

import random
import unittest

from training.hasty import hasty, names_of

QUESTION = "Please show me the average fuel_burn of each Carrier in the file Flights 2024."
ORDERS = [{"files": [{"name": "flights.csv", "text": "Carrier,fuel_burn\nAnna,1\n"}],
           "solution": [{"thought": "Load.", "code": "df = pd.read_csv(\"Flights 2024.xlsx\")"}, {"thought": "Seen.", "answer": "1"}]}]


class Hasty(unittest.TestCase):
    def test_names_stay_whole_and_the_question_changes(self):
        names = names_of(ORDERS)
        self.assertLessEqual({"carrier", "fuel", "burn", "flights", "anna", "xlsx"}, names)
        told = [hasty(QUESTION, names, random.Random(seed)) for seed in range(200)]
        for question in told:
            for name in ("fuel_burn", "Carrier", "Flights 2024"):
                self.assertIn(name, question)
        self.assertGreater(sum(question != QUESTION for question in told), 190)
        self.assertGreater(len(set(told)), 100)

    def test_the_same_seed_makes_the_same_haste(self):
        once, again = (hasty(QUESTION, set(), random.Random(7)) for _ in range(2))
        self.assertEqual(once, again)

    def test_where_all_words_are_names_only_courtesy_is_left(self):
        names = {word.lower() for word in QUESTION.replace("_", " ").replace(".", "").split()}
        for seed in range(50):
            self.assertIn("show me the average fuel_burn of each Carrier in the file Flights 2024", hasty(QUESTION, names, random.Random(seed)))


if __name__ == "__main__":
    unittest.main()
