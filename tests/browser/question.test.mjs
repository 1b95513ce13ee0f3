// What the model asks the reader in the middle of a turn.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { roles } from "./scene.mjs";
import { scenes } from "./scenes.mjs";

const scene = scenes(join(dirname(fileURLToPath(import.meta.url)), "asking.json"));

const BEST = "Which month did sell best?";

/** The roles of the cells that it and its answer make. */
const ASKED = ["prompt", "asked", "thought", "code", "answer"];

/** The form below the model's question. */
const form = (notebook) => notebook.panel().getByRole("group", { name: "Datarus asks you" });

const words = (notebook) => form(notebook).getByRole("textbox", { name: "Your own words" });

scene("what the model asks is answered by a button, and stands in the notebook", [""], async (notebook) => {
  await notebook.ask(0, BEST);
  await notebook.phaseIs("Waiting for your answer");
  const buttons = form(notebook).getByRole("button");
  assert.deepEqual(await buttons.allTextContents(), ["2023", "2024", "both of them together", "Answer"]);
  assert.deepEqual(await notebook.faint(), []);
  await notebook.click("2024");
  const cells = await notebook.answered();
  assert.deepEqual(roles(cells).slice(0, 5), ASKED);
  const { source } = cells[1];
  assert.match(source, /^The file has two years\.\n\n<details><summary>It is not said which year is meant<\/summary>/);
  assert.match(source, /\*\*Datarus asks\*\*\n\nWhich year do you mean\?\n\n1\. 2023\n[^]*\n\n\*\*Answered:\*\* 2024$/);
  assert.equal(await form(notebook).count(), 0);
  await notebook.panel().getByText("Answered: 2024").waitFor();
  await notebook.save();
  assert.equal([(await notebook.file()).cells[1].source].flat().join(""), source);
});

scene("it can be answered by the keyboard alone, in other words, and the cursor stays until then", [""], async (notebook) => {
  await notebook.ask(0, BEST);
  await words(notebook).waitFor();
  const inForm = () => notebook.page.evaluate(() => document.activeElement.closest(".datarus-question") !== null);
  assert.ok(!(await inForm()), "nothing takes the cursor there");
  await form(notebook).getByRole("button", { name: "2023" }).focus();
  const names = [];
  for (let tab = 0; tab < 4; tab++) {
    names.push(await notebook.page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent));
    await notebook.page.keyboard.press("Tab");
  }
  assert.deepEqual(names, ["2023", "2024", "both of them together", "Your own words"]);
  await words(notebook).focus();
  await notebook.page.keyboard.press("Enter");
  assert.equal(await form(notebook).count(), 1, "nothing is no answer");
  // Letters that are commands of the notebook elsewhere.
  await notebook.page.keyboard.type("the year dd of xx");
  await notebook.page.keyboard.press("Enter");
  const cells = await notebook.answered();
  assert.match(cells[1].source, /\*\*Answered:\*\* the year dd of xx$/);
});

scene("a question without options has a line for the answer, and a click into it leaves it there", [""], async (notebook) => {
  await notebook.ask(0, "Say who you are asking.");
  await words(notebook).dblclick();
  await notebook.page.keyboard.type("Ada");
  assert.equal(await words(notebook).inputValue(), "Ada");
  assert.deepEqual(await form(notebook).getByRole("button").allTextContents(), ["Answer"]);
  await notebook.click("Answer");
  const cells = await notebook.answered();
  assert.match(cells[1].source, /Who are you\?\n\n\*\*Answered:\*\* Ada$/);
});

scene("Stop takes the question back", ["", "print(1)"], async (notebook) => {
  await notebook.ask(0, BEST);
  await form(notebook).waitFor();
  await notebook.click("Stop");
  const cells = await notebook.until((cells) => cells[0].metadata.datarus?.status === "interrupted");
  assert.match(cells[1].source, /\*Not answered\.\*$/);
  assert.equal(await form(notebook).count(), 0);
  await notebook.run("cell-2");
  await notebook.until((cells) => cells.at(-1).outputs?.[0]?.text === "1\n");
});

scene("a page that is loaded again in the middle of a question is asked again", [""], async (notebook) => {
  await notebook.ask(0, BEST);
  await form(notebook).waitFor();
  await notebook.save();
  await notebook.reload();
  await form(notebook).getByRole("button", { name: "2023" }).press("Enter");
  const cells = await notebook.until(([prompt]) => prompt.metadata.datarus?.status === "done");
  assert.match(cells[1].source, /\*\*Answered:\*\* 2023$/);
  assert.deepEqual(roles(cells).slice(0, 5), ASKED);
});

scene("another tab is asked where the first one was closed", [""], async (notebook) => {
  const other = await notebook.tab();
  await other.ask(0, BEST);
  await form(other).waitFor();
  await other.away();
  await form(notebook).getByRole("button", { name: "2024" }).click();
  const cells = await notebook.until(([prompt]) => prompt.metadata.datarus?.status === "done");
  assert.match(cells[1].source, /\*\*Answered:\*\* 2024$/);
});

scene("a kernel that is restarted in the middle of a question asks nothing any more", ["", "print(2)"], async (notebook) => {
  await notebook.ask(0, BEST);
  await form(notebook).waitFor();
  await notebook.page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart());
  await form(notebook).waitFor({ state: "detached" });
  await notebook.ready();
  await notebook.run("cell-2");
  await notebook.until((cells) => cells.at(-1).outputs?.[0]?.text === "2\n");
});
