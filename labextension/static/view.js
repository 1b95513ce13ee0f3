// What a reader sees of Datarus in one view of a notebook: a badge on each code cell, and below a cell its bar,
// its question or its tools.

import { Anchor } from "./anchor.js";
import * as cells from "./cells.js";
import { keepStyles, markChangedCells, trimSelectionsAlone } from "./ease.js";
import { isEdited, isOwnStep } from "./facts.js";
import { ask, badge, bar, question, step, tools } from "./parts.js";
import { colour, follow, isStep, roleOf, setRole } from "./roles.js";
import { text } from "./strings.js";

/** @import { Cell, CellModel, Json, Lab, NotebookModel, NotebookPanel } from "../lab.js" */
/** @import { Live } from "./live.js" */
/** @import { Part } from "./parts.js" */

/**
 * The turns whose cells stand, and those whose questions do.
 * @typedef {{ made: Set<string>, asked: Set<string> }} Turns
 */

/**
 * What is attached to one cell. Its id is kept: to ask for it a thousand times takes a tenth of a frame.
 * @typedef {{ id: string, badge?: HTMLElement, face?: string, key: string, part?: Part }} Attached
 */

export class View {
  /** @type {WeakMap<Cell, Attached>} */
  #attached = new WeakMap();
  /** Cells that were seen before; of code cells, their models. @type {WeakSet<object>} */
  #followed = new WeakSet();
  /** What is renewed before the next frame: some cells, or all. @type {Set<string>} */
  #cellsDue = new Set();
  #allDue = false;
  /** @type {Turns} */
  #turns = { made: new Set(), asked: new Set() };
  #areTurnsDue = false;
  #isAwaited = false;
  /** @type {boolean | undefined} */
  #isReviewShown;
  /** What the toolbar says of the sandbox. @type {Json | undefined} */
  #sandboxShown;

  /** @param {Lab} lab @param {Live} live @param {NotebookPanel} panel */
  constructor(lab, live, panel) {
    this.live = live;
    this.panel = panel;
    this.review = reviewChoice(lab, live);
    panel.toolbar.addItem("datarus-review", this.review);
    new Anchor(panel.content, () => live.turns.size > 0);
    trimSelectionsAlone(panel.content, () => live.ours);
    markChangedCells(panel.content, () => live.ours);
    live.model.cells.changed.connect((_, { newValues }) => this.#onCells(newValues));
    this.refreshSoon();
  }

  /** Renews all cells before the next frame. */
  refreshSoon() {
    this.#allDue = this.#areTurnsDue = true;
    this.#renewSoon();
  }

  /** Cells came or went: those that came are renewed, and the others if a turn came or went. @param {CellModel[]} came */
  #onCells(came) {
    for (const { id } of came) this.#cellsDue.add(id);
    this.#areTurnsDue = true;
    this.#renewSoon();
  }

  /** Renews one cell before the next frame. @param {string} id */
  update(id) {
    this.#cellsDue.add(id);
    this.#renewSoon();
  }

  #renewSoon() {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    requestAnimationFrame(() => {
      this.#isAwaited = false;
      // A cell that another view shows, too, outlives this one.
      if (!this.panel.isDisposed) this.#refresh();
    });
  }

  #refresh() {
    if (this.live.ours) keepStyles(document);
    this.#showReview();
    const shown = /** @type {HTMLSelectElement} */ (this.review.node.firstElementChild);
    shown.value = this.live.review;
    this.#showSandbox();
    this.#renewTurns();
    for (const cell of this.#dueCells()) this.#renew(cell);
  }

  /** The cells to renew now. @returns {readonly Cell[]} */
  #dueCells() {
    const [all, due] = [this.#allDue, this.#cellsDue];
    this.#allDue = false;
    this.#cellsDue = new Set();
    const { widgets } = this.panel.content;
    return all ? widgets : [...due].flatMap((id) => widgets[cells.indexOf(this.live.model, id)] ?? []);
  }

  #showReview() {
    if (this.#isReviewShown === this.live.ours) return;
    this.#isReviewShown = this.live.ours;
    this.review.setHidden(!this.live.ours);
    // The arrows of JupyterLab 4.1 lead to what could be seen when it came into the toolbar.
    const { node } = this.review;
    node.parentElement?.insertBefore(node, node.nextSibling);
  }

  /** JupyterLab looks through all of a toolbar whenever something is written to it, and lays the page out for that. */
  #showSandbox() {
    const { sandbox } = this.live;
    if (sandbox === this.#sandboxShown) return;
    this.#sandboxShown = sandbox;
    describeSandbox(/** @type {HTMLElement} */ (this.review.node.lastElementChild), sandbox);
  }

  /** What is shown on any cell may hang on the turns there are. */
  #renewTurns() {
    if (!this.#areTurnsDue) return;
    this.#areTurnsDue = false;
    const turns = turnsOf(this.live.model);
    if (!areEqual(turns.made, this.#turns.made) || !areEqual(turns.asked, this.#turns.asked)) this.#allDue = true;
    this.#turns = turns;
  }

  /** @param {Cell} cell */
  #renew(cell) {
    const isCode = cell.model.type === "code";
    if (!isCode) this.#renderOnce(cell);
    else if (!this.#followed.has(cell.model) && this.live.ours) {
      this.#followed.add(cell.model);
      follow(cell.model);
      cell.model.metadataChanged.connect(() => {
        colour(cell.model);
        this.#areTurnsDue = true;
        this.update(cell.model.id);
      });
    }
    const attached = this.#attached.get(cell) ?? { id: cell.model.id, key: "" };
    this.#attached.set(cell, attached);
    if (isCode) this.#renewBadge(cell, attached);
    this.#renewPart(cell, attached);
  }

  /** A text that another tab's turn has made, or that came back, is read and not edited. @param {Cell} cell */
  #renderOnce(cell) {
    const turn = cells.madeBy(cell.model);
    if (this.#followed.has(cell)) return;
    this.#followed.add(cell);
    if (turn !== undefined && !this.live.turns.has(turn) && cell.model.type === "markdown") cell.rendered = true;
  }

  /** @param {Cell} cell @param {Attached} attached */
  #renewBadge(cell, attached) {
    if (!this.live.ours) {
      attached.badge?.remove();
      attached.badge = attached.face = undefined;
      return;
    }
    if (!attached.badge) {
      attached.badge = badge(() => {
        setRole(cell.model, roleOf(cell.model) === "prompt" ? "code" : "prompt");
        colour(cell.model);
      });
      cell.node.append(attached.badge);
    }
    const { face, describe } = faceOf(cell);
    // What is written to a page is laid out again, also where it is the same.
    if (face !== attached.face) describe(attached.badge);
    attached.face = face;
  }

  /** @param {Cell} cell @param {Attached} attached */
  #renewPart(cell, attached) {
    const { key, make } = this.#partOf(cell, attached.id);
    if (key !== attached.key) {
      const old = attached.part?.node;
      const hadFocus = old?.contains(document.activeElement);
      old?.remove();
      attached.key = key;
      attached.part = make?.();
      if (attached.part) cell.node.append(attached.part.node);
      if (hadFocus) this.panel.content.node.focus({ preventScroll: true });
    }
    attached.part?.update?.();
  }

  /**
   * What belongs below a cell; the key tells one thing from another.
   * @param {Cell} cell
   * @param {string} id
   * @returns {{ key: string, make?: () => Part }}
   */
  #partOf(cell, id) {
    const { live } = this;
    const { made, asked } = this.#turns;
    if (!live.ours) return { key: "" };
    const put = live.questions.get(id);
    if (put) return { key: `question ${put.turn}`, make: () => question(put, (answer) => live.answer(id, answer)) };
    // What else there is belongs to code.
    if (cell.model.type !== "code") return { key: "" };
    const waiting = live.asks.get(id);
    if (waiting) {
      return { key: `ask ${waiting.turn}`, make: () => ask(waiting, cell, (choice, source) => live.choose(id, choice, source)) };
    }
    const running = [...live.turns.values()].find((turn) => turn.prompt === id);
    if (running) return { key: `bar ${running.turn}`, make: () => bar(running, () => live.stop(running.turn)) };
    const facts = cells.factsOf(cell.model);
    if (facts?.role === "prompt" && made.has(facts.turn)) {
      return { key: `tools ${facts.turn}`, make: () => this.#tools(facts) };
    }
    if (isOwnStep(id, facts) && asked.has(facts?.turn) && !live.turns.has(facts?.turn)) {
      const edited = (/** @type {string} */ source) => isEdited(source, cells.factsOf(cell.model));
      return { key: `step ${facts?.turn}`, make: () => step(cell, edited, () => live.goOn(id)) };
    }
    return { key: "" };
  }

  /** @param {Json} facts of the prompt */
  #tools({ turn }) {
    return tools({
      undo: () => this.live.undo(turn),
      again: () => this.live.again(turn),
      fold: (open) => this.#fold(turn, open),
      foldFailed: this.#failedSteps(turn).length > 0 ? (open) => this.#foldFailed(turn, open) : undefined,
    });
  }

  /** Opens or closes the thoughts of a turn. @param {string} turn @param {boolean} open */
  #fold(turn, open) {
    for (const { model, node } of this.panel.content.widgets) {
      const facts = cells.factsOf(model);
      if (facts?.turn !== turn || facts?.role !== "thought") continue;
      for (const details of node.querySelectorAll("details")) details.open = open;
    }
  }

  /** Opens or closes the failed steps of a turn, as the bars beside them do. @param {string} turn @param {boolean} open */
  #foldFailed(turn, open) {
    for (const cell of this.#failedSteps(turn)) cell.inputHidden = cell.outputHidden = !open;
  }

  /** @param {string} turn */
  #failedSteps(turn) {
    return this.panel.content.widgets.filter(({ model }) => cells.madeBy(model) === turn && cells.hasFailed(model));
  }
}

/** @param {NotebookModel} model @returns {Turns} */
function turnsOf(model) {
  const turns = { made: new Set(), asked: new Set() };
  for (const cell of model.cells) {
    const facts = cells.factsOf(cell);
    if (facts?.role === undefined || facts.turn === undefined) continue;
    (facts.role === "prompt" ? turns.asked : turns.made).add(facts.turn);
  }
  return turns;
}

/** @param {Set<string>} one @param {Set<string>} other */
function areEqual(one, other) {
  return one.size === other.size && [...one].every((turn) => other.has(turn));
}

/**
 * What a cell's badge shows: a key that tells one face from another, and how it is made.
 * @param {Cell} cell
 * @returns {{ face: string, describe: (node: HTMLElement) => void }}
 */
function faceOf({ model }) {
  if (isStep(model)) {
    const failed = cells.hasFailed(model);
    const step = String(cells.factsOf(model)?.step ?? "");
    return { face: `step ${step} ${failed}`, describe: (node) => describeStep(node, step, failed) };
  }
  const role = roleOf(model);
  const face = role === "prompt" ? "prompt" : role === "code" ? "python" : "auto";
  return { face, describe: (node) => describeRole(node, face) };
}

/** @param {HTMLElement} node @param {string} step @param {boolean} failed */
function describeStep(node, step, failed) {
  node.textContent = text(failed ? "failedStep" : "step", { step });
  node.className = `datarus-badge datarus-mod-step${failed ? " datarus-mod-failed" : ""}`;
  node.toggleAttribute("disabled", true);
  node.title = "";
  node.removeAttribute("aria-label");
}

/** @param {HTMLElement} node @param {"prompt" | "python" | "auto"} face */
function describeRole(node, face) {
  node.textContent = text(face);
  node.className = `datarus-badge datarus-mod-${face}`;
  node.title = text(`${face}Title`);
  node.setAttribute("aria-label", `${text(face)}. ${text(`${face}Title`)}`);
  node.toggleAttribute("disabled", false);
}

/** What holds Python, in a word. @param {HTMLElement} node @param {Json | undefined} sandbox */
function describeSandbox(node, sandbox) {
  const tier = sandbox?.tier;
  const word = tier === "none" ? "noSandbox" : tier === "elsewhere" ? "elsewhere" : "sandbox";
  node.textContent = sandbox ? text(word) : "";
  node.className = `datarus-sandbox${word === "sandbox" ? "" : " datarus-mod-open"}`;
  node.title = sandbox ? text(`${word}Title`, sandbox) : "";
}

/** The notebook's choice of review, for its toolbar, and beside it what holds Python. @param {Lab} lab @param {Live} live */
function reviewChoice(lab, live) {
  const node = document.createElement("div");
  node.dataset.lmSuppressShortcuts = "true";
  const select = document.createElement("select");
  select.title = text("reviewTitle");
  select.setAttribute("aria-label", text("review"));
  for (const [value, key] of /** @type {const} */ ([["off", "reviewOff"], ["guard", "reviewGuard"], ["all", "reviewAll"]])) {
    select.append(new Option(text(key), value));
  }
  select.addEventListener("change", () => (live.review = select.value));
  node.append(select, document.createElement("span"));
  const widget = new lab.widgets.Widget({ node });
  widget.addClass("datarus-review");
  return widget;
}
