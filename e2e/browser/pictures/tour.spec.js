// The pictures of docs/dashboard.md, of an installation in which something happens: shots/desk-tour-*.png and one of a phone.
// `make shots` makes them; docs/dashboard.md says how they get into docs/pictures.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { expect, test } from "../fixtures/installation.js";
import { api, go, logIn, settled } from "../fixtures/dashboard.js";

const GIB = 2 ** 30;
const volumes = { "mysql-data": [4, 3, "node-1"], "postgres-main": [6, 3, "node-2"], "prometheus-tsdb": [8, 2, "node-3"], registry: [10, 2, null], "grafana-data": [1, 2, null] };

/** Bytes that differ from one call to the next. */
const write = (name, mebibytes, at) => execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${name}`, "bs=1M", `count=${mebibytes}`, `seek=${at}`, "oflag=direct"], { stdio: "ignore" });

test("tour", async ({ page, installation, shoot }, info) => {
  test.setTimeout(600_000);
  const ask = api(page, installation);
  await ask("PUT", "settings/storage-over-provisioning-percentage", { value: "100000" });
  for (const [name, [gibibytes, numberOfReplicas]] of Object.entries(volumes)) {
    const there = (await ask("GET", "volumes")).data.some(({ id }) => id === name);
    if (!there) await ask("POST", "volumes", { name, size: `${gibibytes * GIB}`, numberOfReplicas });
  }
  const one = (name) => ask("GET", `volumes/${name}`);
  for (const [name, [, , node]] of Object.entries(volumes)) {
    await expect.poll(async () => (await one(name)).state, { timeout: 60_000 }).toMatch(/detached|attached/);
    if (node && (await one(name)).state === "detached") await ask("POST", `volumes/${name}?action=attach`, { hostId: node });
    if (node) await expect.poll(async () => (await one(name)).robustness, { timeout: 60_000 }).toBe("healthy");
  }
  for (const [index, snapshot] of ["before-upgrade", "after-upgrade", "nightly-1"].entries()) {
    write("mysql-data", 24, index * 32);
    await ask("POST", "volumes/mysql-data?action=snapshotCreate", { name: snapshot });
  }
  write("postgres-main", 48, 0);
  const target = `${installation.data}/backups`;
  mkdirSync(target, { recursive: true });
  await ask("PUT", "backuptargets/default", { name: "default", backupTargetURL: `vfs://${target}`, credentialSecret: "", pollInterval: "300" });
  await expect.poll(async () => (await ask("GET", "backuptargets/default")).available, { timeout: 60_000 }).toBe(true);
  await ask("POST", "volumes/mysql-data?action=snapshotBackup", { name: "after-upgrade" });
  await ask("POST", "recurringjobs", { name: "nightly", task: "backup", cron: "0 2 * * *", retain: 7, concurrency: 2, groups: ["default"], labels: {} }).catch(() => {});
  await expect.poll(async () => (await ask("GET", "backups")).data.map(({ state }) => state), { timeout: 60_000 }).toContain("Completed");

  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await logIn(page, installation);
  const seen = async (name, place) => {
    await go(page, installation, place);
    await page.waitForLoadState("networkidle");
    await shoot(`tour-${name}`);
  };
  if (info.project.name === "phone") {
    await seen("phone", "volumes/mysql-data");
    return;
  }
  await seen("dashboard", "");
  await seen("volumes", "volumes");
  await seen("volume", "volumes/mysql-data");
  await seen("nodes", "nodes");
  await seen("topology", "topology");
  await seen("backups", "backups");
  await seen("settings", "settings?q=replica");

  await go(page, installation, "recurring-jobs");
  await page.getByRole("button", { name: "New job" }).first().click();
  await page.locator("#field-name").fill("weekly");
  await page.waitForLoadState("networkidle");
  await shoot("tour-recurring-job");
  await page.keyboard.press("Escape");

  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await go(page, installation, "volumes/grafana-data");
  await page.getByRole("button", { name: /^More actions for/ }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await settled(page);
  await page.waitForLoadState("networkidle");
  await shoot("tour-delete");
  await page.keyboard.press("Escape");
  await go(page, installation, "");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Search" }).getByRole("combobox").fill("my");
  await expect(page.getByRole("option").filter({ hasText: "mysql-data" }).first()).toBeVisible();
  await shoot("tour-search");
});
