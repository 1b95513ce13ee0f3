"""Tasks for the program: the same for a seed, with the data that they began with and every move in order."""

import json
import os
import pathlib
import tempfile
import unittest

from training import orders
from training.player import Player


class Orders(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.place = pathlib.Path(place.name)

    def make(self, seeds):
        """Tasks of some seeds, by episode."""
        folder = self.place / "folder"
        player = Player(str(folder))
        return [orders.orders_of(player.play(seed), folder, self.place / "files", seed) for seed in seeds]

    def test_a_seed_gives_the_same_tasks(self):
        self.assertEqual(json.dumps(self.make(range(20))), json.dumps(self.make(range(20))))

    def test_an_episode_brings_its_data_once_and_ends_each_question(self):
        chats = 0
        for episode in self.make(range(60)):
            chats += len(episode) > 1
            self.assertEqual([bool(order.get("files")) for order in episode[1:]], [False] * (len(episode) - 1))
            for order in episode:
                *steps, end = order["solution"]
                self.assertTrue(end["answer"])
                self.assertTrue(all(step["code"] and step["thought"] for step in steps))
                self.assertEqual(order["task"]["mode"] == "reflection", order["task"]["family"] == "think")
        self.assertGreater(chats, 2)

    def test_a_table_in_memory_is_read_before_and_its_file_may_be_gone(self):
        loaded = [episode[0] for episode in self.make(range(80)) if episode[0]["before"]]
        gone = [order for order in loaded if order["removed"]]
        self.assertTrue(loaded and gone and len(gone) < len(loaded))
        for order in gone:
            self.assertIn(order["removed"][0], [file["name"] for file in order["files"]])

    def test_files_that_are_no_text_lie_beside_the_tasks(self):
        files = [file for episode in self.make(range(120)) for file in episode[0]["files"]]
        binary = [file for file in files if "path" in file]
        self.assertTrue(binary and len(binary) < len(files))
        for file in binary:
            self.assertTrue((self.place / file["path"]).is_file())


if __name__ == "__main__":
    unittest.main()
