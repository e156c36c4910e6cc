// Pictures of every page of the navigation and of one volume, one node and the search, with something to see on them.
import { expect, test } from "../fixtures/installation.js";
import { api, logIn, places, visit } from "../fixtures/dashboard.js";

const volumes = ["mysql-data", "postgres-main", "prometheus-tsdb", "registry", "pvc-3f1c7a52-8f2e-4b57-9c33-0b6a1d2e9f10"];
const tabs = ["performance", "backups", "settings", "activity"].map((tab) => `volumes/mysql-data?tab=${tab}`);
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
    for (const place of [...places, "volumes/mysql-data", ...tabs, "nodes/node-1", "nowhere"]) {
      await visit(page, installation, place);
      await shoot(`${named(place)}-${colorScheme}`);
    }
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog", { name: "Search" }).getByRole("combobox").fill("my");
    await expect(page.getByRole("option").filter({ hasText: "mysql-data" }).first()).toBeVisible();
    await shoot(`search-${colorScheme}`);
    await page.keyboard.press("Escape");
  }
  await page.evaluate(() => localStorage.setItem("aurochs-language", "zh"));
  for (const place of ["", "volumes", "nodes", "volumes/mysql-data"]) {
    await visit(page, installation, place);
    await shoot(`${named(place)}-zh`);
  }
});
