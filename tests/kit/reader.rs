//! Stores opened, checked and restored through the library, as the commands do it.

use crate::kit::connect;
use plakar::base::mac::Mac;
use plakar::base::secret::Secret;
use plakar::connectors::context::Writing;
use plakar::connectors::fs_destination::FsDestination;
use plakar::engine::World;
use plakar::engine::blobs::{Blobs, WALK_BLOCK_BYTES, WALK_BLOCKS};
use plakar::engine::check::{Checked, Checker, Options};
use plakar::engine::check_packfiles::{self, Looked};
use plakar::engine::error::Error;
use plakar::engine::index::Index;
use plakar::engine::plan::{Fetcher, Width};
use plakar::engine::repository::{Closed, Repository};
use plakar::engine::restore::{self, Report};
use plakar::engine::select::Argument;
use plakar::engine::snapshot::{self, Snapshot};
use plakar::ports::cancel::Cancel;
use plakar::ports::destination::Destination;
use plakar::ports::monitor::{Event, Monitor, Outcome};
use plakar::ports::store::Store;
use plakar::world::clock::SystemClock;
use plakar::world::dice::SystemDice;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Items and warnings, as lines: `✓ /path` and `✘ /path: why`.
#[derive(Default)]
pub struct Lines(pub Mutex<Vec<String>>);

impl Monitor for Lines {
    fn tell(&self, event: Event<'_>) {
        let line = match event {
            Event::Item { path, outcome: Outcome::Done, .. } => {
                format!("✓ {}", String::from_utf8_lossy(path))
            }
            Event::Item { path, outcome: Outcome::Failed(why), .. } => {
                format!("✘ {}: {why}", String::from_utf8_lossy(path))
            }
            Event::Warning(text) => format!("warning: {text}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// A world with a real clock and real dice.
pub fn world() -> (World, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let cancel = Cancel::new();
    let clock = Arc::new(SystemClock::new(cancel.clone()));
    (World { clock, dice: Arc::new(SystemDice), cancel, monitor: lines.clone() }, lines)
}

/// An opened store.
pub struct Opened {
    pub repository: Repository,
    pub index: Index,
    pub world: World,
    pub lines: Arc<Lines>,
}

impl Opened {
    /// Opens it and merges its states.
    pub fn new(store: Arc<dyn Store>, passphrase: Option<&str>) -> Result<Opened, Error> {
        let (world, lines) = world();
        let secret = passphrase.map(|text| Secret::new(text.as_bytes().to_vec()));
        let repository = Closed::read(store)?.unlock(secret.as_ref(), &world)?;
        let index = repository.load_index(&world)?;
        Ok(Opened { repository, index, world, lines })
    }

    /// Ids, newest snapshot first, and what could not be opened.
    pub fn snapshots(&self) -> (Vec<Mac>, Vec<(Mac, String)>) {
        self.fetching(|fetcher| {
            let all = snapshot::open_all(fetcher, &self.index.snapshots()).unwrap();
            let problems = all.problems.iter().map(|(id, fault)| (*id, fault.to_string()));
            (all.readable.iter().map(|snapshot| snapshot.id).collect(), problems.collect())
        })
    }

    /// Calls with a fetcher over the store.
    pub fn fetching<T>(&self, act: impl FnOnce(&Fetcher<'_, '_>) -> T) -> T {
        let blobs = Blobs::new(&self.repository, &self.index, WALK_BLOCK_BYTES, WALK_BLOCKS);
        act(&Fetcher::new(&blobs, &self.world, Width::for_cores(2)))
    }

    /// Checks every snapshot the states know.
    pub fn check(&self, fast: bool) -> Result<Vec<(Mac, Checked)>, Error> {
        self.fetching(|fetcher| {
            let options = Options { fast, signatures: true };
            let checker = Checker::new(fetcher, &self.world, options)?;
            let check = |id: &Mac| Ok((*id, checker.snapshot(id, &Argument::default())?));
            self.index.snapshots().iter().map(check).collect()
        })
    }

    /// What a check finds in whole packfiles.
    pub fn packfiles(&self) -> Looked {
        check_packfiles::check(&self.repository, &self.index, &|_, _, _, _| {}, &self.world).unwrap()
    }

    /// What a check finds wrong with whole packfiles.
    pub fn packfile_problems(&self) -> Vec<String> {
        self.packfiles().problems.into_iter().map(|(_, what)| what).collect()
    }

    /// Every problem a check finds, as lines.
    pub fn problems(&self, fast: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, checked) in self.check(fast).unwrap() {
            for problem in checked.problems {
                lines.push(format!(
                    "{}:{}: {}",
                    id.short(),
                    String::from_utf8_lossy(&problem.path),
                    problem.what
                ));
            }
        }
        lines
    }

    /// Restores what `ID:argument` names to any destination.
    pub fn restore_to(&self, id: &Mac, argument: &[u8], to: &dyn Destination) -> Result<Report, Error> {
        self.fetching(|fetcher| {
            let snapshot = Snapshot::open(fetcher.blobs(), id)?;
            let wanted = Argument { prefix: String::new(), path: argument.to_vec() };
            let start = snapshot.entry(fetcher.blobs(), &wanted.resolve(&snapshot.root()))?;
            let strip = restore::strip_prefix(&start.path(), argument);
            restore::restore(fetcher, &self.world, &snapshot, start, &strip, to)
        })
    }

    /// Restores what `ID:argument` names to a directory.
    pub fn restore(&self, id: &Mac, argument: &[u8], to: &Path) -> Result<Report, Error> {
        let destination =
            FsDestination::new(connect::bytes(to), &Writing { attributes: true }, connect::context().0);
        self.restore_to(id, argument, &destination)
    }
}
