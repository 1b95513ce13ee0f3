// What a cell is: a question or Python. Kept in its metadata, which goes to the kernel with the cell.

import { factsOf } from "./cells.js";
import { typedAnew } from "./facts.js";

/** @import { CellModel } from "../lab.js" */

/** What the kernel shows in a question's outputs. */
const STEP = "application/vnd.datarus.step+json";
const PLAIN = "text/plain";
const PYTHON = "text/x-ipython";

/** @param {CellModel} cell @returns {"prompt" | "code" | undefined} */
export function roleOf(cell) {
  return factsOf(cell)?.role;
}

/** Whether the cell is a step of a turn; its role is not the reader's to choose. @param {CellModel} cell */
export function isStep(cell) {
  const facts = factsOf(cell);
  return facts?.turn !== undefined && facts.role === "code";
}

/** Tags that the kernel gives a question: tools skip such a cell. */
const QUESTION_TAGS = ["datarus-prompt", "skip-execution"];

/** @param {CellModel} cell @param {"prompt" | "code" | undefined} role */
export function setRole(cell, role) {
  const { role: _, ...rest } = factsOf(cell) ?? {};
  // What was noted of a question is not true of Python.
  const facts = role === undefined ? rest : role === "code" ? { role } : { ...rest, role };
  if (Object.keys(facts).length > 0) cell.setMetadata("datarus", facts);
  else cell.deleteMetadata("datarus");
  const tags = /** @type {string[]} */ (cell.getMetadata("tags") ?? []);
  if (role === "code" && tags.includes("datarus-prompt")) {
    cell.setMetadata("tags", tags.filter((tag) => !QUESTION_TAGS.includes(tag)));
  }
}

/**
 * Notes what a cell was that has run, so that what it is does not depend on the names that exist.
 * @param {CellModel} cell
 */
export function stamp(cell) {
  if (cell.type !== "code" || cell.sharedModel.source.trim() === "" || roleOf(cell) !== undefined) return;
  const answered = cell.outputs?.toJSON().some((output) => output.data?.[STEP] !== undefined);
  setRole(cell, answered ? "prompt" : "code");
}

/** English is not coloured as broken Python. @param {CellModel} cell */
export function colour(cell) {
  const isPrompt = roleOf(cell) === "prompt";
  if (isPrompt && cell.mimeType !== PLAIN) cell.mimeType = PLAIN;
  if (!isPrompt && cell.mimeType === PLAIN) cell.mimeType = PYTHON;
}

/**
 * Keeps a code cell's colours right, and lets a text that replaces all of the cell be judged anew.
 * @param {CellModel} cell
 */
export function follow(cell) {
  colour(cell);
  cell.mimeTypeChanged.connect(() => colour(cell));
  cell.sharedModel.changed.connect((shared, { sourceChange }) => {
    if (!sourceChange || isStep(cell) || roleOf(cell) === undefined) return;
    if (typedAnew(sourceChange, shared.source)) setRole(cell, undefined);
  });
}
