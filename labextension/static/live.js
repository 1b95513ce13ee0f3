// One notebook and its kernel: the comm, what the kernel says over it, and what the reader answers.
// The messages are listed, one example each, in tests/fixtures/comm.json.

import * as cells from "./cells.js";
import { emptyHistories } from "./ease.js";
import { VERSION } from "./facts.js";
import { Reports } from "./reports.js";

/** @import { Cell, Comm, Context, Json, Lab, NotebookPanel } from "../lab.js" */

const TARGET = "datarus";

/**
 * A turn that this page has heard of.
 * @typedef {{ turn: string, prompt: string, bar?: Json, barAt: number, stopping: boolean }} Turn
 */

export class Live {
  /** @type {Set<NotebookPanel>} */
  panels = new Set();
  /** Turns that run. @type {Map<string, Turn>} */
  turns = new Map();
  /** Steps that wait for the reader: the question, and the source it is about. @type {Map<string, Json>} */
  asks = new Map();
  /** Questions of the model's that wait for the reader, by their cells. @type {Map<string, Json>} */
  questions = new Map();
  /** Whether the notebook's kernel is ours; else the page shows nothing of us. */
  ours = false;
  /** What the kernel says of its sandbox. @type {Json | undefined} */
  sandbox;
  /** The ready questions that the kernel offers. @type {Json[] | undefined} */
  presets;
  /** @type {Comm | undefined} */
  #comm;
  /** Counts attempts to connect: only the newest goes on. */
  #attempt = 0;
  #restarting = false;
  /** Cells that the page runs now, and what the kernel knows of them should nothing come of it.
   * @type {Map<string, Json | undefined>} */
  #executing = new Map();
  /** Turns whose cells are all there but maybe not in the file. @type {Set<string>} */
  #ended = new Set();
  /** Those of them that the save under way holds. @type {string[]} */
  #saving = [];

  /**
   * @param {Lab} lab
   * @param {Context} context
   * @param {(cellId?: string) => void} changed what is shown must be renewed: of one cell, or of all
   */
  constructor(lab, context, changed) {
    this.lab = lab;
    this.context = context;
    this.changed = changed;
    this.reports = new Reports(lab, context, (to) => this.#send({ op: "report", to }));
    const { sessionContext } = context;
    sessionContext.kernelChanged.connect(() => this.connect());
    sessionContext.statusChanged.connect((_, status) => this.#onStatus(status));
    context.pathChanged.connect(() => this.connect());
    emptyHistories(context.model, () => this.ours);
    cells.keepOneAnswer(context.model, (turn) => this.turns.has(turn));
    context.saveState.connect((_, saving) => this.#onSave(saving));
    // Where notebooks are shared, the server saves.
    context.model.stateChanged.connect((model, { name, newValue }) => {
      if (model.collaborative && name === "dirty" && newValue === false) this.#onHeld([...this.#ended]);
    });
    this.connect();
  }

  get model() {
    return this.context.model;
  }

  /** Opens the comm, if the kernel is ours. What an earlier kernel had begun is over. */
  async connect() {
    const attempt = ++this.#attempt;
    this.#forget();
    const kernel = this.context.sessionContext.session?.kernel;
    const info = await kernel?.info.catch(() => undefined);
    if (attempt !== this.#attempt) return;
    this.ours = info?.implementation?.startsWith("datarus") ?? false;
    this.sandbox = info?.sandbox;
    if (kernel && this.ours) this.#open(kernel.createComm(TARGET));
    this.changed();
  }

  /** @param {Comm} comm */
  #open(comm) {
    this.#comm = comm;
    comm.onMsg = (message) => {
      if (comm === this.#comm) this.#onMessage(message.content.data);
    };
    comm.onClose = () => {
      if (comm !== this.#comm) return;
      this.#comm = undefined;
      this.#forget();
      this.changed();
    };
    comm.open({ v: VERSION, path: this.context.localPath, settings: { review: this.review }, questions: true });
  }

  /** The page is left: another one may go on with its turns at once. */
  leave() {
    this.#forget();
  }

  #forget() {
    const comm = this.#comm;
    this.#comm = undefined;
    if (comm && !comm.isDisposed) comm.close();
    this.turns.clear();
    this.asks.clear();
    this.questions.clear();
    this.presets = undefined;
    this.reports.forget();
  }

  /** A kernel that starts anew has forgotten our comm. @param {string} status */
  #onStatus(status) {
    if (status === "restarting" || status === "autorestarting") {
      this.#restarting = true;
      this.turns.clear();
      this.asks.clear();
      this.questions.clear();
      this.changed();
    } else if (this.#restarting && (status === "idle" || status === "busy")) {
      this.#restarting = false;
      this.connect();
    }
  }

  /** @param {string} saving */
  #onSave(saving) {
    if (saving === "started") this.#saving = [...this.#ended];
    if (!saving.startsWith("completed")) return;
    this.#onHeld(this.#saving);
    this.#saving = [];
  }

  /** The file holds these turns. @param {string[]} turns */
  #onHeld(turns) {
    for (const turn of turns) {
      this.#ended.delete(turn);
      this.#send({ op: "held", turn });
    }
  }

  /** @param {Json} message */
  #send(message) {
    if (this.#comm && !this.#comm.isDisposed) this.#comm.send(message);
  }

  // ---- what the kernel says

  /** @param {Json} message */
  #onMessage(message) {
    const handle = /** @type {Record<string, (message: Json) => void>} */ (this.handlers)[message.op];
    handle?.(message);
  }

  /** By the name of the operation. Operations that are not known are passed over. */
  handlers = {
    /** @param {Json} m */
    hello: (m) => {
      if (m.v !== VERSION) return this.#forget();
      this.presets = m.presets;
      this.changed();
    },
    /** @param {Json} m */
    reported: (m) => this.reports.onReported(m),
    /** @param {Json} m */
    sandbox: (m) => {
      this.sandbox = m.sandbox ?? undefined;
      this.changed();
    },
    /** @param {Json} m */
    begin: (m) => {
      cells.remove(this.model, m.remove ?? [], m.prompt);
      this.#turn(m.turn, m.prompt);
      this.#ended.delete(m.turn);
      cells.patch(this.model, m.prompt, { datarus: { role: "prompt" } });
      this.changed();
      this.#tellState(m.turn);
    },
    /** @param {Json} m */
    read: (m) => this.#send({ op: "texts", turn: m.turn, cells: cells.texts(this.model, m.ids) }),
    /** @param {Json} m */
    insert: (m) => cells.insert(this.model, m, this.#promptOf(m)),
    /** @param {Json} m */
    append: (m) => cells.append(this.model, m.id, m.text),
    /** @param {Json} m */
    replace: (m) => cells.replace(this.model, m.id, m.source),
    /** @param {Json} m */
    render: (m) => this.#render(m.id),
    /** @param {Json} m */
    execute: (m) => {
      this.asks.delete(m.id);
      this.changed(m.id);
      this.#execute(m.id);
    },
    /** @param {Json} m */
    patch: (m) => {
      cells.patch(this.model, m.id, m.metadata);
      this.changed(m.id);
    },
    /** @param {Json} m */
    upsert: (m) => {
      const running = this.turns.has(m.metadata?.datarus?.turn);
      // A run that came too late is answered with the same outputs: they are not to stand there twice.
      const late = this.#executing.has(m.id);
      if (late) this.#executing.set(m.id, m);
      const wanted = late ? { ...m, outputs: [], execution_count: null } : m;
      cells.upsert(this.model, wanted, { prompt: this.#promptOf(m), running });
      if (m.cell_type === "markdown") this.#render(m.id);
      this.asks.delete(m.id);
      this.changed();
    },
    /** @param {Json} m */
    remove: (m) => cells.drop(this.model, m.ids),
    /** @param {Json} m */
    bar: (m) => {
      const turn = this.#turn(m.turn, m.prompt ?? this.#promptOfTurn(m.turn));
      if (!turn) return;
      this.#ended.delete(m.turn);
      turn.bar = m;
      turn.barAt = performance.now();
      this.changed(turn.prompt);
    },
    /** @param {Json} m */
    ask: (m) => {
      this.asks.set(m.id, { ...m, source: cells.cellOf(this.model, m.id)?.sharedModel.source });
      this.changed(m.id);
    },
    /** @param {Json} m */
    question: (m) => {
      this.questions.set(m.id, m);
      this.changed(m.id);
    },
    /** @param {Json} m */
    restore: (m) => {
      cells.remove(this.model, m.remove ?? [], m.prompt);
      const prompt = cells.cellOf(this.model, m.prompt);
      // One that still runs has no outputs yet.
      if (prompt && m.outputs.length > 0) cells.fill(prompt, m);
      cells.patch(this.model, m.prompt, { datarus: { role: "prompt", turn: m.turn } });
      this.#ended.add(m.turn);
      this.#send({ op: "restored", turn: m.turn });
      this.changed();
    },
    /** @param {Json} m */
    done: (m) => {
      this.turns.delete(m.turn);
      for (const waiting of [this.asks, this.questions]) {
        for (const [id, { turn }] of waiting) if (turn === m.turn) waiting.delete(id);
      }
      cells.settleFailed(this.model, m.turn);
      this.#ended.add(m.turn);
      this.changed();
    },
  };

  /** @param {string} turn */
  async #tellState(turn) {
    const comm = this.#comm;
    await cells.hashSources(this.model);
    if (comm !== this.#comm) return;
    const { instructions } = this.model.getMetadata("datarus") ?? {};
    const told = typeof instructions === "string" && instructions !== "" ? { instructions } : {};
    this.#send({ op: "state", turn, cells: cells.state(this.model), ...told });
  }

  /** The turn, noted as running. @param {string} turn @param {string | undefined} prompt */
  #turn(turn, prompt) {
    let known = this.turns.get(turn);
    if (!known && prompt !== undefined) {
      known = { turn, prompt, barAt: performance.now(), stopping: false };
      this.turns.set(turn, known);
      this.changed();
    }
    return known;
  }

  /** @param {Json} message of a cell */
  #promptOf(message) {
    return this.#promptOfTurn(message.metadata?.datarus?.turn);
  }

  /** @param {string | undefined} turn */
  #promptOfTurn(turn) {
    if (turn === undefined) return undefined;
    const running = this.turns.get(turn);
    const isPrompt = (/** @type {Json | undefined} */ facts) => facts?.turn === turn && facts?.role === "prompt";
    return running?.prompt ?? [...this.model.cells].find((cell) => isPrompt(cells.factsOf(cell)))?.id;
  }

  /** @param {string} id @returns {Cell | undefined} its widget in the first view of the notebook */
  #widget(id) {
    const [panel] = this.panels;
    return panel?.content.widgets.find((cell) => cell.model.id === id);
  }

  /** @param {string} id */
  #render(id) {
    for (const panel of this.panels) {
      const cell = panel.content.widgets.find((widget) => widget.model.id === id);
      if (cell?.model.type === "markdown") cell.rendered = true;
    }
  }

  /**
   * Runs a step as any cell is run, but past Lab's queue: add-ons may put a queue there that waits for the prompt.
   * @param {string} id
   * @param {Json} [more] metadata of the request
   */
  #execute(id, more = {}) {
    const cell = this.#widget(id);
    if (cell?.model.type !== "code") return;
    const [panel] = this.panels;
    const { deletedCells } = this.model;
    const recordTiming = panel?.content.notebookConfig?.recordTiming ?? false;
    this.#executing.set(id, undefined);
    const execution = this.lab.cells.CodeCell.execute(cell, this.context.sessionContext, { deletedCells, recordTiming, ...more });
    // A step that fails or whose kernel dies shows that itself.
    const told = execution.then(() => deletedCells.splice(0, deletedCells.length));
    told.catch(() => {}).then(() => {
      const known = this.#executing.get(id);
      this.#executing.delete(id);
      if (known && !cell.isDisposed) cells.fill(cell.model, known);
    });
  }

  // ---- what the reader says

  /** @param {string} turn */
  stop(turn) {
    const running = this.turns.get(turn);
    if (!running) return;
    running.stopping = true;
    this.#send({ op: "stop", turn });
    this.changed(running.prompt);
  }

  /** @param {string} id the step @param {"run" | "edit" | "skip"} choice @param {string} source */
  choose(id, choice, source) {
    const ask = this.asks.get(id);
    if (!ask) return;
    this.asks.delete(id);
    this.#send({ op: "choice", turn: ask.turn, id, choice, ...(choice === "edit" && { source }) });
    this.changed(id);
  }

  /** @param {string} id the question's cell @param {string} answer */
  answer(id, answer) {
    const question = this.questions.get(id);
    if (!question) return;
    this.questions.delete(id);
    this.#send({ op: "answer", turn: question.turn, id, answer });
    this.changed(id);
  }

  /** Takes a turn's cells away, which Lab can undo, and the kernel's memory of it. @param {string} turn */
  undo(turn) {
    cells.remove(this.model, cells.turnCells(this.model, turn), this.#promptOfTurn(turn), (prompt) => {
      if (!prompt) return;
      prompt.setMetadata("datarus", { role: "prompt" });
      prompt.outputs?.fromJSON([]);
      prompt.executionCount = null;
    });
    this.#ended.delete(turn);
    this.#send({ op: "undo", turn });
    this.changed();
  }

  /** Asks the question of a turn anew. @param {string} turn */
  again(turn) {
    const prompt = this.#promptOfTurn(turn);
    if (prompt === undefined) return;
    this.undo(turn);
    this.#execute(prompt);
  }

  /** Takes up the turn of a step from there: the kernel lets what follows give way. @param {string} id */
  goOn(id) {
    const step = cells.cellOf(this.model, id);
    const turn = step && cells.factsOf(step)?.turn;
    const prompt = this.#promptOfTurn(turn);
    if (prompt === undefined || this.#executing.has(prompt)) return;
    this.#ended.delete(turn);
    this.#execute(prompt, { datarus: { role: "prompt", turn, go_on: id } });
  }

  /** Has a report written beside the notebook. @param {string} to its format */
  report(to) {
    this.reports.write(to);
  }

  /** @returns {"off" | "guard" | "all"} */
  get review() {
    const review = this.model.getMetadata("datarus")?.review;
    return review === "guard" || review === "all" ? review : "off";
  }

  /** @param {string} review */
  set review(review) {
    this.model.setMetadata("datarus", { ...this.model.getMetadata("datarus"), review });
    this.#send({ op: "settings", settings: { review } });
  }
}
