//! The script that websites load.

use tandem_tests::TestApp;

#[tandem_tests::test]
async fn the_script_is_small_and_kept_by_browsers(app: &TestApp) {
    let plain = app.get("/tandem.js").header("accept-encoding", "identity").await.expect(200);
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.text.starts_with("// Tandem") && plain.text.contains("/v1/collect?key="), "{}", plain.text);
    for reaches in [
        "eval(",
        "new Function",
        "innerHTML",
        "document.write",
        "createElement(\"script\")",
        "http://",
        "https://",
    ] {
        assert!(!plain.text.contains(reaches), "{reaches}");
    }
    for name in ["cache-control", "access-control-allow-origin", "cross-origin-resource-policy", "vary"] {
        let value = plain.header(name).unwrap_or_default();
        let told = ["public, max-age=86400", "*", "cross-origin", "accept-encoding"];
        assert!(told.iter().any(|told| value.starts_with(told)), "{name}: {value}");
    }

    let gzip = app.get("/tandem.js").header("accept-encoding", "gzip, deflate, br").await.expect(200);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let length: usize = gzip.header("content-length").unwrap().parse().unwrap();
    assert!((1000..5 * 1024).contains(&length), "{length} bytes");
    assert_ne!(gzip.etag(), plain.etag(), "two forms, two tags");

    for (answer, accepted) in [(&plain, "identity"), (&gzip, "gzip")] {
        let request = app.get("/tandem.js").header("accept-encoding", accepted);
        let again = request.header("if-none-match", answer.etag()).await.expect(304);
        assert_eq!((again.text.as_str(), again.etag()), ("", answer.etag()));
    }
    let other = app.get("/tandem.js").header("accept-encoding", "gzip").header("if-none-match", "\"old\"");
    other.await.expect(200);
}
