//! What is wrong with a calendar, all at once.

use crate::clocks::{Calendar, CalendarDocument};
use crate::fault::Fault;

fn faults(document: serde_json::Value) -> Vec<(String, String)> {
    let document: CalendarDocument = serde_json::from_value(document).unwrap();
    let told = |fault: Fault| (fault.pointer, fault.detail);
    Calendar::new(&document)
        .unwrap_err()
        .into_iter()
        .map(told)
        .collect()
}

fn pointers(document: serde_json::Value) -> Vec<String> {
    faults(document).into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn all_faults_are_named_at_once() {
    let found = faults(serde_json::json!({
        "timezone": "Europe/Atlantis",
        "week": {
            "mon": [["09:00", "13:00"], ["12:59", "18:00"]],
            "tue": [["22:00", "02:00"]],
            "wed": [["24:00", "24:00"], ["9:00", "18:00"]],
            "thu": [["09:00", "24:01"], ["09:60", "10:00"]],
            "fri": [["09:00", "09:00"]],
        },
        "holidays": ["2026-12-25", "2026-02-29", "25.12.2026", "2026-W52-5"],
    }));
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/timezone",
            "/week/mon/1",
            "/week/tue/0",
            "/week/wed/0/0",
            "/week/wed/1/0",
            "/week/thu/0/1",
            "/week/thu/1/0",
            "/week/fri/0",
            "/holidays/1",
            "/holidays/2",
            "/holidays/3",
        ]
    );
    assert!(found.iter().all(|(_, detail)| !detail.is_empty()));
}

#[test]
fn a_calendar_that_is_never_open_is_refused() {
    assert_eq!(
        pointers(serde_json::json!({"timezone": "UTC", "week": {}})),
        ["/week"]
    );
}

#[test]
fn overlaps_are_found_whatever_the_order_and_touching_is_allowed() {
    let week =
        |intervals: serde_json::Value| serde_json::json!({"timezone": "UTC", "week": {"sun": intervals}});
    let nested = week(serde_json::json!([
        ["00:00", "24:00"],
        ["10:00", "11:00"],
        ["12:00", "13:00"]
    ]));
    assert_eq!(pointers(nested), ["/week/sun/1", "/week/sun/2"]);
    let twice = week(serde_json::json!([
        ["10:00", "11:00"],
        ["09:00", "10:00"],
        ["10:00", "11:00"]
    ]));
    assert_eq!(pointers(twice), ["/week/sun/2"]);
    let touching = week(serde_json::json!([["13:00", "24:00"], ["00:00", "13:00"]]));
    let document = serde_json::from_value(touching).unwrap();
    assert!(Calendar::new(&document).is_ok());
}

#[test]
fn unknown_members_are_refused() {
    for document in [
        serde_json::json!({"timezone": "UTC", "week": {"monday": []}}),
        serde_json::json!({"timezone": "UTC", "week": {}, "zone": "UTC"}),
        serde_json::json!({"timezone": "UTC", "week": {"mon": [["09:00"]]}}),
    ] {
        assert!(serde_json::from_value::<CalendarDocument>(document).is_err());
    }
}
