//! What happens to whom in the demo's year: decided before by chance alone, done later by the rules.

use serde_json::{Map, Value, json};
use tandem_domain::capture::{Context, Posted};
use tandem_domain::deals::{CloseDeal, Outcome};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::search::fold;
use tandem_domain::lifecycle::{MoveLead, Stage};
use tandem_domain::money::{Currency, Money};

use crate::cast::{self, Way};
use crate::dice::{DAY, Dice};

/// A person, by the place in the plan.
pub type Who = usize;

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Somebody fills in a form.
    Submit { form: usize, posted: Box<Posted> },
    /// Sales notes somebody down at a fair.
    Meet {
        first: String,
        last: String,
        company: String,
        country: &'static str,
    },
    /// A member of the team moves the lead.
    Move(MoveLead),
    /// Sales confirms budget, authority, need and timeline: an SAL becomes an SQL.
    Qualify,
    /// Sales opens a deal.
    Open {
        name: String,
        amount: Money,
        closes_in: i32,
    },
    /// Sales moves it on.
    Advance(&'static str),
    /// Sales closes it.
    Close(CloseDeal),
}

/// One thing in the year.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Whom it is about.
    pub who: Who,
    /// Who of the team does it; nobody for what people do themselves.
    pub by: Option<usize>,
    /// What.
    pub act: Act,
}

/// The whole year.
pub struct Plan {
    /// The e-mail of everybody.
    pub emails: Vec<String>,
    /// What happens, in time.
    pub entries: Vec<Entry>,
}

struct Visitor {
    who: Who,
    first: String,
    last: String,
    email: String,
    country: &'static str,
    company: Option<(String, u32)>,
    promise: f64,
    /// Who of sales knows the person already.
    seller: Option<(usize, f64, f64)>,
}

impl Plan {
    /// The plan of a period, the same for the same seed.
    pub fn draw(seed: u64, from: Timestamp, to: Timestamp) -> Self {
        let mut plan = Self {
            emails: vec![],
            entries: vec![],
        };
        let days = (to.millis() - from.millis()) / DAY as i64;
        let fairs = [days * 2 / 5, days * 4 / 5];
        for day in 0..days {
            let start = from.plus_millis(day * DAY as i64);
            let mut dice = Dice::of(seed, day as u64);
            for _ in 0..visitors_on(start, day as f64 / days as f64, &mut dice) {
                plan.visit(seed, start, to);
            }
            if fairs.contains(&day) {
                for _ in 0..40 {
                    plan.meet(seed, start, to);
                }
            }
        }
        plan.entries.retain(|entry| entry.at < to);
        plan.entries.sort_by_key(|entry| (entry.at, entry.who));
        plan
    }

    fn visit(&mut self, seed: u64, start: Timestamp, end: Timestamp) {
        let mut dice = Dice::of(!seed, self.emails.len() as u64);
        let at = start.plus_millis((dice.between(0.25, 0.95) * DAY) as i64);
        let month = start.date_in(&jiff::tz::TimeZone::UTC).month();
        let form = dice.weighted(cast::FORMS.iter().map(|form| form.weight));
        let way = dice.weighted(cast::WAYS.iter().map(|way| {
            if way.months.contains(&month) {
                way.weight
            } else {
                0.0
            }
        }));
        let way = &cast::WAYS[way];
        let mut visitor = self.somebody(&mut dice, form > 0 && dice_is_private(form));
        visitor.promise = cast::FORMS[form].intent + way.lift;
        let kind = dice.roll();
        let mut posted = answers(&visitor, form, way, &mut dice);
        match kind {
            // Robots fill in what nobody sees; people mistype.
            k if k < 0.03 => {
                posted
                    .fields
                    .insert("website".into(), json!("https://cheap-pills.example"));
                visitor.promise = -1.0;
            }
            k if k < 0.05 => {
                posted
                    .fields
                    .insert("email".into(), json!(visitor.email.replace('@', " at ")));
                visitor.promise = -1.0;
            }
            k if k < 0.09 => visitor.promise = -0.5,
            _ => {}
        }
        posted.raw =
            json!({"fields": posted.fields, "context": {"page_url": posted.context.page_url}}).to_string();
        self.add(
            at,
            visitor.who,
            None,
            Act::Submit {
                form,
                posted: Box::new(posted),
            },
        );
        self.follow(&visitor, at, end, &mut dice);
    }

    fn meet(&mut self, seed: u64, start: Timestamp, end: Timestamp) {
        let mut dice = Dice::of(!seed, self.emails.len() as u64);
        let at = start.plus_millis((dice.between(0.4, 0.7) * DAY) as i64);
        let mut visitor = self.somebody(&mut dice, false);
        visitor.promise = 0.5;
        let seller = *dice.pick(&cast::SALES);
        visitor.seller = Some(seller);
        let by = seller.0;
        let meet = Act::Meet {
            first: visitor.first.clone(),
            last: visitor.last.clone(),
            company: visitor
                .company
                .as_ref()
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
            country: visitor.country,
        };
        self.add(at, visitor.who, Some(by), meet);
        self.follow(&visitor, at, end, &mut dice);
    }

    fn somebody(&mut self, dice: &mut Dice, may_be_private: bool) -> Visitor {
        let who = self.emails.len();
        let (country, firsts, lasts) = &cast::NAMES[dice.weighted(cast::COUNTRY_WEIGHTS)];
        let (first, last) = ((*dice.pick(firsts)).to_owned(), (*dice.pick(lasts)).to_owned());
        let local = format!("{}.{}", ascii(&first), ascii(&last));
        let company = (!(may_be_private && dice.happens(0.45))).then(|| {
            let trade = dice.pick(&cast::TRADES);
            let name = format!("{} {trade}", dice.pick(&cast::FIRST_WORDS));
            (name, (dice.roll().powi(3) * 400.0) as u32 + 2)
        });
        let domain = match &company {
            Some((name, _)) => format!(
                "{}-{}.example",
                name.to_lowercase().replace(' ', "-"),
                country.to_lowercase()
            ),
            None => "mail.example".to_owned(),
        };
        let email = format!("{local}.{who}@{domain}");
        self.emails.push(email.clone());
        Visitor {
            who,
            first,
            last,
            email,
            country,
            company,
            promise: 0.0,
            seller: None,
        }
    }

    fn add(&mut self, at: Timestamp, who: Who, by: Option<usize>, act: Act) {
        self.entries.push(Entry { at, who, by, act });
    }

    fn go(
        &mut self,
        at: Timestamp,
        who: Who,
        by: usize,
        to: Option<Stage>,
        reason: Option<&str>,
        note: &str,
    ) {
        let asked = MoveLead {
            to,
            reason: reason.map(str::to_owned),
            note: Some(note.to_owned()),
            until: None,
        };
        self.add(at, who, Some(by), Act::Move(asked));
    }

    /// What marketing and sales make of somebody.
    fn follow(&mut self, visitor: &Visitor, at: Timestamp, end: Timestamp, dice: &mut Dice) {
        let (who, promise) = (visitor.who, visitor.promise);
        if promise <= -1.0 {
            return;
        }
        let large = visitor
            .company
            .as_ref()
            .map_or(0.0, |(_, vehicles)| f64::from(*vehicles).ln() / 12.0);
        if promise < 0.0 {
            let looked = dice.workday_after(at, 0.2, 3.0);
            let reason = *dice.pick(&["spam", "competitor", "not_a_fit"]);
            return self.go(
                looked,
                who,
                cast::MARKETING,
                None,
                Some(reason),
                "Looked at by hand",
            );
        }
        if !dice.happens(promise * 0.85 + large) {
            return;
        }
        let mql = dice.workday_after(at, 0.1, 9.0 - 8.0 * promise.min(1.0));
        self.go(
            mql,
            who,
            cast::MARKETING,
            Some(Stage::Mql),
            None,
            "Fits, and asked for more",
        );
        if dice.happens(0.05) {
            return;
        }
        let (seller, pace, skill) = visitor.seller.unwrap_or_else(|| *dice.pick(&cast::SALES));
        let seen = dice.workday_after(mql, 0.1 * pace, 2.6 * pace);
        if !dice.happens(0.52 + promise * 0.4) {
            let reasons = [
                "not_ready",
                "no_response",
                "no_budget",
                "wrong_contact",
                "not_a_fit",
                "bad_data",
            ];
            let reason = reasons[dice.weighted([0.24, 0.3, 0.16, 0.12, 0.12, 0.06])];
            return self.go(seen, who, seller, None, Some(reason), "Called and written to");
        }
        self.go(seen, who, seller, Some(Stage::Sal), None, "Taken");
        let judged = dice.workday_after(seen, 1.0, 14.0 * pace);
        if !dice.happens((0.42 + promise * 0.35) * skill) {
            let reason = *dice.pick(&["not_ready", "no_response", "no_budget", "not_a_fit"]);
            return self.go(judged, who, seller, None, Some(reason), "Not now");
        }
        self.add(judged, who, Some(seller), Act::Qualify);
        if dice.happens(0.84) {
            self.deal(visitor, seller, skill, judged, end, dice);
        }
    }

    fn deal(
        &mut self,
        visitor: &Visitor,
        seller: usize,
        skill: f64,
        sql: Timestamp,
        end: Timestamp,
        dice: &mut Dice,
    ) {
        let who = visitor.who;
        let (company, vehicles) = visitor.company.clone().unwrap_or((visitor.last.clone(), 1));
        let bikes = (f64::from(vehicles) * dice.between(0.08, 0.4))
            .ceil()
            .clamp(1.0, 60.0);
        let amount = (bikes * dice.between(3_900.0, 6_400.0)).round() as i64 * 100;
        let currency = match visitor.country {
            "GB" => "GBP".parse(),
            "CH" => "CHF".parse(),
            _ => Ok(Currency::EUR),
        };
        let amount = Money {
            amount,
            currency: currency.unwrap_or(Currency::EUR),
        };
        let mut at = dice.workday_after(sql, 0.5, 9.0);
        let name = format!("{company}: {bikes} cargo bikes");
        self.add(
            at,
            who,
            Some(seller),
            Act::Open {
                name,
                amount,
                closes_in: dice.between(30.0, 90.0) as i32,
            },
        );
        for stage in ["evaluation", "proposal", "negotiation"] {
            at = dice.workday_after(at, 3.0, 22.0);
            if dice.happens(0.17 / skill) {
                return self.lose(who, seller, at, dice);
            }
            self.add(at, who, Some(seller), Act::Advance(stage));
        }
        at = dice.workday_after(at, 2.0, 25.0);
        if !dice.happens(0.66 * skill) {
            return self.lose(who, seller, at, dice);
        }
        let reason =
            ["product_fit", "service", "relationship", "price"][dice.weighted([0.45, 0.25, 0.2, 0.1])];
        self.add(
            at,
            who,
            Some(seller),
            Act::Close(close(Outcome::Won, reason, None)),
        );
        let left = dice.workday_after(at, 70.0, 240.0);
        if left < end && dice.happens(0.08) {
            self.go(
                left,
                who,
                cast::SALES_MANAGER,
                Some(Stage::Churned),
                Some("switched"),
                "Gave the bikes back",
            );
        }
    }

    fn lose(&mut self, who: Who, seller: usize, at: Timestamp, dice: &mut Dice) {
        let reasons = [
            "price",
            "timing",
            "lost_to_competitor",
            "no_decision",
            "missing_feature",
        ];
        let reason = reasons[dice.weighted([0.28, 0.2, 0.24, 0.2, 0.08])];
        let competitor =
            (reason == "lost_to_competitor").then(|| (*dice.pick(&cast::COMPETITORS)).to_owned());
        self.add(
            at,
            who,
            Some(seller),
            Act::Close(close(Outcome::Lost, reason, competitor)),
        );
    }
}

fn close(outcome: Outcome, reason: &str, competitor: Option<String>) -> CloseDeal {
    CloseDeal {
        outcome,
        reason: Some(reason.into()),
        competitor,
        note: None,
        closed_at: None,
        objections: vec![],
        until: None,
    }
}

/// More in spring and from Monday to Thursday, less in August and around the turn of the year, a little more each month.
fn visitors_on(day: Timestamp, share: f64, dice: &mut Dice) -> usize {
    let date = day.date_in(&jiff::tz::TimeZone::UTC);
    let week = [1.15, 1.25, 1.25, 1.15, 0.9, 0.3, 0.35];
    let season = [0.9, 1.0, 1.25, 1.35, 1.2, 1.0, 0.85, 0.65, 1.1, 1.15, 1.05, 0.6];
    let weekday = date.weekday().to_monday_zero_offset() as usize;
    let usual = 8.5 * week[weekday] * season[date.month() as usize - 1] * (0.8 + 0.4 * share);
    (usual * dice.between(0.7, 1.3)).round() as usize
}

fn dice_is_private(form: usize) -> bool {
    cast::FORMS[form].intent < 0.4
}

fn answers(visitor: &Visitor, form: usize, way: &Way, dice: &mut Dice) -> Posted {
    let plan = &cast::FORMS[form];
    let mut fields = Map::new();
    let mut say = |name: &str, value: Value| drop(fields.insert(name.into(), value));
    say("email", json!(visitor.email));
    say("first_name", json!(visitor.first));
    say("last_name", json!(visitor.last));
    if plan.intent > 0.2 {
        say("country", json!(visitor.country));
        say("job_title", json!(dice.pick(&cast::TITLES)));
        if let Some((company, _)) = &visitor.company {
            say("company", json!(company));
        }
    }
    if plan.intent > 0.5 {
        say("need", json!(dice.pick(&cast::NEEDS)));
        if let Some((_, vehicles)) = &visitor.company {
            say("fleet_size", json!(vehicles.to_string()));
        }
        if dice.happens(0.7) {
            say("phone", json!(format!("+49301{:07}", visitor.who)));
        }
    }
    let query = match way.source {
        Some(source) => format!(
            "?utm_source={source}&utm_medium={}&utm_campaign={}",
            way.medium, way.campaign
        ),
        None => String::new(),
    };
    let page = format!("{}{}{query}", cast::ORIGIN, plan.page);
    Posted {
        fields,
        consent: vec![(
            "marketing_email".into(),
            (plan.intent < 0.2 || dice.happens(0.4)).to_string(),
        )],
        context: Context {
            page_url: Some(page.clone()),
            landing_url: Some(page),
            landing_referrer: Some(way.referrer.to_owned()).filter(|text| !text.is_empty()),
            ..Context::default()
        },
        media_type: "application/json".into(),
        ..Posted::default()
    }
}

fn ascii(text: &str) -> String {
    fold(text).chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_year_of_its_own() {
        let to = Timestamp::from_millis(1_772_442_000_000);
        let from = to.plus_millis(-365 * DAY as i64);
        let years = [1, 1, 2].map(|seed| {
            let plan = Plan::draw(seed, from, to);
            let entries: Vec<(Timestamp, Who)> =
                plan.entries.iter().map(|entry| (entry.at, entry.who)).collect();
            assert!(entries.is_sorted() && entries.len() > 5_000);
            assert!(entries.iter().all(|(at, _)| from <= *at && *at < to));
            (plan.emails, entries)
        });
        assert_eq!(years[0], years[1]);
        assert_ne!(years[0], years[2]);
    }
}
