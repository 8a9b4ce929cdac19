//! Companies that statements name: found, created, updated; and archived.

use std::collections::BTreeMap;

use serde_json::json;

use super::CompanyStatement;
use super::statement::FieldStatement;
use crate::access::{Actor, Denied};
use crate::act::Act;
use crate::change::Change;
use crate::id::{CompanyId, UserId, first_uuid_at};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::leads::change::CompanyChange;
use crate::leads::fields::{About, CompanyField, Source};
use crate::leads::{Company, search};
use crate::world::World;

/// The company that a statement names: by domain; by name, the lead's own company before one without a domain.
pub fn find_company(world: &World, said: &CompanyStatement, current: Option<CompanyId>) -> Option<CompanyId> {
    if let Some(domain) = &said.domain {
        return world.by_domain.get(domain.as_str()).copied();
    }
    let Some(name) = said
        .text
        .get(&CompanyField::Name)
        .and_then(|name| name.as_deref())
    else {
        return current;
    };
    let folded = search::fold(name);
    let is_current = |id: &CompanyId| {
        world
            .companies
            .get(id)
            .and_then(Company::name)
            .is_some_and(|name| search::fold(name) == folded)
    };
    current
        .filter(is_current)
        .or_else(|| world.by_name.get(&folded).copied())
}

/// Apply a statement about a company, creating it if it is unknown and named.
pub fn save_company(
    world: &mut World,
    known: Option<CompanyId>,
    said: &CompanyStatement,
    observed_at: Timestamp,
    act: &Act,
) -> Option<(CompanyId, Vec<Change>)> {
    let has_name = said
        .text
        .get(&CompanyField::Name)
        .is_some_and(|name| name.is_some());
    if known.is_none() && said.domain.is_none() && !has_name {
        return None;
    }
    let mut company = match known.and_then(|id| world.companies.get(&id)) {
        Some(company) => company.clone(),
        None => Company {
            id: act.ids.next(),
            version: 0,
            domain: said.domain.as_ref().map(|domain| domain.as_str().to_owned()),
            text: BTreeMap::new(),
            employees: None,
            owner_id: None,
            archived_at: None,
            created_at: act.now,
            updated_at: act.now,
        },
    };
    let is_new = company.version == 0;
    let about = About::Company(company.id);
    let (mut changes, mut before, mut after) = (vec![], Facts::new(), Facts::new());
    if is_new && let Some(domain) = &company.domain {
        after.insert("domain".into(), json!(domain));
    }
    for (field, value) in &said.text {
        let stated = FieldStatement {
            about,
            field: field.name().to_owned(),
            value: json!(value),
            observed_at,
            source: Source::of(&act.by),
        };
        let Some(winner) = stated.record(world, &mut changes, act) else {
            continue;
        };
        let winner = winner.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let old = company.text.get(field).cloned();
        if winner != old {
            before.insert(field.name().into(), json!(old));
            after.insert(field.name().into(), json!(winner));
            match winner {
                Some(text) => company.text.insert(*field, text),
                None => company.text.remove(field),
            };
        }
    }
    if let Some(employees) = said.employees {
        let stated = FieldStatement {
            about,
            field: "employees".into(),
            value: json!(employees),
            observed_at,
            source: Source::of(&act.by),
        };
        if let Some(winner) = stated.record(world, &mut changes, act)
            && company.employees != winner.as_i64()
        {
            before.insert("employees".into(), json!(company.employees));
            after.insert("employees".into(), winner.clone());
            company.employees = winner.as_i64();
        }
    }
    if let Some(owner_id) = said.owner_id
        && company.owner_id != owner_id
    {
        before.insert("owner_id".into(), json!(company.owner_id));
        after.insert("owner_id".into(), json!(owner_id));
        company.owner_id = owner_id;
    }
    if is_new || !after.is_empty() {
        company.version += 1;
        company.updated_at = act.now.max(company.updated_at);
        let change = if is_new {
            Change::Company(CompanyChange::Created {
                company: company.clone(),
                after,
            })
        } else {
            Change::Company(CompanyChange::Edited {
                company: company.clone(),
                before,
                after,
            })
        };
        changes.insert(0, change);
        world.add_company(company.clone());
    }
    Some((company.id, changes))
}

/// Date a company by what a file of history states, with the changes that the same row made: one that the row created, one
/// that a file dated before, so that a wrong date is corrected by importing again, and one that is older than is known.
pub fn date_company(
    world: &mut World,
    id: CompanyId,
    created_at: Timestamp,
    changes: &mut Vec<Change>,
    act: &Act,
) {
    let Some(company) = world.companies.get_mut(&id) else {
        return;
    };
    let known = company.created_at;
    // An id begins with the millisecond in which it was drawn, or one soon after it in a large batch.
    let is_dated = first_uuid_at(known.plus_millis(1000)) <= company.id.uuid();
    let created = changes.iter_mut().find_map(|change| match change {
        Change::Company(CompanyChange::Created { company, .. }) => Some(company),
        _ => None,
    });
    if let Some(created) = created {
        (created.created_at, company.created_at) = (created_at, created_at);
        return;
    }
    if created_at == known || created_at > known && !is_dated {
        return;
    }
    company.created_at = created_at;
    company.version += 1;
    company.updated_at = act.now.max(company.updated_at);
    changes.push(Change::Company(CompanyChange::Edited {
        company: company.clone(),
        before: facts(json!({ "created_at": known })),
        after: facts(json!({ "created_at": created_at })),
    }));
}

/// Whether the actor may say who is responsible for a company: its owner, a sales manager, revops; a sales user takes one
/// that nobody owns.
pub fn may_own_company(actor: &Actor, owner: Option<UserId>, to: Option<UserId>) -> Result<(), Denied> {
    let is_owner = owner.is_some() && actor.person().map(|person| person.id) == owner;
    if owner == to || is_owner {
        return Ok(());
    }
    actor.may_assign(owner, to)
}

/// Archive or restore a company; `None` if it already is.
///
/// It belongs to nobody: a user who may edit any lead may do it. Its leads and deals stay as they are. Unlike a lead, of
/// which a form says that the person writes again, a company is not restored by being named again: whatever lead comes
/// from its domain names it.
pub fn archive_company(company: &mut Company, away: bool, act: &Act) -> Result<Option<Change>, Denied> {
    act.by.may_edit(None)?;
    if company.archived_at.is_some() == away {
        return Ok(None);
    }
    company.archived_at = away.then_some(act.now);
    company.version += 1;
    company.updated_at = act.now.max(company.updated_at);
    let company = company.clone();
    Ok(Some(if away {
        Change::Company(CompanyChange::Archived(company))
    } else {
        Change::Company(CompanyChange::Restored(company))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Actor, Person, Role};
    use crate::id::Ids;
    use crate::leads::identity::Domain;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000 + millis)
    }

    fn user(role: Role, ids: &Ids) -> Actor {
        Actor::User(Person {
            id: ids.next(),
            role,
            admin: false,
            teams: vec![],
        })
    }

    #[test]
    fn a_company_is_given_away_by_its_owner_a_sales_manager_or_revops() {
        let ids = Ids::new(at(0), 0);
        let (sam, other) = (user(Role::Sales, &ids), user(Role::Sales, &ids));
        let id = |actor: &Actor| actor.person().map(|person| person.id);
        for role in [Role::SalesManager, Role::Revops, Role::Admin] {
            assert_eq!(may_own_company(&user(role, &ids), id(&sam), id(&other)), Ok(()));
        }
        assert_eq!(may_own_company(&sam, id(&sam), id(&other)), Ok(()));
        assert_eq!(
            may_own_company(&sam, None, id(&sam)),
            Ok(()),
            "it takes what nobody owns"
        );
        assert_eq!(may_own_company(&sam, None, id(&other)), Err(Denied::NotOwner));
        assert_eq!(
            may_own_company(&other, id(&sam), id(&other)),
            Err(Denied::NotOwner)
        );
        let mia = user(Role::Marketing, &ids);
        assert_eq!(may_own_company(&mia, id(&sam), None), Err(Denied::WrongRole));
        let key = Actor::Key {
            id: ids.next(),
            on_behalf_of: None,
        };
        assert_eq!(may_own_company(&key, None, id(&sam)), Err(Denied::NeedsPerson));
    }

    #[test]
    fn a_company_that_is_named_again_stays_away() {
        let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
        let (mia, rev) = (user(Role::Marketing, &ids), user(Role::Revops, &ids));
        let named = |industry: &str| CompanyStatement {
            domain: Domain::parse("example.com").ok(),
            text: BTreeMap::from([(CompanyField::Industry, Some(industry.to_owned()))]),
            ..CompanyStatement::default()
        };
        let say = |world: &mut World, said: &CompanyStatement, millis| {
            let known = find_company(world, said, None);
            save_company(world, known, said, at(millis), &Act::test(&mia, at(millis), &ids)).unwrap()
        };
        let (id, _) = say(&mut world, &named("retail"), 0);

        let company = world.companies.get_mut(&id).unwrap();
        assert_eq!(
            archive_company(company, true, &Act::test(&rev, at(1), &Ids::new(at(1), 9))),
            Err(Denied::WrongRole)
        );
        let change = archive_company(company, true, &Act::test(&mia, at(1), &Ids::new(at(1), 9))).unwrap();
        assert_eq!(
            change,
            Some(Change::Company(CompanyChange::Archived(company.clone())))
        );
        assert_eq!((company.version, company.archived_at), (2, Some(at(1))));
        assert_eq!(
            archive_company(company, true, &Act::test(&mia, at(2), &Ids::new(at(2), 9))),
            Ok(None),
            "twice is once"
        );

        let (again, _) = say(&mut world, &named("books"), 3);
        let company = world.companies.get_mut(&id).unwrap();
        assert_eq!(
            (again, company.version, company.archived_at),
            (id, 3, Some(at(1)))
        );
        let change = archive_company(company, false, &Act::test(&mia, at(4), &Ids::new(at(4), 9))).unwrap();
        assert_eq!(
            change,
            Some(Change::Company(CompanyChange::Restored(company.clone())))
        );
        assert_eq!((company.archived_at, company.updated_at), (None, at(4)));
    }
}
