//! Fair turns against their definition, and choices with their reasons.

mod choices;
mod turns;

use uuid::Uuid;

use crate::id::UserId;

fn user(n: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(n))
}
