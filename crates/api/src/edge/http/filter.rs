//! Values that lists are filtered by and that several lists share: owners, codes.

use tandem_domain::access::Person;
use tandem_domain::id::UserId;
use tandem_domain::leads::identity::Email;

use super::problem::{Location, Problem, Violation};

/// Codes as they are stored, in whatever case they are asked for.
pub fn upper_case(codes: Option<Vec<String>>) -> Vec<String> {
    codes
        .into_iter()
        .flatten()
        .map(|code| code.to_ascii_uppercase())
        .collect()
}

/// E-mails in the form in which they are compared.
pub fn emails(asked: Vec<String>) -> Result<Vec<Email>, Problem> {
    let read: Result<Vec<Email>, _> = asked.iter().map(|text| Email::parse(text)).collect();
    read.map_err(|error| {
        let place = Location::parameter("email");
        Problem::invalid_parameters(vec![Violation::new(place, "invalid_format", error.to_string())])
    })
}

/// The owners that a list asks for, and whether it asks for what nobody owns: ids, `me`, or `none` alone.
pub fn owners(asked: Option<&[String]>, person: Option<&Person>) -> Result<(Vec<UserId>, bool), Problem> {
    let (mut owners, mut unowned, mut violations) = (vec![], false, vec![]);
    let mut refuse = |detail: &str| {
        violations.push(Violation::new(
            Location::parameter("owner_id"),
            "invalid_format",
            detail,
        ));
    };
    for owner in asked.into_iter().flatten() {
        match (owner.as_str(), person) {
            ("none", _) => unowned = true,
            ("me", Some(person)) => owners.push(person.id),
            ("me", None) => refuse("`me` needs a user"),
            (id, _) => match id.parse::<UserId>() {
                Ok(id) => owners.push(id),
                Err(_) => refuse("must be a user's id, `me` or `none`"),
            },
        }
    }
    if unowned && !owners.is_empty() {
        refuse("`none` cannot be combined with other values");
    }
    if !violations.is_empty() {
        return Err(Problem::invalid_parameters(violations));
    }
    Ok((owners, unowned))
}

/// The users that a parameter names: ids, or `me`.
pub fn users(
    parameter: &'static str,
    asked: Option<&[String]>,
    person: Option<&Person>,
) -> Result<Vec<UserId>, Problem> {
    let (mut users, mut violations) = (vec![], vec![]);
    for user in asked.into_iter().flatten() {
        let read = match (user.as_str(), person) {
            ("me", Some(person)) => Ok(person.id),
            ("me", None) => Err("`me` needs a user"),
            (id, _) => id.parse().map_err(|_| "must be a user's id or `me`"),
        };
        match read {
            Ok(id) => users.push(id),
            Err(detail) => violations.push(Violation::new(
                Location::parameter(parameter),
                "invalid_format",
                detail,
            )),
        }
    }
    match violations.is_empty() {
        true => Ok(users),
        false => Err(Problem::invalid_parameters(violations)),
    }
}
