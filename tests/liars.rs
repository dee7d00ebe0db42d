//! Stores that do not keep their word: what each lie costs, and who tells.
//!
//! | the store | what comes of it |
//! | --- | --- |
//! | loses a write that it acknowledged | a check fails, or names what no state refers to |
//! | shows listings without what was written last | whoever reads sees the past; nothing is lost once it shows |
//! | passes over `If-None-Match` | a store is not made over another: it is looked for first |
//! | has a clock an hour off | told, and signed for by that clock; locks and snapshots are this machine's |

use crate::kit::connect::{Scratch, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::planned::Planned;
use crate::kit::reader::{self, Opened};
use crate::kit::trees;
use plakar::engine::backup::{self, Options, Report};
use plakar::engine::error::Error;
use plakar::engine::repository::{self, NewStore};
use plakar::ports::fault::Fault;
use plakar::ports::store::{Access, Item, Kind, Listed, Store};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A store around a store that lies.
struct Liar {
    inner: Arc<MemoryStore>,
    /// The number of the write that is lost, counted down.
    loses: Mutex<Option<usize>>,
    lost: Mutex<Option<Item>>,
    /// What listings do not show.
    unseen: Mutex<Option<BTreeSet<String>>>,
}

impl Liar {
    fn new(inner: Arc<MemoryStore>) -> Arc<Liar> {
        Arc::new(Liar { inner, loses: Mutex::default(), lost: Mutex::default(), unseen: Mutex::default() })
    }

    /// Listings show what is there by this moment, and nothing later.
    fn freeze(&self) {
        *self.unseen.lock().unwrap() = Some(self.inner.paths().into_iter().collect());
    }
}

impl Store for Liar {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn access(&self) -> Access {
        self.inner.access()
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        self.inner.create(config)
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        self.inner.get(item, limit)
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        self.inner.get_range(item, offset, length)
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        let mut loses = self.loses.lock().unwrap();
        match *loses {
            Some(0) => {
                *loses = None;
                *self.lost.lock().unwrap() = Some(item);
                Ok(())
            }
            Some(n) => {
                *loses = Some(n - 1);
                self.inner.put(item, body)
            }
            None => self.inner.put(item, body),
        }
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        self.inner.delete(item)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let listed = self.inner.list(kind)?;
        Ok(match &*self.unseen.lock().unwrap() {
            None => listed,
            Some(seen) => {
                listed.into_iter().filter(|file| seen.contains(&Item::new(kind, file.id).path())).collect()
            }
        })
    }
}

fn backed_up(store: Arc<dyn Store>, tree: &Path) -> Result<Report, Error> {
    let opened = Opened::new(store, None)?;
    let source = fs_source(tree);
    backup::backup(&opened.repository, &opened.index, &source, &Options::default(), &opened.world)
}

fn tree(scratch: &Scratch) -> std::path::PathBuf {
    let tree = scratch.join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("a"), trees::noise(1, 50_000)).unwrap();
    tree
}

fn new_store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    repository::create(&*store, NewStore::default(), None, &reader::world().0).unwrap();
    store
}

/// Everything that a full check says.
fn told(store: &Arc<MemoryStore>) -> Vec<String> {
    let opened = Opened::new(store.clone(), None).unwrap();
    let looked = opened.packfiles();
    let mut told = opened.problems(false);
    told.extend(looked.problems.into_iter().map(|(_, what)| what));
    told.extend(looked.unnamed.into_iter().map(|(id, _)| format!("packfile {id}: in no state")));
    told
}

#[test]
fn a_write_that_was_acknowledged_and_lost_is_told_whichever_it_is() {
    let scratch = Scratch::new("liar-loses");
    let tree = tree(&scratch);
    let mut lost = Vec::new();
    for n in 0.. {
        let store = new_store();
        let liar = Liar::new(store.clone());
        *liar.loses.lock().unwrap() = Some(n);
        let ended = backed_up(liar.clone(), &tree);
        let Some(item) = *liar.lost.lock().unwrap() else { break };
        lost.push(item.to_string());
        match item {
            // Without its lock a backup is as unprotected as one with -lockless: nothing is wrong yet.
            Item::Lock(_) => assert!(ended.is_err() || told(&store).is_empty(), "{item}"),
            _ => assert!(ended.is_err() || !told(&store).is_empty(), "{item} was lost in silence"),
        }
    }
    assert!(lost.len() >= 4, "{lost:?}");
}

#[test]
fn listings_that_lag_show_the_past_and_lose_nothing() {
    let scratch = Scratch::new("liar-lists");
    let tree = tree(&scratch);
    let store = new_store();
    let liar = Liar::new(store.clone());
    let first = backed_up(liar.clone(), &tree).unwrap().header.identifier;
    liar.freeze();
    fs::write(tree.join("b"), trees::noise(2, 50_000)).unwrap();
    // A backup that cannot see what was written last either says so, or stores it again.
    let second = backed_up(liar.clone(), &tree);
    let third = backed_up(liar.clone(), &tree);
    let seen = Opened::new(liar.clone(), None).unwrap().index.snapshots();
    assert_eq!(seen, [first], "the past");
    *liar.unseen.lock().unwrap() = None;
    let now = Opened::new(liar, None).unwrap().index.snapshots();
    assert!(now.contains(&first));
    for made in [second, third].into_iter().flatten() {
        assert!(now.contains(&made.header.identifier), "a snapshot that was reported is gone");
    }
    let problems = Opened::new(store, None).unwrap().problems(false);
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_server_that_passes_over_conditions_does_not_make_a_store_over_another() {
    let planned = Planned::new("liar-conditions");
    planned.server.objects(|objects| objects.has_no_conditions = true);
    let before = planned.stored();
    let said = planned.run(&["at", "@s", "create", "-plaintext"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("already initialized"), "{}", said.stderr);
    assert!(planned.stored() == before, "the store was touched");
    let said = planned.run(&["at", "@s", "clone", "to", "@p"]);
    assert_eq!(said.code, 1);
    assert!(planned.stored() == before, "the other store was touched");
}

#[test]
fn a_clock_that_is_an_hour_off_is_told_and_does_no_harm() {
    let planned = Planned::new("liar-clock");
    let tree = planned.tree.to_str().unwrap().to_owned();
    for seconds in [3600, -3600] {
        planned.again();
        planned.server.set_clock_offset(seconds);
        for words in [
            &["at", "@s", "backup", "-quiet", &tree][..],
            &["at", "@s", "rm", "-apply", &planned.kept[0].to_string()],
            &["at", "@s", "maintenance"],
            &["at", "@s", "check", "-quiet"],
        ] {
            let said = planned.run(words);
            assert_eq!(said.code, 0, "{words:?}: {}", said.stderr);
            assert!(said.stderr.contains("this machine's clock is"), "{words:?}: {}", said.stderr);
        }
        planned.server.set_clock_offset(0);
        let (problems, snapshots) = planned.look("kloset");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(snapshots.len(), 2);
        assert_eq!(planned.differences("kloset", &planned.kept[1]), Vec::<String>::new());
    }
}
