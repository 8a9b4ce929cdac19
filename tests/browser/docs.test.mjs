// Every block of code that docs/capture.md and docs/script.md show to websites, copied as it stands: where the lead came from,
// and what the visitor sees.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { Service, Site, launch } from "./house.mjs";

const DOCS = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../docs");
const LANDING = "?utm_source=google&utm_medium=cpc&gclid=Cj0KCQ";

let service, site, browser, page, form, key, capture, script;

before(async () => {
  [service, site, browser] = await Promise.all([Service.start(), Site.start(), launch()]);
  form = await service.call("POST", "/v1/forms", {
    name: "Contact",
    allowed_origins: [site.origin],
    fields: [
      { name: "email", label: "E-mail", type: "email", required: true, maps_to: "email" },
      { name: "message", label: "Message", type: "textarea", maps_to: "need" },
    ],
    honeypot_field: "website",
    consent: [{ purpose: "marketing_email", wording: "You may send me news.", legal_basis: "consent" }],
  });
  key = (await service.call("POST", "/v1/tracking-keys", { name: "Website", allowed_origins: [site.origin] })).key;
  [capture, script] = await Promise.all([blocks("capture.md"), blocks("script.md")]);
});

beforeEach(async () => {
  await page?.context().close();
  page = await (await browser.newContext()).newPage();
});

after(async () => {
  await browser?.close();
  await Promise.all([service?.stop(), site?.stop()]);
});

/** The blocks of a page by their language, with the addresses and keys of this service. */
async function blocks(name) {
  const text = await readFile(path.join(DOCS, name), "utf8");
  const found = { html: [], js: [] };
  for (const [, language, code] of text.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const own = code
      .replaceAll("https://leads.example.com", service.address)
      .replaceAll("fk_...", form.key)
      .replaceAll("tdm_pk_...", key);
    found[language]?.push(own);
  }
  return found;
}

async function open(body, query = LANDING) {
  site.pages.set("/page.html", `<!DOCTYPE html><html lang="en"><title>Page</title>${body}</html>`);
  await page.goto(`${site.origin}/page.html${query}`, { referer: "https://www.google.com/" });
}

const contact = (attributes = "") => `<form ${attributes}><input name="email"><textarea name="message"></textarea>
  <label><input type="checkbox" name="_consent_marketing_email" value="1"> News</label><button>Send</button></form>`;

async function fill(email, { agrees = false } = {}) {
  await page.fill("[name=email]", email);
  if (agrees) await page.check("[name=_consent_marketing_email]");
  await page.click("button");
}

const why = (lead) => lead.may_contact.marketing_email.why;

test("the pages show as many blocks as this file tries", () => {
  assert.deepEqual([capture.html.length, capture.js.length], [1, 2]);
  assert.deepEqual([script.html.length, script.js.length], [2, 2]);
});

test("the plain form says thanks on a page, and grants what is ticked", async () => {
  await open(script.html[0] + capture.html[0].replace("<form", `<form data-tandem-form="${form.key}"`));
  await fill("plain@example.com", { agrees: true });
  await page.waitForURL(/\/v1\/capture\//);
  assert.equal(await page.locator("h1").innerText(), "Thank you");
  const lead = await service.leadOf("plain@example.com");
  assert.deepEqual([lead.first_touch.source, lead.first_touch.channel, why(lead)], ["google", "paid_search", "granted"]);
});

test("the plain form is taken without the script too", async () => {
  await open(capture.html[0]);
  await fill("bare@example.com");
  await page.waitForURL(/\/v1\/capture\//);
  assert.equal(why(await service.leadOf("bare@example.com")), "never_asked");
});

test("the snippet's events can be taken over", async () => {
  await open(`${script.html[0]}${contact(`data-tandem-form="${form.key}"`)}<script>${capture.js[0]}</script><script>${form.snippet_js}</script>`);
  await fill("event@example.com");
  await page.waitForFunction(() => document.title === "Thank you");
  assert.equal(await page.locator("[data-tandem-said]").count(), 0, "the snippet shows nothing then");
  assert.equal((await service.leadOf("event@example.com")).first_touch.source, "google");
});

test("the call by fetch keeps visitor and landing, and grants nothing by itself", async () => {
  await open(`${script.html[0]}${contact()}<script>${capture.js[1]}</script>`);
  await fill("nobody");
  await page.waitForFunction(() => document.title === "Please check your entries");
  await fill("fetch@example.com");
  await page.waitForFunction(() => document.title === "Thank you");
  const lead = await service.leadOf("fetch@example.com");
  assert.deepEqual([lead.first_touch.source, lead.first_touch.channel, why(lead)], ["google", "paid_search", "never_asked"]);
  await page.check("[name=_consent_marketing_email]");
  await fill("fetch.yes@example.com");
  for (let tries = 0; !(await service.leadOf("fetch.yes@example.com")) && tries < 100; tries++) await page.waitForTimeout(50);
  assert.equal(why(await service.leadOf("fetch.yes@example.com")), "granted");
  // The script collects events for a moment: the page's view may come after both forms, and is of the first lead still.
  const viewed = async () =>
    (await service.call("GET", `/v1/leads/${lead.id}/events`)).data.some((one) => one.type === "page_view");
  for (let tries = 0; !(await viewed()) && tries < 100; tries++) await page.waitForTimeout(50);
  assert.ok(await viewed(), "the visitor's history is the lead's");
});

test("the marked form of the script's page is followed to its lead", async () => {
  await open(`${script.html[0]}${script.html[1]}<input name="email"><button>Send</button></form>`);
  await fill("marked@example.com");
  await page.waitForURL(/\/v1\/capture\//);
  assert.equal((await service.leadOf("marked@example.com")).first_touch.source, "google");
});

test("the commands of the script's page run as they stand, also before the script is there", async () => {
  const broken = [];
  page.on("pageerror", (error) => broken.push(error.message));
  await open(`<script>${script.js[1]};tandem("track", "custom.early");</script>${script.html[0]}`);
  await page.waitForFunction(() => window.tandem?.isHere);
  await page.evaluate(script.js[0]);
  assert.deepEqual(broken, []);
});
