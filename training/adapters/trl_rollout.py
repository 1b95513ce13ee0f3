"""Rollouts by the program's own engine for TRL's `GRPOTrainer` (1.16): for models of the size of the embedded one.

    model, tokenizer = loaded(GGUF)
    trainer = GRPOTrainer(model, worth, config, Dataset.from_list(rows(TASKS)), processing_class=tokenizer,
                          rollout_func=Rollouts(GGUF, TASKS, OUT))

What is trained is what users meet: the program decides under its grammar, runs each step in its sandbox, and scores.
TRL's probability of a choice is among all tokens, the program drew from those that the grammar left, with its bonuses:
`training.grpo` takes that one, so it is the better trainer for such models, and this one for what TRL has besides.
"""

from __future__ import annotations

import collections
import pathlib

import gguf
import tokenizers
import torch
import transformers

from .. import restore
from ..rollouts import Program, Sample, groups, write_tasks
from .episode import named_in, tasks_by_name


def loaded(path: pathlib.Path) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerFast]:
    """The weights and the tokenizer of a GGUF file that `training.export` wrote."""
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model, tokenizer_of(gguf.GGUFReader(str(path)).fields)


def tokenizer_of(fields: dict) -> transformers.PreTrainedTokenizerFast:
    """The tokenizer that the fields of such a file hold."""
    text = fields["tokenizer.huggingface.json"].contents()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(text), eos_token="<|im_end|>", pad_token="<|endoftext|>")


def worth(prompts: list, completions: list, reward: list[float | None], **_) -> list[float | None]:
    """The rewards that came with the rollouts; none of a sample that teaches nothing, which TRL leaves out."""
    return reward


class Rollouts:
    """Has the program solve the tasks that prompts of `episode.rows` name; trajectories stay in a folder for each call.

    A task that breaks off twice ends the training; its message is the program's.
    """

    def __init__(self, start: pathlib.Path, tasks: str, out: pathlib.Path, program: str = "datarus", progress: float = 1.0):
        self.start, self.tasks, self.out = start, tasks_by_name(tasks), out
        self.program, self.progress, self.calls = Program(program), progress, 0

    def __call__(self, prompts: list, trainer) -> dict[str, list | None]:
        """One row for each prompt; `env_mask` is 1 where the model chose a token, 0 for what was forced or said to it."""
        names = [named_in(prompt) for prompt in prompts]
        samples = collections.Counter(names)
        folder = self.out / f"{self.calls:04d}"
        folder.mkdir(parents=True)
        self.calls += 1
        write_tasks(folder / "tasks.jsonl", [self.tasks[name] for name in samples])
        done = folder / "done.jsonl"
        self.program.make(self.weights(trainer.model), folder / "tasks.jsonl", done, samples=max(samples.values()),
                          temperature=trainer.temperature, seed=trainer.args.seed * 100_003 + self.calls)
        found = {group[0].task: group for group in groups(done, self.program.reward(done, self.progress))}
        end = trainer.processing_class.eos_token_id
        rows = [row_of(found[name].pop() if found.get(name) else None, end) for name in names]
        return {"logprobs": None, **{key: [row[key] for row in rows] for key in rows[0]}}

    def weights(self, model: transformers.PreTrainedModel) -> pathlib.Path:
        """The weights as they stand, as a file for the program."""
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, model.config.num_hidden_layers)
        path = self.out / "model.gguf"
        restore.replace(self.start, model.state_dict(), path, lambda name: names.get_name(name, (".weight", ".bias")))
        return path


def row_of(sample: Sample | None, end: int) -> dict:
    """What TRL takes of a sample; nothing to learn from of none, and of one whose past was shortened on its way.

    A choice that ended by writing nothing has no token of its own, so it does not count here. Without an end TRL takes a
    sample for one that was cut off, and learns nothing of it.
    """
    chosen = [part for part in sample.sequences if part.choices] if sample else []
    places = {place for place, choice in chosen[0].choices if choice["token"] is not None} if len(chosen) == 1 else set()
    if not places:
        return {"prompt_ids": [end], "completion_ids": [end], "env_mask": [0], "reward": None}
    ids, first = chosen[0].ids, min(places)
    mask = [int(place in places) for place in range(first, len(ids))]
    return {"prompt_ids": ids[:first], "completion_ids": [*ids[first:], end], "env_mask": [*mask, 0],
            "reward": sample.scores["reward"]}
