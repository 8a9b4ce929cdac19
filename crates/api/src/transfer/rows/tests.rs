//! Files as they come: valid ones in every form, and broken ones with their errors.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn open(bytes: impl Into<Vec<u8>>) -> Result<Rows, Failure> {
    Rows::open(Cursor::new(bytes.into()), &FileFacts::default())
}

fn read(rows: Rows) -> Vec<Vec<String>> {
    let mut rows = rows;
    let mut all = vec![];
    while let Some(row) = rows.next().unwrap() {
        all.push(row.cells);
    }
    all
}

fn failure(bytes: impl Into<Vec<u8>>) -> String {
    open(bytes).and_then(Rows::survey).unwrap_err().code
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn every_usual_dress_is_the_same_file() {
    let expected = [
        ["Ada, Countess", "ada@example.com"],
        ["Zoë\nSmith", "zoe@example.com"],
    ];
    let plain = "name,email\n\"Ada, Countess\",ada@example.com\n\"Zoë\nSmith\",zoe@example.com\n";
    let marked = format!("\u{feff}{plain}");
    let semicolons = "name;email\r\n\"Ada, Countess\";ada@example.com\r\n\r\n\"Zoë\nSmith\";zoe@example.com";
    let tabs = "name\temail\n\"Ada, Countess\"\tada@example.com\n\"Zoë\nSmith\"\tzoe@example.com\n";
    let mut wide = vec![0xff, 0xfe];
    wide.extend(plain.encode_utf16().flat_map(u16::to_le_bytes));
    for bytes in [
        plain.as_bytes().to_vec(),
        marked.into_bytes(),
        semicolons.as_bytes().to_vec(),
        tabs.as_bytes().to_vec(),
        gzip(plain.as_bytes()),
        wide,
    ] {
        let rows = open(bytes).unwrap();
        assert_eq!(rows.facts().columns, ["name", "email"]);
        assert_eq!(read(rows), expected);
    }
}

#[test]
fn a_named_encoding_is_read() {
    let said = FileFacts {
        encoding: Some("latin1".into()),
        ..FileFacts::default()
    };
    let rows = Rows::open(Cursor::new(b"name\nJ\xfcrgen\n".to_vec()), &said).unwrap();
    assert_eq!(rows.facts().encoding.as_deref(), Some("windows-1252"));
    assert_eq!(read(rows), [["Jürgen"]]);
    assert_eq!(failure(b"name\nJ\xfcrgen\n".to_vec()), "not_utf8");
    let unknown = FileFacts {
        encoding: Some("klingon".into()),
        ..FileFacts::default()
    };
    let refused = Rows::open(Cursor::new(b"a\n1\n".to_vec()), &unknown)
        .err()
        .unwrap();
    assert_eq!(refused.code, "unknown_encoding");
}

#[test]
fn a_broken_file_is_told_in_words() {
    let million = vec!["c"; 1_000_000].join(",");
    let thousands: Vec<String> = (0..2000).map(|n| format!("c{n}")).collect();
    let endless = format!("a,b\n1,\"{}", "x".repeat(3 << 20));
    let mut torn = gzip("a,b\n1,2\n".repeat(1000).as_bytes());
    torn.truncate(torn.len() / 2);
    for (bytes, code) in [
        (vec![], "empty_file"),
        (b" \n\n".to_vec(), "empty_file"),
        (b"\"a,b\"\n\"1,2\"\n".to_vec(), "quoted_lines"),
        (b"a,b\n\"1,2\"\n".to_vec(), "quoted_lines"),
        (b"a,b,a\n1,2,3\n".to_vec(), "duplicate_column"),
        (b",,\n1,2,3\n".to_vec(), "no_header"),
        (b"a,b\n1,2,3\n4\n".to_vec(), "ragged_file"),
        (
            b"a,b\n1,2\n3,\"4\n5,6\n7,8\n9,\"\"10\n".to_vec(),
            "unclosed_quote",
        ),
        (b"a,b\n1,2\n3,\"4\n5,6\n7,8\n".to_vec(), "unclosed_quote"),
        (b"a,b\n1,2\n\"3,4\n5,6\n".to_vec(), "unclosed_quote"),
        (million.into_bytes(), "row_too_long"),
        (thousands.join(",").into_bytes(), "too_many_columns"),
        (endless.into_bytes(), "row_too_long"),
        (b"PK\x03\x04rest".to_vec(), "not_text"),
        (b"a,b\n1,\0\n".to_vec(), "not_text"),
        (torn, "corrupt_gzip"),
        (b"[{\"a\": 1}]".to_vec(), "not_ndjson"),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(failure(bytes), code, "{shown}");
    }
}

#[test]
fn a_wrong_delimiter_is_told() {
    let said = FileFacts {
        delimiter: Some(','),
        ..FileFacts::default()
    };
    let refused = Rows::open(Cursor::new(b"a;b\n1;2\n".to_vec()), &said)
        .err()
        .unwrap();
    assert_eq!(refused.code, "wrong_delimiter");
}

#[test]
fn a_ragged_row_is_one_broken_row() {
    let mut rows = open("a,b\n1,2\n3\n5,6\n").unwrap();
    let mut told = vec![];
    while let Some(row) = rows.next().unwrap() {
        told.push((row.number, row.line, row.fault.map(|fault| fault.code)));
    }
    assert_eq!(told, [(1, 2, None), (2, 3, Some("ragged_row")), (3, 4, None)]);
}

#[test]
fn objects_are_rows_by_their_members() {
    let text = "{\"email\": \"a@example.com\", \"company\": {\"name\": \"A\"}, \"n\": 5}\n\n{\"email\": null, \"vip\": true}\n{\n[1]\n{\"tags\": [1]}\n";
    let facts = open(text).unwrap().survey().unwrap();
    assert_eq!(
        (facts.columns.join(" "), facts.rows),
        ("company.name email n vip".into(), Some(5))
    );
    let mut rows = Rows::open(Cursor::new(text.as_bytes().to_vec()), &facts).unwrap();
    let first = rows.next().unwrap().unwrap();
    assert_eq!(first.cells, ["A", "a@example.com", "5", ""]);
    let second = rows.next().unwrap().unwrap();
    assert_eq!((second.cells.join("|"), second.line), ("|||true".into(), 3));
    for _ in 0..3 {
        assert_eq!(
            rows.next().unwrap().unwrap().fault.unwrap().code,
            "malformed_json"
        );
    }
}

#[test]
#[ignore = "packs and unpacks more than 1 GiB: cargo test -p tandem-api --lib -- --ignored a_bomb"]
fn a_bomb_bursts_at_its_limit() {
    let line = "a,b\n".repeat(1 << 16);
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    for _ in 0..=(decoding::MAX_UNPACKED / line.len() as u64) {
        packed.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(failure(packed.finish().unwrap()), "too_large");
}

proptest! {
    #[test]
    fn no_bytes_break_the_reading(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(rows) = open(bytes) {
            let _ = rows.survey();
        }
    }

    #[test]
    fn what_a_csv_writer_writes_is_read(cells in prop::collection::vec("[a-z ,;\"\n]{0,12}x", 2..20)) {
        let mut writer = csv::Writer::from_writer(vec![]);
        writer.write_record(["first", "second"]).unwrap();
        for pair in cells.chunks_exact(2) {
            writer.write_record(pair).unwrap();
        }
        let rows = read(open(writer.into_inner().unwrap()).unwrap());
        let expected: Vec<Vec<String>> = cells.chunks_exact(2).map(<[String]>::to_vec).collect();
        prop_assert_eq!(rows, expected);
    }
}

/// The rows with the lines on which they begin.
fn lines(text: &str) -> Vec<(i64, i64)> {
    let mut rows = open(text).unwrap();
    let mut all = vec![];
    while let Some(row) = rows.next().unwrap() {
        assert_eq!(row.fault, None, "{row:?}");
        all.push((row.number, row.line));
    }
    all
}

#[test]
fn lines_are_counted_however_they_end() {
    let plain = "a,b\n1,2\n\n\"3\nx\",4\n5,6\n";
    let expected = [(1, 2), (2, 4), (3, 6)];
    assert_eq!(lines(plain), expected);
    assert_eq!(lines(&plain.replace('\n', "\r\n")), expected);
    assert_eq!(lines(&plain.replace('\n', "\r")), expected);
    assert_eq!(
        lines(&format!("sep=,\r\n{}", plain.replace('\n', "\r\n"))),
        [(1, 3), (2, 5), (3, 7)]
    );
}

#[test]
fn what_spreadsheets_add_says_nothing() {
    for text in [
        "a;b\n1,5;2\n",
        "sep=;\na;b\n1,5;2\n",
        "\u{feff}sep=;\r\na;b\r\n1,5;2\r\n",
        "\"sep=;\"\na;b\n1,5;2\n",
        "SEP=;\r\na;b\r\n1,5;2\r\n",
        "sep=;;;\na;b\n1,5;2\n",
        "sep=\t\na\tb\n1,5\t2\n",
        "Sep=\t\r\na\tb\r\n1,5\t2\r\n",
        "a;b\n1,5;2\n;\n ; \n",
        "a;b\n;;;;\n1,5;2;;;\n",
    ] {
        let rows = open(text).unwrap();
        assert_eq!(rows.facts().columns, ["a", "b"], "{text}");
        assert_eq!(read(rows), [["1,5", "2"]], "{text}");
    }
    let wide = open("a,b,,\n1,2\n3,4,,\n").unwrap();
    assert_eq!(read(wide), [["1", "2", "", ""], ["3", "4", "", ""]]);
    let mut broken = open("a,b\n1,2,3\n").unwrap();
    assert_eq!(broken.next().unwrap().unwrap().fault.unwrap().code, "ragged_row");
}
