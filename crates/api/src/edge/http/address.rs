//! From which address a request comes: the socket's, or what trusted proxies say.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

use crate::edge::settings::Settings;

/// The address of the client: the right-most one that is no trusted proxy. Without a socket, as in a test, the
/// unspecified address.
///
/// `X-Forwarded-For` goes before `Forwarded`, since most proxies keep the former up to date and pass the latter on.
pub fn of(settings: &Settings, request: &HttpRequest) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    if !settings.trusts(peer) {
        return peer;
    }
    let hops = hops(request.headers());
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        let Some(address) = *hop else { break };
        nearest = address;
        if !settings.trusts(address) {
            break;
        }
    }
    nearest
}

/// The unit in which addresses are counted: one of IPv4, a network of 64 bits of IPv6, which one household has.
pub fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The hops that proxies wrote down, the nearest last; `None` where one hides its name.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let text = |name: HeaderName| {
        let values: Vec<&str> = headers
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .collect();
        values.join(",")
    };
    if headers.contains_key(X_FORWARDED_FOR) {
        return text(X_FORWARDED_FOR).split(',').map(node).collect();
    }
    let forwarded = text(FORWARDED);
    if forwarded.is_empty() {
        return vec![];
    }
    split_outside_quotes(&forwarded, ',')
        .into_iter()
        .map(forwarded_for)
        .collect()
}

/// The node of `for=` in one element of a Forwarded header (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = split_outside_quotes(element, ';')
        .into_iter()
        .filter_map(|pair| pair.split_once('='));
    let value = pairs
        .into_iter()
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?
        .1
        .trim();
    node(
        value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value),
    )
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c: char| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
    .collect()
}

/// An address, perhaps in brackets, perhaps with a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse::<IpAddr>()
        .ok()
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use actix_web::test::TestRequest;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            front_end_origins: vec![],
            trusted_proxies: ["10.0.0.0/8", "2001:db8::1/128"]
                .map(|network| network.parse().unwrap())
                .into(),
            request_time: Duration::from_secs(30),
            body_time: Duration::from_secs(10),
        };
        let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        of(&settings, &request.to_http_request()).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(
            client("192.0.2.1:4", &[("x-forwarded-for", "203.0.113.9")]),
            "192.0.2.1"
        );
        assert_eq!(client("[::ffff:192.0.2.1]:4", &[]), "192.0.2.1");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        for (value, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.7, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::9]:80", "2001:db8::9"),
            ("10.0.0.3", "10.0.0.3"),
            ("203.0.113.9, unknown, 10.1.1.1", "10.1.1.1"),
            ("unknown", "10.0.0.2"),
            ("", "10.0.0.2"),
        ] {
            assert_eq!(
                client("10.0.0.2:4", &[("x-forwarded-for", value)]),
                expected,
                "{value}"
            );
        }
        let lines = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "10.1.1.1"),
        ];
        assert_eq!(client("10.0.0.2:4", &lines), "203.0.113.9");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        for (value, expected) in [
            ("for=203.0.113.9;proto=http;by=10.0.0.2", "203.0.113.9"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            (
                "for=198.51.100.7;ext=\"a,b;for=1.1.1.1\", proto=https;for=203.0.113.9",
                "203.0.113.9",
            ),
            ("for=_hidden, for=10.1.1.1", "10.1.1.1"),
            ("proto=https", "10.0.0.2"),
        ] {
            assert_eq!(client("10.0.0.2:4", &[("forwarded", value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let six = counted("2001:db8:1:2:3:4:5:6".parse().unwrap());
        assert_eq!(six.to_string(), "2001:db8:1:2::");
        assert_eq!(counted("192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1");
    }
}
