// What a model writes reaches nothing through the page.

import assert from "node:assert/strict";
import { scenes } from "./scenes.mjs";

const scene = scenes();

scene("what a model writes loads nothing, neither while it is written nor as cells", [""], async (notebook) => {
  const { page } = notebook;
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const leaks = () => asked.filter((url) => url.includes("leak.invalid"));
  await notebook.ask(0, "Say what leaks");
  const cells = await notebook.answered();
  assert.match(cells.at(-1).source, /^It is \[1\]/);
  await notebook.click("Unfold thoughts");
  await notebook.save();
  await notebook.reload();
  await notebook.answered();
  assert.equal(await notebook.panel().locator(".jp-RenderedMarkdown img").count(), 0);
  assert.deepEqual(leaks(), []);
  // What is loaded would have been seen.
  await page.evaluate(() => new Promise((resolve) => {
    const image = new Image();
    image.onerror = image.onload = () => resolve();
    image.src = "http://leak.invalid/own.png";
  }));
  assert.deepEqual(leaks(), ["http://leak.invalid/own.png"]);
  // The browser's word on it.
  const own = notebook.errors.findIndex((error) => error.includes("own.png"));
  if (own >= 0) notebook.errors.splice(own, 1);
});
