//! The people, keys and leads of a test: given in a word.

use serde_json::json;

use crate::app::TestApp;
use crate::client::Answer;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// A user who is logged in. Wherever a credential is asked for it stands for its access token.
#[derive(Debug, Clone)]
pub struct User {
    /// Who.
    pub id: String,
    /// The e-mail it logs in with.
    pub email: String,
    /// The access token, good for 15 minutes.
    pub token: String,
    /// The refresh token.
    pub refresh: String,
}

impl AsRef<str> for User {
    fn as_ref(&self) -> &str {
        &self.token
    }
}

impl TestApp {
    /// A number that nobody had before, for names.
    pub fn next(&self) -> u32 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    /// The first admin, made with the set-up token.
    pub async fn admin(&self) -> &User {
        let make = async || {
            let (token, email) = (self.setup_token().await, "admin@example.com");
            let body = json!({"token": token, "email": email, "name": "Ada Admin", "password": PASSWORD});
            self.post("/v1/setup").json(body).await.expect(201);
            self.login(email).await
        };
        self.admin.get_or_init(make).await
    }

    /// The set-up token that a start would print.
    pub async fn setup_token(&self) -> String {
        tandem_api::access::ensure_setup_token(&self.running.core).await.unwrap().unwrap()
    }

    /// Log in with [`PASSWORD`].
    pub async fn login(&self, email: &str) -> User {
        let body = json!({"email": email, "password": PASSWORD});
        let tokens = self.post("/v1/auth/login").json(body).await.expect(200);
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let (token, refresh) = (text("access_token"), text("refresh_token"));
        let me = self.get("/v1/me").by(&token).await.expect(200);
        User { id: me["user"]["id"].as_str().unwrap().to_owned(), email: email.to_owned(), token, refresh }
    }

    /// A new user of a role, logged in.
    pub async fn user(&self, role: &str) -> User {
        let email = format!("{role}{}@example.com", self.next());
        let body = json!({"email": email, "name": format!("A {role}"), "role": role, "password": PASSWORD});
        self.post("/v1/users").by(self.admin().await).json(body).await.expect(201);
        self.login(&email).await
    }

    /// The secret of a new key with these scopes.
    pub async fn key(&self, scopes: &[&str]) -> String {
        let body = json!({"name": format!("key {}", self.next()), "scopes": scopes});
        let made = self.post("/v1/api-keys").by(self.admin().await).json(body).await.expect(201);
        made["secret"].as_str().unwrap().to_owned()
    }

    /// A lead with this e-mail, made by the admin.
    pub async fn given_lead(&self, email: &str) -> Answer {
        self.post("/v1/leads").by(self.admin().await).json(json!({"email": email})).await.expect(201)
    }

    /// Confirm everything that the agreement asks for before an SQL, as the admin may; an SAL becomes an SQL by it.
    pub async fn qualified(&self, lead: &str) -> Answer {
        let item = json!({"confirmed": true});
        let all = json!({"budget": item, "authority": item, "need": item, "timeline": item});
        let path = format!("/v1/leads/{lead}/qualification");
        self.patch(&path).by(self.admin().await).json(all).await.expect(200)
    }

    /// Move a lead as the admin may, whose own role counts for every move.
    pub async fn moved(&self, lead: &str, to: &str, because: Option<&str>) -> Answer {
        if to == "sql" {
            return self.qualified(lead).await;
        }
        let mut body = json!({"to": to, "note": "as agreed"});
        if let Some(reason) = because {
            body["reason"] = json!(reason);
        }
        self.post(&format!("/v1/leads/{lead}/transitions"))
            .by(self.admin().await)
            .json(body)
            .await
            .expect(201)
    }
}
