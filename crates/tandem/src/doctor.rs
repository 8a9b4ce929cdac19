//! What is wrong with an installation, in words.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tandem_store::{Db, Server, StoreError};

use crate::run::configuration;
use tandem_api::access;
use tandem_api::ambient::Ambient;
use tandem_api::edge::crypto::seal::MasterKey;
use tandem_api::program::config::{
    Database, first_bytes, load_master_key, prepare_data_dir, refuse_what_is_lost,
};
use tandem_api::program::serve::{StartError, place};

const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest PostgreSQL that will do.
const OLDEST: i32 = 14;
/// How the texts of a database must be written.
const ENCODING: &str = "UTF8";

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
    let socket = socket.ok_or_else(|| format!("{address}: the host name does not resolve"))?;
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
        print_line!("{address}: ready");
        return Ok(());
    }
    Err(format!("{address}: not ready ({first})"))
}

/// Look at configuration, data directory, master key and database, and make nothing. What keeps a service from starting
/// is an error, and so is a schema that is behind.
pub fn look(file: Option<PathBuf>) -> Result<(), String> {
    let config = configuration(file)?;
    print_line!("configuration: good");
    let embedded = match &config.database {
        Database::Sqlite { path } => Some(path),
        Database::Postgres { .. } => None,
    };
    if embedded.is_some() {
        let dir = &config.data_dir;
        if !dir.is_dir() {
            print_line!(
                "data directory: {} does not exist yet; the first start creates it",
                dir.display()
            );
            return Ok(());
        }
        prepare_data_dir(dir).map_err(|error| format!("data directory: {error}"))?;
    }
    let master = match &config.master_key {
        Some(key) => Some(key.clone()),
        None => load_master_key(&config.data_dir).map_err(|error| format!("master key: {error}"))?,
    };
    if let Some(path) = embedded {
        let looked = match &master {
            Some(_) => refuse_what_is_lost(path, true),
            None => first_bytes(path).map(drop),
        };
        looked.map_err(|error| format!("database: {error}"))?;
    }
    if let Some(path) = embedded.filter(|path| !path.is_file()) {
        print_line!(
            "database: {} does not exist yet; the first start creates it",
            path.display()
        );
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let db = Db::connect(&place(&config), 1)
            .await
            .map_err(|error| error.to_string())?;
        let looked = look_into(&db, master.as_ref()).await;
        db.close().await;
        looked
    })
}

async fn look_into(db: &Db, master: Option<&MasterKey>) -> Result<(), String> {
    let failed = |error: StoreError| format!("database: {error}");
    db.ping().await.map_err(failed)?;
    print_line!("database: answers");
    let damaged = |what: &str| format!("database: damaged ({what}); restore it from a backup");
    let faults = db
        .quick_check()
        .await
        .map_err(|error| damaged(&error.to_string()))?;
    if let Some(first) = faults.first() {
        return Err(damaged(first));
    }
    if let Some(server) = db.server().await.map_err(failed)? {
        print_line!("server: {}", judged(&server)?);
    }
    if !db.is_migrated().await.map_err(failed)? {
        return Err("schema: behind; run `tandem migrate` or start the service".to_owned());
    }
    print_line!("schema: up to date");
    let fits = access::key_fits(db, master, Ambient::system().now())
        .await
        .map_err(failed)?;
    match (fits, master) {
        (true, Some(_)) => print_line!("master key: good"),
        (true, None) => print_line!("master key: does not exist yet; the first start creates it"),
        (false, Some(_)) => return Err(format!("master key: {}", StartError::ForeignMasterKey)),
        (false, None) => {
            return Err("master key: missing; restore the key of this database".to_owned());
        }
    }
    Ok(())
}

/// What the server is, or why it will not do.
fn judged(server: &Server) -> Result<String, String> {
    let Server { version, encoding } = server;
    if *version < OLDEST {
        return Err(format!(
            "server: PostgreSQL {version} is too old: {OLDEST} or newer is needed"
        ));
    }
    if encoding != ENCODING {
        return Err(format!(
            "server: the database has the encoding {encoding}: create it with {ENCODING}"
        ));
    }
    Ok(format!("PostgreSQL {version}, {encoding}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_and_another_encoding_are_told() {
        let judge = |version, encoding: &str| {
            judged(&Server {
                version,
                encoding: encoding.to_owned(),
            })
        };
        assert_eq!(judge(14, "UTF8").unwrap(), "PostgreSQL 14, UTF8");
        assert!(judge(13, "UTF8").unwrap_err().contains("14 or newer"));
        assert!(judge(17, "SQL_ASCII").unwrap_err().contains("SQL_ASCII"));
    }
}
