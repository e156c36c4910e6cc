// The main job as a user does it in the browser: log in, create, attach, watch, snapshot, revert, detach, delete.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createServer } from "node:http";
import { connect } from "node:net";
import { expect, test } from "../fixtures/installation.js";
import { answer, expectNoOverflow } from "../fixtures/dashboard.js";

const main = (page, name) => page.locator("nav").getByRole("link", { name });

async function logIn(page, installation, address = installation.url) {
  await page.goto(address);
  await page.getByLabel("User").fill(installation.user);
  await page.getByLabel("Password").fill(installation.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.locator("[data-testid=live-state]").first()).toBeAttached();
  await expect(main(page, "Volumes").first()).toBeVisible();
}

test("log in, create, attach, watch, snapshot, revert, detach, delete", async ({ page, installation, quiet, shoot }, info) => {
  quiet.except(/status of 401 .*\/login/);
  const volume = `web-${info.project.name}-${process.pid}`;

  await page.goto(installation.url);
  await shoot("login");
  await page.getByLabel("User").fill(installation.user);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByText(/password/i).first()).toBeVisible();
  await logIn(page, installation);
  await expect(page.getByTestId("space")).toBeVisible();
  await shoot("dashboard-empty");

  await main(page, "Volumes").first().click();
  await page.getByRole("button", { name: "Create volume" }).first().click();
  await page.locator("#field-name").fill("Bad Name");
  await page.locator("#field-name").press("Tab");
  await expect(page.getByText(/lower-case/)).toBeVisible();
  await page.locator("#field-name").fill(volume);
  await page.locator("#field-size").fill("64");
  await page.getByLabel("Unit").first().selectOption({ label: "MiB" });
  await shoot("create");
  await answer(page);
  const row = page.getByTestId(`volume-${volume}`);
  await expect(row).toContainText("Detached");

  await row.getByRole("button", { name: `Actions for ${volume}` }).click();
  await page.getByRole("menuitem", { name: "Attach…" }).click();
  await page.getByRole("radio", { name: /node-2/ }).check();
  await shoot("attach");
  await answer(page);
  await expect(row).toContainText("Healthy");
  await shoot("volumes");
  await expectNoOverflow(page);

  await row.getByRole("link", { name: volume }).click();
  await expect(page.getByTestId("volume-state")).toContainText("Healthy");
  await expect(page.getByTestId("use-it").getByLabel("Device", { exact: true })).toHaveValue(`/dev/longhorn/${volume}`);
  await expect(page.getByTestId("replicas").getByText("Healthy")).toHaveCount(3);

  // Real data: a pattern, a snapshot of it, another pattern over it.
  const device = `/dev/longhorn/${volume}`;
  const write = (byte) => {
    writeFileSync(`${installation.data}/pattern`, Buffer.alloc(1 << 20, byte));
    execFileSync("dd", [`if=${installation.data}/pattern`, `of=${device}`, "bs=1M", "count=1", "oflag=direct", "conv=fsync"], { stdio: "ignore" });
  };
  const read = () => {
    execFileSync("dd", [`if=${device}`, `of=${installation.data}/read`, "bs=1M", "count=1", "iflag=direct"], { stdio: "ignore" });
    return readFileSync(`${installation.data}/read`);
  };
  write(0xa1);
  await page.getByRole("button", { name: "Take snapshot" }).first().click();
  await page.locator("#field-name").fill("before");
  await answer(page);
  await expect(page.getByTestId("snapshot-before")).toBeVisible();
  write(0xb2);
  expect(read()[0]).toBe(0xb2);
  await shoot("volume");
  await expectNoOverflow(page);

  await page.getByTestId("snapshot-before").getByRole("button").first().click();
  await page.getByRole("menuitem", { name: "Revert…" }).click();
  await shoot("revert");
  await answer(page, 60_000);
  await expect(page.getByTestId("volume-state")).toContainText("Healthy");
  expect(read().equals(Buffer.alloc(1 << 20, 0xa1))).toBe(true);

  await page.getByRole("button", { name: "Detach", exact: true }).first().click();
  await answer(page);
  await expect(page.getByTestId("volume-state")).toContainText("Detached");
  await main(page, "Nodes").first().click();
  await expect(page.getByTestId("node-node-1")).toBeVisible();
  await shoot("nodes");
  await expectNoOverflow(page);
  await main(page, "Volumes").first().click();
  await row.getByRole("button", { name: `Actions for ${volume}` }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  if (await page.getByTestId("confirm-name").isVisible()) await page.getByTestId("confirm-name").fill(volume);
  await shoot("delete");
  await answer(page);
  await expect(row).toHaveCount(0);
});

test("a replica that dies is seen as degraded and seen healthy again, without a reload", async ({ page, installation, shoot }, info) => {
  const volume = `die-${info.project.name}-${process.pid}`;
  await logIn(page, installation);
  // This client calls itself a browser, and a browser that does not ask for JSON gets a page.
  const api = { headers: { accept: "application/json", authorization: `Basic ${Buffer.from(`${installation.user}:${installation.password}`).toString("base64")}` } };
  const url = `${installation.url}v1/volumes`;
  const ask = async (path, data) => (await page.request.post(`${url}${path}`, { ...api, data })).json();
  await ask("", { name: volume, size: "512Mi", numberOfReplicas: 3 });
  await expect.poll(async () => (await (await page.request.get(`${url}/${volume}`, api)).json()).state).toBe("detached");
  await ask(`/${volume}?action=attach`, { hostId: "node-1" });
  await main(page, "Volumes").first().click();
  const row = page.getByTestId(`volume-${volume}`);
  await expect(row).toContainText("Healthy");
  execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${volume}`, "bs=1M", "count=400", "oflag=direct"], { stdio: "ignore" });

  await row.getByRole("link", { name: volume }).click();
  const { replicas } = await (await page.request.get(`${url}/${volume}`, api)).json();
  const victim = execFileSync("pgrep", ["-f", `aurochs-engine replica.*--name ${replicas[2].name}`]).toString().trim().split("\n");
  expect(victim).toHaveLength(1);
  process.kill(Number(victim[0]), "SIGKILL");
  await expect(page.getByTestId("why")).toBeVisible();
  await shoot("degraded");
  await expect(page.getByTestId("volume-state")).toContainText("Healthy", { timeout: 90_000 });
  await ask(`/${volume}?action=detach`, {});
  await expect(page.getByTestId("volume-state")).toContainText("Detached");
  await page.request.delete(`${url}/${volume}`, api);
});

test("everything works below a path prefix, behind a proxy", async ({ page, installation }) => {
  const prefix = "/k8s/clusters/c-1/proxy";
  const target = new URL(installation.url);
  const strip = (url) => url.slice(prefix.length) || "/";
  const proxy = createServer((request, reply) => {
    const options = { host: target.hostname, port: target.port, method: request.method, path: strip(request.url), headers: request.headers };
    const onward = httpRequest(options, (answered) => {
      reply.writeHead(answered.statusCode, answered.headers);
      answered.pipe(reply);
    });
    onward.on("error", () => reply.destroy());
    request.pipe(onward);
  });
  proxy.on("upgrade", (request, socket, head) => {
    const onward = connect(Number(target.port), target.hostname, () => {
      const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`).join("\r\n");
      onward.write(`${request.method} ${strip(request.url)} HTTP/1.1\r\n${headers}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on("error", () => { socket.destroy(); onward.destroy(); });
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const address = `http://127.0.0.1:${proxy.address().port}${prefix}/`;
    await logIn(page, installation, address);
    await expect(page.getByTestId("space")).toBeVisible();
    await main(page, "Nodes").first().click();
    await expect(page).toHaveURL(`${address}nodes`);
    await expect(page.getByTestId("node-node-3")).toBeVisible();
    await page.reload();
    await expect(page.getByTestId("node-node-3")).toBeVisible();
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
