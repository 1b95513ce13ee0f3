// Scenes: a notebook in a real JupyterLab, played by a reader who types, clicks and looks.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { companion, placeProduct, placeScripted, PROGRAMS } from "./kernels.mjs";
import { openBrowser, openNotebook, startLab, TIMEOUT } from "./lab.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** The Python that has JupyterLab; it may be the one that runs cells. */
const python = process.env.DATARUS_LAB_PYTHON ?? companion;
/** `lab` or `notebook`. */
const app = process.env.DATARUS_LAB_APP ?? "lab";

/** Errors that are there without our extension, too. */
const NOT_OURS = [
  // ipykernel closes the comm that ipywidgets' page opens; JupyterLab knows nothing of it in the notebook's other tabs.
  /^Comm not found for comm id/,
  // JupyterLab, of a notebook that is closed before its kernel has said all.
  /^Per comm-target subshell creation failed: Error: Canceled future/,
  // JupyterLab 4.1, of a notebook that is closed while it is still being laid out.
  /^TypeError: Cannot read properties of null \(reading '(footer|widgets|type)'\)/,
  /^Error while computing the ReactiveToolbar TypeError: Invalid value used as weak map key/,
  // Notebook 7.6.5.
  /^TypeError: Cannot read properties of undefined \(reading 'schema'\)/,
];

/** One application and one browser for a file of tests. */
export class Stage {
  /** With a kernel whose model follows the file `script`, in a browser with `flags`. */
  static async open(script = join(here, "script.json"), flags = []) {
    return Stage.start((prefix) => placeScripted(prefix, script), flags);
  }

  /** With the product as it is installed, and its own model. */
  static async openProduct() {
    return Stage.start(placeProduct);
  }

  static async start(place, flags = []) {
    const stage = new Stage();
    stage.root = await mkdtemp(join(tmpdir(), "dr-page-"));
    stage.prefix = await mkdtemp(join(tmpdir(), "dr-prefix-"));
    await place(stage.prefix);
    stage.lab = await startLab({ python, root: stage.root, prefix: stage.prefix, app });
    const executable = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const { browser } = await openBrowser({ executable, width: 1200, height: 900, flags });
    stage.browser = browser;
    return stage;
  }

  async close() {
    await this.browser?.close();
    await this.lab?.stop();
    for (const folder of [this.root, this.prefix]) await rm(folder, { recursive: true, force: true });
  }

  /** Plays a scene with a notebook of its own; when it fails, its picture is kept where DATARUS_PICTURES says. */
  play(cells, play) {
    return this.twice(() => this.once(cells, play));
  }

  /** Plays a scene that is not played again, whatever happens. */
  async once(cells, play) {
    const scene = new Scene(this, await this.write(cells));
    await this.act(scene, () => scene.open(), play);
  }

  /** Plays a scene with the notebook that the launcher makes for the kernel of our name. */
  launch(play) {
    return this.twice(async () => {
      await rm(join(this.root, "Untitled.ipynb"), { force: true });
      const scene = new Scene(this, "Untitled.ipynb");
      await this.act(scene, () => scene.launch(), play);
    });
  }

  /** A scene that fails is played once more, in a page of its own, and named: on a busy machine a browser is late. */
  async twice(attempt) {
    try {
      await attempt();
    } catch (error) {
      console.error(`unsteady, played again: ${error.stack}`);
      await this.page?.close();
      await attempt();
    }
  }

  async act(scene, open, play) {
    this.errors = scene.errors;
    try {
      await open();
      await play(scene);
    } catch (error) {
      const folder = process.env.DATARUS_PICTURES;
      if (folder) await scene.page?.screenshot({ path: join(folder, `${scene.name}.png`) });
      // What fails when it is closed, too, is not what went wrong.
      await scene.close().catch(() => {});
      throw error;
    }
    await scene.close();
    const errors = scene.errors.filter((error) => !NOT_OURS.some((known) => known.test(error)));
    assert.deepEqual(errors, [], "the browser's console stays without errors");
  }

  /** A page that tells the scene under way what its console calls an error. */
  async newPage() {
    const page = await this.browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.setDefaultTimeout(TIMEOUT);
    page.on("pageerror", (error) => this.errors.push(error.stack || `${error.name}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(`${message.text()} (${message.location().url})`);
    });
    return page;
  }

  /** Writes a notebook whose code cells are `sources`, for a kernel; returns its name. */
  async write(sources, kernel = "datarus") {
    const name = `scene-${(this.count = (this.count ?? 0) + 1)}.ipynb`;
    const cells = sources.map((source, at) => ({
      id: `cell-${at + 1}`, cell_type: "code", metadata: {}, source, outputs: [], execution_count: null,
    }));
    const kernelspec = { name: kernel, display_name: kernel, language: "python" };
    const notebook = { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells };
    await writeFile(join(this.root, name), JSON.stringify(notebook));
    return name;
  }
}

/** A notebook on a page. */
export class Scene {
  /** What was opened besides, and ends with the scene. @type {Scene[]} */
  others = [];

  /** @param {string[]} errors what the browser's console called an error */
  constructor(stage, name, errors = []) {
    this.stage = stage;
    this.name = name;
    this.errors = errors;
  }

  /** Opens the notebook; the application is loaded once for many scenes. */
  async open() {
    const { stage } = this;
    const isLoaded = stage.page && !stage.page.isClosed();
    this.page ??= isLoaded ? stage.page : (stage.page = await stage.newPage());
    if (isLoaded && app === "lab") await this.front();
    else await openNotebook(this.page, stage.lab, this.name);
    await this.known();
  }

  /** Makes the notebook in the launcher, as somebody does who sees it for the first time. */
  async launch() {
    const { lab } = this.stage;
    this.page = this.stage.page = await this.stage.newPage();
    await this.page.goto(`${lab.address}/lab?token=${lab.token}&reset`);
    await this.page.locator('.jp-LauncherCard[data-category="Notebook"]', { hasText: "Datarus" }).click();
    await this.known();
  }

  /** The notebook comes to the front. */
  async front() {
    if (app === "lab") await this.command("docmanager:open", { path: this.name, factory: "Notebook" });
  }

  /** Waits until the page knows the kernel, which may be busy. */
  async known() {
    await this.page.waitForFunction(isKnown, this.name);
  }

  /** The same notebook in another tab of the browser. */
  async tab() {
    const tab = new Scene(this.stage, this.name, this.errors);
    this.others.push(tab);
    tab.page = await this.stage.newPage();
    await openNotebook(tab.page, this.stage.lab, this.name);
    await tab.known();
    return tab;
  }

  /** Another notebook, in front of this one in the same window where the application has such windows. */
  async beside(sources) {
    const other = new Scene(this.stage, await this.stage.write(sources), this.errors);
    this.others.push(other);
    if (app !== "lab") other.page = await this.stage.newPage();
    await other.open();
    return other;
  }

  /** The page is closed; the kernel goes on. */
  async away() {
    // What a page says while a busy machine tears it down may get lost.
    await this.page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
    await this.page.close();
    this.page = undefined;
  }

  /** The page is closed, and what it says then gets lost. */
  async mute() {
    await this.page.evaluate(() => (WebSocket.prototype.send = () => {}));
    await this.page.close();
    this.page = undefined;
  }

  /** The notebook is opened again. */
  async back() {
    await this.open();
  }

  /** The page is loaded again; what it then restores by itself is not for other scenes. */
  async reload() {
    if (this.page === this.stage.page) this.stage.page = undefined;
    await this.page.reload();
    await this.known();
  }

  /** Waits until the kernel is there and its page knows it. */
  async ready() {
    await this.page.waitForFunction(() => {
      const { sessionContext } = window.jupyterapp.shell.currentWidget;
      return sessionContext.session?.kernel?.status === "idle" && document.querySelector(".datarus-badge") !== null;
    });
  }

  /** The kernel's process. */
  async pid() {
    const kernel = await this.page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id);
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const [program] = line.split("\0");
      if (PROGRAMS.includes(basename(program)) && line.includes(kernel)) return Number(pid);
    }
    throw new Error(`expected a process of the kernel ${kernel}`);
  }

  /** The kernel's process gets SIGKILL, as from a system without memory. */
  async kill() {
    process.kill(await this.pid(), "SIGKILL");
  }

  /** Ends the scene and its kernel. */
  async close() {
    for (const other of this.others) await other.close();
    const { address, token } = this.stage.lab;
    const sessions = await (await fetch(`${address}/api/sessions?token=${token}`)).json();
    if (this.page && this.page !== this.stage.page) await this.page.close();
    // Without the question whether to save.
    if (this.stage.page?.isClosed() === false) await this.stage.page.evaluate((path) => {
      for (const widget of [...window.jupyterapp.shell.widgets("main")]) if (widget.context?.path === path) widget.dispose();
    }, this.name);
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
    const one = typeof cell === "number" ? ".jp-Cell" : `[data-scene-cell="${cell}"]`;
    return this.panel().locator(one).nth(typeof cell === "number" ? cell : 0);
  }

  /** The notebook's element: those behind it are hidden. */
  panel() {
    return this.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)");
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

  /** Selects the cells from index `first` to index `last`. */
  async select(first, last = first) {
    await this.page.evaluate(([first, last]) => {
      const { content } = window.jupyterapp.shell.currentWidget;
      content.mode = "command";
      content.deselectAll();
      content.activeCellIndex = first;
      content.extendContiguousSelectionTo(last);
    }, [first, last]);
  }

  /** Begins a command of the application that asks before it ends. */
  start(name) {
    return this.page.evaluate((name) => void window.jupyterapp.commands.execute(name), name);
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
    await this.panel().locator(".datarus-bar .datarus-phase", { hasText: phase }).waitFor();
  }

  /** What the notebook's file holds. */
  async file() {
    return JSON.parse(await readFile(join(this.stage.root, this.name), "utf8"));
  }

  /** Waits until the notebook's file is as `wanted` says, which somebody else saves. */
  async fileIs(wanted) {
    const end = Date.now() + TIMEOUT;
    // It may be half written.
    while (!wanted(await this.file().catch(() => ({ cells: [] })))) {
      assert.ok(Date.now() < end, `expected a file as ${wanted} says`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  save() {
    return this.page.evaluate(() => window.jupyterapp.shell.currentWidget.context.save());
  }
}

/** In the page: whether the notebook `path` is in front, and shown as one of ours. */
function isKnown(path) {
  const widget = window.jupyterapp?.shell.currentWidget;
  return widget?.context?.path === path && widget.node.querySelector(".datarus-badge") !== null;
}

/** The sources of cells, for comparing. */
export const sources = (cells) => cells.map((cell) => cell.source);

/** The roles of cells. */
export const roles = (cells) => cells.map((cell) => cell.metadata.datarus?.role);
