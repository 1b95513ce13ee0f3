// A turn, from the question to the answer.

import assert from "node:assert/strict";
import { roles, sources } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

/** The numbers of code cells. */
const counts = (cells) => cells.filter((cell) => cell.cell_type === "code").map((cell) => cell.execution_count);

scene("a question becomes cells with numbers and outputs, in order, below it", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), SUMMED);
  assert.deepEqual(counts(cells), [1, 2, 3]);
  assert.equal(cells[4].outputs[0].text, "7\n");
  assert.ok(cells[2].outputs[0].data["text/html"], "a table is shown as one");
  assert.match(cells.at(-1).source, /\[7\]\(#cell-id=t_\w+-2c/, "a number links to the cell that printed it");
});

scene("a step is a cell like any other: it can be edited and run again", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  await notebook.ask(4, "; print('more')");
  const cells = await notebook.until((cells) => cells[4].outputs[0]?.text === "7\nmore\n" && cells[4].execution_count === 4);
  assert.equal(cells.length, 7);
});

scene("a notebook is saved with the turn as it was seen", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const seen = await notebook.answered();
  await notebook.save();
  const { cells } = await notebook.file();
  assert.deepEqual(cells.map((cell) => cell.id), seen.map((cell) => cell.id));
  assert.equal(cells[0].metadata.datarus.status, "done");
  assert.deepEqual(cells[0].metadata.tags, ["datarus-prompt", "skip-execution"]);
});

scene("a failed step is folded text, and the turn goes on below it", [""], async (notebook) => {
  await notebook.ask(0, "Show what fails");
  const cells = await notebook.answered();
  const [failed, worked] = cells.filter((cell) => cell.metadata.datarus?.role === "code");
  assert.deepEqual(failed.outputs.map((output) => output.name), ["stderr"]);
  assert.match(failed.outputs[0].text, /ZeroDivisionError/);
  assert.doesNotMatch(failed.outputs[0].text, /\x1b/);
  assert.ok(failed.metadata.tags.includes("skip-execution"));
  assert.equal(failed.metadata.jupyter.source_hidden, true);
  assert.equal(worked.outputs[0].text, "42\n");
  await notebook.mark();
  const shown = () => notebook.at(failed.id).locator(".jp-InputArea-editor").isVisible();
  assert.equal(await shown(), false);
  await notebook.click("Unfold failed steps");
  assert.equal(await shown(), true);
  await notebook.click("Fold failed steps");
  assert.equal(await shown(), false);
});

for (const [phase, question] of [
  ["Thinking", "Say how slowly you think"],
  ["Writing", "Say how slowly you write"],
  ["Running", "Say how long it takes"],
]) {
  scene(`Stop ends a turn while it is ${phase.toLowerCase()}, and nothing else`, ["", "print('next')"], async (notebook) => {
    await notebook.ask(0, question);
    await notebook.enter(1);
    await notebook.phaseIs(phase);
    await notebook.run("cell-2");
    await notebook.click("Stop");
    const cells = await notebook.until((cells) => cells.every((cell) => !cell.running) && cells.at(-1).outputs?.length === 1);
    assert.equal(cells.at(-1).outputs[0].text, "next\n", "what waited behind the turn has run");
    assert.equal(cells[0].metadata.datarus.status, "interrupted");
    assert.equal(await notebook.phase(), undefined);
  });
}

scene("an interrupt of the kernel ends a turn as Stop does", [""], async (notebook) => {
  await notebook.ask(0, "Say how long it takes");
  await notebook.until((cells) => cells.some((cell) => cell.outputs?.[0]?.text === "begun\n"));
  await notebook.command("notebook:interrupt-kernel");
  const cells = await notebook.until((cells) => cells.every((cell) => !cell.running) && cells[0].metadata.datarus?.status);
  assert.equal(cells[0].metadata.datarus.status, "interrupted");
});

scene("a second question waits for the first, and a Python cell for both", ["", "", "print(df['sales'].max())"], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.ask("cell-2", "Show what fails");
  await notebook.run("cell-3");
  const cells = await notebook.answered(2);
  assert.equal(cells.at(-1).outputs[0].text, "4\n");
  const turns = cells.filter((cell) => cell.metadata.datarus?.role !== "prompt").map((cell) => cell.metadata.datarus?.turn);
  assert.deepEqual([...new Set(turns)].length, 3, "each turn's cells stand together");
  const done = counts(cells);
  assert.deepEqual(done, [...done].sort((a, b) => a - b), "numbers rise from top to bottom");
});

scene("widgets and input() work beside a turn", ["", "", "name = input('name? ')\nprint('I am', name)"], async (notebook) => {
  await notebook.ask(1, "import ipywidgets; ipywidgets.IntSlider(value=3)");
  await notebook.page.locator(".jp-OutputArea .widget-readout, .jp-OutputArea .widget-slider").first().waitFor();
  await notebook.ask(0, SUM);
  await notebook.run("cell-3");
  const field = notebook.page.locator("input.jp-Stdin-input");
  await field.fill("Ada");
  await field.press("Enter");
  const cells = await notebook.until((cells) => cells.at(-1).outputs?.some((output) => output.text?.includes("I am Ada")));
  assert.equal(roles(cells).filter((role) => role === "answer").length, 1);
});

scene("Run All runs an answered question without asking again", ["x = 20", "", "print(x + 1)"], async (notebook) => {
  await notebook.ask(1, SUM);
  const before = await notebook.answered();
  await notebook.command("notebook:run-all-cells");
  const cells = await notebook.until((cells) => cells.every((cell) => !cell.running) && cells.at(-1).outputs?.length === 1);
  assert.deepEqual(sources(cells), sources(before));
});

scene("a changed question takes the place of its answer", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const before = await notebook.answered();
  await notebook.ask(0, " Say how brief it is.");
  const cells = await notebook.until(
    (cells) => cells.at(-1).source.includes("looks") && cells.every((cell) => !cell.running),
  );
  assert.equal(roles(cells).filter((role) => role === "answer").length, 1);
  assert.notEqual(cells[0].metadata.datarus.turn, before[0].metadata.datarus.turn);
});
