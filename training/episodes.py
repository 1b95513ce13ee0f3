"""Plays out episodes: a table on disk, a question, executed steps, the answer; as text with weights for the loss.

An episode is a list of pieces `(text, kind)`; the kinds are `model` (written by the model), `forced` (written by
the grammar), `world` (written by the user or by the environment) and `mistake` (a planted error, not to be learnt).
"""

import keyword
import os
import pathlib
import shutil

import pandas as pd

from . import cell, families as f, families_chat as chat, families_models as models, families_more as m
from . import families_spread as spread, families_time as times, languages, names
from .observation import observe
from .tasks import Context

WEIGHTS = {"model": 1.0, "forced": 0.02, "world": 0.1, "mistake": 0.0}
READERS = {
    "csv": 'pd.read_csv("{}")', "tsv": 'pd.read_csv("{}", sep="\\t")',
    "xlsx": 'pd.read_excel("{}")', "parquet": 'pd.read_parquet("{}")',
}
FAMILIES = [
    (f.load, 3), (f.columns, 2), (f.shape, 3), (f.describe, 4), (f.aggregate, 9), (f.nunique, 3), (f.extreme_date, 1), (f.lookup, 4), (f.unique, 1),
    (f.group, 15), (f.two_groups, 1.5), (f.top, 8), (f.count, 9), (f.filter_aggregate, 5), (f.missing, 6),
    (f.value_counts, 6), (f.share, 3.5), (f.correlation, 4.5), (m.histogram, 3), (m.bar, 4), (m.line, 8),
    (m.scatter, 3), (m.regression, 4), (m.compare, 6), (m.period, 2.5), (m.absent, 8), (m.outside, 4), (m.greeting, 0.8),
    *spread.FAMILIES, *times.FAMILIES, *models.FAMILIES,
]
GO_ON, FAILED = "Continue.", "That failed. Say why and try another way."


class Episode:
    """The text of one chat and what is known about it."""

    def __init__(self):
        self.pieces, self.tasks = [], []
        self.moves, self.variable, self.kinds = [], "df", {}  # What `forms` are made of.
        self.before, self.removed = "", {}  # What ran unseen, and the files that are gone since.

    def add(self, text, kind):
        """Appends a piece."""
        self.pieces.append((text, kind))

    @property
    def text(self):
        """The whole chat."""
        return "".join(text for text, _ in self.pieces)

    def user(self, text):
        """A user message and the opening of the assistant's."""
        self.add(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n", "world")

    def step(self, thought, code, seen, go_on, kind="model"):
        """A step, its observation, and the environment's word to go on."""
        self.propose(thought, code, kind)
        self.moves.append(("seen", seen, ""))
        self.add(f"\n<observation>\n{seen}\n</observation>\n</step><|im_end|>\n", "world")
        self.user(go_on)

    def propose(self, thought, code, kind):
        """A step up to the end of its code."""
        self.moves.append(("step" if kind == "model" else kind, thought, code))
        self.add("<step>", kind)
        self.add("\n<thought>", "forced")
        self.add(f"{thought}</thought>", kind)
        self.add("\n<action>python_executor</action>\n<action_input>\n", "forced")
        self.add(f"{code}\n</action_input>", kind)

    def stop(self, thought, answer):
        """The end of a turn."""
        self.moves.append(("stop", thought, answer))
        self.add("<stop_analysis>", "model")
        self.add("\n<thought>", "forced")
        self.add(f"{thought}</thought>", "model")
        self.add("\n<answer>", "forced")
        self.add(f"{answer}</answer>", "model")
        self.add("\n</stop_analysis>", "forced")
        self.add("<|im_end|>\n", "world")


class Folder:
    """A working folder that holds one episode's files."""

    def __init__(self, path):
        # The process works in it, so a name from where it was begun would mean another folder.
        self.path = os.path.abspath(path)
        os.makedirs(self.path, exist_ok=True)

    def clear(self):
        """Removes everything and goes there."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)
        os.chdir(self.path)


def write(frame, name, ext, sep=None):
    """Writes a table as a file of some kind."""
    if ext == "xlsx":
        frame.to_excel(name, index=False)
    elif ext == "parquet":
        frame.to_parquet(name)
    else:
        frame.to_csv(name, index=False, sep=sep or ("\t" if ext == "tsv" else ","))


def user_text(question, namespace, files=None):
    """A question with what stands beside it: the files and the tables in memory."""
    lines = [question]
    files = sorted(os.listdir()) if files is None else files
    if files:
        lines.append("Files: " + ", ".join(files[:8]))
    frames = [(k, v) for k, v in namespace.items() if isinstance(v, pd.DataFrame) and not k.startswith("_")]
    if frames:
        lines.append("Variables: " + "; ".join(f"{k} ({_columns(v)})" for k, v in frames[:4]))
    return "\n".join(lines)


def _columns(frame):
    cols = [str(n) for n in frame.columns]
    return ", ".join(cols[:24]) + (", …" if len(cols) > 24 else "")


class Scene:
    """One table in one folder, and the chat about it."""

    def __init__(self, rng, gen, pools, table, ext):
        self.rng, self.gen, self.pools, self.table = rng, gen, pools, table
        self.name, self.ext = f"{table.stem}.{ext}", ext
        self.listed = None  # All files of the folder.
        self.namespace = {"__name__": "__main__"}
        self.v, self.spoilt, self.misnamed = "df", None, False
        self.episode = Episode()
        self.episode.kinds = {column.text: column.kind for column in table.columns}

    def play(self, loaded):
        """The whole chat, or none when the table does not fit the question; `loaded`: the user has read the table."""
        if loaded:
            self.v = self.episode.variable = self._variable(["df", "df", "data", "table", "frame"])
        task = self._task(seen=not loaded)
        if task is None:
            return None
        self.spoilt = self._spoil(task) if self.rng.random() < 0.05 else None
        self.sep = ";" if self.ext == "csv" and not loaded and self.rng.random() < 0.02 else None
        if not loaded and self.rng.random() < 0.1:
            self._move()
        write(self.table.frame(), self.name, self.ext, self.sep)
        self.named = self.rng.random() < 0.25
        if loaded:
            self._preload()
        elif not self.listed and self.rng.random() < 0.12:
            self._neighbours()
        if not self._turn(task, loaded):
            return None
        while not self.pools.language and self.v in self.namespace and len(self.episode.tasks) < 3 and self.rng.random() < (0.4 if "agg" in task.memory else 0.25):
            second = self._follow(task)
            if second is not None and second.steps and not self._turn(second, True):
                return None
            task = second or task
        return self.episode

    def decide(self):
        """A question about a table in memory and its first step; false when the table does not fit."""
        self.v = self.episode.variable = self._variable(["df", "df", "df", "data"])
        task = self._task(seen=False)
        if task is None or not task.steps and task.family != "cannot":
            return False
        self.namespace[self.v] = self.table.frame()
        files = [self.name] if self.rng.random() < 0.5 else []
        self.episode.user(user_text(task.question, self.namespace, files))
        if task.family == "cannot":
            thought, answer, _ = task.read([])
            self.episode.stop(thought, answer)
            return True
        thought, code = task.steps[0]
        if task.kind != "figure" and cell.failed(cell.run(code, self.namespace)):
            return False
        self.episode.propose(thought, code, "model")
        return True

    def _spoil(self, task):
        """Makes numbers of a column that the task uses into texts, such as `$1,200.50`; the column, if there is one."""
        usable = [c for c in self.table.of("number") if any(c.quoted in code for _, code in task.steps or ())]
        if not usable or self.ext == "parquet":
            return None
        column = self.rng.choice(usable)
        form = self.rng.choice(["${:,.2f}", "{:,.1f} kg", "{:.1f} %", "EUR {:,.2f}", "{:.2f} km", "~{:.1f}", "{:,.2f}€"])
        column.values = [None if pd.isna(x) else form.format(float(x)) for x in column.values]
        return column

    def _clean(self, task):
        """The step that makes a spoilt column a number again, sometimes after its lack was noticed."""
        thought, code = task.steps[0]
        if self.rng.random() < 0.25 and task.kind != "figure":
            outputs = cell.run(code, dict(self.namespace))
            if cell.failed(outputs):
                self.episode.step(thought, code, observe(outputs), FAILED, "mistake")
        quoted = self.spoilt.quoted
        code = f"{self.v}[{quoted}] = {self.v}[{quoted}].str.replace(r'[^0-9.-]', '', regex=True).astype(float)\n{self.v}.head(3)"
        self._run(f"Make {quoted} a number.", code, GO_ON)

    def single(self, maker, planted=None):
        """A chat of one question of a family about a file, or none when the table does not fit.

        `planted` is what goes wrong: numbers are `texts`, the file is `misnamed`, its separator is a `semicolon`.
        """
        context = Context(self.rng, self.pools, self.table, self.table.frame())
        task, self.sep = maker(context), ";" if planted == "semicolon" else None
        if task is None:
            return None
        self.spoilt = self._spoil(task) if planted == "texts" else None
        if planted == "texts" and self.spoilt is None:
            return None
        write(self.table.frame(), self.name, self.ext, self.sep)
        self.misnamed = planted == "misnamed"
        self.named = self.misnamed or self.rng.random() < 0.25
        if self.rng.random() < 0.15:
            self._neighbours()
        return self.episode if self._turn(task, False) else None

    def _variable(self, usual):
        """The user's name for the table: a usual one, or the table's own."""
        name = self.rng.choice([*usual, self.table.stem.lower().split("_")[-1]])
        return name if name.isidentifier() and not keyword.iskeyword(name) else "data"

    def _move(self):
        """The file lies in another folder and was named to the kernel by its path."""
        folder = self.rng.choice(["data", "data", "files", "notebooks/data", "work/raw", self.rng.choice(self.pools.stems)])
        os.makedirs(folder)
        self.name = f"{folder}/{self.name}"
        self.listed = [self.name]

    def _preload(self):
        """The user has read the table already, under a name of their own."""
        self.episode.before = f"import pandas as pd\n{self.v} = " + READERS[self.ext].format(self.name)
        cell.run(self.episode.before, self.namespace)
        if self.rng.random() < 0.5:
            self.episode.removed[self.name] = pathlib.Path(self.name).read_bytes()
            os.remove(self.name)

    def _neighbours(self):
        """Other files beside the table's; the question then says which is meant."""
        self.named = True
        taken = [self.table.stem]
        for _ in range(self.rng.randint(1, 3)):
            other = self.rng.choice(self.pools.stems)
            if other not in taken and not any(other in t or t in other for t in taken):
                taken.append(other)
                with open(f"{other}.{self.rng.choice(['csv', 'csv', 'tsv', 'txt'])}", "w") as file:
                    file.write("a,b\n1,2\n")

    def _task(self, seen=True):
        frame = self.namespace.get(self.v)
        frame = self.table.frame() if frame is None else frame
        context = Context(self.rng, self.pools, self.table, frame, self.v, seen)
        # Small talk and what cannot be done are said in English alone.
        makers, weights = zip(*(known for known in FAMILIES if not self.pools.language or known[0] not in (m.outside, m.greeting)))
        return self.rng.choices(makers, weights)[0](context)

    def _follow(self, before):
        context = Context(self.rng, self.pools, self.table, self.namespace[self.v], self.v)
        task = chat.follow(context, before) if self.rng.random() < 0.5 else None
        return task or self._task()

    def _turn(self, task, loaded):
        question = task.question
        named = self.name
        if self.named and not loaded and task.steps is not None:
            question, named = self._name_file(question)
        self.episode.user(user_text(question, self.namespace, self.listed))
        texts = []
        if task.steps is not None and not loaded and not self._load(named, texts):
            return False
        if loaded and task.family in ("load", "columns") and not task.steps:
            if task.family == "load":
                task.steps = [("First rows.", f"{self.v}.head(3)")]
        if self.spoilt is not None and task.steps:
            self._clean(task)
            self.spoilt = None
        for thought, code in task.steps or ():
            if self.rng.random() < 0.035:
                self._slip(thought, code)
            outputs = cell.run(code, self.namespace)
            if cell.failed(outputs):
                return False
            texts.append(observe(outputs))
            if "nan" in texts[-1] or "characters left out" in texts[-1]:
                return False
            self.episode.step(thought, code, texts[-1], GO_ON)
        try:
            thought, answer, values = task.read(texts)
        except (IndexError, ValueError):  # Nothing was found: a text that a file gives back as another kind of value.
            return False
        self.episode.stop(thought, answer)
        self.episode.tasks.append({"family": task.family, "kind": task.kind, "question": question, "values": values, "answer": answer})
        return True

    def _name_file(self, question):
        """Says in the question which file is meant; sometimes with a name that does not exist."""
        stem, name = self.table.stem, self.name
        if self.misnamed or self.rng.random() < 0.12:
            wrong = self._misname()
            if not os.path.exists(wrong):
                return self._said(question, wrong), wrong
        if self.pools.language:
            return self._said(question, name), name
        spoken = stem.replace("_", " ").lower()
        said = self.rng.choice([name, name, name, f"the {spoken}", f"the {spoken} file", f"the {spoken} data", stem])
        return self._said(question, said), name

    def _said(self, question, said):
        if self.pools.language:
            return languages.about(question, self.pools.language, said)
        start = self.rng.random() < 0.25
        if start:
            return self.rng.choice([f"In {said}: ", f"From {said}: ", f"Use {said}. ", f"In {said}, "]) + question
        mark = question[-1] if question[-1] in "?.!" else ""
        return question.rstrip("?.!") + self.rng.choice([f" in {said}", f" in {said}", f" from {said}", f" ({said})", f" for {said}"]) + mark

    def _misname(self):
        stem = self.table.stem
        options = [stem + "s", stem[:-1], stem + "_data", stem + "2", stem[: len(stem) // 2] + stem[len(stem) // 2 + 1 :]]
        return f"{self.rng.choice(options)}.{self.ext if self.rng.random() < 0.7 else 'csv'}"

    def _load(self, named, texts):
        """The step that reads the file; a name that does not exist leads to a look at what does."""
        if named != self.name:
            ext = named.rsplit(".", 1)[-1]
            self._run(f"Load {names.quote(named)} and look.", self._load_code(named, ext), FAILED)
            self._run("No such file; see which exist.", "import os\nprint(*sorted(os.listdir()), sep=\"\\n\")", GO_ON)
        text = self._run(f"Load {names.quote(self.name)} and look.", self._load_code(self.name, self.ext), GO_ON)
        if self.sep:
            code = self._load_code(self.name, "csv").replace('.csv")', '.csv", sep=";")')
            text = self._run("The columns are separated by ;.", code, GO_ON)
        texts.append(text)
        return "characters left out" not in text

    def _load_code(self, name, ext):
        return "import pandas as pd\ndf = " + READERS[ext].format(name) + "\ndf.head(3)"

    def _run(self, thought, code, go_on, kind="model"):
        text = observe(cell.run(code, self.namespace))
        self.episode.step(thought, code, text, go_on, kind)
        return text

    def _slip(self, thought, code):
        """Plants a misspelled column; the model sees the error and looks at the names."""
        column = self.rng.choice(self.table.columns).text
        if f'"{column}"' not in code or len(column) < 4:
            return
        at = self.rng.randrange(1, len(column) - 1)
        wrong = column[:at] + column[at + 1 :]
        if wrong in self.namespace[self.v].columns:
            return
        bad = code.replace(f'"{column}"', f'"{wrong}"')
        outputs = cell.run(bad, self.namespace)
        if not cell.failed(outputs):
            return
        self.episode.step(thought, bad, observe(outputs), FAILED, "mistake")
        self._run("No such column; see the names.", f"print(*{self.v}.columns, sep=\"\\n\")", GO_ON)
