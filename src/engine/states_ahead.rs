//! State files asked for while the key that opens them is still being derived: the derivation takes
//! a core for most of a second, and the requests hardly any.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::engine::StateCache;
use crate::pool::Queue;
use crate::ports::fault::Fault;
use crate::ports::store::{Item, Kind, Listed, Store};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// States fetched at the same time: latency decides, they are small.
const FETCHERS: usize = 8;

/// State files held before they can be opened; the rest is read when the key is there.
const AHEAD_BYTES: u64 = 16 << 20;

/// What the store was asked, and what it said. Each answer is used once.
#[derive(Default)]
pub(crate) struct Ahead {
    /// All states; `None` when nobody asked.
    pub(crate) listed: Option<Result<Vec<Listed>, Fault>>,
    /// Files of some of them.
    pub(crate) files: HashMap<Mac, Result<Vec<u8>, Fault>>,
}

/// Lists the states and fetches those that there is no copy of.
pub(crate) fn fetch(store: &dyn Store, cache: &dyn StateCache) -> Ahead {
    let listed = store.list(Kind::State);
    let copied: HashSet<Mac> = cache.names().into_iter().collect();
    let mut bytes = 0_u64;
    let wanted: Vec<Mac> = listed
        .iter()
        .flatten()
        .filter(|state| !copied.contains(&state.id))
        .take_while(|state| {
            bytes = bytes.saturating_add(state.size);
            bytes <= AHEAD_BYTES
        })
        .map(|state| state.id)
        .collect();
    let queue = Queue::new(wanted.len());
    for id in &wanted {
        // The queue has room for all of them.
        let _ = queue.push(*id);
    }
    queue.close();
    let files: Mutex<HashMap<Mac, Result<Vec<u8>, Fault>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..FETCHERS.min(wanted.len()) {
            scope.spawn(|| {
                while let Some(id) = queue.pop() {
                    let file = store.get(Item::State(id), limits::STATE_BYTES_MAX);
                    files.lock().unwrap_or_else(PoisonError::into_inner).insert(id, file);
                }
            });
        }
    });
    Ahead { listed: Some(listed), files: files.into_inner().unwrap_or_else(PoisonError::into_inner) }
}
