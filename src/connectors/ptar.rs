//! A `.ptar` file as a store: CONFIG, one packfile and one state in one file (FORMAT.md, "ptar").
//!
//! Inside, the packfile goes by a random name that only the state knows, so any name asked for
//! means that packfile.

use crate::base::limits::CONFIG_BYTES_MAX;
use crate::base::mac::Mac;
use crate::ports::archive::Archive;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::store::{Access, Item, Kind, Listed, Store};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"_PLATAR_";
const VERSION: u32 = 0x0001_0000;
const HEAD_BYTES: u64 = 12;
const FOOTER_BYTES: u64 = 48;

/// The name under which the one state is listed, as real Plakar does it.
const STATE_ID: Mac = Mac([
    15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
/// The name under which the one packfile is listed.
const PACKFILE_ID: Mac = Mac([
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/// An archive opened for reading.
pub struct PtarStore {
    location: String,
    file: File,
    config: Range<u64>,
    packfile: Range<u64>,
    state: Range<u64>,
}

impl PtarStore {
    /// Opens the file and reads its footer.
    ///
    /// # Errors
    /// `Missing`; `Damaged` when it is no archive, or one cut short.
    pub fn open(path: &Path) -> Result<PtarStore, Fault> {
        let location = format!("ptar://{}", path.display());
        let file =
            File::open(path).map_err(|e| Fault::from_io(format_args!("open {}", path.display()), &e))?;
        let size = file.metadata().map_err(|e| Fault::from_io(&location, &e))?.len();
        let damaged = |what: &str| Fault::new(FaultKind::Damaged, format!("{location}: {what}"));
        if size < HEAD_BYTES + FOOTER_BYTES {
            return Err(damaged("too short for a ptar archive"));
        }
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, 0).map_err(|e| Fault::from_io(&location, &e))?;
        if magic != *MAGIC {
            return Err(damaged("not a ptar archive (its first bytes are not _PLATAR_)"));
        }
        let mut footer = [0; 48];
        file.read_exact_at(&mut footer, size - FOOTER_BYTES).map_err(|e| Fault::from_io(&location, &e))?;
        let [config, packfile, state] = sections(&footer, size).map_err(|what| damaged(&what))?;
        Ok(PtarStore { location, file, config, packfile, state })
    }

    fn section(&self, item: Item) -> Result<Range<u64>, Fault> {
        match item {
            Item::Config => Ok(self.config.clone()),
            Item::Packfile(_) => Ok(self.packfile.clone()),
            Item::State(STATE_ID) => Ok(self.state.clone()),
            Item::State(_) | Item::Lock(_) => {
                Err(Fault::new(FaultKind::Missing, format!("{}: no {item} in an archive", self.location)))
            }
        }
    }

    fn refuse(&self, what: &str) -> Fault {
        Fault::new(
            FaultKind::Unsupported,
            format!("{what}: {} is an archive and cannot be changed", self.location),
        )
        .with_remedy("`plakar ptar` writes a new one; `sync` copies snapshots into a store")
    }
}

/// Where CONFIG, the packfile and the state lie in an archive of `size` bytes, by its footer.
///
/// # Errors
/// When they do not follow one another within the file, or CONFIG is too long to be one.
pub fn sections(footer: &[u8; FOOTER_BYTES as usize], size: u64) -> Result<[Range<u64>; 3], String> {
    let (fields, _) = footer.as_chunks::<8>();
    let mut fields = fields.iter().map(|field| u64::from_le_bytes(*field));
    let mut expected = HEAD_BYTES;
    let mut section = |name: &str| {
        let (start, length) = (fields.next().unwrap_or(u64::MAX), fields.next().unwrap_or(0));
        let end = start
            .checked_add(length)
            .filter(|&end| start == expected && end <= size.saturating_sub(FOOTER_BYTES));
        let end =
            end.ok_or_else(|| format!("the footer places {name} outside the file; was it cut short?"))?;
        expected = end;
        Ok::<_, String>(start..end)
    };
    let found = [section("CONFIG")?, section("the packfile")?, section("the state")?];
    let [config, ..] = &found;
    if config.end - config.start > CONFIG_BYTES_MAX {
        return Err("CONFIG is longer than any real one".to_owned());
    }
    Ok(found)
}

impl Store for PtarStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn access(&self) -> Access {
        Access::ReadOnly
    }

    fn create(&self, _: &[u8]) -> Result<(), Fault> {
        Err(self.refuse("create"))
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        let section = self.section(item)?;
        let length = section.end - section.start;
        if length > limit {
            return Err(Fault::new(
                FaultKind::Damaged,
                format!("{}: {item} has {length} bytes, more than {limit}", self.location),
            ));
        }
        let length = usize::try_from(length).map_err(|_| self.refuse("get"))?;
        self.get_range(item, 0, length)
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let section = self.section(item)?;
        let start = section.start.checked_add(offset);
        let fits = start.and_then(|s| s.checked_add(length as u64)).is_some_and(|end| end <= section.end);
        let (Some(start), true) = (start, fits) else {
            return Err(Fault::new(
                FaultKind::Damaged,
                format!("{}: {item} ends before byte {offset} + {length}", self.location),
            ));
        };
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, start)
            .map_err(|e| Fault::from_io(format_args!("{}: {item}", self.location), &e))?;
        Ok(bytes)
    }

    fn put(&self, item: Item, _: &[u8]) -> Result<(), Fault> {
        Err(self.refuse(&format!("put {item}")))
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        Err(self.refuse(&format!("delete {item}")))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let size = |section: &Range<u64>| section.end - section.start;
        Ok(match kind {
            Kind::State => vec![Listed { id: STATE_ID, size: size(&self.state) }],
            Kind::Packfile => vec![Listed { id: PACKFILE_ID, size: size(&self.packfile) }],
            Kind::Lock => Vec::new(),
        })
    }
}

/// An archive being written, under a temporary name beside its own.
pub struct PtarWriter {
    path: PathBuf,
    temporary: PathBuf,
    out: Option<BufWriter<File>>,
    config_bytes: u64,
    packfile_bytes: u64,
}

impl PtarWriter {
    /// Starts `path` with its CONFIG.
    ///
    /// # Errors
    /// `Exists` when the file is there and `overwrite` is not set.
    pub fn create(path: &Path, config: &[u8], overwrite: bool) -> Result<PtarWriter, Fault> {
        PtarWriter::refuse_existing(path, overwrite)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|e| Fault::from_io(format_args!("create {}", temporary.display()), &e))?;
        let mut writer = PtarWriter {
            path: path.to_owned(),
            temporary,
            out: Some(BufWriter::with_capacity(1 << 20, file)),
            config_bytes: config.len() as u64,
            packfile_bytes: 0,
        };
        writer.write(MAGIC)?;
        writer.write(&VERSION.to_le_bytes())?;
        writer.write(config)?;
        Ok(writer)
    }

    /// Whether [`PtarWriter::create`] would be refused, before anything is asked or read.
    ///
    /// # Errors
    /// `Exists`.
    pub fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), Fault> {
        if overwrite || path.symlink_metadata().is_err() {
            return Ok(());
        }
        let why = format!("ptar archive {} already exists, use -overwrite to overwrite it", path.display());
        Err(Fault::new(FaultKind::Exists, why))
    }

    /// Where it is until it is finished.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(out) = &mut self.out else { return Ok(()) };
        out.write_all(bytes).map_err(|e| Fault::from_io(format_args!("write {}", self.path.display()), &e))
    }
}

impl Archive for PtarWriter {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.packfile_bytes += bytes.len() as u64;
        self.write(bytes)
    }

    fn finish(mut self: Box<Self>, state: &[u8]) -> Result<(), Fault> {
        self.write(state)?;
        let (config_at, packfile_at) = (HEAD_BYTES, HEAD_BYTES + self.config_bytes);
        let state_at = packfile_at + self.packfile_bytes;
        let lengths = [self.config_bytes, self.packfile_bytes, state.len() as u64];
        for (at, length) in [config_at, packfile_at, state_at].into_iter().zip(lengths) {
            self.write(&at.to_le_bytes())?;
            self.write(&length.to_le_bytes())?;
        }
        let failed = |e: &std::io::Error| Fault::from_io(format_args!("write {}", self.path.display()), e);
        let Some(out) = self.out.take() else { return Ok(()) };
        let file = out.into_inner().map_err(|e| failed(e.error()))?;
        file.sync_all().map_err(|e| failed(&e))?;
        std::fs::rename(&self.temporary, &self.path).map_err(|e| failed(&e))?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| failed(&e))
    }
}

impl Drop for PtarWriter {
    fn drop(&mut self) {
        // After `finish` the temporary name is gone already.
        if self.out.take().is_some() || self.temporary.exists() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("plakar-ptar-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn what_is_written_reads_back_by_section() {
        let dir = scratch("sections");
        let path = dir.join("x.ptar");
        let mut writer = Box::new(PtarWriter::create(&path, b"config", false).unwrap());
        writer.append(b"pack").unwrap();
        writer.append(b"file").unwrap();
        assert!(!path.exists(), "nothing under the name before it is whole");
        writer.finish(b"state").unwrap();
        let store = PtarStore::open(&path).unwrap();
        assert_eq!(store.get(Item::Config, 100).unwrap(), b"config");
        assert_eq!(store.get(Item::State(STATE_ID), 100).unwrap(), b"state");
        assert_eq!(store.get_range(Item::Packfile(Mac([7; 32])), 2, 4).unwrap(), b"ckfi");
        assert_eq!(store.get_range(Item::Packfile(Mac::ZERO), 2, 7).unwrap_err().kind, FaultKind::Damaged);
        assert_eq!(store.get(Item::State(Mac::ZERO), 100).unwrap_err().kind, FaultKind::Missing);
        assert_eq!(store.list(Kind::Packfile).unwrap(), [Listed { id: PACKFILE_ID, size: 8 }]);
        assert_eq!(store.put(Item::Config, b"").unwrap_err().kind, FaultKind::Unsupported);
        assert_eq!(PtarWriter::create(&path, b"", false).err().unwrap().kind, FaultKind::Exists);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_unfinished_archive_leaves_nothing() {
        let dir = scratch("unfinished");
        let mut writer = PtarWriter::create(&dir.join("x.ptar"), b"config", false).unwrap();
        writer.append(b"blobs").unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_cut_or_altered_archive_is_damaged_wherever_it_is_cut() {
        let dir = scratch("cut");
        let path = dir.join("x.ptar");
        let mut writer = Box::new(PtarWriter::create(&path, b"config", false).unwrap());
        writer.append(&[1; 100]).unwrap();
        writer.finish(&[2; 50]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(
                PtarStore::open(&path).err().map(|e| e.kind),
                Some(FaultKind::Damaged),
                "cut at {cut}"
            );
        }
        for at in whole.len() - FOOTER_BYTES as usize..whole.len() - 8 {
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            std::fs::write(&path, &altered).unwrap();
            assert!(PtarStore::open(&path).is_err(), "footer byte {at} altered");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
