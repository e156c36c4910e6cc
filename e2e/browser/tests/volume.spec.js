// One volume in the browser: every action of its menu, its page by tab, what viewers see, and the same in Chinese.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { expect, test } from "../fixtures/installation.js";
import { MIB, answer, choose, expectNoOverflow, logIn, open, volumes } from "../fixtures/volumes.js";

test("every action of a volume's menu", async ({ page, installation, quiet, shoot }, info) => {
  test.setTimeout(180_000);
  const api = volumes(page, installation);
  const volume = `all-${info.project.name}-${process.pid}`;
  const copy = `cloned-${volume}`;
  const job = `nightly-${info.project.name}`;
  const target = `${installation.data}/backups-${info.project.name}`;
  mkdirSync(target, { recursive: true });
  await logIn(page, installation);
  await api.volume(volume);
  try {
    await open(page, installation, volume);
    const shown = page.getByTestId("volume-state");
    await expect(shown).toContainText("Detached");
    await page.getByRole("button", { name: /^More actions for/ }).click();
    const entry = (name) => page.getByRole("menuitem", { name });
    // What is impossible now says why; what is of use in trouble alone is not there.
    await expect(entry("Detach…")).toHaveAttribute("aria-disabled", "true");
    await expect(entry("Take snapshot…")).toContainText("Attach it first");
    await expect(entry("Salvage…")).toHaveCount(0);
    await expect(entry("Activate…")).toHaveCount(0);
    await expect(entry("Cancel expansion…")).toHaveCount(0);
    await shoot("volume-menu");
    await page.keyboard.press("Escape");

    await choose(page, "Attach…");
    await page.getByRole("radio", { name: /node-1/ }).check();
    await answer(page);
    await expect(shown).toContainText("Healthy", { timeout: 60_000 });
    // What holds data wants to be named before it is deleted.
    execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${volume}`, "bs=1M", "count=4", "oflag=direct"], { stdio: "ignore" });

    await choose(page, "Replica count…");
    await page.locator("#field-replicaCount").fill("2");
    await expect(page.getByTestId("consequences")).toBeVisible();
    await shoot("volume-replica-count");
    await answer(page);
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).numberOfReplicas).toBe(2);

    await choose(page, "Change settings…");
    await page.locator("#field-dataLocality").selectOption("best-effort");
    await page.locator("#field-snapshotMaxCount").fill("20");
    await page.locator("#field-replicaSoftAntiAffinity").selectOption("enabled");
    // It can be changed while it is detached only, and says so.
    await expect(page.locator("#field-accessMode")).toBeDisabled();
    await shoot("volume-change-settings");
    await answer(page);
    const changed = await api.get(`volumes/${volume}`);
    expect([changed.dataLocality, changed.snapshotMaxCount, changed.replicaSoftAntiAffinity]).toEqual(["best-effort", 20, "enabled"]);

    await choose(page, "Take snapshot…");
    await page.locator("#field-name").fill("first");
    await answer(page);
    await expect(page.getByTestId("snapshot-first")).toBeVisible();

    // Without an address of the target there is nowhere to go, and the dialog says where it is given.
    await choose(page, "Back up…");
    await expect(page.getByRole("dialog")).toContainText("has no address yet");
    await page.getByRole("button", { name: "Cancel" }).click();
    await api.put("backuptargets/default", { name: "default", backupTargetURL: `vfs://${target}`, credentialSecret: "", pollInterval: "300" });
    await expect.poll(async () => (await api.get("backuptargets/default")).available, { timeout: 60_000 }).toBe(true);
    await choose(page, "Back up…");
    await expect(page.getByRole("dialog")).toContainText(target);
    await shoot("volume-back-up");
    await answer(page);
    const backups = async () => (await api.get("backups")).data.filter((backup) => backup.volumeName === volume);
    await expect.poll(async () => (await backups()).map((backup) => backup.state), { timeout: 60_000 }).toEqual(["Completed"]);

    // A snapshot that there is goes from its own menu, and the list tells which backup has it.
    await page.getByTestId("snapshot-first").getByRole("button").first().click();
    await page.getByRole("menuitem", { name: "Back up…" }).click();
    await answer(page);
    await expect.poll(async () => (await backups()).map((backup) => backup.state), { timeout: 60_000 }).toEqual(["Completed", "Completed"]);
    const sent = (await backups()).find(({ snapshotName }) => snapshotName === "first");
    await page.getByTestId("snapshots").getByRole("button", { name: "List" }).click();
    await expect(page).toHaveURL(/\?snapshots=list$/);
    await page.reload();
    const listed = page.getByTestId("volume-snapshots-first");
    await expect(listed).toBeVisible();
    // A phone shows two lines of a row and no more.
    // The cell of a long name has it as its title too.
    if (info.project.name === "desk") await expect(listed.getByRole("cell").getByTitle(sent.name)).toHaveText("1");
    await page.getByTestId("snapshots").getByRole("button", { name: "Tree" }).click();
    await expect(page).toHaveURL(new RegExp(`volumes/${volume}$`));
    await choose(page, "Show backups");
    await expect(page.getByTestId(`volume-backups-${sent.id}`)).toBeVisible();

    await choose(page, "Clone…");
    await expect(page.locator("#field-dataSource")).toHaveValue(`vol://${volume}`);
    await expect(page.locator("#field-name")).toHaveValue(copy);
    await shoot("volume-clone");
    await answer(page);
    await expect.poll(async () => (await api.get(`volumes/${copy}`)).cloneStatus.state, { timeout: 120_000 }).toBe("completed");

    await choose(page, "Expand…");
    await page.locator("#field-size").fill("1");
    await shoot("volume-expand");
    await answer(page);
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).controllers[0].size, { timeout: 60_000 }).toBe(`${1024 * MIB}`);

    await api.post("recurringjobs", { name: job, task: "snapshot", cron: "0 3 * * *", retain: 3, concurrency: 1, groups: [], labels: {} });
    await choose(page, "Add to recurring job…");
    await page.locator("#field-job").selectOption(`job:${job}`);
    await answer(page);
    await expect.poll(async () => JSON.stringify((await api.get(`volumes/${volume}`)).recurringJobSelector)).toContain(job);

    await page.getByTestId(`volume-recurring-${job}`).getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Take out…" }).click();
    await answer(page);
    await expect.poll(async () => JSON.stringify((await api.get(`volumes/${volume}`)).recurringJobSelector)).not.toContain(job);

    // Nothing is mounted, so there is no file system that could give anything back: the refusal stays in the dialog.
    await choose(page, "Trim file system…");
    await page.getByTestId("dialog-answer").click();
    await expect(page.getByRole("dialog").getByTestId("failure")).toContainText(/mount/i, { timeout: 60_000 });
    quiet.except(/action=trimFilesystem/);
    await page.getByRole("button", { name: "Cancel" }).click();

    await choose(page, "Detach…");
    await expect(page.getByRole("dialog")).toContainText(`/dev/longhorn/${volume} goes away`);
    await page.getByLabel(/Detach by force/).check();
    await shoot("volume-detach");
    await answer(page);
    await expect(shown).toContainText("Detached", { timeout: 60_000 });

    await choose(page, "Change settings…");
    await page.locator("#field-accessMode").selectOption("rwop");
    await answer(page);
    expect((await api.get(`volumes/${volume}`)).accessMode).toBe("rwop");

    // A standby volume follows the backup, and is activated from its menu.
    const [backup] = await backups();
    const standby = `standby-${info.project.name}-${process.pid}`;
    await api.post("volumes", { name: standby, size: backup.volumeSize, numberOfReplicas: 2, fromBackup: backup.url, standby: true, frontend: "" });
    await open(page, installation, standby);
    await expect(page.getByText("standby", { exact: true })).toBeVisible();
    await expect(page.getByTestId("use-it")).toContainText("It follows a backup");
    await expect.poll(async () => (await api.get(`volumes/${standby}`)).controllers[0].lastRestoredBackup, { timeout: 90_000 }).toBeTruthy();
    await choose(page, "Activate…");
    await answer(page, 60_000);
    await expect.poll(async () => (await api.get(`volumes/${standby}`)).standby, { timeout: 60_000 }).toBe(false);
    await expect.poll(async () => (await api.get(`volumes/${standby}`)).state, { timeout: 120_000 }).toBe("detached");

    await open(page, installation, volume);
    await api.gone(standby);
    await choose(page, "Delete…");
    await expect(page.getByRole("dialog")).toContainText("Its backups stay");
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await page.getByTestId("confirm-name").fill(volume);
    await shoot("volume-delete");
    await answer(page);
    await expect(page).toHaveURL(`${installation.url}volumes`, { timeout: 60_000 });
  } finally {
    await api.gone(volume);
    await api.gone(copy);
  }
});

test("the page of a volume, tab by tab", async ({ page, installation, quiet, shoot }, info) => {
  test.setTimeout(180_000);
  const api = volumes(page, installation);
  const volume = `page-${info.project.name}-${process.pid}`;
  const copy = `cloned-${volume}`;
  await logIn(page, installation);
  await api.volume(volume);
  await api.attach(volume);
  try {
    execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${volume}`, "bs=1M", "count=24", "oflag=direct"], { stdio: "ignore" });
    for (const name of ["one", "two", "three"]) await api.post(`volumes/${volume}?action=snapshotCreate`, { name });
    await open(page, installation, volume);
    await expect(page.getByTestId("replicas").getByText("Healthy")).toHaveCount(3);
    await expect(page.getByTestId("use-it").getByLabel("Device", { exact: true })).toHaveValue(`/dev/longhorn/${volume}`);
    await page.getByText("YAML for Kubernetes").first().click();
    await expect(page.getByTestId("manifest").locator("pre")).toContainText(`volumeHandle: ${volume}`);
    await page.getByText("YAML for Kubernetes").first().click();
    await expect(page.getByTestId("snapshot-three")).toBeVisible();
    await shoot("volume-overview");
    await expectNoOverflow(page);

    // The tree: clone, delete with what comes back, purge; then the same as a list.
    const layer = async (name, action) => {
      await page.getByTestId(`snapshot-${name}`).getByRole("button").first().click();
      await page.getByRole("menuitem", { name: action }).click();
    };
    await layer("one", "Clone…");
    await expect(page.locator("#field-dataSource")).toHaveValue(`snap://${volume}/one`);
    await answer(page);
    await expect.poll(async () => (await api.get(`volumes/${copy}`)).cloneStatus.state, { timeout: 120_000 }).toBe("completed");
    await layer("two", "Delete…");
    await expect(page.getByTestId("consequences")).toBeVisible();
    await shoot("snapshot-delete");
    await answer(page);
    await page.getByTestId("snapshots").getByRole("button", { name: "Purge" }).click();
    await answer(page);
    await expect(page.getByTestId("snapshot-two")).toHaveCount(0, { timeout: 60_000 });
    await page.getByTestId("snapshots").getByRole("button", { name: "List" }).click();
    await expect(page.getByTestId("snapshots")).toContainText("three");
    await shoot("volume-snapshot-list");
    await page.getByTestId("snapshots").getByRole("button", { name: "Tree" }).click();
    await layer("three", "Files");
    // Bytes without a file system have no files to show.
    quiet.except(/status of 409 .*\/files\?snapshot=three/);
    await expect(page).toHaveURL(new RegExp(`files\\?volume=${volume}&snapshot=three`));
    await page.goBack();

    // A replica goes with a preview of what is left, and another one is made.
    await page.getByTestId("replicas").getByRole("button", { name: /^Actions for/ }).first().click();
    await page.getByRole("menuitem", { name: "Delete replica…" }).click();
    await expect(page.getByRole("dialog")).toContainText("2 of 3 replicas with all data are left");
    await shoot("replica-delete");
    await answer(page);
    await expect(page.getByTestId("volume-state")).toContainText("Healthy", { timeout: 90_000 });

    const tab = (name) => page.locator("nav.tabs").getByRole("link", { name });
    await tab("Performance").click();
    await expect(page).toHaveURL(/tab=performance/);
    await expect(page.getByTestId("performance").locator("figure").first()).toBeVisible();
    await shoot("volume-performance");
    await expectNoOverflow(page);

    await tab("Backups and jobs").click();
    await expect(page.getByTestId("recurring")).toContainText("Group default");
    await shoot("volume-backups");
    await expectNoOverflow(page);

    await tab("Settings").click();
    const line = page.getByTestId("setting-updateDataLocality");
    await line.getByRole("button", { name: /^Change/ }).click();
    await line.getByRole("combobox").selectOption("best-effort");
    await line.getByRole("button", { name: "Save" }).click();
    // The list that is chosen from names it, too: it goes when the manager has it.
    await expect(line.getByRole("combobox")).toHaveCount(0);
    await expect(line).toContainText("Best effort");
    expect((await api.get(`volumes/${volume}`)).dataLocality).toBe("best-effort");
    // What was typed stays when the manager says no.
    const size = page.getByTestId("setting-updateSnapshotMaxSize");
    await size.getByRole("button", { name: /^Change/ }).click();
    await size.getByRole("textbox").fill("65Mi");
    await size.getByRole("button", { name: "Save" }).click();
    await expect(size).toContainText("snapshotMaxSize can't be");
    quiet.except(/action=updateSnapshotMaxSize/);
    await expect(size.getByRole("textbox")).toHaveValue("65Mi");
    await page.keyboard.press("Escape");
    await shoot("volume-settings");
    await expectNoOverflow(page);
    await expect(page.getByTestId("facts")).toContainText("node-1");

    await tab("Activity").click();
    await expect(page.getByTestId("tickets")).toContainText("node-1");
    await expect(page.getByTestId("volume-jobs")).toContainText("Rebuild");
    await shoot("volume-activity");
    await expectNoOverflow(page);
    await page.reload();
    await expect(page.getByTestId("events")).toBeVisible();
  } finally {
    await api.gone(copy);
    await api.gone(volume);
  }
});

test("a new volume with everything said", async ({ page, installation, shoot }, info) => {
  const api = volumes(page, installation);
  const volume = `said-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  await page.goto(`${installation.url}volumes`);
  await page.getByRole("button", { name: "Create volume" }).first().click();
  try {
    await page.locator("#field-name").fill(volume);
    await page.locator("#field-size").fill("2");
    await page.locator("#field-numberOfReplicas").fill("2");
    await page.locator("#field-dataLocality").selectOption("best-effort");
    await expect(page.getByRole("dialog")).toContainText("2 × 2 GiB");
    await page.getByRole("dialog").getByText("Advanced", { exact: true }).click();
    await page.locator("#field-backupBlockSize").selectOption("16777216");
    await page.locator("#field-snapshotMaxCount").fill("9");
    await page.locator("#field-replicaAutoBalance").selectOption("best-effort");
    await page.locator("#field-replicaZoneSoftAntiAffinity").selectOption("disabled");
    await shoot("volume-create");
    await answer(page);
    const made = await api.get(`volumes/${volume}`);
    expect([made.size, made.numberOfReplicas, made.dataLocality, made.backupBlockSize, made.snapshotMaxCount, made.replicaAutoBalance, made.replicaZoneSoftAntiAffinity])
      .toEqual([`${2048 * MIB}`, 2, "best-effort", "16777216", 9, "best-effort", "disabled"]);
  } finally {
    await api.gone(volume);
  }
});

test("who may only look sees no button that the manager would refuse", async ({ page, installation, shoot }, info) => {
  const api = volumes(page, installation);
  const volume = `look-${info.project.name}-${process.pid}`;
  const { user, password } = await installation.addViewer();
  await api.volume(volume);
  await api.attach(volume);
  try {
    await logIn(page, installation, user, password);
    await open(page, installation, volume);
    await expect(page.getByTestId("replicas").getByText("Healthy")).toHaveCount(3);
    for (const name of ["Detach", "Take snapshot", "Purge", "Back up", /^More actions/, /^Actions for/]) {
      await expect(page.getByRole("button", { name })).toHaveCount(0);
    }
    await shoot("volume-viewer");
    await open(page, installation, volume, "settings");
    await expect(page.getByTestId("setting-updateReplicaCount")).toContainText("3");
    await expect(page.getByRole("button", { name: /^Change/ })).toHaveCount(0);
  } finally {
    await api.gone(volume);
  }
});
