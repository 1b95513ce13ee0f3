"""Compares how well the engine and llama.cpp foretell a text, with the same model file: their perplexities.

    python tests/bench/perplexity.py --datarus target/release/datarus --peer llama.cpp/build/bin MODEL.gguf TEXT

llama-server tells the probabilities of all tokens that may come next; it is asked at each position of the text.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

from engine_peer import call, free_port, named_peer, request, wait_until_healthy


def theirs(peer: Path, model: Path, tokens: list[int], vocabulary: int) -> float:
    """llama.cpp's perplexity of all tokens but the first."""
    port, surprises = free_port(), []
    options = ["-m", model, "--port", port, "--no-webui", "-np", 1, "-c", len(tokens) + 8]
    command = [str(word) for word in (peer / "llama-server", *options)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_healthy(server, port)
        for at in range(1, len(tokens)):
            wanted = {"prompt": tokens[:at], "n_predict": 1, "n_probs": vocabulary, "cache_prompt": True}
            said = json.loads(request(port, "/completion", wanted))
            next_ones = said["completion_probabilities"][0]["top_logprobs"]
            surprises.append(-next(one["logprob"] for one in next_ones if one["id"] == tokens[at]))
    finally:
        server.kill()
        server.wait()
    return math.exp(statistics.fmean(surprises))


def main() -> int:
    """Prints both and the difference; 1 when it is above the bar of half a percent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", required=True, type=Path)
    parser.add_argument("--peer", required=True, type=Path, help="folder of llama.cpp's programs")
    parser.add_argument("--vocabulary", type=int, default=200_000, help="tokens to ask for, at least all there are")
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    options = parser.parse_args()
    quick = ["--prompt", 1, "--decode", 1, "--repeat", 1, "--json", "--weights-cache", 0]
    told = json.loads(call([options.datarus, "model", "bench", options.model, "--text", options.text, *quick]))["text"]
    peer = theirs(named_peer(options.peer), options.model, told["tokens"], options.vocabulary)
    print(f"{options.model.name}, {len(told['tokens'])} tokens: llama.cpp {peer:.4f}")
    worst = 0.0
    for name in ("perplexity_of_prompts", "perplexity_of_completions"):
        difference = told[name] / peer - 1
        worst = max(worst, abs(difference))
        print(f"{name}: {told[name]:.4f}, {difference:+.2%}")
    return int(worst > 0.005)


if __name__ == "__main__":
    sys.exit(main())
