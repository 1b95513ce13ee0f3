// What a reader sees of Datarus in one view of a notebook: a badge on each code cell, and below a cell its bar,
// its question or its tools.

import { Anchor } from "./anchor.js";
import * as cells from "./cells.js";
import { isEdited, isOwnStep } from "./facts.js";
import { ask, badge, bar, step, tools } from "./parts.js";
import { colour, follow, isStep, roleOf, setRole } from "./roles.js";
import { text } from "./strings.js";

/** @import { Cell, Json, Lab, NotebookPanel } from "../lab.js" */
/** @import { Live } from "./live.js" */
/** @import { Part } from "./parts.js" */

/**
 * The turns whose cells stand, and those whose questions do.
 * @typedef {{ made: Set<string>, asked: Set<string> }} Turns
 */

/**
 * What is attached to one cell.
 * @typedef {{ badge?: HTMLElement, face?: string, key: string, part?: Part }} Attached
 */

export class View {
  /** @type {WeakMap<Cell, Attached>} */
  #attached = new WeakMap();
  /** Cells that were seen before; of code cells, their models. @type {WeakSet<object>} */
  #followed = new WeakSet();
  /** What is renewed before the next frame: some cells, or all. @type {Set<string>} */
  #cellsDue = new Set();
  #allDue = false;
  #isAwaited = false;
  /** @type {boolean | undefined} */
  #isReviewShown;

  /** @param {Lab} lab @param {Live} live @param {NotebookPanel} panel */
  constructor(lab, live, panel) {
    this.live = live;
    this.panel = panel;
    this.review = reviewChoice(lab, live);
    panel.toolbar.addItem("datarus-review", this.review);
    new Anchor(panel.content, () => live.turns.size > 0);
    live.model.cells.changed.connect(() => this.refreshSoon());
    this.refreshSoon();
  }

  /** Renews all cells before the next frame. */
  refreshSoon() {
    this.#allDue = true;
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
    this.#showReview();
    const shown = /** @type {HTMLSelectElement} */ (this.review.node.firstElementChild);
    shown.value = this.live.review;
    describeSandbox(/** @type {HTMLElement} */ (this.review.node.lastElementChild), this.live.sandbox);
    const [all, due] = [this.#allDue, this.#cellsDue];
    this.#allDue = false;
    this.#cellsDue = new Set();
    const turns = this.#turns();
    for (const cell of this.panel.content.widgets) if (all || due.has(cell.model.id)) this.#renew(cell, turns);
  }

  #showReview() {
    if (this.#isReviewShown === this.live.ours) return;
    this.#isReviewShown = this.live.ours;
    this.review.setHidden(!this.live.ours);
    // The arrows of JupyterLab 4.1 lead to what could be seen when it came into the toolbar.
    const { node } = this.review;
    node.parentElement?.insertBefore(node, node.nextSibling);
  }

  /** @returns {Turns} */
  #turns() {
    const turns = { made: new Set(), asked: new Set() };
    for (const cell of this.live.model.cells) {
      const facts = cells.factsOf(cell);
      const made = cells.madeBy(cell);
      if (made !== undefined) turns.made.add(made);
      if (facts?.role === "prompt" && facts.turn) turns.asked.add(facts.turn);
    }
    return turns;
  }

  /** @param {Cell} cell @param {Turns} turns */
  #renew(cell, turns) {
    if (cell.model.type !== "code") return this.#renderOnce(cell);
    if (!this.#followed.has(cell.model) && this.live.ours) {
      this.#followed.add(cell.model);
      follow(cell.model);
      cell.model.metadataChanged.connect(() => {
        colour(cell.model);
        this.update(cell.model.id);
      });
    }
    const attached = this.#attached.get(cell) ?? { key: "" };
    this.#attached.set(cell, attached);
    this.#renewBadge(cell, attached);
    this.#renewPart(cell, attached, turns);
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

  /** @param {Cell} cell @param {Attached} attached @param {Turns} turns */
  #renewPart(cell, attached, turns) {
    const { key, make } = this.#partOf(cell, turns);
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
   * @param {Turns} turns
   * @returns {{ key: string, make?: () => Part }}
   */
  #partOf(cell, { made, asked }) {
    const { live } = this;
    const { id } = cell.model;
    if (!live.ours) return { key: "" };
    const question = live.asks.get(id);
    if (question) {
      return { key: `ask ${question.turn}`, make: () => ask(question, cell, (choice, source) => live.choose(id, choice, source)) };
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
}

/**
 * What a cell's badge shows: a key that tells one face from another, and how it is made.
 * @param {Cell} cell
 * @returns {{ face: string, describe: (node: HTMLElement) => void }}
 */
function faceOf({ model }) {
  if (isStep(model)) {
    const failed = model.getMetadata("tags")?.includes("datarus-failed");
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
  const open = sandbox?.tier === "none";
  node.textContent = sandbox ? text(open ? "noSandbox" : "sandbox") : "";
  node.className = `datarus-sandbox${open ? " datarus-mod-open" : ""}`;
  node.title = sandbox ? text(open ? "noSandboxTitle" : "sandboxTitle", sandbox) : "";
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
