"""What the Datarus kernel asks of the process that runs its Python cells.

The kernel reaches it through the `user_expressions` of an `execute_request`, so an answer costs no extra round trip.
"""

import builtins
import json
import sys

MAX_VARIABLES = 40
MAX_COLUMNS = 200

_shell = None
_users = None
_figures = []


class _Answer:
    """A value whose `repr` is JSON, since `user_expressions` give the `repr` back."""

    def __init__(self, value):
        self._value = value

    def __repr__(self):
        return json.dumps(self._value)


def attach(shell):
    """Listens to `shell`: called once, before the first cell."""
    global _shell
    _shell = shell
    shell.events.register("pre_run_cell", _forget_figures)
    # Figures are described at the moment they are shown: inline closes them right after. A mimebundle formatter
    # that returns nothing adds nothing to the output; the name is enough, matplotlib is not imported.
    shell.display_formatter.mimebundle_formatter.for_type_by_name(
        "matplotlib.figure", "Figure", _describe_figure
    )


def begin_prompt(source, *names):
    """Gives a prompt cell its place among the `In[n]` and returns n and the state.

    Returns None, and does nothing, when one of `names` exists: then the cell is Python.
    """
    if any(name in _shell.user_ns or hasattr(builtins, name) for name in names):
        return _Answer(None)
    count = _shell.execution_count
    _shell.history_manager.store_inputs(count, source, source)
    _shell.execution_count += 1
    return _Answer({"execution_count": count, "variables": _data_frames(), "figures": []})


def state():
    """Returns the DataFrames in the namespace with their columns, and the figures of the last cell."""
    return _Answer({"variables": _data_frames(), "figures": _figures})


def sources(asked):
    """Returns what data files hold; `asked` is JSON, their `paths` and the contents that are `known`."""
    from .profile import profile

    asked = json.loads(asked)
    return _Answer(list(profile(asked["paths"], asked["known"])))


def begin_fresh():
    """Takes all variables of the user's away, until `end_fresh`; called again, all that were made since."""
    global _users
    if _users is None:
        _users = _variables()
    for name in _variables():
        del _shell.user_ns[name]
    return _Answer(True)


def end_fresh():
    """Gives the user's variables back, and forgets all that were made since `begin_fresh`."""
    global _users
    if _users is not None:
        for name in _variables():
            del _shell.user_ns[name]
        _shell.user_ns.update(_users)
        _users = None
    return _Answer(True)


def _variables():
    # IPython's own, such as `In` and `exit`, and those of the module stay.
    own = _shell.user_ns_hidden
    return {
        name: value for name, value in _shell.user_ns.items() if name not in own and not name.startswith("__")
    }


def _data_frames():
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return []
    return [
        {"name": name, "columns": [str(column) for column in value.columns[:MAX_COLUMNS]]}
        for name, value in list(_shell.user_ns.items())
        if not name.startswith("_") and isinstance(value, pandas.DataFrame)
    ][:MAX_VARIABLES]


def _forget_figures(_info):
    _figures.clear()


def _describe_figure(figure, *_args, **_kwargs):
    # A figure that cannot be described is still shown.
    try:
        from . import figures

        _figures.extend(figures.describe(figure))
    except Exception:
        pass
