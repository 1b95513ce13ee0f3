// Real-time collaboration: two tabs share one notebook, its cells and its kernel.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { roles, sources } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

/** What two tabs must agree about. */
const seen = (cells) =>
  cells.map(({ id, source, outputs, execution_count }) => ({ id, source, outputs, execution_count }));

/** Waits until a tab has the cells that another has. */
const same = (tab, cells) =>
  tab.until((found) => isDeepStrictEqual(seen(found), seen(cells)), `the cells ${JSON.stringify(seen(cells))}`);

scene("both tabs see each cell once, and only the one that asks runs them", [""], async (one) => {
  const other = await one.tab();
  await one.ask(0, SUM);
  const cells = await one.answered();
  assert.deepEqual(roles(cells), SUMMED);
  assert.deepEqual(cells.filter((cell) => cell.cell_type === "code").map((cell) => cell.execution_count), [1, 2, 3]);
  await same(other, cells);
});

scene("questions that both tabs ask are answered one after another", ["", ""], async (one) => {
  const other = await one.tab();
  await one.ask(0, SUM);
  await other.ask("cell-2", "Show what fails");
  const cells = await one.answered(2);
  await same(other, cells);
  assert.deepEqual(roles(cells).slice(0, 8), [...SUMMED, "prompt"]);
  assert.equal(new Set(cells.map((cell) => cell.id)).size, cells.length);
});

scene("a tab that opens in mid-turn doubles nothing", [""], async (one) => {
  await one.ask(0, "Say how slowly you write");
  await one.phaseIs("Writing");
  const other = await one.tab();
  const cells = await one.answered();
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "answer"]);
  await same(other, cells);
});

scene("a tab that is closed in mid-turn changes nothing for the one that asked", [""], async (one) => {
  const other = await one.tab();
  await one.ask(0, "Say how slowly you write");
  await one.phaseIs("Writing");
  await other.away();
  assert.deepEqual(roles(await one.answered()), ["prompt", "thought", "code", "thought", "answer"]);
});

scene("the turn of a tab that is closed goes on in the one that stays", [""], async (one) => {
  const other = await one.tab();
  await other.ask(0, "Say how slowly you write");
  await other.phaseIs("Writing");
  await other.away();
  const cells = await one.answered();
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "answer"]);
  assert.equal(cells[2].outputs[0].text, "16\n");
});

scene("Undo turn takes the cells away in both tabs", [""], async (one) => {
  const other = await one.tab();
  await one.ask(0, SUM);
  await one.answered();
  await one.click("Undo turn");
  const cells = await other.until((cells) => cells.length === 1);
  assert.deepEqual(sources(cells), [SUM]);
});

scene("cells that were deleted by hand do not come back", [""], async (one) => {
  await one.ask(0, SUM);
  const cells = await one.answered();
  await one.fileIs((file) => file.cells.length === 7);
  await one.select(6);
  await one.command("notebook:delete-cell");
  await one.fileIs((file) => file.cells.length === 6);
  await one.reload();
  const back = await one.until((cells) => cells.length >= 6);
  assert.deepEqual(sources(back), sources(cells).slice(0, 6));
});
