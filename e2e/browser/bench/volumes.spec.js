// Measures, asserts nothing about time: first views, bytes, scrolling, filtering, memory over minutes of updates.
//
// - A first view is that of a browser that was never here but is logged in: a profile of its own for each. `paint` is when the
//   browser painted the first words, which are the space and the volumes that the manager knows, `frame` when the dashboard's
//   own navigation is there, `content` when it shows what the page is for: the space on the start page, the first row of the
//   list. Bytes are those over the wire, compressed, headers and the live stream's first message included.
// - Scrolling and filtering are measured from one frame to the next, so the browser's own layout is in the figures.
import { expect, test } from "@playwright/test";
import { logIn } from "../fixtures/dashboard.js";

const { AUROCHS_BENCH_URL: url, AUROCHS_BENCH_USER: user, AUROCHS_BENCH_PASSWORD: password } = process.env;
const minutes = Number(process.env.AUROCHS_BENCH_MINUTES ?? 3);
/** What the browser's own tools call Slow 4G. */
const slow = { offline: false, latency: 562.5, downloadThroughput: 1.6e6 / 8 * 0.9, uploadThroughput: 750e3 / 8 * 0.9 };
const rows = ".grid tbody tr:not(.gap)";
const views = { "": "[data-testid=space] dd", volumes: rows };
const viewport = { width: 1440, height: 900 };

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = (object) => JSON.stringify(object, (_, value) => (typeof value === "number" ? Math.round(value * 10) / 10 : value));

/** Loads a page in a new profile; answers with milliseconds and bytes. */
async function firstView(browser, storageState, place, conditions) {
  const context = await browser.newContext({ viewport, storageState });
  try {
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send("Network.enable");
    if (conditions) await cdp.send("Network.emulateNetworkConditions", conditions);
    let bytes = 0, wasm = 0, stream = 0;
    const wasms = new Set();
    cdp.on("Network.responseReceived", ({ requestId, response }) => /\.wasm/.test(response.url) && wasms.add(requestId));
    cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      bytes += encodedDataLength;
      if (wasms.has(requestId)) wasm = encodedDataLength;
    });
    // Binary frames are told in base64; the first one is a gzip file.
    cdp.on("Network.webSocketFrameReceived", ({ response: { opcode, payloadData } }) => { stream += opcode === 2 ? payloadData.length * 3 / 4 : payloadData.length; });
    const began = performance.now();
    await page.goto(`${url}${place}`, { waitUntil: "commit" });
    const after = async (wanted) => {
      await page.waitForFunction((wanted) => document.querySelector(wanted)?.checkVisibility(), wanted, { polling: "raf", timeout: 120_000 });
      return performance.now() - began;
    };
    const frame = await after("nav.side .entry");
    const content = await after(views[place]).catch(() => null);
    // Fonts and what the page asks for by itself belong to the first view, too.
    await page.waitForLoadState("networkidle");
    // A browser that is busy answers late, but it notes when it painted.
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    return { paint, frame, content, bytes: bytes + stream, wasm, stream };
  } finally {
    await context.close();
  }
}

const told = ({ paint, frame, content, bytes, stream }) =>
  `paint ${Math.round(paint)} ms, frame ${Math.round(frame)} ms, content ${content === null ? "not in time" : `${Math.round(content)} ms`}, ${round(bytes / 1000)} KB (of them the live stream's ${round(stream / 1000)} KB)`;

test("ten thousand volumes", async ({ browser }) => {
  const context = await browser.newContext({ viewport });
  await context.addInitScript(() => {
    const keep = ({ instance }) => { window.wasmMemory = instance.exports.memory; };
    const streaming = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (...args) => { const made = await streaming.call(WebAssembly, ...args); keep(made); return made; };
    const plain = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...args) => { const made = await plain.call(WebAssembly, ...args); if (made.instance) keep(made); return made; };
  });
  const page = await context.newPage();
  await logIn(page, { url, user, password });
  const storageState = await context.storageState();
  const first = [];
  let wasm = 0;
  for (const place of Object.keys(views)) {
    const fast = [];
    for (let times = 0; times < 5; times += 1) fast.push(await firstView(browser, storageState, place));
    const middle = (key) => median(fast.map((view) => view[key]));
    wasm = fast[0].wasm;
    first.push([`fast, /${place}`, { ...fast[0], paint: middle("paint"), frame: middle("frame"), content: middle("content") }]);
    first.push([`Slow 4G, /${place}`, await firstView(browser, storageState, place, slow)]);
  }
  await page.goto(`${url}volumes`);
  await page.locator(rows).first().waitFor();
  const count = await page.getByTestId("count").innerText();
  // What is made ready after the first view is done with.
  await page.waitForTimeout(3000);

  const scroll = await page.evaluate(async () => {
    const sheet = document.querySelector(".sheet");
    const frames = [];
    let empty = 0;
    const end = performance.now() + 5000;
    let before = await new Promise(requestAnimationFrame);
    while (performance.now() < end) {
      sheet.scrollTop = (sheet.scrollTop + 90) % (sheet.scrollHeight - sheet.clientHeight);
      const now = await new Promise(requestAnimationFrame);
      frames.push(now - before);
      before = now;
      // A frame without rows in the middle of the view is none that counts.
      const { left, top, width, height } = sheet.getBoundingClientRect();
      if (!document.elementFromPoint(left + width / 2, top + height / 2)?.closest("tr:not(.gap)")) empty += 1;
    }
    frames.sort((a, b) => a - b);
    const drawn = document.querySelectorAll(".grid tbody tr:not(.gap)").length;
    return { fps: 1000 * frames.length / frames.reduce((a, b) => a + b), p95: frames[Math.floor(frames.length * 0.95)], worst: frames.at(-1), empty, rows: drawn };
  });

  // From the key to the first frame that shows the answer.
  const filter = await page.evaluate(async () => {
    const input = document.querySelector(".filters input[type=search]");
    const count = document.querySelector("[data-testid=count]");
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const painted = () => new Promise((resolve) => requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    }));
    const times = [];
    for (const text of ["1", "12", "123", "12", "1", "9", "99", ""]) {
      await painted();
      const began = performance.now();
      set.call(input, text);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await painted();
      times.push({ text, milliseconds: performance.now() - began, shown: count.textContent });
      await new Promise((resolve) => setTimeout(resolve, 400));
      times.at(-1).later = count.textContent;
    }
    return times;
  });
  // An answer that came after the frame would have been measured too early.
  expect(filter.filter(({ shown, later }) => shown !== later)).toEqual([]);

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
  const typed = filter.map(({ milliseconds }) => milliseconds);
  console.log(`
rows listed          ${count}
wasm over the wire   ${round(wasm / 1000)} KB
${first.map(([name, view]) => `${`first view, ${name}`.padEnd(28)} ${told(view)}`).join("\n")}
scrolling            ${round(scroll)}
filter, ms           first ${round(typed[0])}, then median ${round(median(typed.slice(1)))}, worst ${round(Math.max(...typed.slice(1)))}
memory by minute     ${held.map(round).join("\n                     ")}`);
});
