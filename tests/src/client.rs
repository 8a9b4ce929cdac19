//! The HTTP client of the tests: a call is a sentence, and every answer is held against the document.

use std::future::{Future, IntoFuture};
use std::ops::Index;
use std::pin::Pin;
use std::time::Duration;

use awc::http::{Method, header};
use futures::StreamExt;
use serde_json::Value;
use tandem_api::ambient::Ambient;
use tandem_api::program::serve::Running;

use crate::contract::{Seen, contract};

/// A running service, seen from outside.
pub struct Server {
    /// The service itself.
    pub running: Running,
    clock: Ambient,
    client: awc::Client,
}

/// A request that is sent when it is awaited.
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    inner: awc::ClientRequest,
    method: Method,
    path: String,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path of the request.
    pub of: String,
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: JSON, or text as a string, or `null` where there is none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Server {
    /// A client of a running service.
    pub fn new(running: Running, clock: Ambient) -> Self {
        let client = awc::Client::builder().timeout(Duration::from_secs(60)).disable_redirects().finish();
        Self { running, clock, client }
    }

    /// Stop the service; the client's connections are closed before.
    pub async fn stop(self) {
        let Self { running, client, .. } = self;
        drop(client);
        running.stop().await;
    }

    /// Any request, a millisecond after the one before. `path` may carry a query, percent-encoded.
    pub fn request(&self, method: &str, path: &str) -> Request {
        self.clock.advance(1);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}{path}", self.running.address);
        let inner = self.client.request(method.clone(), url);
        Request { inner, method, path: path.to_owned(), body: vec![] }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// A PUT.
    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    /// A PATCH.
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }
}

impl Request {
    /// By somebody: a user's access token or a secret key.
    pub fn by(self, credential: impl AsRef<str>) -> Self {
        let bearer = format!("Bearer {}", credential.as_ref());
        self.header("authorization", bearer)
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.inner = self.inner.insert_header((name, value.as_ref()));
        self
    }

    /// With an `Idempotency-Key`.
    pub fn once(self, key: impl AsRef<str>) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a JSON body; a PATCH is a merge patch.
    pub fn json(self, body: Value) -> Self {
        let kind =
            if self.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        self.body(kind, body.to_string())
    }

    /// With a body of bytes, whatever they are.
    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body, ..self.header("content-type", media_type) }
    }

    /// Send it, and panic where the answer departs from the document.
    async fn send(self) -> Answer {
        let Self { inner, method, path, body } = self;
        let of = format!("{method} {path}");
        let mut response = inner.send_body(body).await.unwrap_or_else(|error| panic!("{of}: {error}"));
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // A stream does not end: its first piece stands for it.
        let bytes = match kind == Some("text/event-stream") {
            true => response.next().await.transpose().unwrap_or_default().unwrap_or_default(),
            false => {
                let body = response.body().limit(64 << 20).await;
                body.unwrap_or_else(|error| panic!("{of}: {error}"))
            }
        };
        let named = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers: Vec<(String, String)> = response.headers().iter().map(named).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = (!bytes.is_empty())
            .then(|| serde_json::from_slice(&bytes).unwrap_or_else(|_| text.clone().into()));
        let status = response.status().as_u16();
        let seen = Seen {
            method: method.as_str(),
            path: path.split('?').next().unwrap_or(&path),
            status,
            headers: &headers,
            body: body.as_ref(),
        };
        let departures = contract().departures(&seen);
        assert!(departures.is_empty(), "{of} answers {status} against the document: {departures:#?}\n{text}");
        assert_ne!(status, 500, "{of}: {text}");
        Answer { of, status, headers, body: body.unwrap_or_default(), text }
    }
}

impl IntoFuture for Request {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.of, self.text);
        self
    }

    /// The answer, which must be this problem.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}: {}", self.of, self.text);
        self
    }

    /// The code of a problem, else nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The violations of a problem: where and which.
    pub fn violations(&self) -> Vec<(&str, &str)> {
        let text = |value: &'_ Value| value.as_str().map(str::len).unwrap_or_default();
        let place = |error: &'_ Value| {
            ["pointer", "parameter", "header"].into_iter().find(|name| text(&error[*name]) > 0)
        };
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors
            .iter()
            .map(|error| {
                let place = place(error).and_then(|name| error[name].as_str()).unwrap_or_default();
                (place, error["code"].as_str().unwrap_or_default())
            })
            .collect()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The entity tag.
    #[track_caller]
    pub fn etag(&self) -> &str {
        self.header("etag").unwrap_or_else(|| panic!("{}: no ETag", self.of))
    }

    /// The id of the resource.
    #[track_caller]
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("{}: no id: {}", self.of, self.text)).to_owned()
    }

    /// One member of each item of a list, as text.
    pub fn each(&self, member: &str) -> Vec<String> {
        let items = self.body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}
