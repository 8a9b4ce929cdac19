//! What the operator configured, as far as requests are concerned.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

/// What the operator configured about requests and connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// The address by which the world knows it, without a slash at the end.
    pub public_url: Option<String>,
    /// Origins of front ends that may call with users' tokens.
    pub front_end_origins: Vec<String>,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a whole request may take, from its head to the answer.
    pub request_time: Duration,
    /// How long a request's body may take to arrive.
    pub body_time: Duration,
}

impl Settings {
    /// Whether what this peer says about forwarded addresses is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}
