//! The databases: on each kind one in which a form and a thousand companies are known, and copies of it.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::crowd::Connection;
use super::form::{self, COMPANIES, Sender};
use crate::Failure;
use crate::client::{Client, Request};
use crate::server::Home;

/// The first thing that is known of both: what every copy begins with.
pub struct Stage {
    base: Home,
    /// The publishable key of the form.
    pub form_key: String,
}

impl Stage {
    /// Make the schema, the form and the companies.
    pub fn set(base: Home) -> Result<Self, Failure> {
        let _ = fs::remove_dir_all(&base.dir);
        if let Some(url) = &base.url {
            crate::wait_for(make(url, "template0"))?;
        }
        base.prepare()?;
        let server = base.start()?;
        let key = server.key()?;
        let mut client = Client::connect(server.address, Some(&key))?;
        let made = client.succeed(&Request::post("/v1/forms", form::form()))?;
        let form_key = made.json()?["key"].as_str().unwrap_or_default().to_owned();
        let sender = Sender::new(form_key.clone());
        crate::wait_for(async {
            let mut connection = Connection::to(server.address).await?;
            for company in 0..COMPANIES {
                let told = connection.ask(&sender.first(company)).await?;
                if told.status != 201 {
                    return Err(format!("the first captures were answered {}", told.status).into());
                }
            }
            Ok(())
        })?;
        server.stop()?;
        crate::wait_for(crate::fill::settle(&base.place()))?;
        Ok(Self { base, form_key })
    }

    /// A copy of it.
    pub fn copy(&self, name: &str) -> Result<Home, Failure> {
        let dir = sibling(&self.base.dir, name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        for file in fs::read_dir(&self.base.dir)? {
            let file = file?;
            if file.file_type()?.is_file() {
                fs::copy(file.path(), dir.join(file.file_name()))?;
            }
        }
        let mut home = Home {
            dir,
            ..self.base.clone()
        };
        if let Some(url) = &self.base.url {
            let (server, base) = url.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
            let copy = format!("{server}/{base}_{}", name.replace('-', "_"));
            crate::wait_for(make(&copy, base))?;
            home.url = Some(copy);
        }
        Ok(home)
    }

    /// Who sends its form, beginning with the first stranger.
    pub fn sender(&self) -> Rc<Sender> {
        Rc::new(Sender::new(self.form_key.clone()))
    }

    /// Remove it.
    pub fn strike(&self) -> Result<(), Failure> {
        strike(&self.base)
    }
}

/// Remove a copy, its database too.
pub fn strike(home: &Home) -> Result<(), Failure> {
    let _ = fs::remove_dir_all(&home.dir);
    if let Some((server, name)) = home.url.as_ref().and_then(|url| url.rsplit_once('/')) {
        let drop = [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")];
        crate::wait_for(crate::execute(&format!("{server}/postgres"), &drop))?;
    }
    Ok(())
}

fn sibling(base: &std::path::Path, name: &str) -> PathBuf {
    let own = base.file_name().unwrap_or_default().to_string_lossy();
    base.with_file_name(format!("{own}-{name}"))
}

async fn make(url: &str, template: &str) -> Result<(), Failure> {
    let (server, name) = url.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
    let statements = [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE {template}"),
    ];
    crate::execute(&format!("{server}/postgres"), &statements).await
}

/// One connection below the store.
pub async fn connect(url: &str) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

/// The rows of a query whose columns are texts.
pub async fn texts<const N: usize>(on: &DatabaseConnection, sql: &str) -> Result<Vec<[String; N]>, Failure> {
    let statement = Statement::from_string(on.get_database_backend(), sql);
    let mut all = vec![];
    for row in on.query_all_raw(statement).await? {
        let mut columns = [const { String::new() }; N];
        for (place, column) in columns.iter_mut().enumerate() {
            *column = row.try_get_by_index(place)?;
        }
        all.push(columns);
    }
    Ok(all)
}
