"""Decides whether an answer is right. Knows nothing about how it was found.

`expected` has a `kind` and `values`:
- `number`: every value stands in the answer as a number, right to the digits that are printed;
- `text`: every value stands in the answer, numbers as above;
- `figure`: a figure of the first value's kind was drawn whose labels name the other values;
- `refusal`: the answer says that it cannot be done.
"""

import re

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?%?")
REFUSALS = ["no column", "cannot", "can't", "can not", "there is no", "not in the", "no data", "unable"]
RELATIVE, ABSOLUTE = 0.003, 0.00051


def number(text):
    """A text as a number, or none."""
    try:
        return float(str(text).rstrip("%"))
    except ValueError:
        return None


def close(found, wanted):
    """Whether two numbers are the same but for rounding; whole numbers up to a million must be equal."""
    if wanted == int(wanted) and abs(wanted) < 1e6:
        return abs(found - wanted) < 1e-6
    return abs(found - wanted) <= max(RELATIVE * abs(wanted), ABSOLUTE)


def holds(answer, value):
    """Whether an answer holds a number or a name."""
    wanted = number(value)
    if wanted is not None and wanted == wanted:
        return any(close(float(n.rstrip("%.")), wanted) for n in NUMBER.findall(answer)) or str(value) in answer.split()
    pattern = rf"(?<!\w){re.escape(str(value).lower())}(?!\w)"
    return re.search(pattern, answer.lower()) is not None


def drawn(observations, values):
    """Whether some observation tells of a figure of a kind with some labels."""
    kind, names = values[0], values[1:]
    for line in "\n".join(observations).split("\n"):
        if line.startswith(f"[figure: {kind},") and all(f"={name}," in line for name in names):
            return True
    return False


def right(expected, answer, observations=()):
    """Whether an answer, and what was drawn on the way, is what was expected."""
    kind, values = expected["kind"], expected["values"]
    if not answer:
        return False
    if kind == "refusal":
        return any(phrase in answer.lower() for phrase in REFUSALS)
    if kind == "figure":
        return drawn(observations, values)
    return all(holds(answer, value) for value in values)
