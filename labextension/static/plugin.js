// The plugin: gives each notebook its link to the kernel, and each view of it what is shown.

import { noteRun } from "./cells.js";
import { Live } from "./live.js";
import { Menu } from "./menu.js";
import { stamp } from "./roles.js";
import { View } from "./view.js";

/** @import { App, Cell, Context, Lab, MainMenu, Notebook, NotebookPanel, Tracker } from "../lab.js" */

/** @param {Omit<Lab, "app">} lab */
export function plugin(lab) {
  return {
    id: "datarus:live",
    description: "Live cells of the Datarus kernel",
    autoStart: true,
    requires: [lab.notebook.INotebookTracker],
    optional: [lab.mainmenu.IMainMenu],
    /** @param {App} app @param {Tracker} tracker @param {MainMenu | null} mainMenu */
    activate: (app, tracker, mainMenu) => {
      addStyle();
      const notebooks = new Notebooks({ ...lab, app }, tracker, mainMenu);
      tracker.widgetAdded.connect((_, panel) => notebooks.add(panel));
      tracker.forEach((panel) => notebooks.add(panel));
      addEventListener("pagehide", () => notebooks.each((live) => live.leave()));
      // A browser may keep a page that is left, and show it again as it was.
      addEventListener("pageshow", ({ persisted }) => persisted && notebooks.each((live) => live.connect()));
      const { executionScheduled, executed } = lab.notebook.NotebookActions;
      executionScheduled.connect((_, { cell }) => noteRun(cell.model, true));
      executed.connect((_, { notebook, cell, success }) => {
        noteRun(cell.model, false);
        if (success) notebooks.onExecuted(notebook, cell);
      });
    },
  };
}

/** The open notebooks. Two views of one notebook share its link to the kernel. */
class Notebooks {
  /** @type {WeakMap<Context, Live>} */
  #lives = new WeakMap();
  /** @type {Map<NotebookPanel, View>} */
  #views = new Map();

  /** @param {Lab} lab @param {Tracker} tracker @param {MainMenu | null} mainMenu */
  constructor(lab, tracker, mainMenu) {
    this.lab = lab;
    this.menu = mainMenu && new Menu(lab, mainMenu, () => {
      const panel = tracker.currentWidget;
      const live = panel && this.#lives.get(panel.context);
      return live && { live, panel };
    });
  }

  /** @param {NotebookPanel} panel */
  async add(panel) {
    await panel.context.ready;
    if (panel.isDisposed) return;
    const live = this.#liveOf(panel.context);
    live.panels.add(panel);
    panel.disposed.connect(() => {
      live.panels.delete(panel);
      this.#views.delete(panel);
    });
    this.#views.set(panel, new View(this.lab, live, panel));
  }

  /** @param {(live: Live) => void} act */
  each(act) {
    for (const live of new Set([...this.#views.values()].map((view) => view.live))) act(live);
  }

  /** @param {Context} context */
  #liveOf(context) {
    let live = this.#lives.get(context);
    if (!live) {
      const made = new Live(this.lab, context, (id) => this.#changed(made, id));
      live = made;
      this.#lives.set(context, live);
    }
    return live;
  }

  /** @param {Live} live @param {string} [cellId] */
  #changed(live, cellId) {
    if (live.presets) this.menu?.show(live.presets);
    for (const panel of live.panels) {
      const view = this.#views.get(panel);
      if (cellId === undefined) view?.refreshSoon();
      else view?.update(cellId);
    }
  }

  /** @param {Notebook} notebook @param {Cell} cell */
  onExecuted(notebook, cell) {
    const panel = [...this.#views.keys()].find((panel) => panel.content === notebook);
    const live = panel && this.#lives.get(panel.context);
    if (live?.ours) stamp(cell.model);
  }
}

function addStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./style.css", import.meta.url).href;
  document.head.append(link);
}
