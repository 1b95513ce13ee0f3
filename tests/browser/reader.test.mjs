// What a reader does with the notebook while and after a turn runs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { roles, sources } from "./scene.mjs";
import { SUM, SUMMED, scenes } from "./scenes.mjs";

const scene = scenes();

scene("Undo turn takes all its cells away, undo brings them back and redo takes them again", ["x = 1", ""], async (notebook) => {
  await notebook.ask(1, SUM);
  const full = await notebook.answered();
  await notebook.click("Undo turn");
  const bare = await notebook.until((cells) => cells.length === 2);
  assert.deepEqual([bare[1].outputs, bare[1].execution_count], [[], null]);
  await notebook.command("notebook:undo-cell-action");
  const back = await notebook.until((cells) => cells.length === full.length);
  assert.deepEqual(strip(back), strip(full));
  await notebook.command("notebook:redo-cell-action");
  await notebook.until((cells) => cells.length === 2);
});

/** What must come back of a cell. */
const strip = (cells) =>
  cells.map(({ id, source, outputs, execution_count, metadata }) => ({ id, source, outputs, execution_count, datarus: metadata.datarus }));

scene("what a turn writes is not in the undo history", ["x = 1", ""], async (notebook) => {
  await notebook.enter(0);
  await notebook.page.keyboard.type("234");
  await notebook.ask(1, SUM);
  const full = await notebook.answered();
  for (let n = 0; n < 3; n++) await notebook.command("notebook:undo-cell-action");
  const cells = await notebook.cells();
  assert.deepEqual(sources(cells).slice(2), sources(full).slice(2));
});

scene("the toolbar says that a sandbox holds Python", [""], async ({ page }) => {
  const word = page.locator(".datarus-review .datarus-sandbox");
  await word.filter({ hasText: process.env.DATARUS_SANDBOX === "off" ? "No sandbox" : "Sandbox" }).waitFor();
  assert.match(await word.getAttribute("title"), /^Cells can/);
});

scene("Ask again takes the answer away and asks anew", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const first = await notebook.answered();
  await notebook.click("Ask again");
  const turn = first[0].metadata.datarus.turn;
  const second = await notebook.until(
    (cells) => cells.every((cell) => !cell.running && cell.metadata.datarus?.turn !== turn) && roles(cells).includes("answer"),
  );
  assert.deepEqual(roles(second), roles(first));
});

scene("the badge switches what a cell is, and a question has no colours of Python", ["print('for you')"], async (notebook) => {
  const badge = notebook.at(0).locator(".datarus-badge");
  const says = (word) => badge.filter({ hasText: word }).waitFor();
  const coloured = () => notebook.at(0).locator(".cm-content span").count();
  await says("Auto");
  assert.ok((await coloured()) > 0);
  await badge.click();
  await says("Prompt");
  assert.deepEqual(roles(await notebook.cells()), ["prompt"]);
  await notebook.page.waitForFunction(() => document.querySelectorAll(".jp-Cell .cm-content span").length === 0);
  await badge.click();
  await says("Python");
  await notebook.run(0);
  const cells = await notebook.until((cells) => cells[0].outputs.length === 1);
  assert.equal(cells[0].outputs[0].text, "for you\n");
});

scene("the choice of review is reached and made with the keyboard alone, as JupyterLab's own choices are", [""], async (notebook) => {
  const toolbar = notebook.panel().locator(".jp-NotebookPanel-toolbar");
  const review = toolbar.locator(".datarus-review select");
  await review.waitFor();
  const reached = async (choice) => {
    await toolbar.locator(".jp-ToolbarButtonComponent").first().focus();
    const isThere = () => choice.evaluate((select) => select === document.activeElement);
    for (let n = 0; n < 30 && !(await isThere()); n++) await notebook.page.keyboard.press("ArrowRight");
    return isThere();
  };
  assert.ok(await reached(toolbar.locator(".jp-Notebook-toolbarCellTypeDropdown select")));
  assert.ok(await reached(review));
  await notebook.page.keyboard.press("ArrowDown");
  assert.equal(await review.inputValue(), "guard");
});

/** Goes through the menu as a hand does. */
async function choose({ page }, menu, item) {
  await page.locator(".lm-MenuBar-itemLabel", { hasText: "Datarus" }).click();
  await page.locator(".lm-Menu-itemLabel", { hasText: menu }).hover();
  await page.locator(".lm-Menu-itemLabel", { hasText: item }).click();
}

scene("a ready question is put below the answer in use, and nothing is asked yet", ["", "x = 1"], async (notebook) => {
  await notebook.ask(0, SUM);
  const before = await notebook.answered();
  await notebook.enter(0);
  await choose(notebook, "Ask a ready question", "Statistical test");
  const after = await notebook.until((cells) => cells.length === before.length + 1);
  const [ready] = after.filter(({ source }) => source.startsWith("%%ask --preset statistical-test\n"));
  assert.deepEqual([after.indexOf(ready), after.at(-1).source], [after.length - 2, "x = 1"]);
  assert.deepEqual([ready.metadata.datarus.role, ready.outputs], ["prompt", []]);
  await notebook.command("notebook:undo-cell-action");
  await notebook.until((cells) => cells.length === before.length);
});

scene("a report is written beside the notebook as it stands, and can be opened", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  await choose(notebook, "Write a report", "As a page (HTML)");
  const told = notebook.page.locator(".Toastify__toast, .jp-toastContainer").filter({ hasText: "-report.html" });
  await told.first().waitFor();
  const file = notebook.name.replace(".ipynb", "-report.html");
  assert.match(await told.first().textContent(), new RegExp(`Wrote ${file}`));
  const page = await readFile(join(notebook.stage.root, file), "utf8");
  // The answer that was not in the file before.
  assert.match(page, /7/);
  assert.ok(page.includes(SUM));
  await told.first().getByRole("button", { name: "Open" }).click();
  await notebook.page.locator(".lm-TabBar-tabLabel", { hasText: file }).waitFor();
});

scene("a bar that is gone ticks no more, however soon it went", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const [before] = await notebook.answered();
  await notebook.page.evaluate(() => {
    const { setInterval, clearInterval } = window;
    window.ticking = new Set();
    window.setInterval = (act, pause) => {
      const timer = setInterval(act, pause);
      if (pause === 250) window.ticking.add(timer);
      window.started ||= pause === 250;
      return timer;
    };
    window.clearInterval = (timer) => {
      window.ticking.delete(timer);
      clearInterval(timer);
    };
  });
  await notebook.run(0);
  await notebook.until(([prompt]) => !prompt.running && prompt.execution_count > before.execution_count);
  await notebook.page.waitForFunction(() => window.started && window.ticking.size === 0);
});

scene("the history of a cell that was taken away holds nothing of it, and undo brings the cell back", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const cells = await notebook.answered();
  await notebook.page.evaluate(() => {
    const { sharedModel } = window.jupyterapp.shell.currentWidget.context.model;
    window.histories = sharedModel.cells.map(({ undoManager }) => undoManager);
    if (new Set(window.histories).has(sharedModel.undoManager)) throw new Error("expected each cell to have its own");
  });
  const held = () => notebook.page.evaluate(() => window.histories.map(({ scope, trackedOrigins }) => scope.length + trackedOrigins.size));
  assert.ok((await held()).every((count) => count > 0));
  await notebook.click("Undo turn");
  await notebook.until((cells) => cells.length === 1);
  const [asked, ...gone] = await held();
  assert.deepEqual([asked > 0, ...gone], [true, ...gone.map(() => 0)]);
  await notebook.command("notebook:undo-cell-action");
  const back = await notebook.until((found) => found.length === cells.length);
  assert.deepEqual(sources(back), sources(cells));
  await notebook.enter(back[2].id);
  await notebook.page.keyboard.type("#");
  await notebook.page.keyboard.press("Control+z");
  const [, , step] = await notebook.cells();
  assert.equal(step.source, cells[2].source, "it has a history of its own again");
});

scene("the ten newest answers that gave way can be brought back, older ones are let go", [""], async (notebook) => {
  const turnOf = ([prompt]) => prompt.metadata.datarus?.turn;
  const holds = (turn) => notebook.page.evaluate((turn) => {
    const { ydoc } = window.jupyterapp.shell.currentWidget.context.model.sharedModel;
    const items = [...ydoc.store.clients.values()].flat();
    return items.some(({ content }) => JSON.stringify(content?.arr ?? content?.str ?? "").includes(turn));
  }, turn);
  await notebook.ask(0, SUM);
  const first = await notebook.answered();
  const turns = [turnOf(first)];
  for (let n = 1; n <= 11; n++) {
    assert.ok(await holds(turns[0]), `expected the first answer to be kept while ${n} of 11 are asked for`);
    await notebook.click("Ask again");
    turns.push(turnOf(await notebook.until((cells) => turnOf(cells) !== turns.at(-1) && cells.at(-1).rendered && cells.every((cell) => !cell.running))));
  }
  assert.ok(!(await holds(turns[0])), "expected nothing of the first answer");
  for (const turn of turns.slice(1, -1).reverse()) {
    await notebook.command("notebook:undo-cell-action");
    const back = await notebook.until((cells) => turnOf(cells) === turn);
    assert.deepEqual(roles(back), roles(first));
  }
  const last = await notebook.cells();
  await notebook.command("notebook:undo-cell-action");
  assert.deepEqual(await notebook.cells(), last);
});

scene("cells that were taken away are told to the kernel once", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  const [{ metadata }] = await notebook.answered();
  await notebook.click("Ask again");
  await notebook.until(
    ([prompt, ...cells]) => prompt.metadata.datarus?.turn !== metadata.datarus.turn && cells.at(-1)?.rendered && cells.every((cell) => !cell.running) && !prompt.running,
  );
  assert.deepEqual(await notebook.page.evaluate(() => window.jupyterapp.shell.currentWidget.context.model.deletedCells), []);
});

scene("what a cell was is noted when it has run, and judged anew when all of it is typed anew", ["1 + 1"], async (notebook) => {
  await notebook.run(0);
  await notebook.until((cells) => cells[0].metadata.datarus?.role === "code");
  await notebook.enter(0);
  await notebook.page.keyboard.press("Control+a");
  await notebook.page.keyboard.type(SUM);
  assert.deepEqual(roles(await notebook.cells()), [undefined]);
  await notebook.page.keyboard.press("Control+Enter");
  await notebook.answered();
});

scene("an answered question that is typed anew as Python is Python, and no tool skips it", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  await notebook.enter(0);
  await notebook.page.keyboard.press("Control+a");
  await notebook.page.keyboard.type("1 + 1");
  await notebook.page.keyboard.press("Control+Enter");
  const [cell] = await notebook.until((cells) => cells[0].outputs[0]?.data?.["text/plain"] === "2" && roles(cells)[0] === "code");
  assert.deepEqual([cell.metadata.datarus, cell.metadata.tags], [{ role: "code" }, []]);
});

scene("the cursor and the place on the screen stay where a reader types, while a turn grows above", ["", "# notes"], async (notebook) => {
  await notebook.ask(0, "Answer in many steps");
  await notebook.enter("cell-2");
  await notebook.page.keyboard.type(" here");
  const place = () => notebook.page.evaluate(() => document.activeElement.closest(".jp-Cell")?.getBoundingClientRect().top);
  const tops = [];
  for (let n = 0; n < 40; n++) {
    await notebook.page.keyboard.type("a", { delay: 100 });
    tops.push(await place());
  }
  const cells = await notebook.answered();
  assert.equal(cells.at(-1).source, `# notes here${"a".repeat(40)}`);
  tops.push(await place());
  const scrolled = tops.filter((top, at) => at > 0 && Math.abs(top - tops[at - 1]) > 3);
  const total = await notebook.page.evaluate(() => document.querySelector(".jp-WindowedPanel-outer").scrollTop);
  assert.ok(total > 100, `expected a page that had to scroll, it stands at ${total}`);
  assert.ok(new Set(tops.slice(-5)).size === 1 && scrolled.length < 12, `expected a cell that stays, found ${tops}`);
});

scene("a reader who looks elsewhere is not scrolled", [...Array(30)].map((_, n) => `print(${n})`).concat(""), async (notebook) => {
  await notebook.ask(30, "Answer in many steps");
  await notebook.phaseIs(/./);
  const scroller = notebook.page.locator(".jp-WindowedPanel-outer");
  await notebook.at(3).locator(".jp-InputPrompt").click();
  await scroller.evaluate((node) => node.scrollTo(0, 120));
  await notebook.answered();
  assert.equal(await scroller.evaluate((node) => node.scrollTop), 120);
  assert.equal(await notebook.page.evaluate(() => window.jupyterapp.shell.currentWidget.content.activeCellIndex), 3);
});

scene("thoughts are folded and can be unfolded together", [""], async (notebook) => {
  await notebook.ask(0, SUM);
  await notebook.answered();
  const open = () => notebook.page.locator(".jp-MarkdownOutput details[open]").count();
  assert.equal(await open(), 0);
  await notebook.click("Unfold thoughts");
  assert.equal(await open(), 3);
  await notebook.click("Fold thoughts");
  assert.equal(await open(), 0);
});

scene("all buttons below and on a cell can be reached by Tab and pressed by keyboard", [""], async (notebook) => {
  await notebook.ask(0, "Say how slowly you think");
  await notebook.phaseIs("Thinking");
  await tabTo(notebook, "Stop");
  await notebook.page.keyboard.press("Enter");
  await notebook.until((cells) => cells[0].metadata.datarus?.status === "interrupted");
  await tabTo(notebook, "Unfold thoughts");
  await tabTo(notebook, "Undo turn");
  await notebook.page.keyboard.press("Space");
  const cells = await notebook.until((cells) => cells.length === 1);
  assert.equal(cells[0].source, "Say how slowly you think");
  await tabTo(notebook, /^Prompt/);
  await notebook.page.keyboard.press("Enter");
  assert.deepEqual(roles(await notebook.cells()), ["code"]);
});

/** Leaves the editor and goes on by Tab until what is called `name` has the focus. */
async function tabTo(notebook, name) {
  const reached = [];
  await notebook.page.keyboard.press("Escape");
  while (reached.length < 100) {
    await notebook.page.keyboard.press("Tab");
    const label = await notebook.page.evaluate(() => {
      const { activeElement: node } = document;
      return node?.getAttribute("aria-label") ?? node?.textContent ?? "";
    });
    if (typeof name === "string" ? label === name : name.test(label)) return;
    reached.push(label.slice(0, 40));
  }
  assert.fail(`expected to reach ${name}, reached ${reached.join(" | ")}`);
}

for (const theme of ["JupyterLab Light", "JupyterLab Dark"]) {
  scene(`what is shown can be read in ${theme}`, ["1", ""], async (notebook) => {
    await notebook.command("apputils:change-theme", { theme });
    await notebook.page.waitForSelector(`body[data-jp-theme-name="${theme}"]`, { state: "attached" });
    await notebook.ask(1, "Say how slowly you think");
    await notebook.phaseIs("Thinking");
    assert.deepEqual(await notebook.faint(), []);
    await notebook.click("Stop");
    await notebook.page.locator(".datarus-tools").waitFor();
    assert.deepEqual(await notebook.faint(), []);
  });
}

scene("two views of one notebook show one turn", [""], async (notebook) => {
  await notebook.command("docmanager:clone");
  await notebook.page.locator(".jp-NotebookPanel").nth(1).waitFor();
  await notebook.ask(0, SUM);
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), SUMMED);
  assert.equal(cells[4].source, "print(df['sales'].sum())");
});

/** What stands in the place of outputs. */
const SKIPPED = "Skipped: the user chose not to run this step.\n";

for (const [choice, printed, code] of [
  ["Run", "7\n", "print(df['sales'].sum())"],
  ["Skip", SKIPPED, "print(df['sales'].sum())"],
]) {
  scene(`in review a step waits for the reader: ${choice}`, [""], async (notebook) => {
    await notebook.page.locator(".datarus-review select").selectOption("all");
    await notebook.ask(0, SUM);
    await notebook.page.locator(".datarus-ask").waitFor();
    await notebook.click("Run");
    await notebook.until((cells) => cells.some((cell) => cell.source === code));
    await notebook.page.locator(".datarus-ask").waitFor();
    await notebook.click(choice);
    const cells = await notebook.answered();
    const step = cells.filter((cell) => cell.metadata.datarus?.role === "code")[1];
    assert.deepEqual([step.source, step.outputs[0]?.text], [code, printed]);
  });
}

scene("in review a step can be edited and runs as edited", [""], async (notebook) => {
  await notebook.page.locator(".datarus-review select").selectOption("all");
  await notebook.ask(0, "Show how brief it is");
  await notebook.page.locator(".datarus-ask").waitFor();
  await notebook.click("Edit");
  await notebook.page.keyboard.press("Control+a");
  await notebook.page.keyboard.type("print('mine')");
  await notebook.click("Run as edited");
  const cells = await notebook.answered();
  const [step] = cells.filter((cell) => cell.metadata.datarus?.role === "code");
  assert.deepEqual([step.source, step.outputs[0]?.text], ["print('mine')", "mine\n"]);
});

scene("with a guard only a step that could do harm waits, and it is said why", [""], async (notebook) => {
  await notebook.page.locator(".datarus-review select").selectOption("guard");
  await notebook.ask(0, "Show what is risky");
  await notebook.page.locator(".datarus-ask").waitFor();
  assert.match(await notebook.page.locator(".datarus-ask").textContent(), /os\.remove/);
  await notebook.click("Skip");
  const cells = await notebook.answered();
  assert.deepEqual(cells.filter((cell) => cell.metadata.datarus?.role === "code").map((cell) => cell.outputs[0]?.text), ["first\n", SKIPPED]);
});
