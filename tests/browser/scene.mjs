// Scenes: a notebook in a real JupyterLab, played by a reader who types, clicks and looks.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBrowser, openNotebook, startLab, TIMEOUT } from "./lab.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** The Python that has JupyterLab, and the one that runs cells; they may be the same. */
const companion = process.env.DATARUS_PYTHON ?? "python3";
const python = process.env.DATARUS_LAB_PYTHON ?? companion;
/** `lab` or `notebook`. */
const app = process.env.DATARUS_LAB_APP ?? "lab";

/** Errors of Notebook 7.6.5's own code, which it makes without our extension, too. */
const NOT_OURS = app === "notebook" ? ["TypeError: Cannot read properties of undefined (reading 'schema')"] : [];

/** The kernel with a model that follows script.json. */
const kernels = {
  datarus: {
    argv: [
      process.env.DATARUS_SCRIPTED_KERNEL ?? join(here, "../../target/debug/scripted-kernel"),
      "-f", "{connection_file}",
    ],
    display_name: "Datarus",
    language: "python",
    interrupt_mode: "message",
    env: { DATARUS_PYTHON: companion, DATARUS_SCRIPT: join(here, "script.json") },
  },
};

/** One application and one browser for a file of tests. */
export class Stage {
  static async open() {
    const stage = new Stage();
    stage.root = await mkdtemp(join(tmpdir(), "dr-page-"));
    stage.lab = await startLab({ python, root: stage.root, app, kernels });
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

  /** Plays a scene with a notebook of its own; when it fails, its picture is kept where DATARUS_PICTURES says. */
  async play(cells, play) {
    const scene = await this.scene(cells);
    try {
      await play(scene);
    } catch (error) {
      const folder = process.env.DATARUS_PICTURES;
      if (folder) await scene.page.screenshot({ path: join(folder, `${scene.name}.png`) });
      throw error;
    } finally {
      await scene.close();
    }
    const errors = scene.errors.filter((error) => !NOT_OURS.includes(error));
    assert.deepEqual(errors, [], "the browser's console stays without errors");
  }

  /** A page that tells the scene under way what its console calls an error. */
  async newPage() {
    const page = await this.browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.setDefaultTimeout(TIMEOUT);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(`${message.text()} (${message.location().url})`);
    });
    return page;
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

  /** Opens the notebook; the application is loaded once for many scenes. */
  async open() {
    const { stage } = this;
    stage.errors = this.errors;
    const isLoaded = stage.page && !stage.page.isClosed();
    this.page = isLoaded ? stage.page : (stage.page = await stage.newPage());
    if (isLoaded && app === "lab") {
      await this.command("docmanager:open", { path: this.name, factory: "Notebook" });
      await this.page.waitForFunction(isIdle, this.name);
    } else {
      await openNotebook(this.page, stage.lab, this.name);
    }
    await this.page.waitForSelector(".datarus-badge", { state: "attached" });
  }

  /** The page is closed; the kernel goes on. */
  async away() {
    await this.page.close();
  }

  /** The notebook is opened again. */
  async back() {
    await this.open();
  }

  /** Waits until the kernel is there and its page knows it. */
  async ready() {
    await this.page.waitForFunction(() => {
      const { sessionContext } = window.jupyterapp.shell.currentWidget;
      return sessionContext.session?.kernel?.status === "idle" && document.querySelector(".datarus-badge");
    });
  }

  /** The kernel's process gets SIGKILL, as from a system without memory. */
  async kill() {
    const kernel = await this.page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id);
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const [program] = line.split("\0");
      if (program.endsWith("scripted-kernel") && line.includes(kernel)) process.kill(Number(pid), "SIGKILL");
    }
  }

  /** Ends the scene and its kernel. */
  async close() {
    const { address, token } = this.stage.lab;
    const sessions = await (await fetch(`${address}/api/sessions?token=${token}`)).json();
    // Without the question whether to save.
    await this.page.evaluate(() => {
      for (const widget of [...window.jupyterapp.shell.widgets("main")]) if (widget.context) widget.dispose();
    });
    for (const { id, path } of sessions) {
      if (path !== this.name) continue;
      await fetch(`${address}/api/sessions/${id}?token=${token}`, { method: "DELETE" });
    }
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

  /** The element of a cell, by its index or its id: while cells are put in above, only the id stays right. */
  at(cell) {
    const all = this.page.locator(".jp-Notebook .jp-Cell");
    return typeof cell === "number" ? all.nth(cell) : this.page.locator(`[data-scene-cell="${cell}"]`);
  }

  /** Marks the cells of the notebook with their ids, which their elements do not show. */
  mark() {
    return this.page.evaluate(() => {
      for (const { model, node } of window.jupyterapp.shell.currentWidget.content.widgets) node.dataset.sceneCell = model.id;
    });
  }

  /** Puts the cursor at the end of a cell. */
  async enter(cell) {
    await this.mark();
    await this.at(cell).locator(".cm-content").click();
    await this.page.keyboard.press("Control+End");
  }

  /** Types into a cell and runs it; the cursor stays in it. */
  async ask(cell, text) {
    await this.enter(cell);
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Control+Enter");
  }

  /** Runs a cell from outside of it. */
  async run(cell) {
    await this.mark();
    await this.at(cell).locator(".jp-InputPrompt").click();
    await this.page.keyboard.press("Control+Enter");
  }

  /** A command of the application. */
  command(name, args = {}) {
    return this.page.evaluate(([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => undefined), [name, args]);
  }

  /** Texts of ours that have too little contrast to their ground, see WCAG 2.2, 1.4.3. */
  faint() {
    return this.page.evaluate(() => {
      const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
      const linear = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
      const ground = (node) => {
        const own = channels(getComputedStyle(node).backgroundColor);
        return own[3] === 0 && node.parentElement ? ground(node.parentElement) : own;
      };
      return [...document.querySelectorAll(".datarus-badge, .datarus-part span, .datarus-button, .datarus-review select")]
        .filter((node) => node.textContent && node.checkVisibility({ opacityProperty: true }) && !node.disabled)
        .map((node) => {
          const pair = [light(channels(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
          return [node.textContent, Math.round(((pair[0] + 0.05) / (pair[1] + 0.05)) * 10) / 10];
        })
        .filter(([, contrast]) => contrast < 4.5);
    });
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

/** In the page: whether the notebook `path` is in front and its kernel idle. */
function isIdle(path) {
  const widget = window.jupyterapp.shell.currentWidget;
  return widget?.context?.path === path && widget.sessionContext.session?.kernel?.status === "idle";
}

/** The sources of cells, for comparing. */
export const sources = (cells) => cells.map((cell) => cell.source);

/** The roles of cells. */
export const roles = (cells) => cells.map((cell) => cell.metadata.datarus?.role);
