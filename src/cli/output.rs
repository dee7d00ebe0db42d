//! Standard output and standard error, shared by all threads: lines never mix, lines to a pipe are
//! written in large pieces, and a reader that went away is no error. With `-json` every line is a
//! record.

use crate::base::mac::Mac;
use crate::cli::progress::{self, Facts};
use crate::cli::record::Record;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes gathered before they are written: well above a pipe's atomic size, below what a person
/// would miss on a screen.
const GATHERED_BYTES: usize = 32 * 1024;

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Both streams: this process's, or others in their place.
pub struct Output {
    inner: Mutex<Inner>,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard error is a terminal that a progress line can be drawn on.
    pub progress: bool,
    color: bool,
}

struct Inner {
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    gathered: Vec<u8>,
    gone: bool,
    records: Records,
    /// Whether a progress line is wanted.
    drawing: bool,
    /// Columns of the progress line that is on the screen.
    drawn: usize,
}

/// Where records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Records {
    /// Nowhere: a person reads.
    #[default]
    None,
    Stdout,
    /// Standard output carries content.
    Stderr,
}

impl Default for Output {
    fn default() -> Output {
        Output::new()
    }
}

impl Output {
    /// For the streams as they are now.
    pub fn new() -> Output {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = io::stdout().is_terminal();
        Output {
            terminal,
            progress: io::stderr().is_terminal() && !dumb,
            color: terminal && !dumb && !set("NO_COLOR"),
            ..Output::to(Box::new(io::stdout()), Box::new(io::stderr()))
        }
    }

    /// For two streams that are no terminals.
    pub fn to(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Output {
        let inner = Inner {
            stdout,
            stderr,
            gathered: Vec::new(),
            gone: false,
            records: Records::None,
            drawing: false,
            drawn: 0,
        };
        Output { inner: Mutex::new(inner), terminal: false, progress: false, color: false }
    }

    /// From here on a script reads: every line is a record.
    pub fn speak_json(&self) {
        self.lock().records = Records::Stdout;
    }

    /// Standard output carries content: records, if any, go to standard error.
    pub fn carry_content(&self) {
        let mut inner = self.lock();
        if inner.records == Records::Stdout {
            inner.records = Records::Stderr;
        }
    }

    /// Whether a script reads.
    pub fn speaks_json(&self) -> bool {
        self.lock().records != Records::None
    }

    /// A record for scripts, or a line for people, on standard output.
    pub fn tell<L: AsRef<[u8]>>(&self, record: impl FnOnce() -> Record, line: impl FnOnce() -> L) {
        if self.speaks_json() {
            self.record(record());
        } else {
            self.line(line());
        }
    }

    /// A record; nothing when a person reads.
    pub fn record(&self, record: Record) {
        let mut inner = self.lock();
        let line = record.line() + "\n";
        match inner.records {
            Records::None => {}
            Records::Stdout => inner.gather(line.as_bytes()),
            Records::Stderr => {
                inner.write();
                // Nobody is left to tell when standard error is closed.
                let _ = inner.stderr.write_all(line.as_bytes());
            }
        }
    }

    /// One line on standard output. On a terminal control characters show as `?`; a pipe gets the
    /// bytes as they are.
    pub fn line(&self, line: impl AsRef<[u8]>) {
        if self.speaks_json() {
            return self.record(Record::new("text").path("text", line.as_ref()));
        }
        let mut inner = self.lock();
        let mut bytes = line.as_ref().to_vec();
        if self.terminal {
            let shown = crate::cli::exit::printable(&String::from_utf8_lossy(&bytes));
            // Escape sequences of our own are put in by `mark`, behind this filter.
            bytes = self.mark(&shown).into_bytes();
        }
        bytes.push(b'\n');
        inner.gather(&bytes);
    }

    /// Lines of our own, for people, on standard output.
    pub fn page(&self, text: &str) {
        if self.speaks_json() {
            return self.record(Record::new("text").text("text", text));
        }
        let text = format!("{}\n", text.trim_end());
        self.lock().gather(text.as_bytes());
    }

    /// Bytes on standard output, as they are.
    ///
    /// # Errors
    /// Only when the reader went away: nothing more needs to be produced.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Gone> {
        let mut inner = self.lock();
        inner.gather(bytes);
        if inner.gone { Err(Gone) } else { Ok(()) }
    }

    /// One line on standard error, behind everything said before. How it begins tells what it is
    /// to a script: `warn: `, or else an error.
    pub fn error_line(&self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if self.speaks_json() {
            let (kind, message) = match line.split_once(": ") {
                Some(("warn", message)) => ("warning", message),
                Some(("error" | "plakar", message)) => ("error", message),
                _ => ("error", line),
            };
            return self.record(Record::new(kind).text("message", message));
        }
        let text = crate::cli::exit::printable(line);
        self.error_text(&format!("{text}\n"));
    }

    /// A part of the store that is not whole: a record for scripts, a warning for people.
    pub fn damage(&self, what: &str, id: &Mac, message: &str) {
        if self.speaks_json() {
            let record = Record::new("damage").text("what", what).text("id", &id.to_string());
            return self.record(record.text("message", message));
        }
        self.error_line(format!("warn: {message}"));
    }

    /// Text of our own on standard error, as it is.
    pub fn error_text(&self, text: &str) {
        let mut inner = self.lock();
        inner.write();
        inner.erase();
        // Nobody is left to tell when standard error is closed.
        let _ = inner.stderr.write_all(text.as_bytes());
    }

    /// Writes what was gathered.
    pub fn flush(&self) {
        self.lock().write();
    }

    /// Whether the reader of standard output went away.
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Draws a progress line below the output from now on, when there is a terminal for it.
    pub fn start_progress(&self) {
        let mut inner = self.lock();
        inner.drawing = self.progress && inner.records == Records::None;
    }

    /// Redraws the progress line, as wide as the terminal is at this moment.
    pub fn show_progress(&self, facts: &Facts) {
        let mut inner = self.lock();
        if !inner.drawing {
            return;
        }
        // The last column stays free: some terminals begin a new line behind it.
        let line = facts.line(columns().saturating_sub(1));
        inner.erase();
        let _ = io::stderr().write_all(line.as_bytes());
        inner.drawn = progress::width(&line);
    }

    /// Takes the progress line away.
    pub fn end_progress(&self) {
        let mut inner = self.lock();
        inner.write();
        inner.erase();
        inner.drawing = false;
    }

    fn mark(&self, line: &str) -> String {
        if !self.color {
            return line.to_owned();
        }
        line.replacen('✓', "\u{1b}[32m✓\u{1b}[0m", 1).replacen('✘', "\u{1b}[31m✘\u{1b}[0m", 1)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked while holding it left at worst a cut line behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn gather(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() || self.gone {
            return;
        }
        self.erase();
        let written = self.stdout.write_all(&gathered).and_then(|()| self.stdout.flush());
        self.gone = written.is_err();
    }

    /// Takes the progress line off the screen. A terminal that became narrower meanwhile has
    /// wrapped it: the cursor is as many rows below its beginning as fit into its columns.
    fn erase(&mut self) {
        let drawn = std::mem::take(&mut self.drawn);
        if drawn == 0 {
            return;
        }
        let rows_below = drawn.saturating_sub(1) / columns().max(1);
        let up = match rows_below {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A"),
        };
        let _ = self.stderr.write_all(format!("\r{up}\u{1b}[J").as_bytes());
    }
}

/// Columns of the terminal behind standard error.
fn columns() -> usize {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => COLUMNS,
    }
}

/// The reader of standard output went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// Standard output as a stream.
pub struct Stdout<'a>(pub &'a Output);

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.raw(bytes).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush();
        Ok(())
    }
}
