// What the script of a website tells of its visitors, and what it leaves alone.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Recorder, Service, Site, launch, shiftClock } from "./house.mjs";

const DAY = 864e5;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const LANDING = "?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0KCQ&theme=dark";

let service, recorder, site, browser, context, form, key, broken;

before(async () => {
  [service, site, browser] = await Promise.all([Service.start(), Site.start(), launch()]);
  recorder = await Recorder.start(service.address);
  form = await service.call("POST", "/v1/forms", {
    name: "Contact",
    allowed_origins: [site.origin],
    redirect_url: `${site.origin}/thanks.html`,
    fields: [{ name: "email", label: "E-mail", type: "email", required: true, maps_to: "email" }],
  });
  const website = { name: "Website", allowed_origins: [site.origin] };
  key = (await service.call("POST", "/v1/tracking-keys", website)).key;
  for (const path of ["/", "/pricing.html", "/contact.html"]) site.pages.set(path, page(path));
  site.pages.set("/asks.html", page("Asks", { attributes: 'data-consent="required"' }));
  site.pages.set("/asks-too.html", page("Asks too", { attributes: 'data-consent="required"' }));
});

beforeEach(async () => {
  await context?.close();
  context = await browser.newContext();
  recorder.seen.length = 0;
  broken = [];
});

after(async () => {
  await browser?.close();
  await Promise.all([recorder?.stop(), service?.stop(), site?.stop()]);
});

/** A page of the site with a form and the script, as the documentation says. */
function page(title, { attributes = "", form: inner = contact(), head = "" } = {}) {
  return `<!DOCTYPE html><html lang="en"><title>${title}</title>${head}
    <script src="${recorder.origin}/tandem.js" data-key="${key}" ${attributes} defer></script>
    <h1>${title}</h1><a href="/pricing.html">Prices</a> <a href="/contact.html">Contact</a>${inner}</html>`;
}

function contact() {
  return `<form method="post" action="${recorder.origin}/v1/capture/${form.key}" data-tandem-form="${form.key}">
    <input name="email"><button>Send</button></form>`;
}

/** A tab of the visitor's browser, perhaps some time ago, perhaps one that refuses things. */
async function open(path, { ago = 0, script, referer } = {}) {
  const tab = await context.newPage();
  tab.on("pageerror", (error) => broken.push(error.message));
  tab.on("console", (told) => told.type() === "error" && broken.push(told.text()));
  if (ago) await tab.addInitScript(shiftClock, ago);
  if (script) await tab.addInitScript(script);
  await tab.goto(site.origin + path, { referer });
  return tab;
}

async function send(tab, email) {
  await tab.fill("[name=email]", email);
  await tab.click("button");
  await tab.waitForURL(`${site.origin}/thanks.html`);
}

const answers = () => recorder.seen.filter((one) => one.path.startsWith("/v1/collect")).map((one) => one.status);

/** The events that were told, once there are so many and the service has taken them. */
async function events(count) {
  const told = () => recorder.seen.filter((one) => one.path.startsWith("/v1/collect")).flatMap((one) => {
    const body = JSON.parse(one.body);
    return body.events.map((event) => ({ visitor_id: body.visitor_id, ...event }));
  });
  for (let tries = 0; told().length < count && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
  assert.equal(told().length, count, JSON.stringify(told().map((one) => [one.type, one.url])));
  for (let tries = 0; answers().includes(undefined) && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
  assert.ok(answers().every((status) => status === 204), `the service answered ${answers()}`);
  return told();
}

const settled = () => new Promise((done) => setTimeout(done, 1500));
const kept = (tab) => tab.evaluate(() => [localStorage.length, document.cookie]);
const sentForm = () => new URLSearchParams(recorder.seen.find((one) => one.path.startsWith("/v1/capture")).body);

test("a visitor is followed from the landing over two more pages to the form", async () => {
  const tab = await open(`/${LANDING}`, { referer: "https://www.google.com/" });
  await tab.click("text=Prices");
  await tab.waitForURL("**/pricing.html");
  await tab.evaluate(() => history.pushState({}, "", "/pricing.html?plan=team#top"));
  await tab.waitForTimeout(100);
  await tab.click("text=Contact");
  await tab.waitForURL("**/contact.html");
  const told = (await events(7)).sort((a, b) => (a.occurred_at < b.occurred_at ? -1 : 1));

  const views = told.filter((one) => one.type === "page_view");
  assert.deepEqual(
    views.map((one) => [one.url, one.referrer]),
    [
      [`${site.origin}/${LANDING}`, "https://www.google.com/"],
      [`${site.origin}/pricing.html`, `${site.origin}/${LANDING}`],
      [`${site.origin}/pricing.html?plan=team`, `${site.origin}/pricing.html`],
      [`${site.origin}/contact.html`, `${site.origin}/pricing.html?plan=team`],
    ],
  );
  assert.equal(views[0].properties.title, "/");
  assert.ok(told.filter((one) => one.type === "form_view").every((one) => one.properties.form_key === form.key));
  assert.match(told[0].visitor_id, UUID);
  assert.equal(new Set(told.map((one) => one.visitor_id)).size, 1, "one browser is one visitor");
  assert.equal(new Set(told.map((one) => one.event_id)).size, 7);

  await send(tab, "ada@example.com");
  const said = sentForm();
  assert.equal(said.get("_visitor_id"), told[0].visitor_id);
  assert.equal(said.get("_page_url"), `${site.origin}/contact.html`);
  assert.equal(said.get("_landing_referrer"), "https://www.google.com/");
  assert.equal(
    said.get("_landing_url"),
    `${site.origin}/?gclid=Cj0KCQ&utm_source=google&utm_medium=cpc&utm_campaign=spring`,
    "what tells nothing of where a visitor comes from is not remembered",
  );
  assert.equal((await service.leadOf("ada@example.com")).first_touch.source, "google");
  assert.deepEqual(broken, []);
});

test("the landing is remembered over a direct visit until a form is sent", async () => {
  const landing = await open(`/${LANDING}`, { ago: 7 * DAY });
  await landing.close();
  const later = await open("/contact.html");
  await send(later, "grace.hopper@example.com");
  assert.match(sentForm().get("_landing_url"), /\?gclid=Cj0KCQ&utm_source=google.*utm_campaign=spring$/);

  recorder.seen.length = 0;
  await later.goto(`${site.origin}/contact.html`);
  await send(later, "grace.hopper@example.com");
  assert.doesNotMatch(sentForm().get("_landing_url"), /utm_/);
});

test("a newer landing that tells something takes the place of the older one", async () => {
  await open(`/${LANDING}`, { ago: 7 * DAY });
  const tab = await open("/contact.html", { referer: "https://news.example/story?id=7" });
  await send(tab, "newer@example.com");
  assert.equal(sentForm().get("_landing_url"), `${site.origin}/contact.html`);
  assert.match(sentForm().get("_landing_referrer"), /^https:\/\/news\.example\//);
});

test("nobody is known for longer than thirteen months", async () => {
  await open("/", { ago: 396 * DAY });
  await events(2);
  await open("/");
  const visitors = new Set((await events(4)).map((one) => one.visitor_id));
  assert.equal(visitors.size, 2);
});

test("a form without the script's help is sent all the same", async () => {
  await context.route("**/tandem.js", (route) => route.abort());
  const tab = await open(`/contact.html${LANDING}`);
  await send(tab, "blocked@example.com");
  assert.ok(await service.leadOf("blocked@example.com"));
});

test("where consent is needed nothing is kept or sent before it, and all is forgotten when it is withdrawn", async () => {
  const tab = await open(`/asks.html${LANDING}`);
  await settled();
  assert.deepEqual(await kept(tab), [0, ""]);
  await events(0);

  await tab.evaluate(() => tandem("consent", true));
  const [{ visitor_id: visitor, url }] = await events(2);
  assert.match(url, /utm_source=google/, "the page on which it was given is told");
  await tab.goto(`${site.origin}/asks-too.html`);
  assert.ok((await events(4)).every((one) => one.visitor_id === visitor), "it holds on the next page");

  await tab.evaluate(() => tandem("consent", false));
  assert.deepEqual(await kept(tab), [0, ""]);
  await tab.goto(`${site.origin}/asks.html`);
  await settled();
  await events(4);
  await tab.evaluate(() => tandem("consent", true));
  assert.notEqual((await events(6))[4].visitor_id, visitor, "who comes back is somebody else");
});

test("a form is sent without consent too, with what its own page knows", async () => {
  const tab = await open(`/asks.html${LANDING}`);
  await send(tab, "silent@example.com");
  assert.equal(sentForm().get("_visitor_id"), "");
  assert.match(sentForm().get("_landing_url"), /utm_source=google/);
  await settled();
  await events(0);
  assert.ok(await service.leadOf("silent@example.com"));
});

test("a refusal is remembered where no consent is needed, in every tab", async () => {
  const tab = await open("/");
  const other = await open("/pricing.html");
  await events(4);
  await tab.evaluate(() => tandem("consent", false));
  await other.evaluate(() => tandem("track", "custom.pressed"));
  await tab.goto(`${site.origin}/contact.html`);
  await settled();
  await events(4);
  assert.doesNotMatch(await tab.evaluate(() => localStorage.tandem), /"id"/);
});

test("Global Privacy Control leaves no trace, and forms still work", async () => {
  await open("/");
  await events(2);
  const tab = await open(`/contact.html${LANDING}`, {
    script: () => Object.defineProperty(navigator, "globalPrivacyControl", { value: true }),
  });
  await tab.evaluate(() => (tandem("consent", true), tandem("track", "custom.pressed")));
  await settled();
  assert.deepEqual(await kept(tab), [0, ""], "also what was kept before is gone");
  await events(2);

  await send(tab, "private@example.com");
  assert.equal(sentForm().get("_visitor_id"), "");
  assert.ok(await service.leadOf("private@example.com"));
});

test("a site with a strict Content-Security-Policy needs to name the service and nothing else", async () => {
  const policy = `default-src 'none'; script-src ${recorder.origin}; connect-src ${recorder.origin};
    form-action ${recorder.origin} ${site.origin}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;
  site.pages.set("/strict.html", {
    body: page("Strict"),
    headers: { "Content-Security-Policy": policy.replace(/\s+/g, " "), "Cross-Origin-Embedder-Policy": "require-corp" },
  });
  const tab = await open("/strict.html", {
    script: () => addEventListener("securitypolicyviolation", (event) => console.error(event.violatedDirective)),
  });
  await events(2);
  await send(tab, "strict@example.com");
  assert.match(sentForm().get("_visitor_id"), UUID);
  assert.deepEqual(broken, []);
});

for (const [name, gone] of [
  ["sendBeacon", ["sendBeacon"]],
  ["sendBeacon and fetch", ["sendBeacon", "fetch"]],
]) {
  test(`a browser without storage, cookies, chance, observers, ${name} is told nothing of it`, async () => {
    const tab = await open(`/${LANDING}`, {
      script: `(function (gone) {
        function refuse() { throw new Error("refused"); }
        for (const name of ["localStorage", "sessionStorage", "indexedDB", "crypto"])
          Object.defineProperty(window, name, { get: refuse });
        for (const name of ["URL", "URLSearchParams", "IntersectionObserver", "MutationObserver", "BroadcastChannel"])
          window[name] = undefined;
        Object.defineProperty(Document.prototype, "cookie", { get: refuse, set: refuse });
        if (gone.includes("sendBeacon")) Navigator.prototype.sendBeacon = refuse;
        if (gone.includes("fetch")) window.fetch = undefined;
      })(${JSON.stringify(gone)})`,
    });
    const [view] = await events(1);
    assert.equal(view.type, "page_view");
    assert.match(view.visitor_id, UUID);
    await send(tab, `locked.${gone.length}@example.com`);
    assert.equal(sentForm().get("_visitor_id"), view.visitor_id);
    assert.match(sentForm().get("_landing_url"), /utm_source=google/);
    assert.deepEqual(broken, []);
  });
}

test("without localStorage a first-party cookie remembers the visitor", async () => {
  const script = () => Object.defineProperty(window, "localStorage", { get: () => { throw new Error("refused"); } });
  await open(`/${LANDING}`, { script });
  await events(2);
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.name, cookie.sameSite, cookie.domain], ["tandem", "Lax", "localhost"]);
  assert.ok(Math.abs(cookie.expires - Date.now() / 1000 - 395 * 86400) < 60);
  const tab = await open("/contact.html", { script });
  assert.equal(new Set((await events(4)).map((one) => one.visitor_id)).size, 1);
  await send(tab, "cookie@example.com");
  assert.match(sentForm().get("_landing_url"), /utm_source=google/);
});

test("events of the site's own are told, and a bad one takes no other with it", async () => {
  site.pages.set("/own.html", page("Own", { form: "", head: `<script>
    window.tandem = function () { (tandem.q = tandem.q || []).push(arguments); };
    tandem("track", "custom.early", { from: "before the script" });</script>` }));
  const tab = await open("/own.html");
  await tab.evaluate(() => {
    const circle = {};
    circle.circle = circle;
    tandem("track", "custom.circle", circle);
    tandem("track", "x".repeat(20000));
    tandem("track", "custom.odd", { text: "a\u0000b\ud800c\\ud800", face: "🚲" });
    tandem("nonsense");
    tandem();
  });
  const told = await events(3);
  assert.deepEqual(told.map((one) => one.type), ["custom.early", "page_view", "custom.odd"]);
  assert.deepEqual(told[2].properties, { text: "a\ufffdb\ufffdc\\ud800", face: "🚲" });
  assert.deepEqual(broken, []);
});

test("properties that the service would refuse are left out, and the event is told", async () => {
  site.pages.set("/large.html", page("Large", { form: "" }));
  const tab = await open("/large.html");
  await tab.evaluate(() => {
    for (const [letter, bytes] of [["x", 1], ["ü", 2], ["€", 3], ["🚲", 4]]) {
      const most = Math.floor((2048 - '{"text":""}'.length) / bytes);
      tandem("track", "custom.most", { text: letter.repeat(most) });
      tandem("track", "custom.more", { text: letter.repeat(most + 1) });
    }
  });
  const [, ...told] = (await events(9)).sort((a, b) => a.type === "page_view" ? -1 : b.type === "page_view" ? 1 : 0);
  for (const one of told) {
    const size = new TextEncoder().encode(JSON.stringify(one.properties)).length;
    if (one.type === "custom.most") assert.ok(size > 2048 - 4 && size <= 2048, `${size}`);
    else assert.deepEqual(one.properties, {});
  }
  assert.equal(told.filter((one) => one.type === "custom.most").length, 4);
  assert.deepEqual(broken, []);
});

test("what waits is told when the page goes away", async () => {
  const tab = await open("/");
  await tab.evaluate(() => tandem("track", "custom.pressed"));
  await tab.goto("about:blank");
  const told = await events(3);
  assert.deepEqual(told.map((one) => one.type).sort(), ["custom.pressed", "form_view", "page_view"]);
  assert.ok(recorder.seen.every((one) => one.method !== "OPTIONS"), "no preflight");
});

test("a site that tells nobody where its visitors come from is heard too", async () => {
  site.pages.set("/discreet.html", { body: page("Discreet"), headers: { "Referrer-Policy": "no-referrer" } });
  await open("/discreet.html");
  await events(2);
  assert.ok(recorder.seen.filter((one) => one.path.startsWith("/v1/collect")).every((one) => one.headers.origin === site.origin));
});

test("the landing is known by its address as it was navigated to, and by what stands behind #", async () => {
  site.pages.set("/cleaned.html", page("Cleaned", { head: '<script>history.replaceState({}, "", "/cleaned.html");</script>' }));
  const tab = await open(`/cleaned.html${LANDING}`);
  const [view] = (await events(2)).filter((one) => one.type === "page_view");
  assert.equal(view.url, `${site.origin}/cleaned.html${LANDING}`);
  await send(tab, "cleaned@example.com");
  assert.equal((await service.leadOf("cleaned@example.com")).first_touch.campaign, "spring");

  recorder.seen.length = 0;
  await context.clearCookies();
  const other = await browser.newContext();
  [context, broken] = [other, []];
  const behind = await open("/contact.html#utm_source=mail&utm_medium=email");
  await send(behind, "behind@example.com");
  assert.equal((await service.leadOf("behind@example.com")).first_touch.source, "mail");
});

test("click ids are whole and first, whatever else an address carries", async () => {
  const long = "x".repeat(400);
  const many = Array.from({ length: 20 }, (_, n) => `utm_other_${"abcdefghijklmnopqrst"[n]}=${n}`).join("&");
  const tab = await open(`/contact.html?${many}&utm_source=meta&fbclid=${long}&gclid=${long}`);
  await send(tab, "clicks@example.com");
  const landing = new URL(sentForm().get("_landing_url")).searchParams;
  assert.deepEqual([landing.get("fbclid"), landing.get("gclid"), landing.get("utm_source")], [long, long, "meta"]);
});

test("a landing is forgotten only once a form is accepted", async () => {
  const tab = await open(`/contact.html${LANDING}`);
  await tab.fill("[name=email]", "nonsense");
  await tab.click("button");
  await tab.waitForURL(/\/v1\/capture\//);
  await tab.goBack();
  await tab.waitForURL("**/contact.html*");
  recorder.seen.length = 0;
  await tab.goto(`${site.origin}/contact.html`);
  await send(tab, "second@example.com");
  assert.match(sentForm().get("_landing_url"), /utm_source=google/);
});

test("forms in open shadow roots are sent with the visitor and the landing", async () => {
  const head = `<script>customElements.define("contact-form", class extends HTMLElement {
    connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = ${JSON.stringify(contact())}; }
  });</script>`;
  site.pages.set("/shadow.html", page("Shadow", { head, form: "<contact-form></contact-form>" }));
  const tab = await open(`/shadow.html${LANDING}`);
  await send(tab, "shadow@example.com");
  assert.match(sentForm().get("_visitor_id"), UUID);
  assert.equal((await service.leadOf("shadow@example.com")).first_touch.source, "google");
  assert.deepEqual(broken, []);
});

test("a key in the script's address does where a tag manager strips attributes", async () => {
  const tag = `<script>const tag = document.createElement("script"); tag.src = "${recorder.origin}/tandem.js?ver=6.5&key=${key}"; document.head.append(tag);</script>`;
  site.pages.set("/manager.html", `<!DOCTYPE html><html lang="en"><title>Manager</title>${tag}</html>`);
  await open("/manager.html");
  assert.equal((await events(1))[0].type, "page_view");
});

test("a domain that is not the page's is warned of once, and the visitor is known all the same", async () => {
  site.pages.set("/domain.html", page("Domain", { attributes: 'data-domain="example.com"' }));
  const warned = [];
  const tab = await context.newPage();
  tab.on("console", (one) => one.type() === "warning" && one.text().includes("tandem.js") && warned.push(one.text()));
  await tab.goto(`${site.origin}/domain.html${LANDING}`);
  await events(2);
  assert.equal(warned.length, 1, warned.join());
  await tab.goto(`${site.origin}/domain.html`);
  assert.equal(new Set((await events(4)).map((one) => one.visitor_id)).size, 1);
});

test("after a reset the next visitor is another one", async () => {
  const tab = await open("/");
  await events(2);
  await tab.evaluate(() => tandem("reset"));
  await tab.goto(`${site.origin}/pricing.html`);
  assert.equal(new Set((await events(4)).map((one) => one.visitor_id)).size, 2);
});

test("what goes out at once stays below what a leaving page may send", async () => {
  site.pages.set("/many.html", page("Many", { form: "" }));
  const tab = await open("/many.html");
  await tab.evaluate(() => {
    for (let n = 0; n < 60; n++) tandem("track", "custom.many", { text: "€".repeat(600), n });
  });
  await events(61);
  const sizes = recorder.seen.filter((one) => one.path.startsWith("/v1/collect")).map((one) => Buffer.byteLength(one.body));
  assert.ok(sizes.length > 1 && sizes.every((size) => size < 64 * 1024), `${sizes}`);
});
