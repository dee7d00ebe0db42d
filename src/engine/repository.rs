//! A store made, opened, unlocked, and its states read.

use crate::algo::derive;
use crate::algo::seal::Sealer;
use crate::base::limits;
use crate::base::mac::Mac;
use crate::base::secret::Secret;
use crate::base::stamp::Stamp;
use crate::engine::codec::Codec;
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Builder, Index, Sight};
use crate::engine::states::{self, State};
use crate::engine::states_ahead::{self, Ahead};
use crate::engine::{NoCache, StateCache, World};
use crate::format::config::{Config, DEFAULT_KDF, Encryption, Kdf};
use crate::format::envelope;
use crate::format::kind::{Resource, Version};
use crate::ports::store::{self, Item, Store};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Plaintext sealed into CONFIG to prove a passphrase.
const CANARY_BYTES: usize = 32;

/// What can be chosen when a store is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStore {
    /// `BLAKE3` or `SHA256`.
    pub hashing: String,
    /// LZ4, or nothing.
    pub compressed: bool,
    /// Largest blob area of a packfile, in bytes; archives have no limit.
    pub packfile_max: u64,
}

impl Default for NewStore {
    fn default() -> NewStore {
        NewStore { hashing: "BLAKE3".to_owned(), compressed: true, packfile_max: 20 << 20 }
    }
}

/// Draws a repository id and, with a passphrase, a key; gives the CONFIG file and the open settings.
///
/// # Errors
/// An unknown hash; a derivation that the machine has no memory for.
pub fn draw(
    settings: &NewStore,
    passphrase: Option<&Secret>,
    world: &World,
) -> Result<(Vec<u8>, Config, Codec), Error> {
    let mut id = [0; 16];
    world.dice.fill(&mut id);
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut id;
    (*version, *variant) = (*version & 0x0f | 0x40, *variant & 0x3f | 0x80);
    let mut config = Config::new(id, Stamp::from_nanos(world.clock.now_ns()));
    config.hashing.algorithm.clone_from(&settings.hashing);
    config.packfile.max = settings.packfile_max;
    if !settings.compressed {
        config.compression = None;
    }
    let mut key = None;
    if let Some(passphrase) = passphrase {
        let mut salt = vec![0; 16];
        world.dice.fill(&mut salt);
        let kdf = Kdf { salt, params: DEFAULT_KDF };
        let mut encryption = Encryption {
            subkey_algorithm: "AES256-KW".to_owned(),
            data_algorithm: "AES256-GCM-SIV".to_owned(),
            chunk_size: 64 << 10,
            kdf,
            canary: Vec::new(),
        };
        let derived = derived(&encryption, passphrase)?;
        let mut proof = [0; CANARY_BYTES];
        world.dice.fill(&mut proof);
        let mut canary = Vec::new();
        sealer(&encryption, &derived)?.seal(&proof, &mut |out| world.dice.fill(out), &mut canary);
        encryption.canary = canary;
        config.encryption = Some(encryption);
        key = Some(derived);
    }
    let file = config.encode(key.as_ref())?;
    let codec = codec(&config, key.as_ref())?;
    Ok((file, config, codec))
}

/// Makes a store.
///
/// # Errors
/// `Exists` when there is one already; see [`draw`].
pub fn create(
    store: &dyn Store,
    settings: NewStore,
    passphrase: Option<&Secret>,
    world: &World,
) -> Result<(), Error> {
    let (file, _, _) = draw(&settings, passphrase, world)?;
    Ok(store.create(&file)?)
}

fn derived(encryption: &Encryption, passphrase: &Secret) -> Result<Secret, Error> {
    let (params, key_len) = encryption.kdf.cost()?;
    derive::derive(&params, &encryption.kdf.salt, passphrase, key_len)
        .map_err(|e| Error::new(Kind::Unsupported, e.to_string()))
}

fn sealer(encryption: &Encryption, key: &Secret) -> Result<Sealer, Error> {
    Sealer::new(key, encryption.subkey()?, encryption.chunk_size as usize)
        .map_err(|e| Error::new(Kind::Damaged, e.to_string()))
}

fn codec(config: &Config, key: Option<&Secret>) -> Result<Codec, Error> {
    let sealer = match (&config.encryption, key) {
        (Some(encryption), Some(key)) => Some(sealer(encryption, key)?),
        _ => None,
    };
    Ok(Codec::new(config.method()?, sealer, config.keyed(key)?))
}

/// A store whose CONFIG was read, and nothing else.
pub struct Closed {
    store: Arc<dyn Store>,
    file: Vec<u8>,
    config: Config,
    cache: Arc<dyn StateCache>,
}

impl Closed {
    /// Reads CONFIG: one request.
    ///
    /// # Errors
    /// `Missing` when there is no store; an unknown version or algorithm, by its name.
    pub fn read(store: Arc<dyn Store>) -> Result<Closed, Error> {
        let read = || -> Result<(Vec<u8>, Config), Error> {
            let file = store.get(Item::Config, limits::CONFIG_BYTES_MAX)?;
            let config = Config::decode_unverified(&file)?;
            if config.encryption.is_none() {
                Config::verify(&file, None)?;
            }
            Ok((file, config))
        };
        let (file, config) = twice(read)?;
        Ok(Closed { store, file, config, cache: Arc::new(NoCache) })
    }

    /// The same, with copies of states kept on this machine.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn StateCache>) -> Closed {
        Closed { cache, ..self }
    }

    /// The repository id as people write UUIDs.
    pub fn id(&self) -> String {
        uuid(&self.config)
    }

    /// The settings, not verified yet.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether it is encrypted.
    pub fn needs_passphrase(&self) -> bool {
        self.config.encryption.is_some()
    }

    /// Derives the key, proves it on the canary and verifies CONFIG with it. The states are listed
    /// and fetched meanwhile.
    ///
    /// # Errors
    /// `WrongPassphrase`; `Damaged` when CONFIG was altered.
    pub fn unlock(self, passphrase: Option<&Secret>, _: &World) -> Result<Repository, Error> {
        let mut ahead = Ahead::default();
        let key = match (&self.config.encryption, passphrase) {
            (None, _) => None,
            (Some(_), None) => return Err(Error::new(Kind::WrongPassphrase, "the store is encrypted")),
            (Some(encryption), Some(passphrase)) => {
                let key = std::thread::scope(|scope| {
                    let fetching = scope.spawn(|| states_ahead::fetch(&*self.store, &*self.cache));
                    let key = derived(encryption, passphrase);
                    ahead = fetching.join().unwrap_or_default();
                    key
                })?;
                if sealer(encryption, &key)?.open(&encryption.canary, 1 << 10).is_err() {
                    return Err(Error::new(Kind::WrongPassphrase, "the passphrase does not open this store"));
                }
                Some(key)
            }
        };
        Config::verify(&self.file, key.as_ref())?;
        let codec = codec(&self.config, key.as_ref())?;
        let Closed { store, file, config, cache } = self;
        Ok(Repository { store, config_file: file, config, codec, cache, ahead: Mutex::new(ahead) })
    }
}

fn uuid(config: &Config) -> String {
    let hex = hex::encode(config.repository_id);
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

/// Reads, and once more when what came is damaged: a bit may have been lost on the way, which plain
/// HTTP does not notice.
pub(crate) fn twice<T>(mut read: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    match read() {
        Err(error) if error.kind == Kind::Damaged => read(),
        done => done,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the whole run.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store, unlocked.
pub struct Repository {
    /// Where its files are.
    pub store: Arc<dyn Store>,
    /// CONFIG, as it was verified.
    pub config_file: Vec<u8>,
    /// Its settings.
    pub config: Config,
    /// How its items are spelled.
    pub codec: Codec,
    cache: Arc<dyn StateCache>,
    /// What was fetched while the key was derived, until it is used.
    ahead: Mutex<Ahead>,
}

impl Repository {
    /// The repository id as people write UUIDs.
    pub fn id(&self) -> String {
        uuid(&self.config)
    }

    /// Lists the states and reads those that are not in the cache, several at a time.
    ///
    /// # Errors
    /// A state that is damaged or newer than this program, by its name.
    pub fn load_index(&self, world: &World) -> Result<Index, Error> {
        let listed = self.states()?;
        Ok(self.read_states(&listed, world)?.finish())
    }

    /// What the states say that are not `known`, alone, coloured packfiles included: one request when
    /// there are none. They are listed here and now, whatever was listed ahead.
    ///
    /// # Errors
    /// As for [`Repository::load_index`].
    pub fn load_beyond(&self, known: &dyn Fn(&Mac) -> bool, world: &World) -> Result<Index, Error> {
        let mut listed = self.states_now()?;
        listed.retain(|id| !known(id));
        Ok(self.read_states(&listed, world)?.finish_for(Sight::Everything))
    }

    /// As [`Repository::load_index`], coloured packfiles included, and nothing listed ahead.
    ///
    /// # Errors
    /// The same.
    pub fn load_everything(&self, world: &World) -> Result<Index, Error> {
        let listed = self.states_now()?;
        Ok(self.read_states(&listed, world)?.finish_for(Sight::Everything))
    }

    fn read_states(&self, listed: &[Mac], world: &World) -> Result<Builder, Error> {
        let builder = Mutex::new(Builder::of(self.config.generation()));
        states::each(listed, world, &|id| self.read_state(id, &builder))?;
        Ok(builder.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_state(&self, id: &Mac, builder: &Mutex<Builder>) -> Result<(), Error> {
        let named = |error: Error| {
            let how = "`repair` rebuilds what can be; `check` and `restore` work with the rest";
            error.context(format_args!("state {id}")).with_remedy(how)
        };
        let cached = self.cache.get(id).and_then(|file| self.open_state(&file).ok());
        let (version, body) = match cached {
            Some(opened) => opened,
            None => {
                // Listed and then not there is never passed over: whatever it said would be unknown.
                let (file, opened) = twice(|| {
                    let file = self.state_file(id)?;
                    let opened = self.open_state(&file).map_err(named)?;
                    Ok((file, opened))
                })?;
                self.cache.put(id, &file);
                opened
            }
        };
        // What a damaged one left there is never seen: the whole fails.
        lock(builder).read(id, &body, version).map_err(named)
    }

    /// Names of all states.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn states(&self) -> Result<Vec<Mac>, Error> {
        let ahead = lock(&self.ahead).listed.take();
        let listed = ahead.unwrap_or_else(|| self.store.list(store::Kind::State))?;
        Ok(listed.iter().map(|file| file.id).collect())
    }

    fn states_now(&self) -> Result<Vec<Mac>, Error> {
        Ok(self.store.list(store::Kind::State)?.iter().map(|file| file.id).collect())
    }

    /// A state as the store has it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn state_file(&self, id: &Mac) -> Result<Vec<u8>, Error> {
        let ahead = lock(&self.ahead).files.remove(id);
        let get = || self.store.get(Item::State(*id), limits::STATE_BYTES_MAX);
        Ok(ahead.unwrap_or_else(get)?)
    }

    /// The state in a file, verified.
    ///
    /// # Errors
    /// `Damaged`; `Unsupported` for one newer than this program.
    pub(crate) fn decode_state(&self, id: &Mac, file: &[u8]) -> Result<State, Error> {
        let opened = self.open_state(file).and_then(|(version, body)| State::decode(&body, version));
        opened.map_err(|error| error.context(format_args!("state {id}")))
    }

    /// Copies of states on this machine.
    pub(crate) fn cache(&self) -> &dyn StateCache {
        &*self.cache
    }

    fn open_state(&self, file: &[u8]) -> Result<(Version, Vec<u8>), Error> {
        let (version, payload) = envelope::open(file, Resource::STATE, self.codec.keyed())?;
        // A state compresses little; a body beyond this is no state of ours to hold in memory.
        let limit = file.len().saturating_mul(64).min(limits::STATE_BYTES_MAX as usize);
        Ok((version, self.codec.decode(payload, limit.max(1 << 20))?))
    }
}
