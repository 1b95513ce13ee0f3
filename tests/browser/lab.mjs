// A real JupyterLab or Notebook and a real browser, for tests and for scripts that look at the page.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const TIMEOUT = 90_000;

/** The first start reads thousands of files. */
const START = 240_000;

/** What differs between the two applications. */
const APPS = {
  lab: { module: "jupyterlab", expose: "LabApp", page: "lab/tree" },
  notebook: { module: "notebook", expose: "JupyterNotebookApp", page: "notebooks" },
};

/** A port that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts JupyterLab (or Notebook, with `app: "notebook"`) over the folder `root`, with the kernels and extensions
 * below `prefix`. Returns its address, a `stop`, and a `crash`, after which it is started anew as it was.
 */
export async function startLab({ python, root, prefix, app = "lab" }) {
  const port = await freePort();
  const scratch = await mkdtemp(join(tmpdir(), "dr-lab-"));
  const token = "conformance";
  const { module, expose, page } = APPS[app];
  const options = [
    "-m", module, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
    `--ServerApp.port=${port}`, "--ServerApp.port_retries=0", `--IdentityProvider.token=${token}`,
    `--ServerApp.root_dir=${root}`, `--${expose}.expose_app_in_browser=True`,
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
  ];
  const folders = {
    HOME: scratch, JUPYTER_DATA_DIR: join(scratch, "data"), JUPYTER_PATH: join(prefix, "share/jupyter"),
    XDG_DATA_HOME: join(scratch, "share"), XDG_STATE_HOME: join(scratch, "state"),
    IPYTHONDIR: join(scratch, "ipython"), JUPYTER_CONFIG_DIR: join(scratch, "config"),
    JUPYTER_RUNTIME_DIR: join(scratch, "run"), JUPYTERLAB_WORKSPACES_DIR: join(scratch, "spaces"),
    JUPYTERLAB_SETTINGS_DIR: join(scratch, "settings"),
  };
  await askNothing(folders.JUPYTERLAB_SETTINGS_DIR);
  // A kernel has to find its Python by itself.
  const { DATARUS_PYTHON: _, ...inherited } = process.env;
  const address = `http://127.0.0.1:${port}`;
  let server, ended, log;
  const start = async () => {
    server = spawn(python, options, { cwd: scratch, env: { ...inherited, ...folders } });
    log = "";
    server.stderr.on("data", (text) => (log += text));
    ended = new Promise((resolve) => server.on("exit", resolve));
    await answers(`${address}/api/status?token=${token}`, ended, () => log);
  };
  const end = async (signal) => {
    server.kill(signal);
    await ended;
  };
  const stop = async () => {
    await end("SIGTERM");
    await rm(scratch, { recursive: true, force: true });
  };
  const crash = async (meanwhile) => {
    await end("SIGKILL");
    await meanwhile();
    await start();
  };
  await start().catch(async (error) => {
    await stop();
    throw error;
  });
  return { address, token, page, root, stop, crash, log: () => log };
}

/** JupyterLab's question about news would lie over the page. */
async function askNothing(settings) {
  const folder = join(settings, "@jupyterlab", "apputils-extension");
  await mkdir(folder, { recursive: true });
  const quiet = { fetchNews: "false", checkForUpdates: false };
  await writeFile(join(folder, "notification.jupyterlab-settings"), JSON.stringify(quiet));
}

/** Waits until `url` answers; fails at once when the server has ended. */
async function answers(url, ended, log) {
  let over = false;
  ended.then(() => (over = true));
  const end = Date.now() + START;
  while (Date.now() < end && !over) {
    const reply = await fetch(url).catch(() => undefined);
    if (reply?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`expected JupyterLab at ${url}, found none; its log:\n${log().slice(-3000)}`);
}

/** Chromium with one page; `executable` is a Chromium or Chrome of the system. */
export async function openBrowser({ executable, width, height, flags = [] }) {
  const browser = await chromium.launch({
    executablePath: executable,
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      ...flags,
    ],
  });
  const page = await browser.newPage({ viewport: { width, height } });
  page.setDefaultTimeout(TIMEOUT);
  return { browser, page };
}

/** Opens the notebook `path` (relative to the root) and waits until it has a kernel, which may be busy. */
export async function openNotebook(page, lab, path) {
  const reset = lab.page === "lab/tree" ? "&reset" : "";
  await page.goto(`${lab.address}/${lab.page}/${path}?token=${lab.token}${reset}`);
  await page.waitForSelector(".jp-NotebookPanel .jp-Cell");
  await page.waitForFunction(() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return ["idle", "busy"].includes(widget?.sessionContext?.session?.kernel?.status);
  });
}
