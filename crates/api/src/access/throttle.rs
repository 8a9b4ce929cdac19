//! Attempts at passwords: counted before the work is done, for all replicas together.

use std::net::IpAddr;

use tandem_domain::access::throttle::{PER_ACCOUNT, PER_ADDRESS, Pause};
use tandem_domain::instant::Timestamp;
use tandem_store::Tx;
use tandem_store::access::throttles;

use crate::edge::crypto::hex;
use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::address;
use crate::edge::http::problem::{Code, Problem};

/// Whose attempt it is: the account, by the e-mail that was given, and the address.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    account: String,
    address: String,
}

impl Attempt {
    /// An attempt at the account with this e-mail, whether or not there is one.
    pub(super) fn new(master: &MasterKey, email: &str, from: IpAddr) -> Self {
        let key =
            |what: &str, name: &str| hex(&master.mac("throttle", format!("{what}\u{0}{name}").as_bytes()));
        Self {
            account: key("account", email),
            address: key("address", &address::counted(from).to_string()),
        }
    }

    /// Count it, or refuse it.
    pub(super) async fn count(&self, tx: &Tx) -> Result<(), Problem> {
        let now = tx.act().now;
        throttles::lock(tx, &[&self.account, &self.address]).await?;
        let account = throttles::get(tx, &self.account).await?.attempt(PER_ACCOUNT, now);
        let address = throttles::get(tx, &self.address).await?.attempt(PER_ADDRESS, now);
        match (account, address) {
            (Ok(account), Ok(address)) => {
                Ok(throttles::put(tx, &[(&self.account, account), (&self.address, address)]).await?)
            }
            (Err(pause), Ok(_)) | (Ok(_), Err(pause)) => Err(refusal(pause, now)),
            (Err(one), Err(other)) => Err(refusal(if one.until > other.until { one } else { other }, now)),
        }
    }

    /// The password was not even looked at: both get the attempt back.
    pub(super) async fn take_back(&self, tx: &Tx) -> Result<(), Problem> {
        let now = tx.act().now;
        throttles::lock(tx, &[&self.account, &self.address]).await?;
        let account = throttles::get(tx, &self.account).await?.forgive(PER_ACCOUNT, now);
        let address = throttles::get(tx, &self.address).await?.forgive(PER_ADDRESS, now);
        Ok(throttles::put(tx, &[(&self.account, account), (&self.address, address)]).await?)
    }

    /// The password was right: the account's failures are forgotten, the address gets this attempt back.
    pub(super) async fn succeed(&self, tx: &Tx) -> Result<(), Problem> {
        throttles::lock(tx, &[&self.account, &self.address]).await?;
        throttles::forget(tx, &self.account).await?;
        let address = throttles::get(tx, &self.address)
            .await?
            .forgive(PER_ADDRESS, tx.act().now);
        Ok(throttles::put(tx, &[(&self.address, address)]).await?)
    }
}

fn refusal(pause: Pause, now: Timestamp) -> Problem {
    let seconds = (pause.until.millis() - now.millis() + 999)
        .div_euclid(1000)
        .max(1);
    Problem::new(Code::TooManyRequests)
        .detail("Too many attempts to log in; wait before the next one")
        .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
}
