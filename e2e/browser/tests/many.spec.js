// An installation of two thousand volumes in a browser: listed, filtered, sorted, selected by a filter, deleted together,
// found. The volumes are copies in the manager's own database of one that it made (fixtures/multiply.py).
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, start, test } from "../fixtures/installation.js";
import { answer, api, logIn, visit } from "../fixtures/dashboard.js";

const COUNT = 2000;
const multiply = fileURLToPath(new URL("../fixtures/multiply.py", import.meta.url));
const MIB = 1 << 20;

test("two thousand volumes are listed, filtered, sorted, deleted together and found", async ({ page, shoot }, info) => {
  test.skip(info.project.name === "phone", "once is enough: the table of a phone is the same one");
  test.setTimeout(180_000);
  const installation = await start();
  try {
    const ask = api(page, installation);
    await ask("POST", "volumes", { name: "many-0000", size: `${16 * MIB}`, numberOfReplicas: 1 });
    await expect.poll(async () => (await ask("GET", "volumes/many-0000")).state).toBe("detached");
    await installation.pause();
    execFileSync("python3", [multiply, join(installation.data, "aurochs.db"), "many-0000", `${COUNT}`]);
    await installation.resume();

    await logIn(page, installation, { at: "volumes" });
    const count = page.getByTestId("count");
    const rows = page.locator(".grid tbody tr:not(.gap)");
    const row = (number) => page.getByTestId(`volume-many-${`${number}`.padStart(4, "0")}`);
    await expect(count).toHaveText("2,000", { timeout: 60_000 });
    await expect(row(0)).toBeVisible();
    // What is not in view is no element of the page; the end is one scroll away.
    expect(await rows.count()).toBeLessThan(100);
    await page.locator(".sheet").evaluate((sheet) => { sheet.scrollTop = sheet.scrollHeight; });
    await expect(row(COUNT - 1)).toBeVisible();
    await expect(row(0)).toHaveCount(0);
    // Long lists have columns of a fixed width; what a row is called still stands there in full.
    const name = row(COUNT - 1).locator("td.main");
    expect((await name.boundingBox()).width).toBeGreaterThanOrEqual(200);
    await shoot("many");

    // Sorted by size: the largest are copies 7, 15, 23 …
    const bySize = page.getByRole("columnheader", { name: "Size", exact: true });
    await bySize.getByRole("button").click();
    await expect(bySize).toHaveAttribute("aria-sort", "ascending");
    await bySize.getByRole("button").click();
    await expect(bySize).toHaveAttribute("aria-sort", "descending");
    await page.locator(".sheet").evaluate((sheet) => { sheet.scrollTop = 0; });
    await expect(rows.first()).toContainText("128 MiB");

    // All of a filter, far more than is in view, stay selected while others are looked at.
    const search = page.getByRole("searchbox", { name: "Search volumes" });
    await search.fill("many-01");
    await expect(count).toHaveText("100 of 2,000");
    await page.getByRole("checkbox", { name: "Select all" }).check();
    const bulk = page.getByTestId("bulk");
    await expect(bulk).toContainText("100 selected");
    await shoot("many-selected");
    await search.fill("");
    await expect(bulk).toContainText("100 selected");
    await page.getByRole("button", { name: "Clear" }).click();

    // Ten go, and the list says so by itself.
    await search.fill("many-199");
    await expect(count).toHaveText("10 of 2,000");
    await page.getByRole("checkbox", { name: "Select all" }).check();
    await expect(bulk).toContainText("10 selected");
    await bulk.getByRole("button", { name: "More for the selected" }).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await expect(page.getByRole("dialog")).toContainText("many-1990");
    const typed = page.getByTestId("confirm-name");
    if (await typed.isVisible()) {
      await expect(page.getByTestId("dialog-answer")).toBeDisabled();
      await typed.fill("10 volumes");
    }
    await shoot("many-delete");
    await answer(page, 60_000);
    await search.fill("");
    await expect(count).toHaveText("1,990", { timeout: 60_000 });
    await ask("DELETE", "volumes/many-0000");
    await expect(count).toHaveText("1,989", { timeout: 60_000 });

    // The state in the address, and the number of it on the first page.
    await page.getByTestId("filter-detached").click();
    await expect(page).toHaveURL(/status=detached/);
    await expect(count).toHaveText("1,989");
    await visit(page, installation, "");
    await expect(page.getByTestId("count-detached").locator("strong")).toHaveText("1,989");

    // One of them by its name, with the keyboard alone.
    await page.keyboard.press("/");
    const palette = page.getByRole("dialog", { name: "Search" });
    await palette.getByRole("combobox").fill("many-1234");
    await expect(palette.getByRole("option")).toHaveCount(1);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(`${installation.url}volumes/many-1234`);
    await expect(page.getByTestId("volume-state")).toContainText("Detached");
  } finally {
    // A page that is still open asks for its server and complains to its console of what this test ends.
    await page.goto("about:blank");
    await installation.stop();
  }
});
