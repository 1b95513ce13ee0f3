"""Records an analysis of six steps: runs its code in a real IPython kernel and keeps what came, and when.

    python tests/bench/episode_record.py tests/bench/episode.json

Run it with a Python that has ipykernel, pandas and matplotlib. Thoughts, code and answer stand here, as a large model
writes them; outputs and times are those of the machine that records. `datarus model bench --replay` plays the file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

PROMPT = (
    "Our margin fell in the second half of the year. Which product categories and regions are behind that, "
    "is it discounts, shipping or the mix, and is the difference more than noise?"
)
MAKE = """
import numpy, pandas
numbers = numpy.random.default_rng(20240919)
n = 24_000
days = numbers.integers(0, 366, n)
category = numbers.choice(["Furniture", "Technology", "Office Supplies", "Appliances"], n, p=[.22, .2, .45, .13])
region = numbers.choice(["North", "South", "East", "West", "Central"], n)
late = days >= 182
price = numpy.round(numbers.lognormal(4.2, .6, n) * pandas.Series(category).map(
    {"Furniture": 2.1, "Technology": 2.8, "Office Supplies": .5, "Appliances": 1.6}).to_numpy(), 2)
quantity = numbers.integers(1, 9, n)
discount = numpy.round(numpy.clip(numbers.normal(.08, .05, n) + .07 * (late & (category == "Furniture")), 0, .5), 2)
shipping_cost = numpy.round(price * quantity * numbers.uniform(.03, .08, n) * numpy.where(late & (region == "West"), 1.8, 1), 2)
unit_cost = numpy.round(price * numbers.uniform(.55, .72, n), 2)
table = pandas.DataFrame({
    "order_id": numpy.arange(100_000, 100_000 + n),
    "order_date": (pandas.Timestamp("2024-01-01") + pandas.to_timedelta(days, "D")).strftime("%Y-%m-%d"),
    "region": region, "category": category, "unit_price": price, "quantity": quantity,
    "discount": discount, "unit_cost": unit_cost, "shipping_cost": shipping_cost})
table.loc[numbers.choice(n, 310, replace=False), "shipping_cost"] = numpy.nan
table.sort_values("order_date").to_csv("orders_2024.csv", index=False)
"""
"""Makes the table that is analysed."""

STEPS = [
    (
        "I load `orders_2024.csv` and look at its columns, types, missing values and first rows before computing anything.",
        """import pandas as pd

orders = pd.read_csv("orders_2024.csv", parse_dates=["order_date"])
print(orders.shape)
print(orders.dtypes)
print(orders.isna().sum())
print(orders.describe().round(2).to_string())
orders.head(12)""",
    ),
    (
        "There are 24,000 orders and 310 without a shipping cost. I fill those with the median share of revenue of their "
        "region, derive revenue, cost and margin per order, and compare the two halves of the year month by month.",
        """orders["gross"] = orders["unit_price"] * orders["quantity"]
orders["revenue"] = orders["gross"] * (1 - orders["discount"])
orders["cost"] = orders["unit_cost"] * orders["quantity"]
share = orders["shipping_cost"] / orders["gross"]
median_share = share.groupby(orders["region"]).transform("median")
orders["shipping_cost"] = orders["shipping_cost"].fillna(median_share * orders["gross"])
orders["margin"] = orders["revenue"] - orders["cost"] - orders["shipping_cost"]
orders["month"] = orders["order_date"].dt.to_period("M").astype(str)
orders["half"] = orders["order_date"].dt.month.le(6).map({True: "H1", False: "H2"})
monthly = orders.groupby("month")[["gross", "revenue", "cost", "shipping_cost", "margin"]].sum()
monthly["margin_rate"] = monthly["margin"] / monthly["revenue"]
monthly.round(3)""",
    ),
    (
        "The margin rate drops from July on. I split it by category and region for both halves to see where the drop sits.",
        """by_group = orders.groupby(["category", "region", "half"])[["revenue", "margin"]].sum()
by_group["margin_rate"] = by_group["margin"] / by_group["revenue"]
rates = by_group["margin_rate"].unstack("half")
rates["change"] = rates["H2"] - rates["H1"]
rates["revenue_H2"] = by_group["revenue"].unstack("half")["H2"]
rates.sort_values("change").round(3)""",
    ),
    (
        "Furniture falls in every region, and West falls in every category. I decompose the change of each category and of "
        "each region into discount, shipping and unit cost, all as shares of gross sales.",
        """orders["discount_amount"] = orders["gross"] * orders["discount"]
for key in ["category", "region"]:
    sums = orders.groupby([key, "half"])[["gross", "discount_amount", "shipping_cost", "cost"]].sum()
    shares = sums[["discount_amount", "shipping_cost", "cost"]].div(sums["gross"], axis=0)
    change = shares.xs("H2", level="half") - shares.xs("H1", level="half")
    print(change.round(4).to_string())
    print()
mix = orders.groupby(["half", "category"])["revenue"].sum().unstack("half")
mix = mix / mix.sum()
mix["change"] = mix["H2"] - mix["H1"]
mix.round(4)""",
    ),
    (
        "Discounts explain Furniture and shipping explains West; the mix moves little. I test with a bootstrap over orders "
        "whether these changes are more than noise.",
        """import numpy as np

rng = np.random.default_rng(7)

def change_of(rows, column):
    first, second = rows[rows["half"] == "H1"], rows[rows["half"] == "H2"]
    draws = np.empty(200)
    for i in range(200):
        a = first.iloc[rng.integers(0, len(first), len(first))]
        b = second.iloc[rng.integers(0, len(second), len(second))]
        draws[i] = b[column].sum() / b["gross"].sum() - a[column].sum() / a["gross"].sum()
    return np.percentile(draws, [2.5, 50, 97.5])

columns = ["gross", "discount_amount", "shipping_cost", "margin", "half"]
for category in sorted(orders["category"].unique()):
    rows = orders.loc[orders["category"] == category, columns]
    print(category, "discount_amount", change_of(rows, "discount_amount").round(4))
for region in sorted(orders["region"].unique()):
    rows = orders.loc[orders["region"] == region, columns]
    print(region, "shipping_cost", change_of(rows, "shipping_cost").round(4))""",
    ),
    (
        "The intervals of Furniture's discounts and of West's shipping are far from zero, the others include zero. I draw "
        "both monthly rates for the analyst and compute what they cost in the second half.",
        """import matplotlib.pyplot as plt

furniture = orders[orders["category"] == "Furniture"].groupby("month")[["discount_amount", "gross"]].sum()
west = orders[orders["region"] == "West"].groupby("month")[["shipping_cost", "gross"]].sum()
fig, axes = plt.subplots(1, 2, figsize=(11, 4))
(furniture["discount_amount"] / furniture["gross"]).plot.bar(ax=axes[0], title="Furniture: discount share of gross sales")
(west["shipping_cost"] / west["gross"]).plot.bar(ax=axes[1], title="West: shipping share of gross sales")
for ax in axes:
    ax.set_xlabel("month")
    ax.set_ylabel("share of gross sales")
plt.tight_layout()
plt.show()
late = orders[orders["half"] == "H2"]
early = orders[orders["half"] == "H1"]
def excess(mask, column):
    before = early.loc[mask(early), column].sum() / early.loc[mask(early), "gross"].sum()
    return late.loc[mask(late), column].sum() - before * late.loc[mask(late), "gross"].sum()
print("Furniture discounts", round(excess(lambda t: t["category"] == "Furniture", "discount_amount")))
print("West shipping", round(excess(lambda t: t["region"] == "West", "shipping_cost")))
print("margin lost", round(late["revenue"].sum() * (early["margin"].sum() / early["revenue"].sum()) - late["margin"].sum()))
furniture.assign(rate=furniture["discount_amount"] / furniture["gross"]).join(west, suffixes=("", "_west")).round(3)""",
    ),
]
THOUGHT = (
    "Two causes explain the fall: higher discounts on Furniture and dearer shipping to West. Both are far outside of what "
    "resampling gives, and the mix changed little."
)
ANSWER = """The margin fell in the second half for **two reasons**, and the mix of categories is neither of them: the share of Furniture even fell by 3 points.

1. **Discounts on Furniture.** Their share of gross sales rose by about 7 points from July on, in every region. No other category's discounts changed: their bootstrap intervals include zero.
2. **Shipping to West.** Its share of gross sales rose by about 4 points, in every category. In no other region did it change.

| cause | where | change, share of gross sales | 95 % interval excludes zero |
|---|---|---|---|
| discounts | Furniture, all regions | about +0.07 | yes |
| shipping | West, all categories | about +0.04 | yes |
| mix | Furniture's share of revenue | about −0.03 | not tested |

For 310 orders without a shipping cost the median share of their region was taken. What I cannot say from this table is why discounts and shipping rose: it holds neither campaigns nor carriers."""


def recorded(client: object, code: str) -> dict:
    """Runs a cell and returns its outputs with the seconds at which they came, and how long it took."""
    began, pieces = time.perf_counter(), []
    asked = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content, at = message["msg_type"], message["content"], round(time.perf_counter() - began, 4)
        if kind == "status" and content["execution_state"] == "idle":
            return {"pieces": pieces, "seconds": at}
        if kind == "error":
            raise SystemExit("error: " + "\n".join(content["traceback"]))
        if kind in ("stream", "display_data", "execute_result"):
            # A picture is not read by the model, and is larger than all else.
            content.get("data", {}).pop("image/png", None)
            content.pop("transient", None)
            pieces.append({"at": at, "output": {"output_type": kind, **content}})


def main() -> int:
    """Records into the file that is named."""
    with tempfile.TemporaryDirectory() as folder:
        manager, client = start_new_kernel(cwd=folder)
        try:
            recorded(client, MAKE)
            size = Path(folder, "orders_2024.csv").stat().st_size
            # As in life, what the table was made with is not loaded yet.
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=60)
            steps = [{"thought": thought, "code": code, **recorded(client, code)} for thought, code in STEPS]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    steps[-1]["figures"] = [
        "[figure: bar, title=Furniture: discount share of gross sales, x=month, y=share of gross sales]",
        "[figure: bar, title=West: shipping share of gross sales, x=month, y=share of gross sales]",
    ]
    files = [{"name": "orders_2024.csv", "bytes": size}]
    episode = {"prompt": PROMPT, "files": files, "steps": steps, "thought": THOUGHT, "answer": ANSWER}
    Path(sys.argv[1]).write_text(json.dumps(episode, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
