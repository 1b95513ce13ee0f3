// More than one notebook, and more than one tab on one notebook.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { roles, sources } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

scene("turns in two notebooks grow at once, each in its own", [""], async (one) => {
  await one.ask(0, "Say how slowly you write");
  const other = await one.beside([""]);
  await other.ask(0, SUM);
  const second = await other.answered();
  assert.deepEqual(roles(second), SUMMED);
  await one.front();
  const first = await one.answered();
  assert.deepEqual(roles(first), ["prompt", "thought", "code", "thought", "answer"]);
  const counts = (cells) => cells.map((cell) => cell.execution_count).filter((count) => count != null);
  assert.deepEqual([counts(first), counts(second)], [[1, 2], [1, 2, 3]], "each has a kernel of its own");
});

scene("of two tabs the one that asks gets the cells, and the other has them when it is loaded again", ["", ""], async (one) => {
  const other = await one.tab();
  await one.ask(0, SUM);
  const asked = await one.answered();
  assert.deepEqual(roles(asked).slice(0, 7), SUMMED);
  assert.deepEqual(sources(await other.cells()), ["", ""]);
  await one.save();
  await other.reload();
  const seen = await other.answered();
  assert.deepEqual(sources(seen), sources(asked));
  await other.ask(7, "Show what fails");
  await other.answered(2);
  assert.deepEqual(sources(await one.cells()), sources(asked));
});

scene("a tab that stays takes over the turn of one that was closed", [""], async (notebook) => {
  const other = await notebook.tab();
  await other.ask(0, "Say how slowly you write");
  await other.phaseIs("Writing");
  await other.away();
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "answer"]);
  assert.equal(cells[2].outputs[0].text, "16\n");
});

scene("a tab that stays takes over the turn of one that was closed without a word", [""], async (notebook) => {
  const go = join(notebook.stage.root, "go");
  await rm(go, { force: true });
  const other = await notebook.tab();
  await other.ask(0, "Say how it waits");
  await other.phaseIs("Running");
  await other.mute();
  await notebook.phaseIs("Running");
  await writeFile(go, "");
  // The question's own facts come after the answer.
  const cells = await notebook.until(([prompt]) => prompt.metadata.datarus?.status === "done");
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "answer"]);
  assert.equal(cells[2].outputs[0].text, "gone on\n");
});
