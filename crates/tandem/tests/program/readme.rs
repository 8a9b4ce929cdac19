//! The README's walk, run as it stands: by `sh` and `curl`, against a service on each database.

use std::process::{Command, Output};

use serde_json::Value;
use tandem_api::access;
use tandem_tests::TestApp;

/// The commands of the README's section with this heading, in their order.
fn commands(heading: &str) -> String {
    let readme = include_str!("../../../../README.md");
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

/// Run a script that ends at the first command that fails, and hand back what it printed.
async fn run(script: String) -> Output {
    let ran =
        actix_web::rt::task::spawn_blocking(move || Command::new("bash").arg("-c").arg(script).output());
    ran.await.unwrap().unwrap()
}

#[tandem_tests::test]
async fn the_walk_of_the_readme_tells_the_story_of_a_lead(app: &TestApp) {
    let token = access::ensure_setup_token(&app.running.core).await.unwrap().unwrap();
    let walk = commands("A walk through it")
        .replace("http://127.0.0.1:8080", &format!("http://{}", app.running.address))
        .replace("tdm_it_...", &token)
        // An answer that is no success is printed, and ends nothing: the README shows one.
        .replace("curl -s", "curl --silent --show-error");
    let last = "\nprintf '\\n%s %s %s %s\\n' \"$TOKEN\" \"$LEAD\" \"$HANDOFF\" \"$DEAL\"\n";
    let ran = run(format!("set -euo pipefail\n{walk}{last}")).await;
    let (said, faults) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{faults}");
    let refused: Vec<&str> = said.matches("\"type\":\"/problems/").collect();
    assert_eq!(refused.len(), 1, "the one that the README shows: {said}");

    let mut words = said.lines().last().unwrap().split(' ');
    let mut word = || words.next().unwrap().to_owned();
    let (by, lead, handoff, deal) = (word(), word(), word(), word());
    let lead = app.get(&format!("/v1/leads/{lead}")).by(&by).await.expect(200);
    assert_eq!(lead["stage"], "customer");
    assert_eq!(lead["first_touch"]["channel"], "paid_search");
    let funnel = app.get("/v1/reports/funnel?by=source").by(&by).await.expect(200);
    assert_eq!(funnel["rows"][0]["key"], "google");
    let handoff = app.get(&format!("/v1/handoffs/{handoff}")).by(&by).await.expect(200);
    assert_eq!(handoff["state"], "accepted");
    assert_eq!(handoff["made_by"], "rule");
    let states: Vec<&Value> =
        handoff["clocks"].as_array().unwrap().iter().map(|clock| &clock["state"]).collect();
    assert_eq!(states, ["met", "met", "met"]);
    let deal = app.get(&format!("/v1/deals/{deal}")).by(&by).await.expect(200);
    assert_eq!(deal["state"], "won");
}
