//! Who may do what: roles, scopes, and the person or key that acts.

pub mod account;
mod actor;
pub mod change;
pub mod origins;
mod queue;
pub mod session;
mod staff;
pub mod throttle;

pub use crate::role::{Role, Scope};
pub use actor::{Actor, ActorKind, Denied, Person};
pub use queue::{NotAQueue, Queue};
pub use staff::{Colleague, Staff};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use crate::instant::Timestamp;

    fn person(role: Role, ids: &Ids) -> Person {
        Person {
            id: ids.next(),
            role,
            admin: false,
            teams: vec![],
        }
    }

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(*role));
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.name()), Some(*scope));
        }
    }

    #[test]
    fn everybody_reads_and_only_an_admin_manages() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        for role in Role::ALL {
            let someone = person(*role, &ids);
            assert!(someone.grants(Scope::LeadsRead), "{role:?}");
            assert_eq!(
                someone.grants(Scope::UsersManage),
                *role == Role::Admin,
                "{role:?}"
            );
            assert_eq!(
                someone.grants(Scope::LeadsWrite),
                *role != Role::Viewer,
                "{role:?}"
            );
        }
        let mut small_firm = person(Role::Viewer, &ids);
        small_firm.admin = true;
        assert!(small_firm.grants(Scope::KeysManage));
    }

    #[test]
    fn roles_have_the_scopes_of_the_published_table() {
        use Role::*;
        let granted = |scope: Scope| -> Vec<Role> {
            let has = |role: &&Role| role.grants(scope);
            Role::ALL.iter().filter(has).copied().collect()
        };
        let of_work = [Admin, Revops, MarketingManager, Marketing, SalesManager, Sales];
        for (scope, roles) in [
            (Scope::HandoffsRead, Role::ALL),
            (Scope::HandoffsWrite, &of_work[..]),
            (
                Scope::ActivitiesWrite,
                &[Admin, MarketingManager, Marketing, SalesManager, Sales],
            ),
            (
                Scope::AgreementsWrite,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (Scope::AgreementsSign, &[MarketingManager, SalesManager]),
            (Scope::RoutingManage, &[Admin, Revops, SalesManager]),
            (Scope::AvailabilityWrite, &[Admin, Revops, SalesManager]),
            (
                Scope::SegmentsWrite,
                &[Admin, Revops, MarketingManager, Marketing],
            ),
            (Scope::ContentWrite, &[Admin, MarketingManager, Marketing]),
            (
                Scope::CostsWrite,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (
                Scope::ReviewsWrite,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (
                Scope::ExportsRead,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (Scope::ConversionsRead, &[Admin, Revops, MarketingManager]),
            (Scope::WebhooksManage, &[Admin, Revops]),
            (Scope::LeadsMerge, &[Admin, Revops]),
            (Scope::PrivacyManage, &[Admin, Revops]),
            (Scope::DealsWrite, &[Admin, Revops, SalesManager, Sales]),
            (Scope::ImportsWrite, &[Admin, Revops, MarketingManager, Marketing]),
            (Scope::KeysManage, &[Admin]),
            (Scope::Account, Role::ALL),
        ] {
            assert_eq!(granted(scope), roles, "{}", scope.name());
        }
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let mut manager = person(SalesManager, &ids);
        manager.admin = true;
        assert!(manager.grants(Scope::AgreementsSign) && manager.grants(Scope::KeysManage));
    }

    #[test]
    fn a_sales_user_edits_its_own_leads_and_unowned_ones() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let (rep, other) = (person(Role::Sales, &ids), person(Role::Sales, &ids));
        let actor = Actor::User(rep.clone());
        assert_eq!(actor.may_edit(Some(rep.id)), Ok(()));
        assert_eq!(actor.may_edit(None), Ok(()));
        assert_eq!(actor.may_edit(Some(other.id)), Err(Denied::NotOwner));
        assert_eq!(
            Actor::User(person(Role::Revops, &ids)).may_edit(None),
            Err(Denied::WrongRole)
        );
        assert_eq!(
            Actor::User(person(Role::Marketing, &ids)).may_edit(Some(other.id)),
            Ok(())
        );
    }

    #[test]
    fn a_key_assigns_only_on_behalf_of_a_person_who_may() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let to = Some(ids.next());
        let key = Actor::Key {
            id: ids.next(),
            on_behalf_of: None,
        };
        assert_eq!(key.may_assign(None, to), Err(Denied::NeedsPerson));
        let manager = Actor::Key {
            id: ids.next(),
            on_behalf_of: Some(person(Role::SalesManager, &ids)),
        };
        assert_eq!(manager.may_assign(None, to), Ok(()));
    }
}
