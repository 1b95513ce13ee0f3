"""What is told of a training: a line of JSON for each round or so many steps, and all quantities as one picture."""

import json
import pathlib


class Curve:
    """The lines so far, `known` of them from a file that is there; `at` is what they are counted by."""

    def __init__(self, folder: pathlib.Path, known: int, at: str = "round"):
        self.at = at
        self.lines, self.picture = folder / "curve.jsonl", folder / "curve.png"
        there = self.lines.read_text(encoding="utf-8").splitlines() if self.lines.exists() else []
        self.rounds = [json.loads(line) for line in there][:known]

    def add(self, told: dict) -> None:
        """Writes one more line down and draws all of them anew."""
        self.rounds.append(told)
        self.lines.write_text("".join(json.dumps(one) + "\n" for one in self.rounds), encoding="utf-8")
        draw(self.rounds, self.picture, self.at)


def smoothed(values: list[float], weight: float = 0.8) -> list[float]:
    """The exponential mean up to each value, corrected for its beginning."""
    mean, sum_of_weights, found = 0.0, 0.0, []
    for value in values:
        mean = weight * mean + (1 - weight) * value
        sum_of_weights = weight * sum_of_weights + (1 - weight)
        found.append(mean / sum_of_weights)
    return found


def draw(rounds: list[dict], path: pathlib.Path, by: str) -> None:
    """A small panel for each quantity, the values pale and their running mean strong."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    names = [name for name in rounds[-1] if name != by]
    columns = 4
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.2 * columns, 2.2 * rows), layout="constrained", squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        at = [one[by] for one in rounds if one.get(name) is not None]
        values = [one[name] for one in rounds if one.get(name) is not None]
        axis.plot(at, values, color="tab:blue", alpha=0.35, marker=".")
        axis.plot(at, smoothed(values), color="tab:blue")
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
    for axis in axes.flat[len(names):]:
        axis.set_visible(False)
    figure.supxlabel(by, fontsize=9)
    partial = path.with_suffix(".part.png")
    figure.savefig(partial, dpi=110)
    plt.close(figure)
    partial.rename(path)
