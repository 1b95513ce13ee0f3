# Runs a check of a question in the kernel of its session, or a program that tests code, and prints what it said as
# JSON. `SOURCE` is the check, `GIVEN` what it is given by name, `SECONDS` how long it may take.
import ast as _ast
import contextlib as _contextlib
import faulthandler as _faulthandler
import json as _json
import os as _os

# Also what holds the interpreter ends.
_faulthandler.dump_traceback_later(SECONDS, exit=True)
try:
    # The verdict alone is to be read, whatever it prints.
    with (
        open(_os.devnull, "w") as _nowhere,
        _contextlib.redirect_stdout(_nowhere),
        _contextlib.redirect_stderr(_nowhere),
    ):
        _namespace = dict(NAMESPACE)
        _namespace.update(GIVEN)
        _tree = _ast.parse(SOURCE)
        _last = _tree.body.pop() if _tree.body and isinstance(_tree.body[-1], _ast.Expr) else None
        exec(compile(_tree, "<check>", "exec"), _namespace)
        _right = True
        if _last is not None and not IS_PROGRAM:
            _right = bool(eval(compile(_ast.Expression(_last.value), "<check>", "eval"), _namespace))
        elif _last is not None:
            eval(compile(_ast.Expression(_last.value), "<check>", "eval"), _namespace)
    _said = {"right": _right}
except BaseException as _error:
    _said = {"right": False, "error": f"{type(_error).__name__}: {_error}"[:500]}
finally:
    _faulthandler.cancel_dump_traceback_later()
print(_json.dumps(_said))
