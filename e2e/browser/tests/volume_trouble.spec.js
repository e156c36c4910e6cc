// What of a volume's menu is offered in trouble alone: replicas whose files are gone, and a size that it can't get.
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { expect, test } from "../fixtures/installation.js";
import { MIB, answer, choose, leave, logIn, open, volumes } from "../fixtures/volumes.js";

const LIMIT = "concurrent-replica-rebuild-per-node-limit";

/** Ids of the processes whose command line matches. */
function processes(pattern) {
  return execFileSync("pgrep", ["-f", pattern]).toString().trim().split("\n").map(Number);
}

test("a volume that lost its only whole replica goes on with the one that a person chooses", async ({ page, installation, shoot }, info) => {
  test.setTimeout(180_000);
  const api = volumes(page, installation);
  const volume = `lost-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  const before = (await api.get(`settings/${LIMIT}`)).value;
  await api.put(`settings/${LIMIT}`, { value: "0" });
  try {
    await api.volume(volume, { numberOfReplicas: 2 });
    await api.attach(volume);
    // One replica fails and is not rebuilt; then the files of the other one are gone for ever.
    const { replicas: [gone, failed] } = await api.get(`volumes/${volume}`);
    const [victim] = processes(`aurochs-engine replica.*--name ${failed.name}`);
    process.kill(victim, "SIGKILL");
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).robustness, { timeout: 60_000 }).toBe("degraded");
    await api.post(`volumes/${volume}?action=detach`, {});
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).state, { timeout: 60_000 }).toBe("detached");
    await rm(gone.dataPath, { recursive: true });
    await api.post(`volumes/${volume}?action=attach`, { hostId: "node-1" });
    const offered = async () => {
      const { state, robustness, causes } = await api.get(`volumes/${volume}`);
      return [state, robustness, causes.some(({ code }) => code === "salvage-needed")];
    };
    await expect.poll(offered, { timeout: 90_000 }).toEqual(["detached", "faulted", true]);

    await open(page, installation, volume);
    await expect(page.getByTestId("volume-state")).toContainText("Faulted");
    await expect(page.getByTestId("why")).toContainText(gone.name);
    await choose(page, "Salvage…");
    const dialog = page.getByRole("dialog");
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await dialog.getByRole("checkbox", { name: failed.name }).check();
    // Losing writes wants a second yes.
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await dialog.getByRole("checkbox", { name: /may be lost/ }).check();
    await shoot("volume-salvage");
    await answer(page);
    await expect.poll(async () => (await api.get(`volumes/${volume}`)).state, { timeout: 90_000 }).toBe("attached");
    await api.put(`settings/${LIMIT}`, { value: before });
    await expect(page.getByTestId("volume-state")).toContainText("Healthy", { timeout: 120_000 });
    await leave(page, installation);
  } finally {
    await api.put(`settings/${LIMIT}`, { value: before });
    await api.gone(volume);
  }
});

test("a size that a volume can't get is taken back", async ({ page, installation, shoot }, info) => {
  test.setTimeout(180_000);
  const api = volumes(page, installation);
  const volume = `grow-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  await api.volume(volume, { numberOfReplicas: 1 });
  // Its engine has told its size once.
  await api.attach(volume);
  await api.post(`volumes/${volume}?action=detach`, {});
  await expect.poll(async () => (await api.get(`volumes/${volume}`)).state, { timeout: 60_000 }).toBe("detached");
  await open(page, installation, volume);
  // No node starts anything: what has to grow can't be brought up for it.
  const managers = processes(`aurochs-engine instance-manager.*${installation.data}`);
  for (const id of managers) process.kill(id, "SIGSTOP");
  try {
    await choose(page, "Expand…");
    await page.locator("#field-size").fill("1");
    await answer(page);
    // Shown as soon as the page knows; a menu shows what was so when it was opened.
    await page.getByRole("button", { name: "Cancel expansion", exact: true }).click();
    await expect(page.getByRole("dialog")).toContainText("It was to grow from 64 MiB to 1 GiB, and keeps 64 MiB.");
    await shoot("volume-cancel-expansion");
    await answer(page);
    expect((await api.get(`volumes/${volume}`)).size).toBe(`${64 * MIB}`);
  } finally {
    for (const id of managers) process.kill(id, "SIGCONT");
  }
  await expect.poll(async () => (await api.get(`volumes/${volume}`)).state, { timeout: 90_000 }).toBe("detached");
  await page.getByRole("button", { name: /^More actions for/ }).click();
  await expect(page.getByRole("menuitem", { name: "Cancel expansion…" })).toHaveCount(0);
  await leave(page, installation);
  await api.gone(volume);
});
