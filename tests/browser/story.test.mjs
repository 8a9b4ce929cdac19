// Where leads came from, as real browsers tell it and the record keeps it.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Service, Site, launch, shiftClock } from "./house.mjs";

// What a page reports of more than a day ago is dated at its arrival.
const MOST_OF_A_DAY = 20 * 36e5;
const LANDING = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0KCQ";

let service, site, browser, context;

before(async () => {
  [service, site, browser] = await Promise.all([Service.start(), Site.start(), launch()]);
  const allowed_origins = [site.origin];
  const { key } = await service.call("POST", "/v1/tracking-keys", { name: "Website", allowed_origins });
  const form = await service.call("POST", "/v1/forms", {
    name: "Contact",
    allowed_origins,
    redirect_url: `${site.origin}/thanks.html`,
    fields: [
      { name: "email", label: "E-mail", type: "email", required: true, maps_to: "email" },
      { name: "message", label: "Message", type: "textarea" },
    ],
  });
  const action = `${service.address}/v1/capture/${form.key}`;
  site.pages.set(
    "/plain.html",
    `<!DOCTYPE html><html lang="en"><title>Plain</title><form method="post" action="${action}">
     <input type="hidden" name="_page_url" value="${site.origin}/plain.html?utm_source=partner.example&utm_medium=referral">
     <input name="email"><textarea name="message"></textarea><button>Send</button></form></html>`,
  );
  for (const path of ["/", "/pricing.html", "/contact.html"]) {
    site.pages.set(
      path,
      `<!DOCTYPE html><html lang="en"><title>${path}</title>
       <script src="${service.address}/tandem.js" data-key="${key}" defer></script>
       <a href="/pricing.html">Prices</a> <a href="/contact.html">Contact</a>
       <form method="post" action="${action}" data-tandem-form="${form.key}">
       <input name="email"><textarea name="message"></textarea><button>Send</button></form></html>`,
    );
  }
});

beforeEach(async () => {
  await context?.close();
  context = await browser.newContext();
});

after(async () => {
  await browser?.close();
  await Promise.all([service?.stop(), site?.stop()]);
});

async function open(path, { ago = 0, referer, by = context } = {}) {
  const tab = await by.newPage();
  if (ago) await tab.addInitScript(shiftClock, ago);
  await tab.goto(site.origin + path, { referer });
  return tab;
}

async function visit(path, links, told) {
  const tab = await open(path, told);
  for (const link of links) {
    await tab.click(`text=${link}`);
    await tab.waitForURL(`**/${link === "Prices" ? "pricing" : "contact"}.html`);
  }
  await heard(tab);
}

/** Leave the page, once its events are told. */
async function heard(tab) {
  const told = tab.waitForResponse((answer) => answer.url().includes("/v1/collect"));
  const answer = await told;
  assert.equal(answer.status(), 204);
  await tab.close();
}

async function send(tab, email, message = "") {
  await tab.fill("[name=email]", email);
  await tab.fill("[name=message]", message);
  await tab.click("button");
  await tab.waitForURL(`${site.origin}/thanks.html`);
  return service.leadOf(email);
}

async function of(lead, what) {
  return (await service.call("GET", `/v1/leads/${lead.id}/${what}`)).data;
}

/** Beacons arrive when the browser likes, and what they tell late ends in the same story. */
async function eventually(look) {
  for (let tries = 0; ; tries++) {
    try {
      return await look();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

const inOrder = (touches) => touches.sort((a, b) => (a.occurred_at < b.occurred_at ? -1 : 1));

test("an ad, most of a day, a direct visit and a form are two touches", async () => {
  await visit(LANDING, ["Prices", "Contact"], { ago: MOST_OF_A_DAY, referer: "https://www.google.com/" });
  await send(await open("/contact.html"), "ada@example.com");

  await eventually(async () => {
    const lead = await service.leadOf("ada@example.com");
    const touches = inOrder(await of(lead, "touches"));
    assert.deepEqual(
      touches.map((one) => [one.channel, one.source, one.medium, one.campaign, one.click_ids?.gclid]),
      [
        ["paid_search", "google", "cpc", "spring", "Cj0KCQ"],
        ["direct", touches[1].source, touches[1].medium, null, undefined],
      ],
    );
    assert.equal(touches[0].landing_url, `${site.origin}/`);
    assert.deepEqual(
      [lead.first_touch, lead.last_touch, lead.last_non_direct_touch, lead.lead_touch].map((one) => one.channel),
      ["paid_search", "direct", "paid_search", "direct"],
    );
    const types = (await of(lead, "events")).map((one) => one.type);
    assert.equal(types.filter((type) => type === "page_view").length, 4);
    assert.equal(types.filter((type) => type === "form_submit").length, 1);
    assert.equal((await of(lead, "sessions")).length, 2);
  });
});

test("without the script a form makes its touch from what its page says, and never two", async () => {
  await context.route("**/tandem.js", (route) => route.abort());
  const lead = await send(await open("/plain.html"), "plain@example.com");
  await send(await open("/plain.html"), "plain@example.com", "Once more");
  await eventually(async () => {
    assert.deepEqual((await of(lead, "touches")).map((one) => one.channel), ["referral"]);
    assert.deepEqual((await of(lead, "events")).map((one) => one.type), ["form_submit", "form_submit"]);
  });
});

test("two people on one browser stay two", async () => {
  await visit(LANDING, [], { ago: MOST_OF_A_DAY, referer: "https://www.google.com/" });
  const one = await send(await open("/contact.html"), "one@example.com");
  const two = await send(await open("/contact.html"), "two@example.com");
  assert.notEqual(one.id, two.id);
  await eventually(async () => {
    assert.ok((await of(one, "touches")).some((touch) => touch.channel === "paid_search"));
    assert.ok((await of(two, "touches")).every((touch) => touch.channel !== "paid_search"));
  });
});

test("one person on two browsers becomes one, with both histories", async () => {
  await visit(LANDING, [], { ago: MOST_OF_A_DAY, referer: "https://www.google.com/" });
  const first = await send(await open("/contact.html"), "both@example.com");
  const other = await browser.newContext();
  await visit("/?utm_source=newsletter&utm_medium=email", [], { ago: MOST_OF_A_DAY / 2, by: other });
  const again = await send(await open("/contact.html", { by: other }), "both@example.com", "Here I am again");
  await other.close();
  assert.equal(first.id, again.id);
  await eventually(async () => {
    const channels = (await of(again, "touches")).map((touch) => touch.channel);
    assert.deepEqual(channels.sort(), ["direct", "direct", "email", "paid_search"]);
    assert.equal((await of(again, "sessions")).length, 4);
  });
});
