//! Query strings and path segments, typed by the published document.

use super::json::{bug, operation_key, shapes};
use super::problem::{Code, Location, Problem, Violation};
use crate::edge::room::PathRule;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use percent_encoding::percent_decode_str;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::future::{Ready, ready};

/// The query parameters of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// The named segments of the path. What cannot be parsed names nothing: 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// Two sets of parameters of one query, each of which leaves the other's alone; what neither knows was refused by the
/// published document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Both<A, B>(pub A, pub B);

impl<'de, A: DeserializeOwned, B: DeserializeOwned> Deserialize<'de> for Both<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let query = Value::deserialize(deserializer)?;
        let one = A::deserialize(&query).map_err(de::Error::custom)?;
        Ok(Self(one, B::deserialize(&query).map_err(de::Error::custom)?))
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(checked_query(req).and_then(|value| typed(req, &value)).map(Query))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Path<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let nothing = || Problem::new(Code::NotFound);
        let text = percent_decode_str(req.uri().path()).decode_utf8();
        if text.is_err() || text.is_ok_and(|text| text.contains('\0')) {
            return ready(Err(nothing()));
        }
        let segments = web::Path::<T>::from_request(req, payload).into_inner();
        ready(
            segments
                .map(|path| Path(path.into_inner()))
                .map_err(|_| nothing()),
        )
    }
}

/// The query of a request as an object in the document's types, all parameters known and valid; unknown ones are left out
/// where the path's rule says so.
///
/// Also for handlers that take no query, so that an unknown parameter is refused everywhere else.
pub fn checked_query(req: &HttpRequest) -> Result<Value, Problem> {
    let key = operation_key(req);
    let shape = shapes(req)?
        .query(&key)
        .ok_or_else(|| bug(format!("the document has no operation {key}")))?;
    let query = req.query_string();
    let read = match PathRule::of_request(req).ignores_unknown {
        true => shape.read_known(query),
        false => shape.read(query),
    };
    read.map_err(Problem::invalid_parameters)
}

fn typed<T: DeserializeOwned>(req: &HttpRequest, value: &Value) -> Result<T, Problem> {
    T::deserialize(value).map_err(|_| {
        let key = operation_key(req);
        tracing::error!(
            key,
            "a query that matches its schema cannot be deserialized: schema and type disagree"
        );
        let place = Location::Parameter(String::new());
        Problem::invalid_parameters(vec![Violation::new(
            place,
            "invalid_format",
            "does not have the documented form",
        )])
    })
}

#[cfg(test)]
mod tests {
    use crate::edge::openapi::sample::{codes, send};
    use actix_web::test::TestRequest;
    use serde_json::{Value, json};

    async fn get(uri: &str) -> (u16, Value) {
        send(TestRequest::get().uri(uri), "").await
    }

    #[actix_web::test]
    async fn a_query_is_decoded_and_typed() {
        let (status, answer) =
            get("/v1/leads?limit=20&stage=mql%2Clead&q=a+b%2B%C3%A9&&archived=true&share=0.5").await;

        assert_eq!(status, 200);
        let expected =
            json!({"limit": 20, "stage": ["mql", "lead"], "q": "a b+é", "archived": true, "share": 0.5});
        assert_eq!(answer, expected);
    }

    #[actix_web::test]
    async fn a_list_is_separated_by_commas_or_repeated() {
        for (query, expected) in [
            ("stage=mql,lead", Value::Null),
            ("stage=mql&stage=lead", Value::Null),
            ("stage=mql&limit=20&stage=lead", json!(20)),
        ] {
            let (status, answer) = get(&format!("/v1/leads?{query}")).await;
            assert_eq!(
                (status, &answer["stage"]),
                (200, &json!(["mql", "lead"])),
                "{query}"
            );
            assert_eq!(answer["limit"], expected, "{query}");
        }
        let (status, answer) = get("/v1/leads?stage=mql&stage=x").await;
        assert_eq!(
            (status, codes(&answer)),
            (400, vec!["stage: not_allowed".to_owned()])
        );
    }

    #[actix_web::test]
    async fn everything_wrong_with_a_query_comes_at_once() {
        let uri = "/v1/leads?limt=1&limit=0&stage=mql,sql,x&archived=yes&q=%FF&share=1&share=2&%00=1";

        let (status, answer) = get(uri).await;

        assert_eq!((status, &answer["code"]), (400, &json!("invalid_parameter")));
        let expected = [
            "%00: invalid_format",
            "archived: invalid_type",
            "limit: out_of_range",
            "limt: unknown_parameter",
            "q: invalid_format",
            "share: duplicate_parameter",
            "stage: not_allowed",
        ];
        assert_eq!(codes(&answer), expected);
        assert_eq!(
            answer["errors"][3]["detail"],
            "unknown parameter; did you mean `limit`?"
        );
    }

    #[actix_web::test]
    async fn numbers_are_numbers_only() {
        for (text, code) in [
            ("x", "invalid_type"),
            ("1.5", "invalid_type"),
            ("", "invalid_type"),
            ("0x1", "invalid_type"),
            ("1e2", "invalid_type"),
            ("2E1", "invalid_type"),
            ("20.0", "invalid_type"),
            ("%205", "invalid_type"),
            ("5+", "invalid_type"),
            ("99999999999999999999", "out_of_range"),
            ("-0", "out_of_range"),
        ] {
            let (status, answer) = get(&format!("/v1/leads?limit={text}")).await;
            assert_eq!(
                (status, codes(&answer)),
                (400, vec![format!("limit: {code}")]),
                "{text}"
            );
        }
        assert_eq!(get("/v1/leads?share=0.50").await.0, 200);
    }

    #[actix_web::test]
    async fn an_operation_without_parameters_refuses_every_parameter() {
        let (status, answer) = get("/v1/leads/7?verbose=1").await;

        assert_eq!(status, 400);
        assert_eq!(codes(&answer), ["verbose: unknown_parameter"]);
    }

    #[actix_web::test]
    async fn a_path_that_cannot_be_parsed_names_nothing() {
        assert_eq!(get("/v1/leads/7").await, (200, json!(7)));
        for path in ["x", "-1", "4294967296", "%00", "7%00", "%FF"] {
            let (status, answer) = get(&format!("/v1/leads/{path}")).await;
            assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "{path}");
        }
    }
}
