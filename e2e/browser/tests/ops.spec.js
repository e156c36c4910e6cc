// What operators do: nodes and disks, eviction, topology, settings, orphans, jobs, events, the audit log, support bundles.
// Against the real manager with three nodes; whatever a test changes it changes back.
import { mkdirSync, writeFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "../fixtures/installation.js";
import { api } from "../fixtures/dashboard.js";

async function logIn(page, installation, path = "") {
  await page.goto(`${installation.url}${path}`);
  await page.getByLabel("User").fill(installation.user);
  await page.getByLabel("Password").fill(installation.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByTestId("live-state").filter({ visible: true })).toContainText("Live");
}

const choose = async (page, button, entry) => {
  await button.click();
  await page.getByRole("menuitem", { name: entry }).click();
};

const answer = (page) => page.getByTestId("dialog-answer").click();

/** A directory for a disk beside the installation's own data. */
function directory(installation, name) {
  const path = join(installation.data, "..", name);
  mkdirSync(path, { recursive: true });
  return path;
}

test("a node and its disks are edited in one form", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const path = directory(installation, `disk-${info.project.name}`);
  await logIn(page, installation, "nodes");
  const card = page.getByTestId("node-node-2");
  await expect(card).toContainText("Schedulable");
  await shoot("ops-nodes");
  const actions = card.getByRole("button", { name: "Actions for node-2" });

  // What is wrong is said while it is typed, and can't be saved.
  await choose(page, actions, "Edit node and disks…");
  const dialog = page.getByRole("dialog");
  await expect(page.getByTestId("dialog-answer")).toBeDisabled();
  await dialog.getByLabel("Tags").first().fill("edge, rack-7");
  await dialog.getByTestId("add-disk").click();
  await dialog.getByLabel("Name", { exact: true }).fill("extra");
  await dialog.getByLabel("Path").fill("not/absolute");
  await expect(dialog.getByText("Give an absolute path").first()).toBeVisible();
  await expect(page.getByTestId("dialog-answer")).toBeDisabled();
  await dialog.getByLabel("Path").fill(path);
  await shoot("ops-edit-node");
  await answer(page);
  await expect(dialog).toBeHidden();
  await expect(card.getByTestId("disk-extra")).toBeVisible();
  await expect(card.getByText("rack-7")).toBeVisible();
  await expect.poll(async () => (await ask("GET", "nodes/node-2")).tags).toEqual(["edge", "rack-7"]);

  // The disk goes through its own menu; what that would do is shown first.
  await choose(page, card.getByRole("button", { name: "Actions for extra" }), "Remove disk…");
  await expect(dialog).toContainText("Remove node-2 / extra?");
  await answer(page);
  await expect(card.getByTestId("disk-extra")).toHaveCount(0);
  await expect.poll(async () => Object.keys((await ask("GET", "nodes/node-2")).disks)).not.toContain("extra");
  await ask("PUT", "nodes/node-2", { tags: [] });
});

test("an eviction shows what it would do before it is asked for, and is taken back", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const name = `evicted-${info.project.name}`;
  await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 3 });
  await expect.poll(async () => (await ask("GET", `volumes/${name}`)).state).toBe("detached");
  await logIn(page, installation, "nodes/node-3");
  const actions = page.getByRole("button", { name: "Actions for node-3" });
  await choose(page, actions, "Evict…");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Emptying node-3");
  await expect(dialog).toContainText(name);
  await shoot("ops-evict");
  await answer(page);
  await expect(dialog).toBeHidden();
  await expect.poll(async () => (await ask("GET", "nodes/node-3")).evictionRequested).toBe(true);
  await expect(page.getByText("Being emptied", { exact: true }).first()).toBeVisible();
  await choose(page, actions, "Cancel eviction");
  await expect.poll(async () => (await ask("GET", "nodes/node-3")).evictionRequested).toBe(false);
  await choose(page, actions, "Switch scheduling on");
  await expect.poll(async () => (await ask("GET", "nodes/node-3")).allowScheduling).toBe(true);
  await expect(page.getByText("Being emptied", { exact: true })).toHaveCount(0);
  await shoot("ops-node");
  await ask("DELETE", `volumes/${name}`);
});

test("the topology lights up the replicas of a volume, by pointer and by keys", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const [first, second] = [`lit-${info.project.name}`, `other-${info.project.name}`];
  for (const name of [first, second]) await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 2 });
  for (const name of [first, second]) await expect.poll(async () => (await ask("GET", `volumes/${name}`)).state).toBe("detached");
  await logIn(page, installation, `topology?volume=${first}`);
  const lit = page.locator(".replica-dot.on");
  await expect(lit).toHaveCount(2);
  await expect(lit.first()).toHaveAccessibleName(new RegExp(first));
  await shoot("ops-topology");
  await page.getByRole("group", { name: /Replicas by zone/ }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.locator(".replica-dot:focus")).toHaveCount(1);
  await page.getByRole("link", { name: "Table" }).click();
  await expect(page.getByRole("region", { name: "Replicas" })).toContainText(second);
  for (const name of [first, second]) await ask("DELETE", `volumes/${name}`);
});

test("settings are checked as they are typed, saved, reset, and kept from being forgotten", async ({ page, installation, shoot }) => {
  const ask = api(page, installation);
  const value = async (name) => (await ask("GET", `settings/${name}`)).value;
  // A standalone installation begins with another value than the default.
  const before = await value("storage-minimal-available-percentage");
  await logIn(page, installation, "settings?q=storage-minimal-available-percentage");
  const row = page.getByTestId("setting-storage-minimal-available-percentage");
  const field = row.getByRole("textbox");
  await expect(field).toHaveValue(before);
  await field.fill("101");
  await expect(row).toContainText("Give a whole number from 0 to 100.");
  await expect(page.getByTestId("save-settings")).toBeDisabled();
  await field.fill("20");
  await shoot("ops-settings-typed");

  // Who goes is asked first, and stays with what was typed.
  await page.getByRole("link", { name: "Nodes" }).filter({ visible: true }).first().click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Leave without saving?");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(field).toHaveValue("20");
  await page.getByTestId("save-settings").click();
  await expect.poll(() => value("storage-minimal-available-percentage")).toBe("20");
  await expect(row.getByRole("button", { name: "Reset" })).toBeVisible();
  await row.getByRole("button", { name: "Reset" }).click();
  await page.getByTestId("save-settings").click();
  await expect.poll(() => value("storage-minimal-available-percentage")).toBe("25");
  await ask("PUT", "settings/storage-minimal-available-percentage", { value: before });

  // A value for each data engine.
  await page.goto(`${installation.url}settings?q=default-replica-count`);
  const replicas = page.getByTestId("setting-default-replica-count");
  await replicas.getByRole("textbox").first().fill("2");
  await page.getByTestId("save-settings").click();
  await expect.poll(async () => JSON.parse(await value("default-replica-count")).v1).toBe("2");
  await ask("PUT", "settings/default-replica-count", { value: "3" });
  await page.goto(`${installation.url}settings`);
  await expect(page.getByRole("region", { name: "Danger zone" })).toBeVisible();
  await shoot("ops-settings");
});

test("orphaned data is shown with its disk and deleted", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const disk = Object.values((await ask("GET", "nodes/node-1")).disks)[0];
  const data = `left-${info.project.name}-1a2b3c4d`;
  const path = join(disk.path, "replicas", data);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "volume.meta"), JSON.stringify({ Size: 1048576, Head: "volume-head-000.img", Dirty: false, Rebuilding: false, Error: "", Parent: "", SectorSize: 512, BackingFilePath: "" }));
  try {
    await logIn(page, installation, "orphans");
    await expect(page.getByText(data).first()).toBeVisible({ timeout: 90_000 });
    await shoot("ops-orphans");
    const { data: all } = await ask("GET", "orphans");
    const orphan = all.find((one) => one.parameters.DataName === data);
    await choose(page, page.getByTestId(`orphans-data-${orphan.id}`).getByRole("button", { name: /Actions/ }), "Delete…");
    await answer(page);
    await expect(page.getByText(data)).toHaveCount(0, { timeout: 60_000 });
    await expect.poll(() => existsSync(path)).toBe(false);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
});

test("a support bundle is made, is a job with its log, and can be downloaded", async ({ page, installation, shoot }) => {
  const ask = api(page, installation);
  await logIn(page, installation, "support");
  await page.getByRole("button", { name: "Make a support bundle" }).click();
  await page.getByRole("dialog").getByLabel("Description").fill("It was slow at noon.");
  await answer(page);
  const bundle = page.getByTestId("bundle").first();
  await expect(bundle).toContainText("Ready", { timeout: 90_000 });
  await shoot("ops-support");
  const downloading = page.waitForEvent("download");
  await bundle.getByRole("link", { name: "Download" }).click();
  expect((await downloading).suggestedFilename()).toMatch(/\.zip$/);

  await page.goto(`${installation.url}jobs?kind=supportBundle`);
  const job = page.getByRole("region", { name: "Jobs" }).getByRole("link", { name: /Support bundle/ }).first();
  await expect(job).toBeVisible();
  await shoot("ops-jobs");
  await job.click();
  await expect(page.getByRole("dialog")).toContainText("Succeeded");
  await expect(page.getByRole("dialog")).toContainText("admin");
  await shoot("ops-job");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const { data } = await ask("GET", "jobs?kind=supportBundle");
  expect(data.length).toBeGreaterThan(0);
});

test("events and the audit log tell what happened, and who did it", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const name = `told-${info.project.name}`;
  await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 1 });
  await ask("DELETE", `volumes/${name}`);
  await logIn(page, installation, "events");
  await expect(page.getByRole("region", { name: "Events" })).toContainText(name);
  await shoot("ops-events");
  await page.goto(`${installation.url}audit?object=${name}`);
  const log = page.getByRole("region", { name: "Audit log" });
  await expect(log).toContainText("Delete");
  await expect(log).toContainText("admin");
  await shoot("ops-audit");
});

test("engine images, instance managers and the start page show what there is", async ({ page, installation, shoot }) => {
  await logIn(page, installation, "engine-images");
  await expect(page.getByText("Deployed").first()).toBeVisible();
  await shoot("ops-engine-images");
  await page.goto(`${installation.url}instance-managers`);
  await expect(page.getByRole("region", { name: "Instance managers" })).toContainText("node-3");
  await shoot("ops-instance-managers");
  await page.goto(`${installation.url}settings?tab=access`);
  await expect(page.getByText("Administrator: may do everything")).toBeVisible();
  await page.goto(`${installation.url}settings?tab=notifications`);
  await expect(page.getByText("Nobody is told yet")).toBeVisible();
  await shoot("ops-notifications");
  await page.goto(installation.url);
  await expect(page.getByTestId("space")).toContainText("promised to replicas");
  await expect(page.getByRole("region", { name: "Events" })).toBeVisible();
  await shoot("ops-dashboard");
});
