"""Describes matplotlib figures in words, so that a language model can read what a cell has drawn.

`describe(figure)` gives one line per axes, such as `[figure: bar, x=region, y=revenue, 4 bars, 80.25 to 120.5]`.
This file needs nothing but the figure it is given; it is also loaded into the kernel's Python side as it is.
"""


def describe(figure):
    """One line per axes that holds something."""
    lines = [_axes(axes) for axes in figure.axes if axes.get_label() != "<colorbar>"]
    return [line for line in lines if line]


def _axes(axes):
    kind, facts = _content(axes)
    if kind is None:
        return None
    parts = [kind]
    for key, text in (("x", axes.get_xlabel()), ("y", axes.get_ylabel()), ("title", axes.get_title())):
        if text:
            parts.append(f"{key}={text}")
    return f"[figure: {', '.join(parts + facts)}]"


def _content(axes):
    """The kind of plot and its facts, from what the axes hold."""
    bars = [patch for box in axes.containers for patch in getattr(box, "patches", ())]
    if bars:
        return _bars(bars)
    lines = [line for line in axes.lines if len(line.get_xdata()) > 0]
    dots = [c for c in axes.collections if _is_scatter(c) and len(c.get_offsets()) > 0]
    if dots and not any(len(line.get_xdata()) > len(dots[0].get_offsets()) for line in lines):
        return "scatter", _points([y for c in dots for y in _plain(c.get_offsets()[:, 1])])
    if any(_is_box(line) for line in lines):
        return "box", [f"{sum(_is_box(line) for line in lines)} boxes"]
    if lines:
        return "line", _points([y for line in lines for y in _plain(line.get_ydata())])
    wedges = [patch for patch in axes.patches if type(patch).__name__ == "Wedge"]
    if wedges:
        return "pie", [f"{len(wedges)} parts"]
    if axes.collections or axes.images or axes.patches or axes.texts:
        return "other", []
    return None, []


def _bars(bars):
    upright = [b for b in bars if b.get_height() != 0 or b.get_width() != 0]
    touching = len(bars) > 1 and all(
        abs(a.get_x() + a.get_width() - b.get_x()) < 1e-6 * max(abs(a.get_width()), 1e-12) + 1e-9
        for a, b in zip(bars, bars[1:])
    )
    if touching:
        low, high = bars[0].get_x(), bars[-1].get_x() + bars[-1].get_width()
        return "hist", [f"{len(bars)} bins", f"{low:.6g} to {high:.6g}"]
    lying = len({round(b.get_height(), 9) for b in upright}) == 1 and len({round(b.get_y(), 9) for b in upright}) > 1
    sizes = _plain([(b.get_width() if lying else b.get_height()) for b in bars])
    return "bar", [f"{len(bars)} bars", *_range(sizes)]


def _is_box(line):
    """Whether a line goes around a box of a box plot: four corners, and back to the first."""
    x, y = list(line.get_xdata()), list(line.get_ydata())
    return len(x) == 5 and (x[0], y[0]) == (x[4], y[4]) and len(set(x)) == 2


def _is_scatter(collection):
    return type(collection).__name__ == "PathCollection"


def _points(values):
    return [f"{len(values)} points", *_range(values)]


def _range(values):
    return [f"{min(values):.6g} to {max(values):.6g}"] if values else []


def _plain(values):
    """Finite numbers out of an array, masked or not."""
    numbers = []
    for value in getattr(values, "tolist", lambda: list(values))():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if number - number == 0:
            numbers.append(number)
    return numbers
