//! Values that do not fit: a secondary one is omitted and warned of, and its row is imported without it.

use serde_json::{Map, Value};
use tandem_domain::fault::Fault;
use tandem_domain::leads::country::country as country_code;
use tandem_domain::money::NoAmount;

/// What is odd about a row that is imported: a code and a sentence.
pub(super) type Warnings = Vec<(&'static str, String)>;

/// The code of a country that is given by its code or its name.
pub(super) fn country(field: &str, text: &str, unfit: &mut Vec<Fault>) -> Option<String> {
    let code = country_code(text);
    if code.is_none() {
        let detail = "is not a country: a code of ISO 3166-1 or a name";
        unfit.push(Fault::new(field, "invalid_value", detail));
    }
    code
}

/// Warn of unfit values that are omitted. A number that can be read in two ways rejects its row: the mapping must state
/// which sign is which, and the file is imported again.
pub(super) fn sort_out(unfit: Vec<Fault>, faults: &mut Vec<Fault>, warnings: &mut Warnings) {
    let (ambiguous, omitted): (Vec<_>, Vec<_>) = unfit
        .into_iter()
        .partition(|fault| fault.code == NoAmount::Ambiguous.code());
    faults.extend(ambiguous);
    warnings.extend(omitted.iter().map(warning));
}

/// Remove from a body what is unfit, and warn of it; what is unfit among the members that are needed is a fault.
pub(super) fn omit(
    body: &mut Value,
    unfit: Vec<Fault>,
    needed: &[&str],
    faults: &mut Vec<Fault>,
    warnings: &mut Warnings,
) {
    for fault in unfit {
        let place = fault.pointer.trim_start_matches('/');
        let (member, within) = place.split_once('/').unwrap_or((place, ""));
        match body.as_object_mut().filter(|_| !needed.contains(&member)) {
            Some(members) => {
                remove(members, member, within);
                warnings.push(warning(&fault));
            }
            None => faults.push(fault),
        }
    }
}

/// Remove a member, or what is unfit within one that stands for several fields.
fn remove(members: &mut Map<String, Value>, member: &str, within: &str) {
    let parts = ["company", "custom", "first_touch"];
    let part = members.get_mut(member).and_then(Value::as_object_mut);
    if let Some(part) = part.filter(|_| parts.contains(&member) && !within.is_empty()) {
        part.remove(within.split('/').next().unwrap_or(within));
        if !part.is_empty() {
            return;
        }
    }
    members.remove(member);
}

fn warning(fault: &Fault) -> (&'static str, String) {
    let field = fault.pointer.trim_start_matches('/').replace('/', ".");
    (fault.code, format!("{field}: {}; it is omitted", fault.detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secondary_value_is_omitted_and_a_needed_one_is_a_fault() {
        let mut body = json!({"email": "x", "job_title": 1, "budget": {"amount": -1, "currency": "EUR"},
            "company": {"name": "Acme", "domain": "n/a"}, "first_touch": {"medium": 1}});
        let (mut faults, mut warnings) = (vec![], vec![]);
        let places = [
            "/email",
            "/job_title",
            "/budget/amount",
            "/company/domain",
            "/first_touch/medium",
        ];
        let unfit = places.map(|place| Fault::new(place, "invalid_format", "is unfit"));
        omit(&mut body, unfit.into(), &["email"], &mut faults, &mut warnings);
        assert_eq!(body, json!({"email": "x", "company": {"name": "Acme"}}));
        assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/email"));
        assert_eq!(
            warnings[2],
            (
                "invalid_format",
                "company.domain: is unfit; it is omitted".to_owned()
            )
        );
    }
}
