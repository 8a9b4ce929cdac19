// Forms as people meet them: plain pages, scripts, and pages of other origins.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Service, Site, launch } from "./house.mjs";

let service, site, browser, page, form;

before(async () => {
  [service, site, browser] = await Promise.all([Service.start(), Site.start(), launch()]);
  form = await service.call("POST", "/v1/forms", {
    name: "Contact",
    allowed_origins: [site.origin],
    redirect_url: `${site.origin}/thanks.html`,
    fields: [
      { name: "name", label: "Name", type: "text" },
      { name: "email", label: "E-mail", type: "email", required: true, maps_to: "email" },
      { name: "phone", label: "Phone", type: "phone", maps_to: "phone" },
      { name: "company", label: "Company", type: "text", maps_to: "company.name" },
      { name: "message", label: "What is it about?", type: "textarea", maps_to: "need" },
    ],
    consent: [{ purpose: "marketing_email", wording: "You may send me news by e-mail.", legal_basis: "consent" }],
  });
  await site.show("contact.html", service, form.key);
  await site.show("fetch.html", service, form.key);
});

beforeEach(async () => {
  await page?.context().close();
  page = await (await browser.newContext()).newPage();
});

after(async () => {
  await browser?.close();
  await Promise.all([service?.stop(), site?.stop()]);
});

test("a plain form leads to the form's own page, and the lead is there", async () => {
  await page.goto(`${site.origin}/contact.html`);
  await page.fill("[name=name]", "Ada Lovelace");
  await page.fill("[name=email]", "ada@example.com");
  await page.fill("[name=phone]", "+390212345678");
  await page.fill("[name=company]", "Ünïcode & Söhne 🚲");
  await page.fill("[name=message]", "Two\nlines");
  await page.check("[name=_consent_marketing_email]");
  await page.click("button");
  await page.waitForURL(`${site.origin}/thanks.html`);

  const lead = await service.leadOf("ada@example.com");
  assert.equal(lead.phone, "+390212345678");
  assert.equal(lead.company.name, "Ünïcode & Söhne 🚲");
  assert.equal(lead.need.replace("\r", ""), "Two\nlines");
});

test("a plain form that is not filled in as it must be gets a page that says what is wrong", async () => {
  await page.goto(`${site.origin}/contact.html`);
  await page.evaluate(() => (document.forms[0].noValidate = true));
  await page.fill("[name=email]", "not <b>an</b> address");
  await page.click("button");
  await page.waitForURL(/\/v1\/capture\//);

  assert.match(await page.locator("body").innerText(), /E-mail/);
  assert.equal(await page.locator("b", { hasText: "an" }).count(), 0);
  const { data } = await service.call("GET", "/v1/submissions?status=rejected");
  assert.equal(data.length, 1);
});

test("a page that sends by fetch stays and says thank you; pressed twice, it is one submission", async () => {
  await page.goto(`${site.origin}/fetch.html`);
  await page.fill("[name=email]", "grace.hopper@example.com");
  await page.evaluate(() => {
    document.querySelector("button").click();
    document.querySelector("button").click();
  });
  await page.waitForFunction(() => document.getElementById("said").textContent.startsWith("Thank you"));

  const lead = await service.leadOf("grace.hopper@example.com");
  const { data } = await service.call("GET", "/v1/submissions?status=accepted");
  assert.equal(data.filter((one) => one.lead_id === lead.id).length, 1);
});

test("a page that sends by fetch says what is wrong, field by field", async () => {
  await page.goto(`${site.origin}/fetch.html`);
  await page.fill("[name=email]", "nobody");
  await page.click("button");
  await page.waitForFunction(() => document.getElementById("said").textContent.startsWith("Please mend"));
  assert.match(await page.locator("#said").innerText(), /email/);
});

test("a page of another origin reaches nothing", async () => {
  await page.goto(`${site.stranger}/fetch.html`);
  await page.fill("[name=email]", "mallory@example.com");
  await page.click("button");
  await page.waitForFunction(() => document.getElementById("said").textContent.includes("could not be reached"));

  await page.goto(`${site.stranger}/contact.html`);
  await page.fill("[name=email]", "mallory@example.com");
  await page.click("button");
  await page.waitForURL(/\/v1\/capture\//);
  assert.equal(await service.leadOf("mallory@example.com"), undefined);
});

test("the HTML that the service gives out works as it stands", async () => {
  site.pages.set("/snippet.html", `<!DOCTYPE html><title>Snippet</title>${form.snippet_html}`);
  await page.goto(`${site.origin}/snippet.html?utm_source=newsletter`);
  await page.fill("[name=email]", "snippet@example.com");
  await page.click("button");
  await page.waitForURL(`${site.origin}/thanks.html`);
  assert.equal((await service.leadOf("snippet@example.com")).first_touch.source, "newsletter");
});

test("the HTML that the service gives out knows a search engine by the page that led to it", async () => {
  site.pages.set("/snippet.html", `<!DOCTYPE html><title>Snippet</title>${form.snippet_html}`);
  await page.goto(`${site.origin}/snippet.html`, { referer: "https://www.google.com/" });
  await page.fill("[name=email]", "searched@example.com");
  await page.click("button");
  await page.waitForURL(`${site.origin}/thanks.html`);
  assert.equal((await service.leadOf("searched@example.com")).first_touch.channel, "organic_search");
});

test("the script that the service gives out sends a form and tells the page", async () => {
  site.pages.set(
    "/script.html",
    `<!DOCTYPE html><title>Script</title><form data-tandem-form="${form.key}"><input name="email"><button>Send</button></form>
     <script>addEventListener("tandem:sent", (e) => (document.title = e.detail.status), true);
     addEventListener("tandem:refused", (e) => (document.title = e.detail.code), true);</script>
     <script>${form.snippet_js}</script>`,
  );
  await page.goto(`${site.origin}/script.html`);
  await page.fill("[name=email]", "nobody");
  await page.click("button");
  await page.waitForFunction(() => document.title === "validation_failed");
  assert.equal(await page.getAttribute("[name=email]", "aria-invalid"), "true", "the field is marked");
  assert.match(await page.locator("[data-tandem-said]").innerText(), /^E-mail /);
  await page.fill("[name=email]", "script@example.com");
  await page.click("button");
  await page.waitForURL(`${site.origin}/thanks.html`);
  assert.ok(await service.leadOf("script@example.com"));
});

test("the script that the service gives out tells a no from a yes, and a test", async () => {
  const ask = (email, more) =>
    site.pages.set(
      "/ask.html",
      `<!DOCTYPE html><title>Ask</title><form data-tandem-form="${form.key}"><input name="email" value="${email}">${more}<button>Send</button></form>
       <script>addEventListener("tandem:sent", (e) => (e.preventDefault(), (document.title = e.detail.status)), true);</script>
       <script>${form.snippet_js}</script>`,
    );
  for (const [email, more] of [
    ["no@example.com", '<input type="hidden" name="_consent_marketing_email" value="0">'],
    ["yes@example.com", '<input type="checkbox" checked name="_consent_marketing_email" value="1">'],
    ["nein@example.com", '<input type="hidden" name="_consent_marketing_email" value="nein">'],
    ["test@example.com", '<input type="hidden" name="_test" value="1">'],
  ]) {
    ask(email, more);
    await page.goto(`${site.origin}/ask.html`);
    await page.click("button");
    await page.waitForFunction(() => document.title === "accepted");
  }
  const said = async (email) => (await service.leadOf(email)).may_contact.marketing_email.why;
  const emails = ["no@example.com", "yes@example.com", "nein@example.com"];
  assert.deepEqual(await Promise.all(emails.map(said)), ["never_asked", "granted", "never_asked"]);
  assert.equal(await service.leadOf("test@example.com"), undefined);
});

test("without an address of its own the script says thanks on the page", async () => {
  const plain = await service.call("POST", "/v1/forms", {
    name: "Plain",
    allowed_origins: [site.origin],
    fields: [{ name: "email", label: "E-mail", type: "email", required: true, maps_to: "email" }],
  });
  const inner = `<form data-tandem-form="${plain.key}"><input name="email"><button>Send</button></form>`;
  site.pages.set("/plain-script.html", `<!DOCTYPE html><title>Plain</title>${inner}<script>${plain.snippet_js}</script>`);
  await page.goto(`${site.origin}/plain-script.html`);
  await page.fill("[name=email]", "thanked@example.com");
  await page.click("button");
  await page.waitForSelector("[data-tandem-said][role=status]");
  assert.match(await page.locator("[data-tandem-said]").innerText(), /^Thank you/);
  assert.equal(await page.inputValue("[name=email]"), "");
});

test("a script that sends the plain form by fetch gets JSON, though it has an address of its own", async () => {
  await page.goto(`${site.origin}/contact.html`);
  const answer = await page.evaluate(async (address) => {
    const got = await fetch(address, { method: "POST", body: new URLSearchParams({ email: "by.fetch@example.com" }) });
    return [got.status, (await got.json()).status];
  }, `${service.address}/v1/capture/${form.key}`);
  assert.deepEqual(answer, [201, "accepted"]);
});

test("a page that hides its origin sends its form all the same", async () => {
  site.pages.set("/hidden.html", {
    body: `<!DOCTYPE html><title>Hidden</title>${form.snippet_html}`,
    headers: { "Referrer-Policy": "no-referrer" },
  });
  await page.goto(`${site.origin}/hidden.html`);
  await page.fill("[name=email]", "hidden@example.com");
  await page.click("button");
  await page.waitForURL(`${site.origin}/thanks.html`);
  assert.ok(await service.leadOf("hidden@example.com"));
});
