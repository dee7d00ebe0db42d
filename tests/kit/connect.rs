//! Connectors as a test uses them: real clock, real dice, remarks kept.

use plakar::connectors::context::{Context, Reading};
use plakar::connectors::fs_source::FsSource;
use plakar::ports::cancel::Cancel;
use plakar::world::clock::SystemClock;
use plakar::world::dice::SystemDice;
use plakar::world::host::Accounts;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was remarked so far.
pub type Remarks = Arc<Mutex<Vec<String>>>;

/// A context, and what connectors say through it.
pub fn context() -> (Context, Remarks) {
    let remarks = Remarks::default();
    let heard = Arc::clone(&remarks);
    let cancel = Cancel::new();
    let context = Context {
        clock: Arc::new(SystemClock::new(cancel.clone())),
        dice: Arc::new(SystemDice),
        cancel,
        notice: Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned())),
        trace: None,
        cwd: b"/".to_vec(),
        concurrency: 4,
        stall: std::time::Duration::from_secs(30),
        environment: Arc::new(|_: &str| None),
        shell: Arc::new(plakar::world::shell::line),
        hostname: "testhost".to_owned(),
        names: Arc::new(Accounts::parse(b"root:x:0:0::/:\n", b"root:x:0:\n")),
    };
    (context, remarks)
}

/// A directory as a source, extended attributes included.
pub fn fs_source(tree: &Path) -> FsSource {
    let reading = Reading { xattrs: true, skip: Vec::new() };
    FsSource::new(bytes(tree), false, reading, context().0).unwrap()
}

/// A fresh directory, removed with everything in it when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// `name` tells tests apart when one is looked at by hand.
    pub fn new(name: &str) -> Scratch {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("plakar-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        // A path without links, so that tests can compare paths.
        Scratch(path.canonicalize().unwrap())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind when a test made directories that cannot be entered.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path as the ports take it.
pub fn bytes(path: &Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}
