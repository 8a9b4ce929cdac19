//! Which kind of object an answer shows, and the scope that reads it. A plain record names its scope itself (`Plain::READ`);
//! all other views are marked here.
//!
//! The pass writes the marks into the document as `x-read-scope`; [`crate::edge::http::walls`] enforces them.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use tandem_domain::access::Scope::{self, *};
use tandem_domain::change;

use super::pass::for_each_operation;

/// The extension that names the scope by which an object or a member is read.
pub const READ_SCOPE: &str = "x-read-scope";

/// Views of one kind of object: the scope that reads it, and their components. The view of a plain record is named after
/// it: `CampaignView`.
static KINDS: LazyLock<Vec<(String, Scope)>> = LazyLock::new(|| {
    let others = OTHER_KINDS.iter();
    let others = others.flat_map(|(scope, names)| names.iter().map(|name| ((*name).to_owned(), *scope)));
    let records = change::RECORDS
        .iter()
        .map(|(noun, scope)| (view_of(noun), *scope));
    records.chain(others).collect()
});

/// `api_key` gives `ApiKeyView`.
fn view_of(noun: &str) -> String {
    let words = noun.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.chain(["View".to_owned()]).collect()
}

/// Views that are not of a plain record.
const OTHER_KINDS: &[(Scope, &[&str])] = &[
    (
        LeadsRead,
        &[
            "CompanyView",
            "ConsentsView",
            "ContentReader",
            "DuplicateView",
            "EventView",
            "EvidenceView",
            "FieldValuesView",
            "IdentifyAnswer",
            "LeadScoreDetail",
            "LeadView",
            "LeadViewItem",
            "LeakEvidence",
            "MovesView",
            "PreviewedLeadView",
            "ScoreRecordView",
            "ReassignedView",
            "SessionView",
            "TouchView",
            "TransitionView",
            "TransitionsView",
        ],
    ),
    (
        HandoffsRead,
        &[
            "ClockView",
            "HandoffEvidence",
            "HandoffView",
            "Packet",
            "PromiseItem",
            "RoutingDecisionView",
        ],
    ),
    (RoutingRead, &["RoutingRules", "SimulatedRoutingView"]),
    (
        DealsRead,
        &[
            "CustomerEvidence",
            "DealEvidence",
            "DealMovesView",
            "AttributionEvidence",
            "DealView",
            "EndingsView",
            "HandoverView",
            "QuoteEvidence",
            "QuoteView",
        ],
    ),
    (
        ActivitiesRead,
        &[
            "ActivityView",
            "ConversationView",
            "ConversationEvidence",
            "ObjectionEvidence",
            "FollowUpEvidence",
            "MappedObjectionView",
            "UnmappedObjectionView",
        ],
    ),
    (Account, &["NoticeView", "WorkView"]),
    (CampaignsRead, &["CostEvidence", "CostView"]),
    (ContentRead, &["RecommendedContentView"]),
    (FormsRead, &["FormDetail", "SubmissionDetail", "SubmissionView"]),
    (ImportsWrite, &["Import"]),
    (
        ReportsRead,
        &[
            "ContentReportView",
            "AlignmentView",
            "AttributionView",
            "CalibrationView",
            "ChangeView",
            "ChurnsView",
            "CampaignsView",
            "ForecastView",
            "FrozenRecord",
            "FunnelView",
            "KpisView",
            "LeakageView",
            "ObjectionsView",
            "RejectionsView",
            "ResponseTimesView",
            "ReviewDetail",
            "SlaView",
        ],
    ),
    (
        AgreementsRead,
        &[
            "AgreementDiff",
            "AgreementInForce",
            "AgreementView",
            "PreviewView",
        ],
    ),
    (
        SettingsRead,
        &[
            "ChannelRules",
            "CompanySettings",
            "ConsentPurposes",
            "CostSettings",
            "CurrencySettings",
            "CustomFields",
            "ExchangeRates",
            "IgnoredReferrers",
            "IgnoredReferrersView",
            "JobWords",
            "RetentionSettings",
            "ReportSettings",
        ],
    ),
    (UsersRead, &["Availability"]),
    (UsersManage, &["SigningKeyView"]),
];

/// Members that show another kind of object than their view.
const MEMBERS: &[(Scope, &str, &[&str])] = &[
    (LeadsRead, "BatchItem", &["stage"]),
    (LeadsRead, "Problem", &["lead_ids"]),
    (DealsRead, "ContentRequestView", &["pipeline"]),
    (DealsRead, "Problem", &["in_use"]),
    (LeadsRead, "SubmissionDetail", &["consent", "raw"]),
    (LeadsRead, "SubmissionView", &["consent"]),
];

/// What a write answers beside `id`, `status` and the members of the request: what the write itself makes, shown once or public.
const MADE: &[(&str, &[&str])] = &[
    ("AgreementView", &["version"]),
    ("FormDetail", &["key"]),
    ("IdentifyAnswer", &["lead_id"]),
    ("TrackingKeyView", &["key"]),
    ("UserView", &["invitation_token"]),
];

/// Components that show no kind of object of their own, whatever is inside.
#[cfg(test)]
const NEUTRAL: &[&str] = &[
    // Clocks, which are of a kind.
    "AcknowledgedView",
    "ActivityBatchAnswer",
    "BatchAnswer",
    "Changes",
    "EventsAnswer",
    // Its data by its type: see `reading_entries`.
    "JournalEntry",
    // A token that the write makes.
    "LinkView",
    // One's own account.
    "Me",
    "Problem",
    "ResetTokenView",
    // A token that the write makes.
    "StreamTicket",
];

/// Journal entries name the kind of their object by the noun of their type: here those that are not of a plain record.
const ENTRIES: &[(Scope, &[&str])] = &[
    (
        LeadsRead,
        &[
            "company",
            "consent",
            "duplicate",
            "event",
            "lead",
            "qualification",
            "score",
            "touch",
            "visitor",
        ],
    ),
    (DealsRead, &["deal", "quote"]),
    (HandoffsRead, &["clock", "handoff"]),
    (ActivitiesRead, &["activity"]),
    (Account, &["notice"]),
    (FormsRead, &["submission"]),
    (AgreementsRead, &["agreement"]),
    (SettingsRead, &["setting"]),
    (UsersManage, &["signing_key"]),
];

/// The component of journal entries.
pub const ENTRY: &str = "JournalEntry";
/// The members of an entry that hold values.
pub const VALUES: [&str; 3] = ["data", "before", "after"];

/// The scope that reads the values of entries of this type; `None` where it has no known noun.
pub fn reading_entries(kind: &str) -> Option<Scope> {
    let noun = kind.split('.').next()?;
    let record = change::RECORDS.iter().find(|(known, _)| *known == noun);
    let other = || ENTRIES.iter().find(|(_, nouns)| nouns.contains(&noun));
    record
        .map(|(_, scope)| *scope)
        .or_else(|| other().map(|(scope, _)| *scope))
}

/// Every scope that reads the values of some entries.
pub fn reading_any_entry() -> impl Iterator<Item = Scope> {
    let records = change::RECORDS.iter().map(|(_, scope)| *scope);
    records.chain(ENTRIES.iter().map(|(scope, _)| *scope))
}

/// What a write shows without the scope that reads its view.
pub fn shown_of_write(component: &str) -> impl Iterator<Item = &'static str> {
    let made = MADE.iter().find(|(name, _)| *name == component);
    ["id", "status"]
        .into_iter()
        .chain(made.into_iter().flat_map(|(_, made)| *made).copied())
}

/// The prefix of components that writes answer: of the view all that the caller may read.
const WRITTEN: &str = "Written";

/// The view whose answer to a write this component is.
pub fn written(component: &str) -> Option<&str> {
    component.strip_prefix(WRITTEN)
}

/// Mark the components, and let writes say that they answer less to callers who may not read.
pub(super) fn attach(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    for (name, scope) in KINDS.iter() {
        if let Some(schema) = schemas.get_mut(name) {
            schema[READ_SCOPE] = json!(scope);
        }
    }
    for (scope, component, members) in MEMBERS {
        let Some(schema) = schemas.get_mut(component) else {
            continue;
        };
        for member in *members {
            if let Some(shown) = schema["properties"].get_mut(member) {
                shown[READ_SCOPE] = json!(scope);
            }
            make_optional(schema, member);
        }
    }
    if let Some(entry) = schemas.get_mut(ENTRY) {
        VALUES.iter().for_each(|member| make_optional(entry, member));
    }
    let mut answered = vec![];
    for_each_operation(document, |_, method, operation| {
        if method != "get" {
            answered.extend(answer_less(operation));
        }
    });
    for name in answered {
        add_written(&mut document["components"]["schemas"], name);
    }
}

fn make_optional(schema: &mut Value, member: &str) {
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| name != member);
    }
}

/// Refer to the written variants of the views that the operation's scopes do not read.
fn answer_less(operation: &mut Map<String, Value>) -> Vec<&'static str> {
    let scopes = operation.get("x-required-scopes").cloned().unwrap_or_default();
    let has = |scope: Scope| scopes.as_array().is_some_and(|all| all.contains(&json!(scope)));
    if scopes.is_null() {
        return vec![];
    }
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    let successes = responses
        .into_iter()
        .flatten()
        .filter(|(status, _)| status.starts_with('2'));
    let mut found = vec![];
    for (_, response) in successes {
        let Some(reference) = response.pointer_mut("/content/application~1json/schema/$ref") else {
            continue;
        };
        let name = reference.as_str().and_then(|path| path.rsplit('/').next());
        let kind = KINDS
            .iter()
            .find(|(known, scope)| Some(known.as_str()) == name && !has(*scope));
        if let Some((name, _)) = kind {
            *reference = json!(format!("#/components/schemas/{WRITTEN}{name}"));
            found.push(name.as_str());
        }
    }
    found
}

fn add_written(schemas: &mut Value, name: &str) {
    let Some(view) = schemas.get(name) else { return };
    let mut written = view.clone();
    let scope = view[READ_SCOPE].as_str().unwrap_or_default();
    let what = view["description"].as_str().unwrap_or(name).trim_end_matches('.');
    written["description"] = json!(format!(
        "{what}. This is the answer to a write: it is complete for a caller with the scope `{scope}`; another caller gets \
         only `id`, `status` and the members of its request."
    ));
    let always: Vec<&str> = shown_of_write(name).collect();
    if let Some(required) = written.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|member| member.as_str().is_some_and(|member| always.contains(&member)));
        if required.is_empty()
            && let Some(written) = written.as_object_mut()
        {
            written.remove("required");
        }
    }
    schemas[format!("{WRITTEN}{name}")] = written;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::pass::{collect_references, operations};
    use super::*;

    fn scope_of(name: &str) -> Option<Scope> {
        let row = KINDS.iter().find(|(known, _)| known == name);
        row.map(|(_, scope)| *scope)
    }

    /// The components inside of a schema that are no kind of their own, with those that are, and the scopes that read them.
    fn shown(document: &Value, reference: &str, found: &mut BTreeSet<(String, Option<Scope>)>) {
        let name = reference.rsplit('/').next().unwrap();
        let view = written(name).unwrap_or(name);
        let schema = document.pointer(&reference[1..]).unwrap();
        let is_object = schema.get("properties").is_some();
        if is_object && !found.insert((view.to_owned(), scope_of(view))) {
            return;
        }
        if scope_of(view).is_none() {
            let mut inside = BTreeSet::new();
            collect_references(schema, &mut inside);
            inside.iter().for_each(|one| shown(document, one, found));
        }
    }

    /// The committed document, which a guard holds equal to the code.
    fn document() -> Value {
        serde_json::from_str(include_str!("../../../../../openapi/tandem.json")).unwrap()
    }

    #[test]
    fn every_view_is_of_a_known_kind_and_read_by_its_scope() {
        let document = document();
        let mut faults = vec![];
        for (path, method, operation) in operations(&document) {
            let Some(scopes) = operation["x-required-scopes"].as_array() else {
                continue;
            };
            let has = |scope: Scope| scopes.contains(&json!(scope));
            let responses = operation["responses"].as_object().unwrap().iter();
            for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
                let mut references = BTreeSet::new();
                collect_references(&response["content"], &mut references);
                let mut found = BTreeSet::new();
                references
                    .iter()
                    .filter(|one| one.starts_with("#/components/schemas/"))
                    .for_each(|one| shown(&document, one, &mut found));
                for (name, scope) in found {
                    let is_neutral = NEUTRAL.contains(&name.as_str()) || name.starts_with("Listing_");
                    let is_inside = NEUTRAL.iter().any(|whole| {
                        let mut inside = BTreeSet::new();
                        collect_references(&document["components"]["schemas"][whole], &mut inside);
                        inside.contains(&format!("#/components/schemas/{name}"))
                    });
                    match scope {
                        None if is_neutral || is_inside => {}
                        None => faults.push(format!("{method} {path}: of which kind is {name}?")),
                        Some(scope) if method == "get" && !has(scope) && !is_inside => {
                            faults.push(format!("{method} {path} shows {name} without {}", scope.name()));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn every_type_of_entry_is_read_by_a_scope() {
        let kinds = change::types().map(|(kind, _)| kind);
        let unread: Vec<&str> = kinds.filter(|kind| reading_entries(kind).is_none()).collect();
        assert_eq!(unread, Vec::<&str>::new());
        assert_eq!(reading_entries("event.recorded"), Some(LeadsRead));
        assert_eq!(reading_entries("nothing.happened"), None);
    }

    #[test]
    fn every_mark_names_what_the_document_has() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for name in OTHER_KINDS.iter().flat_map(|(_, names)| *names) {
            let is_written = schemas.get(format!("{WRITTEN}{name}")).is_some();
            assert!(schemas.get(name).is_some() || is_written, "{name}");
        }
        for (_, component, members) in MEMBERS {
            for member in *members {
                assert!(
                    schemas[component]["properties"].get(member).is_some(),
                    "{component}.{member}"
                );
            }
        }
        for (component, members) in MADE {
            let shown = schemas
                .get(component)
                .or(schemas.get(format!("{WRITTEN}{component}")));
            for member in *members {
                assert!(
                    shown.unwrap()["properties"].get(member).is_some(),
                    "{component}.{member}"
                );
            }
        }
    }
}
