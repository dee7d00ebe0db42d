//! What long work tells while it runs.

use crate::base::mac::Mac;

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Done.
    Done,
    /// Not done, and why; the work goes on.
    Failed(&'a str),
}

/// One thing told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// How much there will be to do, as far as is known by now; told again when it changes.
    Planned {
        /// Items.
        items: u64,
        /// Content bytes.
        bytes: u64,
    },
    /// An entry is finished.
    Item {
        /// The snapshot it belongs to.
        snapshot: Mac,
        /// Its path in the snapshot.
        path: &'a [u8],
        /// Whether it is a directory.
        directory: bool,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// Content bytes read from the source, or written to the destination, or verified.
    Processed {
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// Where work stands that goes through other things than entries.
    Step {
        /// What they are, in the plural: `snapshots`.
        what: &'static str,
        /// Things done.
        done: u64,
        /// Things there are.
        total: u64,
        /// The one at hand, for people.
        current: &'a str,
    },
    /// Bytes sent to the store.
    Stored {
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// Something a person should read; the work goes on.
    Warning(&'a str),
}

/// Listens. Called from many threads, must not block for long.
pub trait Monitor: Send + Sync {
    /// One event.
    fn tell(&self, event: Event<'_>);
}

/// Hears nothing.
pub struct Silent;

impl Monitor for Silent {
    fn tell(&self, _: Event<'_>) {}
}
