// What the metadata of cells say about turns. No page is needed here: values in, values out.

import { sha256 } from "./sha256.js";

/** @import { Json } from "../lab.js" */

/** What the kernel is asked to tell, and what it answers, is of this version. */
export const VERSION = 1;

/** Hash of a source as the kernel makes it: ends of lines and blanks at the end do not count. @param {string} source */
export function sourceHash(source) {
  return sha256(source.replaceAll("\r\n", "\n").trimEnd()).slice(0, 16);
}

/** How much is told of one cell that the kernel asks for, and of all of them, in characters. */
const MAX_CELL = 16_384;
const MAX_CELLS = 262_144;

/** Whether a source differs from what stood there when the turn was done. @param {string} source @param {Json | undefined} facts */
export function isEdited(source, facts) {
  return differs(sourceHash(source), facts);
}

/** @param {string} hash of a source @param {Json | undefined} facts */
function differs(hash, facts) {
  return String(facts?.src_sha ?? "").slice(0, 16) !== hash;
}

/** Whether the id is that of a step which the turn itself made, and no copy of it. @param {string} id @param {Json | undefined} facts */
export function isOwnStep(id, facts) {
  const part = facts?.role === "code" && id.startsWith(`${facts.turn}-`) ? id.slice(facts.turn.length + 1) : "";
  return /^\d+c(_\d+)?$/.test(part);
}

/**
 * A cell as the message `state` tells it. The source comes along only where the kernel cannot know it: in a cell of
 * a turn that was edited by hand.
 * @param {{ id: string, type: string, source: string, facts: Json | undefined }} cell
 * @param {string} hash of its source
 */
export function cellState({ id, type, source, facts }, hash = sourceHash(source)) {
  const turn = facts?.turn;
  const role = roleOf(type, facts);
  const edited = turn && role !== "prompt" && differs(hash, facts);
  return {
    id,
    type,
    ...(role && { role }),
    hash,
    ...(turn && { turn }),
    ...(facts?.step !== undefined && { step: facts.step }),
    ...(edited && { source }),
  };
}

/**
 * Cells as the message `texts` tells them. There is room for the lowest ones, which a question is more likely about.
 * @param {{ id: string, source: string, outputs: Json[], count: number | null, failed: boolean }[]} cells
 */
export function cellTexts(cells) {
  const told = [];
  let room = MAX_CELLS;
  for (const { id, source: whole, outputs, count, failed } of [...cells].reverse()) {
    const source = shortened(whole, MAX_CELL);
    const output = shortened(outputs.map(plainText).join("\n"), MAX_CELL - source.length);
    room -= source.length + output.length;
    if (room < 0) break;
    told.unshift({ id, source, output, execution_count: count, failed });
  }
  return told;
}

/** What an output shows, as text. @param {Json} output @returns {string} */
function plainText({ output_type, text, data, traceback, ename, evalue }) {
  const joined = (/** @type {string | string[] | undefined} */ lines) => (Array.isArray(lines) ? lines.join("") : String(lines ?? ""));
  if (output_type === "stream") return joined(text).trimEnd();
  if (output_type !== "error") return joined(data?.["text/plain"] ?? data?.["text/markdown"]);
  return withoutEscapes(traceback?.length ? traceback.join("\n") : `${ename}: ${evalue}`);
}

/** Beginning and end of what is longer than `limit`. @param {string} text @param {number} limit */
function shortened(text, limit) {
  if (text.length <= limit) return text;
  const room = Math.max(0, limit - 60);
  const head = Math.ceil((room * 2) / 3);
  const gap = `\n… [${text.length - room} characters left out] …\n`;
  return text.slice(0, head) + gap + text.slice(text.length - room + head);
}

/** @param {string} type @param {Json | undefined} facts */
function roleOf(type, facts) {
  if (facts?.turn || facts?.role === "prompt") return facts.role;
  return type === "code" ? "python" : undefined;
}

/**
 * `old` with `patch` laid over it: objects are merged, null takes a key away, tags of ours take the place of tags of
 * ours. Facts of another turn do not mix: those of the newer one stand alone.
 * @param {Json} old
 * @param {Json} patch
 * @returns {Json}
 */
export function patched(old, patch) {
  const result = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    const before = old[key];
    if (value === null) delete result[key];
    else if (key === "tags") result[key] = [...new Set([...(before ?? []).filter(isReaders), ...value])];
    else if (key === "datarus" && value.turn !== undefined && value.turn !== before?.turn) result[key] = value;
    else if (isObject(value)) result[key] = patched(isObject(before) ? before : {}, value);
    else result[key] = value;
  }
  return result;
}

/** @param {string} tag */
function isReaders(tag) {
  return tag !== "skip-execution" && !tag.startsWith("datarus-");
}

/** @param {unknown} value @returns {value is Json} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Outputs with errors as text, as a failed step has them in a file: other programs that run the notebook do not stop
 * at it. Undefined when there is no error.
 * @param {Json[]} outputs
 */
export function errorsAsText(outputs) {
  if (!outputs.some((output) => output.output_type === "error")) return undefined;
  return outputs.map((output) => {
    if (output.output_type !== "error") return output;
    const lines = output.traceback?.length ? output.traceback : [`${output.ename}: ${output.evalue}`];
    return { output_type: "stream", name: "stderr", text: `${withoutEscapes(lines.join("\n"))}\n` };
  });
}

/** Text without terminal escapes. @param {string} text */
export function withoutEscapes(text) {
  // A control sequence ends with a character from `@` to `~`, an operating system command with BEL or ESC \.
  return text.replace(/\x1b(?:\[[^@-~]*[@-~]?|\][^\x07\x1b]*\x07?|[^]?)/g, "");
}

/**
 * Whether an edit put a new text in the place of all of the old one.
 * @param {{ insert?: string, delete?: number, retain?: number }[]} delta
 * @param {string} source the text after the edit
 */
export function typedAnew(delta, source) {
  const removed = delta.some((part) => part.delete);
  const inserted = delta.reduce((length, part) => length + (part.insert?.length ?? 0), 0);
  return removed && inserted === source.length;
}
