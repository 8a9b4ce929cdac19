//! Many records in one request: each is read by itself, by the form of the operation that takes one.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::{Unparsed, shapes};
use super::problem::{Code, Location, Problem, REQUEST_ID, Violation};
use super::strict;

/// The most records of one request.
pub const MOST: usize = 500;

/// The records of a batch in the member `list` of its body, each read by the form of another operation (`POST
/// /v1/leads`), or why it cannot be read.
pub fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    body: &Unparsed,
    list: &'static str,
    operation: &str,
) -> Result<Vec<Result<T, Problem>>, Problem> {
    let (body, unreadable) = strict::parse_apart(&body.0, list)?;
    let items = items_of(body, list)?;
    let shape = shapes(request)?
        .body(operation)
        .ok_or_else(|| Problem::new(Code::InternalError))?;
    let read = items.iter().enumerate().map(|(index, item)| {
        if let Some(code) = unreadable.get(&index) {
            return Err(Problem::new(*code));
        }
        let violations = shape.check(item);
        if !violations.is_empty() {
            return Err(Problem::invalid(violations));
        }
        T::deserialize(item).map_err(|_| {
            let detail = "does not have the documented form";
            Problem::invalid(vec![Violation::new(Location::body(), "invalid_format", detail)])
        })
    });
    Ok(read.collect())
}

/// The status and the document of a refused item.
pub fn refused(problem: &Problem) -> (i32, Value) {
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let status = i32::from(problem.code().status().as_u16());
    (status, problem.document(&request_id))
}

/// The items of the outer object, which has no other member.
fn items_of(body: Value, list: &'static str) -> Result<Vec<Value>, Problem> {
    let refuse = |place, code, detail: &str| Err(Problem::invalid(vec![Violation::new(place, code, detail)]));
    let Value::Object(mut members) = body else {
        return refuse(Location::body(), "invalid_type", "must be an object");
    };
    let items = members.remove(list);
    if let Some(name) = members.keys().next() {
        let detail = format!("unknown field; did you mean `{list}`?");
        return refuse(Location::at([name]), "unknown_field", &detail);
    }
    match items {
        None => refuse(Location::at([list]), "required", "is required"),
        Some(Value::Array(items)) if items.is_empty() => {
            refuse(Location::at([list]), "too_few_items", "must have at least 1 item")
        }
        Some(Value::Array(items)) if items.len() > MOST => refuse(
            Location::at([list]),
            "too_many_items",
            "must have at most 500 items",
        ),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => refuse(Location::at([list]), "invalid_type", "must be an array"),
    }
}
