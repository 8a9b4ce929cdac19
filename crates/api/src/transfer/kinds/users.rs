//! Rows that are users: made without a password, so that records can be theirs; whom Tandem knows stays as it is.

use tandem_domain::access::Role;
use tandem_domain::access::account::User;
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Email;
use tandem_domain::record::Plain;
use tandem_domain::transfer::values::Values;
use tandem_store::{self as store, StoreError, Tx};

use super::{Ground, Taken, email, short};
use crate::transfer::rows::Row;

struct UserRow {
    email: Email,
    name: String,
    role: Role,
    is_disabled: bool,
    created_at: Option<Timestamp>,
}

/// Take a batch of users. A file changes nobody's role, name or state: rights are given by a person.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let good = ground.read(rows, &mut taken, read);
    store::access::lock_accounts(tx).await?;
    let emails: Vec<&str> = good.iter().map(|(_, row)| row.email.as_str()).collect();
    let mut known = store::transfer::users_by_email(tx, emails).await?;
    for (_, told) in good {
        if known.contains_key(told.email.as_str()) {
            taken.count(false, vec![]);
            continue;
        }
        let user = User {
            id: tx.act().ids.next(),
            version: 1,
            email: told.email.as_str().to_owned(),
            name: told.name,
            role: told.role,
            admin: false,
            disabled_at: told.is_disabled.then_some(ground.now),
            created_at: told
                .created_at
                .filter(|_| ground.is_history())
                .map_or(ground.now, |at| at.min(ground.now)),
            updated_at: ground.now,
        };
        known.insert(user.email.clone(), user.clone());
        taken.count(true, vec![user.created().into()]);
    }
    Ok(taken)
}

fn read(values: &Values<'_>) -> Result<UserRow, Vec<Fault>> {
    let mut faults = vec![];
    let address = email(values, "email", &mut faults);
    if values.text("email").is_none() {
        faults.push(Fault::new("email", "required", "is missing"));
    }
    let name = short(values, "name", 200, &mut faults);
    let role = match values.text("role").map(Role::named) {
        // Administrators are made by administrators.
        Some(None | Some(Role::Admin)) => {
            let detail = "must be revops, marketing_manager, marketing, sales_manager, sales or viewer";
            faults.push(Fault::new("role", "not_allowed", detail));
            Role::Viewer
        }
        Some(Some(role)) => role,
        None => Role::Viewer,
    };
    let is_disabled = match values.text("disabled") {
        None | Some("false" | "no" | "0") => false,
        Some("true" | "yes" | "1") => true,
        Some(_) => {
            faults.push(Fault::new("disabled", "invalid_type", "must be true or false"));
            false
        }
    };
    let created_at = values.instant("created_at", &mut faults);
    match address {
        Some(email) if faults.is_empty() => Ok(UserRow {
            name: name.unwrap_or_else(|| email.as_str().to_owned()),
            email,
            role,
            is_disabled,
            created_at,
        }),
        _ => Err(faults),
    }
}
