//! Attempts at passwords: counted before the work is done, for all replicas together.

use std::net::IpAddr;

use tandem_domain::access::throttle::{
    Allowance, PER_ACCOUNT, PER_ADDRESS, PER_PAIR, Pause, REMEMBERED, Throttle,
};
use tandem_domain::instant::Timestamp;
use tandem_store::Tx;
use tandem_store::access::throttles;

use crate::edge::crypto::hex;
use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::address;
use crate::edge::http::problem::{Code, Problem};

/// The keyed hashes under which a login attempt is counted: e-mail and IP address together, the e-mail alone, and the
/// IP address alone.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pair: String,
    account: String,
    address: String,
}

impl Attempt {
    /// An attempt at the account with this e-mail, whether or not there is one.
    pub(super) fn new(master: &MasterKey, email: &str, from: IpAddr) -> Self {
        let key =
            |what: &str, name: &str| hex(&master.mac("throttle", format!("{what}\u{0}{name}").as_bytes()));
        let address = address::counted(from).to_string();
        Self {
            pair: key("pair", &format!("{email}\u{0}{address}")),
            account: key("account", email),
            address: key("address", &address),
        }
    }

    /// Count it, or refuse it. The limit of the account from all addresses together does not apply to an address that has
    /// logged in to it before: the guesses of others never lock it out.
    pub(super) async fn count(&self, tx: &Tx) -> Result<(), Problem> {
        let now = tx.act().now;
        let (mut counted, mut pauses) = (vec![], vec![]);
        for (key, allowance, throttle) in self.locked(tx).await? {
            match throttle.attempt(allowance, now) {
                Ok(throttle) => counted.push((key, throttle)),
                Err(pause) => pauses.push(pause),
            }
        }
        match pauses.into_iter().max_by_key(|pause| pause.until) {
            Some(pause) => Err(refusal(pause, now)),
            None => Ok(throttles::put(tx, &counted).await?),
        }
    }

    /// The password was not even looked at: the attempt is taken back.
    pub(super) async fn take_back(&self, tx: &Tx) -> Result<(), Problem> {
        let forgiven: Vec<(&str, Throttle)> = forgiven(tx, self.locked(tx).await?).collect();
        Ok(throttles::put(tx, &forgiven).await?)
    }

    /// The password was right: the failures from this address are forgotten, the attempt is taken back elsewhere, and the
    /// address is remembered.
    pub(super) async fn succeed(&self, tx: &Tx) -> Result<(), Problem> {
        let forgiven = forgiven(tx, self.locked(tx).await?);
        let elsewhere: Vec<(&str, Throttle)> = forgiven.filter(|(key, _)| *key != self.pair).collect();
        throttles::put(tx, &elsewhere).await?;
        throttles::forget(tx, &self.pair).await?;
        Ok(throttles::remember(tx, &self.pair, tx.act().now.plus_millis(REMEMBERED)).await?)
    }

    /// What the attempt is counted by, locked.
    async fn locked(&self, tx: &Tx) -> Result<Vec<Limited<'_>>, Problem> {
        let keys = [self.pair.as_str(), &self.address, &self.account];
        throttles::lock(tx, &keys).await?;
        let throttles_of_keys = throttles::get(tx, &keys).await?;
        let allowances = [PER_PAIR, PER_ADDRESS, PER_ACCOUNT];
        let limits = keys.into_iter().zip(allowances).zip(throttles_of_keys);
        let most = match throttles::is_known(tx, &self.pair).await? {
            true => 2,
            false => 3,
        };
        Ok(limits
            .map(|((key, allowance), throttle)| (key, allowance, throttle))
            .take(most)
            .collect())
    }
}

/// A key, what it allows, and the attempts behind it.
type Limited<'a> = (&'a str, Allowance, Throttle);

fn forgiven<'a>(tx: &Tx, limits: Vec<Limited<'a>>) -> impl Iterator<Item = (&'a str, Throttle)> {
    let now = tx.act().now;
    let forgive = move |(key, allowance, throttle): Limited<'a>| (key, throttle.forgive(allowance, now));
    limits.into_iter().map(forgive)
}

fn refusal(pause: Pause, now: Timestamp) -> Problem {
    let seconds = (pause.until.millis() - now.millis() + 999)
        .div_euclid(1000)
        .max(1);
    Problem::new(Code::TooManyRequests)
        .detail("Too many attempts to log in; wait before the next one")
        .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
}
