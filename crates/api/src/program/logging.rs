//! Logs on standard error: for people on a terminal, as JSON lines otherwise.
//!
//! Nothing here writes a personal value: libraries that would print whole requests or rows are kept at `warn`
//! unless they are named by the operator, and a panic is logged by its place, with its message only where
//! that is fixed text.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};

/// What a wider level does not open.
const QUIET: &str = "actix_http=warn,actix_server=warn,actix_web=warn,h2=warn,rustls=warn,\
                     sea_orm=warn,sea_orm_migration=warn,sqlx=warn,hyper=warn,awc=warn";

/// Why logging could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoggingError {
    /// The directives cannot be read.
    #[error("the log directives are invalid")]
    Directives,
    /// Somebody in this process has started it before.
    #[error("logging was started before")]
    Started,
}

/// Start logging, and log panics, for the whole process: once, by the binary alone.
pub fn init(directives: &str, json: bool) -> Result<(), LoggingError> {
    let started = if json {
        tracing::subscriber::set_global_default(as_json(directives, std::io::stderr)?)
    } else {
        tracing::subscriber::set_global_default(as_text(directives, std::io::stderr)?)
    };
    started.map_err(|_| LoggingError::Started)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Whether nobody is there to read a human log.
pub fn wants_json() -> bool {
    !std::io::stderr().is_terminal()
}

fn as_json<W>(directives: &str, writer: W) -> Result<impl Subscriber + Send + Sync, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let json = SubscriberBuilder::default()
        .json()
        .flatten_event(true)
        .with_span_list(false);
    Ok(json
        .with_env_filter(filter(directives)?)
        .with_writer(writer)
        .finish())
}

fn as_text<W>(directives: &str, writer: W) -> Result<impl Subscriber + Send + Sync, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let text = SubscriberBuilder::default()
        .with_env_filter(filter(directives)?)
        .with_writer(writer);
    Ok(text
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .finish())
}

/// The quiet libraries first: a later directive for the same target replaces the earlier one. Where nothing
/// above `warn` is asked for there is nothing to quieten.
fn filter(directives: &str) -> Result<EnvFilter, LoggingError> {
    let asked = parse(directives)?;
    if asked
        .max_level_hint()
        .is_some_and(|widest| widest <= LevelFilter::WARN)
    {
        return Ok(asked);
    }
    parse(&format!("{QUIET},{directives}"))
}

fn parse(directives: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::builder()
        .parse(directives)
        .map_err(|_| LoggingError::Directives)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("[formatted]");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(place, said, %backtrace, "panicked"),
        _ => tracing::error!(place, said, "panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::subscriber::with_default;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(directives: &str, write: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        with_default(as_json(directives, move || writer.clone()).unwrap(), write);
        kept.text()
    }

    #[test]
    fn a_json_line_holds_its_fields_and_its_span() {
        let text = logged("info", || {
            let _request = tracing::info_span!("request", request_id = "req_x").entered();
            tracing::info!(status = 200, "answered");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&line["message"], &line["status"]),
            (&"answered".into(), &200.into())
        );
        assert_eq!(
            (&line["level"], &line["span"]["request_id"]),
            (&"INFO".into(), &"req_x".into())
        );
    }

    #[test]
    fn a_wider_level_opens_no_library_that_prints_requests() {
        let write = || {
            tracing::trace!(target: "actix_http::h1", "Authorization: Bearer x");
            tracing::debug!(target: "sqlx::query", "select");
            tracing::debug!(target: "tandem_api", "ours");
        };
        let text = logged("trace", write);
        assert!(
            text.contains("ours") && !text.contains("Bearer") && !text.contains("select"),
            "{text}"
        );
        assert!(logged("info,sqlx=debug", write).contains("select"));
        assert_eq!(logged("info", write), "");
    }

    #[test]
    fn a_narrower_level_silences_libraries_too() {
        let write = || tracing::warn!(target: "actix_server::worker", "theirs");
        assert_eq!(logged("error", write), "");
        assert_eq!(logged("off", write), "");
        assert!(logged("info", write).contains("theirs"));
    }

    #[test]
    fn the_human_form_is_one_plain_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        with_default(as_text("info", move || writer.clone()).unwrap(), || {
            tracing::info!(status = 200, "answered")
        });
        assert!(kept.text().contains("answered status=200") && kept.text().lines().count() == 1);
    }

    #[test]
    fn directives_that_cannot_be_read_are_refused() {
        assert_eq!(init("info,/x=y=z", true), Err(LoggingError::Directives));
    }
}
