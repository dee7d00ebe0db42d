//! The built program, run as a person runs it, in a home of its own.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test: this build, or what `PLAKAR_TEST_BINARY` names.
pub fn program() -> OsString {
    std::env::var_os("PLAKAR_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_plakar").into())
}

/// A fresh home directory; removed at the end unless the test failed.
pub struct Home {
    dir: PathBuf,
    variables: RefCell<Vec<(OsString, OsString)>>,
}

impl Home {
    /// An empty one.
    pub fn new(name: &str) -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("home")).unwrap();
        // Symlinks in the path would show up in what the program prints.
        Home { dir: dir.canonicalize().unwrap(), variables: RefCell::default() }
    }

    /// A directory for the test's files; commands run in it, and `HOME` lies in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path below [`Home::dir`] as text.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// The text of a settings file.
    pub fn settings(&self, name: &str) -> PathBuf {
        self.dir.join("home/.config/plakar").join(name)
    }

    /// Sets a variable for all commands from here on.
    pub fn env(&self, name: &str, value: impl AsRef<OsStr>) {
        self.variables.borrow_mut().push((name.into(), value.as_ref().into()));
    }

    /// Runs the program with nothing on standard input.
    pub fn plakar<S: AsRef<OsStr>>(&self, words: &[S]) -> Ran {
        self.plakar_with_input(words, b"")
    }

    /// Runs the program with these bytes on standard input.
    pub fn plakar_with_input<S: AsRef<OsStr>>(&self, words: &[S], input: &[u8]) -> Ran {
        // Without a controlling terminal, so that nothing can ask the person who runs the tests.
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(program());
        self.run(command, words, input)
    }

    /// Runs another program in the same home.
    pub fn program<S: AsRef<OsStr>>(&self, program: &str, words: &[S]) -> Ran {
        self.run(Command::new(program), words, b"")
    }

    /// Starts the program and lets it run, without a controlling terminal's help: what it needs to
    /// know must be in its variables.
    pub fn start<S: AsRef<OsStr>>(&self, words: &[S]) -> Started {
        let child = self.spawn(Command::new(program()), words, b"");
        Started { child, words: shown(words) }
    }

    fn run<S: AsRef<OsStr>>(&self, command: Command, words: &[S], input: &[u8]) -> Ran {
        let child = self.spawn(command, words, input);
        Ran::new(shown(words), child.wait_with_output().unwrap())
    }

    fn spawn<S: AsRef<OsStr>>(&self, mut command: Command, words: &[S], input: &[u8]) -> Child {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = command
            .args(words)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.join("home"))
            .envs(self.variables.borrow().iter().map(|(name, value)| (name, value)))
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input);
        child
    }
}

fn shown<S: AsRef<OsStr>>(words: &[S]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

/// The program while it runs.
pub struct Started {
    child: Child,
    words: String,
}

impl Started {
    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub fn kill(mut self) -> Ran {
        // It may just have ended.
        let _ = self.child.kill();
        self.ends()
    }

    /// Whether it runs no more.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn ends(self) -> Ran {
        Ran::new(self.words, self.child.wait_with_output().unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// What a command did. Every failed expectation prints all of it.
#[derive(Debug)]
pub struct Ran {
    /// The command line.
    pub words: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Standard output as it came.
    pub bytes: Vec<u8>,
}

impl Ran {
    fn new(words: String, output: Output) -> Ran {
        Ran {
            words,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Exit code 0.
    #[track_caller]
    pub fn succeeds(self) -> Ran {
        self.exits(0)
    }

    /// This exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Nothing on either stream.
    #[track_caller]
    pub fn prints_nothing(self) -> Ran {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "expected silence\n{self}");
        self
    }

    /// Exactly this on standard output.
    #[track_caller]
    pub fn prints(self, expected: &str) -> Ran {
        assert_eq!(self.stdout, expected, "\n{self}");
        self
    }

    /// Exactly this on standard error.
    #[track_caller]
    pub fn complains(self, expected: &str) -> Ran {
        assert_eq!(self.stderr, expected, "\n{self}");
        self
    }

    /// Among other things, this, on either stream.
    #[track_caller]
    pub fn says(self, expected: &str) -> Ran {
        assert!(
            self.stdout.contains(expected) || self.stderr.contains(expected),
            "expected {expected:?}\n{self}"
        );
        self
    }

    /// Nowhere this.
    #[track_caller]
    pub fn never_says(self, secret: &str) -> Ran {
        assert!(!self.stdout.contains(secret) && !self.stderr.contains(secret), "found {secret:?}\n{self}");
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "$ plakar {}\nexit {:?}\n--- stdout\n{}--- stderr\n{}---",
            self.words, self.code, self.stdout, self.stderr
        )
    }
}
