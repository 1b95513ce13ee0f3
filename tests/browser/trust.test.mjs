// What a model writes reaches nothing through the page.

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { scenes } from "./scenes.mjs";

const scene = scenes();

scene("what a model writes loads nothing, neither while it is written nor as cells", [""], async (notebook) => {
  const { page } = notebook;
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const leaks = () => asked.filter((url) => url.includes("leak.invalid"));
  await notebook.ask(0, "Say what leaks");
  const cells = await notebook.answered();
  assert.match(cells.at(-1).source, /^It is \[1\]/);
  await notebook.click("Unfold thoughts");
  await notebook.save();
  await notebook.reload();
  await notebook.answered();
  assert.equal(await notebook.panel().locator(".jp-RenderedMarkdown img").count(), 0);
  assert.deepEqual(leaks(), []);
  // What is loaded would have been seen.
  await page.evaluate(() => new Promise((resolve) => {
    const image = new Image();
    image.onerror = image.onload = () => resolve();
    image.src = "http://leak.invalid/own.png";
  }));
  assert.deepEqual(leaks(), ["http://leak.invalid/own.png"]);
  // The browser's word on it.
  const own = notebook.errors.findIndex((error) => error.includes("own.png"));
  if (own >= 0) notebook.errors.splice(own, 1);
});

const HOSTILE = fileURLToPath(new URL("hostile.py", import.meta.url));

/** Shows something that can be updated, and notes its own request, in whose name a step then speaks. */
const USERS = `from IPython.display import display
users = get_ipython().kernel.get_parent()
display({'text/plain': 'mine'}, raw=True, display_id='mine');`;

/** What a page shows of outputs, and what they did to it. */
const traces = (page) => page.evaluate(() => {
  const count = (selector) => document.querySelectorAll(`.jp-OutputArea ${selector}`).length;
  const outputs = [...document.querySelectorAll(".jp-OutputArea *")];
  return {
    ran: window.ran ?? [],
    scripts: count("script") + count("iframe") + count("object") + count("embed") + count("form"),
    addresses: count("a[href^=javascript]") + count("[data-commandlinker-command^=terminal]"),
    covers: outputs.filter((node) => getComputedStyle(node).position === "fixed").length + count(".jp-Dialog"),
    clobbered: document.getElementById("jupyter-config-data")?.tagName !== "SCRIPT" || window.clobbered !== undefined,
  };
});

const NONE = { ran: [], scripts: 0, addresses: 0, covers: 0, clobbered: false };

scene("what a step puts out acts on nothing, and the same of the user's own cell does", [USERS, "", "hostile.show(away=False)"], async (notebook) => {
  const { page } = notebook;
  await copyFile(HOSTILE, join(notebook.stage.root, "hostile.py"));
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const reached = () => asked.filter((url) => url.includes("hostile-"));
  await notebook.ready();
  await page.evaluate(() => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    kernel.registerCommTarget("hostile-target", () => (window.ran ??= []).push("comm"));
  });
  await notebook.run(0);
  await notebook.until((cells) => cells[0].outputs.length === 1 && !cells[0].running, "the user's output");

  await notebook.ask(1, "Say what is hostile");
  const cells = await notebook.answered();
  const [step] = cells.filter(({ metadata }) => metadata.datarus?.turn && metadata.datarus.role === "code");
  const text = (name) => step.outputs.filter((output) => output.name === name).map((output) => output.text).join("");
  assert.match(text("stdout"), /^shown 35/m);
  assert.match(text("stderr"), /^Left out: /m);
  assert.deepEqual(cells[0].outputs.map((output) => output.data), [{ "text/plain": "mine" }], "it is as it was");
  assert.ok(cells.every((cell) => !cell.source.includes("set by the step")));
  assert.deepEqual(await traces(page), NONE);
  await notebook.save();
  assert.ok(!JSON.stringify((await notebook.file()).cells).includes('"application/javascript"'));
  await notebook.reload();
  await notebook.answered();
  assert.deepEqual(await traces(page), NONE, "nor when it is opened again");
  assert.deepEqual(reached(), []);
  assert.deepEqual(notebook.errors, []);

  // What runs would have been seen.
  await notebook.run(cells.length - 1);
  await page.waitForFunction(() => ["script", "handler", "javascript"].every((name) => window.ran?.includes(name)));
  const seen = await traces(page);
  assert.ok(seen.scripts > 0 && seen.addresses > 0 && seen.covers > 0, JSON.stringify(seen));
  assert.ok(reached().length > 0);
  await page.close();
  // The browser's word on it.
  notebook.errors.length = 0;
});

scene("a cell opens the sandbox after a typed yes, and the toolbar says so", ["%datarus sandbox off"], async (notebook) => {
  const word = notebook.panel().locator(".datarus-sandbox");
  await word.filter({ hasText: /^Sandbox$/ }).waitFor();
  await notebook.run("cell-1");
  const input = notebook.page.locator(".jp-Stdin-input");
  await input.fill("yes");
  await input.press("Enter");
  await word.filter({ hasText: "No sandbox" }).waitFor();
  const [cell] = await notebook.until((cells) => cells[0].count !== null && !cells[0].running);
  assert.match(cell.outputs.at(-1).text, /^No sandbox: .* all variables are lost\.\n$/s);
});
