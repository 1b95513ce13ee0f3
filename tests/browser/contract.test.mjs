// The page's side of tests/fixtures/comm.json, and of what the kernel writes into a notebook. No browser is needed.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { cellState, cellTexts, errorsAsText, isOwnStep, patched, sourceHash, typedAnew, VERSION } from "../../labextension/static/facts.js";
import { Live } from "../../labextension/static/live.js";
import { placeBelow } from "../../labextension/static/menu.js";
import { sha256 } from "../../labextension/static/sha256.js";

const contract = JSON.parse(await readFile(new URL("../fixtures/comm.json", import.meta.url)));

const signal = { connect: () => true };

/** A link whose kernel is ours and whose messages are kept in `sent`. */
async function connected(cells = []) {
  const sent = [];
  const comm = { isDisposed: false, open: (data) => sent.push(data), send: (data) => sent.push(data), close: () => {} };
  const kernel = { info: Promise.resolve({ implementation: "datarus" }), createComm: () => comm };
  const model = {
    sharedModel: { cells: cells.map((cell) => cell.sharedModel), transact: (change) => change(), insertCell: () => {} },
    cells: Object.assign([...cells], { get: (at) => cells[at], changed: signal }),
    deletedCells: [],
    stateChanged: signal,
    getMetadata: () => undefined,
    setMetadata: () => undefined,
  };
  const sessionContext = { session: { kernel }, kernelChanged: signal, statusChanged: signal };
  const context = { path: "analysis/sales.ipynb", localPath: "analysis/sales.ipynb", save: async () => {}, model, sessionContext, pathChanged: signal, saveState: signal };
  const live = new Live({}, context, () => {});
  await live.connect();
  return { live, sent };
}

test("the versions are the same", () => assert.equal(contract.v, VERSION));

test("each message of the kernel has a handler that bears it", async () => {
  const { live } = await connected();
  assert.deepEqual(Object.keys(live.handlers).sort(), Object.keys(contract.to_page).sort());
  for (const [op, message] of Object.entries(contract.to_page)) {
    assert.doesNotThrow(() => live.handlers[op](message), op);
  }
});

test("what the page says has the shape that the kernel expects", async () => {
  const { live, sent } = await connected();
  const { turn } = contract.to_kernel.stop;
  const { id } = contract.to_kernel.choice;
  live.handlers.begin({ ...contract.to_page.begin, remove: [] });
  // The notebook is told of when its sources are hashed.
  await new Promise(setImmediate);
  live.handlers.ask(contract.to_page.ask);
  live.choose(id, "edit", contract.to_kernel.choice.source);
  live.handlers.question(contract.to_page.question);
  live.answer(contract.to_page.question.id, contract.to_kernel.answer.answer);
  live.answer(contract.to_page.question.id, "twice");
  live.stop(turn);
  live.review = "guard";
  live.handlers.restore(contract.to_page.restore);
  const said = Object.fromEntries(sent.map((message) => [message.op ?? "open", message]));
  for (const op of ["open", "choice", "answer", "stop", "settings", "restored"]) {
    assert.deepEqual(said[op], contract.to_kernel[op], op);
  }
  assert.equal(said.state.turn, turn);
});

test("a report is asked for once the notebook is saved, and told of where its file can be opened", async () => {
  const { live, sent } = await connected();
  const told = [];
  const Notification = { emit: (message, type) => told.push({ message, type }), update: (change) => told.push(change) };
  const opened = [];
  const commands = { hasCommand: () => true, execute: async (id, { path }) => opened.push([id, path]) };
  Object.assign(live.lab, { apputils: { Notification }, app: { commands } });
  let saved;
  live.context.save = () => new Promise((resolve) => (saved = resolve));
  live.report("html");
  live.report("html");
  assert.ok(!sent.some(({ op }) => op === "report"), "it is not saved yet");
  saved();
  await new Promise(setImmediate);
  assert.deepEqual(sent.filter(({ op }) => op === "report"), [contract.to_kernel.report], "once");
  live.handlers.reported(contract.to_page.reported);
  assert.deepEqual(told.map(({ type }) => type), ["in-progress", "success"]);
  told[1].actions[0].callback();
  assert.deepEqual(opened, [["docmanager:open", "analysis/sales-report.html"]]);
  live.context.save = () => Promise.reject(new Error("read-only"));
  live.report("html");
  await new Promise(setImmediate);
  assert.deepEqual([told.at(-1).type, sent.filter(({ op }) => op === "report").length], ["error", 1]);
});

test("a ready question stands below the cell in use, and below all of its answer", () => {
  const turns = ["", "t_1", "t_1", "t_1", "", "t_2"];
  const cells = turns.map((turn) => ({ getMetadata: () => (turn ? { turn } : undefined) }));
  const model = { cells: Object.assign([...cells], { get: (at) => cells[at] }) };
  assert.deepEqual([-1, 0, 1, 2, 4, 5].map((at) => placeBelow(model, at)), [0, 1, 4, 4, 5, 6]);
});

test("to go on from a step, its question is run with what the kernel reads", async () => {
  const { turn, go_on } = contract.go_on;
  const cell = (id, facts) => ({ id, type: "code", sharedModel: { id }, getMetadata: () => facts });
  const models = [cell("p2", { role: "prompt", turn, status: "done" }), cell(go_on, { role: "code", turn, step: 2 })];
  const { live } = await connected(models);
  const ran = [];
  live.lab = { cells: { CodeCell: { execute: async (widget, _, metadata) => ran.push([widget.model.id, metadata.datarus]) } } };
  live.panels.add({ content: { widgets: models.map((model) => ({ model })) } });
  live.goOn(go_on);
  live.goOn(go_on);
  assert.deepEqual(ran, [["p2", contract.go_on]], "once");
});

test("a cell is told with its source where it was edited by hand", () => {
  const [python, prompt, step] = contract.to_kernel.state.cells;
  const cell = (state, source, facts) => cellState({ id: state.id, type: state.type, source, facts });
  assert.deepEqual(cell(python, "test", undefined), python);
  assert.deepEqual({ ...cell(prompt, "x", { role: "prompt", turn: prompt.turn }), hash: prompt.hash }, prompt);
  const facts = { role: "code", turn: step.turn, step: 1, src_sha: sha256("df.head(3)") };
  assert.deepEqual({ ...cell(step, step.source, facts), hash: step.hash }, step);
  assert.equal(cell(step, "df.head(3)\n", facts).source, undefined, "blanks at the end are no edit");
});

test("SHA-256 is that of the system, at every length around a block", () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000]) {
    const text = "é".repeat(length % 2) + "a".repeat(length);
    assert.equal(sha256(text), createHash("sha256").update(text).digest("hex"), `length ${length}`);
  }
  assert.equal(sourceHash("a\r\nb \n"), sourceHash("a\nb"));
});

test("what a cell holds is told as text, within bounds, the lowest cells first", () => {
  const [told] = contract.to_kernel.texts.cells;
  const of = ({ id, source }, outputs, rest = {}) => ({ id, source, outputs, count: 2, failed: false, ...rest });
  const result = { output_type: "execute_result", data: { "text/plain": "1" } };
  assert.deepEqual(cellTexts([of(told, [result])]), [told]);
  const error = { output_type: "error", ename: "E", evalue: "v", traceback: ["\x1b[31mE\x1b[0m: v"] };
  const stream = { output_type: "stream", name: "stdout", text: ["a\n", "b\n"] };
  assert.equal(cellTexts([of(told, [stream, error])])[0].output, "a\nb\nE: v");
  const long = [..."0123456789"].map((digit) => of({ id: digit, source: digit.repeat(40_000) }, [stream]));
  const [text] = cellTexts(long.slice(0, 1));
  assert.ok(text.source.length <= 16_384 && text.source.includes("characters left out") && text.output.length < 100);
  const all = cellTexts([...long, ...long]);
  assert.ok(all.length < 20 && all.at(-1).id === "9", "the lowest");
  assert.ok(all.reduce((size, { source, output }) => size + source.length + output.length, 0) <= 262_144);
});

test("only cells that a turn made itself are steps to go on from", () => {
  const facts = { role: "code", turn: "t_0a1b2c3d", step: 2 };
  const own = ["t_0a1b2c3d-2c", "t_0a1b2c3d-2c_3"];
  const other = ["t_0a1b2c3d-2k", "t_0a1b2c3d-a", "a copy", "t_00000001-2c"];
  assert.deepEqual([...own, ...other].filter((id) => isOwnStep(id, facts)), own);
  assert.ok(!isOwnStep(own[0], undefined));
});

test("a patch renews tags of ours, merges objects and takes null away", () => {
  const old = { tags: ["datarus-code", "skip-execution", "mine"], jupyter: { a: 1 }, datarus: { turn: "t_1", step: 1 }, x: 1 };
  const patch = { tags: ["datarus-code", "datarus-failed"], jupyter: { source_hidden: true }, datarus: { status: "error" }, x: null };
  assert.deepEqual(patched(old, patch), {
    tags: ["mine", "datarus-code", "datarus-failed"],
    jupyter: { a: 1, source_hidden: true },
    datarus: { turn: "t_1", step: 1, status: "error" },
  });
});

test("facts of a newer turn do not mix with those of the older", () => {
  const old = { datarus: { role: "prompt", turn: "t_1", notices: ["old"] } };
  assert.deepEqual(patched(old, { datarus: { role: "prompt", turn: "t_2" } }), { datarus: { role: "prompt", turn: "t_2" } });
});

test("errors become text without colours, and other outputs stay", () => {
  const stream = { output_type: "stream", name: "stdout", text: "a\n" };
  const error = { output_type: "error", ename: "E", evalue: "v", traceback: ["\x1b[31mE\x1b[0m: v", "\x1b]8;;x\x07end"] };
  assert.deepEqual(errorsAsText([stream, error]), [stream, { output_type: "stream", name: "stderr", text: "E: v\nend\n" }]);
  assert.equal(errorsAsText([stream]), undefined);
});

test("a text is typed anew when nothing of the old one is left", () => {
  assert.ok(typedAnew([{ insert: "x" }, { delete: 5 }], "x"));
  assert.ok(!typedAnew([{ retain: 3 }, { insert: "x" }, { delete: 1 }], "abcx"));
  assert.ok(!typedAnew([{ insert: "x" }], "x"), "the first letter of an empty cell");
});
