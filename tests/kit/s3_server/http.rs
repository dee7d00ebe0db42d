//! HTTP/1.1, as much as an S3 client speaks.

use super::{Headers, Trouble};
use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

/// A request. `target` is path and query as they came.
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Request {
    /// Path as it came.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// Query as it came.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// A decoded value of the query; empty text for a name without one.
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        self.query().split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| unescape(value))
        })
    }
}

/// An answer before anything goes wrong with it.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn xml(body: String) -> Answer {
        Answer {
            status: 200,
            headers: vec![("content-type".into(), "application/xml".to_owned())],
            body: body.into_bytes(),
        }
    }

    pub fn error(status: u16, code: &str) -> Answer {
        Answer { status, ..Answer::xml(error_document(code)) }
    }
}

fn error_document(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{code} &amp; nothing else</Message><RequestId>REQ1</RequestId></Error>"
    )
}

/// Decodes `%xx`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    out
}

pub fn read_head(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some(Request { method, target, headers, body: Vec::new() }));
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

pub fn read_body(
    input: &mut impl BufRead,
    mut request: Request,
    output: &mut impl Write,
    consent: bool,
) -> io::Result<Request> {
    assert!(
        !request.headers.contains_key("transfer-encoding"),
        "a body of unknown length: {}",
        request.target
    );
    let has_body = matches!(request.method.as_str(), "PUT" | "POST");
    assert!(!has_body || request.headers.contains_key("content-length"), "no length: {}", request.target);
    let length: u64 = request.headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    if consent && request.headers.contains_key("expect") {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let read = input.take(length).read_to_end(&mut request.body)?;
    if read as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(request)
}

/// Writes an answer to a request whose body nobody will read.
pub fn write_refusal(output: &mut impl Write, status: u16, code: &str) -> io::Result<()> {
    let body = error_document(code);
    let length = body.len();
    write!(output, "HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Writes the answer with its trouble; false when the connection is to be closed.
pub fn write(
    output: &mut impl Write,
    request: &Request,
    mut answer: Answer,
    trouble: Option<Trouble>,
    clock_offset: i64,
) -> io::Result<bool> {
    let (mut keep, mut promised, mut with_length, mut slow) = (true, None, true, None);
    match trouble {
        None | Some(Trouble::NoConsent | Trouble::Deaf | Trouble::RefusedUnread(..)) => {}
        Some(
            Trouble::ResetBefore
            | Trouble::ResetDuring
            | Trouble::Refused
            | Trouble::Stall
            | Trouble::StallAfter,
        ) => {}
        Some(Trouble::ResetAfter) => return Ok(false),
        Some(Trouble::Raw(bytes)) => {
            output.write_all(bytes)?;
            return Ok(false);
        }
        Some(Trouble::Status(status, code, headers)) => {
            answer = Answer::error(status, code);
            answer.headers.extend(headers.into_iter().map(|(name, value)| (name.into(), value)));
        }
        // It has no body to say anything in.
        Some(Trouble::OkWithError(_)) if request.method == "HEAD" => {}
        Some(Trouble::OkWithError(code)) => answer = Answer { status: 200, ..Answer::error(200, code) },
        Some(Trouble::CutBody(at)) => {
            promised = Some(answer.body.len());
            answer.body.truncate(at);
            keep = false;
        }
        Some(Trouble::CloseDelimited(at)) => {
            with_length = false;
            answer.body.truncate(at);
            keep = false;
        }
        Some(Trouble::LongerThanItIs) => {
            promised = Some(answer.body.len() + 10);
            keep = false;
        }
        Some(Trouble::Slow(pieces, pause)) => slow = Some((pieces, pause)),
        Some(Trouble::FlippedBit) => {
            let middle = answer.body.len() / 2;
            if let Some(byte) = answer.body.get_mut(middle) {
                *byte ^= 1;
            }
        }
    }
    let mut head = format!("HTTP/1.1 {} Status\r\nx-amz-request-id: REQ1\r\n", answer.status);
    let now = super::now() + clock_offset;
    head += &format!("date: {}\r\n", http_date(now));
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let bodiless = request.method == "HEAD" || answer.status == 204 || answer.status == 304;
    if with_length
        && (!bodiless || request.method == "HEAD")
        && !answer.headers.iter().any(|(name, _)| *name == "content-length")
    {
        head += &format!("content-length: {}\r\n", promised.unwrap_or(answer.body.len()));
    }
    if !keep {
        head += "connection: close\r\n";
    }
    output.write_all(format!("{head}\r\n").as_bytes())?;
    if bodiless {
        return Ok(keep);
    }
    let (pieces, pause) = slow.unwrap_or((1, Duration::ZERO));
    for piece in answer.body.chunks(answer.body.len().div_ceil(pieces).max(1)) {
        output.write_all(piece)?;
        std::thread::sleep(pause);
    }
    Ok(keep)
}

/// `Tue, 24 Nov 2026 05:00:00 GMT`.
pub fn http_date(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let (year, month, day) = civil(days);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let clock = seconds.rem_euclid(86_400);
    format!(
        "{weekday}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        months[month as usize - 1],
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}

/// `2026-11-24T05:00:00.000Z`.
pub fn iso_date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let clock = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// Year, month and day of a number of days since 1970.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let mut left = days;
    let mut year = 1970;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}
