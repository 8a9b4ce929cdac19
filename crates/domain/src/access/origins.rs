//! Origins of web pages and apps, as browsers name them.

use std::net::Ipv6Addr;

use crate::fault::Fault;

/// The origins as browsers send them, each once.
pub(crate) fn origins(wanted: &[String], faults: &mut Vec<Fault>) -> Vec<String> {
    let mut sound: Vec<String> = vec![];
    for (index, text) in wanted.iter().enumerate() {
        match origin(text) {
            Some(origin) if sound.contains(&origin) => {}
            Some(origin) => sound.push(origin),
            None => {
                let detail = "is not an origin such as https://www.example.com: scheme, host, optional port";
                faults.push(Fault::new(
                    format!("/allowed_origins/{index}"),
                    "invalid_format",
                    detail,
                ));
            }
        }
    }
    sound
}

/// The schemes of addresses that no page is loaded from: what they would send as an origin is `null`.
const NO_PAGES: [&str; 5] = ["ftp", "ws", "wss", "file", "null"];

/// An origin as browsers send it (RFC 6454, ASCII serialisation): lower case, IDNA, no default port. One host
/// exactly: no path, no `*`, no credentials. Apps have schemes of their own (`capacitor://localhost`).
pub fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        app if is_scheme(app) && !NO_PAGES.contains(&app) => None,
        _ => return None,
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':')?)
            };
            (format!("[{address}]"), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(authority)?, None),
        },
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        Some(_) => return None,
        None => None,
    };
    match port {
        Some(0) => None,
        Some(port) if Some(port) != default_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

/// Whether a text is a scheme (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(is_inner)
}

pub(crate) fn host_name(text: &str) -> Option<String> {
    let host = idna::domain_to_ascii(text).ok()?;
    let is_sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let has_sound_labels = host.split('.').all(|label| (1..=63).contains(&label.len()));
    (host.len() <= 253 && has_sound_labels && host.bytes().all(is_sound)).then_some(host)
}
