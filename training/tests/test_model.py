"""The decoder: the same with and without its cache; the copying heads are there from the start."""

import itertools
import pathlib
import tempfile
import unittest

import numpy as np
import torch

from training.model import Cache, Model, Shape
from training.optimizers import orthogonal
from training.train import Newest, rate
from training.wiring import wire

SMALL = Shape(vocab=64, width=64, layers=2, heads=4, kv_heads=2, hidden=96, context=64)


class Decoder(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def test_reading_at_once_equals_reading_one_by_one(self):
        model, ids = Model(SMALL).eval(), torch.randint(0, 64, (1, 12))
        for block in model.blocks:
            torch.nn.init.normal_(block.attn.o.weight, std=0.1)
        cache = Cache()
        with torch.inference_mode():
            whole = model(ids)
            parts = torch.cat([model(ids[:, i : i + 1], cache) for i in range(12)], 1)
        torch.testing.assert_close(whole, parts, atol=1e-4, rtol=1e-4)

    def test_the_first_layer_looks_one_token_back(self):
        model = Model(Shape())
        wire(model)
        attn, cos, sin = model.blocks[0].attn, model.cos[:20], model.sin[:20]
        x = torch.randn(1, 20, model.shape.width)
        from training.model import rotate

        split = lambda t: t.view(1, 20, attn.heads, attn.head_dim).transpose(1, 2)
        q, k = rotate(split(attn.q(x)), cos, sin), rotate(split(attn.k(x)), cos, sin)
        scores = (q @ k.transpose(2, 3))[0, 0].masked_fill(torch.ones(20, 20).triu(1).bool(), -1e9)
        self.assertGreater((scores.argmax(-1)[2:] == torch.arange(1, 19)).float().mean().item(), 0.9)

    def test_directions_become_orthogonal(self):
        values = torch.linalg.svdvals(orthogonal(torch.randn(2, 16, 32)))
        self.assertTrue(((values > 0.5) & (values < 1.5)).all())

    def test_the_rate_rises_stays_and_falls(self):
        self.assertLess(rate(0), 0.1)
        self.assertEqual(rate(0.2), 1.0)
        self.assertLessEqual(rate(0.999), 0.011)


class Shards(unittest.TestCase):
    def test_what_nobody_has_read_comes_first_and_nothing_is_waited_for(self):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            for number in range(2 * Newest.TOGETHER):
                arrays = {"ids": np.full(8, number + 1, np.uint16), "classes": np.zeros(8, np.uint8), "lengths": np.array([8], np.int32)}
                np.savez(folder / f"{number:05d}.npz", **arrays)
            (folder / "00099.part.npz").write_bytes(b"not whole yet")
            batches = itertools.islice(Newest(folder, budget=8), 3 * Newest.TOGETHER)
            read = [int(ids[0, 0]) for ids, _ in batches]
        self.assertEqual(sorted(read[: 2 * Newest.TOGETHER]), list(range(1, 2 * Newest.TOGETHER + 1)))
        self.assertLessEqual(set(read[2 * Newest.TOGETHER :]), set(read))


if __name__ == "__main__":
    unittest.main()
