"""The rules of DSEval as the session's Python applies them (`kernel/src/bench/reference.py`), by cases worked by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

SCRIPT = Path(__file__).parents[2] / "kernel/src/bench/reference.py"


@pytest.fixture(scope="module")
def rules():
    """What the script defines."""
    names = {"CALL": None, "__name__": "reference"}
    exec(compile(SCRIPT.read_text(), str(SCRIPT), "exec"), names)
    return names


def matches(rules, expected, found, how=None):
    try:
        rules["matcher"](how)(expected, found)
    except Exception:
        return False
    return True


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("expected", "found", "how", "same"),
    [
        (True, True, None, True),
        (True, 1, None, False),
        (2, 2.0, None, True),
        (1.0, 1.000001, None, True),
        (1.0, 1.1, None, False),
        (1.0, 1.1, {"atol": 0.2}, True),
        (float("nan"), float("nan"), None, False),
        (0.8, 0.75, {"metrictol": 0.9}, True),
        (0.8, 0.7, {"metrictol": 0.9}, False),
        ("a", "a", None, True),
        ("1", 1, None, False),
        ([1, 2], (1, 2), None, True),
        ([1, 2], [2, 1], None, False),
        ([1, 2], [2, 1], {"ignore_order": True}, True),
        ({1, 2}, {2, 1}, None, True),
        ({"a": 1}, {"a": 1.0}, None, True),
        ({"a": 1}, {"b": 1}, None, False),
        ({"a": 1}, {"b": 1}, {"ignore_index": True}, True),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), None, True),
        (np.array([1, 2]), [1, 2], None, False),
        (np.array([1, 2]), [1, 2], {"value_only": True}, True),
        (np.array([1]), np.array([1.0]), None, True),
        (np.array([1]), np.array([1.0]), {"strict_type": True}, False),
        (pd.Series([7]), 7, {"value_only": True}, True),
        (FRAME, FRAME.copy(), None, True),
        (FRAME, FRAME[["b", "a"]], None, False),
        (FRAME, FRAME.iloc[::-1], None, False),
        (FRAME, FRAME.iloc[::-1], {"ignore_order": True}, True),
        (FRAME, FRAME.set_axis([5, 6]), {"ignore_index": True}, True),
        (FRAME, FRAME.rename(columns={"a": "c"}), None, False),
        (FRAME, FRAME.rename(columns={"a": "c"}), {"ignore_names": True}, True),
        (FRAME, FRAME.astype({"a": float}), None, False),
        (FRAME, FRAME.astype({"a": float}), {"ignore_dtypes": True}, True),
        (FRAME["a"], FRAME[["a"]], None, False),
        (FRAME, FRAME.head(1), {"type_only": True}, True),
        (3, 4, "def compare_fn(ref, sub):\n    return {'match': sub == ref + 1, 'reason': ''}", True),
    ],
)
def test_values_are_compared_as_published(rules, expected, found, how, same):
    assert matches(rules, expected, found, how) is same


def test_a_way_to_compare_that_is_not_known_is_refused(rules):
    with pytest.raises(ValueError, match="match_partial"):
        rules["matcher"]({"match_partial": True})


@pytest.fixture
def session(rules):
    """Plays one problem: context, reference, rules and what was submitted, cell by cell."""
    shell = InteractiveShell()

    def play(context, reference, submitted, given=None, forbid=()):
        shell.reset(new_session=True)
        shell.run_cell(context, store_history=True)
        asked = {"code": reference, "rules": given, "forbid": list(forbid)}
        begun = rules["answered"]("before", shell, asked)
        if "error" in begun:
            return begun
        for cell in submitted:
            shell.run_cell(cell, store_history=True)
            # What the kernel runs by the way is no cell.
            shell.run_cell("1", store_history=False)
        said = rules["answered"]("after", shell, None)
        said["wrong"] = [name for name, right in said["parts"] if not right]
        said["left"] = {name: shell.user_ns[name] for name in rules["names_in"](shell.user_ns, shell)}
        return said

    return play


DATA = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})"


@pytest.mark.parametrize(
    ("reference", "submitted", "given", "wrong"),
    [
        ("df.a.sum()", ["df", "df['a'].sum()"], None, []),
        ("df.a.sum()", ["df.a.max() * 2"], None, []),
        ("df.a.sum()", ["7"], None, ["result"]),
        # The value of the last line counts, not what is printed.
        ("df.a.sum()", ["print(df.a.sum())"], None, ["result"]),
        ("df.a.sum()", ["x = 6"], None, ["result"]),
        ("df.a.sum()", [], None, ["result"]),
        # Only the last step has to work.
        ("df.a.sum()", ["1 / 0", "df.a.sum()"], None, []),
        ("df.a.sum()", ["df.a.sum()", "1 / 0"], None, ["crash", "result"]),
        ("x = 5", ["x = 5"], {"namespace_check": {"x": None}}, []),
        ("x = 5", ["x = 6"], {"namespace_check": {"x": None}}, ["namespace_check"]),
        ("x = 5", ["y = 5"], {"namespace_check": {"x": None}}, ["namespace_check"]),
        # What was there stays, unless the reference changes it, too; new names are free.
        ("df.a.sum()", ["helper = 1\ndf.a.sum()"], None, []),
        ("df.a.sum()", ["df['b'] = 1\ndf.a.sum()"], None, ["namespace_intact"]),
        ("df.a.sum()", ["df = df * 1\ndf.a.sum()"], None, ["namespace_intact"]),
        ("df.a.sum()", ["total = df.a.sum()\ndel df\ntotal"], None, ["namespace_intact"]),
        ("df['b'] = df.a * 2", ["df = df.assign(b=df.a * 2)"], {"namespace_check": {"df": None}}, []),
        ("df['b'] = df.a * 2", ["df['b'] = df.a"], {"namespace_check": {"df": None}}, ["namespace_check"]),
        ("df.a.sum()", ["df['b'] = 1\ndf.a.sum()"], {"namespace_intact": {"update": ["df"]}}, []),
        ("df.a.sum()", ["df['b'] = 1"], {"template": "basic"}, []),
        ("df.a.sum()", ["7"], {"template": "intact"}, []),
    ],
)
def test_a_submission_is_judged_as_published(session, reference, submitted, given, wrong):
    assert session(DATA, reference, submitted, given)["wrong"] == wrong


def test_functions_are_tried_on_cases_that_are_made_with_their_own_seeds(session):
    given = {
        "template": "intact",
        "table_test": {
            "function_name": "double",
            "test_cases": [["`pd.Series([1, 2])`"], ["```\ndef _generate():\n    return pd.Series(np.random.rand(3))\n```"], "//"],
            "input_validator": "def _validate(series):\n    return len(series) > 1",
        },
    }
    reference = "def double(series):\n    return series * 2"
    assert session(DATA, reference, ["def double(s):\n    return s + s"], given)["wrong"] == []
    assert session(DATA, reference, ["def double(s):\n    return s"], given)["wrong"] == ["table_test"]
    assert session(DATA, reference, ["def double(s):\n    s *= 2\n    return s"], given)["wrong"] == ["table_test"], "its input changes"
    assert session(DATA, reference, ["double = None"], given)["wrong"] == ["table_test"]


def test_a_model_is_as_good_as_the_reference_within_the_tolerance(session):
    pytest.importorskip("sklearn")
    model = "class Model:\n    def __init__(self, wrong):\n        self.wrong = wrong\n    def predict(self, x):\n        return [1 - y if n < self.wrong else y for n, y in enumerate(x)]\nx = y = [0, 1] * 5"
    given = {"template": "intact", "model": {"model_name": "model", "inputs_name": "x", "labels_name": "y", "metric_type": "accuracy", "tolerance": -0.15}}
    assert session(model, "model = Model(0)", ["model = Model(1)"], given)["wrong"] == []
    assert session(model, "model = Model(0)", ["model = Model(2)"], given)["wrong"] == ["model"]


def test_a_forbidden_name_is_not_there_and_comes_back(session):
    said = session(DATA + "\ntest = df", "df.a.sum()", ["test.a.sum()"], None, ["test"])
    assert said["wrong"] == ["crash", "result"]
    assert said["left"]["test"].a.tolist() == [1, 2, 3]
    assert session(DATA + "\ntest = df", "df.a.sum()", ["df.a.sum()"], None, ["test"])["wrong"] == []


def test_the_next_problem_begins_where_the_reference_leaves_off(session):
    left = session(DATA, "df['b'] = df.a * 2\ntotal = df.b.sum()", ["df['c'] = 0\nother = 1"])["left"]
    assert sorted(left) == ["df", "pd", "total"]
    assert left["df"].columns.tolist() == ["a", "b"] and left["total"] == 12


def test_a_reference_that_does_not_run_here_is_told(session):
    assert "KeyError" in session(DATA, "df['nowhere']", ["1"])["error"]
    tested = {"table_test": {"function_name": "f", "test_cases": [[1]], "input_validator": "def _validate(x):\n    assert x > 1"}}
    assert "case 1 of the set is not valid" in session(DATA, "1", ["1"], tested)["error"]
    assert "unknown rules: ['stream']" in session(DATA, "1", ["1"], {"stream": None})["error"]
