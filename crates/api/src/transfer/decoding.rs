//! The layers between a file and its rows: gzip, the limit of what it may unpack to, its encoding, the limit of a row.

use std::io::{BufReader, Cursor, Error, Read, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use flate2::read::MultiGzDecoder;
use tandem_domain::transfer::Failure;

/// The most bytes that a file may unpack to.
pub const MAX_UNPACKED: u64 = 1024 * 1024 * 1024;
/// The most bytes of one row, or of the header.
pub const MAX_ROW: u64 = 1024 * 1024;
/// What readers take ahead of what they have understood.
const AHEAD: u64 = 256 * 1024;
/// The bytes from which encoding and delimiter are found out.
const HEAD: usize = 64 * 1024;

/// A failure on its way through a reader.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Carried(Failure);

/// A failure as an error of a reader.
pub fn carry(failure: Failure) -> Error {
    Error::other(Carried(failure))
}

/// The failure that an error of a reader stands for.
pub fn failure_of(error: Error) -> Failure {
    let told = error.to_string();
    match error.into_inner().map(|inner| inner.downcast::<Carried>()) {
        Some(Ok(carried)) => carried.0,
        _ => Failure::new("unreadable", format!("the file cannot be read: {told}")),
    }
}

/// What is read as text, and how much of it may be taken before the next row must have ended.
pub struct Text {
    /// The text in UTF-8, without a byte order mark.
    pub read: Box<dyn Read + Send>,
    /// Its first bytes.
    pub head: Vec<u8>,
    /// The encoding it came in.
    pub encoding: &'static Encoding,
    /// Up to where it may be read.
    pub allowance: Allowance,
}

/// Open a file: unpack it, and read it in its encoding (named, or found by its byte order mark, else UTF-8).
pub fn open(input: impl Read + Send + 'static, named: Option<&str>) -> std::result::Result<Text, Failure> {
    let (head, input) = peek(input, 4).map_err(failure_of)?;
    let plain: Box<dyn Read + Send> = match head[..] {
        [0x1f, 0x8b, ..] => Box::new(Unpacked(MultiGzDecoder::new(BufReader::new(input)))),
        [b'P', b'K', 3, 4] => {
            let detail = "the file is a ZIP archive or a workbook: unpack it, or save it as CSV";
            return Err(Failure::new("not_text", detail));
        }
        _ => Box::new(input),
    };
    let limited = Limited {
        inner: plain,
        left: MAX_UNPACKED,
    };
    let (head, plain) = peek(limited, HEAD).map_err(failure_of)?;
    if head.is_empty() {
        return Err(Failure::new("empty_file", "the file is empty"));
    }
    let marked = Encoding::for_bom(&head);
    let encoding = match named.map(|name| Encoding::for_label(name.as_bytes())) {
        Some(None) => {
            return Err(Failure::new("unknown_encoding", "the encoding is unknown"));
        }
        Some(Some(encoding)) => encoding,
        None => marked.map_or(UTF_8, |(encoding, _)| encoding),
    };
    let mark = marked
        .filter(|(found, _)| *found == encoding)
        .map_or(0, |(_, length)| length);
    let plain = skip(plain, mark).map_err(failure_of)?;
    let text: Box<dyn Read + Send> = if encoding == UTF_8 {
        Box::new(plain)
    } else {
        Box::new(Transcoded::new(
            plain,
            encoding.new_decoder_without_bom_handling(),
        ))
    };
    let text = Newlines {
        inner: text,
        is_after_return: false,
        is_within_line: false,
    };
    let allowance = Allowance {
        until: Arc::new(AtomicU64::new(MAX_ROW + AHEAD)),
        last: Arc::default(),
    };
    let within = Within {
        inner: text,
        taken: 0,
        allowance: allowance.clone(),
    };
    let (head, read) = peek(within, HEAD).map_err(failure_of)?;
    if head.contains(&0) {
        let detail = "the file contains the character NUL: it is not text, or its encoding must be stated";
        return Err(Failure::new("not_text", detail));
    }
    Ok(Text {
        read: Box::new(read),
        head,
        encoding,
        allowance,
    })
}

/// A reader whose first bytes were looked at.
type Peeked<R> = std::io::Chain<Cursor<Vec<u8>>, R>;

/// The first bytes of a reader, up to `most`, and the reader with them still in it.
fn peek<R: Read>(mut input: R, most: usize) -> Result<(Vec<u8>, Peeked<R>)> {
    let mut head = vec![];
    input.by_ref().take(most as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

fn skip<R: Read>(mut input: R, bytes: usize) -> Result<R> {
    std::io::copy(&mut input.by_ref().take(bytes as u64), &mut std::io::sink())?;
    Ok(input)
}

/// Gzip whose errors say what they are.
struct Unpacked<R>(R);

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer).map_err(|error| match error.get_ref() {
            Some(inner) if inner.is::<Carried>() => error,
            _ => carry(Failure::new(
                "corrupt_gzip",
                "the gzip archive is damaged or ends early",
            )),
        })
    }
}

/// A reader that has an end: bombs burst here.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| carry(Failure::new("too_large", "the file unpacks to more than 1 GiB")))?;
        Ok(read)
    }
}

/// Text whose lines all end alike, the last one too, so that they can be counted: by a line feed.
struct Newlines<R> {
    inner: R,
    is_after_return: bool,
    /// Whether the last line has not ended.
    is_within_line: bool,
}

impl<R: Read> Read for Newlines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            if let (0, true, Some(first)) = (read, self.is_within_line, buffer.first_mut()) {
                (*first, self.is_within_line) = (b'\n', false);
                return Ok(1);
            }
            let mut kept = 0;
            for place in 0..read {
                let byte = buffer[place];
                let is_second = byte == b'\n' && self.is_after_return;
                self.is_after_return = byte == b'\r';
                if !is_second {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
            }
            if let Some(last) = buffer[..kept].last() {
                self.is_within_line = *last != b'\n';
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Up to where a text may be read; moved on with each row.
#[derive(Debug, Clone)]
pub struct Allowance {
    until: Arc<AtomicU64>,
    last: Arc<AtomicU8>,
}

impl Allowance {
    /// The next row begins at this byte.
    pub fn row_at(&self, byte: u64) {
        self.until.store(byte + MAX_ROW + AHEAD, Ordering::Relaxed);
    }

    /// The last byte that was read and is no line break.
    pub fn last_byte(&self) -> u8 {
        self.last.load(Ordering::Relaxed)
    }
}

/// A reader that stops where a row has no end.
struct Within<R> {
    inner: R,
    taken: u64,
    allowance: Allowance,
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.taken >= self.allowance.until.load(Ordering::Relaxed) {
            return Err(carry(too_long()));
        }
        let read = self.inner.read(buffer)?;
        self.taken += read as u64;
        if let Some(last) = buffer[..read].iter().rfind(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.allowance.last.store(*last, Ordering::Relaxed);
        }
        Ok(read)
    }
}

/// A row that is longer than any.
pub fn too_long() -> Failure {
    let detail = "a row is longer than 1 MiB: a quote may be unclosed, or the file has no line breaks";
    Failure::new("row_too_long", detail)
}

/// Text of another encoding, as UTF-8.
struct Transcoded<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    ready: Cursor<Vec<u8>>,
    is_over: bool,
}

impl<R: Read> Transcoded<R> {
    fn new(inner: R, decoder: Decoder) -> Self {
        Self {
            inner,
            decoder,
            raw: vec![0; 32 * 1024],
            ready: Cursor::default(),
            is_over: false,
        }
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 || self.is_over || buffer.is_empty() {
                return Ok(read);
            }
            let taken = self.inner.read(&mut self.raw)?;
            self.is_over = taken == 0;
            let room = self
                .decoder
                .max_utf8_buffer_length(taken)
                .unwrap_or(4 * taken + 16);
            let mut text = vec![0; room];
            let (result, _, written, is_broken) =
                self.decoder
                    .decode_to_utf8(&self.raw[..taken], &mut text, self.is_over);
            if is_broken || result == CoderResult::OutputFull {
                let detail = "the file contains bytes that are invalid in its encoding";
                return Err(carry(Failure::new("wrong_encoding", detail)));
            }
            text.truncate(written);
            self.ready = Cursor::new(text);
        }
    }
}
