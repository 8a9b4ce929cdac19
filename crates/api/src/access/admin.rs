//! The first administrator, and those whom the command line makes.

use tandem_domain::access::Role;
use tandem_domain::access::account::User;
use tandem_domain::act::Act;
use tandem_domain::leads::identity::{Email, Invalid};
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::access::{lock_accounts, users};
use tandem_store::{Db, StoreError, Tx};

use crate::edge::crypto::password::{self, PasswordError, Passwords, PolicyError};
use crate::edge::crypto::secret::OneTimeToken;

/// Why no administrator was made.
#[derive(Debug, thiserror::Error)]
pub enum CannotCreate {
    /// The e-mail.
    #[error("the e-mail is {0}")]
    Email(#[from] Invalid),
    /// The name is blank.
    #[error("the name is blank")]
    Name,
    /// The password is too short or too long.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// The password could not be hashed.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// A user has this e-mail.
    #[error("a user with this e-mail already exists")]
    AlreadyExists,
    /// The database did not do what it was asked.
    #[error("the database: {0}")]
    Store(#[from] StoreError),
}

/// A password that nobody can guess: 24 letters and digits.
pub fn make_password() -> String {
    let token = OneTimeToken::generate();
    let text = token.reveal();
    text[text.len() - 24..].to_owned()
}

/// Make a user with the role `admin` and a password. Needs nothing but the database: for the command line.
pub async fn create_admin(
    db: &Db,
    passwords: &Passwords,
    email: &str,
    name: &str,
    password: &str,
    act: Act,
) -> Result<User, CannotCreate> {
    let email = Email::parse(email)?;
    let name = name.trim();
    if name.is_empty() {
        return Err(CannotCreate::Name);
    }
    password::check_policy(password, &[email.as_str(), name])?;
    let hash = passwords.hash(password.to_owned()).await?;
    let tx = db.begin(act).await?;
    lock_accounts(&tx).await?;
    if users::find_by_email(&tx, email.as_str()).await?.is_some() {
        return Err(CannotCreate::AlreadyExists);
    }
    let user = add_admin(&tx, &email, name, hash).await?;
    tx.commit().await?;
    Ok(user)
}

/// Write a new user with the role `admin`. The caller holds the lock over accounts.
pub(super) async fn add_admin(tx: &Tx, email: &Email, name: &str, hash: String) -> Result<User, StoreError> {
    let now = tx.act().now;
    let user = User {
        id: tx.act().ids.next(),
        version: 1,
        email: email.as_str().to_owned(),
        name: name.to_owned(),
        role: Role::Admin,
        admin: false,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    };
    store::write_records(tx, [user.created()]).await?;
    users::set_password(tx, user.id, hash).await?;
    Ok(user)
}
