//! `info`: what a store, or a snapshot, says of itself.

use crate::base::mac::Mac;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::gotime;
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::sheet::Sheet;
use crate::engine::errors;
use crate::engine::retention::Retention;
use crate::engine::select::{Argument, Filters};
use crate::engine::snapshot::Snapshot;
use crate::ports::store::Kind;
use std::os::unix::ffi::OsStrExt;

/// Its options.
pub const OPTIONS: &[Opt] = &[Opt::new("errors", Takes::Switch, "show errors within snapshot")];

/// Prints.
///
/// # Errors
/// What cannot be read.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.len() > 1 {
        return Err(Failure::new("too many arguments"));
    }
    let opened = open::store(session, None)?;
    let Some(word) = parsed.rest.first() else {
        tell(session, "store", &store(session, &opened)?);
        return Ok(DONE);
    };
    let argument = Argument::parse(word.as_bytes());
    let blobs = opened.blobs();
    let found = opened.snapshot(&blobs, &argument)?;
    if parsed.switch("errors") {
        let below = argument.resolve(&found.root());
        errors::each(&blobs, &found, &below, &mut |path, message| {
            let mut line = path.to_vec();
            line.extend_from_slice(format!(": {message}").as_bytes());
            let record = || {
                Record::new("item")
                    .text("snapshot", &found.id.to_string())
                    .path("path", path)
                    .truth("ok", false)
                    .text("message", message)
            };
            session.out.tell(record, || line);
        })?;
        return Ok(DONE);
    }
    tell(session, "facts", &snapshot(&found));
    Ok(DONE)
}

fn tell(session: &Session, kind: &str, sheet: &Sheet) {
    if session.out.speaks_json() {
        return session.out.record(Record::new(kind).map("facts", sheet.facts()));
    }
    for line in sheet.lines() {
        session.out.line(line);
    }
}

/// `20 MiB (20971520 bytes)`.
fn store(session: &Session, opened: &Opened) -> Result<Sheet, Failure> {
    let config = &opened.repository.config;
    let mut sheet = Sheet::default();
    sheet.text("Version", config.version);
    sheet.text("Timestamp", gotime::full(config.timestamp));
    sheet.text("RepositoryID", uuid(&config.repository_id));
    sheet.section("Packfile", "");
    sheet.size("MaxSize", config.packfile.max);
    sheet.section("Chunking", "");
    sheet.text("Algorithm", &config.chunking.algorithm);
    sheet.size("MinSize", u64::from(config.chunking.min));
    sheet.size("NormalSize", u64::from(config.chunking.normal));
    sheet.size("MaxSize", u64::from(config.chunking.max));
    sheet.section("Hashing", "");
    sheet.text("Algorithm", &config.hashing.algorithm);
    sheet.text("Bits", config.hashing.bits);
    if let Some(compression) = &config.compression {
        sheet.section("Compression", "");
        sheet.text("Algorithm", &compression.algorithm);
        sheet.text("Level", compression.level);
    }
    if let Some(encryption) = &config.encryption {
        sheet.section("Encryption", "");
        sheet.text("SubkeyAlgorithm", &encryption.subkey_algorithm);
        sheet.text("DataAlgorithm", &encryption.data_algorithm);
        sheet.text("ChunkSize", encryption.chunk_size);
        sheet.text("Canary", digits(&encryption.canary));
        sheet.text("KDF", encryption.kdf.name());
        sheet.below("Salt", digits(&encryption.kdf.salt));
        for (name, value) in encryption.kdf.costs() {
            sheet.below(name, value);
        }
    }
    sheet.end_section();
    let (found, problems) = opened.select(&Filters::default(), &Retention::default())?;
    for (id, error) in &problems {
        session.out.error_line(format!("warn: snapshot {id}: {error}"));
    }
    sheet.text("Snapshots", found.len() + problems.len());
    let mut stored = opened.repository.config_file.len() as u64;
    for kind in [Kind::State, Kind::Packfile, Kind::Lock] {
        stored += opened.repository.store.list(kind)?.iter().map(|file| file.size).sum::<u64>();
    }
    sheet.size("Storage size", stored);
    sheet.size("Logical size", found.iter().map(Snapshot::size).sum());
    Ok(sheet)
}

fn snapshot(snapshot: &Snapshot) -> Sheet {
    let header = &snapshot.header;
    let mut sheet = Sheet::default();
    sheet.text("Version", header.version);
    sheet.text("SnapshotID", snapshot.id);
    sheet.text("Timestamp", gotime::full(header.timestamp));
    sheet.text("Duration", gotime::duration(header.duration_ns));
    sheet.text("Name", &header.name);
    sheet.text("Environment", &header.environment);
    sheet.text("Perimeter", &header.perimeter);
    sheet.text("Category", &header.category);
    if !header.tags.is_empty() {
        sheet.text("Tags", header.tags.join(", "));
    }
    let Some(source) = header.sources.first() else { return sheet };
    let three: [&Mac; 3] = [&source.root, &source.xattrs, &source.errors];
    sheet.text("VFS", format!("{{{}}}", three.map(Mac::to_string).join(" ")));
    sheet.section("Importer", "");
    sheet.text("Type", &source.kind);
    sheet.text("Origin", &source.origin);
    sheet.text("Directory", String::from_utf8_lossy(&source.directory));
    sheet.section("Context", "");
    for (shown, key) in [
        ("MachineID", "MachineID"),
        ("Hostname", "Hostname"),
        ("Username", "Username"),
        ("OperatingSystem", "OperatingSystem"),
        ("Architecture", "Architecture"),
        ("NumCPU", "NumCPU"),
        ("GOMAXPROCS", "MaxProcs"),
        ("ProcessID", "ProcessID"),
        ("Client", "Client"),
        ("CommandLine", "CommandLine"),
    ] {
        let value =
            header.context.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str());
        sheet.text(shown, value);
    }
    sheet.section("Summary", "");
    let (here, below) = (&source.summary.directory, &source.summary.below);
    let least = |a: u64, b: u64| if a == 0 || (b != 0 && b < a) { b } else { a };
    let time = |secs: i64| gotime::full(crate::base::stamp::Stamp { secs, nanos: 0 });
    let first = |a: i64, b: i64| if a == 0 || (b != 0 && b < a) { b } else { a };
    for (name, count) in [
        ("Directories", here.directories + below.directories),
        ("Files", here.files + below.files),
        ("Symlinks", here.symlinks + below.symlinks),
        ("Devices", here.devices + below.devices),
        ("Pipes", here.pipes + below.pipes),
        ("Sockets", here.sockets + below.sockets),
        ("Setuid", here.setuid + below.setuid),
        ("Setgid", here.setgid + below.setgid),
        ("Sticky", here.sticky + below.sticky),
        ("Objects", here.objects + below.objects),
        ("Chunks", here.chunks + below.chunks),
    ] {
        sheet.text(name, count);
    }
    sheet.size("MinSize", least(here.min_size, below.min_size));
    sheet.size("MaxSize", here.max_size.max(below.max_size));
    sheet.size("Size", here.size + below.size);
    sheet.text("MinModTime", time(first(here.min_mod_time, below.min_mod_time)));
    sheet.text("MaxModTime", time(here.max_mod_time.max(below.max_mod_time)));
    let entropy = if here.min_entropy == 0.0 { below.min_entropy } else { here.min_entropy };
    sheet.text("MinEntropy", format!("{entropy:.6}"));
    sheet.text("MaxEntropy", format!("{:.6}", here.max_entropy.max(below.max_entropy)));
    for (name, count) in [
        ("HiEntropy", here.hi_entropy + below.hi_entropy),
        ("LoEntropy", here.lo_entropy + below.lo_entropy),
        ("MIMEAudio", here.mime_audio + below.mime_audio),
        ("MIMEVideo", here.mime_video + below.mime_video),
        ("MIMEImage", here.mime_image + below.mime_image),
        ("MIMEText", here.mime_text + below.mime_text),
        ("MIMEApplication", here.mime_application + below.mime_application),
        ("MIMEOther", here.mime_other + below.mime_other),
        ("Errors", here.errors + below.errors),
    ] {
        sheet.text(name, count);
    }
    sheet
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `5f0c7a0e-1f0e-4c4b-9c2e-1f6b7f0d2a11`.
pub fn uuid(id: &[u8; 16]) -> String {
    let all = digits(id);
    let part = |range: std::ops::Range<usize>| all.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
