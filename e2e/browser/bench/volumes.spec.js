// Measures, asserts nothing about time: first views, bytes, scrolling, filtering, memory over minutes of updates.
import { expect, test } from "@playwright/test";
import { logIn } from "../fixtures/dashboard.js";

const { AUROCHS_BENCH_URL: url, AUROCHS_BENCH_USER: user, AUROCHS_BENCH_PASSWORD: password } = process.env;
const minutes = Number(process.env.AUROCHS_BENCH_MINUTES ?? 3);
/** What the browser's own tools call Slow 4G. */
const slow = { offline: false, latency: 562.5, downloadThroughput: 1.6e6 / 8 * 0.9, uploadThroughput: 750e3 / 8 * 0.9 };
const rows = ".grid tbody tr:not(.gap)";

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Loads the list of volumes from an empty cache; answers with milliseconds to the first row and bytes over the wire. */
async function firstView(page, conditions) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.clearBrowserCache");
  if (conditions) await cdp.send("Network.emulateNetworkConditions", conditions);
  let bytes = 0, wasm = 0;
  const wasms = new Set();
  cdp.on("Network.responseReceived", ({ requestId, response }) => /\.wasm/.test(response.url) && wasms.add(requestId));
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    bytes += encodedDataLength;
    if (wasms.has(requestId)) wasm = encodedDataLength;
  });
  const began = Date.now();
  await page.goto(`${url}volumes`, { waitUntil: "commit" });
  await page.locator(".side").first().waitFor({ state: "visible" });
  const shell = Date.now() - began;
  await page.locator("nav.side .entry").first().waitFor({ state: "attached" });
  const frame = Date.now() - began;
  await page.locator(rows).first().waitFor();
  const list = Date.now() - began;
  await cdp.detach();
  return { shell, frame, list, bytes, wasm };
}

test("ten thousand volumes", async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addInitScript(() => {
    const keep = ({ instance }) => { window.wasmMemory = instance.exports.memory; };
    const streaming = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (...args) => { const made = await streaming.call(WebAssembly, ...args); keep(made); return made; };
    const plain = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...args) => { const made = await plain.call(WebAssembly, ...args); if (made.instance) keep(made); return made; };
  });
  const page = await context.newPage();
  await logIn(page, { url, user, password });
  const fast = [];
  for (let round = 0; round < 3; round += 1) fast.push(await firstView(page));
  const slowView = await firstView(page, slow);
  await page.reload();
  await page.locator(rows).first().waitFor();
  const count = await page.getByTestId("count").innerText();

  const scroll = await page.evaluate(async () => {
    const sheet = document.querySelector(".sheet");
    const frames = [];
    const end = performance.now() + 5000;
    let before = performance.now();
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - before);
      before = now;
      sheet.scrollTop = (sheet.scrollTop + 90) % (sheet.scrollHeight - sheet.clientHeight);
    }
    frames.sort((a, b) => a - b);
    const bare = [...document.querySelectorAll(".grid tbody tr:not(.gap)")].length;
    return { fps: 1000 * frames.length / frames.reduce((a, b) => a + b), p95: frames[Math.floor(frames.length * 0.95)], worst: frames.at(-1), rows: bare };
  });

  const filter = await page.evaluate(async () => {
    const input = document.querySelector(".filters input[type=search]");
    const count = document.querySelector("[data-testid=count]");
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const times = [];
    for (const text of ["1", "12", "123", "12", "1", "9", "99", ""]) {
      const told = new Promise((resolve) => new MutationObserver((_, seen) => { seen.disconnect(); resolve(); })
        .observe(count, { childList: true, characterData: true, subtree: true }));
      const began = performance.now();
      set.call(input, text);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await told;
      times.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    return times;
  });

  const cdp = await context.newCDPSession(page);
  const memory = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const heap = await cdp.send("Runtime.getHeapUsage");
    const dom = await cdp.send("Memory.getDOMCounters");
    const wasm = await page.evaluate(() => window.wasmMemory?.buffer.byteLength ?? 0);
    return { heapMiB: heap.usedSize / 2 ** 20, wasmMiB: wasm / 2 ** 20, nodes: dom.nodes, listeners: dom.jsEventListeners };
  };
  const held = [await memory()];
  for (let minute = 0; minute < minutes; minute += 1) {
    await page.waitForTimeout(60_000);
    held.push(await memory());
  }
  expect(held.length).toBe(minutes + 1);
  const round = (object) => JSON.stringify(object, (_, value) => (typeof value === "number" ? Math.round(value * 10) / 10 : value));
  console.log(`
rows listed          ${count}
wasm over the wire   ${round(fast[0].wasm / 1024)} KiB
first view, fast     frame ${median(fast.map(({ frame }) => frame))} ms, list ${median(fast.map(({ list }) => list))} ms, ${round(fast[0].bytes / 1024)} KiB
first view, Slow 4G  frame ${slowView.frame} ms, list ${slowView.list} ms, ${round(slowView.bytes / 1024)} KiB
scrolling            ${round(scroll)}
filter, ms           first ${round(filter[0])}, then median ${round(median(filter.slice(1)))}, worst ${round(Math.max(...filter.slice(1)))}
memory by minute     ${held.map(round).join("\n                     ")}`);
});
