// Keeps the editor in which somebody types where it is on the screen, while cells grow above it.

/** @import { Notebook } from "../lab.js" */

export class Anchor {
  /** @type {HTMLElement | undefined} */
  #cell;
  #top = 0;

  /** @param {Notebook} notebook @param {() => boolean} growing whether a turn runs */
  constructor(notebook, growing) {
    const scroller = notebook.node.querySelector(".jp-WindowedPanel-outer") ?? notebook.node;
    const content = scroller.querySelector(".jp-WindowedPanel-viewport") ?? scroller;
    const note = () => this.#note(notebook);
    for (const event of ["keydown", "focusin", "focusout", "scroll"]) {
      scroller.addEventListener(event, () => requestAnimationFrame(note), true);
    }
    const observer = new ResizeObserver(() => {
      if (growing()) this.#hold(scroller);
      note();
    });
    observer.observe(content);
    notebook.disposed.connect(() => observer.disconnect());
  }

  /** Somebody types in a cell when its editor has the focus and holds something. @param {Notebook} notebook */
  #note(notebook) {
    const cell = notebook.activeCell;
    const focused = cell?.node.contains(document.activeElement) && notebook.mode === "edit";
    const types = focused && cell?.model.sharedModel.source !== "";
    this.#cell = types ? cell?.node : undefined;
    if (this.#cell) this.#top = this.#cell.getBoundingClientRect().top;
  }

  /** @param {Element} scroller */
  #hold(scroller) {
    if (!this.#cell?.isConnected) return;
    const moved = this.#cell.getBoundingClientRect().top - this.#top;
    if (Math.abs(moved) > 1) scroller.scrollTop += moved;
  }
}
