// What a person sees who opens the dashboard (W40): the space and what it is used for, volumes and nodes by state, and
// each of them changes without a reload.
import { expect, test } from "../fixtures/installation.js";
import { api, expectNoOverflow, logIn, settled } from "../fixtures/dashboard.js";

test("the dashboard shows space, volumes by state and nodes by state", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const [used, idle] = [`seen-used-${info.project.name}-${process.pid}`, `seen-idle-${info.project.name}-${process.pid}`];
  const state = (name) => async () => (await ask("GET", `volumes/${name}`)).state;

  await page.goto(installation.url);
  await page.getByLabel("User").fill(installation.user);
  await page.getByLabel("Password").fill(installation.password);
  await page.getByRole("button", { name: "Log in" }).click();

  const space = page.getByTestId("space");
  for (const part of ["Schedulable", "Reserved", "Used", "Disabled"]) {
    await expect(space.getByRole("term").filter({ hasText: part })).toBeVisible();
  }
  const disabled = space.locator("div").filter({ has: page.getByRole("term").filter({ hasText: "Disabled" }) }).getByRole("definition");
  await expect(disabled).toHaveText(/^0 /);

  for (const name of [used, idle]) await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 2 });
  for (const name of [used, idle]) await expect.poll(state(name)).toBe("detached");
  await ask("POST", `volumes/${used}?action=attach`, { hostId: "node-1" });
  await expect.poll(state(used)).toBe("attached");
  const { data } = await ask("GET", "volumes");
  const healthy = data.filter((volume) => volume.robustness === "healthy").length;
  const detached = data.filter((volume) => volume.state === "detached").length;
  await expect(page.getByTestId("count-healthy").locator("strong")).toHaveText(`${healthy}`);
  await expect(page.getByTestId("count-detached").locator("strong")).toHaveText(`${detached}`);
  for (const group of ["degraded", "in-progress", "faulted"]) {
    await expect(page.getByTestId(`count-${group}`).locator("strong")).toHaveText("0");
  }

  const nodes = page.getByRole("region", { name: "Nodes" });
  await expect(nodes).toContainText(/Schedulable\s*3/);
  await ask("PUT", "nodes/node-3", { allowScheduling: false });
  try {
    await expect(nodes).toContainText(/Schedulable\s*2/);
    await expect(nodes).toContainText(/Disabled\s*1/);
    await expect(disabled).not.toHaveText(/^0 /);
    await shoot("overview");
  } finally {
    await ask("PUT", "nodes/node-3", { allowScheduling: true });
  }
  await expect(nodes).toContainText(/Schedulable\s*3/);

  await page.getByTestId("count-detached").click();
  await expect(page.getByTestId(`volume-${idle}`)).toBeVisible();
  await expect(page.getByTestId(`volume-${used}`)).toHaveCount(0);

  await ask("POST", `volumes/${used}?action=detach`, {});
  for (const name of [used, idle]) {
    await expect.poll(state(name)).toBe("detached");
    await ask("DELETE", `volumes/${name}`);
  }
});

test("facts are there before the program is", async ({ page, installation, shoot }, info) => {
  const ask = api(page, installation);
  const name = `early-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 1 });
  await expect.poll(async () => (await ask("GET", `volumes/${name}`)).state).toBe("detached");
  // The program stays on its way until we let it come.
  let come;
  const held = new Promise((resolve) => { come = resolve; });
  await page.route("**/*.wasm", async (route) => { await held; await route.continue(); });
  const first = page.getByTestId("first-view");
  // A picture of one moment, of what pages follow: that comes after the answers of the API.
  await expect(async () => {
    await page.goto(`${installation.url}volumes`, { waitUntil: "commit" });
    await expect(first.getByRole("row").filter({ hasText: name })).toContainText(/Detached\s*64 MiB/, { timeout: 2_000 });
  }).toPass();
  await page.goto(installation.url, { waitUntil: "commit" });
  await expect(first).toContainText(/schedulable of [\d.]+ [KMGT]iB/);
  await expect(first.getByRole("listitem").filter({ hasText: "Detached" })).toContainText(/[1-9]/);
  await expectNoOverflow(page);
  await shoot("first-view");
  // Who reads Chinese by choice is shown no English meanwhile.
  await page.evaluate(() => localStorage.setItem("aurochs-language", "zh"));
  await page.reload({ waitUntil: "commit" });
  await expect(first).toBeAttached();
  await expect(first).toBeHidden();
  await page.evaluate(() => localStorage.removeItem("aurochs-language"));
  come();
  await page.goto(`${installation.url}volumes`);
  await settled(page);
  await expect(first).toHaveCount(0);
  await expect(page.getByRole("row").filter({ hasText: name })).toContainText("Detached");
  await ask("DELETE", `volumes/${name}`);
});
