// Open research in a page: the plan, its sections one after the other, and the report.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { roles } from "./scene.mjs";
import { scenes } from "./scenes.mjs";

const scene = scenes(join(dirname(fileURLToPath(import.meta.url)), "research.json"));

const RESEARCH = "%%ask --research\nHow were the sales?";

/** The questions that stand in the notebook, from top to bottom. */
const asked = (cells) => cells.filter((cell) => cell.metadata.datarus?.role === "prompt").map(({ source }) => source);

/** Waits for the report: the plan, its two sections and the report are answers. */
const reported = (notebook) => notebook.answered(4);

scene("a question makes a plan, each of its sections grows below, and a report whose numbers lead to them", [RESEARCH], async (notebook) => {
  await notebook.run(0);
  const cells = await reported(notebook);
  assert.deepEqual(asked(cells), [
    RESEARCH,
    "%%ask --section\n## 1. Count\nHow many months are there?",
    "%%ask --section\n## 2. Sum\nWhat was sold in all of them?",
    "%%ask --report\nWrite the report.",
  ]);
  const section = ["prompt", "thought", "code", "thought", "answer"];
  assert.deepEqual(roles(cells), [...section, ...section, ...section, "prompt", "thought", "answer"]);
  const steps = cells.filter((cell) => cell.metadata.datarus.role === "code");
  assert.ok(steps.every(({ execution_count, outputs }) => execution_count > 0 && outputs.length > 0));
  const report = cells.at(-1);
  assert.match(report.source, /## Summary\n\nIn 3 months \[7\]\(#cell-id=.+\) were sold\./);
  assert.ok(steps.some(({ id }) => report.source.includes(`#cell-id=${id} `)));
});

scene("a plan that is edited while its first section is worked on is followed as it stands then", [RESEARCH], async (notebook) => {
  await notebook.run(0);
  const begun = await notebook.until((cells) => asked(cells).length === 2);
  const plan = begun.find((cell) => cell.metadata.datarus?.role === "answer");
  await notebook.page.evaluate((id) => {
    const { model } = window.jupyterapp.shell.currentWidget.content;
    const { sharedModel } = [...model.cells].find((cell) => cell.id === id);
    sharedModel.setSource(sharedModel.source.replace("## 2. Sum", "## 2. Draw it"));
  }, plan.id);
  const cells = await reported(notebook);
  assert.deepEqual(asked(cells).map((source) => source.split("\n")[1]), ["How were the sales?", "## 1. Count", "## 2. Draw it", "Write the report."]);
  assert.match(cells.find(({ id }) => id === plan.id).source, /## 2\. Draw it/);
});

scene("Stop in a section ends the run, and the section's cell goes on with it", [RESEARCH], async (notebook) => {
  await notebook.run(0);
  await notebook.until((cells) => asked(cells).length === 2 && cells.some((cell) => cell.running));
  await notebook.phaseIs("Writing");
  await notebook.click("Stop");
  const stopped = await notebook.until((cells) => cells.every((cell) => !cell.running) && cells.some((cell) => cell.metadata.datarus?.status === "interrupted"));
  assert.equal(asked(stopped).length, 2);
  const at = stopped.findIndex((cell) => cell.source.startsWith("%%ask --section"));
  await notebook.run(at);
  const cells = await reported(notebook);
  assert.deepEqual(asked(cells).map((source) => source.split("\n")[1]), ["How were the sales?", "## 1. Count", "## 2. Sum", "Write the report."]);
});
