"""The decoder: the same with and without its cache; the copying heads are there from the start."""

import unittest

import torch

from training.model import Cache, Model, Shape
from training.optimizers import orthogonal
from training.train import rate
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


if __name__ == "__main__":
    unittest.main()
