//! A slow and obvious oracle for conditions and scores. It reads the raw JSON and shares no code with the engine, not even
//! the parser of durations.

use serde_json::{Map, Value as Json, json};

/// A field's value: instants and money in plain numbers.
#[derive(Debug, Clone)]
pub enum Raw {
    Text(String),
    Number(f64),
    Boolean(bool),
    Millis(i64),
    Euros(i64),
}

/// An event.
#[derive(Debug, Clone)]
pub struct RawEvent {
    pub kind: &'static str,
    pub id: u128,
    pub at: i64,
    pub url: Option<String>,
    pub properties: Map<String, Json>,
}

/// What is known of a lead.
#[derive(Debug, Clone, Default)]
pub struct RawFacts {
    pub fields: Vec<(&'static str, Raw)>,
    pub events: Vec<RawEvent>,
    /// Fit, engagement and total, in whole points.
    pub score: [i64; 3],
    pub band: &'static str,
    /// The stage, and since when.
    pub stage: (&'static str, i64),
    /// Channel and instant of each touch.
    pub touches: Vec<(&'static str, i64)>,
    pub consents: Vec<&'static str>,
}

/// A line: side, rule or kind, thousandths, how many times, event ids.
pub type Line = (&'static str, String, i64, usize, Vec<u128>);

/// The milliseconds of a duration.
pub fn millis(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        other => panic!("{other}"),
    };
    number.parse::<i64>().unwrap() * seconds * 1000
}

/// The days and instants that random conditions name, in the zone of Rome where they have no time.
pub const DAYS: [(&str, i64); 4] = [
    ("2026-06-01", 1_780_264_800_000),
    ("2026-06-15", 1_781_474_400_000),
    ("2026-03-29", 1_774_738_800_000),
    ("2026-06-14T12:00:00Z", 1_781_438_400_000),
];

fn day(text: &str) -> i64 {
    DAYS.iter().find(|(name, _)| *name == text).unwrap().1
}

fn order(op: &str, value: f64, operand: &Json, read: &dyn Fn(&Json) -> f64) -> bool {
    match op {
        "eq" => value == read(operand),
        "neq" => value != read(operand),
        "gt" => value > read(operand),
        "gte" => value >= read(operand),
        "lt" => value < read(operand),
        "lte" => value <= read(operand),
        "in" => operand.as_array().unwrap().iter().any(|one| value == read(one)),
        "not_in" => !operand.as_array().unwrap().iter().any(|one| value == read(one)),
        "between" => value >= read(&operand[0]) && value <= read(&operand[1]),
        other => panic!("{other}"),
    }
}

fn text(op: &str, value: &str, operand: &Json) -> bool {
    let low = |json: &Json| json.as_str().unwrap().to_lowercase();
    let value = value.to_lowercase();
    match op {
        "eq" => value == low(operand),
        "neq" => value != low(operand),
        "contains" => value.contains(&low(operand)),
        "starts_with" => value.starts_with(&low(operand)),
        "ends_with" => value.ends_with(&low(operand)),
        // The only expressions that are drawn: letters, a class of letters, and anchors.
        "matches" => match operand.as_str().unwrap() {
            "^it" => value.starts_with("it"),
            "AL" => value.contains("al"),
            "[kK].*n$" => value.find('k').is_some_and(|at| value[at..].ends_with('n')),
            other => panic!("{other}"),
        },
        "in" => operand.as_array().unwrap().iter().any(|one| value == low(one)),
        "not_in" => !operand.as_array().unwrap().iter().any(|one| value == low(one)),
        other => panic!("{other}"),
    }
}

fn missing(op: &str, condition: &Json) -> bool {
    ["missing", "neq", "not_in"].contains(&op) || condition["unknown"] == "pass" && op != "exists"
}

fn field(condition: &Json, facts: &RawFacts, at: i64) -> bool {
    let name = condition["field"].as_str().unwrap();
    let op = condition["op"].as_str().unwrap();
    let operand = &condition["value"];
    let Some((_, raw)) = facts.fields.iter().find(|(field, _)| *field == name) else {
        return missing(op, condition);
    };
    match (op, raw) {
        (_, Raw::Text(text)) if text.is_empty() => missing(op, condition),
        ("exists", _) => true,
        ("missing", _) => false,
        (_, Raw::Text(value)) => text(op, value, operand),
        (_, Raw::Number(value)) => order(op, *value, operand, &|json| json.as_f64().unwrap()),
        (_, Raw::Euros(value)) => order(op, *value as f64, operand, &|json| {
            json["amount"].as_f64().unwrap()
        }),
        (_, Raw::Boolean(value)) => (op == "eq") == (operand.as_bool() == Some(*value)),
        ("within", Raw::Millis(value)) => {
            let age = at - value;
            age >= 0 && age <= millis(operand.as_str().unwrap())
        }
        ("older_than", Raw::Millis(value)) => at - value > millis(operand.as_str().unwrap()),
        (_, Raw::Millis(value)) => order(op, *value as f64, operand, &|json| {
            day(json.as_str().unwrap()) as f64
        }),
    }
}

fn property(event: &RawEvent, name: &str) -> Json {
    let given = event.properties.get(name).cloned().unwrap_or(Json::Null);
    if !(given.is_null() || given == "") {
        return given;
    }
    let Some(url) = &event.url else {
        return Json::Null;
    };
    let parsed = url::Url::parse(url).unwrap();
    match name {
        "url" => json!(url),
        "path" => json!(parsed.path()),
        "host" => json!(parsed.host_str()),
        _ => Json::Null,
    }
}

fn passes(event: &RawEvent, filters: &Json) -> bool {
    let empty = vec![];
    filters.as_array().unwrap_or(&empty).iter().all(|filter| {
        let op = filter["op"].as_str().unwrap();
        let operand = &filter["value"];
        let first = if operand.is_array() { &operand[0] } else { operand };
        match (op, property(event, filter["property"].as_str().unwrap())) {
            (_, Json::Null) => missing(op, filter),
            ("exists", _) => true,
            ("missing", _) => false,
            (_, Json::String(value)) if first.is_string() => text(op, &value, operand),
            (_, Json::Number(value)) if first.is_number() => {
                order(op, value.as_f64().unwrap(), operand, &|json| {
                    json.as_f64().unwrap()
                })
            }
            (_, Json::Bool(value)) if first.is_boolean() => {
                (op == "eq") == (operand.as_bool() == Some(value))
            }
            _ => op == "neq" || op == "not_in",
        }
    })
}

fn touch_passes((channel, touched_at): (&str, i64), filters: &Json, at: i64) -> bool {
    filters.as_array().unwrap().iter().all(|filter| {
        let op = filter["op"].as_str().unwrap();
        match filter["property"].as_str().unwrap() {
            "channel" => text(op, channel, &filter["value"]),
            "at" if op == "within" => {
                (0..=millis(filter["value"].as_str().unwrap())).contains(&(at - touched_at))
            }
            "at" => at - touched_at > millis(filter["value"].as_str().unwrap()),
            _ => missing(op, filter),
        }
    })
}

/// The matching events of a query or rule, newest first, and whether there are more than are seen.
fn matching<'a>(query: &Json, facts: &'a RawFacts, at: i64) -> (Vec<&'a RawEvent>, bool) {
    let within = query["within"].as_str().map(millis);
    let mut events: Vec<&RawEvent> = facts.events.iter().collect();
    events.retain(|event| event.kind == query["event"].as_str().unwrap());
    events.retain(|event| {
        let age = at - event.at;
        age >= 0 && within.is_none_or(|within| age <= within)
    });
    events.sort_by_key(|event| (event.at, event.id));
    events.reverse();
    let truncated = events.len() > 1000;
    events.truncate(1000);
    events.retain(|event| passes(event, &query["where"]));
    (events, truncated)
}

/// Whether a condition holds.
pub fn holds(condition: &Json, facts: &RawFacts, at: i64, truncated: &mut bool) -> bool {
    let parts = |kind: &str| condition[kind].as_array().cloned();
    if let Some(parts) = parts("all") {
        // Each is looked at: any of them may have been truncated.
        let held: Vec<bool> = parts
            .iter()
            .map(|part| holds(part, facts, at, truncated))
            .collect();
        return !held.contains(&false);
    }
    if let Some(parts) = parts("any") {
        let held: Vec<bool> = parts
            .iter()
            .map(|part| holds(part, facts, at, truncated))
            .collect();
        return held.contains(&true);
    }
    if condition.get("not").is_some() {
        return !holds(&condition["not"], facts, at, truncated);
    }
    if condition.get("field").is_some() {
        return field(condition, facts, at);
    }
    if let Some(part) = condition["score"].as_str() {
        let place = ["fit", "engagement", "total"]
            .iter()
            .position(|name| *name == part)
            .unwrap();
        let op = condition["op"].as_str().unwrap();
        let points = facts.score[place] as f64;
        return order(op, points, &condition["value"], &|json| json.as_f64().unwrap());
    }
    if let Some(band) = condition["band"].as_str() {
        return facts.band == band;
    }
    if let Some(stage) = condition["in_stage"].as_str() {
        let span = condition["for"].as_str().map_or(0, millis);
        return facts.stage.0 == stage && at - facts.stage.1 >= span;
    }
    if let Some(touched) = condition["touch"].as_str() {
        let mut touches = facts.touches.clone();
        touches.sort_by_key(|(_, at)| *at);
        match touched {
            "first" => touches.truncate(1),
            "last" => touches = touches.split_off(touches.len().saturating_sub(1)),
            _ => {}
        }
        return touches
            .iter()
            .any(|touch| touch.1 <= at && touch_passes(*touch, &condition["where"], at));
    }
    if let Some(purpose) = condition["consent"].as_str() {
        return facts.consents.contains(&purpose);
    }
    let mut query = condition.clone();
    if let Some(form) = condition.get("form") {
        query["event"] = json!("form_submit");
        query["where"] = json!([{"property": "form_id", "op": "eq", "value": form}]);
    }
    let (events, is_truncated) = matching(&query, facts, at);
    *truncated |= is_truncated;
    let count = events.len() as f64;
    match condition["count"].as_object() {
        None => count >= 1.0,
        Some(bounds) => bounds
            .iter()
            .all(|(op, bound)| order(op, count, bound, &|json| json.as_f64().unwrap())),
    }
}

fn thousandths(points: &Json) -> i64 {
    let text = points.to_string();
    if let Some(text) = text.strip_prefix('-') {
        return -thousandths(&text.parse::<f64>().unwrap().into());
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = format!("{decimals}000");
    whole.parse::<i64>().unwrap() * 1000 + decimals[..3].parse::<i64>().unwrap()
}

/// What is left of an event's points, in thousandths.
fn left(points: i64, half_life: &Json, age: i64) -> i64 {
    let Some(half_life) = half_life.as_str().map(millis) else {
        return points;
    };
    let hours = (age / 3_600_000) as f64;
    let weight = (1e9 * (-hours * 3_600_000.0 / half_life as f64).exp2()).round_ties_even();
    // Products of such sizes are exact only as integers.
    let product = i128::from(points) * weight as i128;
    let (quotient, twice) = (product.abs() / 1_000_000_000, product.abs() % 1_000_000_000 * 2);
    let up = twice > 1_000_000_000 || twice == 1_000_000_000 && quotient % 2 == 1;
    (product.signum() * (quotient + i128::from(up))) as i64
}

/// The score: both sides in thousandths, the lines, and whether a rule saw only a part.
pub fn score(scoring: &Json, facts: &RawFacts, at: i64) -> (i64, i64, Vec<Line>, bool) {
    let (mut lines, mut truncated) = (vec![], false);
    let mut totals = vec![];
    for side in ["fit", "engagement"] {
        let mut groups: Vec<(String, i64)> = vec![];
        let mut sum = 0;
        for rule in scoring[side]["rules"].as_array().unwrap() {
            let points = thousandths(&rule["points"]);
            let (times, ids, given) = if side == "fit" {
                let held = holds(&rule["when"], facts, at, &mut truncated);
                (usize::from(held), vec![], points)
            } else {
                let (mut events, is_truncated) = matching(rule, facts, at);
                truncated |= is_truncated;
                if let Some(most) = rule["max_times"].as_u64() {
                    events.truncate(most as usize);
                }
                let shares = events
                    .iter()
                    .map(|event| left(points, &rule["half_life"], at - event.at));
                let given = shares.sum();
                (events.len(), events.iter().map(|event| event.id).collect(), given)
            };
            if times == 0 {
                continue;
            }
            sum += given;
            lines.push((side, rule["id"].as_str().unwrap().to_owned(), given, times, ids));
            if let Some(group) = rule["group"].as_str() {
                match groups.iter_mut().find(|(name, _)| name == group) {
                    Some((_, sum)) => *sum += given,
                    None => groups.push((group.to_owned(), given)),
                }
            }
        }
        for (group, given) in groups {
            let Some(max) = scoring["groups"][&group]["max"].as_i64() else {
                continue;
            };
            if given > max * 1000 {
                sum -= given - max * 1000;
                lines.push((side, format!("group {group}"), max * 1000 - given, 1, vec![]));
            }
        }
        let max = scoring[side]["max"].as_i64().unwrap() * 1000;
        if sum > max {
            lines.push((side, "side".into(), max - sum, 1, vec![]));
            sum = max;
        }
        if sum < 0 {
            lines.push((side, "floor".into(), -sum, 1, vec![]));
            sum = 0;
        }
        totals.push(sum);
    }
    (totals[0], totals[1], lines, truncated)
}

/// Every duration in a document.
fn durations(json: &Json, found: &mut Vec<i64>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| durations(item, found)),
        Json::Object(map) => map.iter().for_each(|(name, item)| {
            let is_age =
                ["within", "older_than"].contains(&map.get("op").and_then(Json::as_str).unwrap_or(""));
            if name == "within" || name == "for" || name == "value" && is_age {
                found.push(millis(item.as_str().unwrap()));
            }
            durations(item, found);
        }),
        _ => {}
    }
}

/// Every instant after this one at which anything could change if nothing new happens, in order.
pub fn edges(document: &Json, facts: &RawFacts, at: i64) -> Vec<i64> {
    let mut spans = vec![];
    durations(document, &mut spans);
    let mut half_lives = vec![];
    for rule in document["engagement"]["rules"].as_array().into_iter().flatten() {
        half_lives.extend(rule["half_life"].as_str().map(millis));
    }
    let dates = facts.fields.iter().filter_map(|(_, raw)| match raw {
        Raw::Millis(at) => Some(*at),
        _ => None,
    });
    let mut edges = vec![];
    let others = facts.touches.iter().map(|(_, at)| *at).chain([facts.stage.1]);
    for from in facts
        .events
        .iter()
        .map(|event| event.at)
        .chain(dates)
        .chain(others)
    {
        edges.push(from);
        edges.extend(spans.iter().map(|span| from + span));
        edges.extend(spans.iter().map(|span| from + span + 1));
    }
    // Nothing is left of ten points after 16 half-lives.
    for half_life in half_lives {
        let hours = 16 * half_life / 3_600_000 + 1;
        edges.extend(
            facts
                .events
                .iter()
                .flat_map(|event| (0..=hours).map(|hour| event.at + hour * 3_600_000)),
        );
    }
    edges.retain(|edge| *edge > at);
    edges.sort_unstable();
    edges.dedup();
    edges
}
