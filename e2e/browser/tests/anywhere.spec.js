// The dashboard wherever people put it: below a prefix, through Kubernetes' service proxy, behind nginx with a password of its
// own, over TLS by nginx and by the manager. Each way in: login, pages by their own addresses and by links, a change, the live
// stream; no request to another host, nothing that the policy of the page forbids, no address outside of the prefix.
import { mkdtemp, rm } from "node:fs/promises";
import { expect, start, test } from "../fixtures/installation.js";
import { api, settled } from "../fixtures/dashboard.js";
import { certificate, nginx } from "../fixtures/nginx.js";

const isPhone = (info) => info.project.name === "phone";

/** Opens a browser of its own at an address and notes what must not happen there. */
async function visitor(browser, at, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", ...options });
  const page = await context.newPage();
  const strange = [], pages = [];
  const { origin, host, pathname } = new URL(at);
  const note = (what, url) => {
    const asked = new URL(url);
    // What the page carries itself.
    if (["data:", "blob:"].includes(asked.protocol)) return;
    if (asked.host !== host) strange.push(`${what} to another host: ${url}`);
    else if (!asked.pathname.startsWith(pathname)) strange.push(`${what} outside of the prefix: ${url}`);
  };
  page.on("request", (request) => note(request.method(), request.url()));
  page.on("websocket", (socket) => note("WebSocket", socket.url()));
  page.on("pageerror", (error) => strange.push(error.message));
  page.on("console", (message) => /content security policy|mixed content/i.test(message.text()) && strange.push(message.text()));
  page.on("response", (answer) => answer.request().resourceType() === "document" && pages.push(answer));
  page.on("framenavigated", (frame) => note("a page", frame.url() === "about:blank" ? at : frame.url()));
  return { context, page, strange, pages, origin };
}

/** The words of a policy's part; those of `default-src` where it says nothing itself. */
function policy(header, part) {
  const parts = Object.fromEntries(header.split(";").map((words) => words.trim().split(/\s+/)).map(([name, ...words]) => [name, words]));
  return parts[part] ?? parts["default-src"];
}

async function walk({ page, strange, pages }, installation, at, { ask, name }) {
  await page.goto(`${at}volumes`);
  await page.getByLabel("User").fill(installation.user);
  await page.getByLabel("Password").fill(installation.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await settled(page);
  await expect(page).toHaveURL(`${at}volumes`);
  const live = page.getByTestId("live-state").filter({ visible: true });
  await expect(live).toHaveText("Live");

  // A change that others make arrives by itself; one that this page makes is done.
  await ask("POST", "volumes", { name, size: "64Mi", numberOfReplicas: 1 });
  const row = page.getByTestId(`volume-${name}`);
  await expect(row).toContainText("Detached");
  await row.getByRole("link").first().click();
  await expect(page).toHaveURL(`${at}volumes/${name}`);
  await expect(page.getByTestId("volume-state")).toContainText("Detached");
  await page.getByRole("button", { name: /^More actions for/ }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  const typed = page.getByTestId("confirm-name");
  await expect(page.getByTestId("dialog-answer")).toBeVisible();
  if (await typed.isVisible()) await typed.fill(name);
  await page.getByTestId("dialog-answer").click();
  await expect(page).toHaveURL(`${at}volumes`);
  await expect(row).toHaveCount(0);

  // A page two steps below the root, by its own address; then home, and out.
  await page.goto(`${at}nodes/node-1`);
  await settled(page);
  await expect(page.getByRole("heading", { name: "node-1" }).first()).toBeVisible();
  await expect(live).toHaveText("Live");
  await page.goto(`${at}settings?q=replica`);
  await settled(page);
  await page.getByRole("button", { name: "中文" }).filter({ visible: true }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-Hans");
  await page.getByRole("button", { name: "English" }).filter({ visible: true }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await page.locator("a.home").filter({ visible: true }).click();
  await expect(page).toHaveURL(at);
  await expect(page.getByTestId("space")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).filter({ visible: true }).click();
  await expect(page.getByLabel("Password")).toBeVisible();

  expect(strange).toEqual([]);
  const policies = pages.filter((answer) => answer.status() < 300).map((answer) => answer.headers()["content-security-policy"]);
  expect(policies.length).toBeGreaterThan(3);
  for (const header of policies) {
    expect(policy(header, "script-src"), header).not.toContain("'unsafe-inline'");
    expect(policy(header, "script-src"), header).not.toContain("'unsafe-eval'");
    for (const part of ["script-src", "connect-src", "style-src-elem", "font-src"]) {
      expect(policy(header, part).filter((word) => /^(\*|https?:|wss?:|.*\.)/.test(word)), `${part} of ${header}`).toEqual([]);
    }
  }
}

test("behind nginx: prefix, Kubernetes' service proxy, a second password, TLS", async ({ browser, page, installation }, info) => {
  test.skip(isPhone(info), "what is tried here has no width");
  const proxy = await nginx(installation);
  try {
    for (const [way, at] of Object.entries(proxy.at)) {
      await test.step(way, async () => {
        const guest = await visitor(browser, at, { httpCredentials: way === "guarded" ? proxy.door : undefined });
        try {
          await walk(guest, installation, at, { ask: api(page, installation), name: `any-${way}-${process.pid}` });
          const [cookie] = await guest.context.cookies();
          expect(cookie ?? null, "signing out forgets the session").toBeNull();
        } finally {
          await guest.context.close();
        }
      });
    }
  } finally {
    await proxy.stop();
  }
});

test("the manager's own TLS", async ({ browser }, info) => {
  test.skip(isPhone(info), "what is tried here has no width");
  const directory = await mkdtemp("/var/tmp/aur-cert-");
  try {
    const { cert, key } = certificate(directory);
    const installation = await start({ args: ["--tls-cert", cert, "--tls-key", key] });
    try {
      expect(installation.url).toMatch(/^https:/);
      const guest = await visitor(browser, installation.url);
      try {
        await walk(guest, installation, installation.url, { ask: api(guest.page, installation), name: `any-own-tls-${process.pid}` });
      } finally {
        await guest.context.close();
      }
    } finally {
      await installation.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
