// `make shots`: pictures of all pages, in both themes and both widths, for people to look at: shots/<project>-<page>-<theme>.png
import base from "./playwright.config.js";

// One after the other: their volumes have the same names, and so have those volumes' devices.
export default { ...base, testDir: "pictures", workers: 1, use: { ...base.use, trace: "off" },
  projects: base.projects.map(({ testMatch, ...project }) => project) };
