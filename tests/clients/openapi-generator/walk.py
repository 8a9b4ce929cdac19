import os

from tandem_client import (
    AcceptHandoff,
    ApiClient,
    CaptureApi,
    CaptureRequest,
    CloseDeal,
    Configuration,
    CreateDeal,
    CreateForm,
    Currency,
    CustomField,
    CustomFields,
    CustomType,
    DealsApi,
    FieldType,
    FormField,
    FormsApi,
    HandoffsApi,
    LeadsApi,
    LeadWrite,
    Money,
    Outcome,
    QualifyItem,
    QualifyLead,
    SettingsApi,
    Stage,
    State,
)

client = ApiClient(Configuration(host=os.environ["TANDEM_URL"], access_token=os.environ["TANDEM_TOKEN"]))

# A custom field is declared, written and read.
shops = CustomField(name="shops", label="Number of shops", type=CustomType.INTEGER)
SettingsApi(client).update_custom_fields(CustomFields(fields=[shops]))
leads = LeadsApi(client)
ada = leads.create_lead(LeadWrite(email="ada@lovelace.example", custom={"shops": 40}))
assert leads.get_lead(ada.id).custom == {"shops": 40}

# A form asks for a demo, and is captured.
email = FormField(name="email", label="Your e-mail", type=FieldType.EMAIL, maps_to="email")
form = FormsApi(client).create_form(CreateForm(name="Ask for a demo", service_requested="demo", fields=[email]))
assert form.key is not None
CaptureApi(client).capture_submission(form.key, CaptureRequest(fields={"email": "charles@babbage.example"}))

# A filter takes several values.
emails = ["ada@lovelace.example", "charles@babbage.example", "nobody@example.com"]
both = leads.list_leads(email=emails, stage=[Stage.LEAD, Stage.MQL], sort="id")
assert [lead.email for lead in both.data] == emails[:2]
charles = both.data[1]

# His hand-off is accepted, and a deal is won. Its state is a value that this client's document does not have.
handoffs = HandoffsApi(client)
handoff = handoffs.list_handoffs(lead_id=charles.id).data[0]
sure = QualifyItem(value="yes", confirmed=True)
qualification = QualifyLead(budget=sure, authority=sure, need=sure, timeline=sure)
handoffs.accept_handoff(handoff.id, AcceptHandoff(qualification=qualification))
deals = DealsApi(client)
amount = Money(amount=5000000, currency=Currency.EUR)
deal = deals.create_deal(CreateDeal(name="Analytics for 40 shops", lead_ids=[charles.id], amount=amount))
deals.close_deal(deal.id, CloseDeal(outcome=Outcome.WON, reason="product_fit"))
won = deals.get_deal(deal.id)
assert "WON" not in State.__members__
assert won.state == "won" and won.amount == amount
