"""The bridges against the packages that they are for: what they define and call is there, under the same names.

The pinned wheels are read, not installed, so this needs no torch and no GPU. Where they cannot be had it is skipped.
"""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

import yaml

from training.adapters.episode import rows, task_of, tasks_by_name
from training.adapters.trl_env import DatarusEnv
from training.rollouts import write_tasks

HERE = pathlib.Path(__file__).resolve()
ADAPTERS = HERE.parents[1] / "adapters"
WHEELS = pathlib.Path(os.environ.get("DATARUS_WHEELS") or HERE.parents[2] / "target/wheels")
PINNED = ("trl==1.16.0", "openenv==0.10.0", "verl==0.9.1")
PROGRAM = os.environ.get("DATARUS_BIN")

# What begins every training, of transformers, which the wheels do not hold.
GENERAL = {"output_dir", "per_device_train_batch_size", "gradient_accumulation_steps", "save_steps", "report_to",
           "gradient_checkpointing", "bf16", "logging_steps", "learning_rate", "max_steps", "lr_scheduler_type", "use_cpu",
           "save_strategy", "num_train_epochs", "warmup_steps"}


def wheel(pinned):
    """The pinned wheel, downloaded if need be."""
    name, version = pinned.split("==")
    found = list(WHEELS.glob(f"{name}-{version}-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(WHEELS), pinned]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise unittest.SkipTest(f"the wheel of {pinned} cannot be had: {done.stderr.strip().splitlines()[-1:]}")
        found = list(WHEELS.glob(f"{name}-{version}-*.whl"))
    return zipfile.ZipFile(found[0])


class Source:
    """A file of a package or of ours, as its tree."""

    def __init__(self, text):
        self.text, self.tree = text, ast.parse(text)

    def node(self, name):
        """The class or function of a name, `Class.method` for one in a class."""
        tree = self.tree
        for part in name.split("."):
            kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            tree = next(node for node in tree.body if isinstance(node, kinds) and node.name == part)
        return tree

    def arguments(self, name):
        """The names of a function's arguments, `**` for any others."""
        args = self.node(name).args
        names = [arg.arg for arg in args.posonlyargs + args.args + args.kwonlyargs]
        return names + (["**"] if args.kwarg else [])

    def fields(self, name):
        """The annotated fields of a class."""
        return {node.target.id for node in self.node(name).body if isinstance(node, ast.AnnAssign)}

    def methods(self, name):
        """The methods of a class, by whether they are abstract."""
        functions = [node for node in self.node(name).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        is_abstract = lambda node: any(getattr(d, "id", "") == "abstractmethod" for d in node.decorator_list)
        return {node.name: is_abstract(node) for node in functions}

    def keywords(self, called):
        """All names that a function is called with here."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        named = lambda node: getattr(node.func, "id", getattr(node.func, "attr", ""))
        return {keyword.arg for node in calls if named(node) == called for keyword in node.keywords if keyword.arg}


def is_in(tree, path):
    """Whether a configuration has a key, which is named from its top."""
    first, *rest = path
    return first in tree and (not rest or is_in(tree[first], rest))


def ours(name):
    """A bridge of ours."""
    return Source((ADAPTERS / name).read_text(encoding="utf-8"))


class Signatures(unittest.TestCase):
    def package(self, pinned, path):
        """A file out of a wheel."""
        with wheel(pinned) as archive:
            return Source(archive.read(path).decode())

    def test_a_bridge_has_at_most_150_lines(self):
        for path in ADAPTERS.glob("*.py"):
            self.assertLessEqual(len(path.read_text(encoding="utf-8").splitlines()), 150, path.name)

    def test_trl_takes_our_environment(self):
        trainer = self.package(PINNED[0], "trl/trainer/grpo_trainer.py")
        self.assertLessEqual({"environment_factory", "train_dataset", "args", "model"}, set(trainer.arguments("GRPOTrainer.__init__")))
        self.assertIn("must define a callable `reset`", trainer.text)
        self.assertIn("get_reward", trainer.text)
        self.assertEqual(ours("trl_env.py").arguments("DatarusEnv.reset"), ["self", "**"])
        public = [name for name in vars(DatarusEnv) if not name.startswith("_")]
        self.assertEqual(sorted(public), ["finish", "get_reward", "reset", "run_cell"])

    def test_trl_takes_our_rollouts(self):
        trainer = self.package(PINNED[0], "trl/trainer/grpo_trainer.py")
        self.assertLessEqual(ours("launch/trl_small.py").keywords("GRPOTrainer"), set(trainer.arguments("GRPOTrainer.__init__")))
        self.assertIn('required_keys = {"prompt_ids", "completion_ids", "logprobs"}', trainer.text)
        self.assertIn('extra_fields.pop("env_mask", None)', trainer.text)
        self.assertIn("self.rollout_func(prompts, self)", trainer.text)

    def test_trl_takes_our_pairs(self):
        trainer = self.package(PINNED[0], "trl/trainer/reward_trainer.py")
        launch = ours("launch/trl_reward_model.py")
        self.assertLessEqual(launch.keywords("RewardTrainer"), set(trainer.arguments("RewardTrainer.__init__")))
        self.assertIn('is_processed = "chosen_ids" in column_names and "rejected_ids" in column_names', trainer.text)
        config = self.package(PINNED[0], "trl/trainer/reward_config.py")
        self.assertLessEqual(launch.keywords("RewardConfig") - GENERAL, config.fields("RewardConfig"))

    def test_openenv_takes_our_sessions(self):
        rollout = self.package(PINNED[1], "openenv/core/harness/rollout.py")
        bridge = ours("trl_harness.py")
        for base, name in (("ResourceSession", "DatarusSession"), ("ResourceSessionFactory", "DatarusSessions"), ("TrainableSession", "DatarusSession")):
            for method in rollout.methods(base):
                self.assertEqual(bridge.arguments(f"{name}.{method}"), rollout.arguments(f"{base}.{method}"), method)
        self.assertLessEqual(bridge.keywords("VerifyResult"), rollout.fields("VerifyResult"))
        self.assertLessEqual(bridge.keywords("ToolResult"), rollout.fields("ToolResult"))
        training = self.package(PINNED[1], "openenv/core/harness/training.py")
        self.assertEqual(training.arguments("TrainingTrace.from_entries"), ["cls", "entries"])
        server = self.package(PINNED[1], "openenv/core/harness/capture/server.py").text
        for route in ('app.post("/sessions"', 'app.get("/sessions/{session_id}/trace_entries"', 'app.delete("/sessions/{session_id}"'):
            self.assertIn(route, server)
        for key in ("session_id", "sampling", "purpose"):
            self.assertIn(f'payload.get("{key}"', server)

    def test_trl_drives_our_sessions(self):
        harness = self.package(PINNED[0], "trl/experimental/async_grpo/openenv_harness.py")
        self.assertIn("harness_session_factory", harness.arguments("_HarnessRolloutLoop.__init__"))
        self.assertLessEqual(harness.keywords("create"), set(ours("trl_harness.py").arguments("DatarusSessions.create")))
        self.assertIn("sampling", ours("trl_harness.py").arguments("DatarusSessions.__init__"))
        self.assertLessEqual(harness.keywords("harness_session_factory"), {"sampling"})

    def test_verl_takes_our_loop(self):
        loop = self.package(PINNED[2], "verl/experimental/agent_loop/agent_loop.py")
        bridge = ours("verl_loop.py")
        self.assertEqual(bridge.arguments("DatarusLoop.run"), loop.arguments("AgentLoopBase.run"))
        self.assertLessEqual(bridge.keywords("AgentLoopOutput"), loop.fields("AgentLoopOutput"))
        self.assertEqual(loop.arguments("register"), ["agent_name"])
        made = loop.arguments("AgentLoopBase.__init__")
        self.assertLessEqual({"server_manager", "tokenizer"}, set(made))
        self.assertIn("self.rollout_config", loop.text)
        engine = self.package(PINNED[2], "verl/workers/rollout/replica.py")
        self.assertLessEqual({"token_ids", "log_probs"}, engine.fields("TokenOutput"))
        single = self.package(PINNED[2], "verl/experimental/agent_loop/single_turn_agent_loop.py")
        self.assertLessEqual(bridge.keywords("generate"), single.keywords("generate"))

    def test_the_launch_files_set_what_the_trainers_know(self):
        config = self.package(PINNED[0], "trl/trainer/grpo_config.py")
        set_here = ours("launch/trl_tools.py").keywords("GRPOConfig") | ours("launch/trl_small.py").keywords("GRPOConfig")
        self.assertLessEqual(set_here - GENERAL, config.fields("GRPOConfig"))
        trainer = self.package(PINNED[0], "trl/trainer/grpo_trainer.py")
        self.assertLessEqual(ours("launch/trl_tools.py").keywords("GRPOTrainer"), set(trainer.arguments("GRPOTrainer.__init__")))
        with wheel(PINNED[2]) as archive:
            known = yaml.safe_load(archive.read("verl/trainer/config/_generated_ppo_trainer.yaml"))
        script = (ADAPTERS / "launch/several_nodes.sh").read_text(encoding="utf-8")
        for path in re.findall(r"(?<= )([a-z_]+(?:\.[a-z_]+)+)=", script):
            if not path.startswith("data."):  # The data sets have a file of their own.
                self.assertTrue(is_in(known, path.split(".")), path)
        with wheel(PINNED[0]) as archive:
            self.assertIn("trl/accelerate_configs/fsdp2.yaml", archive.namelist())


class Rows(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.path = pathlib.Path(place.name) / "tasks.jsonl"
        ask = lambda name, episode: {"task": {"id": name, "prompt": f"{name}?"}, "episode": episode}
        write_tasks(self.path, [[ask("a", "one")], [ask("b", "chat"), ask("c", "chat")]])

    def test_a_question_needs_the_chat_up_to_it_and_a_row_is_a_whole_chat(self):
        needs = {name: [order["task"]["id"] for order in task] for name, task in tasks_by_name(str(self.path)).items()}
        self.assertEqual(needs, {"a": ["a"], "b": ["b"], "c": ["b", "c"]})
        self.assertEqual([row["task_id"] for row in rows(str(self.path))], ["a", "c"])

    def test_rows_of_ours_and_of_the_export_name_their_task(self):
        row = rows(str(self.path))[1]
        self.assertEqual(task_of({"raw_prompt": row["prompt"]}), "c")
        self.assertEqual(task_of({"raw_prompt": row["prompt"], "task_id": "c"}), "c")
        # As `datarus episodes export --format verl` writes it (`agent/src/rows/tests.rs`).
        exported = {"raw_prompt": [{"role": "user", "content": "c?\nFiles: a.csv"}], "extra_info": {"task_id": "c"}}
        self.assertEqual(task_of(exported), "c")


@unittest.skipUnless(PROGRAM, "DATARUS_BIN names no program `datarus`")
class Environment(unittest.TestCase):
    """The environment for TRL, as TRL calls it, around the real program."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        path = pathlib.Path(place.name) / "tasks.jsonl"
        write_tasks(path, [[{
            "task": {"id": "a", "prompt": "What is the total revenue?", "checker": {"kind": "number", "values": ["220.5"]}},
            "files": [{"name": "sales.csv", "text": "region,revenue\nNorth,120.5\nSouth,100\n"}]}]])
        self.env = DatarusEnv(str(path), PROGRAM)
        self.addCleanup(self.env._end)

    def test_cells_run_in_one_namespace_and_a_right_answer_is_worth_more(self):
        asked = self.env.reset(task_id="a", prompt=[])
        self.assertIn("What is the total revenue?\nFiles: sales.csv", asked)
        self.assertIn("North", self.env.run_cell("Load the sales.", 'import pandas as pd\ndf = pd.read_csv("sales.csv")\nprint(df)'))
        self.assertIn("NameError", self.env.run_cell("Look.", "print(dg)"))
        self.assertEqual(self.env.run_cell("Add up the revenue.", 'print(df["revenue"].sum())').strip(), "220.5")
        self.env.finish("The sum is printed.", "The total revenue is 220.5.")
        right = self.env.get_reward()
        self.env.reset(task_id="a", prompt=[])
        self.env.run_cell("Load the sales.", 'import pandas as pd\nprint(pd.read_csv("sales.csv"))')
        self.env.finish("The sum is printed.", "The total revenue is 7.")
        wrong = self.env.get_reward()
        self.env.reset(task_id="a", prompt=[])
        self.assertEqual(self.env.get_reward(), 0.0)
        self.assertGreater(right, 0.6)
        self.assertLess(wrong, 0.5)


if __name__ == "__main__":
    unittest.main()
