# Compares what a turn has done in a session's namespace with what the reference code of a problem does in a copy of it,
# by the rules of DSEval, whose validators and matchers these are; a match with looser rules, which that set calls an
# error of presentation, is none here. `CALL` is `before`, `after` or nothing; `GIVEN` has the reference and its rules.
#
# Source: https://github.com/MetaCopilot/dseval, dseval/validator.py, match.py, simulation.py
import ast
import contextlib
import copy
import faulthandler
import io
import json
import os
import random
import types

import numpy as np
import pandas as pd

LOOKS = {
    "ignore_order": False,
    "ignore_index": False,
    "ignore_names": False,
    "ignore_dtypes": False,
    "value_only": False,
    "type_only": False,
    "strict_type": False,
    "atol": 1e-8,
    "rtol": 1e-5,
    "metrictol": None,
}
FRAMES = (pd.DataFrame, pd.Series, pd.Index)
# What begins each set of rules, by its name.
TEMPLATES = {
    "empty": [],
    "basic": ["crash"],
    "intact": ["crash", "namespace_intact"],
    "comparison": ["crash", "namespace_intact", "result"],
}


class Mismatch(Exception):
    """What was expected and not found."""


class Forbidden:
    """In the place of a variable that the solution may not use."""

    def __eq__(self, other):
        return False

    __hash__ = None


# ---- matching


def matcher(how):
    """A function that raises a Mismatch unless what is found is what was expected."""
    if isinstance(how, str):
        compare = run(how)["compare_fn"]

        def by_code(expected, found):
            said = compare(expected, found)
            if not said["match"]:
                raise Mismatch(said["reason"])

        return by_code
    unknown = set(how or {}) - set(LOOKS)
    if unknown:
        raise ValueError(f"unknown ways to compare: {sorted(unknown)}")
    how = {**LOOKS, **(how or {})}

    def by_rule(expected, found):
        if how["type_only"]:
            return same(type(expected) is type(found), expected, found)
        if how["value_only"]:
            expected, found = bare(expected), bare(found)
        match(expected, found, how)

    return by_rule


def same(is_same, expected, found):
    if not is_same:
        raise Mismatch(f"expected {short(expected)}, found {short(found)}")


def short(value):
    return f"{type(value).__name__} {str(value)[:200]}"


def bare(value):
    """The values of a container as a list, of a container of one the value."""
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if isinstance(value, (np.ndarray, pd.Series, pd.Index)):
        value = value.tolist()
    if isinstance(value, (list, tuple, set)):
        value = [bare(part) for part in value]
        return value[0] if len(value) == 1 else value
    return value


def match(expected, found, how):
    def either(kinds):
        return isinstance(expected, kinds) or isinstance(found, kinds)

    def both(kinds):
        same(isinstance(expected, kinds) and isinstance(found, kinds), expected, found)

    if either((bool, np.bool_)):
        both((bool, np.bool_))
        same(expected == found, expected, found)
    elif either((float, int, np.number)):
        both((float, int, np.number))
        least = how["metrictol"]
        close = np.isclose(found, expected, rtol=how["rtol"], atol=how["atol"]) if least is None else found >= expected * least
        same(bool(close), expected, found)
    elif either(np.ndarray):
        both(np.ndarray)
        match_arrays(expected, found, how)
    elif type(expected).__name__ == "csr_matrix" or type(found).__name__ == "csr_matrix":
        same(type(expected) is type(found) and expected.shape == found.shape, expected, found)
        for part in ("indices", "indptr"):
            same(np.array_equal(getattr(expected, part), getattr(found, part)), expected, found)
        same(np.allclose(expected.data, found.data, rtol=how["rtol"], atol=how["atol"]), expected, found)
    elif either(FRAMES):
        match_frames(expected, found, how)
    elif either((list, tuple, dict, set)):
        match_containers(expected, found, how)
    else:
        same(bool(expected == found), expected, found)


def match_arrays(expected, found, how):
    same(not how["strict_type"] or expected.dtype == found.dtype, expected.dtype, found.dtype)
    same(expected.shape == found.shape, expected.shape, found.shape)
    floats = np.issubdtype(expected.dtype, np.floating) and np.issubdtype(found.dtype, np.floating)
    if floats:
        close = np.allclose(found, expected, rtol=how["rtol"], atol=how["atol"], equal_nan=True)
    else:
        close = np.array_equal(expected, found)
    same(close, expected, found)


def match_frames(expected, found, how):
    kind = next((kind for kind in FRAMES if isinstance(expected, kind) and isinstance(found, kind)), None)
    same(kind is not None, expected, found)
    if kind is pd.Index:
        test = pd.testing.assert_index_equal
    else:
        test = pd.testing.assert_frame_equal if kind is pd.DataFrame else pd.testing.assert_series_equal
        # What was submitted is not to be changed by being looked at.
        found = found.copy()
        expected, found = without_names(expected, found, how, kind)
        expected, found = without_order(expected, found, how, kind)
        if how["ignore_dtypes"]:
            with contextlib.suppress(Exception):
                found = found.astype(expected.dtypes.to_dict() if kind is pd.DataFrame else expected.dtype)
    try:
        test(expected, found)
    except AssertionError as error:
        raise Mismatch(str(error)[:500]) from error
    except Exception:
        same(expected.equals(found), expected, found)


def without_names(expected, found, how, kind):
    if not how["ignore_names"]:
        return expected, found
    with contextlib.suppress(Exception):
        if found.index.shape == expected.index.shape:
            found = found.rename_axis(expected.index.names)
    if kind is pd.Series:
        return expected, found.rename(expected.name)
    if set(expected.columns) == set(found.columns):
        found = found[expected.columns.tolist()]
    if len(expected.columns) == len(found.columns):
        found = found.set_axis(expected.columns, axis=1)
    return expected, found


def without_order(expected, found, how, kind):
    if not (how["ignore_order"] or how["ignore_index"]):
        return expected, found
    if kind is pd.DataFrame:
        columns = expected.columns.tolist()
        same(set(columns) == set(found.columns), columns, found.columns.tolist())
        found = found[columns]
    expected, found = expected.reset_index(drop=True), found.reset_index(drop=True)
    if not how["ignore_order"]:
        return expected, found
    if kind is pd.DataFrame:
        by = {"by": columns}
        return tuple(frame.sort_values(**by).reset_index(drop=True) for frame in (expected, found))
    with contextlib.suppress(Exception):
        return tuple(series.sort_values().reset_index(drop=True) for series in (expected, found))
    return expected, found


def match_containers(expected, found, how):
    if isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)):
        same(len(expected) == len(found), expected, found)
        if how["ignore_order"]:
            expected, found = (sorted(parts, key=lambda part: (str(type(part)), part)) for parts in (expected, found))
        pairs = zip(expected, found)
    elif isinstance(expected, dict) and isinstance(found, dict):
        same(len(expected) == len(found), expected, found)
        if how["ignore_index"]:
            pairs = zip(expected.values(), found.values())
        else:
            same(sorted(expected) == sorted(found), list(expected), list(found))
            pairs = [(value, found[key]) for key, value in expected.items()]
    else:
        same(isinstance(expected, set) and isinstance(found, set) and expected == found, expected, found)
        return
    for one, other in pairs:
        match(one, other, how)


# ---- namespaces


def run(code, namespace=None):
    """Runs code of the set; without a namespace it finds pandas, numpy and random by their usual names."""
    namespace = {"pd": pd, "np": np, "random": random} if namespace is None else namespace
    exec(compile(code, "<reference>", "exec"), namespace)
    return namespace


def run_cell(code, namespace):
    """Runs code as a cell: its value is that of its last line."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<reference>", "exec"), namespace)
    if last is not None:
        return eval(compile(ast.Expression(last.value), "<reference>", "eval"), namespace)


def names_in(namespace, shell):
    hidden = getattr(shell, "user_ns_hidden", {})
    return {name for name in namespace if not name.startswith("_") and name not in hidden}


def copied(namespace, names):
    return {name: copied_value(namespace[name]) for name in names}


def copied_value(value):
    if isinstance(value, (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, io.IOBase)):
        return value
    for make in (copy.deepcopy, copy.copy):
        with contextlib.suppress(Exception):
            return make(value)
    return value


def changes(namespace, names, ids, kept):
    """What became of each name: added, replaced, updated in its place, deleted."""
    found = {name: "deleted" for name in kept if name not in names}
    for name in names:
        if name not in kept:
            found[name] = "added"
        elif id(namespace[name]) != ids[name]:
            found[name] = "replaced"
        else:
            try:
                match(namespace[name], kept[name], LOOKS)
            except Exception:
                found[name] = "updated"
    return found


# ---- rules


def check_crash(case, _):
    if case.cells and case.cells[-1].error is not None:
        raise Mismatch(f"the last step failed: {case.cells[-1].error}")


def check_namespace_intact(case, settings):
    given = {"added": True, "updated": None, "replaced": None, "deleted": None}
    named = {"addition": "added", "update": "updated", "replacement": "replaced", "deletion": "deleted"}
    settings = dict(settings or {})
    as_update = settings.pop("treat_replacement_as_update", None)
    given.update({named[name]: value for name, value in settings.items()})
    as_update = given["replaced"] is None if as_update is None else as_update
    kind = lambda change: "updated" if as_update and change == "replaced" else change
    for name, change in case.changes.items():
        allowed = given[kind(change)]
        if allowed is None:
            allowed = [known for known, other in case.expected_changes.items() if kind(other) == kind(change)]
        if allowed is False or (isinstance(allowed, list) and name not in allowed):
            raise Mismatch(f"the variable {name} was {change}")


def check_result(case, settings):
    settings = settings or {}
    how = settings if isinstance(settings, str) else settings.get("compare_fn", settings)
    if case.expected is None:
        return
    found = case.cells[-1].value if case.cells else None
    if found is None:
        raise Mismatch("the last line of the last step has no value")
    matcher(how)(case.expected, found)


def check_namespace_check(case, settings):
    for name, how in settings.items():
        if name not in case.names:
            raise Mismatch(f"there is no variable {name}")
        try:
            matcher(how)(case.world[name], case.namespace[name])
        except Exception as error:
            raise Mismatch(f"variable {name}: {error}") from error


def check_model(case, settings):
    name = settings["model_name"]
    inputs, labels = (case.world[settings[which]] for which in ("inputs_name", "labels_name"))
    if name not in case.names:
        raise Mismatch(f"there is no model {name}")
    reference, submitted = (space[name].predict(inputs) for space in (case.world, case.namespace))
    kinds, tolerances = settings["metric_type"], settings.get("tolerance", 0.0)
    kinds = kinds if isinstance(kinds, list) else [kinds]
    tolerances = tolerances if isinstance(tolerances, list) else [tolerances] * len(kinds)
    for kind, tolerance in zip(kinds, tolerances):
        best, reached = metric(kind, labels, reference), metric(kind, labels, submitted)
        bound = (1 + tolerance) * best
        is_right = np.isclose(reached, best) if tolerance == 0 else reached <= bound if tolerance > 0 else reached >= bound
        same(bool(is_right), f"{kind} {best}", reached)


def metric(kind, labels, predicted):
    from sklearn import metrics

    if kind == "rmse":
        return np.sqrt(metrics.mean_squared_error(labels, predicted))
    known = {
        "accuracy": "accuracy_score",
        "precision": "precision_score",
        "recall": "recall_score",
        "f1": "f1_score",
        "roc_auc": "roc_auc_score",
        "r2": "r2_score",
        "mse": "mean_squared_error",
    }
    return getattr(metrics, known[kind])(labels, predicted)


def check_table_test(case, settings):
    name = settings["function_name"]
    if name not in case.names:
        raise Mismatch(f"there is no function {name}")
    looks_at_input = settings.get("input_checker") is not False
    of_input = matcher(None if settings.get("input_checker") in (True, False, None) else settings["input_checker"])
    of_output = matcher(settings.get("output_checker"))
    for at, arguments in enumerate(case.tried):
        expected, found = copy.deepcopy(arguments), copy.deepcopy(arguments)
        right, given = called(case.world[name], expected), called(case.namespace[name], found)
        if looks_at_input:
            of_input(expected, found)
        try:
            of_output(right, given)
        except Exception as error:
            raise Mismatch(f"case {at + 1}: {error}") from error


def called(function, arguments):
    return function(**arguments) if isinstance(arguments, dict) else function(*arguments)


def test_cases(settings):
    """The cases, each made with its own seed; `//` makes the one before anew."""
    valid = run(settings["input_validator"])["_validate"] if settings.get("input_validator") else None
    last = None
    for at, case in enumerate(settings["test_cases"]):
        random.seed(at)
        np.random.seed(at)
        last = last if case == "//" else case
        made = tuple(made_of(part) for part in last) if isinstance(last, list) else made_of(last)
        if not isinstance(made, (tuple, dict)) or (valid is not None and not holds(valid, made)):
            raise ValueError(f"case {at + 1} of the set is not valid with the libraries that are here")
        yield made


def holds(valid, case):
    try:
        return called(valid, case) is not False
    except AssertionError:
        return False


def made_of(part):
    """A value as it stands, or what its code makes: an expression in back-ticks, or a block with a function."""
    if not isinstance(part, str):
        return part
    block = part.strip()
    if block.startswith("```\n") and block.endswith("```"):
        made = run(block[4:-3])
        part = made["_test_case"] if "_test_case" in made else made["_generate"]()
    if isinstance(part, str) and len(part) > 1 and part.startswith("`") and part.endswith("`"):
        return eval(part[1:-1], {"pd": pd, "np": np, "random": random})
    return part


RULES = {name.removeprefix("check_"): rule for name, rule in list(globals().items()) if name.startswith("check_")}


class Cell:
    """A step that ran."""

    def __init__(self, value, error):
        self.value, self.error = value, error


class Case:
    """A problem that is being solved in a session."""

    def __init__(self, shell, given):
        self.shell, self.namespace, self.code = shell, shell.user_ns, given["code"]
        rules = dict(given["rules"] or {})
        begins = TEMPLATES[rules.pop("template", "comparison")]
        self.rules = {**dict.fromkeys(begins), **rules}
        unknown = set(self.rules) - set(RULES)
        if unknown:
            raise ValueError(f"unknown rules: {sorted(unknown)}")
        tried = self.rules.get("table_test")
        self.tried = list(test_cases(tried)) if tried else []
        names = names_in(self.namespace, shell)
        self.kept, self.world = copied(self.namespace, names), copied(self.namespace, names)
        self.ids = {name: id(self.namespace[name]) for name in names}
        self.forbidden = {name: self.namespace[name] for name in given["forbid"] if name in names}
        self.cells = []

    def begin(self):
        ids = {name: id(value) for name, value in self.world.items()}
        held = {name: self.world[name] for name in self.forbidden}
        self.world.update({name: Forbidden() for name in held})
        self.expected = run_cell(self.code, self.world)
        self.world.update(held)
        self.expected_changes = changes(self.world, names_in(self.world, self.shell), ids, self.kept)
        self.namespace.update({name: Forbidden() for name in self.forbidden})
        self.shell.events.register("post_run_cell", self.note)

    def note(self, result):
        if result.info.store_history and not result.info.silent:
            error = result.error_before_exec or result.error_in_exec
            self.cells.append(Cell(result.result, error and f"{type(error).__name__}: {error}"[:300]))

    def end(self):
        self.shell.events.unregister("post_run_cell", self.note)
        self.namespace.update(self.forbidden)
        self.names = names_in(self.namespace, self.shell)
        self.changes = changes(self.namespace, self.names, self.ids, self.kept)
        parts, reasons = [], []
        for name, settings in self.rules.items():
            try:
                RULES[name](self, settings)
                parts.append([name, True])
            except Exception as error:
                parts.append([name, False])
                reasons.append(f"{name}: {error}"[:500])
        self.go_on()
        return {"parts": parts, "reasons": reasons}

    def go_on(self):
        """The next problem begins where the reference leaves off, whatever was submitted."""
        for name in names_in(self.namespace, self.shell):
            del self.namespace[name]
        self.namespace.update(self.kept)
        run_cell(self.code, self.namespace)


def answered(call, shell, given):
    try:
        if call == "before":
            shell._datarus_case = Case(shell, given)
            shell._datarus_case.begin()
            return {"parts": []}
        return shell._datarus_case.end()
    except BaseException as error:
        return {"parts": [], "error": f"{type(error).__name__}: {error}"[:500]}


if CALL:
    # Also what holds the interpreter ends.
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    # The verdict alone is to be read, whatever is printed.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        said = answered(CALL, SHELL, GIVEN)
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(said))
