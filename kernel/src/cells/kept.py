"""Prints which part of each failed step later steps need, as JSON. Runs in the companion, on its own.

STEPS is a list of {"code", "line", "worked"}; "line" is where a failed step failed, or None.
"""

import ast
import json

from IPython.core.inputtransformer2 import TransformerManager


def statements(code):
    """The statements at the top of a cell; none when it cannot be parsed."""
    try:
        return ast.parse(TransformerManager().transform_cell(code)).body
    except SyntaxError:
        return []


def base(node):
    """The name that an expression such as `df.loc[1]["x"]` begins with."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def bound(statement):
    """Names that a statement gives a value."""
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def changed(statement):
    """Names whose values a statement may change: `df["x"] = 1`, `df.dropna(inplace=True)`."""
    stores = (
        node
        for node in ast.walk(statement)
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load)
    )
    names = {base(node) for node in stores}
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        names.add(base(statement.value))
    return names - {None}


def used(statement):
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def is_needed(names, later):
    """Whether one of `names` is used in `later` cells before they give it a value of their own."""
    names = set(names)
    for code in later:
        for statement in statements(code):
            if used(statement) & names:
                return True
            names -= bound(statement)
    return False


def kept(step, later):
    """The source of the statements that ran before a step failed, if later cells need them."""
    if step["worked"] or not step["line"]:
        return None
    ran = [s for s in statements(step["code"]) if s.end_lineno < step["line"]]
    names = set().union(*(bound(s) | changed(s) for s in ran), set())
    if not is_needed(names, later):
        return None
    source = "\n".join(step["code"].splitlines()[: ran[-1].end_lineno])
    # As a cell of its own it would show the value of its last expression, which the step did not.
    return source + ";" if isinstance(ran[-1], ast.Expr) else source


later_codes = [[step["code"] for step in STEPS[at + 1 :] if step["worked"]] for at in range(len(STEPS))]
print(json.dumps([kept(step, later) for step, later in zip(STEPS, later_codes)]))
