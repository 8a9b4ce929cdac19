//! The form of a publishable key, and the origins that may submit it, cached for a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::{HeaderMap, HeaderValue, ORIGIN};
use actix_web::{HttpRequest, web};
use tandem_domain::id::FormId;
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::{Db, StoreError};

use crate::edge::core::Core;
use crate::edge::crypto::secret;
use crate::edge::http::problem::{Code, Problem};

/// How old a known door may be, in milliseconds.
const FRESH: i64 = 1000;
/// The most doors that are known at a time.
const MOST: usize = 1024;

/// What is asked before a submission is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownForm {
    /// The form behind the key.
    pub form_id: FormId,
    allowed_origins: Vec<String>,
    is_archived: bool,
    closes_at: Option<Timestamp>,
}

/// The doors of one worker, each known for a second at most. The decision itself reads the form in its transaction.
#[derive(Debug, Default)]
pub struct KnownForms(Mutex<HashMap<String, (Timestamp, KnownForm)>>);

impl KnownForms {
    /// The door of a key; `None` where the key is unknown or expired, or the form archived.
    pub async fn find(&self, db: &Db, key: &str, now: Timestamp) -> Result<Option<KnownForm>, StoreError> {
        if secret::FormKey::parse(key).is_none() {
            return Ok(None);
        }
        let door = match self.known(key, now) {
            Some(door) => door,
            None => match store::capture::find_by_key(db, key).await? {
                None => return Ok(None),
                Some((key, form)) => {
                    let door = KnownForm {
                        form_id: form.id,
                        allowed_origins: form.allowed_origins,
                        is_archived: form.archived_at.is_some(),
                        closes_at: key.expires_at,
                    };
                    self.keep(key.key, door.clone(), now);
                    door
                }
            },
        };
        Ok(Some(door).filter(|door| door.is_open(now)))
    }

    /// The door of a key, if it was looked up within the last second.
    pub fn known(&self, key: &str, now: Timestamp) -> Option<KnownForm> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, door) = doors.get(key)?;
        is_fresh(*read_at, now).then(|| door.clone())
    }

    fn keep(&self, key: String, door: KnownForm, now: Timestamp) {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= MOST {
            doors.retain(|_, (read_at, _)| is_fresh(*read_at, now));
        }
        if doors.len() >= MOST {
            doors.clear();
        }
        doors.insert(key, (now, door));
    }
}

fn is_fresh(read_at: Timestamp, now: Timestamp) -> bool {
    (0..FRESH).contains(&(now.millis() - read_at.millis()))
}

impl KnownForm {
    fn is_open(&self, now: Timestamp) -> bool {
        !self.is_archived && self.closes_at.is_none_or(|closes_at| now < closes_at)
    }

    /// Whether pages of this origin may send the form.
    pub fn admits(&self, origin: &HeaderValue) -> bool {
        is_admitted(&self.allowed_origins, origin)
    }

    /// From where a request comes.
    pub fn sender(&self, headers: &HeaderMap) -> Sender {
        match headers.get(ORIGIN) {
            None => Sender::Known,
            Some(origin) if origin == HIDDEN => Sender::Hidden,
            Some(origin) if self.admits(origin) => Sender::Known,
            Some(_) => Sender::Foreign,
        }
    }
}

/// Whether a list of origins admits one. A hidden origin counts as none, since any server could send the same.
pub fn is_admitted(allowed_origins: &[String], origin: &HeaderValue) -> bool {
    origin == HIDDEN || allowed_origins.iter().any(|allowed| origin == allowed.as_str())
}

/// The origin that browsers send where a page hides it (`Referrer-Policy: no-referrer` or `same-origin`), or has none (a
/// sandboxed frame): <https://fetch.spec.whatwg.org/#origin-header>.
const HIDDEN: &str = "null";

/// From where a form is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// From a page of a listed origin, or by a server, which names none.
    Known,
    /// From a page that does not say its origin.
    Hidden,
    /// From a page of another origin.
    Foreign,
}

/// The door that the key in the request's path opens.
pub async fn of(request: &HttpRequest) -> Result<Option<KnownForm>, Problem> {
    let bug = |what: &str| Problem::new(Code::InternalError).because(what);
    let core = request.app_data::<web::Data<Core>>();
    let core = core.ok_or_else(|| bug("the core is not in the application's data"))?;
    let doors = request.app_data::<web::Data<KnownForms>>();
    let doors = doors.ok_or_else(|| bug("the doors are not in the application's data"))?;
    let key = request.match_info().query("form_key");
    Ok(doors.find(&core.db, key, core.ambient.now()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_domain::id::Ids;

    fn door(closes_at: Option<Timestamp>) -> KnownForm {
        KnownForm {
            form_id: Ids::new(Timestamp::from_millis(0), 0).next(),
            allowed_origins: vec!["https://www.example.com".into()],
            is_archived: false,
            closes_at,
        }
    }

    #[test]
    fn a_door_is_known_for_a_second_at_most() {
        let doors = KnownForms::default();
        doors.keep("fk_a".into(), door(None), Timestamp::from_millis(5000));

        for (millis, is_known) in [(5000, true), (5999, true), (6000, false), (4999, false)] {
            let known = doors.known("fk_a", Timestamp::from_millis(millis));
            assert_eq!(known.is_some(), is_known, "{millis}");
        }
    }

    #[test]
    fn the_known_doors_are_bounded() {
        let doors = KnownForms::default();
        for n in 0..3 * MOST as i64 {
            doors.keep(format!("fk_{n}"), door(None), Timestamp::from_millis(n / 100));
        }
        assert!(doors.0.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_key_closes_at_the_end_of_its_grace_time() {
        let door = door(Some(Timestamp::from_millis(10)));
        assert!(door.is_open(Timestamp::from_millis(9)) && !door.is_open(Timestamp::from_millis(10)));
    }

    #[test]
    fn only_the_very_origin_is_admitted() {
        let door = door(None);
        assert!(door.admits(&HeaderValue::from_static("https://www.example.com")));
        for other in [
            "http://www.example.com",
            "https://www.example.com:8443",
            "https://example.com",
            "",
        ] {
            assert!(!door.admits(&HeaderValue::from_static(other)), "{other}");
        }
        let sender = |origin: &'static str| {
            let header = (ORIGIN, HeaderValue::from_static(origin));
            door.sender(&HeaderMap::from_iter([header]))
        };
        assert_eq!(door.sender(&HeaderMap::new()), Sender::Known);
        assert_eq!(
            ["https://www.example.com", "null", "Null"].map(sender),
            [Sender::Known, Sender::Hidden, Sender::Foreign]
        );
    }
}
