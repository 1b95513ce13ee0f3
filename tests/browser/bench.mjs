// Times the page: from a token to the screen, frames while a turn grows, large notebooks beside JupyterLab's own, memory.
//
//   node tests/browser/bench.mjs [--cells 1000] [--turns 100] [--only tokens|appends|large|turn|memory|data]
//
// Needs what the tests in a browser need (see CONTRIBUTING.md) and a machine that does nothing else. The kernel's
// model follows a script; a token of it is the moment at which it was given. `turn` is the part of `large` that a turn
// is about, and is left out where all is measured.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openNotebook } from "./lab.mjs";
import { Scene, Stage } from "./scene.mjs";

const { values } = parseArgs({
  options: {
    cells: { type: "string", default: "1000" },
    turns: { type: "string", default: "100" },
    only: { type: "string" },
  },
});
const COUNT = Number(values.cells);
const TURNS = Number(values.turns);

/** A frame that takes longer is seen as a jerk; in milliseconds. */
const LONG = 50;

/** A step that is one long text, with the moment of each of its tokens. */
const line = "@now ".repeat(8);
const stamps = (lines) => [["Write much.", `text = '''${`\n${line}`.repeat(lines)}'''\nprint('written')`]];
const script = {
  "how quickly": { pause_ms: 20, steps: stamps(60), answer: "It is written." },
  "how briefly": { pause_ms: 20, steps: stamps(20), answer: "It is written." },
  "how often": { pause_ms: 2, steps: [["Print a little.", "print('often ' * 100)"]], answer: "It is printed." },
};

/** The value below which the part `share` of the values lies. */
function quantile(list, share) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

const ms = (value) => `${value.toFixed(0)} ms`;
const mb = (value) => `${(value / 2 ** 20).toFixed(1)} MB`;
const print = (what, ...figures) => console.log(`${what.padEnd(54)} ${figures.join(", ")}`);

/** In the page: notes how long each frame takes, and when each token has come to the page and to the screen. */
function watch() {
  const watched = (window.watched = { frames: [], inPage: [], onScreen: [] });
  let last;
  const onFrame = (now) => {
    if (last !== undefined) watched.frames.push(now - last);
    last = now;
    watched.frame = requestAnimationFrame(onFrame);
  };
  onFrame();
  const seen = new Set();
  const moment = () => performance.timeOrigin + performance.now();
  watched.observer = new MutationObserver(() => {
    const fresh = [];
    for (const node of document.querySelectorAll(".jp-CodeCell .cm-content")) {
      for (const [, stamp] of node.textContent.matchAll(/@(\d+\.\d)\b/g)) {
        if (seen.has(stamp)) continue;
        seen.add(stamp);
        fresh.push(Number(stamp));
        watched.inPage.push(moment() - Number(stamp));
      }
    }
    // A message that is sent before a frame is painted arrives after it was.
    if (fresh.length > 0) requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => fresh.forEach((stamp) => watched.onScreen.push(moment() - stamp));
      port2.postMessage(undefined);
    });
  });
}

/** In the page: also notes tokens from now on. */
function watchTokens() {
  window.watched.observer.observe(document.querySelector(".jp-Notebook"), { subtree: true, childList: true, characterData: true });
}

/** What was noted while `play` ran. */
async function watching(scene, play, tokens = false) {
  await scene.page.evaluate(watch);
  if (tokens) await scene.page.evaluate(watchTokens);
  await play();
  return scene.page.evaluate(() => {
    const { frames, inPage, onScreen, frame, observer } = window.watched;
    observer.disconnect();
    cancelAnimationFrame(frame);
    return { frames, inPage, onScreen };
  });
}

function printFrames(what, frames, ...more) {
  const long = frames.filter((frame) => frame > LONG).length;
  const figures = [`p99 ${ms(quantile(frames, 0.99))}`, `longest ${ms(Math.max(...frames))}`];
  print(what, `${long} of ${frames.length} frames over ${LONG} ms`, ...figures, ...more);
}

/** In the page: waits until `count` frames are painted. */
async function painted(count) {
  for (let n = 0; n < count; n++) await new Promise(requestAnimationFrame);
}

/** Waits for the end of a turn, by looks that cost the page nothing. */
async function ended(scene) {
  const bars = (count) =>
    scene.page.waitForFunction((count) => document.getElementsByClassName("datarus-bar").length === count, count, { polling: 200 });
  await bars(1);
  await bars(0);
}

/** From the model to the eye. */
async function tokens(scene) {
  await scene.page.setViewportSize({ width: 1200, height: 1600 });
  const { frames, inPage, onScreen } = await watching(scene, async () => {
    await scene.ask(0, "Say how quickly you write");
    await ended(scene);
  }, true);
  const figures = (list) => [`median ${ms(quantile(list, 0.5))}`, `p99 ${ms(quantile(list, 0.99))}`, `${list.length} tokens`];
  print("token to page", ...figures(inPage));
  print("token to screen", ...figures(onScreen));
  printFrames("50 tokens a second, gathered by the kernel", frames);
}

/** The page's own part at a pace that the kernel, which gathers, does not reach. */
async function appends(scene) {
  const { frames } = await watching(scene, () => scene.page.evaluate(async () => {
    const { append } = await import(new URL("../extensions/datarus/static/cells.js", document.baseURI).href);
    const { model } = window.jupyterapp.shell.currentWidget.context;
    const { id } = model.sharedModel.cells[0];
    for (let n = 0; n < 500; n++) {
      append(model, id, n % 8 === 7 ? `word_${n}\n` : `word_${n} `);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }));
  printFrames("50 appends a second", frames);
}

/**
 * A notebook of many cells, with our kernel and, as its peer, with `python3`, where JupyterLab is left to itself.
 * @param {number} [count] of the deeds at each place
 */
async function large(stage, count) {
  const middle = COUNT >> 1;
  const texts = [...Array(COUNT).keys()].map((n) => `value_${n} = ${n}\nprint(value_${n})`);
  texts[middle] = texts[COUNT - 1] = "";
  for (const kernel of ["python3", "datarus"]) {
    await stage.once([""], async (first) => {
      const scene = new Scene(stage, await stage.write(texts, kernel), first.errors);
      first.others.push(scene);
      scene.page = await stage.newPage();
      const start = Date.now();
      await openNotebook(scene.page, stage.lab, scene.name);
      // JupyterLab shows the first ones and makes the others while nothing else is to do.
      await scene.page.waitForFunction(() => {
        const { widgets } = window.jupyterapp.shell.currentWidget.content;
        return widgets.every(({ node }) => node.isConnected);
      }, undefined, { timeout: 600_000, polling: 1000 });
      print(`${kernel}: until JupyterLab has made all ${COUNT} cells`, ms(Date.now() - start));
      for (const [place, at] of [["end", COUNT - 1], ["middle", middle]]) {
        await within(scene, `cell-${at + 1}`, (what) => `${kernel}: ${what} at the ${place}`, kernel === "datarus" ? ask : imitate, count);
      }
    });
  }
}

/** What is done at one cell of a large notebook, and how long its frames take. */
async function within(scene, cell, name, turn, count) {
  await scene.page.evaluate((id) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    return content.scrollToItem(content.widgets.findIndex(({ model }) => model.id === id), "center");
  }, cell);
  await scene.enter(cell);
  await scene.page.evaluate(painted, 30);
  const deeds = [
    ["typing", () => scene.page.keyboard.type("Say how briefly you write")],
    ["a turn", () => turn(scene, cell)],
    ["JupyterLab's own new cell", () => scene.command("notebook:insert-cell-below")],
    ["going to the cell above", () => scene.command("notebook:move-cursor-up")],
  ];
  for (const [what, act] of deeds.slice(0, count)) {
    const before = await busy(scene);
    const { frames } = await watching(scene, async () => {
      await act();
      await scene.page.evaluate(painted, 10);
    });
    printFrames(name(what), frames, `${ms((await busy(scene)) - before)} of the processor`);
  }
}

/** How long the page's main thread has worked so far, in milliseconds: what it waited for does not count. */
async function busy(scene) {
  if (!scene.devtools) {
    scene.devtools = await scene.page.context().newCDPSession(scene.page);
    await scene.devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  }
  const { metrics } = await scene.devtools.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
}

/** A turn that is asked for. */
async function ask(scene) {
  await scene.page.keyboard.press("Control+Enter");
  await ended(scene);
}

/** What such a turn does to the cells, by JupyterLab's own means alone: nothing is run or rendered. */
async function imitate(scene, cell) {
  await scene.page.evaluate(async (cell) => {
    const { sharedModel } = window.jupyterapp.shell.currentWidget.context.model;
    let at = sharedModel.cells.findIndex(({ id }) => id === cell);
    const own = { code: { outputs: [], execution_count: null }, markdown: {} };
    for (const [cell_type, count] of [["markdown", 2], ["code", 60], ["markdown", 2], ["markdown", 3]]) {
      const made = sharedModel.insertCell(++at, { cell_type, source: "", metadata: {}, ...own[cell_type] });
      for (let n = 0; n < count; n++) {
        made.transact(() => made.updateSource(made.source.length, made.source.length, n % 3 === 2 ? "@now @now\n" : "@now @now @now "), false);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }, cell);
}

/** The same question again and again: what is taken away must not stay in memory. */
async function memory(scene, what) {
  const devtools = await scene.page.context().newCDPSession(scene.page);
  const pid = await scene.pid();
  const sizes = async () => {
    for (let n = 0; n < 3; n++) await devtools.send("HeapProfiler.collectGarbage");
    const { usedSize } = await devtools.send("Runtime.getHeapUsage");
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    return { page: usedSize, kernel: Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024 };
  };
  await scene.ask(0, "Say how often you print");
  await scene.answered();
  for (let turn = 1, next; ; turn = next) {
    const { page, kernel } = await sizes();
    print(`${what} after ${turn} turns`, `page ${mb(page)}`, `kernel ${mb(kernel)}`);
    if (turn >= TURNS) break;
    next = Math.min(turn - (turn % 20) + 20, TURNS);
    await scene.page.evaluate(askAgain, next - turn);
  }
}

/** In the page, since each look from outside is code that the browser keeps: asks again, so many times. */
async function askAgain(count) {
  const { content } = window.jupyterapp.shell.currentWidget;
  const turn = () => content.model.cells.get(0).getMetadata("datarus")?.turn;
  const runs = ({ node }) => node.querySelector(".jp-InputPrompt")?.textContent.includes("*");
  for (let n = 0; n < count; n++) {
    const old = turn();
    const again = () => [...content.node.querySelectorAll("button")].find(({ textContent }) => textContent === "Ask again");
    while (!again()) await new Promise(requestAnimationFrame);
    again().click();
    const ended = () => turn() !== old && content.widgets.length === 5 && content.widgets.at(-1).rendered && !content.widgets.some(runs);
    while (!ended()) await new Promise(requestAnimationFrame);
  }
}

/** What a browser compiles of the page it keeps while there is room; one that compiles nothing shows the page's own data. */
const INTERPRETED = "--js-flags=--no-opt --no-maglev --no-sparkplug";

const folder = await mkdtemp(join(tmpdir(), "dr-bench-"));
const file = join(folder, "script.json");
await writeFile(file, JSON.stringify(script));
try {
  const alone = (measure) => (stage) => stage.once([""], measure);
  const measures = {
    tokens: [alone(tokens)],
    appends: [alone(appends)],
    large: [large],
    turn: [(stage) => large(stage, 2)],
    memory: [alone((scene) => memory(scene, "memory"))],
    data: [alone((scene) => memory(scene, "memory, where nothing is compiled,")), INTERPRETED],
  };
  const chosen = values.only ? [values.only] : Object.keys(measures).filter((name) => name !== "turn");
  for (const name of chosen) {
    const [measure, ...flags] = measures[name];
    const stage = await Stage.open(file, flags);
    try {
      await measure(stage);
    } finally {
      await stage.close();
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
