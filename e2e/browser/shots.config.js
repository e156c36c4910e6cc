// `make shots`: pictures of all pages, in both themes and both widths, for people to look at: shots/<project>-<page>-<theme>.png
import base from "./playwright.config.js";

export default { ...base, testDir: "pictures", use: { ...base.use, trace: "off" } };
