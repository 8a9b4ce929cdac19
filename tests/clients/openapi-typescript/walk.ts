import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema.js";

const { TANDEM_URL, TANDEM_TOKEN } = process.env;
const client = createClient<paths>({ baseUrl: TANDEM_URL ?? "", headers: { Authorization: `Bearer ${TANDEM_TOKEN}` } });

/** The body of a success; a problem ends the walk. */
function ok<T>({ data, error }: { data?: T; error?: components["schemas"]["Problem"] | string }): T {
  assert.ok(data !== undefined, JSON.stringify(error));
  return data;
}

// A custom field is declared, written and read.
ok(await client.PUT("/v1/settings/custom-fields", {
  body: { fields: [{ name: "shops", label: "Number of shops", type: "integer" }] },
}));
const ada = ok(await client.POST("/v1/leads", { body: { email: "ada@lovelace.example", custom: { shops: 40 } } }));
const read = ok(await client.GET("/v1/leads/{lead_id}", { params: { path: { lead_id: ada.id } } }));
assert.deepEqual(read.custom, { shops: 40 });

// A form asks for a demo, and is captured.
const form = ok(await client.POST("/v1/forms", {
  body: {
    name: "Ask for a demo",
    service_requested: "demo",
    fields: [{ name: "email", label: "Your e-mail", type: "email", maps_to: "email" }],
  },
}));
assert.ok(form.key !== undefined);
ok(await client.POST("/v1/capture/{form_key}", {
  params: { path: { form_key: form.key } },
  body: { fields: { email: "charles@babbage.example" } },
}));

// A filter takes several values.
const email = ["ada@lovelace.example", "charles@babbage.example", "nobody@example.com"];
const both = ok(await client.GET("/v1/leads", { params: { query: { email, stage: ["lead", "mql"], sort: "id" } } }));
assert.deepEqual(both.data.map((lead) => lead.email), email.slice(0, 2));
const charles = both.data[1];
assert.ok(charles !== undefined);

// His hand-off is accepted, and a deal is won. Its state is a value that this client's document does not have.
const handoff = ok(await client.GET("/v1/handoffs", { params: { query: { lead_id: charles.id } } })).data[0];
assert.ok(handoff !== undefined);
const sure = { value: "yes", confirmed: true };
ok(await client.POST("/v1/handoffs/{handoff_id}/accept", {
  params: { path: { handoff_id: handoff.id } },
  body: { qualification: { budget: sure, authority: sure, need: sure, timeline: sure } },
}));
const deal = ok(await client.POST("/v1/deals", {
  body: { name: "Analytics for 40 shops", lead_ids: [charles.id], amount: { amount: 5000000, currency: "EUR" } },
}));
ok(await client.POST("/v1/deals/{deal_id}/close", {
  params: { path: { deal_id: deal.id } },
  body: { outcome: "won", reason: "product_fit" },
}));
const won = ok(await client.GET("/v1/deals/{deal_id}", { params: { path: { deal_id: deal.id } } }));
const state: "open" | "lost" = won.state; // compiles as long as the document lacks the value
assert.equal(String(state), "won");
assert.deepEqual(won.amount, { amount: 5000000, currency: "EUR" });
