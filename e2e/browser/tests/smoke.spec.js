// That the harness itself works: the browser starts, at the project's width, and its pictures come out.
import { createServer } from "node:http";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "../fixtures/installation.js";

test("the browser shows a page at the width of its project", async ({ page, shoot, viewport }, testInfo) => {
  const html = "<!doctype html><meta name=viewport content='width=device-width'><button onclick='this.textContent=innerWidth'>?</button>";
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.getByRole("button").click();
    await expect(page.getByRole("button")).toHaveText(String(viewport.width));
    await shoot("smoke");
    const picture = fileURLToPath(new URL(`../shots/${testInfo.project.name}-smoke.png`, import.meta.url));
    expect(existsSync(picture) && statSync(picture).size).toBeGreaterThan(500);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
