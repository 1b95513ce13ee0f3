// What goes wrong around a turn: the page, the kernel and the reader all may go away in the middle of it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { TIMEOUT } from "./lab.mjs";
import { roles } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

scene("a page that is closed in mid-turn has the whole turn when it comes back", [""], async (notebook) => {
  await notebook.ask(0, "Say how brief it is.");
  await notebook.save();
  await notebook.phaseIs("Running");
  await notebook.away();
  await notebook.back();
  const cells = await notebook.until((cells) => roles(cells).includes("answer") && cells.at(-1).rendered && cells.at(-1).source.includes("looks"));
  const [step] = cells.filter((cell) => cell.metadata.datarus?.role === "code");
  assert.equal(step.outputs.map((output) => output.text).join(""), [...Array(30).keys()].map((n) => `${n}\n`).join(""));
  assert.equal(typeof step.execution_count, "number");
});

scene("a turn that ended while the page was away is there when it comes back", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.phaseIs(/./);
  await notebook.save();
  const before = await notebook.answered();
  await notebook.away();
  await notebook.back();
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), SUMMED);
  const kept = ({ id, source, outputs, execution_count }) => ({ id, source, outputs, execution_count });
  assert.deepEqual(cells.map(kept), before.map(kept));
});

scene("a page that is loaded again in mid-turn goes on with it", [""], async (notebook) => {
  await notebook.ask(0, "Say how slowly you write");
  await notebook.phaseIs("Writing");
  await notebook.reload();
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "answer"]);
  assert.equal(cells[2].outputs[0].text, "16\n");
  const [prompt] = await notebook.until(([prompt]) => prompt.outputs.length > 0 && prompt.metadata.datarus.status === "done");
  assert.match(prompt.outputs[0].data["text/markdown"], /Answered/);
  assert.equal(prompt.execution_count, 1);
});

scene("a step that waits for the reader still waits when the page is loaded again", [""], async (notebook) => {
  await notebook.page.locator(".datarus-review select").selectOption("all");
  await notebook.save();
  await notebook.ask(0, "Say how brief it is.");
  await notebook.page.locator(".datarus-ask").waitFor();
  await notebook.reload();
  await notebook.click("Skip");
  const cells = await notebook.answered();
  assert.match(cells[2].outputs[0].text, /^Skipped/);
});

scene("a kernel that is killed in mid-turn loses no finished step", ["", ""], async (notebook) => {
  await notebook.ask(0, "Say how it ends");
  const begun = (cells) => cells.some((cell) => cell.outputs?.[0]?.text === "begun\n");
  await notebook.until(begun);
  await notebook.kill();
  // JupyterLab says that the kernel died.
  await notebook.page.locator(".jp-Dialog .jp-mod-accept").click();
  await notebook.page.locator(".datarus-bar").waitFor({ state: "detached" });
  const cells = await notebook.until((cells) => cells.every((cell) => !cell.running));
  assert.equal(cells.filter((cell) => cell.metadata.datarus?.role === "code")[0].outputs[0].text, "first\n");
  await notebook.ready();
  await notebook.ask("cell-2", SUM);
  const after = await notebook.answered();
  assert.equal(after.filter((cell) => cell.outputs?.[0]?.text === "first\n").length, 1);
});

scene("a server that is killed in mid-turn takes its kernel along and loses no finished step", [""], async (notebook) => {
  await notebook.ask(0, "Say how it ends");
  await notebook.save();
  const begun = (cells) => cells.some((cell) => cell.outputs?.[0]?.text === "begun\n");
  await notebook.until(begun);
  const pid = await notebook.pid();
  await notebook.stage.lab.crash(async () => {
    await notebook.away();
    await ended(pid);
  });
  // What the page says of a server that is gone.
  notebook.errors.length = 0;
  await notebook.back();
  const cells = await notebook.until((cells) => cells.some((cell) => cell.outputs?.[0]?.text === "first\n"));
  const [step] = cells.filter((cell) => cell.metadata.datarus?.role === "code");
  assert.deepEqual([step.outputs[0].text, typeof step.execution_count], ["first\n", "number"]);
});

/** Waits until a process is gone. */
async function ended(pid) {
  const end = Date.now() + TIMEOUT;
  while (existsSync(`/proc/${pid}`)) {
    assert.ok(Date.now() < end, `expected that process ${pid} ends`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

scene("Restart and Run All runs the cells of an answer and asks nobody", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const before = await notebook.answered();
  await notebook.start("notebook:restart-run-all");
  // JupyterLab asks whether to restart.
  await notebook.page.locator(".jp-Dialog .jp-mod-accept").click();
  const cells = await notebook.until(
    (cells) => cells.every((cell) => !cell.running) && cells[4].outputs?.[0]?.text === "7\n" && cells[0].outputs[0]?.data["text/markdown"].includes("kept"),
  );
  assert.deepEqual(cells.map((cell) => cell.source), before.map((cell) => cell.source));
  assert.equal(cells[0].metadata.datarus.turn, before[0].metadata.datarus.turn);
});
