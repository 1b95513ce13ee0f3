// What a reader does to the cells of a turn: splits, merges, cuts, copies and pastes them.

import assert from "node:assert/strict";
import { roles, sources } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

/** Whether nothing runs and the cell at `at` has printed `text`. */
const printed = (at, text) => (cells) =>
  cells.every((cell) => !cell.running) && (cells[at]?.outputs ?? []).some((output) => output.text === text);

/** Splits a cell below its first line. */
async function split(notebook, cell) {
  await notebook.enter(cell);
  await notebook.page.keyboard.press("Control+Home");
  await notebook.page.keyboard.press("ArrowDown");
  await notebook.command("notebook:split-cell-at-cursor");
}

scene("both halves of a step that is split run, and belong to its turn", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  await split(notebook, 2);
  await notebook.until((cells) => cells.length === 8);
  await notebook.run(2);
  await notebook.ask(3, "; print('half')");
  await notebook.until(printed(3, "half\n"));
  await notebook.click("Undo turn");
  const cells = await notebook.until((cells) => cells.length === 1);
  assert.deepEqual(sources(cells), [SUM]);
});

scene("each half of a question that is split asks for itself", [`> ${SUM}\nSay how brief it is?`], async (notebook) => {
  await notebook.run(0);
  await notebook.answered();
  await split(notebook, 0);
  await notebook.until((cells) => sources(cells)[0] === `> ${SUM}`);
  await notebook.run(0);
  const first = await notebook.answered(2);
  assert.deepEqual(roles(first).slice(0, 7), SUMMED);
  await notebook.run(7);
  const cells = await notebook.until(
    (cells) => cells.every((cell) => !cell.running) && cells[7].metadata.datarus?.turn !== first[7].metadata.datarus.turn,
  );
  assert.deepEqual(roles(cells), [...SUMMED, "prompt", "thought", "code", "thought", "answer"]);
  assert.equal(new Set(cells.map((cell) => cell.metadata.datarus.turn)).size, 2);
});

scene("steps that are merged run as one", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  await notebook.select(3);
  await notebook.command("notebook:delete-cell");
  await notebook.select(2, 3);
  await notebook.command("notebook:merge-cells");
  const [, , merged] = await notebook.until((cells) => cells.length === 5);
  assert.match(merged.source, /^import pandas[^]*print\(df\['sales'\]\.sum\(\)\)$/);
  await notebook.run(2);
  await notebook.until(printed(2, "7\n"));
});

scene("questions that are merged are asked as one", ["> Take all of the sales", "and say what they sum up to."], async (notebook) => {
  await notebook.select(0, 1);
  await notebook.command("notebook:merge-cells");
  await notebook.until((cells) => cells.length === 1);
  await notebook.run(0);
  assert.deepEqual(roles(await notebook.answered()), SUMMED);
});

scene("a question that is cut and pasted with its cells keeps its answer", ["", "print('last')"], async (notebook) => {
  await notebook.ask(0, SUM);
  const before = await notebook.answered();
  await notebook.select(0, 6);
  await notebook.command("notebook:cut-cell");
  await notebook.until((cells) => cells.length === 1);
  await notebook.command("notebook:paste-cell-below");
  await notebook.until((cells) => cells.length === 8);
  await notebook.command("notebook:run-all-cells");
  const cells = await notebook.until(printed(5, "7\n"));
  assert.deepEqual(sources(cells), [...sources(before).slice(7), ...sources(before).slice(0, 7)]);
  const [, target] = cells.at(-1).source.match(/#cell-id=([\w-]+)/);
  assert.ok(cells.some((cell) => cell.id === target), "links find their cells");
  await notebook.click("Undo turn");
  await notebook.until((cells) => cells.length === 2);
});

for (const [done, take] of [["copied", "notebook:copy-cell"], ["cut", "notebook:cut-cell"]]) {
  scene(`a question that is ${done} alone is asked anew where it is pasted`, ["", "print('last')"], async (notebook) => {
    await notebook.ask(0, SUM);
    const before = await notebook.answered();
    await notebook.select(0);
    await notebook.command(take);
    await notebook.until((cells) => cells.length === (done === "cut" ? 7 : 8));
    await notebook.select((await notebook.cells()).length - 1);
    await notebook.command("notebook:paste-cell-below");
    await notebook.until((cells) => cells.at(-1).source === SUM);
    await notebook.run((await notebook.cells()).length - 1);
    const cells = await notebook.answered(2);
    assert.deepEqual(roles(cells).slice(-7), SUMMED);
    assert.deepEqual(cells.slice(0, 6).map(({ id }) => id), before.slice(done === "cut" ? 1 : 0).slice(0, 6).map(({ id }) => id));
    assert.notEqual(cells.at(-1).metadata.datarus.turn, before[0].metadata.datarus.turn);
  });
}

scene("cells that are moved while a turn is written keep their new places", ["", "print('moved')"], async (notebook) => {
  await notebook.ask(0, "Say how slowly you write");
  await notebook.phaseIs("Writing");
  await notebook.select((await notebook.cells()).length - 1);
  await notebook.command("notebook:cut-cell");
  await notebook.select(0);
  await notebook.command("notebook:paste-cell-above");
  const cells = await notebook.answered();
  assert.equal(cells[0].source, "print('moved')");
  assert.deepEqual(roles(cells).slice(1), ["prompt", "thought", "code", "thought", "answer"]);
  assert.equal(cells[3].outputs[0].text, "16\n");
});

scene("a turn goes on below what is left of it when a reader deletes its cells", ["", "print('last')"], async (notebook) => {
  await notebook.ask(0, "Say how slowly you write");
  await notebook.phaseIs("Writing");
  await notebook.select(1);
  await notebook.command("notebook:delete-cell");
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells).slice(0, -1), ["prompt", "code", "thought", "answer"]);
  assert.equal(cells.at(-1).source, "print('last')");
});
