//! `ptar`: snapshots of stores, and of paths, into one file.

use crate::base::mac::Mac;
use crate::base::secret::Secret;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::backup::context;
use crate::cli::cmd::create;
use crate::cli::cmd::restore::count;
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure, INCOMPLETE};
use crate::cli::open::{self, Opened};
use crate::cli::passphrase;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::cli::settings::Role;
use crate::connectors::context::Reading;
use crate::connectors::ptar::PtarWriter;
use crate::engine::backup::{self, Filling, Options};
use crate::engine::replay::Replay;
use crate::engine::repository::{self, NewStore};
use crate::engine::snapshot;
use crate::ports::source::Source;
use crate::world::host::{self, Accounts};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new(
        "hashing",
        Takes::Text("string"),
        "hashing algorithm to use for digests: BLAKE3 (default) or SHA256",
    ),
    Opt::new("k", Takes::Path("value"), "add a kloset store to include, can be specified multiple times"),
    Opt::new("kloset", Takes::Path("value"), "the same as -k"),
    Opt::new("no-compression", Takes::Switch, "disable transparent compression"),
    Opt::new("o", Takes::Path("string"), "name of the ptar archive to create"),
    Opt::new("overwrite", Takes::Switch, "overwrite the ptar archive if it already exists"),
    Opt::new("plaintext", Takes::Switch, "disable transparent encryption"),
];

/// Writes an archive.
///
/// # Errors
/// When no archive was made; one with entries missing ends with a code of its own.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let path = parsed.path("o").map(PathBuf::from);
    let path = path.ok_or_else(|| Failure::new("-o option must be specified"))?;
    let hashing = create::hashing(&parsed)?;
    let overwrite = parsed.switch("overwrite");
    PtarWriter::refuse_existing(&path, overwrite)?;
    let stores = stores(session, &parsed)?;
    let secret = match parsed.switch("plaintext") {
        true => None,
        false => Some(secret(session)?),
    };
    session.interruptible()?;
    let report =
        Report::new(session.out.clone(), Wording::Backup, Lines { done: false, failed: true }.unless(false));
    let world = open::world(session, report.clone());
    let compressed = !parsed.switch("no-compression");
    let settings = NewStore { hashing, compressed, packfile_max: u64::MAX };
    let (file, config, codec) = repository::draw(&settings, secret.as_ref(), &world)?;
    let writer = PtarWriter::create(&path, &file, overwrite)?;
    let own = [absolute(&path), absolute(writer.temporary())];
    let paths = match (parsed.rest.is_empty(), stores.is_empty()) {
        (true, true) => vec![OsString::from(".")],
        _ => parsed.rest.clone(),
    };
    let mut missing = 0;
    {
        let _running = report.run(&session.cancel, session.globals.quiet);
        backup::archive(&config, &codec, Box::new(writer), &world, |filling| {
            let mut copied = BTreeSet::new();
            for store in &stores {
                copy(session, filling, store, &mut copied)?;
            }
            for path in &paths {
                missing += add(session, filling, path, &own)?;
            }
            Ok::<(), Failure>(())
        })?;
    }
    match missing {
        0 => Ok(DONE),
        missing => {
            let missing = count(missing, "entry", "entries");
            let message = format!("the archive was created, but {missing} could not be read");
            Err(Failure { code: INCOMPLETE, ..Failure::new(message) })
        }
    }
}

/// The stores to include, each once, opened.
fn stores(session: &Session, parsed: &Parsed) -> Result<Vec<Opened>, Failure> {
    let mut words: Vec<&OsStr> = Vec::new();
    for word in parsed.paths("k").chain(parsed.paths("kloset")) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let opened = words.into_iter().map(|word| open::peer(session, word, "source repository passphrase"));
    opened.collect::<Result<_, _>>().map_err(|failure| failure.context("peer repository"))
}

/// The archive's passphrase: from where a store's would come, else chosen now, weak or not.
fn secret(session: &Session) -> Result<Secret, Failure> {
    let secret = match session.store()?.passphrase {
        Some(secret) => secret,
        None => passphrase::choose("repository passphrase", 0.0, &|line| session.out.error_line(line))?,
    };
    create::refuse_empty(secret)
}

/// Every snapshot of a store, oldest first, as it is.
fn copy(
    session: &Session,
    filling: &Filling<'_>,
    store: &Opened,
    copied: &mut BTreeSet<Mac>,
) -> Result<(), Failure> {
    let blobs = store.walk_blobs();
    let fetcher = store.fetcher(&blobs);
    let all = snapshot::open_all(&fetcher, &store.index.snapshots())?;
    let location = store.repository.store.location();
    if let Some((id, error)) = all.problems.first() {
        return Err(Failure::new(format!("snapshot {id} of {location}: {error}")));
    }
    for snapshot in all.readable.iter().rev() {
        if !copied.insert(snapshot.id) {
            continue;
        }
        let replay = Replay::new(&fetcher, snapshot)?;
        let options =
            Options { copy_of: Some(&snapshot.header), workers: session.globals.cpu, ..Options::default() };
        filling.add(&replay, &options).map_err(|error| {
            Failure::from(error).context(format_args!("snapshot {} of {location}", snapshot.id.short()))
        })?;
    }
    Ok(())
}

/// A path as a new snapshot; the number of entries that could not be read.
fn add(session: &Session, filling: &Filling<'_>, word: &OsStr, own: &[PathBuf]) -> Result<usize, Failure> {
    let place = session.place(Role::Source, word)?;
    let source =
        connect::source(session, &place, Reading { xattrs: true, skip: Vec::new() }).map_err(|failure| {
            failure.context(format_args!("failed to create an importer for {}", place.word))
        })?;
    let origin = source.origin();
    let local = origin.kind == "fs";
    let exclude = |path: &[u8], _: bool| local && own.iter().any(|own| own.as_os_str().as_bytes() == path);
    let options = Options {
        name: format!("{} @ {}", String::from_utf8_lossy(&origin.root), origin.origin),
        context: context(session, &Accounts::load()),
        host: host::hostname(),
        exclude: Some(&exclude),
        workers: session.globals.cpu,
        ..Options::default()
    };
    let source: Arc<dyn Source> = source;
    Ok(filling.add(&*source, &options)?.errors.len())
}

fn absolute(path: &Path) -> PathBuf {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}
