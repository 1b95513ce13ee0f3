"""How the program is called: what breaks off is made again once, and then told."""

import pathlib
import tempfile
import unittest

from training.rollouts import Program


class Calls(unittest.TestCase):
    def make(self, failures):
        """Calls a program that fails so many times; how often it was called."""
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            program, calls = folder / "program", folder / "calls"
            program.write_text(f"#!/bin/sh\necho \"$1\" >>'{calls}'\n[ $(wc -l <'{calls}') -gt {failures} ] || "
                               "{ echo broken >&2; exit 1; }\n")
            program.chmod(0o755)
            try:
                Program(str(program)).make(folder, folder, folder, samples=1, temperature=1.0, seed=1)
            except SystemExit as error:
                return len(calls.read_text().splitlines()), str(error)
            return len(calls.read_text().splitlines()), ""

    def test_what_broke_off_is_made_again_once(self):
        self.assertEqual(self.make(0), (1, ""))
        self.assertEqual(self.make(1), (2, ""))
        calls, said = self.make(9)
        self.assertEqual(calls, 2)
        self.assertIn("ended with 1:\nbroken", said)


if __name__ == "__main__":
    unittest.main()
