//! The script that a website loads: `tandem.js`, with its comments and indentation left out, and compressed once.

use std::sync::LazyLock;

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use actix_web::{HttpResponse, get};

use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::asset::Asset;
use crate::edge::http::services::Services;

/// The script as it is written.
const SOURCE: &str = include_str!("tandem.js");
/// The address stays the same from version to version: a day later every browser has the new one, and none waits for it.
const FOR_A_DAY: &str = "public, max-age=86400, stale-while-revalidate=604800";

/// The operation of this file.
pub fn configure(config: &mut Services<'_>) {
    config.service(get_script);
}

/// Get the script for websites.
///
/// A page that loads the script sends its views, events and forms to this service only. The script is the same for
/// every website: the tag that loads it has the publishable key and the options. Below 5 KiB compressed, without
/// dependencies.
#[utoipa::path(tag = "tracking", security(()),
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript",
        headers(("ETag" = String, description = "The script's version")))))]
#[get("/tandem.js")]
async fn get_script(ctx: Ctx<Public>) -> HttpResponse {
    SCRIPT.answer(ctx.request(), "text/javascript; charset=utf-8", |response| {
        response
            .insert_header((CACHE_CONTROL, FOR_A_DAY))
            // Any page may load it, those that check its integrity or are isolated from other origins too.
            .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header(("cross-origin-resource-policy", "cross-origin"));
    })
}

static SCRIPT: LazyLock<Asset> = LazyLock::new(|| Asset::of(lean(SOURCE).into_bytes()));

/// A script without indentation, empty lines and lines that are comments, but for its first, which says what it is.
///
/// Lines stay lines, so that nothing hangs on where statements end. The source holds no text that spans lines.
fn lean(source: &str) -> String {
    let kept = source
        .lines()
        .enumerate()
        .map(|(at, line)| (at, line.trim()))
        .filter(|(at, line)| *at == 0 || !(line.is_empty() || line.starts_with("//")));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_means_nothing() {
        let source = "// What it is\n\n  // why\n  var a = 1; // stays\n\n\tvar b = \"// no comment\";\n";
        assert_eq!(
            lean(source),
            "// What it is\nvar a = 1; // stays\nvar b = \"// no comment\";\n"
        );
    }

    #[test]
    fn the_source_holds_nothing_that_spans_lines() {
        assert!(!SOURCE.contains(['`', '\u{2028}', '\u{2029}']) && !SOURCE.contains("/*"));
        assert!(!SOURCE.lines().any(|line| line.ends_with('\\')));
    }
}
