//! A keep-alive HTTP client that waits for one answer at a time and takes its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// One request.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

impl Request {
    /// Read something.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None }
    }

    /// Send something.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: "POST", path: path.into(), body: Some(body) }
    }

    /// Replaces something.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self { method: "PUT", path: path.into(), body: Some(body) }
    }
}

/// An answer, and how long it took from the first byte sent to the last byte received.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    token: Option<String>,
}

impl Client {
    /// Connect; `token` goes with every request.
    pub fn connect(address: SocketAddr, token: Option<&str>) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), token: token.map(str::to_owned) })
    }

    /// Ask, and wait for the whole answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", request.method, request.path);
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        if request.body.is_some() {
            head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        let begun = Instant::now();
        self.stream.get_mut().write_all(format!("{head}\r\n{body}").as_bytes())?;
        let status: u16 = self.line()?.split(' ').nth(1).unwrap_or_default().parse()?;
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.starts_with("transfer-encoding:") {
                return Err("the answer has no length".into());
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body, took: begun.elapsed() })
    }

    /// Ask, and fail unless the answer is a success.
    pub fn succeed(&mut self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.ask(request)?;
        if !(200..300).contains(&answer.status) {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("{} {}: {} {body}", request.method, request.path, answer.status).into());
        }
        Ok(answer)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the server hung up".into());
        }
        Ok(line.trim_end().to_owned())
    }
}
