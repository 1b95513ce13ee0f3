// What the files of tests share: a stage for all scenes of a file, and the question that most of them ask.

import { after, before, test } from "node:test";
import { Stage } from "./scene.mjs";

/** A question of the script. */
export const SUM = "What do the sales sum up to?";

/** The roles of the cells that it and its answer make. */
export const SUMMED = ["prompt", "thought", "code", "thought", "code", "thought", "answer"];

/** Opens one stage for a file of tests, with a script of its own or that of all; returns what plays a scene on it, as a test of its name. */
export function scenes(script) {
  let stage;
  before(async () => (stage = await Stage.open(script)));
  after(() => stage?.close());
  return (name, cells, play) => test(name, () => stage.play(cells, play));
}
