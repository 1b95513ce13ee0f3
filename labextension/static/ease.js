// Spares the page of a large notebook what JupyterLab does again for each cell though nothing has changed. What it
// does is the same, only not where it makes no difference; an application that does otherwise is left as it is.

/** @import { Cell, Notebook, NotebookModel } from "../lab.js" */

/** The style elements that are cared for already. @type {WeakSet<Node>} */
const eased = new WeakSet();

/**
 * CodeMirror writes the styles of all editors anew for each editor that is made, and the browser then matches them
 * against all of the page: in a notebook of 1,000 cells that is a third of what a new cell costs, and half of what
 * it takes to open it. Styles that are the same are not written again.
 *
 * # Source
 * `StyleSet.mount`, <https://github.com/marijnh/style-mod/blob/main/src/style-mod.js>
 *
 * @param {Document} root
 */
export function keepStyles(root) {
  const tag = editorStyles(root);
  const text = Object.getOwnPropertyDescriptor(Node.prototype, "textContent");
  if (!tag || eased.has(tag) || !text?.get || !text.set) return;
  eased.add(tag);
  const { get, set } = text;
  Object.defineProperty(tag, "textContent", {
    configurable: true,
    get,
    set(styles) {
      if (styles !== get.call(tag)) set.call(tag, styles);
    },
  });
}

/** The element that holds the styles of editors; there is none before the first editor. @param {Document} root */
function editorStyles(root) {
  for (const key of Object.getOwnPropertySymbols(root)) {
    const tag = /** @type {any} */ (root)[key]?.styleTag;
    if (tag instanceof HTMLStyleElement) return tag;
  }
  return undefined;
}

/**
 * When another cell becomes the active one, also because one comes in above it, JupyterLab from 4.6 on sets the
 * cursor of all others to where it is, so that no two cells show a selection. Each editor then measures itself in
 * turn: a second in a notebook of 1,000 cells. It is left to do so for those that have a selection.
 *
 * # Source
 * `Notebook._trimSelections`, <https://github.com/jupyterlab/jupyterlab/blob/v4.6.0/packages/notebook/src/widget.ts>
 *
 * @param {Notebook} notebook
 * @param {() => boolean} isOurs whether its kernel is ours, now
 */
export function trimSelectionsAlone(notebook, isOurs) {
  const own = /** @type {any} */ (notebook);
  const trim = own._trimSelections;
  if (typeof trim !== "function") return;
  own._trimSelections = () => {
    if (!isOurs()) return trim.call(notebook);
    const { widgets, activeCell } = notebook;
    const selected = widgets.filter((cell) => cell !== activeCell && hasSelection(cell));
    trim.call(Object.create(notebook, { widgets: { value: selected }, _activeCellIndex: { value: -1 } }));
  };
}

/**
 * When anything in a notebook changes, JupyterLab marks anew which of all cells are active or selected, by writes to
 * each of them: some 40 ms of a frame in a notebook of 1,000 cells. Those that are marked right already are left out.
 *
 * # Source
 * `Notebook.onUpdateRequest`, <https://github.com/jupyterlab/jupyterlab/blob/v4.6.0/packages/notebook/src/widget.ts>
 *
 * @param {Notebook} notebook
 * @param {() => boolean} isOurs whether its kernel is ours, now
 */
export function markChangedCells(notebook, isOurs) {
  const own = /** @type {any} */ (notebook);
  const mark = own.onUpdateRequest;
  own.onUpdateRequest = (/** @type {unknown} */ message) => {
    if (!isOurs()) return mark.call(notebook, message);
    const due = notebook.widgets.filter((cell) => isMarked(cell) || notebook.isSelectedOrActive(cell));
    Object.defineProperty(notebook, "widgets", { configurable: true, value: due });
    try {
      mark.call(notebook, message);
    } finally {
      delete own.widgets;
    }
  };
}

/** Whether a cell shows itself as active or selected. @param {Cell} cell */
function isMarked({ node }) {
  const { classList } = node;
  return node.tabIndex !== -1 || MARKS.some((mark) => classList.contains(mark));
}

const MARKS = ["jp-mod-active", "jp-mod-selected", "jp-mod-multiSelected"];

/**
 * JupyterLab gives each cell an undo history of its own, which the shared document remembers for ever, and with it the
 * cell and its texts. What an undo of the notebook brings back is a new cell, so that the history of one that is gone
 * need hold nothing.
 *
 * # Source
 * `UndoManager`, <https://github.com/yjs/yjs/blob/main/src/utils/UndoManager.js>: its constructor listens to the end of
 * the document, and `destroy` does not stop that.
 *
 * @param {NotebookModel} model
 * @param {() => boolean} isOurs whether its kernel is ours, now
 */
export function emptyHistories({ cells, sharedModel }, isOurs) {
  const own = () => new Map(sharedModel.cells.map((cell) => [cell, cell.undoManager]));
  let known = own();
  cells.changed.connect(() => {
    const there = own();
    for (const [cell, history] of known) {
      if (there.has(cell) || !history || history === sharedModel.undoManager || !isOurs()) continue;
      history.trackedOrigins.clear();
      history.scope.length = history.undoStack.length = history.redoStack.length = 0;
    }
    known = there;
  });
}

/** @param {Cell} cell */
function hasSelection({ isDisposed, editor }) {
  if (isDisposed || !editor) return false;
  return editor.getSelections().some(({ start, end }) => start.line !== end.line || start.column !== end.column);
}
