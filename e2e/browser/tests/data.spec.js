// Protection as a person does it in the browser: a target that is tried and made, recurring jobs, backups that are
// restored, followed and deleted, and files taken out of a snapshot. Targets are directories; everything else is real.
import AxeBuilder from "@axe-core/playwright";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "../fixtures/installation.js";
import { answer, api, expectNoOverflow, logIn, settled, visit } from "../fixtures/dashboard.js";

const own = (info, name) => `${name}-${info.project.name}-${process.pid}`;
const MIB = 1 << 20;

/** A field of a form by its key: labels share words. */
const field = (dialog, key) => dialog.locator(`#field-${key}`);

/** Chooses from the menu of a row. */
async function choose(page, row, entry) {
  await row.getByRole("button", { name: /^Actions for/ }).click();
  await page.getByRole("menuitem", { name: entry }).click();
}

/** Nothing may need sideways scrolling, at any width, and nobody may be shut out. */
async function expectWellMade(page) {
  await expectNoOverflow(page);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(" | ")}`)).toEqual([]);
}

/** The picture in both themes. */
async function shootBoth(page, shoot, name) {
  await page.emulateMedia({ colorScheme: "light" });
  await shoot(name);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(`${name}-dark`);
  await page.emulateMedia({ colorScheme: "light" });
}

/** A file system with these files, as large as asked for. */
async function image(place, files) {
  const source = join(place, "source");
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(source, name, ".."), { recursive: true });
    await writeFile(join(source, name), content);
  }
  const path = join(place, "image");
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", "-d", source, path, "24M"]);
  return path;
}

/** Takes a volume away, whatever it is doing: asked again until it is gone. */
async function gone(ask, name) {
  await expect.poll(async () => {
    const { data } = await ask("GET", "volumes");
    if (!data.some((volume) => volume.name === name)) return true;
    await ask("POST", `volumes/${name}?action=detach`, { forceDetach: true }).catch(() => {});
    await ask("DELETE", `volumes/${name}`).catch(() => {});
    return false;
  }, { timeout: 90_000 }).toBe(true);
}

/** A volume with a file system, a snapshot of it, and its backup in a directory. All of it goes when the test ends. */
async function withBackup(page, installation, info, act) {
  const ask = api(page, installation);
  const place = await mkdtemp("/var/tmp/aur-data-");
  const [volume, target] = [own(info, "saved"), own(info, "store")];
  const made = [volume];
  const store = join(place, "store");
  await mkdir(store);
  const state = (name) => async () => (await ask("GET", `volumes/${name}`)).state;
  try {
    await ask("POST", "backuptargets", { name: target, backupTargetURL: `vfs://${store}`, pollInterval: "300" });
    await ask("POST", "volumes", { name: volume, size: "64Mi", numberOfReplicas: 1, backupTargetName: target });
    await expect.poll(state(volume)).toBe("detached");
    await ask("POST", `volumes/${volume}?action=attach`, { hostId: "node-1" });
    await expect.poll(state(volume)).toBe("attached");
    const files = await image(place, { "etc/motd": "before\n", "data/large": Buffer.alloc(3 * MIB, 7) });
    execFileSync("dd", [`if=${files}`, `of=/dev/longhorn/${volume}`, "bs=1M", "oflag=direct", "conv=fsync"], { stdio: "ignore" });
    await ask("POST", `volumes/${volume}?action=snapshotCRCreate`, { name: "before" });
    await expect.poll(async () => {
      const { data } = await ask("POST", `volumes/${volume}?action=snapshotCRList`, {});
      return data.find(({ name }) => name === "before")?.readyToUse;
    }).toBe(true);
    await ask("POST", `volumes/${volume}?action=snapshotBackup`, { name: "before", labels: { team: "db" } });
    await expect.poll(async () => {
      const { data } = await ask("GET", "backups");
      return data.filter(({ volumeName }) => volumeName === volume).map(({ state }) => state);
    }).toEqual(["Completed"]);
    await act({ ask, volume, target, store, files, place, made, state });
  } finally {
    try {
      for (const name of made) await gone(ask, name);
    } finally {
      await ask("DELETE", `backuptargets/${target}`).catch(() => {});
      await rm(place, { recursive: true, force: true });
    }
  }
}

test("a backup target is tried, made, changed and deleted", async ({ page, installation, shoot }, info) => {
  const place = await mkdtemp("/var/tmp/aur-data-");
  const [name, store] = [own(info, "target"), join(place, "store")];
  const ask = api(page, installation);
  try {
    await logIn(page, installation);
    await visit(page, installation, "backup-targets");
    await expect(page.getByTestId("backup-targets-default")).toContainText("No address");
    await page.getByRole("button", { name: "New target" }).click();
    const dialog = page.getByRole("dialog");
    await field(dialog, "name").fill(name);
    await shootBoth(page, shoot, "target-s3");
    await field(dialog, "place").selectOption({ label: "Directory" });
    await field(dialog, "directory").fill(store);
    await expect(dialog.getByText(`vfs://${store}`, { exact: true })).toBeVisible();

    // It is not there yet: the step that fails is named, with what to do.
    await dialog.getByRole("button", { name: "Test", exact: true }).click();
    await expect(dialog.getByTestId("trial").getByTestId("failure")).toBeVisible();
    await expect(dialog.getByTestId("trial").locator("li.faulted")).toHaveCount(1);
    await shootBoth(page, shoot, "target-test-fails");
    await mkdir(store);
    await dialog.getByRole("button", { name: "Test again" }).click();
    await expect(dialog.getByTestId("trial").getByText("Backups can be kept here.")).toBeVisible();
    await expect(dialog.getByTestId("trial").locator("li.healthy")).toHaveCount(7);
    await expectWellMade(page);
    await answer(page);
    const row = page.getByTestId(`backup-targets-${name}`);
    await expect(row).toContainText("Available");
    await shootBoth(page, shoot, "backup-targets");
    await expectWellMade(page);

    await choose(page, row, "Edit…");
    await expect(field(dialog, "directory")).toHaveValue(store);
    await field(dialog, "pollInterval").fill("0");
    await answer(page);
    await expect.poll(async () => (await ask("GET", `backuptargets/${name}`)).pollInterval).toBe("0s");
    await choose(page, row, "Test…");
    await expect(dialog.getByText("Backups can be kept here.")).toBeVisible();
    await answer(page);

    // The default one stays.
    await page.getByTestId("backup-targets-default").getByRole("button", { name: /^Actions for/ }).click();
    await expect(page.getByRole("menuitem", { name: /Delete…/ })).toHaveAttribute("aria-disabled", "true");
    await page.keyboard.press("Escape");
    await choose(page, row, "Delete…");
    await answer(page);
    await expect(row).toHaveCount(0);
  } finally {
    await ask("DELETE", `backuptargets/${name}`).catch(() => {});
    await rm(place, { recursive: true, force: true });
  }
});

test("credentials go in and never come back", async ({ page, installation }, info) => {
  const name = own(info, "secret");
  const ask = api(page, installation);
  try {
    await ask("POST", "backuptargets", { name, backupTargetURL: "s3://bucket@nowhere/", pollInterval: "0",
      credentials: { AWS_ACCESS_KEY_ID: "the-id", AWS_SECRET_ACCESS_KEY: "the-secret", AWS_ENDPOINTS: "http://127.0.0.1:9" } });
    await logIn(page, installation);
    await visit(page, installation, "backup-targets");
    const dialog = page.getByRole("dialog");
    await choose(page, page.getByTestId(`backup-targets-${name}`), "Edit…");
    await expect(field(dialog, "bucket")).toHaveValue("bucket");
    await expect(field(dialog, "AWS_SECRET_ACCESS_KEY")).toHaveCount(0);
    expect(await page.content()).not.toContain("the-secret");
    await field(dialog, "replace").check();
    await field(dialog, "AWS_ACCESS_KEY_ID").fill("another-id");
    await field(dialog, "AWS_ACCESS_KEY_ID").blur();
    await expect(dialog.getByText("Give both keys, or none.")).toBeVisible();
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await field(dialog, "AWS_SECRET_ACCESS_KEY").fill("another-secret");
    await answer(page);
    await expect.poll(async () => (await ask("GET", `backuptargets/${name}`)).credentialKeys)
      .toEqual(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
  } finally {
    await ask("DELETE", `backuptargets/${name}`).catch(() => {});
  }
});

test("a recurring job is made with the cron helper, run, looked back at and deleted", async ({ page, installation, quiet, shoot }, info) => {
  const name = own(info, "nightly");
  const ask = api(page, installation);
  try {
    await logIn(page, installation);
    await visit(page, installation, "recurring-jobs");
    await page.getByRole("button", { name: "New job" }).first().click();
    const dialog = page.getByRole("dialog");
    await field(dialog, "name").fill("Bad Name");
    await field(dialog, "name").blur();
    await expect(dialog.getByText(/lower-case/)).toBeVisible();
    await field(dialog, "name").fill(name);
    const meaning = dialog.getByTestId("cron-meaning");
    await expect(meaning).toContainText("Every day at 02:00");
    await expect(meaning.getByRole("listitem")).toHaveCount(5);
    await dialog.getByLabel("How often").selectOption({ label: "Every week" });
    await dialog.getByRole("button", { name: "Mon", exact: true }).click();
    await dialog.getByLabel("Time of day").fill("03:30");
    await expect(dialog.getByLabel("Cron", { exact: true })).toHaveValue("30 3 * * 0,1");
    await expect(meaning).toContainText("Every Mon, Sun at 03:30");
    await dialog.getByLabel("Time zone").fill("Europe/Berlin");
    await dialog.getByLabel("Time zone").blur();
    await expect(meaning).toContainText("Europe/Berlin");
    await shootBoth(page, shoot, "recurring-job");
    await dialog.getByLabel("Cron", { exact: true }).fill("0 0 30 2 *");
    // Chromium itself writes the refusal to its console.
    quiet.except(/status of 422 .*\/v1\/schedule/);
    await expect(meaning.locator(".error")).toBeVisible();
    await dialog.getByLabel("Cron", { exact: true }).fill("CRON_TZ=Europe/Berlin 30 3 * * 0,1");
    await expect(meaning).toContainText("Every Mon, Sun at 03:30");
    await field(dialog, "retain").fill("3");
    await expectWellMade(page);
    await answer(page);
    const made = await ask("GET", `recurringjobs/${name}`);
    expect(made).toMatchObject({ task: "snapshot", cron: "CRON_TZ=Europe/Berlin 30 3 * * 0,1", retain: 3 });
    expect(made.groups ?? []).toEqual([]);

    const row = page.getByTestId(`recurring-jobs-${name}`);
    await expect(row).toContainText("Every Mon, Sun at 03:30");
    await choose(page, row, "Run now");
    await expect.poll(async () => (await ask("GET", `recurringjobs/${name}`)).lastRun?.outcome).toBe("succeeded");
    await expect(row).toContainText("Succeeded");
    await shootBoth(page, shoot, "recurring-jobs");
    await expectWellMade(page);
    await choose(page, row, "History…");
    const run = dialog.getByRole("listitem").filter({ hasText: "Succeeded" });
    await expect(run).toHaveCount(1);
    await run.locator("summary").click();
    await shootBoth(page, shoot, "recurring-history");
    await expect(run).toContainText("by admin");
    await page.keyboard.press("Escape");

    await choose(page, row, "Edit…");
    await expect(field(dialog, "task")).toBeDisabled();
    await field(dialog, "retain").fill("5");
    await answer(page);
    await expect.poll(async () => (await ask("GET", `recurringjobs/${name}`)).retain).toBe(5);
    await choose(page, row, "Delete…");
    await answer(page);
    await expect(row).toHaveCount(0);
  } finally {
    await ask("DELETE", `recurringjobs/${name}`).catch(() => {});
  }
});

test("a backup is restored, followed by a standby volume, and deleted", async ({ page, installation, shoot }, info) => {
  test.setTimeout(240_000);
  await withBackup(page, installation, info, async ({ ask, volume, target, store, files, place, made, state }) => {
    await logIn(page, installation);
    await visit(page, installation, "backups");
    const row = page.locator("[data-testid^=backup-volumes-]").filter({ hasText: volume });
    await expect(row).toBeVisible();
    await shootBoth(page, shoot, "backups");
    await expectWellMade(page);
    await row.getByRole("link", { name: volume }).click();
    await expect(page).toHaveURL(new RegExp(`backups/${target}/${volume}$`));
    const backup = page.locator("[data-testid^=backups-of-volume-]");
    await expect(backup).toHaveCount(1);
    await expect(backup).toContainText("Completed");
    await shootBoth(page, shoot, "backup-volume");
    await expectWellMade(page);

    await choose(page, backup, "Show address…");
    await expect(page.getByRole("dialog").getByLabel("Address", { exact: true })).toHaveValue(/^vfs:\/\/.*backup=backup-/);
    await page.keyboard.press("Escape");

    // The previous name is taken, so another one is offered.
    const restored = `${volume}-back`;
    made.push(restored);
    await choose(page, backup, "Restore…");
    const dialog = page.getByRole("dialog");
    await expect(field(dialog, "name")).toHaveValue(`${volume}-restored`);
    await field(dialog, "name").fill(restored);
    await field(dialog, "numberOfReplicas").fill("1");
    await shootBoth(page, shoot, "restore");
    await expectWellMade(page);
    await answer(page);
    await expect.poll(async () => (await ask("GET", `volumes/${restored}`)).restoreRequired, { timeout: 60_000 }).toBe(false);
    await expect.poll(state(restored), { timeout: 60_000 }).toBe("detached");
    await ask("POST", `volumes/${restored}?action=attach`, { hostId: "node-1" });
    await expect.poll(state(restored)).toBe("attached");
    execFileSync("dd", [`if=/dev/longhorn/${restored}`, `of=${place}/read`, "bs=1M", "count=24", "iflag=direct"], { stdio: "ignore" });
    expect((await readFile(`${place}/read`)).equals(await readFile(files))).toBe(true);

    const standby = `${volume}-standby`;
    made.push(standby);
    await visit(page, installation, "backups");
    await choose(page, row, "Create standby volume…");
    await field(dialog, "name").fill(standby);
    await field(dialog, "numberOfReplicas").fill("1");
    await shootBoth(page, shoot, "standby");
    await answer(page);
    expect(await ask("GET", `volumes/${standby}`)).toMatchObject({ standby: true });
    await gone(ask, standby);

    await choose(page, row, "Delete all backups…");
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await page.getByTestId("confirm-name").fill(volume);
    await shootBoth(page, shoot, "delete-backups");
    await answer(page);
    await expect(row).toHaveCount(0);
    await expect.poll(async () => (await readdir(store, { recursive: true })).filter((name) => name.endsWith(".blk"))).toEqual([]);
  });
});

test("one file and one folder come out of a snapshot, and of a backup", async ({ page, installation, quiet, shoot }, info) => {
  quiet.except(/nowhere/);
  await withBackup(page, installation, info, async ({ volume, target, place }) => {
    await logIn(page, installation);
    await visit(page, installation, "files");
    await page.getByLabel("Attached volume").selectOption(volume);
    await page.getByLabel("Snapshot").selectOption("before");
    await page.getByRole("button", { name: "Browse files" }).click();
    await expect(page).toHaveURL(/files\?volume=.*snapshot=before/);
    await expect(page.getByTestId("files-/etc")).toBeVisible();
    await shootBoth(page, shoot, "files");
    await expectWellMade(page);
    await page.getByTestId("files-/etc").getByRole("link", { name: "etc/" }).click();
    const saved = page.waitForEvent("download");
    await page.getByTestId("files-/etc/motd").getByRole("link", { name: "motd" }).click();
    expect(await readFile(await (await saved).path(), "utf8")).toBe("before\n");

    const folder = page.getByRole("navigation", { name: "Folder" });
    await folder.getByRole("link", { name: "/" }).click();
    await expect(page.getByTestId("files-/data")).toBeVisible();
    const tar = page.waitForEvent("download");
    await choose(page, page.getByTestId("files-/data"), "Download as tar");
    const unpacked = join(place, "unpacked");
    await mkdir(unpacked);
    execFileSync("tar", ["-xf", await (await tar).path(), "-C", unpacked]);
    expect((await readFile(join(unpacked, "data/large"))).equals(Buffer.alloc(3 * MIB, 7))).toBe(true);

    // The same out of the backup, without any volume.
    await visit(page, installation, `backups/${target}/${volume}`);
    await choose(page, page.locator("[data-testid^=backups-of-volume-]"), "Browse files");
    await expect(page).toHaveURL(/files\?id=.*backup=/);
    await page.getByTestId("files-/etc").getByRole("link", { name: "etc/" }).click();
    const kept = page.waitForEvent("download");
    await page.getByTestId("files-/etc/motd").getByRole("link", { name: "motd" }).click();
    expect(await readFile(await (await kept).path(), "utf8")).toBe("before\n");

    // A path that is not there is an error that says so, and stays on the page.
    await page.goto(`${installation.url}files?volume=${volume}&snapshot=before&path=/nowhere`);
    await expect(page.getByText(/there is no \/nowhere/)).toBeVisible();
  });
});

test("system backups and backing images are made, or refused with a reason", async ({ page, installation, quiet, shoot }, info) => {
  quiet.except(/v1\/(systembackups|backingimages)/);
  const name = own(info, "all");
  const ask = api(page, installation);
  await logIn(page, installation);
  for (const [place, button, collection] of [["system-backups", "Back up the system", "systembackups"], ["backing-images", "New backing image", "backingimages"]]) {
    await visit(page, installation, place);
    await shootBoth(page, shoot, place);
    await expectWellMade(page);
    await page.getByRole("button", { name: button }).first().click();
    const dialog = page.getByRole("dialog");
    await field(dialog, "name").fill(name);
    if (collection === "backingimages") await field(dialog, "url").fill("http://127.0.0.1:9/none.qcow2");
    await shootBoth(page, shoot, `${place}-new`);
    await expectWellMade(page);
    await page.getByTestId("dialog-answer").click();
    // What was typed stays when it is refused; else the dialog closes and the list has it.
    await expect(dialog.getByTestId("failure").or(page.getByTestId(`${place}-${name}`))).toBeVisible();
    if (await dialog.isVisible()) {
      await expect(field(dialog, "name")).toHaveValue(name);
      await page.keyboard.press("Escape");
    }
    await ask("DELETE", `${collection}/${name}`).catch(() => {});
  }
});

test("a viewer looks at all of it and changes nothing", async ({ page, installation }, info) => {
  const viewer = await installation.addViewer();
  await withBackup(page, installation, info, async ({ volume, target }) => {
    await logIn(page, installation, viewer);
    await visit(page, installation, `backups/${target}/${volume}`);
    await expect(page.locator("[data-testid^=backups-of-volume-]")).toContainText("Completed");
    await expect(page.getByRole("button", { name: "More actions" })).toHaveCount(0);
    await visit(page, installation, "files");
    await expect(page.getByText("Files are for administrators")).toBeVisible();
    await settled(page);
  });
});
