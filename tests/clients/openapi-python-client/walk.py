import os
from typing import assert_type

from tandem_client import AuthenticatedClient
from tandem_client.api.capture import capture_submission
from tandem_client.api.deals import close_deal, create_deal, get_deal
from tandem_client.api.forms import create_form
from tandem_client.api.handoffs import accept_handoff, list_handoffs
from tandem_client.api.leads import create_lead, get_lead, list_leads
from tandem_client.api.settings import update_custom_fields
from tandem_client.models import (
    AcceptHandoff,
    CaptureRequest,
    CaptureRequestFields,
    CloseDeal,
    CreateDeal,
    CreateForm,
    Currency,
    CustomField,
    CustomFields,
    CustomType,
    DealView,
    FieldType,
    FormField,
    LeadView,
    LeadWrite,
    LeadWriteCustomType0,
    ListingHandoffView,
    ListingLeadViewItem,
    ListLeadsSort,
    Money,
    Outcome,
    QualifyItem,
    QualifyLead,
    Receipt,
    Stage,
    State,
    WrittenDealView,
    WrittenFormDetail,
    WrittenLeadView,
)

client = AuthenticatedClient(base_url=os.environ["TANDEM_URL"], token=os.environ["TANDEM_TOKEN"])

# A custom field is declared, written and read.
shops = CustomField(name="shops", label="Number of shops", type_=CustomType.INTEGER)
update_custom_fields.sync(client=client, body=CustomFields(fields=[shops]))
custom = LeadWriteCustomType0.from_dict({"shops": 40})
ada = create_lead.sync(client=client, body=LeadWrite(email="ada@lovelace.example", custom=custom))
assert isinstance(ada, WrittenLeadView), ada
read = get_lead.sync(ada.id, client=client)
assert isinstance(read, LeadView), read
assert read.custom.to_dict() == {"shops": 40}

# A form asks for a demo, and is captured.
email = FormField(name="email", label="Your e-mail", type_=FieldType.EMAIL, maps_to="email")
demo = CreateForm(name="Ask for a demo", service_requested="demo", fields=[email])
form = create_form.sync(client=client, body=demo)
assert isinstance(form, WrittenFormDetail) and isinstance(form.key, str), form
answers = CaptureRequestFields.from_dict({"email": "charles@babbage.example"})
receipt = capture_submission.sync(form.key, client=client, body=CaptureRequest(fields=answers))
assert isinstance(receipt, Receipt), receipt

# A filter takes several values.
emails = ["ada@lovelace.example", "charles@babbage.example", "nobody@example.com"]
both = list_leads.sync(client=client, email=emails, stage=[Stage.LEAD, Stage.MQL], sort=ListLeadsSort.ID)
assert isinstance(both, ListingLeadViewItem), both
assert [lead.email for lead in both.data] == emails[:2]
charles = both.data[1]

# His hand-off is accepted, and a deal is won. Its state is a value that this client's document does not have.
handoffs = list_handoffs.sync(client=client, lead_id=charles.id)
assert isinstance(handoffs, ListingHandoffView), handoffs
sure = QualifyItem(value="yes", confirmed=True)
qualification = QualifyLead(budget=sure, authority=sure, need=sure, timeline=sure)
accept_handoff.sync(handoffs.data[0].id, client=client, body=AcceptHandoff(qualification=qualification))
amount = Money(amount=5000000, currency=Currency.EUR)
analytics = CreateDeal(name="Analytics for 40 shops", lead_ids=[charles.id], amount=amount)
deal = create_deal.sync(client=client, body=analytics)
assert isinstance(deal, WrittenDealView), deal
close_deal.sync(deal.id, client=client, body=CloseDeal(outcome=Outcome.WON, reason="product_fit"))
won = get_deal.sync(deal.id, client=client)
assert isinstance(won, DealView), won
assert_type(won.state, State)
assert "won" not in State.__members__.values()
assert won.state == "won" and won.amount == amount
