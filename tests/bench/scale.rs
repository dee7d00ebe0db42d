//! What ten million blobs and five million keys cost: `cargo run --release --example scale`, or with
//! `-- BLOBS KEYS` so many. A store's states are made up, and so is the listing of a bucket; the real
//! command lines run over both, and their time and peak memory are printed.
//!
//! Ends with a panic when a blob costs more than [`BYTES_A_BLOB_MAX`], or when ten times the keys cost
//! memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement ends by panicking when something is wrong"
)]

#[path = "../kit/s3_server/mod.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod s3_server;

use plakar::base::mac::Mac;
use plakar::format::config::Config;
use plakar::format::envelope;
use plakar::format::kind::{Resource, Version};
use plakar::format::state::{Builder, Entry, Location, Meta};
use plakar::ports::store::Item;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Peak memory that each blob of a store may add to a command.
const BYTES_A_BLOB_MAX: f64 = 64.0;

/// Peak memory that a command's buffers vary by from run to run.
const NOISE_MIB: f64 = 12.0;

/// Peak memory that ten times the keys may add: allocators round.
const LISTING_MIB_MAX: f64 = 4.0;

/// States of a store that has grown for years.
const STATES: u64 = 200;

/// Blobs in one packfile.
const IN_ONE: u64 = 500;

/// Set in the processes that act as the program itself.
const AS_PROGRAM: &str = "PLAKAR_SCALE_AS_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(AS_PROGRAM).is_some() {
        let code = plakar::cli::main();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        eprintln!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
        return code;
    }
    let number = |at: usize, usual: u64| std::env::args().nth(at).map_or(usual, |word| word.parse().unwrap());
    let (blobs, keys) = (number(1, 10_000_000), number(2, 5_000_000));
    let place = Place::new();
    place.blobs(blobs);
    place.keys(keys);
    ExitCode::SUCCESS
}

/// A directory of its own, removed at the end.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command took.
struct Cost {
    seconds: f64,
    mib: f64,
}

impl Place {
    fn new() -> Place {
        let dir = std::env::temp_dir().join(format!("plakar-scale-{}", std::process::id()));
        fs::create_dir_all(dir.join("source")).unwrap();
        for n in 0..10 {
            fs::write(dir.join(format!("source/{n}")), n.to_string()).unwrap();
        }
        Place(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, words: &[&str]) -> Cost {
        let started = Instant::now();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(words)
            .env(AS_PROGRAM, "1")
            .env("HOME", self.0.join("home"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {told}");
        let peak = told.lines().rev().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
        Cost { seconds, mib: kib / 1024.0 }
    }

    fn blobs(&self, blobs: u64) {
        let (store, source) = (self.path("store"), self.path("source"));
        let at = |words: &[&str]| self.run(&[&["at", &store], words].concat());
        at(&["create", "-plaintext", "-no-compression"]);
        at(&["backup", "-quiet", &source]);
        let empty = at(&["ls"]);
        let unchanged = at(&["backup", "-quiet", &source]);
        fill(Path::new(&store), blobs);
        for (what, words, before) in [
            ("ls, states read for the first time", &["ls"][..], &empty),
            ("ls", &["ls"], &empty),
            ("backup, nothing changed", &["backup", "-quiet", &source], &unchanged),
        ] {
            let cost = at(words);
            let more = cost.mib - before.mib;
            let each = |mib: f64| mib * f64::from(1 << 20) / blobs as f64;
            println!(
                "{blobs} blobs, {what}: {:.2} s, {:.0} MiB, {:.1} bytes a blob",
                cost.seconds,
                cost.mib,
                each(more)
            );
            assert!(each(more - NOISE_MIB) <= BYTES_A_BLOB_MAX, "{:.1} bytes a blob", each(more));
        }
    }

    fn keys(&self, keys: u64) {
        let server = s3_server::S3Server::start();
        let mut peaks = Vec::new();
        for (bucket, keys) in [("tenth", keys / 10), ("all", keys)] {
            server.objects(|objects| objects.made_up.insert(bucket.to_owned(), keys));
            let location = format!("s3://{}/{bucket}", server.address());
            let access = format!("access_key={}", s3_server::ACCESS_KEY);
            let secret = format!("secret_access_key={}", s3_server::SECRET_KEY);
            self.run(&["source", "add", bucket, &location, &access, &secret, "use_tls=false"]);
            let store = self.path("empty");
            if !Path::new(&store).exists() {
                self.run(&["at", &store, "create", "-plaintext"]);
            }
            let named = format!("@{bucket}");
            let cost = self.run(&["at", &store, "backup", "-scan", &named]);
            println!("{keys} keys, backup -scan: {:.2} s, {:.1} MiB", cost.seconds, cost.mib);
            peaks.push(cost.mib);
        }
        assert!(peaks[1] - peaks[0] <= LISTING_MIB_MAX, "{peaks:?} MiB");
    }
}

/// Writes states that name so many blobs, in packfiles that do not exist.
fn fill(store: &Path, blobs: u64) {
    let config = Config::decode_unverified(&fs::read(store.join("CONFIG")).unwrap()).unwrap();
    let keyed = config.keyed(None).unwrap();
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut mac = || {
        let mut mac = Mac::ZERO;
        for word in mac.0.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        mac
    };
    let mut left = blobs;
    for states_left in (1..=STATES).rev() {
        let here = left.div_ceil(states_left);
        left -= here;
        let id = mac();
        let mut body = Builder::new(None);
        let mut packfiles = Vec::new();
        for n in 0..here {
            if n % IN_ONE == 0 {
                packfiles.push(mac());
            }
            body.push(&Entry::Location(Location {
                resource: if n % 3 == 0 { Resource::CHUNK } else { Resource::OBJECT },
                version: Version::V1_0_0,
                mac: mac(),
                packfile: *packfiles.last().unwrap(),
                offset: n % IN_ONE * 30_000,
                length: 30_000,
                flags: 0,
            }));
        }
        for packfile in packfiles {
            body.push(&Entry::Packfile { id: packfile, state: id, timestamp_ns: 1 });
        }
        let meta =
            Meta { version: Version::V1_0_0, timestamp_ns: 1, serial: config.repository_id, parent: None };
        let file = envelope::wrap(Resource::STATE, Version::V1_0_0, &body.finish(&meta), &keyed);
        let path = store.join(Item::State(id).path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}
