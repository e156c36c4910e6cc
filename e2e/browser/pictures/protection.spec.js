// Pictures of protection and operations with something to see on each page, and of the dialogs that people meet there.
import { fileURLToPath } from "node:url";
import { expect, test } from "../fixtures/installation.js";
import { api, logIn, visit } from "../fixtures/dashboard.js";
import { backedUp, orphan, recurringJobs, systemAndImage } from "./content.js";

const PAGES = [
  ["backups", "backups"], ["backup-volume", "backups/offsite/orders-db"], ["backup-targets", "backup-targets"],
  ["files", "files?volume=orders-db&snapshot=before-upgrade&path=/mysql"], ["files-choose", "files"],
  ["recurring-jobs", "recurring-jobs"], ["system-backups", "system-backups"], ["system-restores", "system-backups?tab=restores"],
  ["backing-images", "backing-images"], ["backing-image-backups", "backing-images?tab=backups"],
  ["nodes", "nodes"], ["node", "nodes/node-1"], ["topology", "topology?volume=orders-db"], ["topology-table", "topology?tab=table"],
  ["settings", "settings"], ["notifications", "settings?tab=notifications"], ["access", "settings?tab=access"],
  ["orphans", "orphans"], ["orphan-instances", "orphans?tab=instances"], ["engine-images", "engine-images"],
  ["instance-managers", "instance-managers"], ["jobs", "jobs"], ["events", "events"], ["audit", "audit"], ["support", "support"],
];

const row = (page, test) => page.locator(`[data-testid^="${test}"]`).first();
async function choose(page, test, entry) {
  await row(page, test).getByRole("button", { name: /^Actions for/ }).click();
  await page.getByRole("menuitem", { name: entry, exact: true }).click();
}
const press = (name) => (page) => page.getByRole("button", { name }).first().click();

/** Name, page, what opens it. */
const DIALOGS = [
  ["new-target", "backup-targets", press("New target")],
  ["test-target", "backup-targets", async (page) => {
    await choose(page, "backup-targets-offsite", "Test…");
    await expect(page.getByText("Backups can be kept here.")).toBeVisible();
  }],
  ["new-job", "recurring-jobs", press("New job")],
  ["history", "recurring-jobs", (page) => choose(page, "recurring-jobs-nightly", "History…")],
  ["restore", "backups/offsite/orders-db", (page) => choose(page, "backups-of-volume-", "Restore…")],
  ["standby", "backups/offsite/orders-db", (page) => choose(page, "backups-of-volume-", "Create standby volume…")],
  ["delete-backup", "backups/offsite/orders-db", (page) => choose(page, "backups-of-volume-", "Delete…")],
  ["backup-menu", "backups", (page) => row(page, "backup-volumes-").getByRole("button", { name: /^Actions for/ }).click()],
  ["new-system-backup", "system-backups", press("Back up the system")],
  ["restore-system", "system-backups", (page) => choose(page, "system-backups-before", "Restore…")],
  ["new-image", "backing-images", press("New backing image")],
  ["copies", "backing-images", (page) => choose(page, "backing-images-base", "Copies…")],
  ["edit-node", "nodes", async (page) => {
    await page.getByRole("button", { name: "Actions for node-2" }).click();
    await page.getByRole("menuitem", { name: "Edit node and disks…" }).click();
  }],
  ["evict", "nodes/node-1", async (page) => {
    await page.getByRole("button", { name: "Actions for node-1", exact: true }).click();
    await page.getByRole("menuitem", { name: "Evict…" }).first().click();
  }],
  ["job", "jobs", (page) => row(page, "jobs-").getByRole("link").first().click()],
  ["audit-entry", "audit", (page) => choose(page, "audit-", "Details…")],
  ["engine-image", "engine-images", (page) => choose(page, "engine-images-", "Details…")],
  ["processes", "instance-managers", (page) => choose(page, "instance-managers-", "Show processes…")],
];

// A few of them, while somebody works at a page: PICTURES=backups,restore THEMES=dark
const ONLY = process.env.PICTURES?.split(",");
const THEMES = process.env.THEMES?.split(",") ?? ["light", "dark"];
const wanted = ([name]) => !ONLY || ONLY.includes(name);

test("protection and operations", async ({ page, installation }, info) => {
  test.setTimeout(900_000);
  const ask = api(page, installation);
  await backedUp(ask, installation);
  await recurringJobs(ask);
  await systemAndImage(ask);
  await orphan(ask);
  const picture = async (name, whole) => {
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const path = fileURLToPath(new URL(`../shots/${info.project.name}-${name}-${colorScheme}.png`, import.meta.url));
      await page.screenshot({ path, animations: "disabled", fullPage: whole });
    }
  };
  await logIn(page, installation);
  for (const [name, place] of PAGES.filter(wanted)) {
    await visit(page, installation, place);
    await picture(name, name !== "settings");
  }
  for (const [name, place, open] of DIALOGS.filter(wanted)) {
    await visit(page, installation, place);
    await open(page);
    await expect(page.locator("dialog[open], [role=menu]").first()).toBeVisible();
    await expect(page.locator("dialog .skeleton, dialog [aria-busy=true]")).toHaveCount(0);
    await picture(`dialog-${name}`, false);
  }
  await page.evaluate(() => localStorage.setItem("aurochs-language", "zh"));
  for (const [name, place] of PAGES.filter(wanted)) {
    await visit(page, installation, place);
    await picture(`${name}-zh`, name !== "settings");
  }
});
