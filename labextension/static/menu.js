// The menu *Datarus* of the window: ready questions, and reports that people share. It comes with the first notebook
// whose kernel is ours, and acts on the notebook in front.

import { factsOf } from "./cells.js";
import { text } from "./strings.js";

/** @import { Json, Lab, MainMenu, NotebookPanel } from "../lab.js" */
/** @import { Live } from "./live.js" */

/** What a report can be, in the order of the menu. */
const FORMATS = /** @type {const} */ ([
  ["html", "reportHtml"],
  ["pdf", "reportPdf"],
  ["docx", "reportDocx"],
  ["md", "reportMd"],
  ["ipynb", "reportIpynb"],
]);

const [ASK, REPORT] = ["datarus:ask", "datarus:report"];

/** Right of Lab's *Kernel*. */
const RANK = 55;

/** The notebook in front. @typedef {{ live: Live, panel: NotebookPanel }} Front */

export class Menu {
  #isShown = false;

  /** @param {Lab} lab @param {MainMenu} mainMenu @param {() => Front | null | undefined} front */
  constructor(lab, mainMenu, front) {
    this.lab = lab;
    this.mainMenu = mainMenu;
    this.front = front;
  }

  /** @param {Json[]} presets that the kernel offers */
  show(presets) {
    if (this.#isShown) return;
    this.#isShown = true;
    this.#command(ASK, ({ live, panel }, args) => ask(live, panel, args));
    this.#command(REPORT, ({ live }, { to }) => live.report(to));
    const questions = presets.map(({ name, title, question }) => ({ label: inWords(name), title, name, question }));
    const reports = FORMATS.map(([to, key]) => ({ label: text(key), to }));
    const menu = this.#menu(text("menu"));
    menu.addItem({ type: "submenu", submenu: this.#menu(text("menuQuestions"), ASK, questions) });
    menu.addItem({ type: "submenu", submenu: this.#menu(text("menuReports"), REPORT, reports) });
    this.mainMenu.addMenu(menu, true, { rank: RANK });
  }

  /** @param {string} id @param {(front: Front, args: Json) => void} act */
  #command(id, act) {
    this.lab.app.commands.addCommand(id, {
      label: ({ label }) => label ?? "",
      caption: ({ title }) => title ?? "",
      isEnabled: () => this.front()?.live.presets !== undefined,
      execute: (args) => {
        const front = this.front();
        if (front?.live.presets) act(front, args);
      },
    });
  }

  /** @param {string} label @param {string} [command] @param {Json[]} [items] the command's arguments */
  #menu(label, command = "", items = []) {
    const menu = new this.lab.widgets.Menu({ commands: this.lab.app.commands });
    menu.title.label = label;
    for (const args of items) menu.addItem({ command, args });
    return menu;
  }
}

/** Puts a ready question below the cell in use, to be changed or run. @param {Live} live @param {NotebookPanel} panel @param {Json} preset */
function ask({ model }, { content }, { name, question }) {
  const index = placeBelow(model, content.activeCellIndex);
  const source = `%%ask --preset ${name}\n${question}`;
  const cell = { cell_type: "code", source, metadata: { datarus: { role: "prompt" } }, outputs: [], execution_count: null };
  model.sharedModel.insertCell(index, cell);
  content.activeCellIndex = index;
  content.mode = "edit";
}

/**
 * The index below the cell at `index`, and below the turn that it belongs to: an answer stays with its question.
 * @param {import("../lab.js").NotebookModel} model
 * @param {number} index
 */
export function placeBelow(model, index) {
  const { cells } = model;
  const turn = index >= 0 && index < cells.length ? factsOf(cells.get(index))?.turn : undefined;
  let last = Math.min(index, cells.length - 1);
  for (let at = last + 1; turn && at < cells.length; at++) {
    if (factsOf(cells.get(at))?.turn === turn) last = at;
  }
  return last + 1;
}

/** @param {string} name */
function inWords(name) {
  const words = name.replaceAll("-", " ").replace("sql", "SQL");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
