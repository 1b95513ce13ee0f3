"""A reward model by TRL's `RewardTrainer` (1.16), on the pairs of `datarus episodes export --format preferences`.

    model, tokenizer = loaded(MODEL)
    trainer = RewardTrainer(model, RewardConfig(...), train_dataset=dataset(pairs(FILE), tokenizer), processing_class=tokenizer)
    trainer.train(); save(trainer.model, tokenizer, OUT)

The folder is what `datarus reward --judge OUT` reads: a chat ends with what the analyst wrote, and the vector of the last
token gives one number. A pair's loss is `-log σ(r_chosen - r_rejected)`.
"""

from __future__ import annotations

import json
import pathlib
import random

import gguf
import torch
import transformers
from datasets import Dataset

from .trl_rollout import tokenizer_of

# The most tokens of a chat: longer pairs are left out.
LONGEST = 1024


def loaded(path: pathlib.Path, dialect: str = "datarus") -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]:
    """Weights to begin with and their tokenizer: of a GGUF file that `training.export` wrote, or of a folder.

    The program takes chats in the `dialect` of the rows; such a file says which one that is.
    """
    settings = {"num_labels": 1, "dtype": torch.float32}
    if path.suffix != ".gguf":
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(path, **settings)
        model.config.datarus_dialect, model.config.pad_token_id = dialect, tokenizer.pad_token_id
        return model, tokenizer
    model = transformers.AutoModelForSequenceClassification.from_pretrained(path.parent, gguf_file=path.name, **settings)
    fields = gguf.GGUFReader(str(path)).fields
    tokenizer = tokenizer_of(fields)
    tokenizer.chat_template = fields["tokenizer.chat_template"].contents()
    for key in ("profile", "dialect"):
        setattr(model.config, f"datarus_{key}", fields[f"datarus.{key}"].contents())
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def pairs(path: pathlib.Path, share: float = 0.1) -> tuple[list[dict], list[dict]]:
    """The rows of a file, those of a share of all tasks apart: what is learnt from one pair of a task says much of the next."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    tasks = sorted({row["task_id"] for row in rows})
    apart = set(random.Random(0).sample(tasks, round(len(tasks) * share)))
    return [row for row in rows if row["task_id"] not in apart], [row for row in rows if row["task_id"] in apart]


def dataset(rows: list[dict], tokenizer: transformers.PreTrainedTokenizerBase) -> Dataset:
    """Token ids of both chats of each pair, up to the end of what the analyst wrote."""
    def ids(prompt: list[dict], said: list[dict]) -> list[int]:
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        return tokenizer(text + said[0]["content"], add_special_tokens=False)["input_ids"]

    encoded = [{f"{side}_ids": ids(row["prompt"], row[side]) for side in ("chosen", "rejected")} for row in rows]
    return Dataset.from_list([row for row in encoded if max(map(len, row.values())) <= LONGEST])


@torch.no_grad()
def preferred(model: transformers.PreTrainedModel, data: Dataset) -> tuple[int, int]:
    """In how many pairs the better one gets more, and of how many."""
    model.eval()
    reward = lambda ids: model(input_ids=torch.tensor([ids], device=model.device)).logits.item()
    return sum(reward(row["chosen_ids"]) > reward(row["rejected_ids"]) for row in data), len(data)


def save(model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerBase, out: pathlib.Path):
    """The folder that the program reads."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
