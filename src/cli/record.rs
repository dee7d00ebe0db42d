//! What `-json` prints: one object a line, each of a kind in [`SCHEMA`].

use crate::cli::json;

/// A value of a record's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// A path. When it is not UTF-8, what is no text in it shows as U+FFFD, and a second field with
    /// `_hex` behind the name has all its bytes.
    Path,
    /// A whole number.
    Number,
    /// A number with a fraction.
    Ratio,
    /// `true` or `false`.
    Truth,
    /// Texts in an array.
    Texts,
    /// An object of texts.
    Map,
}

/// One field: its name, its shape, what it means. One that ends in `?` may be absent.
pub type Field = (&'static str, Shape, &'static str);

/// One kind of record: its name, when it comes, its fields.
pub type Kind = (&'static str, &'static str, &'static [Field]);

/// Every kind.
pub const SCHEMA: &[Kind] = &[
    (
        "snapshot",
        "ls without a snapshot; rm and prune without -apply; policies of prune judge",
        &[
            ("id", Shape::Text, "64 digits"),
            ("timestamp", Shape::Text, "when it was made, in UTC"),
            ("size", Shape::Number, "content bytes"),
            ("duration_ns", Shape::Number, "how long it took"),
            ("root", Shape::Path, "the directory it was made of"),
            ("tags", Shape::Texts, "its tags"),
            ("keep?", Shape::Truth, "prune: whether it stays; rm: false"),
            ("reason?", Shape::Text, "prune: why"),
        ],
    ),
    (
        "entry",
        "ls of a snapshot",
        &[
            ("path", Shape::Path, "in the snapshot"),
            ("mode", Shape::Text, "as ls prints it"),
            ("user", Shape::Text, "name or number of its owner"),
            ("group", Shape::Text, "name or number of its group"),
            ("size", Shape::Number, "bytes"),
            ("mtime", Shape::Text, "when it was changed, in UTC"),
            ("target?", Shape::Path, "of a symbolic link"),
        ],
    ),
    (
        "match",
        "locate; backup -scan, without a snapshot",
        &[("snapshot?", Shape::Text, "64 digits"), ("path", Shape::Path, "of what was found")],
    ),
    (
        "digest",
        "digest",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("path", Shape::Path, "of the file"),
            ("algorithm", Shape::Text, "SHA256 or BLAKE3"),
            ("digest", Shape::Text, "hexadecimal"),
        ],
    ),
    (
        "difference",
        "diff",
        &[("text", Shape::Text, "a line that diff prints, or the lines of two files as a unified diff")],
    ),
    (
        "store",
        "info without a snapshot",
        &[(
            "facts",
            Shape::Map,
            "what info prints, by name: sizes in bytes, names of a section before a dot",
        )],
    ),
    (
        "facts",
        "info of a snapshot",
        &[(
            "facts",
            Shape::Map,
            "what info prints, by name: sizes in bytes, names of a section before a dot",
        )],
    ),
    (
        "item",
        "backup, restore, check: an entry is finished; info -errors",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("path", Shape::Path, "of the entry"),
            ("ok", Shape::Truth, "whether it went well"),
            ("message?", Shape::Text, "why not"),
        ],
    ),
    (
        "progress",
        "backup, restore, check, sync, ptar, maintenance: once a second, unless -quiet",
        &[
            ("what?", Shape::Text, "maintenance: what items are, instead of entries"),
            ("items", Shape::Number, "entries finished"),
            ("items_total?", Shape::Number, "entries there will be, when known"),
            ("bytes", Shape::Number, "content bytes done"),
            ("bytes_total?", Shape::Number, "content bytes there will be, when known"),
            ("bytes_stored", Shape::Number, "bytes sent to the store"),
            ("failed", Shape::Number, "entries that failed"),
            ("bytes_per_second", Shape::Number, "over the last ten seconds"),
            ("seconds_left?", Shape::Number, "at that rate, when the total is known"),
            ("current", Shape::Path, "the entry finished last"),
        ],
    ),
    (
        "backup",
        "backup: a snapshot was made",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("size", Shape::Number, "content bytes"),
            ("directories", Shape::Number, "in it"),
            ("files_new", Shape::Number, "files and other entries that the previous snapshot does not have"),
            ("files_changed", Shape::Number, "files read again"),
            ("files_same", Shape::Number, "files taken over from the previous snapshot"),
            ("failed", Shape::Number, "entries that could not be read"),
            ("bytes_read", Shape::Number, "content bytes read from the source"),
            ("bytes_new", Shape::Number, "bytes that the store did not have, before compression"),
            ("bytes_stored", Shape::Number, "bytes sent to the store"),
            ("dedup_ratio", Shape::Ratio, "size over bytes_new"),
            ("compression_ratio", Shape::Ratio, "bytes_new over bytes_stored"),
            ("duration_ns", Shape::Number, "how long it took"),
        ],
    ),
    (
        "restore",
        "restore: everything arrived",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("path", Shape::Path, "what was restored"),
            ("to", Shape::Text, "where, as it was said"),
        ],
    ),
    (
        "check",
        "check, backup -check: one of a snapshot's verdicts",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("path", Shape::Path, "what was checked"),
            ("ok", Shape::Truth, "whether everything is there and is what it was"),
            ("problem?", Shape::Text, "the first of them"),
        ],
    ),
    (
        "damage",
        "check, restore: a part of the store that is no snapshot is not whole",
        &[
            ("what", Shape::Text, "state, lock or packfile"),
            ("id", Shape::Text, "64 digits"),
            ("message", Shape::Text, "what is wrong with it"),
        ],
    ),
    (
        "sync",
        "sync: a snapshot was copied, or not",
        &[
            ("snapshot", Shape::Text, "64 digits"),
            ("from", Shape::Text, "the store it is in"),
            ("to", Shape::Text, "the store it was to be copied to"),
            ("ok", Shape::Truth, "whether it is there, whole"),
            ("message?", Shape::Text, "why not"),
        ],
    ),
    (
        "maintenance",
        "maintenance",
        &[
            ("coloured", Shape::Number, "packfiles hidden, to be removed after the grace period"),
            ("orphans", Shape::Number, "of those, packfiles of backups broken off"),
            ("rescued", Shape::Number, "blobs stored anew because they are needed"),
            ("removed_packfiles", Shape::Number, "packfiles removed"),
            ("removed_blobs", Shape::Number, "blobs that were in them"),
            ("removed_bytes", Shape::Number, "their bytes"),
            ("remains", Shape::Number, "writes broken off more than a day ago, whose remains were removed"),
        ],
    ),
    (
        "repair",
        "repair",
        &[
            ("applied", Shape::Truth, "whether anything was written"),
            ("damaged_states", Shape::Texts, "states that are not whole"),
            ("damaged_locks", Shape::Texts, "locks that cannot be read"),
            ("rebuilt_packfiles", Shape::Texts, "packfiles that no state names"),
            ("snapshots", Shape::Texts, "snapshots that come back"),
            ("unreadable", Shape::Texts, "what cannot be rebuilt"),
            ("missing_packfiles", Shape::Texts, "named by a state, and not in the store"),
        ],
    ),
    ("removed", "rm -apply, prune -apply", &[("snapshot", Shape::Text, "64 digits")]),
    (
        "place",
        "store, source, destination show with -json before the command",
        &[
            ("role", Shape::Text, "store, source or destination"),
            ("name", Shape::Text, "without the @"),
            ("options", Shape::Map, "location among them; keys and passwords masked, unless -secrets"),
        ],
    ),
    (
        "policy",
        "policy show with -json before the command",
        &[("name", Shape::Text, "its name"), ("text", Shape::Text, "its filters and periods, in YAML")],
    ),
    (
        "package",
        "pkg list, pkg show",
        &[("name", Shape::Text, "of the connector"), ("version", Shape::Text, "of this program")],
    ),
    (
        "version",
        "version",
        &[("version", Shape::Text, "of this program"), ("format", Shape::Text, "of the stores it writes")],
    ),
    (
        "step",
        "doctor: one thing was tried",
        &[
            ("place", Shape::Text, "role and name"),
            ("step", Shape::Text, "what was tried"),
            ("ok", Shape::Truth, "whether it went well"),
            ("found", Shape::Text, "what came of it"),
            ("remedy?", Shape::Text, "what mends it"),
        ],
    ),
    (
        "policy_document",
        "doctor: the least rights that a role needs",
        &[("place", Shape::Text, "role and name"), ("document", Shape::Text, "in IAM's JSON")],
    ),
    ("text", "help, completion: pages for people", &[("text", Shape::Text, "the page")]),
    ("info", "what a person is told besides; everything in it that matters has a record of its own", MESSAGE),
    ("warning", "something to look after; the work goes on", MESSAGE),
    (
        "error",
        "something failed; the last one says why the command did",
        &[("message", Shape::Text, "what, then why"), ("hints?", Shape::Texts, "what may help")],
    ),
    (
        "end",
        "always the last line",
        &[
            ("command", Shape::Text, "its words"),
            ("code", Shape::Number, "the exit code"),
            ("duration_ns", Shape::Number, "how long it took"),
        ],
    ),
];

const MESSAGE: &[Field] = &[("message", Shape::Text, "one line")];

/// The schema as a page of text.
pub fn page() -> String {
    let mut text = String::from(
        "With -json, before the command or among its options, every line is one JSON object. Its field \"type\" \
         tells its kind. Lines go to standard output; where that carries content (cat, archive -output -) \
         they go to standard error. Programs should pass over kinds and fields they do not know.\n",
    );
    for (kind, when, fields) in SCHEMA {
        text += &format!("\n{kind}: {when}\n");
        for (name, shape, meaning) in *fields {
            let shape = match shape {
                Shape::Text => "text",
                Shape::Path => "path",
                Shape::Number => "integer",
                Shape::Ratio => "number",
                Shape::Truth => "boolean",
                Shape::Texts => "array of texts",
                Shape::Map => "object of texts",
            };
            text += &format!("  {name:18} {shape:16} {meaning}\n");
        }
    }
    text += "\nA name that ends in ? here is a field that may be absent. A path that is not UTF-8 has a second \
             field, with _hex behind its name, that holds its bytes.\n";
    text
}

/// One line being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(String);

impl Record {
    /// Of a kind in [`SCHEMA`].
    pub fn new(kind: &str) -> Record {
        Record(format!("{{\"type\":{}", json::string(kind)))
    }

    fn with(mut self, name: &str, value: &str) -> Record {
        self.0 += &format!(",{}:{value}", json::string(name));
        self
    }

    /// A field of text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Record {
        self.with(name, &json::string(value))
    }

    /// A field of text, when there is one.
    #[must_use]
    pub fn maybe_text(self, name: &str, value: Option<&str>) -> Record {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A path.
    #[must_use]
    pub fn path(self, name: &str, value: &[u8]) -> Record {
        match std::str::from_utf8(value) {
            Ok(value) => self.text(name, value),
            Err(_) => {
                let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                self.text(name, &String::from_utf8_lossy(value)).text(&format!("{name}_hex"), &digits)
            }
        }
    }

    /// A whole number.
    #[must_use]
    pub fn number(self, name: &str, value: impl Into<i128>) -> Record {
        let value: i128 = value.into();
        self.with(name, &value.to_string())
    }

    /// A whole number, when it is known.
    #[must_use]
    pub fn maybe_number(self, name: &str, value: Option<u64>) -> Record {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// A quotient, two decimals; 0 when there is nothing to divide by.
    #[must_use]
    pub fn ratio(self, name: &str, above: u64, below: u64) -> Record {
        let ratio = if below == 0 { 0.0 } else { above as f64 / below as f64 };
        self.with(name, &format!("{ratio:.2}"))
    }

    /// A yes or no.
    #[must_use]
    pub fn truth(self, name: &str, value: bool) -> Record {
        self.with(name, if value { "true" } else { "false" })
    }

    /// Texts in an array.
    #[must_use]
    pub fn texts<T: AsRef<str>>(self, name: &str, values: impl IntoIterator<Item = T>) -> Record {
        let values: Vec<String> = values.into_iter().map(|value| json::string(value.as_ref())).collect();
        self.with(name, &format!("[{}]", values.join(",")))
    }

    /// An object of texts, in the order given.
    #[must_use]
    pub fn map<K: AsRef<str>, V: AsRef<str>>(
        self,
        name: &str,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Record {
        let members: Vec<String> = pairs
            .into_iter()
            .map(|(key, value)| format!("{}:{}", json::string(key.as_ref()), json::string(value.as_ref())))
            .collect();
        self.with(name, &format!("{{{}}}", members.join(",")))
    }

    /// The line, without its end.
    pub fn line(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_one_object_a_line() {
        let record = Record::new("item")
            .path("path", b"/a\xff\n")
            .number("size", u64::MAX)
            .truth("ok", false)
            .ratio("r", 1, 3)
            .ratio("none", 1, 0)
            .texts("tags", ["a", "b"])
            .map("facts", [("k", "v")]);
        assert_eq!(
            record.line(),
            "{\"type\":\"item\",\"path\":\"/a\u{fffd}\\n\",\"path_hex\":\"2f61ff0a\",\
             \"size\":18446744073709551615,\"ok\":false,\"r\":0.33,\"none\":0.00,\"tags\":[\"a\",\"b\"],\
             \"facts\":{\"k\":\"v\"}}"
        );
    }

    #[test]
    fn the_schema_names_every_kind_once() {
        let mut kinds: Vec<&str> = SCHEMA.iter().map(|(kind, _, _)| *kind).collect();
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), count);
    }
}
