// The product as it is installed: its own program, its own model, and the kernel picked by its name.

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Stage } from "./scene.mjs";

let stage;
before(async () => (stage = await Stage.openProduct()));
after(() => stage?.close());

test("a question over a file is answered with cells that ran", async () => {
  await copyFile(new URL("../../notebooks/data/penguins.csv", import.meta.url), join(stage.root, "penguins.csv"));
  await stage.launch(async (notebook) => {
    await notebook.ask(0, "What is the mean body_mass_g by species?");
    const cells = await notebook.answered();
    const steps = cells.filter((cell) => cell.metadata.datarus?.role === "code");
    assert.ok(steps.length > 0 && steps.every((cell) => cell.execution_count > 0 && cell.outputs.length > 0));
    assert.match(cells.at(-1).source, /5076/);
    assert.match(cells.at(-1).source, /#cell-id=/, "a number links to the cell that printed it");
    const { model, status } = cells[0].metadata.datarus;
    assert.deepEqual([model, status], ["datarus-mini", "done"]);
  });
});
