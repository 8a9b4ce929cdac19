//! The databases: on each kind one in which a form and a thousand companies are known, and copies of it.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;

use super::crowd::{Connection, Next};
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
        base.create("template0")?;
        base.prepare()?;
        let server = base.start()?;
        let key = server.key()?;
        let mut client = Client::connect(server.address, Some(&key))?;
        let form_key = form_key(&mut client, form::form())?;
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
        let mut home = Home { dir, ..self.base.clone() };
        if let Some(url) = &self.base.url {
            let (server, base) = url.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
            home.url = Some(format!("{server}/{base}_{}", name.replace('-', "_")));
            home.create(base)?;
        }
        Ok(home)
    }

    /// Who sends its form, beginning with the first stranger.
    pub fn sender(&self) -> Rc<Sender> {
        Rc::new(Sender::new(self.form_key.clone()))
    }

    /// Captures of people whom nobody knows yet.
    pub fn strangers(&self) -> Next {
        let sender = self.sender();
        Rc::new(move || sender.stranger())
    }

    /// Remove it.
    pub fn strike(&self) -> Result<(), Failure> {
        self.base.strike()
    }
}

/// Creates a form and returns its publishable key.
pub fn form_key(client: &mut Client, form: Value) -> Result<String, Failure> {
    let created = client.succeed(&Request::post("/v1/forms", form))?;
    Ok(created.json()?["key"].as_str().unwrap_or_default().to_owned())
}

fn sibling(base: &std::path::Path, name: &str) -> PathBuf {
    let own = base.file_name().unwrap_or_default().to_string_lossy();
    base.with_file_name(format!("{own}-{name}"))
}
