// Takes the README's pictures of a turn as it grows: docs/live.png, docs/live-dark.png and docs/live.gif.
//
//   node tests/browser/record.mjs [--out docs]
//
// Needs what the tests in a browser need (see CONTRIBUTING.md), and Pillow in the Python that runs cells, which joins
// the frames.

import { execFileSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Stage } from "./scene.mjs";

/** Time between two frames, in milliseconds. */
const FRAME = 200;

const JOIN = `
import sys
from pathlib import Path
from PIL import Image

folder, out, milliseconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
frames = [Image.open(path).convert("P", palette=Image.ADAPTIVE, colors=64) for path in sorted(folder.glob("*.png"))]
durations = [milliseconds] * (len(frames) - 1) + [4000]
frames[0].save(out, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
`;

const { values } = parseArgs({ options: { out: { type: "string", default: "docs" } } });
const question = "Which species is heaviest on average?";

/** One document on the page, no side bar. */
async function tidy(scene, theme) {
  await scene.command("apputils:change-theme", { theme });
  await scene.page.waitForSelector(`body[data-jp-theme-name="${theme}"]`, { state: "attached" });
  await scene.page.setViewportSize({ width: 960, height: 760 });
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
  let over = false;
  const answered = scene.answered().then(() => (over = true));
  while (!over) {
    await onFrame();
    await scene.page.waitForTimeout(FRAME);
  }
  await answered;
  await onFrame();
}

const stage = await Stage.open();
await cp(new URL("../../notebooks/data/penguins.csv", import.meta.url), join(stage.root, "penguins.csv"));
const frames = await mkdtemp(join(tmpdir(), "dr-frames-"));
try {
  for (const [theme, name] of [["JupyterLab Light", "live"], ["JupyterLab Dark", "live-dark"]]) {
    await stage.play([""], async (scene) => {
      await tidy(scene, theme);
      let count = 0;
      await play(scene, async () => {
        count += 1;
        const path = join(frames, `${name}-${String(count).padStart(4, "0")}.png`);
        if (name === "live") await scene.page.screenshot({ path });
        if ((await scene.phase())?.startsWith("Writing") && (await scene.cells()).length > 4) {
          await scene.page.screenshot({ path: join(values.out, `${name}-middle.png`) });
        }
      });
      await scene.page.screenshot({ path: join(values.out, `${name}.png`) });
    });
  }
  const python = process.env.DATARUS_PYTHON ?? "python3";
  execFileSync(python, ["-c", JOIN, frames, join(values.out, "live.gif"), String(FRAME)]);
} finally {
  await stage.close();
  await rm(frames, { recursive: true, force: true });
}
