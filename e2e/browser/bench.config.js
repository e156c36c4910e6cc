// `make bench-ui`: the dashboard with ten thousand volumes in a real browser. AUROCHS_BENCH_URL, _USER and _PASSWORD say where.
import base from "./playwright.config.js";

export default { ...base, testDir: "bench", timeout: 900_000 + 60_000 * Number(process.env.AUROCHS_BENCH_MINUTES ?? 3), projects: base.projects.filter(({ name }) => name === "desk"),
  use: { ...base.use, trace: "off", screenshot: "off" }, reporter: [["line"]] };
