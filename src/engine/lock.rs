//! Locks: who is at work on a store (FORMAT.md, "Lock").
//!
//! Everybody writes a lock first and looks at the others' second, so that of two who would exclude
//! one another at least one notices. A lock not renewed for ten minutes is a dead one's.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::engine::blobs::concerns_the_blob;
use crate::engine::codec::Codec;
use crate::engine::error::{Error, Kind};
use crate::engine::repository::{Repository, twice};
use crate::format::envelope;
use crate::format::kind::{Resource, Version};
use crate::format::lock::Lock;
use crate::ports::fault::FaultKind;
use crate::ports::monitor::Event;
use crate::ports::store::{self, Item, Store};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A lock older than this is a dead one's.
const STALE_NS: i64 = 10 * 60 * 1_000_000_000;
/// How often a living one is renewed.
const RENEW: Duration = Duration::from_secs(5 * 60);

/// How a lock stands towards others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// With others, but not beside an exclusive one.
    Shared,
    /// Alone.
    Exclusive,
}

struct Renewal {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

/// A lock that is held, and renewed, until released or dropped.
pub struct Held {
    store: Arc<dyn Store>,
    id: Mac,
    renewal: Option<Renewal>,
    /// When it was last put, in ns since 1970.
    renewed_ns: Arc<AtomicI64>,
}

/// Takes a lock under `id`.
///
/// # Errors
/// `Locked`, naming the host that holds the store and since when.
pub fn take(
    repository: &Repository,
    id: Mac,
    host: &str,
    claim: Claim,
    world: &World,
) -> Result<Held, Error> {
    let lock = Lock {
        timestamp: Stamp::from_nanos(world.clock.now_ns()),
        hostname: host.to_owned(),
        exclusive: claim == Claim::Exclusive,
    };
    let put = Putter {
        store: Arc::clone(&repository.store),
        codec: repository.codec.clone(),
        world: world.clone(),
        id,
        renewed_ns: Arc::new(AtomicI64::new(lock.timestamp.to_nanos())),
    };
    put.put(&lock)?;
    // From here on the lock is removed whatever happens.
    let renewed_ns = Arc::clone(&put.renewed_ns);
    let mut held = Held { store: Arc::clone(&repository.store), id, renewal: None, renewed_ns };
    for listed in repository.store.list(store::Kind::Lock)? {
        if listed.id != id {
            refuse_if_taken(repository, listed.id, claim, world)?;
        }
    }
    let stop = Arc::new((Mutex::new(false), Condvar::new()));
    let watched = Arc::clone(&stop);
    let thread = std::thread::spawn(move || renew(&put, lock, &watched, RENEW));
    held.renewal = Some(Renewal { stop, thread });
    Ok(held)
}

/// Removes the lock when the work is done. That it stays is worth a warning, no more.
pub fn release(held: Held, world: &World) {
    if let Err(error) = held.release() {
        let remedy = error.remedy.as_ref().map(|remedy| format!(" ({remedy})")).unwrap_or_default();
        let told = format!("the lock stays behind for ten minutes: {error}{remedy}");
        world.monitor.tell(Event::Warning(&told));
    }
}

struct Putter {
    store: Arc<dyn Store>,
    codec: Codec,
    world: World,
    id: Mac,
    renewed_ns: Arc<AtomicI64>,
}

impl Putter {
    fn put(&self, lock: &Lock) -> Result<(), Error> {
        let body = self.codec.encode(&lock.encode(), &*self.world.dice);
        let file = envelope::wrap(Resource::LOCK, Version::V1_0_0, &body, self.codec.keyed());
        Ok(self.store.put(Item::Lock(self.id), &file)?)
    }
}

fn renew(put: &Putter, mut lock: Lock, stop: &(Mutex<bool>, Condvar), every: Duration) {
    let (stopped, wake) = stop;
    loop {
        let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, waited) = wake
            .wait_timeout_while(guard, every, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        drop(guard);
        if !waited.timed_out() {
            return;
        }
        lock.timestamp = Stamp::from_nanos(put.world.clock.now_ns());
        // One renewal that fails leaves five minutes for the next one.
        if put.put(&lock).is_ok() {
            put.renewed_ns.store(lock.timestamp.to_nanos(), Ordering::Relaxed);
        }
    }
}

/// Locks that nobody can read, and why: each keeps everybody out.
///
/// # Errors
/// What concerns the store as a whole.
pub fn unreadable(repository: &Repository) -> Result<Vec<(Mac, Error)>, Error> {
    let mut found = Vec::new();
    for listed in repository.store.list(store::Kind::Lock)? {
        match read(repository, listed.id) {
            Ok(_) => {}
            Err(error) if concerns_the_blob(&error) => found.push((listed.id, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether anybody is at work on the store, as far as locks tell.
///
/// # Errors
/// The store's.
pub fn is_held(repository: &Repository, world: &World) -> Result<bool, Error> {
    for listed in repository.store.list(store::Kind::Lock)? {
        if read(repository, listed.id)?.is_some_and(|lock| !is_stale(&lock, world)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `None` when it was released between the listing and now.
fn read(repository: &Repository, id: Mac) -> Result<Option<Lock>, Error> {
    let read = twice(|| {
        let file = match repository.store.get(Item::Lock(id), limits::LOCK_BYTES_MAX) {
            Err(fault) if fault.kind == FaultKind::Missing => return Ok(None),
            file => file?,
        };
        let (_, payload) = envelope::open(&file, Resource::LOCK, repository.codec.keyed())?;
        let plain = repository.codec.decode(payload, limits::LOCK_BYTES_MAX as usize)?;
        Ok(Some(Lock::decode(&plain)?))
    });
    read.map_err(|error| match concerns_the_blob(&error) {
        true => {
            let path = Item::Lock(id).path();
            let how = format!("if nobody is using the store, `repair -apply` removes {path}");
            error.context(format_args!("lock {id}")).with_remedy(how)
        }
        false => error,
    })
}

fn is_stale(lock: &Lock, world: &World) -> bool {
    world.clock.now_ns().saturating_sub(lock.timestamp.to_nanos()) >= STALE_NS
}

fn refuse_if_taken(repository: &Repository, other: Mac, claim: Claim, world: &World) -> Result<(), Error> {
    let Some(lock) = read(repository, other)? else { return Ok(()) };
    if is_stale(&lock, world) {
        // Not being allowed to tidy up after others is no reason to stop.
        let _ = repository.store.delete(Item::Lock(other));
        return Ok(());
    }
    if claim == Claim::Shared && !lock.exclusive {
        return Ok(());
    }
    let holder = if lock.hostname.is_empty() { "another host" } else { &lock.hostname };
    let what = if lock.exclusive { "maintenance" } else { "a backup" };
    Err(Error::new(Kind::Locked, format!("the store is locked by {what} on {holder} (lock {other})"))
        .with_remedy("try again when it is done; a dead one's lock is ignored after ten minutes"))
}

impl Held {
    /// Whether nobody can have taken it for a dead one's: after a machine slept, or could not reach
    /// the store, it may have been.
    ///
    /// # Errors
    /// `Locked`.
    pub fn still_holds(&self, world: &World) -> Result<(), Error> {
        let age = world.clock.now_ns().saturating_sub(self.renewed_ns.load(Ordering::Relaxed));
        if age < STALE_NS {
            return Ok(());
        }
        let what = "the lock could not be renewed for ten minutes, so that others may have been at work";
        Err(Error::new(Kind::Locked, what).with_remedy("run it again"))
    }

    /// Removes the lock.
    ///
    /// # Errors
    /// When the store does not let it be removed; it goes stale by itself then.
    pub fn release(mut self) -> Result<(), Error> {
        self.stop();
        let removed = self.store.delete(Item::Lock(self.id));
        self.id = Mac::ZERO;
        Ok(removed?)
    }

    fn stop(&mut self) {
        let Some(renewal) = self.renewal.take() else { return };
        *renewal.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        renewal.stop.1.notify_all();
        // It holds no state that a panic could have spoilt.
        let _ = renewal.thread.join();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop();
        if !self.id.is_zero() {
            // The failure that ends the work is the one to tell; the lock goes stale by itself.
            let _ = self.store.delete(Item::Lock(self.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::model;
    use crate::fuzzing::world::{Gate, HandClock, Open};
    use crate::ports::clock::Clock;
    use crate::ports::fault::Fault;
    use std::sync::mpsc::{Sender, channel};

    /// Tells of every put.
    struct Told(Mutex<Sender<()>>);

    impl Gate for Told {
        fn pass(&self, verb: &'static str, _: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
            effect();
            if verb == "put" {
                self.0.lock().unwrap().send(()).unwrap();
            }
            Ok(())
        }
    }

    #[test]
    fn a_held_lock_is_renewed_until_it_is_released() {
        let clock = Arc::new(HandClock::new());
        let files = model::create(&clock, 1);
        let (tell, told) = channel();
        let at = model::open(&files, Arc::new(Told(Mutex::new(tell))), &clock, 2).unwrap();
        let (id, taken) = (Mac([7; 32]), Stamp::from_nanos(clock.now_ns()));
        let lock = Lock { timestamp: taken, hostname: "here".to_owned(), exclusive: false };
        let put = Putter {
            store: Arc::clone(&at.repository.store),
            codec: at.repository.codec.clone(),
            world: at.world.clone(),
            id,
            renewed_ns: Arc::new(AtomicI64::new(taken.to_nanos())),
        };
        put.put(&lock).unwrap();
        told.recv().unwrap();
        let stop = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| renew(&put, lock, &stop, Duration::from_millis(1)));
            for _ in 0..3 {
                clock.pass(Duration::from_secs(540));
                // The second of these was begun after the time had passed.
                told.recv().unwrap();
                told.recv().unwrap();
                let other = model::open(&files, Arc::new(Open), &clock, 3).unwrap();
                let refused = take(&other.repository, Mac([8; 32]), "there", Claim::Exclusive, &other.world);
                assert_eq!(refused.err().unwrap().kind, Kind::Locked);
            }
            *stop.0.lock().unwrap() = true;
            stop.1.notify_all();
        });
        clock.pass(Duration::from_secs(600));
        let other = model::open(&files, Arc::new(Open), &clock, 4).unwrap();
        take(&other.repository, Mac([8; 32]), "there", Claim::Exclusive, &other.world).unwrap();
    }
}
