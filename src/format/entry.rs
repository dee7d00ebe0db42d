//! Entries of the file tree, extended attributes, recorded errors, and lists of directories
//! (FORMAT.md, "Entries and file information", "Xattrs", "Errors" and "Dirpacks").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::bytes;
use crate::base::file::{FileInfo, Mode};
use crate::base::limits::META_BYTES_MAX;
use crate::base::mac::Mac;
use crate::base::path;
use crate::format::error::FormatError;
use crate::format::fields::{self, field};
use crate::format::kind::{Generation, Version};
use crate::format::summary::Summary;

/// A VFS_ENTRY blob: one file of a snapshot.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Entry {
    /// Absolute path of its directory; `/` for `/` itself.
    pub parent_path: Vec<u8>,
    /// Name, kind, size, owner, times.
    pub info: FileInfo,
    /// Totals of a directory in a v1.0 store; `None` for anything else.
    pub summary: Option<Summary>,
    /// Verbatim.
    pub symlink_target: Vec<u8>,
    /// Name of the OBJECT; [`Mac::ZERO`] for what is not a regular file.
    pub object: Mac,
    /// MIME type (only in v1.1 stores; here as everywhere, empty means absent).
    pub content_type: String,
    /// Bits per byte (only in v1.1 stores).
    pub entropy: f64,
    /// Number of chunks (only in v1.1 stores).
    pub chunks: u64,
    /// Of Windows.
    pub alternate_data_streams: Vec<Vec<u8>>,
    /// Of Windows.
    pub security_descriptor: Vec<u8>,
    /// Of Windows.
    pub file_attributes: u32,
    /// Names of extended attributes, sorted.
    pub xattrs: Vec<Vec<u8>>,
    /// What analysers said, kept as it was.
    pub classifications: Vec<Classification>,
    /// Key and value.
    pub custom_metadata: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of the entry.
    pub tags: Vec<Vec<u8>>,
}

/// What an analyser said of a file; nobody writes one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Classification {
    /// Its name.
    pub analyzer: Vec<u8>,
    /// Found classes.
    pub classes: Vec<Vec<u8>>,
    /// Class and score.
    pub scores: Vec<(Vec<u8>, f64)>,
}

const WHAT: &str = "file entry";

/// Bytes that nearly every entry fits into, so that writing it does not move it.
const USUAL_BYTES: usize = 512;

impl Entry {
    /// Absolute path.
    pub fn path(&self) -> Vec<u8> {
        if self.info.name == b"/" { b"/".to_vec() } else { path::join(&self.parent_path, &self.info.name) }
    }

    /// The blob. `Generation::V1_0` leaves out what only v1.1 knows.
    pub fn encode(&self, generation: Generation) -> Vec<u8> {
        let newer = generation == Generation::V1_1;
        let optional = [
            !self.symlink_target.is_empty(),
            newer && !self.content_type.is_empty(),
            newer && self.entropy != 0.0,
            newer && self.chunks != 0,
            !self.alternate_data_streams.is_empty(),
            !self.security_descriptor.is_empty(),
            self.file_attributes != 0,
            !self.xattrs.is_empty(),
            !self.classifications.is_empty(),
            !self.custom_metadata.is_empty(),
            !self.tags.is_empty(),
        ];
        let [
            target,
            content_type,
            entropy,
            chunks,
            streams,
            descriptor,
            attributes,
            xattrs,
            classes,
            custom,
            tags,
        ] = optional;
        let mut w = Writer::with_capacity(USUAL_BYTES);
        w.map(5 + optional.iter().filter(|present| **present).count());
        w.str("version");
        w.u32(Version::V1_0_0.0);
        w.str("parent_path");
        w.str(&self.parent_path);
        w.str("file_info");
        write_info(&mut w, &self.info);
        w.str("summary");
        match &self.summary {
            Some(summary) => summary.write(&mut w),
            None => w.nil(),
        }
        if target {
            w.str("symlink_target");
            w.str(&self.symlink_target);
        }
        w.str("object");
        w.bin(&self.object.0);
        if content_type {
            w.str("content_type");
            w.str(&self.content_type);
        }
        if entropy {
            w.str("entropy");
            w.f64(self.entropy);
        }
        if chunks {
            w.str("chunks");
            w.u64(self.chunks);
        }
        let strings = |w: &mut Writer, list: &[Vec<u8>]| {
            w.array(list.len());
            list.iter().for_each(|text| w.str(text));
        };
        if streams {
            w.str("alternate_data_streams");
            strings(&mut w, &self.alternate_data_streams);
        }
        if descriptor {
            w.str("security_descriptor");
            w.bin(&self.security_descriptor);
        }
        if attributes {
            w.str("file_attributes");
            w.u32(self.file_attributes);
        }
        if xattrs {
            w.str("extended_attributes");
            strings(&mut w, &self.xattrs);
        }
        if classes {
            w.str("classifications");
            w.array(self.classifications.len());
            for class in &self.classifications {
                w.map(3);
                w.str("analyzer");
                w.str(&class.analyzer);
                w.str("classes");
                strings(&mut w, &class.classes);
                w.str("scores");
                w.array(class.scores.len());
                for (key, value) in &class.scores {
                    w.map(2);
                    w.str("key");
                    w.str(key);
                    w.str("value");
                    w.f64(*value);
                }
            }
        }
        if custom {
            w.str("custom_metadata");
            w.array(self.custom_metadata.len());
            for (key, value) in &self.custom_metadata {
                w.map(2);
                w.str("key");
                w.str(key);
                w.str("value");
                w.bin(value);
            }
        }
        if tags {
            w.str("tags");
            strings(&mut w, &self.tags);
        }
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Entry, FormatError> {
        let mut entry = Entry::default();
        let strings = |r: &mut Reader<'_>| fields::list(r, |r| r.bytes().map(<[u8]>::to_vec));
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "parent_path" => field!(WHAT, key, entry.parent_path, r.bytes().map(<[u8]>::to_vec)),
            "file_info" => {
                entry.info = read_info(r)?;
                Ok(true)
            }
            "summary" => {
                if !r.nil() {
                    entry.summary = Some(Summary::read(r)?);
                }
                Ok(true)
            }
            "symlink_target" => field!(WHAT, key, entry.symlink_target, r.bytes().map(<[u8]>::to_vec)),
            "object" => field!(WHAT, key, entry.object, fields::mac(r)),
            "content_type" => field!(WHAT, key, entry.content_type, fields::text(r)),
            "entropy" => field!(WHAT, key, entry.entropy, r.f64()),
            "chunks" => field!(WHAT, key, entry.chunks, r.number()),
            "alternate_data_streams" => field!(WHAT, key, entry.alternate_data_streams, strings(r)),
            "security_descriptor" => {
                field!(WHAT, key, entry.security_descriptor, r.bytes().map(<[u8]>::to_vec))
            }
            "file_attributes" => field!(WHAT, key, entry.file_attributes, r.number()),
            "extended_attributes" => field!(WHAT, key, entry.xattrs, strings(r)),
            "classifications" => {
                entry.classifications = fields::structs("file entry, classifications", r, 1, classification)?;
                Ok(true)
            }
            "custom_metadata" => {
                entry.custom_metadata = fields::structs("file entry, custom_metadata", r, 1, |r| {
                    let mut pair = (Vec::new(), Vec::new());
                    fields::map(WHAT, r, |key, r| match key {
                        "key" => field!(WHAT, key, pair.0, r.bytes().map(<[u8]>::to_vec)),
                        "value" => field!(WHAT, key, pair.1, r.bytes().map(<[u8]>::to_vec)),
                        _ => Ok(false),
                    })?;
                    Ok(pair)
                })?;
                Ok(true)
            }
            "tags" => field!(WHAT, key, entry.tags, strings(r)),
            _ => Ok(false),
        })?;
        Ok(entry)
    }

    /// Whether name and place are such that a restore cannot be led astray by them: a name of one
    /// component, below `directory`, which is absolute and clean.
    ///
    /// # Errors
    /// `Damaged`, saying what is wrong with the name.
    pub fn validate(&self, directory: &[u8]) -> Result<(), FormatError> {
        let fault = |detail: String| Err(FormatError::damaged(WHAT, detail));
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
        let name = &self.info.name;
        if name == b"/" && self.parent_path == b"/" && directory == b"/" {
            return if self.info.mode.is_dir() { Ok(()) } else { fault("/ is not a directory".into()) };
        }
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
            return fault(format!("\"{}\" is no name of a file", shown(name)));
        }
        if self.parent_path != directory || !path::is_clean(&self.parent_path) {
            return fault(format!("\"{}\" says it lies in \"{}\"", shown(name), shown(&self.parent_path)));
        }
        Ok(())
    }
}

fn classification(r: &mut Reader<'_>) -> Result<Classification, FormatError> {
    const WHAT: &str = "file entry, classification";
    let mut class = Classification::default();
    fields::map(WHAT, r, |key, r| match key {
        "analyzer" => field!(WHAT, key, class.analyzer, r.bytes().map(<[u8]>::to_vec)),
        "classes" => field!(WHAT, key, class.classes, fields::list(r, |r| r.bytes().map(<[u8]>::to_vec))),
        "scores" => {
            class.scores = fields::structs(WHAT, r, 1, |r| {
                let mut score = (Vec::new(), 0.0);
                fields::map(WHAT, r, |key, r| match key {
                    "key" => field!(WHAT, key, score.0, r.bytes().map(<[u8]>::to_vec)),
                    "value" => field!(WHAT, key, score.1, r.f64()),
                    _ => Ok(false),
                })?;
                Ok(score)
            })?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(class)
}

fn write_info(w: &mut Writer, info: &FileInfo) {
    w.map(12);
    w.str("name");
    w.str(&info.name);
    w.str("size");
    w.i64(info.size);
    w.str("mode");
    w.u32(info.mode.0);
    w.str("mod_time");
    w.time(info.mod_time);
    for (key, value) in [("dev", info.dev), ("ino", info.ino), ("uid", info.uid), ("gid", info.gid)] {
        w.str(key);
        w.u64(value);
    }
    w.str("nlink");
    w.u16(info.nlink);
    w.str("username");
    w.str(&info.username);
    w.str("groupname");
    w.str(&info.groupname);
    w.str("flags");
    w.u32(info.flags);
}

fn read_info(r: &mut Reader<'_>) -> Result<FileInfo, FormatError> {
    const WHAT: &str = "file entry, file_info";
    let mut info = FileInfo::default();
    fields::map(WHAT, r, |key, r| match key {
        "name" => field!(WHAT, key, info.name, r.bytes().map(<[u8]>::to_vec)),
        "size" => field!(WHAT, key, info.size, r.number()),
        "mode" => field!(WHAT, key, info.mode, r.number().map(Mode)),
        "mod_time" => field!(WHAT, key, info.mod_time, r.time()),
        "dev" => field!(WHAT, key, info.dev, r.number()),
        "ino" => field!(WHAT, key, info.ino, r.number()),
        "uid" => field!(WHAT, key, info.uid, r.number()),
        "gid" => field!(WHAT, key, info.gid, r.number()),
        "nlink" => field!(WHAT, key, info.nlink, r.number()),
        "username" => field!(WHAT, key, info.username, r.bytes().map(<[u8]>::to_vec)),
        "groupname" => field!(WHAT, key, info.groupname, r.bytes().map(<[u8]>::to_vec)),
        "flags" => field!(WHAT, key, info.flags, r.number()),
        _ => Ok(false),
    })?;
    Ok(info)
}

/// An XATTR_ENTRY blob.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct XattrEntry {
    /// Of the file.
    pub path: Vec<u8>,
    /// Of the attribute.
    pub name: Vec<u8>,
    /// Bytes of the value.
    pub size: i64,
    /// 0 extended attribute, 1 alternate data stream, 2 custom (since v1.1.4).
    pub kind: u8,
    /// The OBJECT whose content is the value.
    pub object: Mac,
}

impl XattrEntry {
    /// Key in the attribute tree: path, name and a mark, with nothing in between.
    pub fn key(&self) -> Vec<u8> {
        let mark = match self.kind {
            0 => b':',
            1 => b'@',
            2 => b'%',
            _ => b'#',
        };
        [&self.path[..], &self.name, &[mark]].concat()
    }

    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(6);
        w.str("version");
        w.u32(Version::V1_0_0.0);
        w.str("path");
        w.str(&self.path);
        w.str("name");
        w.str(&self.name);
        w.str("size");
        w.i64(self.size);
        w.str("type");
        w.u8(self.kind);
        w.str("object");
        w.bin(&self.object.0);
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<XattrEntry, FormatError> {
        const WHAT: &str = "attribute entry";
        let mut entry = XattrEntry::default();
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "path" => field!(WHAT, key, entry.path, r.bytes().map(<[u8]>::to_vec)),
            "name" => field!(WHAT, key, entry.name, r.bytes().map(<[u8]>::to_vec)),
            "size" => field!(WHAT, key, entry.size, r.number()),
            "type" => field!(WHAT, key, entry.kind, r.number()),
            "object" => field!(WHAT, key, entry.object, fields::mac(r)),
            _ => Ok(false),
        })?;
        Ok(entry)
    }
}

/// An ERROR_ENTRY blob: something that could not be backed up.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ErrorEntry {
    /// Absolute.
    pub path: Vec<u8>,
    /// One line.
    pub message: String,
}

impl ErrorEntry {
    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(3);
        w.str("version");
        w.u32(Version::V1_0_0.0);
        w.str("name");
        w.str(&self.path);
        w.str("error");
        w.str(&self.message);
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<ErrorEntry, FormatError> {
        const WHAT: &str = "error entry";
        let mut entry = ErrorEntry::default();
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "name" => field!(WHAT, key, entry.path, r.bytes().map(<[u8]>::to_vec)),
            "error" => field!(WHAT, key, entry.message, fields::text(r)),
            _ => Ok(false),
        })?;
        Ok(entry)
    }
}

/// One child in a dirpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirpackRecord<'a> {
    /// A directory, or anything else.
    pub directory: bool,
    /// The VFS_ENTRY blob's bytes.
    pub entry: &'a [u8],
    /// The VFS_ENTRY blob's name.
    pub mac: Mac,
}

/// Appends a child to a dirpack.
pub fn dirpack_append(out: &mut Vec<u8>, directory: bool, entry: &[u8], mac: &Mac) {
    out.push(if directory { 1 } else { 2 });
    // An entry is a few hundred bytes; nothing near 4 GiB is ever built.
    out.extend_from_slice(&(entry.len() as u32 + 32).to_le_bytes());
    out.extend_from_slice(entry);
    out.extend_from_slice(&mac.0);
}

/// The first child in a dirpack and the bytes it takes; `None` while it is not there as a whole, so
/// that a dirpack can be read in pieces.
///
/// # Errors
/// `Damaged` for a record of an unknown type, or of a length that none has.
pub fn dirpack_next(content: &[u8]) -> Result<Option<(DirpackRecord<'_>, usize)>, FormatError> {
    let mut r = bytes::Reader::new(content);
    let (Ok(kind), Ok(len)) = (r.u8("record type"), r.u32("record length")) else { return Ok(None) };
    if !matches!(kind, 1 | 2) {
        return Err(FormatError::damaged(DIRPACK, format!("record type {kind}")));
    }
    if !(32..=META_BYTES_MAX + 32).contains(&(len as usize)) {
        return Err(FormatError::damaged(DIRPACK, format!("a record of {len} bytes")));
    }
    let Ok(record) = r.take(len as usize, "record") else { return Ok(None) };
    let Some((entry, mac)) = record.split_last_chunk::<32>() else { return Ok(None) };
    let record = DirpackRecord { directory: kind == 1, entry, mac: Mac(*mac) };
    Ok(Some((record, content.len() - r.rest().len())))
}

/// The children in a dirpack, in the order they lie there.
pub fn dirpack_iter(content: &[u8]) -> impl Iterator<Item = Result<DirpackRecord<'_>, FormatError>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (record, used) = match dirpack_next(rest) {
            Ok(Some((record, used))) => (Ok(record), used),
            Ok(None) => (Err(FormatError::damaged(DIRPACK, "ends within a record")), rest.len()),
            Err(fault) => (Err(fault), rest.len()),
        };
        rest = rest.get(used..).unwrap_or_default();
        Some(record)
    })
}

const DIRPACK: &str = "directory listing";
