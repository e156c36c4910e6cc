// The dashboard as a whole: a manager that is killed while somebody types, a viewer on every page, everything by keyboard alone,
// every page in every language, theme and width.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "../fixtures/installation.js";
import { api, away, go, logIn, places, settled, visit } from "../fixtures/dashboard.js";

const own = (info, name) => `${name}-${info.project.name}-${process.pid}`;
const isPhone = (info) => info.project.name === "phone";

/** A volume that is attached and has a snapshot, for as long as the test needs it; `fill` writes to its device before the snapshot. */
async function withVolume(page, installation, name, act, fill = () => {}) {
  const ask = api(page, installation);
  const state = async () => (await ask("GET", `volumes/${name}`)).state;
  await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 2 });
  try {
    await expect.poll(state).toBe("detached");
    await ask("POST", `volumes/${name}?action=attach`, { hostId: "node-1" });
    await expect.poll(async () => (await ask("GET", `volumes/${name}`)).robustness, { timeout: 60_000 }).toBe("healthy");
    fill(`/dev/longhorn/${name}`);
    await ask("POST", `volumes/${name}?action=snapshotCreate`, { name: "kept" });
    await act(ask);
  } finally {
    await gone(ask, name);
  }
}

/** Takes a volume away, whatever it is doing. */
async function gone(ask, name) {
  await expect.poll(async () => {
    const { data } = await ask("GET", "volumes");
    if (!data.some((volume) => volume.name === name)) return true;
    await ask("POST", `volumes/${name}?action=detach`, { forceDetach: true }).catch(() => {});
    await ask("DELETE", `volumes/${name}`).catch(() => {});
    return false;
  }, { timeout: 60_000, intervals: [500] }).toBe(true);
}

test("a manager that is killed takes nothing from who is typing", async ({ page, installation, quiet, shoot }, info) => {
  quiet.except(away);
  const [typed, missed] = [own(info, "typed"), own(info, "while-away")];
  const ask = api(page, installation);
  await logIn(page, installation, { at: "volumes" });
  await page.getByRole("button", { name: "Create volume" }).first().click();
  const dialog = page.getByRole("dialog");
  await page.locator("#field-name").fill(typed);
  await page.locator("#field-numberOfReplicas").fill("2");
  const banner = page.getByText(/The connection was lost/);
  const live = page.getByTestId("live-state").filter({ visible: true });
  try {
    await installation.kill();
    await expect(page.locator(".frame")).toHaveClass(/stale/);
    await expect(banner).toBeAttached();
    await shoot("stale");
    // Typing goes on, and an answer that can't be given keeps the form.
    await page.locator("#field-size").fill("1");
    await page.getByTestId("dialog-answer").click();
    await expect(dialog.getByTestId("failure")).toContainText("can't be reached");
    await shoot("stale-form");
    await installation.resume();
    await ask("POST", "volumes", { name: missed, size: "64Mi", numberOfReplicas: 1 });
    await expect(page.locator(".frame")).not.toHaveClass(/stale/, { timeout: 60_000 });
    await expect(live).toHaveText("Live");
    await expect(banner).toHaveCount(0);
    await expect(page.locator("#field-name")).toHaveValue(typed);
    await expect(page.locator("#field-numberOfReplicas")).toHaveValue("2");
    await expect(page.locator("#field-size")).toHaveValue("1");
    await page.getByTestId("dialog-answer").click();
    await expect(dialog).toHaveCount(0);
    // Both are there without a reload, as they are.
    await expect(page.getByTestId(`volume-${missed}`)).toContainText("Detached", { timeout: 60_000 });
    await expect(page.getByTestId(`volume-${typed}`)).toContainText("Detached", { timeout: 60_000 });
    const made = await ask("GET", `volumes/${typed}`);
    expect([made.size, made.numberOfReplicas]).toEqual([`${2 ** 30}`, 2]);
  } finally {
    await gone(ask, typed);
    await gone(ask, missed);
  }
});

/** What a viewer may press inside of pages: it moves, filters, shows, copies or downloads. Whatever else a page offers has to be added here by somebody who asked what it does. */
const HARMLESS = /(, replica .*)$|^instance-manager-\w+$|^(History|Details(…| and log…)|Logs?|Where it is used|Collapse all|Expand all|Disks of |All|Healthy|Degraded|In progress|Faulted|Detached|Filter|Columns|As at first|Show all|Copy\b|Tree|List|YAML|Try again|Close|Earlier|Later|Next|Previous|More$|Load|Show|Hide|Up|Open|Newest|Oldest|1 h|6 h|24 h|7 d|30 d|Hour|Day|Week)/;

/** Names of all buttons in view that may change something, and of the entries of the first menu of each kind. */
async function offered(page) {
  const named = (found) => found
    .filter((element) => !element.disabled && element.ariaDisabled !== "true")
    // Heads of columns sort; filters and searches are fields of the page itself.
    .filter((element) => !element.closest("th, .filters, .chips, summary, [role=tablist]"))
    .map((element) => (element.getAttribute("aria-label") ?? element.textContent ?? "").trim().replace(/\s+/g, " "));
  const buttons = page.locator("main").locator("button, [role=button], input[type=checkbox], input[type=file]").filter({ visible: true });
  const names = await buttons.evaluateAll(named);
  const menus = page.locator("main [aria-haspopup=menu]").filter({ visible: true });
  if (await menus.count() > 0) {
    await menus.first().click();
    await expect(page.getByRole("menu")).toBeVisible();
    names.push(...await page.getByRole("menuitem").evaluateAll(named));
    await page.keyboard.press("Escape");
  }
  // What a menu holds counts, not that there is one.
  return names.filter((name) => !HARMLESS.test(name) && !/^(Actions for|More actions for) /.test(name));
}

test("a viewer is offered nothing on any page, and refused everything", async ({ page, installation, quiet, browser }, info) => {
  quiet.except(/status of 403/);
  const name = own(info, "viewed");
  const viewer = await installation.addViewer();
  await withVolume(page, installation, name, async (ask) => {
    await ask("POST", "recurringjobs", { name, task: "snapshot", cron: "0 3 * * *", retain: 3, concurrency: 1, groups: [], labels: {} });
    try {
      const walked = [...places, `volumes/${name}`, `volumes/${name}?tab=backups`, `volumes/${name}?tab=settings`, `volumes/${name}?tab=activity`,
        "nodes/node-1", `files?volume=${name}&snapshot=kept`];
      await logIn(page, installation, viewer);
      const found = [];
      for (const place of walked) {
        await go(page, installation, place);
        found.push(...(await offered(page)).map((button) => `${place || "dashboard"}: ${button}`));
      }
      expect(found).toEqual([]);

      // The same eyes see what an administrator is offered.
      const context = await browser.newContext({ locale: "en-GB", viewport: page.viewportSize() });
      try {
        const other = await context.newPage();
        await logIn(other, installation, { at: `volumes/${name}` });
        await expect(other.getByTestId("volume-state")).toContainText("Healthy");
        expect(await offered(other)).toEqual(expect.arrayContaining(["Detach", "Take snapshot…", "Back up…"]));
        await go(other, installation, "recurring-jobs");
        await expect.poll(() => offered(other)).toEqual(expect.arrayContaining(["Delete…"]));
      } finally {
        await context.close();
      }

      // Every change of the API, asked for by the viewer's own page with its session.
      const answers = await page.evaluate(async () => {
        const headers = { accept: "application/json", "content-type": "application/json", "x-requested-with": "aurochs-ui" };
        const { data: schemas } = await (await fetch("v1/schemas", { headers })).json();
        const reads = ["snapshotGet", "snapshotList", "snapshotCRGet", "snapshotCRList", "recurringJobList", "backupGet", "backupList", "backupListByVolume"];
        const asked = [];
        for (const { pluralName, collectionMethods, resourceMethods, resourceActions, collectionActions } of schemas) {
          const at = `v1/${pluralName}`;
          if (collectionMethods?.includes("POST")) asked.push(["POST", at]);
          for (const method of resourceMethods ?? []) if (method !== "GET") asked.push([method, `${at}/x`]);
          for (const action of Object.keys(resourceActions ?? {})) if (!reads.includes(action)) asked.push(["POST", `${at}/x?action=${action}`]);
          for (const action of Object.keys(collectionActions ?? {})) if (!reads.includes(action)) asked.push(["POST", `${at}?action=${action}`]);
        }
        return Promise.all(asked.map(async ([method, address]) => [(await fetch(address, { method, headers, body: method === "DELETE" ? undefined : "{}" })).status, `${method} ${address}`]));
      });
      expect(answers.length).toBeGreaterThan(60);
      expect(answers.filter(([status]) => status !== 403)).toEqual([]);
      expect((await ask("GET", `volumes/${name}`)).state).toBe("attached");
    } finally {
      await ask("DELETE", `recurringjobs/${name}`);
    }
  });
});

/** Goes past the navigation, as its first link offers. */
async function skip(page) {
  await page.evaluate(() => document.activeElement?.blur());
  await tabTo(page, page.getByRole("link", { name: "Skip to content" }));
  await page.keyboard.press("Enter");
  await expect(page.locator("#main")).toBeFocused();
}

/** Presses Tab until the wanted element has the focus, and shows that one sees that it has. */
async function tabTo(page, wanted, key = "Tab") {
  await expect(wanted.first()).toBeVisible();
  for (let presses = 0; presses < 120; presses += 1) {
    if (await wanted.first().evaluate((element) => element === document.activeElement)) {
      const outline = await wanted.first().evaluate((element) => {
        const ring = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
        return ring(getComputedStyle(element)) || ring(getComputedStyle(element.parentElement));
      });
      expect(outline, `the focus is seen on ${wanted}`).toBe(true);
      return;
    }
    await page.keyboard.press(key);
  }
  throw new Error(`Tab does not come to ${wanted}`);
}

test("everything by keyboard alone: log in, create, attach, snapshot, detach, delete", async ({ page, installation, shoot }, info) => {
  test.skip(isPhone(info), "a phone has no keyboard");
  const name = own(info, "keys");
  const ask = api(page, installation);
  const keys = page.keyboard;
  /** Opens a menu that has the focus, goes to an entry, chooses it. */
  async function choose(entry) {
    await keys.press("Enter");
    const wanted = page.getByRole("menuitem", { name: entry });
    await tabTo(page, wanted, "ArrowDown");
    await keys.press("Enter");
    await expect(page.getByRole("dialog")).toBeVisible();
  }
  const menu = page.getByRole("button", { name: `More actions for ${name}` });
  try {
    await page.goto(installation.url);
    // The first field has the focus already.
    await keys.type(installation.user);
    await keys.press("Tab");
    await keys.type(installation.password);
    await keys.press("Enter");
    await settled(page);

    await tabTo(page, page.locator("nav.side").getByRole("link", { name: /^Volumes/ }));
    await keys.press("Enter");
    await expect(page).toHaveURL(`${installation.url}volumes`);
    await settled(page);
    await skip(page);
    await tabTo(page, page.getByRole("button", { name: "Create volume" }));
    await keys.press("Enter");
    await expect(page.locator("#field-name")).toBeFocused();
    await keys.type(name);
    await tabTo(page, page.locator("#field-size"));
    await keys.press("Control+a");
    await keys.type("1");
    await tabTo(page, page.locator("#field-numberOfReplicas"));
    await keys.press("Control+a");
    await keys.type("1");
    await keys.press("Enter");
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page.getByTestId(`volume-${name}`)).toContainText("Detached", { timeout: 60_000 });

    // There by the search, as people without a pointer go.
    await keys.press("Control+k");
    await keys.type(name);
    await expect(page.getByRole("option").filter({ hasText: name })).toHaveCount(1);
    await keys.press("Enter");
    await expect(page).toHaveURL(`${installation.url}volumes/${name}`);
    await expect(page.locator("#main")).toBeFocused();
    await tabTo(page, menu);
    await choose("Attach…");
    await tabTo(page, page.getByRole("radio", { name: /node-1/ }));
    await keys.press("ArrowDown");
    await expect(page.getByRole("radio", { name: /node-2/ })).toBeChecked();
    await tabTo(page, page.getByTestId("dialog-answer"));
    await keys.press("Enter");
    await expect(page.getByTestId("volume-state")).toContainText("Healthy", { timeout: 60_000 });
    expect((await ask("GET", `volumes/${name}`)).controllers[0].hostId).toBe("node-2");
    // Only what holds data has to be named before it is deleted; the manager learns of it at the latest with the snapshot.
    execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${name}`, "bs=1M", "count=4", "oflag=direct"], { stdio: "ignore" });
    // The focus comes back to where it was before the question.
    await tabTo(page, menu);
    await choose("Take snapshot…");
    await tabTo(page, page.locator("#field-name"));
    await keys.type("by-keys");
    await keys.press("Enter");
    await expect(page.getByTestId("snapshot-by-keys")).toBeVisible();

    await tabTo(page, menu);
    await choose("Detach…");
    await tabTo(page, page.getByTestId("dialog-answer"));
    await keys.press("Enter");
    await expect(page.getByTestId("volume-state")).toContainText("Detached", { timeout: 60_000 });
    expect(Number((await ask("GET", `volumes/${name}`)).controllers[0].actualSize)).toBeGreaterThanOrEqual(4 << 20);
    await tabTo(page, menu);
    await choose("Delete…");
    await expect(page.getByTestId("dialog-answer")).toBeDisabled();
    await tabTo(page, page.getByTestId("confirm-name"));
    await keys.type(name);
    await shoot("keyboard-delete");
    await tabTo(page, page.getByTestId("dialog-answer"));
    await keys.press("Enter");
    await expect(page).toHaveURL(`${installation.url}volumes`, { timeout: 60_000 });
    await expect.poll(async () => (await ask("GET", "volumes")).data.some((volume) => volume.name === name)).toBe(false);
  } finally {
    await gone(ask, name);
  }
});

test("every page in both languages fits, and changes its theme", async ({ page, installation, shoot }, info) => {
  // A claim's volume has the longest name that there is: 40 characters.
  const name = `pvc-3f1c7a52-8f2e-4b57-9c33-${`${process.pid}`.padStart(12, "0")}`;
  await logIn(page, installation);
  await withVolume(page, installation, name, async () => {
    const walked = [...places, `volumes/${name}`, ...["performance", "backups", "settings", "activity"].map((tab) => `volumes/${name}?tab=${tab}`),
      "nodes/node-1", `files?volume=${name}&snapshot=kept`, "nowhere"];
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const wrong = [];
    for (const [language, lang] of [["en", "en"], ["zh", "zh-Hans"]]) {
      await page.evaluate((language) => localStorage.setItem("aurochs-language", language), language);
      await visit(page, installation, "");
      for (const place of walked) {
        await go(page, installation, place);
        await expect(page.locator("html")).toHaveAttribute("lang", lang);
        const beyond = await page.evaluate(() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return null;
          const widest = [...document.body.querySelectorAll("*")].reduce((widest, element) =>
            element.getBoundingClientRect().right > widest.getBoundingClientRect().right ? element : widest, document.body);
          return `${document.documentElement.scrollWidth - width} px by ${widest.tagName}.${widest.className}`;
        });
        if (beyond) wrong.push(`${language} ${place || "dashboard"}: ${beyond}`);
        // English is Latin alone but for the switch itself; a page in Chinese has Chinese in its main part.
        const [heading, title] = await Promise.all([page.locator("main h1").first().innerText(), page.title()]);
        if (language === "zh" && places.includes(place) && !/[\u4e00-\u9fff]/.test(heading + title)) wrong.push(`zh ${place || "dashboard"}: "${heading}" is not translated`);
      }
    }
    expect(wrong).toEqual([]);
    await page.evaluate(() => localStorage.setItem("aurochs-language", "en"));
    await visit(page, installation, "nodes");
    const seen = new Set();
    for (const theme of ["Light theme", "Dark theme"]) {
      if (isPhone(info)) await page.locator(".account-menu summary").click();
      await page.getByRole("button", { name: theme }).filter({ visible: true }).click();
      await page.reload();
      await settled(page);
      seen.add(await ground());
    }
    expect(seen.size).toBe(2);
    await shoot("whole-dark");
  }, (device) => execFileSync("mkfs.ext4", ["-q", "-d", fileURLToPath(new URL(".", import.meta.url)), device], { stdio: "pipe" }));
});
