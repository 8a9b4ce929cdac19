import assert from "node:assert/strict";
import { client } from "./generated/client.gen.js";
import {
  acceptHandoff, captureSubmission, closeDeal, createDeal, createForm, createLead, getDeal, getLead, listHandoffs, listLeads,
  updateCustomFields,
} from "./generated/sdk.gen.js";

const { TANDEM_URL, TANDEM_TOKEN } = process.env;
client.setConfig({ baseUrl: TANDEM_URL ?? "", auth: () => TANDEM_TOKEN, throwOnError: true });
const throwOnError = true;

// A custom field is declared, written and read.
await updateCustomFields({ throwOnError, body: { fields: [{ name: "shops", label: "Number of shops", type: "integer" }] } });
const { data: ada } = await createLead({ throwOnError, body: { email: "ada@lovelace.example", custom: { shops: 40 } } });
const { data: read } = await getLead({ throwOnError, path: { lead_id: ada.id } });
assert.deepEqual(read.custom, { shops: 40 });

// A form asks for a demo, and is captured.
const { data: form } = await createForm({
  throwOnError,
  body: {
    name: "Ask for a demo",
    service_requested: "demo",
    fields: [{ name: "email", label: "Your e-mail", type: "email", maps_to: "email" }],
  },
});
assert.ok(form.key !== undefined);
await captureSubmission({ throwOnError, path: { form_key: form.key }, body: { fields: { email: "charles@babbage.example" } } });

// A filter takes several values.
const email = ["ada@lovelace.example", "charles@babbage.example", "nobody@example.com"];
const { data: both } = await listLeads({ throwOnError, query: { email, stage: ["lead", "mql"], sort: "id" } });
assert.deepEqual(both.data.map((lead) => lead.email), email.slice(0, 2));
const charles = both.data[1];
assert.ok(charles !== undefined);

// His hand-off is accepted, and a deal is won. Its state is a value that this client's document does not have.
const { data: handoffs } = await listHandoffs({ throwOnError, query: { lead_id: charles.id } });
const handoff = handoffs.data[0];
assert.ok(handoff !== undefined);
const sure = { value: "yes", confirmed: true };
await acceptHandoff({
  throwOnError,
  path: { handoff_id: handoff.id },
  body: { qualification: { budget: sure, authority: sure, need: sure, timeline: sure } },
});
const { data: deal } = await createDeal({
  throwOnError,
  body: { name: "Analytics for 40 shops", lead_ids: [charles.id], amount: { amount: 5000000, currency: "EUR" } },
});
await closeDeal({ throwOnError, path: { deal_id: deal.id }, body: { outcome: "won", reason: "product_fit" } });
const { data: won } = await getDeal({ throwOnError, path: { deal_id: deal.id } });
const state: "open" | "lost" = won.state; // compiles as long as the document lacks the value
assert.equal(String(state), "won");
assert.deepEqual(won.amount, { amount: 5000000, currency: "EUR" });
