// Takes the README's picture: a question in JupyterLab, its steps and its answer.
//
//   npm install --prefix tests/browser
//   node tests/browser/screenshot.mjs --kernel datarus --data notebooks/data/penguins.csv \
//        --ask "Which species is heaviest on average?" --out docs/jupyterlab.png
//
// --python NAME     Python with JupyterLab and ipykernel (default: $DATARUS_PYTHON)
// --jupyter-path P  where the kernelspec lies, when Jupyter does not find it by itself
// --chromium PATH   default: /usr/bin/chromium
// --height N        of the page; the width is 1400
// --ask may be given more than once: one cell each, run one after another.

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { openBrowser, openNotebook, startLab, waitUntilDone } from "./lab.mjs";

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "datarus" },
    data: { type: "string", multiple: true, default: [] },
    ask: { type: "string", multiple: true },
    out: { type: "string", default: "docs/jupyterlab.png" },
    python: { type: "string", default: process.env.DATARUS_PYTHON ?? "python3" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    "jupyter-path": { type: "string" },
    height: { type: "string", default: "1000" },
  },
});

/** A folder with the data and a notebook of one empty cell. */
async function writeFolder() {
  const root = await mkdtemp(join(tmpdir(), "dr-page-"));
  for (const file of values.data) await copyFile(file, join(root, basename(file)));
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: values.kernel, display_name: values.kernel, language: "python" } },
    cells: [
      { id: "first", cell_type: "code", metadata: {}, source: "", outputs: [], execution_count: null },
    ],
  };
  await writeFile(join(root, "question.ipynb"), JSON.stringify(notebook));
  return root;
}

/** Types each question into a cell, runs it and waits for its end. */
async function ask(page, questions) {
  await page.click(".jp-NotebookPanel .jp-Cell .cm-content");
  for (const question of questions) {
    await page.keyboard.type(question, { delay: 5 });
    await page.keyboard.press("Shift+Enter");
    await page.waitForSelector(".jp-OutputArea-output");
    await waitUntilDone(page);
  }
}

/** One document on the page, no side bar, from its top. */
async function tidy(page) {
  await page.evaluate(() => {
    const { shell } = window.jupyterapp;
    shell.mode = "single-document";
    shell.collapseLeft();
    shell.collapseRight();
    document.querySelector(".jp-NotebookPanel .jp-WindowedPanel-outer")?.scrollTo(0, 0);
  });
}

const root = await writeFolder();
const env = values["jupyter-path"] ? { JUPYTER_PATH: values["jupyter-path"] } : {};
const lab = await startLab({ python: values.python, root, env });
try {
  const { browser, page } = await openBrowser({
    executable: values.chromium,
    width: 1400,
    height: Number(values.height),
  });
  try {
    await openNotebook(page, lab, "question.ipynb");
    await ask(page, values.ask ?? []);
    await tidy(page);
    await mkdir(dirname(values.out), { recursive: true });
    await page.screenshot({ path: values.out });
  } finally {
    await browser.close();
  }
} finally {
  await lab.stop();
  await rm(root, { recursive: true, force: true });
}
