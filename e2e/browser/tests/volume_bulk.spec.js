// Several volumes at once: what is asked of all of them is asked once, and each of them does it.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { expect, test } from "../fixtures/installation.js";
import { MIB, answer, expectNoOverflow, logIn, volumes } from "../fixtures/volumes.js";

test("what can be asked of several volumes together", async ({ page, installation, shoot }, info) => {
  test.setTimeout(180_000);
  const api = volumes(page, installation);
  const stem = `bulk-${info.project.name}-${process.pid}`;
  const names = [`${stem}-a`, `${stem}-b`];
  const copies = names.map((name) => `copy-${name}`);
  const target = `bulk-${info.project.name}`;
  const directory = `${installation.data}/${target}`;
  mkdirSync(directory, { recursive: true });
  const each = async (read, of = names) => Promise.all(of.map(async (name) => read(await api.get(`volumes/${name}`))));
  const choose = async (entry) => {
    const bar = page.getByTestId("bulk");
    const wanted = bar.getByRole("button", { name: entry, exact: true }).or(page.getByRole("menuitem", { name: entry, exact: true }));
    if (await wanted.count() === 0) await bar.getByRole("button", { name: /^More/ }).click();
    await wanted.click();
  };
  const select = async () => {
    for (const name of names) await page.getByRole("checkbox", { name: `Select ${name}` }).check();
    await expect(page.getByTestId("bulk")).toContainText("2 selected");
  };
  await logIn(page, installation);
  await api.post("backuptargets", { name: target, backupTargetURL: `vfs://${directory}`, credentialSecret: "", pollInterval: "300" });
  for (const name of names) await api.volume(name, { numberOfReplicas: 2, backupTargetName: target });
  try {
    await page.goto(`${installation.url}volumes?q=${stem}`);
    await select();
    await shoot("volumes-selected");
    await expectNoOverflow(page);

    await choose("Attach…");
    await page.getByRole("radio", { name: /node-2/ }).check();
    await answer(page);
    await expect.poll(() => each(({ robustness }) => robustness), { timeout: 60_000 }).toEqual(["healthy", "healthy"]);
    for (const name of names) await expect(page.getByTestId(`volume-${name}`)).toContainText("Healthy");
    // What holds data wants to be named before it is deleted.
    execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${names[0]}`, "bs=1M", "count=4", "oflag=direct"], { stdio: "ignore" });

    await choose("Replica count…");
    await page.locator("#field-replicaCount").fill("3");
    await answer(page);
    expect(await each(({ numberOfReplicas }) => numberOfReplicas)).toEqual([3, 3]);
    await expect.poll(() => each(({ robustness }) => robustness), { timeout: 90_000 }).toEqual(["healthy", "healthy"]);

    await choose("Change settings…");
    await page.locator("#field-snapshotMaxCount").fill("33");
    await page.locator("#field-replicaAutoBalance").selectOption("best-effort");
    await shoot("volumes-change-settings");
    await answer(page);
    expect(await each((volume) => [volume.snapshotMaxCount, volume.replicaAutoBalance])).toEqual([[33, "best-effort"], [33, "best-effort"]]);

    await choose("Back up…");
    await answer(page, 60_000);
    const backups = async () => (await api.get("backups")).data.filter(({ volumeName }) => names.includes(volumeName));
    await expect.poll(async () => (await backups()).map(({ state }) => state), { timeout: 90_000 }).toEqual(["Completed", "Completed"]);

    await choose("Expand…");
    await page.locator("#field-size").fill("1");
    await answer(page);
    await expect.poll(() => each(({ controllers }) => controllers[0].size), { timeout: 90_000 }).toEqual([`${1024 * MIB}`, `${1024 * MIB}`]);

    await choose("Clone…");
    await page.locator("#field-prefix").fill("copy-");
    await answer(page);
    await expect.poll(() => each(({ cloneStatus }) => cloneStatus.state, copies), { timeout: 120_000 }).toEqual(["completed", "completed"]);

    await choose("Detach…");
    await answer(page);
    await expect.poll(() => each(({ state }) => state), { timeout: 60_000 }).toEqual(["detached", "detached"]);

    // What can't be done with one of them says with which.
    await api.attach(names[0]);
    await expect(page.getByTestId(`volume-${names[0]}`)).toContainText("Healthy");
    await page.getByTestId("bulk").getByRole("button", { name: /^More/ }).click();
    await expect(page.getByRole("menuitem", { name: /^Delete…/ })).toContainText(`${names[0]}: Detach it first`);
    await page.keyboard.press("Escape");
    await api.post(`volumes/${names[0]}?action=detach`, {});
    await expect(page.getByTestId(`volume-${names[0]}`)).toContainText("Detached");

    await choose("Delete…");
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await page.getByTestId("confirm-name").fill("2 volumes");
    await shoot("volumes-delete");
    await answer(page, 60_000);
    for (const name of names) await expect(page.getByTestId(`volume-${name}`)).toHaveCount(0);
  } finally {
    for (const name of [...copies, ...names]) await api.gone(name);
    await api.remove(`backuptargets/${target}`);
  }
});

// The bar of the selected rows is for all of them; what happens to one of them must not take its open menu away.
test("the menu of the selected rows stays open while one of them changes", async ({ page, installation }, info) => {
  const api = volumes(page, installation);
  const volume = `held-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  await api.volume(volume, { numberOfReplicas: 2 });
  try {
    await page.goto(`${installation.url}volumes?q=${volume}`);
    await page.getByRole("checkbox", { name: `Select ${volume}` }).check();
    await page.getByTestId("bulk").getByRole("button", { name: /^More/ }).click();
    const entry = await page.getByRole("menuitem", { name: /^Delete…/ }).elementHandle();
    await api.post(`volumes/${volume}?action=attach`, { hostId: "node-1" });
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).robustness, { timeout: 60_000 }).toBe("healthy");
    expect(await entry.isVisible()).toBe(true);
    // Rows stand still beneath an open menu, and tell what came meanwhile when it is closed.
    await page.keyboard.press("Escape");
    await expect(page.getByTestId(`volume-${volume}`)).toContainText("Healthy");
  } finally {
    await api.gone(volume);
  }
});
