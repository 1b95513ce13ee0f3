// Edits of a notebook's model. What the kernel makes stays out of the undo history; what takes cells away is one
// step of it.

import { cellState, cellTexts, errorsAsText, patched, sourceHash } from "./facts.js";

/** @import { CellModel, Json, NotebookModel } from "../lab.js" */

/** @param {CellModel} cell @returns {Json | undefined} */
export function factsOf(cell) {
  return cell.getMetadata("datarus");
}

/** Where a cell was found last: what comes next is mostly about the same one. @type {WeakMap<NotebookModel, number>} */
const found = new WeakMap();

/** @param {NotebookModel} model @param {string} id @returns {number} -1 when there is none */
export function indexOf(model, id) {
  const { cells } = model.sharedModel;
  const last = found.get(model) ?? 0;
  if (cells[last]?.id === id) return last;
  const index = cells.findIndex((cell) => cell.id === id);
  if (index >= 0) found.set(model, index);
  return index;
}

/** @param {NotebookModel} model @param {string} id @returns {CellModel | undefined} */
export function cellOf(model, id) {
  const index = indexOf(model, id);
  return index < 0 ? undefined : model.cells.get(index);
}

/**
 * Puts a cell below the cell `after`; where that is gone, below what is left of the turn, which begins at `prompt`.
 * A cell that is there stays as it is.
 * @param {NotebookModel} model
 * @param {Json} wanted
 * @param {string | undefined} prompt
 */
export function insert(model, wanted, prompt) {
  if (indexOf(model, wanted.id) >= 0) return;
  const shared = model.sharedModel;
  const { id, cell_type, source, metadata } = wanted;
  const own = cell_type === "code" ? { outputs: [], execution_count: null } : {};
  const index = placeOf(model, wanted, prompt);
  shared.transact(() => shared.insertCell(index, { id, cell_type, source, metadata, ...own }), false);
}

/** @param {NotebookModel} model @param {Json} wanted @param {string | undefined} prompt */
function placeOf(model, wanted, prompt) {
  const after = indexOf(model, wanted.after);
  if (after >= 0) return after + 1;
  const turn = wanted.metadata?.datarus?.turn;
  let last = prompt === undefined ? -1 : indexOf(model, prompt);
  for (let index = 0; turn && index < model.cells.length; index++) {
    if (factsOf(model.cells.get(index))?.turn === turn) last = Math.max(last, index);
  }
  return last >= 0 ? last + 1 : model.cells.length;
}

/** @param {NotebookModel} model @param {string} id @param {string} text */
export function append(model, id, text) {
  const cell = cellOf(model, id)?.sharedModel;
  cell?.transact(() => cell.updateSource(cell.source.length, cell.source.length, text), false);
}

/** @param {NotebookModel} model @param {string} id @param {string} source */
export function replace(model, id, source) {
  const cell = cellOf(model, id)?.sharedModel;
  if (!cell || cell.source === source) return;
  // What is already there is left alone, so that nothing flickers and no cursor jumps.
  if (source.startsWith(cell.source)) append(model, id, source.slice(cell.source.length));
  else cell.transact(() => cell.setSource(source), false);
}

/** @param {NotebookModel} model @param {string} id @param {Json} metadata */
export function patch(model, id, metadata) {
  const cell = cellOf(model, id);
  if (!cell) return;
  const old = cell.sharedModel.getMetadata();
  const next = patched(old, metadata);
  cell.sharedModel.transact(() => {
    for (const key of Object.keys(metadata)) {
      if (next[key] === undefined) cell.deleteMetadata(key);
      else cell.setMetadata(key, next[key]);
    }
  }, false);
}

/**
 * Makes a cell be there as the kernel knows it. What a reader edited or what has outputs already is kept.
 * @param {NotebookModel} model
 * @param {Json} wanted
 * @param {{ prompt: string | undefined, running: boolean }} turn
 */
export function upsert(model, wanted, { prompt, running }) {
  insert(model, wanted, prompt);
  const cell = cellOf(model, wanted.id);
  if (!cell) return;
  const source = cell.sharedModel.source;
  // Half a text is what was saved while it was written.
  const unfinished = running || cell.type === "markdown" || wanted.source.startsWith(source);
  if (unfinished) replace(model, wanted.id, wanted.source);
  patch(model, wanted.id, wanted.metadata ?? {});
  fill(cell, wanted);
}

/** Cells that are being run in the notebook. @type {WeakSet<CellModel>} */
const running = new WeakSet();

/** @param {CellModel} cell @param {boolean} runs */
export function noteRun(cell, runs) {
  if (runs) running.add(cell);
  else running.delete(cell);
}

/**
 * Gives a code cell the outputs and the number that it lacks; one that is being run lacks nothing that was kept.
 * @param {CellModel} cell
 * @param {Json} wanted
 */
export function fill(cell, wanted) {
  if (cell.type !== "code" || !cell.outputs || running.has(cell)) return;
  if (cell.outputs.length === 0 && wanted.outputs?.length) {
    // They come from the user's own kernel.
    cell.trusted = true;
    cell.outputs.fromJSON(wanted.outputs);
  }
  if (wanted.execution_count == null) return;
  if (cell.executionCount == null) cell.executionCount = wanted.execution_count;
  // Where notebooks are shared, the tab that ran it may be gone.
  if (cell.executionState === "running") cell.executionState = "idle";
}

/**
 * The turn that made a cell. One without a role is the reader's: half of a question that was split, or one that is
 * typed anew.
 * @param {CellModel} cell
 * @returns {string | undefined}
 */
export function madeBy(cell) {
  const facts = factsOf(cell);
  return facts?.role === undefined || facts.role === "prompt" ? undefined : facts.turn;
}

/** Whether a cell is a step that failed. @param {CellModel} cell @returns {boolean} */
export function hasFailed(cell) {
  return cell.getMetadata("tags")?.includes("datarus-failed") ?? false;
}

/** Ids of the cells that a turn made, from top to bottom. @param {NotebookModel} model @param {string | undefined} turn */
export function turnCells(model, turn) {
  if (turn === undefined) return [];
  return [...model.cells].filter((cell) => madeBy(cell) === turn).map((cell) => cell.id);
}

/** Takes cells away that were written by the way. @param {NotebookModel} model @param {string[]} ids */
export function drop(model, ids) {
  const shared = model.sharedModel;
  const indices = ids.map((id) => indexOf(model, id)).filter((index) => index >= 0);
  shared.transact(() => indices.sort((a, b) => b - a).forEach((index) => shared.deleteCell(index)), false);
}

/** What is kept with an undoable step that took an answer's cells away. */
const GAVE_WAY = "datarus";

/** So many such steps can be undone, the newest ones; JupyterLab would keep them and their cells for ever. */
const UNDOABLE = 10;

/**
 * Takes cells of a question's answer away in one undoable step; `also` belongs to that step.
 * @param {NotebookModel} model
 * @param {string[]} ids
 * @param {string | undefined} prompt
 * @param {(prompt: CellModel | undefined) => void} [also]
 */
export function remove(model, ids, prompt, also) {
  const shared = model.sharedModel;
  const indices = ids.map((id) => indexOf(model, id)).filter((index) => index >= 0);
  if (indices.length === 0 && !also) return;
  const asked = cellOf(model, prompt ?? "");
  const facts = asked && factsOf(asked);
  const gone = new Set(ids);
  const kept = turnCells(model, facts?.turn).filter((id) => !gone.has(id));
  const { undoManager } = shared;
  const before = undoManager?.undoStack.at(-1);
  undoManager?.stopCapturing();
  shared.transact(() => {
    also?.(asked);
    for (const index of indices.sort((a, b) => b - a)) shared.deleteCell(index);
  });
  undoManager?.stopCapturing();
  model.deletedCells.push(...ids);
  const item = undoManager?.undoStack.at(-1);
  if (item !== before) item?.meta.set(GAVE_WAY, { prompt, facts, kept: new Set(kept) });
  forgetOldest(shared);
}

/**
 * Lets go of the oldest answers that gave way, and of no step of the reader's own.
 *
 * # Source
 * `UndoManager.clear` and `cleanupTransactions`, <https://github.com/yjs/yjs/tree/main/src/utils>: what undo keeps is
 * marked, and a deleted item without the mark is given up at the end of a transaction whose deletions name it.
 *
 * @param {import("../lab").SharedNotebook} shared
 */
function forgetOldest({ ydoc, undoManager }) {
  if (!ydoc || !undoManager) return;
  const steps = undoManager.undoStack;
  const old = steps.filter(({ meta }) => meta.has(GAVE_WAY)).slice(0, -UNDOABLE);
  if (old.length === 0) return;
  ydoc.transact(({ deleteSet }) => {
    undoManager.undoStack = old;
    undoManager.clear(true, false);
    undoManager.undoStack = steps.filter((step) => !old.includes(step));
    for (const [client, gone] of old.flatMap(({ deletions }) => [...deletions.clients])) {
      deleteSet.clients.set(client, [...(deleteSet.clients.get(client) ?? []), ...gone]);
    }
  });
}

/**
 * Keeps one answer to a question when a reader undoes what made it give way: what came in its place since goes in the
 * same step, so that a redo brings it back. While the question is being answered anew, both stay.
 * @param {NotebookModel} model
 * @param {(turn: string) => boolean} isRunning
 */
export function keepOneAnswer(model, isRunning) {
  const shared = model.sharedModel;
  const { ydoc, undoManager } = shared;
  // What is changed here belongs to the transaction that is about to undo.
  ydoc?.on("beforeTransaction", ({ origin }) => {
    const gaveWay = undoManager?.undoing && origin === undoManager && undoManager.undoStack.at(-1)?.meta.get(GAVE_WAY);
    const prompt = gaveWay && cellOf(model, gaveWay.prompt);
    const turn = prompt && factsOf(prompt)?.turn;
    if (!turn || isRunning(turn)) return;
    const came = turnCells(model, turn).filter((id) => !gaveWay.kept.has(id));
    for (const id of came.reverse()) shared.deleteCell(indexOf(model, id));
    model.deletedCells.push(...came);
    if (came.length > 0 && gaveWay.facts) prompt.setMetadata("datarus", gaveWay.facts);
  });
}

/** How long sources are hashed at a time, in milliseconds: about half of a frame. */
const SLICE = 8;

/** Hashes the sources that `state` tells of, with room for frames between. @param {NotebookModel} model */
export async function hashSources(model) {
  let until = performance.now() + SLICE;
  for (const cell of [...model.cells]) {
    if (!cell.isDisposed) hashOf(cell, cell.sharedModel.source);
    if (performance.now() < until) continue;
    await nextTask();
    until = performance.now() + SLICE;
  }
}

/** A timer would be held back for a second where the page is hidden. */
function nextTask() {
  return /** @type {Promise<void>} */ (new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  }));
}

/** The notebook as the message `state` tells it. @param {NotebookModel} model */
export function state(model) {
  return [...model.cells].map((cell) => {
    const { id, type } = cell;
    const { source } = cell.sharedModel;
    return cellState({ id, type, source, facts: factsOf(cell) }, hashOf(cell, source));
  });
}

/** Sources that were hashed, since a turn asks for all and most are as they were. @type {WeakMap<CellModel, { source: string, hash: string }>} */
const hashed = new WeakMap();

/** @param {CellModel} cell @param {string} source */
function hashOf(cell, source) {
  const known = hashed.get(cell);
  if (known?.source === source) return known.hash;
  const hash = sourceHash(source);
  hashed.set(cell, { source, hash });
  return hash;
}

/** What cells hold, as the message `texts` tells it. @param {NotebookModel} model @param {string[]} ids */
export function texts(model, ids) {
  const asked = new Set(ids);
  const wanted = (/** @type {CellModel} */ cell) =>
    asked.has(cell.id) && (cell.type !== "code" || cell.executionCount != null || factsOf(cell)?.turn !== undefined);
  const told = [...model.cells].filter(wanted).map((cell) => ({
    id: cell.id,
    source: cell.sharedModel.source,
    outputs: cell.outputs?.toJSON() ?? [],
    count: cell.executionCount ?? null,
    failed: hasFailed(cell),
  }));
  return cellTexts(told.map((cell) => ({ ...cell, failed: cell.failed || cell.outputs.some((output) => output.output_type === "error") })));
}

/** Shows the errors of a turn's failed steps as text. @param {NotebookModel} model @param {string} turn */
export function settleFailed(model, turn) {
  for (const id of turnCells(model, turn)) {
    const cell = cellOf(model, id);
    if (!cell?.outputs || !hasFailed(cell)) continue;
    const settled = errorsAsText(cell.outputs.toJSON());
    if (settled) cell.outputs.fromJSON(settled);
  }
}
