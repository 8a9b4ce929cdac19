//! `tandem demo`: a year of a believable company, by the real rules under a given clock and seed.

mod cast;
mod dice;
mod plan;
mod year;

use actix_web::web;
use tandem_domain::instant::Timestamp;
use tandem_store as store;

use self::plan::Plan;
use self::year::{Stopped, Tally, Year};
use tandem_api::access::admin::{self, CannotCreate};
use tandem_api::ambient::Ambient;
use tandem_api::edge::core::Core;
use tandem_api::edge::crypto::password::Passwords;

const DAY: i64 = 86_400_000;

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum NoDemo {
    /// There are users or leads.
    #[error(
        "the database is not empty: the demo fills a new one; name another place in TANDEM_DATA_DIR or DATABASE_URL"
    )]
    NotEmpty,
    /// Its administrator could not be made.
    #[error(transparent)]
    Admin(#[from] CannotCreate),
    /// The year stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What was made.
#[derive(Debug)]
pub struct Demo {
    /// Where the year begins.
    pub from: Timestamp,
    /// Where it ends.
    pub to: Timestamp,
    /// The administrator's e-mail.
    pub email: &'static str,
    /// The administrator's password.
    pub password: String,
    /// What came of it.
    pub tally: Tally,
}

/// Fill an empty database with the year that ends at an instant.
pub async fn fill(core: web::Data<Core>, seed: u64, to: Timestamp) -> Result<Demo, NoDemo> {
    let from = to.plus_millis(-365 * DAY);
    if !store::settings::is_new(&core.db).await.map_err(Stopped::from)? {
        return Err(NoDemo::NotEmpty);
    }
    let at = Ambient::manual(from, seed);
    let password = admin::make_password();
    let (email, name) = cast::ADMIN;
    admin::create_admin(
        &core.db,
        core.part::<Passwords>(),
        email,
        name,
        &password,
        at.act("demo"),
    )
    .await?;

    let plan = Plan::draw(seed, from, to);
    let mut year = Year::found(core, seed, from).await?;
    let mut entries = plan.entries.as_slice();
    while let Some(first) = entries.first() {
        let end = from.plus_millis(((first.at.millis() - from.millis()) / DAY + 1) * DAY);
        let (day, rest) = entries.split_at(entries.partition_point(|entry| entry.at < end));
        year.day(&plan, day).await?;
        entries = rest;
    }
    Ok(Demo {
        from,
        to,
        email,
        password,
        tally: year.tally,
    })
}

impl Demo {
    /// What to look at, for people. `address` is where the service will answer, `serve` the command that starts it.
    pub fn told(&self, address: &str, serve: &str) -> String {
        let of = |what| self.tally.of(what);
        let (from, to) = (&self.from.to_string()[..10], &self.to.to_string()[..10]);
        let deals = of("deals");
        format!(
            "{company}, {from} to {to}: a company that does not exist, by the rules of the real one.\n\n\
             \x20 {submitted:>6} submissions of 4 forms, {rejected} more with a mistyped e-mail\n\
             \x20 {met:>6} people met at two fairs\n\
             \x20 {moves:>6} stage changes by marketing and sales\n\
             \x20 {deals:>6} deals: {won} won, {lost} lost, {open} open\n\n\
             Stop what serves on {address}, and start a server with the same settings:\n\n\
             \x20 {serve}\n\n\
             In another terminal log in as {email} with the password {password}, and look:\n\n\
             \x20 TOKEN=$(curl -s {address}/v1/auth/login -H 'Content-Type: application/json' \\\n\
             \x20   -d '{{\"email\": \"{email}\", \"password\": \"{password}\"}}' | sed -n 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/p')\n\
             \x20 curl -s -H \"Authorization: Bearer $TOKEN\" '{address}/v1/reports/funnel?by=source&from={from}&to={to}'\n\
             \x20 curl -s -H \"Authorization: Bearer $TOKEN\" '{address}/v1/leads?stage=opportunity&sort=-updated_at'\n\
             \x20 curl -s -H \"Authorization: Bearer $TOKEN\" '{address}/v1/deals?state=won'\n\
             \x20 curl -s -H \"Authorization: Bearer $TOKEN\" '{address}/v1/submissions?status=rejected'\n",
            company = cast::COMPANY,
            submitted = of("submitted"),
            rejected = of("rejected"),
            met = of("met"),
            moves = of("moves"),
            won = of("won"),
            lost = of("lost"),
            open = deals - of("won") - of("lost"),
            email = self.email,
            password = self.password,
        )
    }
}
