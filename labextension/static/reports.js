// Reports of one notebook: asked for here, written by the kernel beside the notebook, told of in the window's corner.

import { text } from "./strings.js";

/** @import { Context, Json, Lab } from "../lab.js" */

/** How long a word of success stays, in milliseconds. */
const SHOWN = 10_000;

/** What Lab can show; the others are for other programs. */
const SHOWABLE = ["html", "pdf", "md", "ipynb"];

export class Reports {
  /** What is told of each that is awaited, by its format. @type {Map<string, string>} */
  #told = new Map();

  /** @param {Lab} lab @param {Context} context @param {(to: string) => void} send */
  constructor(lab, context, send) {
    this.lab = lab;
    this.context = context;
    this.send = send;
  }

  /** The kernel reads the file, so it is saved first. @param {string} to */
  async write(to) {
    if (this.#told.has(to)) return;
    this.#told.set(to, this.lab.apputils.Notification.emit(text("reporting"), "in-progress"));
    const saved = await this.context.save().then(() => true, () => false);
    if (saved) this.send(to);
    else this.onReported({ to, error: text("notSaved") });
  }

  /** @param {Json} message */
  onReported({ to, file, error }) {
    const id = this.#told.get(to);
    this.#told.delete(to);
    if (id === undefined) return;
    const { Notification } = this.lab.apputils;
    if (file === undefined) {
      const message = text("notReported", { error });
      Notification.update({ id, message, type: "error", autoClose: false });
    } else {
      Notification.update({ id, message: text("reported", { file }), type: "success", autoClose: SHOWN, actions: this.#actions(to, file) });
    }
  }

  /** The kernel is gone, and with it what it was to write. */
  forget() {
    for (const to of [...this.#told.keys()]) this.onReported({ to, error: text("kernelGone") });
  }

  /** @param {string} to @param {string} file */
  #actions(to, file) {
    const { commands } = this.lab.app;
    if (!SHOWABLE.includes(to) || !commands.hasCommand("docmanager:open")) return [];
    const path = this.context.path.replace(/[^/]*$/, file);
    return [{ label: text("open"), callback: () => void commands.execute("docmanager:open", { path }) }];
  }
}
