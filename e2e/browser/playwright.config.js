// Every test runs in two projects: a desk and a phone. The pages are the same; only the width differs.
import { defineConfig } from "@playwright/test";

// Debian's Chromium. The switches keep it from looking up its vendor's hosts: a closed network refuses them one by one.
const chromium = {
  executablePath: process.env.AUROCHS_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
};

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  // Each with a server of three nodes of its own. They wait for one another half of their time.
  workers: 2,
  fullyParallel: false,
  forbidOnly: true,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["./reporters/why.js"]],
  use: {
    browserName: "chromium",
    headless: true,
    launchOptions: chromium,
    locale: "en-GB",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "desk", use: { viewport: { width: 1440, height: 900 } } },
    // What depends on the width: the shared parts, the main job, every page.
    { name: "phone", testMatch: /(base|main_job|overview|smoke|whole)\.spec\.js/, use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } },
  ],
});
