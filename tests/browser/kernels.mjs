// The two kernels that are played: the product as it is installed, and one whose model follows a script.

import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The Python that runs cells. */
export const companion = process.env.DATARUS_PYTHON ?? "python3";

/** The program as it is released. */
export const program = process.env.DATARUS_BIN ?? join(repository, "target/release/datarus");

/** The file names of the kernels' programs. */
export const PROGRAMS = ["datarus", "scripted-kernel"];

/** Below `prefix`, a kernel with a model that follows the file `script`, and the extension as it lies here. */
export async function placeScripted(prefix, script) {
  const kernel = process.env.DATARUS_SCRIPTED_KERNEL ?? join(repository, "target/debug/scripted-kernel");
  const specification = {
    argv: [kernel, "-f", "{connection_file}"],
    display_name: "Datarus",
    language: "python",
    interrupt_mode: "message",
    env: { DATARUS_PYTHON: companion, DATARUS_SCRIPT: script },
  };
  const data = join(prefix, "share/jupyter");
  await mkdir(join(data, "kernels/datarus"), { recursive: true });
  await writeFile(join(data, "kernels/datarus/kernel.json"), JSON.stringify(specification));
  const extension = join(repository, "labextension");
  await cp(join(extension, "static"), join(data, "labextensions/datarus/static"), { recursive: true });
  await cp(join(extension, "package.json"), join(data, "labextensions/datarus/package.json"));
}

/** Below `prefix`, the product, by its own command and as `install.sh --prefix` has it. */
export async function placeProduct(prefix) {
  const placed = join(prefix, "bin/datarus");
  await mkdir(dirname(placed), { recursive: true });
  await copyFile(program, placed);
  await promisify(execFile)(placed, ["install", "--prefix", prefix, "--python", companion]);
}
