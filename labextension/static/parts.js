// The small things that are shown on a cell, as plain elements. They know nothing of notebooks but what they are told.

import { text } from "./strings.js";

/** @import { Cell, Json } from "../lab.js" */
/** @import { Turn } from "./live.js" */

/**
 * Something below a cell. `update` renews what it shows.
 * @typedef {{ node: HTMLElement, update?: () => void }} Part
 */

/** How often the seconds of a running turn go on, in milliseconds. */
const TICK = 250;

/** @param {string} className @param {(Node | string)[]} children @returns {HTMLElement} */
function box(className, ...children) {
  const node = document.createElement("div");
  node.className = className;
  // Enter and Space belong to our buttons, not to the notebook.
  node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
}

/** @param {string} label @param {() => void} onClick @param {string} [title] */
function button(label, onClick, title = "") {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "datarus-button";
  node.textContent = label;
  node.title = title;
  // A click leaves the focus where the reader has it.
  node.addEventListener("mousedown", (event) => event.preventDefault());
  node.addEventListener("click", onClick);
  return node;
}

/** What a cell is, as a button that changes it. @param {() => void} onClick */
export function badge(onClick) {
  const node = button("", onClick);
  node.dataset.lmSuppressShortcuts = "true";
  return node;
}

/** What a turn is doing, and how to stop it. @param {Turn} turn @param {() => void} onStop @returns {Part} */
export function bar(turn, onStop) {
  const spinner = document.createElement("span");
  spinner.className = "datarus-spinner";
  const phase = document.createElement("span");
  phase.className = "datarus-phase";
  phase.setAttribute("role", "status");
  const numbers = document.createElement("span");
  numbers.className = "datarus-numbers";
  const stop = button(text("stop"), onStop, text("stopTitle"));
  const node = box("datarus-part datarus-bar", spinner, phase, numbers, stop);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const update = () => {
    const doing = phaseOf(turn);
    // A status that is set again is read aloud again.
    if (phase.textContent !== doing) phase.textContent = doing;
    numbers.textContent = numbersOf(turn);
    stop.disabled = turn.stopping;
    if (node.isConnected) timer ??= setInterval(tick, TICK);
  };
  const tick = () => {
    if (node.isConnected) return update();
    clearInterval(timer);
    timer = undefined;
  };
  return { node, update };
}

/** @param {Turn} turn */
function phaseOf({ bar, stopping }) {
  if (stopping) return text("stopping");
  const phase = bar?.phase ?? "waiting";
  const known = /** @type {const} */ (["asking", "loading", "looking", "reading", "thinking", "writing", "running", "answering"]);
  return text(known.find((name) => name === phase) ?? "waiting", { step: bar?.step ?? "" });
}

/** @param {Turn} turn */
function numbersOf({ bar, barAt }) {
  const seconds = (bar?.seconds ?? 0) + (performance.now() - barAt) / 1000;
  const parts = [text("seconds", { seconds: seconds.toFixed(1) })];
  if (bar?.step && bar.phase !== "running") parts.unshift(text("stepOf", { step: bar.step }));
  if (bar?.tokens) parts.push(text("tokens", { tokens: bar.tokens }));
  if (bar?.tokens_per_second) parts.push(text("speed", { speed: Math.round(bar.tokens_per_second) }));
  return parts.join(" · ");
}

/**
 * A step that waits: run it, run it as it was edited, or skip it.
 * @param {Json} question
 * @param {Cell} cell
 * @param {(choice: "run" | "edit" | "skip", source: string) => void} onChoice
 * @returns {Part}
 */
export function ask(question, cell, onChoice) {
  const shared = cell.model.sharedModel;
  const isEdited = () => shared.source !== question.source;
  const why = question.why?.length ? text("askGuard", { why: question.why.join("; ") }) : text("askAll");
  const label = document.createElement("span");
  label.className = "datarus-phase";
  label.setAttribute("role", "status");
  label.textContent = why;
  const run = button(text("run"), () => onChoice(isEdited() ? "edit" : "run", shared.source));
  run.classList.add("datarus-mod-accept");
  const edit = button(text("edit"), () => cell.editor?.focus());
  const skip = button(text("skip"), () => onChoice("skip", shared.source));
  const node = box("datarus-part datarus-ask", label, run, edit, skip);
  const update = () => {
    run.textContent = text(isEdited() ? "runEdited" : "run");
  };
  shared.changed.connect(() => {
    if (node.isConnected) update();
  });
  return { node, update };
}

/**
 * A question of the model's, which stands above: a button for each of its options, and a line for other words.
 * @param {Json} question
 * @param {(answer: string) => void} onAnswer
 * @returns {Part}
 */
export function question({ options }, onAnswer) {
  const label = document.createElement("span");
  label.className = "datarus-phase";
  label.setAttribute("role", "status");
  label.textContent = text(options.length > 0 ? "choose" : "yourAnswer");
  const choices = options.map((/** @type {string} */ option) => button(option, () => onAnswer(option)));
  const words = document.createElement("input");
  words.type = "text";
  words.autocomplete = "off";
  words.setAttribute("aria-label", text("ownWords"));
  words.placeholder = text("ownWords");
  const send = button(text("answer"), () => {}, text("answerTitle"));
  send.type = "submit";
  const line = document.createElement("form");
  line.append(words, send);
  line.addEventListener("submit", (event) => {
    event.preventDefault();
    if (words.value.trim() !== "") onAnswer(words.value);
  });
  const node = box("datarus-part datarus-question", label, ...choices, line);
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", text("asksYou"));
  // To a notebook two clicks on a text mean that it is to be edited.
  node.addEventListener("dblclick", (event) => event.stopPropagation());
  node.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" || event.isComposing) return;
    // In a cell that is not edited JupyterLab keeps it from what has the focus.
    event.preventDefault();
    (event.target instanceof HTMLButtonElement ? event.target : send).click();
  });
  return { node };
}

/**
 * What can be done with a step of a turn that is over. It stands back unless the step was edited.
 * @param {Cell} cell
 * @param {(source: string) => boolean} isEdited
 * @param {() => void} onGoOn
 * @returns {Part}
 */
export function step(cell, isEdited, onGoOn) {
  const shared = cell.model.sharedModel;
  const goOn = button(text("goOn"), onGoOn);
  const node = box("datarus-part datarus-step", goOn);
  const update = () => {
    const edited = isEdited(shared.source);
    node.classList.toggle("datarus-mod-quiet", !edited);
    goOn.title = text(edited ? "goOnEditedTitle" : "goOnTitle");
  };
  shared.changed.connect(() => {
    if (node.isConnected) update();
  });
  return { node, update };
}

/**
 * What can be done with a turn that is over.
 * @param {{ undo: () => void, again: () => void, fold: (open: boolean) => void, foldFailed?: (open: boolean) => void }} actions
 *   the last one where steps have failed
 * @returns {Part}
 */
export function tools({ undo, again, fold, foldFailed }) {
  const node = box(
    "datarus-part datarus-tools",
    button(text("undoTurn"), undo, text("undoTurnTitle")),
    button(text("askAgain"), again, text("askAgainTitle")),
    folding("unfoldThoughts", "foldThoughts", fold),
    ...(foldFailed ? [folding("unfoldFailed", "foldFailed", foldFailed)] : []),
  );
  node.setAttribute("role", "toolbar");
  node.setAttribute("aria-label", text("turnTools"));
  return { node };
}

/**
 * A button that opens what is folded, and folds it again.
 * @param {Parameters<typeof text>[0]} unfold
 * @param {Parameters<typeof text>[0]} fold
 * @param {(open: boolean) => void} onFold
 */
function folding(unfold, fold, onFold) {
  let open = false;
  const node = button(text(unfold), () => {
    open = !open;
    onFold(open);
    node.textContent = text(open ? fold : unfold);
    node.setAttribute("aria-expanded", String(open));
  });
  node.setAttribute("aria-expanded", "false");
  return node;
}
