// Scenes: a notebook in a real JupyterLab, played by a reader who types, clicks and looks.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBrowser, openNotebook, startLab, TIMEOUT } from "./lab.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const python = process.env.DATARUS_BROWSER_PYTHON ?? process.env.DATARUS_PYTHON ?? "python3";
const kernels = {
  datarus: {
    argv: [python, join(here, "stand_in_kernel.py"), "-f", "{connection_file}"],
    display_name: "Datarus",
    language: "python",
    interrupt_mode: "message",
  },
};

/** One application and one browser for a file of tests. */
export class Stage {
  static async open({ app = "lab", env = {} } = {}) {
    const stage = new Stage();
    stage.root = await mkdtemp(join(tmpdir(), "dr-page-"));
    stage.lab = await startLab({ python, root: stage.root, app, kernels, env });
    const executable = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const { browser } = await openBrowser({ executable, width: 1200, height: 900 });
    stage.browser = browser;
    return stage;
  }

  async close() {
    await this.browser?.close();
    await this.lab?.stop();
    await rm(this.root, { recursive: true, force: true });
  }

  /** Opens a new notebook whose code cells are `sources`. */
  async scene(sources = [""]) {
    const name = `scene-${(this.count = (this.count ?? 0) + 1)}.ipynb`;
    const cells = sources.map((source, at) => ({
      id: `cell-${at + 1}`, cell_type: "code", metadata: {}, source, outputs: [], execution_count: null,
    }));
    const kernelspec = { name: "datarus", display_name: "Datarus", language: "python" };
    const notebook = { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells };
    await writeFile(join(this.root, name), JSON.stringify(notebook));
    const scene = new Scene(this, name);
    await scene.open();
    return scene;
  }
}

/** A notebook on a page. */
export class Scene {
  /** What the browser's console called an error. */
  errors = [];

  constructor(stage, name) {
    this.stage = stage;
    this.name = name;
  }

  async open() {
    this.page = await this.stage.browser.newPage({ viewport: { width: 1200, height: 900 } });
    this.page.setDefaultTimeout(TIMEOUT);
    this.page.on("pageerror", (error) => this.errors.push(String(error)));
    this.page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(`${message.text()} (${message.location().url})`);
    });
    await openNotebook(this.page, this.stage.lab, this.name);
    await this.page.waitForSelector(".datarus-badge", { state: "attached" });
  }

  /** Loads the page again, as a reader does who closed it. */
  async reload() {
    await openNotebook(this.page, this.stage.lab, this.name);
  }

  /** Ends the scene; the console must have stayed without errors. */
  async close() {
    const { address, token } = this.stage.lab;
    const sessions = await (await fetch(`${address}/api/sessions?token=${token}`)).json();
    await this.page.close();
    for (const { id, path } of sessions) {
      if (path !== this.name) continue;
      await fetch(`${address}/api/sessions/${id}?token=${token}`, { method: "DELETE" });
    }
    assert.deepEqual(this.errors, []);
  }

  /** The cells as they would be saved, with what the page alone knows: whether they run. */
  cells() {
    return this.page.evaluate(() => {
      const { content } = window.jupyterapp.shell.currentWidget;
      return content.widgets.map((widget) => ({
        ...widget.model.toJSON(),
        running: widget.node.querySelector(".jp-InputPrompt")?.textContent.includes("*") ?? false,
        rendered: widget.rendered,
      }));
    });
  }

  /** Waits until the cells are as `wanted` says; it must be a function of them alone. */
  async until(wanted, what = String(wanted)) {
    const end = Date.now() + TIMEOUT;
    let cells;
    while (Date.now() < end) {
      cells = await this.cells();
      if (wanted(cells)) return cells;
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
    throw new Error(`expected ${what}, found ${JSON.stringify(cells, undefined, 1)}`);
  }

  /** Waits until turn number `count` has its answer and nothing runs. */
  answered(count = 1) {
    return this.until(
      (cells) =>
        cells.filter((cell) => cell.metadata.datarus?.role === "answer" && cell.rendered).length >= count &&
        cells.every((cell) => !cell.running),
      `${count} answers`,
    );
  }

  cell(id) {
    return this.page.locator(`.jp-Cell[data-datarus-id="${id}"]`);
  }

  /** The element of the cell at `index`. */
  at(index) {
    return this.page.locator(".jp-Notebook .jp-Cell").nth(index);
  }

  /** Puts the cursor at the end of the cell at `index`. */
  async enter(index) {
    await this.at(index).locator(".cm-content").click();
    await this.page.keyboard.press("Control+End");
  }

  /** Types into the cell at `index` and runs it; the cursor stays in it. */
  async ask(index, text) {
    await this.enter(index);
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Control+Enter");
  }

  /** Clicks a button by its name. */
  async click(name) {
    await this.page.getByRole("button", { name, exact: true }).first().click();
  }

  /** The phase that a bar shows; undefined without one. */
  phase() {
    return this.page.evaluate(() => document.querySelector(".datarus-bar .datarus-phase")?.textContent);
  }

  /** Waits until a bar says `phase`. */
  async phaseIs(phase) {
    await this.page.locator(".datarus-bar .datarus-phase", { hasText: phase }).waitFor();
  }

  /** What the notebook's file holds. */
  async file() {
    return JSON.parse(await readFile(join(this.stage.root, this.name), "utf8"));
  }

  save() {
    return this.page.evaluate(() => window.jupyterapp.shell.currentWidget.context.save());
  }
}

/** The sources of cells, for comparing. */
export const sources = (cells) => cells.map((cell) => cell.source);

/** The roles of cells. */
export const roles = (cells) => cells.map((cell) => cell.metadata.datarus?.role);
