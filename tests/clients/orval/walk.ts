import assert from "node:assert/strict";
import * as tandem from "./generated/tandem.js";

// A custom field is declared, written and read.
await tandem.updateCustomFields({ fields: [{ name: "shops", label: "Number of shops", type: "integer" }] });
const { data: ada } = await tandem.createLead({ email: "ada@lovelace.example", custom: { shops: 40 } });
const { data: read } = await tandem.getLead(ada.id);
assert.deepEqual(read.custom, { shops: 40 });

// A form asks for a demo, and is captured.
const { data: form } = await tandem.createForm({
  name: "Ask for a demo",
  service_requested: "demo",
  fields: [{ name: "email", label: "Your e-mail", type: "email", maps_to: "email" }],
});
assert.ok(form.key !== undefined);
await tandem.captureSubmission(form.key, { fields: { email: "charles@babbage.example" } });

// A filter takes several values.
const email = ["ada@lovelace.example", "charles@babbage.example", "nobody@example.com"];
const { data: both } = await tandem.listLeads({ email, stage: ["lead", "mql"], sort: "id" });
assert.deepEqual(both.data.map((lead) => lead.email), email.slice(0, 2));
const charles = both.data[1];
assert.ok(charles !== undefined);

// His hand-off is accepted, and a deal is won. Its state is a value that this client's document does not have.
const { data: handoffs } = await tandem.listHandoffs({ lead_id: charles.id });
const handoff = handoffs.data[0];
assert.ok(handoff !== undefined);
const sure = { value: "yes", confirmed: true };
await tandem.acceptHandoff(handoff.id, { qualification: { budget: sure, authority: sure, need: sure, timeline: sure } });
const { data: deal } = await tandem.createDeal({
  name: "Analytics for 40 shops",
  lead_ids: [charles.id],
  amount: { amount: 5000000, currency: "EUR" },
});
await tandem.closeDeal(deal.id, { outcome: "won", reason: "product_fit" });
const { data: won } = await tandem.getDeal(deal.id);
const state: "open" | "lost" = won.state; // compiles as long as the document lacks the value
assert.equal(String(state), "won");
assert.deepEqual(won.amount, { amount: 5000000, currency: "EUR" });
