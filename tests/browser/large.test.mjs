// A notebook of many cells: what happens in one of them is no work for the others.

import assert from "node:assert/strict";
import { SUM, scenes } from "./scenes.mjs";

const scene = scenes();

const many = (count) => [...Array(count).keys()].map((n) => `value_${n} = ${n}`);

/** Notes from now on which cells of the notebook CodeMirror is told something. */
const watchEditors = (notebook) =>
  notebook.page.evaluate(() => {
    window.told = new Set();
    for (const cell of window.jupyterapp.shell.currentWidget.content.widgets) {
      const view = cell.editor?.editor;
      if (!view) continue;
      const { dispatch } = view;
      view.dispatch = (...specs) => {
        window.told.add(cell.model.id);
        return dispatch.apply(view, specs);
      };
    }
  });

/** Waits until JupyterLab has made all cells. */
const made = (notebook) =>
  notebook.page.waitForFunction(() => window.jupyterapp.shell.currentWidget.content.widgets.every(({ editor }) => editor));

scene("another cell becomes active: only one that shows a selection is told to let it go", many(20), async (notebook) => {
  await made(notebook);
  await notebook.select(2);
  await notebook.page.evaluate(() => {
    const [, , , , , cell] = window.jupyterapp.shell.currentWidget.content.widgets;
    cell.editor.setSelection({ start: { line: 0, column: 0 }, end: { line: 0, column: 5 } });
  });
  await watchEditors(notebook);
  await notebook.command("notebook:move-cursor-down");
  const [told, left] = await notebook.page.evaluate(() => {
    const { widgets } = window.jupyterapp.shell.currentWidget.content;
    return [[...window.told], widgets[5].editor.getSelection()];
  });
  assert.deepEqual(told.filter((id) => !["cell-3", "cell-4", "cell-6"].includes(id)), []);
  assert.ok(!told.includes("cell-6") || left.start.column === left.end.column, `expected no selection, found ${JSON.stringify(left)}`);
});

scene("another cell becomes active: only those whose marks change are written to", many(20), async (notebook) => {
  await made(notebook);
  await notebook.select(2);
  await notebook.mark();
  await notebook.page.evaluate(async () => {
    await new Promise(requestAnimationFrame);
    window.written = new Set();
    const observer = new MutationObserver((changes) => changes.forEach(({ target }) => window.written.add(target.dataset.sceneCell)));
    for (const { node } of window.jupyterapp.shell.currentWidget.content.widgets) {
      observer.observe(node, { attributes: true, attributeFilter: ["class", "tabindex"] });
    }
  });
  await notebook.command("notebook:move-cursor-down");
  await notebook.command("notebook:extend-marked-cells-below");
  const isMarked = (mark) => `.jp-Cell.${mark}`;
  await notebook.panel().locator(isMarked("jp-mod-multiSelected")).waitFor();
  const marked = (mark) => notebook.panel().locator(isMarked(mark)).evaluateAll((nodes) => nodes.map((node) => node.dataset.sceneCell));
  assert.deepEqual([await marked("jp-mod-active"), await marked("jp-mod-selected")], [["cell-5"], ["cell-4", "cell-5"]]);
  const written = await notebook.page.evaluate(() => [...window.written]);
  assert.deepEqual(written.sort(), ["cell-3", "cell-4", "cell-5"]);
});

scene("the styles of editors are written once, however many cells come in", many(3).concat(""), async (notebook) => {
  await made(notebook);
  await notebook.page.evaluate(() => {
    // CodeMirror keeps its element in a symbol of the document.
    const [tag] = Object.getOwnPropertySymbols(document).flatMap((key) => document[key]?.styleTag ?? []);
    window.written = 0;
    new MutationObserver((changes) => (window.written += changes.length)).observe(tag, { childList: true, characterData: true });
  });
  await notebook.ask(3, SUM);
  await notebook.answered();
  await notebook.command("notebook:insert-cell-below");
  assert.equal(await notebook.page.evaluate(() => window.written), 0);
});

scene("while a turn writes, nothing is written to the notebook's toolbar", [""], async (notebook) => {
  await notebook.ask(0, "Say how slowly you think");
  await notebook.phaseIs("Thinking");
  await notebook.page.evaluate(() => {
    window.written = [];
    const toolbar = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .datarus-review");
    const note = (changes) => window.written.push(...changes.map(({ target }) => target.outerHTML ?? target.textContent));
    new MutationObserver(note).observe(toolbar, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await notebook.phaseIs("Writing");
  assert.deepEqual(await notebook.page.evaluate(() => window.written), []);
});

scene("while a turn writes, nothing is asked of cells that are not its own", many(60).concat(""), async (notebook) => {
  await made(notebook);
  await notebook.page.evaluate(() => {
    const [first] = window.jupyterapp.shell.currentWidget.content.widgets;
    const { getMetadata } = first.model;
    window.asked = 0;
    first.model.getMetadata = (key) => {
      if (key === "datarus") window.asked += 1;
      return getMetadata.call(first.model, key);
    };
  });
  await notebook.ask(60, "Say how slowly you think");
  await notebook.phaseIs("Thinking");
  const asked = await notebook.page.evaluate(() => window.asked);
  await notebook.phaseIs("Writing");
  await notebook.phaseIs("Answering");
  const more = (await notebook.page.evaluate(() => window.asked)) - asked;
  // Once for each cell that comes in: a turn may have come with it.
  assert.ok(more <= 12, `expected to be asked a few times, was asked ${more} times`);
});
