//! The program `tandem` with a rule more: with `COUNT_CAUSES` set, a server also counts how often rules are asked (see
//! tests/siege/causes.py).

use std::process::ExitCode;
use std::sync::Arc;

use tandem_domain::judge;
use tandem_tests::counting::Counting;

fn main() -> ExitCode {
    let mut rules = judge::rules();
    if std::env::var_os("COUNT_CAUSES").is_some() {
        rules.push(Arc::new(Counting));
    }
    tandem::run(rules)
}
