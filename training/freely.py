"""Command: how much of what a model writes without any constraint is well formed, message by message.

Each message of held-out episodes is written anew after what really stood before it, the likeliest token each time and
nothing forced, and held to the dialect: a step, or an end, with its parts in order and nothing around them.
"""

import argparse
import pathlib
import re
import tempfile

import torch

from . import restore, tokens
from .model import Cache, Model
from .player import Player

FIRST = 50_000_000  # Seeds that nothing else uses.
ASSISTANT, END = "<|im_start|>assistant\n", "<|im_end|>"
STEP = re.compile(r"<step>\n<thought>[^<]+</thought>\n<action>python_executor</action>\n<action_input>\n.+\n</action_input>", re.DOTALL)
STOP = re.compile(r"<stop_analysis>\n<thought>[^<]+</thought>\n<answer>[^<]+</answer>\n</stop_analysis>")
THINK = re.compile(r"<think>[^<]+</think>\n<answer>[^<]+</answer>")


@torch.no_grad()
def write(model, tokenizer, before, most=400):
    """What the model writes after `before`, up to the end of the message or the start of an observation."""
    cache, ids = Cache(), torch.tensor([tokens.encode(tokenizer, before)])
    stops = {tokenizer.token_to_id(END), tokenizer.token_to_id("</action_input>")}
    made = []
    while len(made) < most:
        made.append(int(model(ids, cache)[0, -1].argmax()))
        if made[-1] in stops:
            break
        ids = torch.tensor([made[-1:]])
    return tokenizer.decode(made, skip_special_tokens=False).removesuffix(END)


def is_whole(text):
    """Whether a message keeps to the dialect."""
    return any(form.fullmatch(text.rstrip("\n")) for form in (STEP, STOP, THINK))


def main():
    """`python -m training.freely --model FILE --episodes N`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file of ours")
    parser.add_argument("--episodes", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    shape, weights, text = restore.read(args.model)
    model = Model(shape)
    model.load_state_dict(weights)
    tokenizer = tokens.Tokenizer.from_str(text)
    good = count = 0
    with tempfile.TemporaryDirectory() as place:
        player = Player(f"{place}/folder", evaluation=True)
        for seed in range(FIRST, FIRST + args.episodes):
            chat = player.play(seed).text
            for at in (found.end() for found in re.finditer(re.escape(ASSISTANT), chat)):
                good += is_whole(write(model, tokenizer, chat[:at]))
                count += 1
    print(f"{good} of {count} messages are well formed ({100 * good / count:.1f} %)")


if __name__ == "__main__":
    main()
