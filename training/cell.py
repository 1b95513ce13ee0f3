"""Runs code as a notebook cell does and collects its outputs."""

import ast
import contextlib
import io
import traceback
import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import pandas as pd  # noqa: E402
from IPython.lib.pretty import pretty  # noqa: E402

# A link to the module that the kernel loads into the companion: figures are described in the same words.
from . import figures  # noqa: E402

# As in a kernel; pandas takes a plain Python process for a terminal.
pd.set_option("display.max_columns", 20)


def _bundle(value):
    markup = value._repr_html_() if hasattr(value, "_repr_html_") else None
    data = {"text/html": markup} if markup else {"text/plain": pretty(value)}
    return {"output_type": "execute_result", "data": data, "metadata": {}}


def _error(error, source):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == "<cell>"]
    where = None
    if frames:
        line = frames[-1].lineno
        where = (line, source.split("\n")[line - 1].strip())
    return {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "line": where}


def run(source, namespace):
    """Executes `source` in `namespace`; gives the cell's outputs in order, figures last."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    stream, outputs = io.StringIO(), []
    try:
        with contextlib.redirect_stdout(stream), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(tree, "<cell>", "exec"), namespace)
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace) if last else None
        if value is not None:
            outputs.append(_bundle(value))
    except Exception as error:
        outputs.append(_error(error, source))
    if stream.getvalue():
        outputs.insert(0, {"output_type": "stream", "name": "stdout", "text": stream.getvalue()})
    for number in plt.get_fignums():
        lines = figures.describe(plt.figure(number))
        outputs.append({"output_type": "display_data", "data": {}, "metadata": {"figure": lines}})
    plt.close("all")
    return outputs


def failed(outputs):
    """Whether the cell ended with an error."""
    return any(o["output_type"] == "error" for o in outputs)
