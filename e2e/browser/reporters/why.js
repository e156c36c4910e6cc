// Says at the very end, in a few plain lines a test, what failed: a log that was cut, without its attachments, still
// tells it. `scripts/test.sh` repeats these lines below its own summary; it knows them by their first word.
import { relative } from "node:path";

const ESCAPES = /\u001b\[[0-9;]*m/g;
const ERROR_LINES = 10;
const LOG_LINES = 8;

const linesOf = (text) => text.replace(ESCAPES, "").split("\n").filter((line) => line.trim() !== "");

/** Message, locator, expected, received, timeout; then the place in the test. */
function what(error) {
  const place = error.location ? [`at ${relative(process.cwd(), error.location.file)}:${error.location.line}`] : [];
  return [...linesOf(error.message ?? error.value ?? "").slice(0, ERROR_LINES), ...place];
}

function managersLastWords({ attachments }) {
  const log = attachments.find(({ name }) => name === "manager.log")?.body?.toString() ?? "";
  const lines = linesOf(log).slice(-LOG_LINES);
  return lines.length === 0 ? [] : ["the manager's last words:", ...lines.map((line) => `  ${line}`)];
}

export default class Why {
  #told = [];

  onTestEnd(test, result) {
    if (result.status === test.expectedStatus || result.status === "skipped") return;
    const name = test.titlePath().filter((part) => part !== "").join(" › ");
    const lines = [...result.errors.flatMap(what), ...managersLastWords(result)];
    this.#told.push(`failed: ${name} (${result.status})`, ...lines.map((line) => `  ${line}`));
  }

  /** What failed outside of any test: a file that does not load, a server that does not stop. */
  onError(error) {
    this.#told.push("failed: outside of the tests", ...what(error).map((line) => `  ${line}`));
  }

  onEnd() {
    if (this.#told.length > 0) console.log(`\n${this.#told.join("\n")}`);
  }

  printsToStdio() {
    return false;
  }
}
