//! Manifests beside the reference stores: what each snapshot must restore to.

use crate::kit::json::Json;
use plakar::algo::hash;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One store's manifest.
pub struct Manifest {
    /// Needed to open it.
    pub passphrase: Option<String>,
    /// Directory of the store in its archive, below the archive's own.
    pub bucket_prefix: String,
    /// As listed.
    pub snapshots: Vec<Expected>,
}

/// What one snapshot holds.
pub struct Expected {
    /// 64 digits.
    pub id: String,
    /// Directory that was backed up.
    pub root: String,
    entries: Vec<Json>,
}

impl Manifest {
    /// Reads `NAME.json`.
    pub fn read(path: &Path) -> Manifest {
        let json = Json::parse(&fs::read_to_string(path).unwrap());
        let snapshots = json.list("snapshots").iter().map(|snapshot| Expected {
            id: snapshot.text("id").unwrap().to_owned(),
            root: snapshot.text("root").unwrap().to_owned(),
            entries: snapshot.list("entries").to_vec(),
        });
        Manifest {
            passphrase: json.text("passphrase").map(str::to_owned),
            bucket_prefix: json.text("bucket_prefix").unwrap_or_default().to_owned(),
            snapshots: snapshots.collect(),
        }
    }
}

impl Expected {
    /// Every difference between the manifest and a restored tree, one line each.
    pub fn differences(&self, root: &Path) -> Vec<String> {
        let mut faults = Vec::new();
        let mut inodes: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for entry in &self.entries {
            let name = name_of(entry, "path");
            let path = if name == "." { root.to_path_buf() } else { root.join(&name) };
            seen.insert(path.clone());
            let mut differ = |what: &str, wanted: String, is: String| {
                if wanted != is {
                    faults.push(format!("{name:?}: {what} is {is}, should be {wanted}"));
                }
            };
            let Ok(meta) = fs::symlink_metadata(&path) else {
                differ("presence", "there".to_owned(), "missing".to_owned());
                continue;
            };
            let kind = match meta.file_type() {
                kind if kind.is_dir() => "dir",
                kind if kind.is_symlink() => "symlink",
                kind if kind.is_fifo() => "fifo",
                kind if kind.is_file() => "file",
                _ => "something else",
            };
            differ("type", entry.text("type").unwrap().to_owned(), kind.to_owned());
            differ("mode", entry.text("mode").unwrap().to_owned(), format!("{:04o}", meta.mode() & 0o7777));
            differ(
                "mtime",
                format!("{}.{:09}", entry.number("mtime").unwrap(), entry.number("mtime_ns").unwrap_or(0)),
                format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()),
            );
            if kind == "symlink" {
                let is = fs::read_link(&path).unwrap();
                differ("target", format!("{:?}", name_of(entry, "target")), format!("{:?}", is.as_os_str()));
            }
            if kind == "file" {
                differ("size", entry.number("size").unwrap().to_string(), meta.len().to_string());
                let digest = hex::encode(hash::sha256(&fs::read(&path).unwrap()));
                differ("content", entry.text("sha256").unwrap().to_owned(), digest);
            }
            if let Some(Json::Map(attributes)) = entry.get("xattrs") {
                for (name, value) in attributes {
                    let mut is = vec![0; 64 << 10];
                    let is = rustix::fs::lgetxattr(&path, name.as_str(), &mut is[..])
                        .map(|len| Json::Text(hex::encode(&is[..len])));
                    differ(name, format!("{:?}", Ok::<_, ()>(value)), format!("{:?}", is.as_ref()));
                }
            }
            if let Some(group) = entry.number("hardlink") {
                inodes.entry(group).or_default().insert(meta.ino());
            }
        }
        for (group, inodes) in inodes.iter().filter(|(_, inodes)| inodes.len() > 1) {
            faults.push(format!("hard link {group}: {} inodes", inodes.len()));
        }
        list(root, &mut |path| {
            if !seen.contains(path) {
                faults.push(format!("{path:?}: not in the manifest"));
            }
        });
        faults
    }
}

fn name_of(entry: &Json, key: &str) -> OsString {
    match entry.text(&format!("{key}_hex")) {
        Some(digits) => OsString::from_vec(hex::decode(digits).unwrap()),
        None => OsString::from_vec(entry.text(key).unwrap().as_bytes().to_vec()),
    }
}

fn list(path: &Path, visit: &mut dyn FnMut(&Path)) {
    assert!(!path.as_os_str().as_bytes().is_empty());
    visit(path);
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            list(&entry.unwrap().path(), visit);
        }
    }
}
