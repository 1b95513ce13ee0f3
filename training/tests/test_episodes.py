"""Episodes: the same for a seed, really executed, and right by the checker's eye."""

import os
import random
import tempfile
import unittest

from training import check, data, names, tokens
from training.episodes import FAMILIES
from training.player import Player
from training.questions import MAKERS, TWO_FILES, make


class Episodes(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.place = os.path.join(place.name, "folder")

    def test_a_seed_gives_the_same_episode(self):
        one = [Player(self.place).play(seed).pieces for seed in range(12)]
        two = [Player(self.place).play(seed).pieces for seed in range(12)]
        self.assertEqual(one, two)

    def test_every_family_is_executed_and_its_answer_is_accepted(self):
        player = Player(self.place, evaluation=True)
        for at, family in enumerate([*MAKERS, *TWO_FILES]):
            task = make(player, family, at).tasks[0]
            seen = [make(player, family, at).text]
            expected = {"kind": task["kind"], "values": task["values"]}
            self.assertTrue(check.right(expected, task["answer"], seen), task)

    def test_every_maker_makes_a_question(self):
        player = Player(self.place)
        made = {task["family"] for seed in range(150) for task in player.play(seed).tasks}
        self.assertGreater(len(made), 40)
        self.assertGreater(len(FAMILIES), 55)

    def test_two_files_are_joined_on_a_column_of_both(self):
        episode = make(Player(self.place), "join", 5)
        heads = [seen.split("\n")[0].split("|") for move, seen, _ in episode.moves if move == "seen"]
        key = next(code for _, _, code in episode.moves if ".merge(" in code).split('on="')[1].split('"')[0]
        self.assertIn(key, heads[0])
        self.assertIn(key, heads[1])
        self.assertLess(max(len(heads[0]), len(heads[1])), len(heads[2]))

    def test_numbers_as_texts_are_made_numbers_before_they_are_used(self):
        episode = make(Player(self.place), "number as text", 5)
        steps = [thought for move, thought, _ in episode.moves if move == "step"]
        self.assertTrue(steps[1].startswith("Make "), steps)
        self.assertGreater(len(steps), 2)

    def test_the_parts_of_an_episode_close_what_they_open(self):
        player = Player(self.place)
        for seed in range(40):
            text = player.play(seed).text
            for tag in tokens.TAGS:
                self.assertEqual(text.count(f"<{tag}>"), text.count(f"</{tag}>"), (seed, tag))
            self.assertEqual(text.count("<|im_start|>"), text.count("<|im_end|>"))

    def test_planted_mistakes_are_not_learnt_but_what_follows_is(self):
        player, found = Player(self.place), False
        for seed in range(300):
            kinds = [kind for _, kind in player.play(seed).pieces]
            if "mistake" in kinds:
                found = True
                self.assertIn("model", kinds[kinds.index("mistake") + 4 :])
        self.assertTrue(found)
        self.assertEqual(data.WEIGHTS["mistake"], 0)

    def test_text_survives_the_tokenizer(self):
        player = Player(self.place)
        texts = [player.play(seed).text for seed in range(25)]
        tokenizer = tokens.learn(texts)
        for text in [*texts, 'Ünï—"Q_1"\t 12.5\n<step>', "ABC deF"]:
            ids = tokens.encode(tokenizer, text)
            self.assertEqual(tokenizer.decode(ids, skip_special_tokens=False), text)
        for at, tag in enumerate(tokens.ADDED):
            self.assertEqual(tokenizer.token_to_id(tag), at)

    def test_a_word_has_the_same_tokens_wherever_it_stands(self):
        tokenizer = tokens.learn(["Carrier carriers delay"] * 3)
        alone = tokens.encode(tokenizer, "carrier")
        quoted = tokens.encode(tokenizer, '["Carrier"]')
        self.assertEqual(quoted[3 : 3 + len(alone)], alone)


class Mentions(unittest.TestCase):
    def test_a_part_of_a_name_is_used_only_where_it_fits_no_other(self):
        one, two = names.Name("arr_delay", ["arrival", "delay"]), names.Name("dep_delay", ["departure", "delay"])
        rng = random.Random(1)
        said = {names.mention(rng, one, [one, two]) for _ in range(200)}
        self.assertNotIn("delay", said)
        self.assertIn("arrival delay", said)


if __name__ == "__main__":
    unittest.main()
