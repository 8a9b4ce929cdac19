//! The demo's year as it happens: day by day, by the same rules and writers as the service's own requests.

use std::collections::{BTreeMap, HashMap};

use actix_web::web;
use jiff::ToSpan;
use serde_json::json;
use tandem_domain::access::account::{Team, User};
use tandem_domain::access::{Actor, Person, Role};
use tandem_domain::act;
use tandem_domain::activities;
use tandem_domain::campaigns::{self, CampaignDetails, CampaignError, DailyCost};
use tandem_domain::capture::{Beside, Form, make_form};
use tandem_domain::change::{Change, Unruled};
use tandem_domain::deals::{self, MoveDeal, OpenDeal};
use tandem_domain::handoff;
use tandem_domain::handoff::qualification::all_confirmed;
use tandem_domain::id::{DealId, Ids, LeadId, RequestId, SubmissionId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::leads::Touch;
use tandem_domain::leads::fields::{CompanyField, LeadField};
use tandem_domain::leads::identity::Email;
use tandem_domain::leads::save::{self, CompanyStatement, OnConflict, Statement};
use tandem_domain::lifecycle::Stage;
use tandem_domain::money::{Currency, DatedRate, Money, Rate};
use tandem_domain::record::Plain;
use tandem_domain::settings::SettingChange;
use tandem_domain::settings::{CompanySettings, CurrencySettings, name};
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::Report;
use tandem_domain::world::World;
use tandem_store as store;
use tandem_store::StoreError;

use crate::cast;
use crate::plan::{Act, Entry, Plan, Who};
use tandem_api::capture::batch::{Captures, Outcome};
use tandem_api::capture::item::Item;
use tandem_api::edge::core::Core;
use tandem_api::edge::crypto::secret::FormKey;
use tandem_api::edge::writer::BatchWork;

/// Why the year stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The database did not do what it was asked.
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    /// A rule refused what the plan has.
    #[error("on {0} a rule refused: {1}")]
    Refused(Timestamp, String),
}

/// What came of the year.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// The number of events of one type.
    pub fn of(&self, what: &'static str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// The year under way.
pub struct Year {
    core: web::Data<Core>,
    seed: u64,
    drawn: u64,
    forms: Vec<Form>,
    team: Vec<User>,
    deals: HashMap<Who, DealId>,
    /// What came of it so far.
    pub tally: Tally,
}

impl Year {
    /// Set the company up: people, forms, settings.
    pub async fn found(core: web::Data<Core>, seed: u64, at: Timestamp) -> Result<Self, Stopped> {
        let mut year = Self {
            core,
            seed,
            drawn: 0,
            forms: vec![],
            team: vec![],
            deals: HashMap::new(),
            tally: Tally::default(),
        };
        let mut act = year.act_of(Actor::System("demo"), at);
        let tx = year.core.db.begin(act.clone()).await?;
        let mut changes: Vec<Unruled> = settings(at).into_iter().map(Unruled::from).collect();
        for (email, name, role) in cast::TEAM {
            let user = User {
                id: act.ids.next(),
                version: 1,
                email: email.into(),
                name: name.into(),
                role,
                admin: false,
                disabled_at: None,
                created_at: at,
                updated_at: at,
            };
            changes.push(user.created().into());
            year.team.push(user);
        }
        for (title, is_in) in [
            ("Marketing", &[Role::Marketing, Role::MarketingManager][..]),
            ("Sales", &[Role::Sales, Role::SalesManager][..]),
        ] {
            let members = year
                .team
                .iter()
                .filter(|user| is_in.contains(&user.role))
                .map(|user| user.id);
            let team = Team {
                id: act.ids.next(),
                version: 1,
                name: title.into(),
                members: tandem_domain::access::account::ascending(members.collect()),
                created_at: at,
                updated_at: at,
            };
            changes.push(team.created().into());
        }
        store::write_records(&tx, changes).await?;
        tx.commit().await?;

        act = year.act_of(year.actor(cast::MARKETING), at);
        let tx = year.core.db.begin(act.clone()).await?;
        let mut changes = vec![];
        for plan in &cast::FORMS {
            let key = FormKey::generate().reveal().to_owned();
            let beside = Beside {
                purposes: &tx.rules().shown_by.consent.purposes,
                custom_names: &["fleet_size"],
                campaign: None,
                content: None,
            };
            let made = make_form(cast::form(plan), key, &beside, &act);
            let (form, key) = made.map_err(|error| Stopped::Refused(at, error.to_string()))?;
            year.forms.push(form.clone());
            changes.extend([Unruled::from(form.created()), key.into()]);
        }
        changes.extend(campaigns(at, &act).map_err(|error| Stopped::Refused(at, error.to_string()))?);
        store::write_records(&tx, changes).await?;
        tx.commit().await?;
        Ok(year)
    }

    /// Let one day happen: first what people do by themselves, then what the team makes of it.
    pub async fn day(&mut self, plan: &Plan, entries: &[Entry]) -> Result<(), Stopped> {
        let (own, by_team): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.by.is_none());
        self.submissions(&own).await?;
        self.work(plan, &by_team).await
    }

    async fn submissions(&mut self, entries: &[&Entry]) -> Result<(), Stopped> {
        let mut items = vec![];
        for entry in entries {
            let Act::Submit { form, posted } = &entry.act else {
                continue;
            };
            let form_id = self.forms[*form].id;
            let act = self.act_of(Actor::Form(form_id), entry.at);
            let id: SubmissionId = act.ids.next();
            items.push(Item::new(act, id, form_id, (**posted).clone(), None, false));
        }
        if items.is_empty() {
            return Ok(());
        }
        let items: Vec<&Item> = items.iter().collect();
        for outcome in Captures(self.core.clone()).attempt(&items, false).await? {
            self.tally.count(match outcome {
                Outcome::Refused(..) => "rejected",
                _ => "submitted",
            });
        }
        Ok(())
    }

    async fn work(&mut self, plan: &Plan, entries: &[&Entry]) -> Result<(), Stopped> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let said: Vec<Statement> = entries.iter().map(|entry| statement(plan, entry)).collect();
        let act = self.act_of(Actor::System("demo"), first.at);
        let tx = self.core.db.begin(act).await?;
        let mut world = store::leads::world(&tx, &said).await?;
        let wanted = store::deals::Wanted {
            lead_ids: world.leads.keys().copied().collect(),
            ..store::deals::Wanted::default()
        };
        store::deals::add_to(&tx, &mut world, &wanted).await?;
        store::handoff::add_all(&tx, &mut world).await?;
        let (mut acts, mut done) = (vec![], vec![]);
        for (entry, said) in entries.iter().zip(&said) {
            let by = entry.by.map_or(Actor::System("demo"), |place| self.actor(place));
            let act = self.act_of(by, entry.at);
            let changes = self
                .act(&mut world, entry, said, &act)
                .map_err(|error| Stopped::Refused(entry.at, error))?;
            acts.push(act);
            done.push(Unsettled::from(changes));
        }
        let items = acts.iter().zip(done).collect();
        store::settle_all(&tx, &mut world, items).await?;
        Ok(tx.commit().await?)
    }

    fn act(
        &mut self,
        world: &mut World,
        entry: &Entry,
        said: &Statement,
        act: &act::Act,
    ) -> Result<Vec<Change>, String> {
        let text = |error: &dyn std::fmt::Display| format!("{:?}: {error}", entry.act);
        let at = entry.at;
        if let Act::Meet { .. } = &entry.act {
            self.tally.count("met");
            let saved = save::upsert(world, said, OnConflict::Refuse, act);
            return saved.map(|saved| saved.changes).map_err(|error| text(&error));
        }
        let lead = self
            .lead(world, said)
            .ok_or_else(|| text(&"there is no such lead"))?;
        let deal = self.deals.get(&entry.who).copied();
        let no_deal = || text(&"there is no such deal");
        match &entry.act {
            Act::Submit { .. } | Act::Meet { .. } => Ok(vec![]),
            // The agreement's rule was faster.
            Act::Move(asked)
                if asked.to.is_some() && asked.to == world.leads.get(&lead).map(|lead| lead.stage) =>
            {
                Ok(vec![])
            }
            Act::Move(asked) => {
                self.tally.count("moves");
                let mut changes = called(world, lead, act).map_err(|error| text(&error))?;
                let moved = handoff::move_lead(world, lead, asked, act);
                changes.extend(moved.map_err(|error| text(&error))?);
                Ok(changes)
            }
            Act::Qualify => {
                self.tally.count("moves");
                let done = handoff::qualify(world, lead, &all_confirmed(), act);
                done.map_err(|error| text(&error))
            }
            Act::Open {
                name,
                amount,
                closes_in,
            } => {
                self.tally.count("deals");
                let asked = OpenDeal {
                    name: name.clone(),
                    lead_ids: vec![lead],
                    amount: Some(*amount),
                    expected_close_on: Some(
                        at.plus_millis(i64::from(*closes_in) * 86_400_000)
                            .day_in(&jiff::tz::TimeZone::UTC),
                    ),
                    ..OpenDeal::default()
                };
                let (id, changes) = deals::open(world, &asked, act).map_err(|error| text(&error))?;
                self.deals.insert(entry.who, id);
                Ok(changes)
            }
            Act::Advance(stage) => {
                let asked = MoveDeal {
                    stage: (*stage).into(),
                    note: None,
                };
                let deal = deal.ok_or_else(no_deal)?;
                deals::move_to(world, deal, &asked, act).map_err(|error| text(&error))
            }
            Act::Close(asked) => {
                self.tally.count(match asked.outcome {
                    deals::Outcome::Won => "won",
                    deals::Outcome::Lost => "lost",
                });
                let deal = deal.ok_or_else(no_deal)?;
                deals::close(world, deal, asked, act).map_err(|error| text(&error))
            }
        }
    }

    fn lead(&self, world: &World, said: &Statement) -> Option<LeadId> {
        said.keys().iter().find_map(|key| world.holder(key))
    }

    fn actor(&self, place: usize) -> Actor {
        let user = &self.team[place];
        Actor::User(Person {
            id: user.id,
            role: user.role,
            admin: user.admin,
            teams: vec![],
        })
    }

    /// What a request of that instant does.
    fn act_of(&mut self, actor: Actor, at: Timestamp) -> act::Act {
        self.drawn += 1;
        let seed = tandem_domain::id::splitmix64(self.seed ^ tandem_domain::id::splitmix64(self.drawn));
        let request: RequestId = Ids::new(at, !seed).next();
        act::Act::new(actor, request.to_string(), at, seed)
    }
}

/// Sales calls an MQL before it decides on it.
fn called(world: &mut World, lead: LeadId, act: &act::Act) -> Result<Vec<Change>, String> {
    let is_mql = world
        .leads
        .get(&lead)
        .is_some_and(|lead| lead.stage == Stage::Mql);
    if !is_mql || !act.by.person().is_some_and(Person::is_sales) {
        return Ok(vec![]);
    }
    let call = json!({"lead_id": lead, "type": "call", "direction": "outbound", "outcome": "connected"});
    let call = serde_json::from_value(call).map_err(|error| error.to_string())?;
    let (_, _, change) = activities::log(world, call, act).map_err(|error| error.to_string())?;
    Ok(change.into_iter().collect())
}

fn statement(plan: &Plan, entry: &Entry) -> Statement {
    let emails = Email::parse(&plan.emails[entry.who]).into_iter().collect();
    let Act::Meet {
        first,
        last,
        company,
        country,
    } = &entry.act
    else {
        return Statement {
            emails,
            ..Statement::default()
        };
    };
    let text = [
        (LeadField::FirstName, first.as_str()),
        (LeadField::LastName, last),
        (LeadField::Country, country),
    ];
    Statement {
        emails,
        text: text.map(|(field, value)| (field, Some(value.to_owned()))).into(),
        company: Some(CompanyStatement {
            text: [(CompanyField::Name, Some(company.clone()))].into(),
            ..CompanyStatement::default()
        }),
        first_touch: Some(Report::from(Touch {
            channel: Some("event".into()),
            source: Some("fleet_expo".into()),
            campaign: Some("fleet_expo".into()),
            occurred_at: Some(entry.at),
            ..Touch::default()
        })),
        ..Statement::default()
    }
}

/// The campaigns of the year that begins, each with its costs by day.
fn campaigns(at: Timestamp, act: &act::Act) -> Result<Vec<Unruled>, CampaignError> {
    let first = at.date_in(&jiff::tz::TimeZone::UTC);
    let mut changes = vec![];
    for plan in &cast::CAMPAIGNS {
        let days = first.series(1.day()).take(365);
        let days = days.filter(|day| plan.months.contains(&day.month()));
        let days: Vec<Day> = days.filter_map(|day| day.try_into().ok()).collect();
        let (Some(starts_on), Some(ends_on)) = (days.first(), days.last()) else {
            continue;
        };
        let details = CampaignDetails {
            name: plan.name.into(),
            channel: plan.channel.into(),
            utm_campaign_aliases: vec![plan.alias.into()],
            starts_on: *starts_on,
            ends_on: Some(*ends_on),
            budget: None,
            owner_id: None,
            parent_id: None,
            brief: None,
        };
        let beside = campaigns::Beside {
            lineage: vec![],
            knows_owner: true,
        };
        let campaign = campaigns::create(details, &beside, act)?;
        let amount = Some(Money {
            amount: plan.cents,
            currency: Currency::EUR,
        });
        let costs: Vec<DailyCost> = days.iter().map(|on| DailyCost { on: *on, amount }).collect();
        let spent = campaigns::replace_costs(&campaign, &[], &costs, act)?;
        changes.push(campaign.created().into());
        changes.extend(spent.map(Unruled::from));
    }
    Ok(changes)
}

fn settings(at: Timestamp) -> Vec<SettingChange> {
    let company = CompanySettings {
        name: cast::COMPANY.into(),
        timezone: cast::TIMEZONE.into(),
    };
    let set = |name, after| SettingChange::Changed {
        name,
        version: 1,
        before: serde_json::Value::Null,
        after,
    };
    let year = at.date_in(&jiff::tz::TimeZone::UTC).year();
    let rate = |from: &str, year: i16, month: i8, rate: &str| -> Option<DatedRate> {
        Some(DatedRate {
            from: from.parse().ok()?,
            to: Currency::EUR,
            on: jiff::civil::Date::new(year, month, 1).ok()?.try_into().ok()?,
            rate: rate.parse::<Rate>().ok()?,
        })
    };
    let come: Vec<DatedRate> = [
        ("GBP", year, 1, "1.1612"),
        ("CHF", year, 1, "1.0543"),
        ("GBP", year + 1, 1, "1.1478"),
        ("CHF", year + 1, 1, "1.0689"),
    ]
    .into_iter()
    .filter_map(|(from, year, month, text)| rate(from, year, month, text))
    .collect();
    vec![
        set(name::COMPANY, json!(company)),
        // The plan of the year names who takes each lead.
        set(name::ROUTING, json!({"rules": [], "join_company": false})),
        set(
            name::CURRENCY,
            json!(CurrencySettings {
                currency: Currency::EUR
            }),
        ),
        set(name::CUSTOM_FIELDS, json!(cast::custom_fields())),
        SettingChange::RatesReplaced {
            version: 1,
            gone: vec![],
            count: come.len(),
            come,
        },
    ]
}
