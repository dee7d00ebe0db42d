//! Standard output and standard error, shared by all threads: lines never mix, lines to a pipe are
//! written in large pieces, and a reader that went away is no error.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes gathered before they are written: well above a pipe's atomic size, below what a person
/// would miss on a screen.
const GATHERED_BYTES: usize = 32 * 1024;

/// Both streams of this process.
pub struct Output {
    inner: Mutex<Inner>,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard error is a terminal that a progress line can be drawn on.
    pub progress: bool,
    color: bool,
}

#[derive(Default)]
struct Inner {
    gathered: Vec<u8>,
    gone: bool,
    bar: Option<ProgressBar>,
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
            inner: Mutex::default(),
            terminal,
            progress: io::stderr().is_terminal() && !dumb,
            color: terminal && !dumb && !set("NO_COLOR"),
        }
    }

    /// One line on standard output. On a terminal control characters show as `?`; a pipe gets the
    /// bytes as they are.
    pub fn line(&self, line: impl AsRef<[u8]>) {
        let mut inner = self.lock();
        if self.terminal {
            let shown = crate::cli::exit::printable(&String::from_utf8_lossy(line.as_ref()));
            // Escape sequences of our own are put in by `mark`, behind this filter.
            inner.gathered.extend_from_slice(self.mark(&shown).as_bytes());
        } else {
            inner.gathered.extend_from_slice(line.as_ref());
        }
        inner.gathered.push(b'\n');
        if inner.gathered.len() >= GATHERED_BYTES {
            inner.write();
        }
    }

    /// Bytes on standard output, as they are.
    ///
    /// # Errors
    /// Only when the reader went away: nothing more needs to be produced.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Gone> {
        let mut inner = self.lock();
        inner.gathered.extend_from_slice(bytes);
        if inner.gathered.len() >= GATHERED_BYTES {
            inner.write();
        }
        if inner.gone { Err(Gone) } else { Ok(()) }
    }

    /// One line on standard error, behind everything said before.
    pub fn error_line(&self, line: impl AsRef<str>) {
        let text = crate::cli::exit::printable(line.as_ref());
        self.error_text(&format!("{text}\n"));
    }

    /// Text of our own on standard error, as it is.
    pub fn error_text(&self, text: &str) {
        let mut inner = self.lock();
        inner.write();
        let write = || {
            // Nobody is left to tell when standard error is closed.
            let _ = io::stderr().write_all(text.as_bytes());
        };
        match &inner.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
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
        if self.progress {
            let bar = ProgressBar::no_length();
            bar.set_style(style("{spinner} {bytes} {wide_msg}"));
            self.lock().bar = Some(bar);
        }
    }

    /// Redraws the progress line; `total` is `None` while it is not known.
    pub fn show_progress(&self, done_bytes: u64, total_bytes: Option<u64>, message: String) {
        let inner = self.lock();
        let Some(bar) = &inner.bar else { return };
        if let Some(total) = total_bytes.filter(|total| *total > 0)
            && bar.length() != Some(total)
        {
            bar.set_style(style(
                "{spinner} [{bar:20}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left, {wide_msg}",
            ));
            bar.set_length(total);
        }
        bar.set_message(message);
        bar.set_position(done_bytes);
        bar.tick();
    }

    /// Takes the progress line away.
    pub fn end_progress(&self) {
        let mut inner = self.lock();
        inner.write();
        if let Some(bar) = inner.bar.take() {
            bar.finish_and_clear();
        }
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
    fn write(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() || self.gone {
            return;
        }
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&gathered).and_then(|()| stdout.flush())
        };
        let written = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        self.gone = written.is_err();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
