//! The whole agreement document: every fault at once, each with its JSON pointer, or its rules compiled.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::conditions::{Condition, Facts, Field, Known, Memberships, Needs, Origin, Standard, Usage};
use super::reader::{Reader, below};
use super::scoring::Scoring;
use crate::clocks::{Calendar, CalendarDocument, Promise, TimeBase};
use crate::duration::Unit;
use crate::fault::Fault;
use crate::id::SegmentId;
use crate::instant::Timestamp;

/// The lists of reasons, and whether theirs move a lead.
const REASONS: [(&str, bool); 6] = [
    ("rejection", true),
    ("disqualification", true),
    ("loss", true),
    ("win", false),
    ("churn", false),
    ("objection", false),
];
const ROLES: [&str; 5] = ["decision_maker", "champion", "influencer", "user", "procurement"];
const BANT: [&str; 4] = ["budget", "authority", "need", "timeline"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MAX_REASONS: usize = 100;
const MAX_COUNT: i64 = 1_000;
const MAX_AMOUNT: i64 = 1_000_000;

/// Who is in a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRule {
    /// The segment.
    pub id: SegmentId,
    /// Its condition.
    pub when: Condition,
}

/// The rules of an agreement, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Who is a fit at all.
    pub icp: Condition,
    /// When a lead becomes an MQL.
    pub mql: Condition,
    /// What must be known of it by then.
    pub required_fields: Vec<Field>,
    /// What ends the wait of a nurtured lead at once.
    pub unless: Option<Condition>,
    /// The scoring rules.
    pub scoring: Scoring,
    /// The segments, which its conditions may name; they are defined beside it.
    pub segments: Vec<SegmentRule>,
    /// What has to be loaded to judge a lead by them. An MQL must be contactable, whatever the agreement says.
    pub needs: Needs,
    /// What the document may say but probably does not mean.
    pub warnings: Vec<Fault>,
}

impl Rules {
    /// Read a complete document; `before` is the document of the version before it, whose reasons must stay.
    pub fn read(document: &Json, before: Option<&Json>, known: &Known<'_>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new();
        let rules = read(document, before, known, &mut reader);
        let (faults, warnings) = reader.into_faults_and_warnings();
        let rules = rules.filter(|_| faults.is_empty()).ok_or(faults)?;
        let needs = rules.needs();
        Ok(Self {
            needs,
            warnings,
            ..rules
        })
    }

    /// The same with the segments that its conditions may name.
    pub fn with_segments(mut self, segments: Vec<SegmentRule>) -> Self {
        segments
            .iter()
            .for_each(|segment| segment.when.needs(&mut self.needs));
        self.segments = segments;
        self
    }

    /// The segments that a lead is in, judged with its score.
    pub fn memberships(&self, facts: &Facts, at: Timestamp) -> Memberships {
        let mut found = Memberships::default();
        for segment in &self.segments {
            let verdict = segment.when.judge(facts, at);
            if verdict.holds {
                found.ids.insert(segment.id);
            }
            let ends = [found.valid_until, verdict.valid_until];
            found.valid_until = ends.into_iter().flatten().min();
        }
        found
    }

    fn needs(&self) -> Needs {
        let mut needs = self.scoring.needs();
        let conditions = [&self.icp, &self.mql].into_iter().chain(&self.unless);
        conditions.for_each(|condition| condition.needs(&mut needs));
        needs.fields.extend(self.required_fields.iter().cloned());
        needs.fields.insert(Field::Standard(Standard::Contactable));
        needs
    }
}

/// The faults of a draft, which may lack what a complete document has.
pub fn faults_of_draft(document: &Json, before: Option<&Json>, known: &Known<'_>) -> Vec<Fault> {
    let mut reader = Reader::of_draft();
    read(document, before, known, &mut reader);
    reader.into_faults()
}

fn read(document: &Json, before: Option<&Json>, known: &Known<'_>, reader: &mut Reader) -> Option<Rules> {
    const MEMBERS: [&str; 7] = [
        "icp",
        "stages",
        "scoring",
        "commitments",
        "reasons",
        "calendar",
        "review",
    ];
    let map = reader.object(document, "", &MEMBERS)?;
    reader.know_bands(bands(document));
    let icp = reader.required(map, "", "icp");
    let icp = icp.and_then(|json| Condition::read(json, "/icp", Usage::Decision, known, reader));
    let stages = reader.required(map, "", "stages");
    let stages = stages.and_then(|json| stages_of(json, known, reader));
    let scoring = reader.required(map, "", "scoring");
    let scoring = scoring.and_then(|json| Scoring::read(json, "/scoring", known, reader));
    if let Some(json) = reader.required(map, "", "reasons") {
        reasons(json, before.and_then(|before| before.get("reasons")), reader);
    }
    let longest_day = map.get("calendar").and_then(|json| calendar(json, reader));
    let time = map.get("commitments");
    let time = time.and_then(|json| commitments(json, longest_day, known, reader));
    if time == Some(TimeBase::Business) {
        reader.required(map, "", "calendar");
    }
    if let Some(json) = map.get("review") {
        review(json, reader);
    }
    let (mql, required_fields, unless) = stages?;
    Some(Rules {
        icp: icp?,
        mql,
        required_fields,
        unless,
        scoring: scoring?,
        needs: Needs::default(),
        segments: vec![],
        warnings: vec![],
    })
}

/// The bands of a lead that a document has: each one of fit with each one of engagement.
fn bands(document: &Json) -> BTreeSet<String> {
    let names = |side: &str| {
        let of_side = document
            .pointer("/scoring/bands")
            .and_then(|bands| bands.get(side));
        let names = of_side.and_then(Json::as_object).into_iter().flatten();
        names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let engagement = names("engagement");
    let both = |fit: String| {
        engagement
            .iter()
            .map(move |other| format!("{fit}{other}"))
            .collect::<Vec<_>>()
    };
    names("fit").into_iter().flat_map(both).collect()
}

type Stages = (Condition, Vec<Field>, Option<Condition>);

fn stages_of(json: &Json, known: &Known<'_>, reader: &mut Reader) -> Option<Stages> {
    let map = reader.object(json, "/stages", &["mql", "sql", "opportunity", "nurture"])?;
    let mql = reader.required(map, "/stages", "mql");
    let mql = mql.and_then(|json| {
        let map = reader.object(json, "/stages/mql", &["when", "required_fields"])?;
        let when = reader.required(map, "/stages/mql", "when");
        let when =
            when.and_then(|json| Condition::read(json, "/stages/mql/when", Usage::Decision, known, reader));
        let fields = map.get("required_fields").map_or(Some(vec![]), |json| {
            let fields = items(
                json,
                "/stages/mql/required_fields",
                50,
                reader,
                |json, at, reader| {
                    let field = Field::named(reader.text(json, at, 80)?, known.custom);
                    let is_of_the_lead = field.as_ref().is_some_and(|field| match field {
                        Field::Standard(field) => {
                            matches!(
                                field.entry().origin,
                                Origin::Identity | Origin::Lead | Origin::Company
                            )
                        }
                        Field::Custom { .. } => true,
                    });
                    if !is_of_the_lead {
                        reader.fault(at, "not_allowed", "is no field of a lead or its company");
                    }
                    field
                },
            )?;
            Some(fields)
        });
        Some((when?, fields?))
    });
    if let Some(json) = reader.required(map, "/stages", "sql") {
        let map = reader.object(json, "/stages/sql", &["bant"]);
        if let Some(json) = map.and_then(|map| reader.required(map, "/stages/sql", "bant")) {
            words(json, "/stages/sql/bant", &BANT, reader);
        }
    }
    if let Some(json) = map.get("opportunity") {
        opportunity(json, reader);
    }
    let nurture = reader.required(map, "/stages", "nurture");
    let unless = nurture.map_or(Some(None), |json| nurture_of(json, known, reader));
    let (when, fields) = mql?;
    Some((when, fields, unless?))
}

fn opportunity(json: &Json, reader: &mut Reader) -> Option<()> {
    let at = "/stages/opportunity";
    let map = reader.object(json, at, &["required_roles", "stale_after"])?;
    durations(map, at, &["stale_after"], reader);
    let roles = map.get("required_roles")?;
    words(roles, "/stages/opportunity/required_roles", &ROLES, reader)
}

/// What ends the wait, if that is stated; `None` where it is unfit.
fn nurture_of(json: &Json, known: &Known<'_>, reader: &mut Reader) -> Option<Option<Condition>> {
    let at = "/stages/nurture";
    let map = reader.object(json, at, &["cooldown", "unless"])?;
    reader.required(map, at, "cooldown");
    durations(map, at, &["cooldown"], reader);
    map.get("unless").map_or(Some(None), |json| {
        Condition::read(json, "/stages/nurture/unless", Usage::Decision, known, reader).map(Some)
    })
}

/// Check the commitments; the time in which they run.
fn commitments(
    json: &Json,
    longest_day: Option<i64>,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<TimeBase> {
    let map = reader.object(json, "/commitments", &["marketing", "sales", "shared"])?;
    let time = map.get("sales").and_then(|sales| sales.get("time"));
    let time = time.and_then(|json| reader.word(json, "/commitments/sales/time", &["business", "elapsed"]));
    // Without a word it is business time, as in the type.
    let time = match time {
        Some("elapsed") => TimeBase::Elapsed,
        _ => TimeBase::Business,
    };
    let by = Time { time, longest_day };
    if let Some(json) = map.get("marketing") {
        marketing(json, by, reader);
    }
    if let Some(json) = map.get("sales") {
        sales(json, by, reader);
    }
    if let Some(json) = map.get("shared") {
        shared(json, known, reader);
    }
    Some(time)
}

fn marketing(json: &Json, by: Time, reader: &mut Reader) -> Option<()> {
    const RATES: [&str; 3] = [
        "min_acceptance_rate",
        "min_field_completeness",
        "max_bad_contact_rate",
    ];
    let at = "/commitments/marketing";
    let members = [&RATES[..], &["mqls_per_month", "feedback_within"]].concat();
    let map = reader.object(json, at, &members)?;
    rates(map, at, &RATES, reader);
    wholes(map, at, &[("mqls_per_month", MAX_AMOUNT)], reader);
    promises(map, at, &["feedback_within"], by, reader);
    Some(())
}

fn shared(json: &Json, known: &Known<'_>, reader: &mut Reader) -> Option<()> {
    let at = "/commitments/shared";
    let map = reader.object(json, at, &["revenue", "mql_to_customer"])?;
    rates(map, at, &["mql_to_customer"], reader);
    revenue(map.get("revenue")?, "/commitments/shared/revenue", known, reader)
}

fn sales(json: &Json, by: Time, reader: &mut Reader) -> Option<()> {
    const PROMISES: [&str; 3] = ["review_within", "first_contact_within", "outcome_within"];
    let at = "/commitments/sales";
    let members = [&PROMISES[..], &["first_contact_from", "attempts", "time"]].concat();
    let map = reader.object(json, at, &members)?;
    let from = map.get("first_contact_from");
    from.map(|json| reader.word(json, &below(at, "first_contact_from"), &["handoff", "acceptance"]));
    promises(map, at, &PROMISES, by, reader);
    attempts(map.get("attempts")?, &below(at, "attempts"), by, reader)
}

fn attempts(json: &Json, at: &str, by: Time, reader: &mut Reader) -> Option<()> {
    let map = reader.object(json, at, &["count", "within", "on_days"])?;
    reader.required(map, at, "count");
    reader.required(map, at, "within");
    wholes(map, at, &[("count", MAX_COUNT), ("on_days", MAX_COUNT)], reader);
    promises(map, at, &["within"], by, reader);
    Some(())
}

fn revenue(json: &Json, at: &str, known: &Known<'_>, reader: &mut Reader) -> Option<()> {
    let map = reader.object(json, at, &["amount", "currency", "per"])?;
    let amount = reader.required(map, at, "amount");
    amount.map(|json| reader.whole(json, &below(at, "amount"), 1..=crate::money::MAX_AMOUNT));
    let currency = reader.required(map, at, "currency");
    currency.map(|json| reader.word(json, &below(at, "currency"), &[known.currency.code()]));
    let per = reader.required(map, at, "per");
    per.map(|json| reader.word(json, &below(at, "per"), &["month", "quarter", "year"]));
    Some(())
}

fn reasons(json: &Json, before: Option<&Json>, reader: &mut Reader) -> Option<()> {
    let map = reader.object(json, "/reasons", &REASONS.map(|(list, _)| list))?;
    for (list, moves_a_lead) in REASONS {
        let at = below("/reasons", list);
        let codes = map.get(list).map_or(Some(vec![]), |json| {
            items(json, &at, MAX_REASONS, reader, |json, at, reader| {
                reason(json, at, moves_a_lead, reader)
            })
        });
        let Some(codes) = codes else {
            continue;
        };
        let before = before
            .and_then(|before| before.get(list))
            .and_then(Json::as_array);
        let before = before
            .into_iter()
            .flatten()
            .filter_map(|reason| reason.get("code")?.as_str());
        for code in before.filter(|code| !codes.iter().any(|kept| kept == code)) {
            let detail = format!("must keep the reason {code}, which can only be retired");
            reader.fault(&at, "required", detail);
        }
    }
    Some(())
}

/// Check a reason; its code.
fn reason(json: &Json, at: &str, moves_a_lead: bool, reader: &mut Reader) -> Option<String> {
    const MOVING: [&str; 7] = [
        "code",
        "label",
        "requires",
        "retired",
        "then",
        "cooldown",
        "after_attempts",
    ];
    let map = reader.object(json, at, if moves_a_lead { &MOVING } else { &MOVING[..4] })?;
    if moves_a_lead {
        let then = reader.required(map, at, "then");
        then.map(|json| reader.word(json, &below(at, "then"), &["nurture", "disqualify"]));
        durations(map, at, &["cooldown"], reader);
        let after_attempts = map.get("after_attempts");
        after_attempts.map(|json| reader.boolean(json, &below(at, "after_attempts")));
    }
    let label = reader.required(map, at, "label");
    label.map(|json| reader.text(json, &below(at, "label"), 200));
    let requires = map.get("requires");
    requires.map(|json| {
        words(
            json,
            &below(at, "requires"),
            &["note", "competitor", "evidence_activity"],
            reader,
        )
    });
    let retired = map.get("retired");
    retired.map(|json| reader.boolean(json, &below(at, "retired")));
    let code = reader.required(map, at, "code");
    code.and_then(|json| reader.name(json, &below(at, "code")))
        .map(str::to_owned)
}

/// Check the working hours; the open milliseconds of the longest day.
fn calendar(json: &Json, reader: &mut Reader) -> Option<i64> {
    let at = "/calendar";
    let map = reader.object(json, at, &["timezone", "week", "holidays"])?;
    let zone = reader.required(map, at, "timezone");
    zone.map(|json| reader.text(json, "/calendar/timezone", 64));
    let week = reader.required(map, at, "week");
    let week = week.and_then(|json| reader.object(json, "/calendar/week", &DAYS));
    for (day, json) in week.into_iter().flatten() {
        let day_at = below("/calendar/week", day);
        for (place, json) in reader.list(json, &day_at, 24).into_iter().flatten().enumerate() {
            let ends = json.as_array().filter(|ends| ends.len() == 2);
            if !ends.is_some_and(|ends| ends.iter().all(Json::is_string)) {
                let detail = "must be an opening and a closing time";
                reader.fault(below(&day_at, place), "invalid_type", detail);
            }
        }
    }
    let holidays = map.get("holidays");
    let holidays = holidays.and_then(|json| reader.list(json, "/calendar/holidays", 5_000));
    for (place, json) in holidays.into_iter().flatten().enumerate() {
        reader.text(json, &below("/calendar/holidays", place), 10);
    }
    // What has not its form was reported above; an incomplete one is a draft's.
    let calendar = CalendarDocument::deserialize(json).ok()?;
    match Calendar::new(&calendar) {
        Ok(calendar) => Some(calendar.longest_day()),
        Err(faults) => {
            for fault in faults {
                reader.fault(format!("{at}{}", fault.pointer), fault.code, fault.detail);
            }
            None
        }
    }
}

fn review(json: &Json, reader: &mut Reader) -> Option<()> {
    let map = reader.object(json, "/review", &["every", "stale_after"])?;
    for name in ["every", "stale_after"] {
        let at = below("/review", name);
        let Some(text) = map.get(name).and_then(|json| reader.text(json, &at, 20)) else {
            continue;
        };
        let months = text
            .strip_suffix(" months")
            .or_else(|| text.strip_suffix(" month"));
        let months = months.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        if !months
            .and_then(|digits| digits.parse::<u32>().ok())
            .is_some_and(|months| (1..=120).contains(&months))
        {
            reader.fault(
                at,
                "invalid_format",
                "must be a number of months from 1 to 120, such as 1 month or 18 months",
            );
        }
    }
    Some(())
}

/// Read every item of a list without repetitions; `None` where one is unfit.
fn items<T: PartialEq>(
    json: &Json,
    at: &str,
    most: usize,
    reader: &mut Reader,
    read: impl Fn(&Json, &str, &mut Reader) -> Option<T>,
) -> Option<Vec<T>> {
    let list = reader.list(json, at, most)?;
    let read: Vec<Option<T>> = list
        .iter()
        .enumerate()
        .map(|(place, json)| read(json, &below(at, place), reader))
        .collect();
    for (place, item) in read.iter().enumerate() {
        if item.is_some() && read[..place].contains(item) {
            reader.fault(below(at, place), "duplicate_items", "is there already");
        }
    }
    read.into_iter().collect()
}

fn words(json: &Json, at: &str, known: &[&str], reader: &mut Reader) -> Option<()> {
    items(json, at, known.len(), reader, |json, at, reader| {
        reader.word(json, at, known).map(str::to_owned)
    })?;
    Some(())
}

fn durations(map: &Map<String, Json>, at: &str, names: &[&str], reader: &mut Reader) {
    let by = Time {
        time: TimeBase::Elapsed,
        longest_day: None,
    };
    promises(map, at, names, by, reader);
}

/// The time base of promises (elapsed or working time), and the longest working day, against which durations in hours
/// are checked.
#[derive(Clone, Copy)]
struct Time {
    time: TimeBase,
    /// The open milliseconds of the longest working day, where the calendar is sound.
    longest_day: Option<i64>,
}

fn promises(map: &Map<String, Json>, at: &str, names: &[&str], by: Time, reader: &mut Reader) {
    for name in names {
        let at = below(at, name);
        let Some(duration) = map.get(*name).and_then(|json| reader.duration(json, &at)) else {
            continue;
        };
        if let Err(error) = Promise::new(duration, by.time) {
            reader.fault(at, "not_allowed", error);
            continue;
        }
        let longest_day = by.longest_day.filter(|_| by.time == TimeBase::Business);
        if let Some(day) = longest_day.filter(|day| duration.unit() == Unit::Hour && duration.millis() > *day)
        {
            let days = duration.millis() as f64 / day as f64;
            let detail = format!("is open time: {duration} are {days:.1} working days");
            reader.warning(at, "longer_than_a_day", detail);
        }
    }
}

fn rates(map: &Map<String, Json>, at: &str, names: &[&str], reader: &mut Reader) {
    for name in names {
        map.get(*name)
            .map(|json| reader.number(json, &below(at, name), 0.0..=1.0));
    }
}

fn wholes(map: &Map<String, Json>, at: &str, names: &[(&str, i64)], reader: &mut Reader) {
    for (name, most) in names {
        map.get(*name)
            .map(|json| reader.whole(json, &below(at, name), 1..=*most));
    }
}
