//! The named stores, sources and destinations, and the three files that keep them.
//!
//! A file that is missing is empty, one that cannot be read is left as it is and ends the command,
//! and only the file that changed is written.

use crate::cli::yaml::{self, Node};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Settings larger than this are no settings.
const FILE_BYTES_MAX: u64 = 4 << 20;

const VERSION: &str = "v1.0.0";

/// Options of one entry, `location` among them.
pub type Options = BTreeMap<String, String>;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A Kloset.
    Store,
    /// Where backups read.
    Source,
    /// Where restores write.
    Destination,
}

impl Role {
    /// The command word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Store => "store",
            Role::Source => "source",
            Role::Destination => "destination",
        }
    }

    /// What a connector is used as in this role.
    pub fn as_connector(self) -> crate::connectors::options::Role {
        use crate::connectors::options::Role as Used;
        match self {
            Role::Store => Used::Store,
            Role::Source => Used::Source,
            Role::Destination => Used::Destination,
        }
    }

    /// The key in the file, and its stem.
    pub fn plural(self) -> &'static str {
        match self {
            Role::Store => "stores",
            Role::Source => "sources",
            Role::Destination => "destinations",
        }
    }
}

/// One file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The default store's name; stores only.
    pub default: Option<String>,
    /// Name to options.
    pub named: BTreeMap<String, Options>,
}

/// All three.
#[derive(Debug)]
pub struct Settings {
    dir: PathBuf,
    stores: Entries,
    sources: Entries,
    destinations: Entries,
}

impl Settings {
    /// Reads what is in `dir`; `warn` hears of files that others could read, which are tightened.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn load(dir: &Path, warn: &mut dyn FnMut(String)) -> Result<Settings, String> {
        let mut entries = |role: Role, older: Option<&str>| {
            let current = format!("{}.yml", role.plural());
            for name in [Some(current.as_str()), older].into_iter().flatten() {
                let path = dir.join(name);
                match read_private(&path, warn) {
                    Ok(None) => {}
                    Ok(Some(text)) => {
                        return parse(role, &text).map_err(|error| {
                            format!("failed to parse config file: yaml: {}: {error}", path.display())
                        });
                    }
                    Err(error) => return Err(format!("{}: {error}", path.display())),
                }
            }
            Ok(Entries::default())
        };
        Ok(Settings {
            stores: entries(Role::Store, Some("klosets.yml"))?,
            sources: entries(Role::Source, None)?,
            destinations: entries(Role::Destination, None)?,
            dir: dir.to_owned(),
        })
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entries of a role.
    pub fn of(&self, role: Role) -> &Entries {
        match role {
            Role::Store => &self.stores,
            Role::Source => &self.sources,
            Role::Destination => &self.destinations,
        }
    }

    /// The same, to change; [`Settings::save`] keeps the change.
    pub fn of_mut(&mut self, role: Role) -> &mut Entries {
        match role {
            Role::Store => &mut self.stores,
            Role::Source => &mut self.sources,
            Role::Destination => &mut self.destinations,
        }
    }

    /// Writes the file of a role: whole, durable, readable by its owner only.
    ///
    /// # Errors
    /// A sentence naming the file; the older file is then still there.
    pub fn save(&self, role: Role) -> Result<(), String> {
        let path = self.dir.join(format!("{}.yml", role.plural()));
        fs::create_dir_all(&self.dir)
            .and_then(|()| replace(&path, emit(role, self.of(role)).as_bytes()))
            .map_err(|error| format!("could not save {}: {error}", path.display()))
    }
}

fn parse(role: Role, text: &str) -> Result<Entries, String> {
    let node = yaml::read(text)?;
    let Node::Map(pairs) = &node else { return Err(format!("expected a map, found {}", node.kind())) };
    if node.get("version").is_none() {
        return bare(pairs);
    }
    let mut entries = Entries::default();
    for (key, value) in pairs {
        match (key.as_str(), value) {
            ("version", Node::Text(version)) if version == VERSION => {}
            ("version", Node::Text(version)) => return Err(format!("unsupported version {version:?}")),
            ("default", Node::Text(name)) => entries.default = (!name.is_empty()).then(|| name.clone()),
            (key, Node::Map(named)) if key == role.plural() || key == "klosets" && role == Role::Store => {
                entries.named = named_options(named)?;
            }
            (key, Node::Text(nothing)) if key == role.plural() && nothing.is_empty() => {}
            (key, value) => return Err(format!("unexpected {} under {key:?}", value.kind())),
        }
    }
    Ok(entries)
}

/// The older form: the map of names alone, the default marked by an option.
fn bare(pairs: &[(String, Node)]) -> Result<Entries, String> {
    let mut entries = Entries { default: None, named: named_options(pairs)? };
    for (name, options) in &mut entries.named {
        if options.remove(".isDefault").is_some() && entries.default.replace(name.clone()).is_some() {
            return Err("multiple default store".to_owned());
        }
    }
    Ok(entries)
}

fn named_options(pairs: &[(String, Node)]) -> Result<BTreeMap<String, Options>, String> {
    pairs.iter().map(|(name, node)| Ok((name.clone(), options(name, node)?))).collect()
}

/// The options of one entry.
///
/// # Errors
/// When it is not a map of scalars.
pub fn options(name: &str, node: &Node) -> Result<Options, String> {
    let Node::Map(pairs) = node else {
        return Err(format!("entry {name:?}: expected a map, found {}", node.kind()));
    };
    pairs
        .iter()
        .map(|(key, value)| match value {
            Node::Text(text) => Ok((key.clone(), text.clone())),
            other => Err(format!("entry {name:?}: option {key:?} is {}", other.kind())),
        })
        .collect()
}

fn emit(role: Role, entries: &Entries) -> String {
    let mut text = format!("version: {VERSION}\n");
    if let Some(default) = &entries.default {
        text += &format!("default: {}\n", yaml::scalar(default));
    }
    if entries.named.is_empty() {
        text += &format!("{}: {{}}\n", role.plural());
        return text;
    }
    text += &format!("{}:\n", role.plural());
    for (name, options) in &entries.named {
        yaml::write_options(&mut text, 4, name, options);
    }
    text
}

/// The text of a file of settings; `None` when there is none. One that others could read is
/// tightened, and `warn` hears of it.
///
/// # Errors
/// Any, and a file longer than settings are.
pub fn read_private(path: &Path, warn: &mut dyn FnMut(String)) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let facts = file.metadata()?;
    let mode = facts.permissions().mode();
    if facts.is_file() && mode & 0o077 != 0 {
        let shown = path.display();
        match file.set_permissions(Permissions::from_mode(0o600)) {
            Ok(()) => {
                warn(format!("{shown} could be read by others (mode {:03o}); it is 600 now", mode & 0o777))
            }
            Err(error) => {
                warn(format!("{shown} can be read by others, and that could not be changed: {error}"))
            }
        }
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

/// Replaces a file in one step that survives a crash.
///
/// # Errors
/// Any; the older file is then untouched.
pub fn replace(path: &Path, body: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = dir.join(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(body)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // What is left of it would only confuse; the error told is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_emitted_shape_is_the_reference_one() {
        let minio = entry(&[
            ("access_key", "minioadmin"),
            ("location", "s3://localhost:9000/plakar-kloset"),
            ("passphrase", "p@ss: word"),
            ("secret_access_key", "minioadmin"),
            ("use_tls", "false"),
        ]);
        let entries = Entries {
            default: Some("minio".into()),
            named: [("minio".into(), minio), ("offsite".into(), entry(&[("location", "/srv/kloset")]))]
                .into(),
        };
        let text = emit(Role::Store, &entries);
        assert_eq!(
            text,
            "version: v1.0.0\ndefault: minio\nstores:\n    minio:\n        access_key: minioadmin\n        \
             location: s3://localhost:9000/plakar-kloset\n        passphrase: 'p@ss: word'\n        \
             secret_access_key: minioadmin\n        use_tls: \"false\"\n    offsite:\n        \
             location: /srv/kloset\n"
        );
        assert_eq!(parse(Role::Store, &text).unwrap(), entries);
        assert_eq!(emit(Role::Source, &Entries::default()), "version: v1.0.0\nsources: {}\n");
    }

    #[test]
    fn older_and_odd_files_are_understood() {
        let cases = [
            ("", None, 0),
            ("version: v1.0.0\nstores:\n", None, 0),
            ("version: v1.0.0\nstores: {}\n", None, 0),
            ("a: {location: /x, .isDefault: yes}\nb: {location: /y}\n", Some("a"), 2),
            ("version: v1.0.0\ndefault: a\nklosets:\n  a: {location: /x}\n", Some("a"), 1),
        ];
        for (text, default, count) in cases {
            let entries = parse(Role::Store, text).unwrap();
            assert_eq!((entries.default.as_deref(), entries.named.len()), (default, count), "{text}");
        }
        for text in [
            "version: v2.0.0\nstores: {}\n",
            "a: {.isDefault: yes}\nb: {.isDefault: yes}\n",
            "version: v1.0.0\nstores:\n  a:\n    x: [1]\n",
            "- a\n",
            "version: v1.0.0\nwhat: {}\n",
        ] {
            assert!(parse(Role::Store, text).is_err(), "{text}");
        }
    }
}
