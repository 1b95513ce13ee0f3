// Going on from a step of a turn that is over, and what the model is told of the notebook.

import assert from "node:assert/strict";
import { roles, sources } from "./scene.mjs";
import { SUM, scenes } from "./scenes.mjs";

const scene = scenes();

/** Ids of the cells of turns, without the turns' names. */
const parts = (cells) => cells.map(({ id }) => id.replace(/^t_\w{8}-/, ""));

/** The button of a step. */
const goOn = (notebook, cell) => notebook.at(cell).getByRole("button", { name: "Go on from here" });

/** The ids of the steps, and waits until the first turn is over. */
async function asked(notebook) {
  await notebook.ask(0, SUM);
  const cells = await notebook.answered();
  const steps = cells.filter((cell) => cell.metadata.datarus?.role === "code").map(({ id }) => id);
  return { cells, steps, turn: cells[0].metadata.datarus.turn };
}

/** Waits until the turn has its answer again, in a cell of the pass that the id ends with. */
const wentOn = (notebook, pass) =>
  notebook.until(
    (cells) => cells.some((cell) => cell.id.endsWith(`-a_${pass}`) && cell.rendered) && cells.every((cell) => !cell.running),
    `an answer of pass ${pass}`,
  );

scene("an edited step is run, and what followed gives way to what follows now", ["", "print('mine')"], async (notebook) => {
  const { steps, turn } = await asked(notebook);
  await notebook.enter(steps[0]);
  await notebook.page.keyboard.type(".assign(more=1)");
  await goOn(notebook, steps[0]).click();
  const cells = await wentOn(notebook, 2);
  assert.deepEqual(parts(cells), ["cell-1", "1t", "1c", "2t_2", "2c_2", "3t_2", "a_2", "cell-2"]);
  assert.match(cells[2].outputs[0].data["text/plain"], /more/, "the edited step has run");
  assert.equal(cells[4].outputs[0].text, "7\n");
  assert.match(cells[6].source, /\[7\]\(#cell-id=t_\w+-2c_2/);
  assert.ok(cells.every((cell) => [undefined, turn].includes(cell.metadata.datarus?.turn)), "it is the same turn");
  assert.deepEqual(cells.filter((cell) => cell.metadata.datarus?.step).map((cell) => cell.metadata.datarus.step), [1, 1, 2, 2, 3]);
  assert.equal(cells[0].metadata.datarus.go_on, undefined);
});

scene("the button stands out where a step was edited, and is there for every other one", [""], async (notebook) => {
  const { steps } = await asked(notebook);
  await notebook.enter(steps[1]);
  const bar = (id) => notebook.at(id).locator(".datarus-step");
  const isQuiet = (id) => bar(id).evaluate((node) => node.classList.contains("datarus-mod-quiet"));
  assert.deepEqual([await isQuiet(steps[0]), await isQuiet(steps[1])], [true, true]);
  await notebook.page.keyboard.type("#");
  assert.deepEqual([await isQuiet(steps[0]), await isQuiet(steps[1])], [true, false]);
  await notebook.page.keyboard.press("Backspace");
  assert.equal(await isQuiet(steps[1]), true);
  await goOn(notebook, steps[0]).focus();
  assert.equal(await bar(steps[0]).evaluate((node) => getComputedStyle(node).opacity), "1", "shown to who comes by keyboard");
});

scene("a step that stands as it ran is not run again", [""], async (notebook) => {
  const { cells: before, steps } = await asked(notebook);
  await notebook.mark();
  await notebook.at(steps[1]).hover();
  await goOn(notebook, steps[1]).click();
  const cells = await wentOn(notebook, 2);
  assert.deepEqual(parts(cells), ["cell-1", "1t", "1c", "2t", "2c", "3t_2", "a_2"]);
  assert.deepEqual(cells.slice(1, 5).map((cell) => cell.execution_count), before.slice(1, 5).map((cell) => cell.execution_count));
});

scene("one undo of Go on brings the notebook back as it was, and redo what came instead", ["", "print('mine')"], async (notebook) => {
  const { cells: before, steps } = await asked(notebook);
  await notebook.mark();
  await notebook.at(steps[0]).hover();
  await goOn(notebook, steps[0]).click();
  const after = await wentOn(notebook, 2);
  const ids = (cells) => cells.map(({ id }) => id);
  await notebook.command("notebook:undo-cell-action");
  const back = await notebook.until((cells) => cells.some(({ id }) => id.endsWith("-a")));
  assert.deepEqual([ids(back), sources(back)], [ids(before), sources(before)]);
  await notebook.command("notebook:redo-cell-action");
  const again = await notebook.until((cells) => cells.some(({ id }) => id.endsWith("-a_2")));
  assert.deepEqual([ids(again), sources(again)], [ids(after), sources(after)]);
  await notebook.command("notebook:undo-cell-action");
  const last = await notebook.until((cells) => cells.some(({ id }) => id.endsWith("-a")));
  assert.deepEqual([ids(last), sources(last)], [ids(before), sources(before)]);
  await notebook.mark();
  await notebook.at(steps[1]).hover();
  await goOn(notebook, steps[1]).click();
  assert.deepEqual(parts(await wentOn(notebook, 2)), ["cell-1", "1t", "1c", "2t", "2c", "3t_2", "a_2", "cell-2"]);
});

scene("an undo after Ask again brings the first answer back in the place of the second", ["", "print('mine')"], async (notebook) => {
  const { cells: before, turn } = await asked(notebook);
  await notebook.click("Ask again");
  await notebook.until(
    (cells) => cells[0].metadata.datarus?.turn !== turn && cells.length === before.length && cells.at(-2).rendered && cells.every((cell) => !cell.running),
  );
  await notebook.command("notebook:undo-cell-action");
  const back = await notebook.until((cells) => cells[0].metadata.datarus?.turn === turn);
  assert.deepEqual(back.map(({ id }) => id), before.map(({ id }) => id));
  assert.deepEqual(back[0].metadata, before[0].metadata);
  await notebook.panel().locator(".datarus-tools").waitFor();
});

scene("an undo while a question is answered anew takes nothing of what is being written", [""], async (notebook) => {
  const slow = "Say how slowly you write";
  await notebook.ask(0, slow);
  const before = await notebook.answered();
  await notebook.click("Ask again");
  await notebook.phaseIs("Writing");
  await notebook.command("notebook:undo-cell-action");
  const cells = await notebook.until((cells) => cells.filter((cell) => cell.metadata.datarus?.role === "answer" && cell.rendered).length === 2);
  assert.deepEqual(new Set(cells.map(({ id }) => id)).size, cells.length);
  for (const { id } of before) assert.ok(cells.some((cell) => cell.id === id), `expected ${id}`);
});

scene("Stop while the edited step runs leaves what stands", ["", "print('next')"], async (notebook) => {
  const { steps } = await asked(notebook);
  await notebook.enter(steps[0]);
  await notebook.page.keyboard.type("\nimport time\nfor _ in range(3000): time.sleep(0.1)");
  await goOn(notebook, steps[0]).click();
  await notebook.phaseIs("Running");
  await notebook.click("Stop");
  const cells = await wentOn(notebook, 2);
  assert.deepEqual(parts(cells), ["cell-1", "1t", "1c", "a_2", "cell-2"]);
  assert.equal(cells[0].metadata.datarus.status, "interrupted");
  await notebook.run("cell-2");
  await notebook.until((cells) => cells.at(-1).outputs[0]?.text === "next\n");
});

scene("a failed step that was mended is a step as any other", [""], async (notebook) => {
  await notebook.ask(0, "Show what fails");
  const cells = await notebook.answered();
  const { id } = cells.find((cell) => cell.metadata.tags?.includes("datarus-failed"));
  await notebook.page.evaluate((id) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.widgets.find(({ model }) => model.id === id).model.sharedModel.setSource("print('mended')");
  }, id);
  await notebook.mark();
  await goOn(notebook, id).click();
  const [step] = (await wentOn(notebook, 2)).filter((cell) => cell.id === id);
  assert.deepEqual(step.outputs.map((output) => output.text), ["mended\n"]);
  assert.deepEqual([step.metadata.tags, step.metadata.jupyter?.source_hidden], [["datarus-code"], undefined]);
});

scene("a turn that went on is saved as it is seen, and comes back so", [""], async (notebook) => {
  const { steps } = await asked(notebook);
  await notebook.save();
  await notebook.enter(steps[1]);
  await notebook.page.keyboard.type(" ");
  await notebook.page.keyboard.type("# mine");
  await goOn(notebook, steps[1]).click();
  const seen = await wentOn(notebook, 2);
  // The file holds the turn as it was before.
  await notebook.away();
  await notebook.back();
  const cells = await wentOn(notebook, 2);
  assert.deepEqual(parts(cells), parts(seen));
  assert.deepEqual(roles(cells), roles(seen));
});

scene("after a restart the kernel asks what stands above a question, and is told", ["print('twenty')", "", ""], async (notebook) => {
  await notebook.run(0);
  await notebook.until((cells) => cells[0].outputs.length === 1);
  await notebook.ask("cell-2", SUM);
  await notebook.answered();
  await notebook.page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel());
  await notebook.ready();
  await notebook.page.evaluate(() => {
    window.told = [];
    window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.anyMessage.connect((_, { msg, direction }) => {
      if (direction === "send" && msg.content?.data?.op === "texts") window.told.push(msg.content.data.cells);
    });
  });
  await notebook.ask("cell-3", "Show what fails");
  const cells = await notebook.answered(2);
  const [told] = await notebook.page.evaluate(() => window.told);
  assert.deepEqual(parts(told), ["cell-1", "cell-2", "1t", "1c", "2t", "2c", "3t", "a"]);
  assert.deepEqual(told.map(({ source }) => source), sources(cells).slice(0, told.length));
  assert.deepEqual([told[0].output, told[5].output, told[5].execution_count], ["twenty", "7", 4]);
  assert.match(told[3].output, /sales/);
});
