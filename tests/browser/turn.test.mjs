// A turn, as a reader sees it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { roles, Stage } from "./scene.mjs";

let stage;
before(async () => (stage = await Stage.open()));
after(() => stage?.close());

/** A test with a notebook of its own. */
const scene = (name, sources, play) =>
  test(name, async () => {
    const notebook = await stage.scene(sources);
    await play(notebook);
    await notebook.close();
  });

scene("a question becomes cells with numbers and outputs, in order, below it", [""], async (notebook) => {
  await notebook.ask(0, "> What do the sales sum up to?");
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells), ["prompt", "thought", "code", "thought", "code", "answer"]);
  assert.deepEqual(cells.filter((cell) => cell.cell_type === "code").map((cell) => cell.execution_count), [1, 2, 3]);
  assert.equal(cells[4].outputs[0].data["text/plain"].replace(/np.int64\((\d+)\)/, "$1"), "7");
});
