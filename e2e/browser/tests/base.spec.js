// What all pages stand on: tables, search, languages, themes, the live connection, and what viewers are offered.
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "../fixtures/installation.js";
import { api, away, logIn, places, settled, visit } from "../fixtures/dashboard.js";

const own = (info, name) => `${name}-${info.project.name}-${process.pid}`;
const isPhone = (info) => info.project.name === "phone";

/** Makes volumes that go when the test ends. */
async function withVolumes(page, installation, names, act) {
  const ask = api(page, installation);
  try {
    for (const name of names) await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 1 });
    await act(ask);
  } finally {
    const { data } = await ask("GET", "volumes");
    for (const { id } of data.filter(({ id }) => names.some((name) => id.startsWith(name)))) await ask("DELETE", `volumes/${id}`);
    await expect.poll(async () => (await ask("GET", "volumes")).data.filter(({ id }) => names.includes(id)).length).toBe(0);
  }
}

test("a table keeps search, order and filters in the address", async ({ page, installation, shoot }, info) => {
  const [a, b] = [own(info, "table-a"), own(info, "table-b")];
  await logIn(page, installation);
  await withVolumes(page, installation, [a, b], async () => {
    await visit(page, installation, "volumes");
    const [first, second] = [page.getByTestId(`volume-${a}`), page.getByTestId(`volume-${b}`)];
    await expect(first).toBeVisible();
    await expect(second).toBeVisible();
    const search = page.getByRole("searchbox", { name: "Search volumes" });
    await search.fill(b.toUpperCase());
    await expect(first).toHaveCount(0);
    await expect(second).toBeVisible();
    await expect(page).toHaveURL(new RegExp(`volumes\\?q=${b}`, "i"));
    await page.reload();
    await expect(second).toBeVisible();
    await expect(first).toHaveCount(0);
    await expect(search).toHaveValue(b.toUpperCase());

    // What stands in the address is what is shown, also when it names nothing.
    await page.goto(`${installation.url}volumes?q=${a}&sort=size&dir=desc&status=faulted`);
    await expect(page.getByText("Nothing matches what you are looking for.")).toBeVisible();
    await page.getByRole("button", { name: "Show all" }).click();
    await expect(first).toBeVisible();
    await expect(page).toHaveURL(/volumes\?sort=size&dir=desc$/);
    if (!isPhone(info)) {
      await expect(page.getByRole("columnheader", { name: "Size", exact: true })).toHaveAttribute("aria-sort", "descending");
    }
    await shoot("table");
    await page.getByTestId("filters").locator("summary").click();
    await page.getByTestId("filters").getByLabel("Node redundancy").selectOption("no");
    await expect(page).toHaveURL(/redundancy=no/);
    // The navigation's own link is the list without any of it.
    await page.locator("nav").getByRole("link", { name: "Volumes" }).first().click();
    await expect(page).toHaveURL(/\/volumes$/);
  });
});

test("columns are chosen and stay chosen", async ({ page, installation }, info) => {
  test.skip(isPhone(info), "a phone shows two lines and no columns");
  const name = own(info, "columns");
  await logIn(page, installation);
  await withVolumes(page, installation, [name], async () => {
    await visit(page, installation, "volumes");
    await expect(page.getByTestId(`volume-${name}`)).toBeVisible();
    await expect(page.getByRole("columnheader", { name: "Data engine" })).toHaveCount(0);
    await page.getByTestId("columns").locator("summary").click();
    await page.getByTestId("columns").getByLabel("Data engine").check();
    await page.getByTestId("columns").getByLabel("Created").uncheck();
    await expect(page.getByRole("columnheader", { name: "Data engine" })).toBeVisible();
    await page.reload();
    await expect(page.getByRole("columnheader", { name: "Data engine" })).toBeVisible();
    await expect(page.getByRole("columnheader", { name: "Created" })).toHaveCount(0);
    await page.getByTestId("columns").locator("summary").click();
    await page.getByRole("button", { name: "As at first" }).click();
    await expect(page.getByRole("columnheader", { name: "Created" })).toBeVisible();
  });
});

test("a list stands still while somebody selects", async ({ page, installation }, info) => {
  const [a, late] = [own(info, "still-a"), own(info, "still-0-late")];
  await logIn(page, installation);
  await withVolumes(page, installation, [a], async (ask) => {
    await visit(page, installation, "volumes");
    await page.getByRole("checkbox", { name: `Select ${a}` }).click();
    await expect(page.getByTestId("bulk")).toContainText("1 selected");
    await ask("POST", "volumes", { name: late, size: "64Mi", numberOfReplicas: 1 });
    try {
      await expect(page.getByTestId("new-rows")).toHaveText("1 new");
      await expect(page.getByTestId(`volume-${late}`)).toHaveCount(0);
      await page.getByTestId("new-rows").click();
      await expect(page.getByTestId(`volume-${late}`)).toBeVisible();
      await expect(page.getByTestId("bulk")).toContainText("1 selected");
      await page.getByRole("button", { name: "Clear" }).click();
      await expect(page.getByTestId("bulk")).toBeHidden();
    } finally {
      await ask("DELETE", `volumes/${late}`);
    }
  });
});

test("everything is found from the keyboard", async ({ page, installation, shoot }, info) => {
  const name = own(info, "sought");
  await logIn(page, installation);
  await withVolumes(page, installation, [name], async () => {
    await page.locator("body").press("/");
    const palette = page.getByRole("dialog", { name: "Search" });
    const box = palette.getByRole("combobox");
    await expect(box).toBeFocused();
    await box.fill("sought");
    await expect(palette.getByRole("option").filter({ hasText: name })).toBeVisible();
    await shoot("palette");
    await box.fill(name);
    await expect(palette.getByRole("option")).toHaveCount(1);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(new RegExp(`volumes/${name}$`));
    await expect(palette).toHaveCount(0);

    // Where one was comes first, and a page is found by its name.
    await page.keyboard.press("Control+k");
    await expect(palette.getByRole("option").first()).toContainText(name);
    await box.fill("backup tar");
    await expect(palette.getByRole("option").first()).toContainText("Backup targets");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(/backup-targets$/);
    await page.keyboard.press("Control+k");
    await page.keyboard.press("Escape");
    await expect(palette).toHaveCount(0);
  });
});

test("Chinese is there for who wants it, and costs nobody else", async ({ page, installation, browser, shoot }, info) => {
  const fetched = [];
  page.on("request", (request) => /words-zh/.test(request.url()) && fetched.push(request.url()));
  await logIn(page, installation);
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  expect(fetched).toEqual([]);
  if (isPhone(info)) await page.locator(".account-menu summary").click();
  const chinese = page.getByRole("button", { name: "中文" }).filter({ visible: true });
  await chinese.click();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-Hans");
  await expect(page.locator("nav").getByRole("link", { name: "卷" }).first()).toBeVisible();
  expect(fetched).toHaveLength(1);
  await visit(page, installation, "volumes");
  await shoot("chinese");
  if (isPhone(info)) await page.locator(".account-menu summary").click();
  await page.getByRole("button", { name: "English" }).filter({ visible: true }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");

  const context = await browser.newContext({ locale: "zh-CN" });
  try {
    const other = await context.newPage();
    await logIn(other, installation);
    await expect(other.locator("html")).toHaveAttribute("lang", "zh-Hans");
    // What the manager says is Chinese, too.
    await visit(other, installation, "settings");
    await expect(other.getByText("自动抢救").first()).toBeVisible();
    await expect(other.getByText("Automatic Salvage")).toHaveCount(0);
  } finally {
    await context.close();
  }
});

test("the theme is chosen by hand or by the system", async ({ page, installation }, info) => {
  await page.emulateMedia({ colorScheme: "light" });
  await logIn(page, installation);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(ground).not.toBe(light);
  if (isPhone(info)) await page.locator(".account-menu summary").click();
  await page.getByRole("button", { name: "Light theme" }).filter({ visible: true }).click();
  await expect.poll(ground).toBe(light);
  await page.reload();
  await settled(page);
  expect(await ground()).toBe(light);
});

test("a manager that starts again is found again, and what was missed is there", async ({ page, installation, quiet }, info) => {
  quiet.except(away);
  const name = own(info, "missed");
  await logIn(page, installation);
  await visit(page, installation, "volumes");
  await withVolumes(page, installation, [], async (ask) => {
    await installation.pause();
    await expect(page.getByText(/The connection was lost/)).toBeVisible();
    await installation.resume();
    await expect.poll(async () => (await page.request.get(`${installation.url}healthz`).catch(() => null))?.ok()).toBe(true);
    await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 1 });
    try {
      await expect(page.getByTestId(`volume-${name}`)).toBeVisible({ timeout: 40_000 });
      await expect(page.getByText(/The connection was lost/)).toHaveCount(0);
    } finally {
      await ask("DELETE", `volumes/${name}`);
    }
  });
});

test("a viewer is offered nothing that would be refused", async ({ page, installation }, info) => {
  const name = own(info, "looked-at");
  const viewer = await installation.addViewer();
  await withVolumes(page, installation, [name], async () => {
    await logIn(page, installation, viewer);
    const refused = [];
    page.on("response", (answer) => [401, 403].includes(answer.status()) && refused.push(`${answer.request().method()} ${answer.url()}`));
    for (const place of places.filter((place) => place !== "audit")) {
      await visit(page, installation, place);
      const offered = page.locator("main").getByRole("button", { name: /^(create|delete|attach|detach|add|new|edit|restore|remove|save|back up|sync|deploy|upload|run)\b/i });
      await expect(offered, place).toHaveCount(0);
    }
    await visit(page, installation, "volumes");
    await expect(page.getByTestId(`volume-${name}`)).toBeVisible();
    await expect(page.locator("nav").getByRole("link", { name: "Audit" })).toHaveCount(0);
    expect(refused).toEqual([]);
  });
});

for (const colorScheme of ["light", "dark"]) {
  test(`no page has a serious fault for who can't see it, ${colorScheme}`, async ({ page, installation }, info) => {
    test.setTimeout(300_000);
    const name = own(info, "axe");
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await logIn(page, installation);
    await withVolumes(page, installation, [name], async () => {
      const found = [];
      for (const place of [...places, `volumes/${name}`, "nodes/node-1", "nowhere"]) {
        await visit(page, installation, place);
        const { violations } = await new AxeBuilder({ page }).analyze();
        for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
          found.push(`${place || "dashboard"}: ${id} (${impact}) ${nodes.slice(0, 3).map(({ target }) => target.join(" ")).join(" | ")}`);
        }
      }
      expect(found).toEqual([]);
    });
  });
}
