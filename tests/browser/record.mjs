// Takes the README's pictures of a turn with the product as it is installed and its own model: docs/live.gif,
// docs/live-middle.png in the middle of the turn, docs/live.png and docs/live-dark.png at its end.
//
//   cargo build --release --workspace && node tests/browser/record.mjs [--out docs]
//
// Needs what the tests in a browser need (see CONTRIBUTING.md), and Pillow in the Python that runs cells, which joins
// the frames.

import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { roles, Stage } from "./scene.mjs";

/** Least time between two frames, in milliseconds; a busy machine takes fewer, which are then shown for longer. */
const FRAME = 100;

const JOIN = `
import sys
from pathlib import Path
from PIL import Image

folder, out = Path(sys.argv[1]), sys.argv[2]
paths = sorted(folder.glob("*.png"))
taken = [int(path.stem) for path in paths]
frames = [Image.open(path).convert("P", palette=Image.ADAPTIVE, colors=64) for path in paths]
durations = [after - before for before, after in zip(taken, taken[1:])] + [4000]
frames[0].save(out, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
`;

const { values } = parseArgs({ options: { out: { type: "string", default: "docs" } } });
const python = process.env.DATARUS_PYTHON ?? "python3";
const question = "What is the mean body_mass_g by species?";

/** One document on the page, no side bar. */
async function tidy(scene, theme) {
  await scene.command("apputils:change-theme", { theme });
  await scene.page.waitForSelector(`body[data-jp-theme-name="${theme}"]`, { state: "attached" });
  await scene.page.setViewportSize({ width: 960, height: 800 });
  await scene.page.evaluate(() => {
    const { shell } = window.jupyterapp;
    shell.mode = "single-document";
    shell.collapseLeft();
    shell.collapseRight();
  });
}

/** Asks the question; `onFrame` is called until it is answered. */
async function play(scene, onFrame) {
  await scene.enter(0);
  await scene.page.keyboard.type(question, { delay: 20 });
  await scene.page.keyboard.press("Control+Enter");
  const start = Date.now();
  const isOver = () => Boolean(document.querySelector(".datarus-tools") && !document.querySelector(".datarus-bar"));
  while (!(await scene.page.evaluate(isOver))) {
    await onFrame(Date.now() - start);
    await scene.page.waitForTimeout(FRAME);
  }
  await scene.answered();
  await onFrame(Date.now() - start);
}

/** Whether the turn is in its middle: a step has been done, and the answer is not there. */
const isMiddle = (cells) => cells.length > 3 && !roles(cells).includes("answer");

const stage = await Stage.openProduct();
await copyFile(new URL("../../notebooks/data/penguins.csv", import.meta.url), join(stage.root, "penguins.csv"));
const frames = await mkdtemp(join(tmpdir(), "dr-frames-"));
let middle;
try {
  for (const [theme, name] of [["JupyterLab Light", "live"], ["JupyterLab Dark", "live-dark"]]) {
    await stage.play([""], async (scene) => {
      await tidy(scene, theme);
      await play(scene, async (milliseconds) => {
        if (name !== "live") return;
        const path = join(frames, `${String(milliseconds).padStart(8, "0")}.png`);
        const before = isMiddle(await scene.cells());
        await scene.page.screenshot({ path });
        if (before && isMiddle(await scene.cells())) middle = path;
      });
      await scene.page.screenshot({ path: join(values.out, `${name}.png`) });
      if (name !== "live") return;
      if (middle === undefined) throw new Error("expected a picture in the middle of the turn, it was too quick: try again");
      await copyFile(middle, join(values.out, "live-middle.png"));
      execFileSync(python, ["-c", JOIN, frames, join(values.out, "live.gif")]);
    });
  }
} finally {
  await stage.close();
  await rm(frames, { recursive: true, force: true });
}
