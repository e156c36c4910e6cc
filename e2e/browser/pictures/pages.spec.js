// Pictures of every page of the navigation and of one volume, one node and the search, with something to see on them.
import { expect, test } from "../fixtures/installation.js";
import { api, logIn, places, visit } from "../fixtures/dashboard.js";

const volumes = ["wiki-db", "catalog", "metrics", "media", "pvc-3f1c7a52-8f2e-4b57-9c33-0b6a1d2e9f10"];
const tabs = ["performance", "backups", "settings", "activity"].map((tab) => `volumes/wiki-db?tab=${tab}`);
const named = (place) => (place || "dashboard").replace(/\W+/g, "-");

test("pages", async ({ page, installation, shoot }) => {
  test.setTimeout(600_000);
  const ask = api(page, installation);
  await logIn(page, installation);
  for (const [index, name] of volumes.entries()) {
    const exists = (await ask("GET", "volumes")).data.some(({ id }) => id === name);
    if (!exists) await ask("POST", "volumes", { name, size: `${64 << index}Mi`, numberOfReplicas: 1 + (index % 3) });
  }
  const state = (name) => async () => (await ask("GET", `volumes/${name}`)).state;
  for (const name of volumes.slice(0, 2)) {
    await expect.poll(state(name)).toMatch(/detached|attached/);
    if ((await state(name)()) === "detached") await ask("POST", `volumes/${name}?action=attach`, { hostId: "node-1" });
    await expect.poll(state(name)).toBe("attached");
  }
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const place of [...places, "volumes/wiki-db", ...tabs, "nodes/node-1", "nowhere"]) {
      await visit(page, installation, place);
      await shoot(`${named(place)}-${colorScheme}`);
    }
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog", { name: "Search" }).getByRole("combobox").fill("wik");
    await expect(page.getByRole("option").filter({ hasText: "wiki-db" }).first()).toBeVisible();
    await shoot(`search-${colorScheme}`);
    await page.keyboard.press("Escape");
  }
  await page.evaluate(() => localStorage.setItem("aurochs-language", "zh"));
  for (const place of ["", "volumes", "nodes", "volumes/wiki-db"]) {
    await visit(page, installation, place);
    await shoot(`${named(place)}-zh`);
  }
});
