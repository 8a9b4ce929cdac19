//! What is wrong with an installation, in words.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tandem_store::Db;

use super::run::configuration;
use crate::serve::place;

const PATIENCE: Duration = Duration::from_secs(5);

/// Ask a running service whether it is ready.
pub fn ask(address: &str) -> Result<(), String> {
    let url = url::Url::parse(address).map_err(|error| format!("{address}: {error}"))?;
    let (Some(host), "http") = (url.host_str(), url.scheme()) else {
        return Err(format!("{address}: must be a plain http address"));
    };
    let port = url.port_or_known_default().unwrap_or(80);
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let socket = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(failed)?
        .next();
    let socket = socket.ok_or_else(|| format!("{address}: the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
        url.path()
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).map_err(failed)?;
    let first = String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    if first.split(' ').nth(1) == Some("200") {
        println!("{address}: ready");
        return Ok(());
    }
    Err(format!("{address}: not ready ({first})"))
}

/// Look at configuration, data directory and database.
pub fn look(file: Option<PathBuf>) -> Result<(), String> {
    let config = configuration(file)?;
    println!("configuration: good");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        if !config.data_dir.is_dir() && matches!(config.database, crate::config::Database::Sqlite { .. }) {
            println!(
                "data directory: {} is not there yet; the first start makes it",
                config.data_dir.display()
            );
            return Ok(());
        }
        let db = Db::connect(&place(&config), 1)
            .await
            .map_err(|error| error.to_string())?;
        db.ping().await.map_err(|error| error.to_string())?;
        println!("database: answers");
        let current = db.is_migrated().await.map_err(|error| error.to_string())?;
        println!(
            "schema: {}",
            if current {
                "up to date"
            } else {
                "behind; run `tandem migrate` or start the service"
            }
        );
        db.close().await;
        Ok(())
    })
}
