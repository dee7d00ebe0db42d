//! SNAPSHOT blobs: the header of a snapshot (FORMAT.md, "Snapshot header").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::format::error::FormatError;
use crate::format::fields::{self, field, named};
use crate::format::kind::Version;
use crate::format::summary::Summary;

/// Who signed a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Identity {
    /// All zeros when unsigned.
    pub identifier: [u8; 16],
    /// Ed25519, 32 bytes; `None` when unsigned.
    pub public_key: Option<Vec<u8>>,
}

/// A name and a tree made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// `content-type`, `dirpack`; since v1.1 also `summary`.
    pub name: String,
    /// `btree`.
    pub kind: String,
    /// The BTREE_ROOT blob.
    pub value: Mac,
}

/// One source of a snapshot; readers use the first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SnapshotSource {
    /// Connector: `fs`, `s3`.
    pub kind: String,
    /// Host, or endpoint.
    pub origin: String,
    /// The root of what was asked for.
    pub directory: Vec<u8>,
    /// Always empty so far.
    pub context: Vec<(String, String)>,
    /// The file tree.
    pub root: Mac,
    /// The tree of extended attributes.
    pub xattrs: Mac,
    /// The tree of errors.
    pub errors: Mac,
    /// Further trees.
    pub indexes: Vec<Index>,
    /// Totals of `/`.
    pub summary: Summary,
}

/// What an analyser said of a snapshot; nobody writes one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct HeaderClassification {
    /// Its name.
    pub analyzer: String,
    /// Class and probability.
    pub classes: Vec<(String, f64)>,
}

/// The two fields that v1.1 added.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dataset {
    /// Name.
    pub name: String,
    /// Classes.
    pub classes: Vec<String>,
}

/// A snapshot's header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// 1.0.0.
    pub version: Version,
    /// The snapshot's id, also the blob's name.
    pub identifier: Mac,
    /// When the backup began.
    pub timestamp: Stamp,
    /// How long it took, ns.
    pub duration_ns: i64,
    /// Who signed it.
    pub identity: Identity,
    /// `default` unless told otherwise, as the next four.
    pub name: String,
    /// See `name`.
    pub category: String,
    /// See `name`.
    pub environment: String,
    /// See `name`.
    pub perimeter: String,
    /// See `name`.
    pub job: String,
    /// 1.
    pub replicas: u32,
    /// In a header of v1.1.
    pub dataset: Option<Dataset>,
    /// Empty so far.
    pub classifications: Vec<HeaderClassification>,
    /// As given.
    pub tags: Vec<String>,
    /// Host name, user, program and so on.
    pub context: Vec<(String, String)>,
    /// Exactly one, in what `backup` writes.
    pub sources: Vec<SnapshotSource>,
}

const WHAT: &str = "snapshot header";

impl Header {
    /// The first source, the only one readers use.
    ///
    /// # Errors
    /// `Damaged` when there is none.
    pub fn source(&self) -> Result<&SnapshotSource, FormatError> {
        self.sources.first().ok_or_else(|| FormatError::damaged(WHAT, "has no source"))
    }

    /// Whether a signature is promised.
    pub fn is_signed(&self) -> bool {
        self.identity.identifier != [0; 16]
    }

    /// The blob, in the spelling of the generation it came from: signatures cover these bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(if self.dataset.is_some() { 17 } else { 15 });
        w.str("version");
        w.u32(self.version.0);
        w.str("identifier");
        w.bin(&self.identifier.0);
        w.str("timestamp");
        w.time(self.timestamp);
        w.str("duration");
        w.i64(self.duration_ns);
        w.str("identity");
        w.map(2);
        w.str("identifier");
        w.bin(&self.identity.identifier);
        w.str("public_key");
        match &self.identity.public_key {
            Some(key) => w.bin(key),
            None => w.nil(),
        }
        for (key, value) in [
            ("name", &self.name),
            ("category", &self.category),
            ("environment", &self.environment),
            ("perimeter", &self.perimeter),
            ("job", &self.job),
        ] {
            w.str(key);
            w.str(value);
        }
        w.str("replicas");
        w.u32(self.replicas);
        if let Some(dataset) = &self.dataset {
            w.str("dataset");
            w.str(&dataset.name);
            w.str("data_classes");
            w.array(dataset.classes.len());
            dataset.classes.iter().for_each(|class| w.str(class));
        }
        w.str("classifications");
        w.array(self.classifications.len());
        for class in &self.classifications {
            w.map(2);
            w.str("analyzer");
            w.str(&class.analyzer);
            w.str("classes");
            w.array(class.classes.len());
            for (name, probability) in &class.classes {
                w.map(2);
                w.str("name");
                w.str(name);
                w.str("probability");
                w.f64(*probability);
            }
        }
        w.str("tags");
        w.array(self.tags.len());
        self.tags.iter().for_each(|tag| w.str(tag));
        w.str("context");
        write_pairs(&mut w, &self.context);
        w.str("sources");
        w.array(self.sources.len());
        self.sources.iter().for_each(|source| source.write(&mut w));
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Header, FormatError> {
        let mut header = Header {
            version: Version::V1_0_0,
            identifier: Mac::ZERO,
            timestamp: Stamp::default(),
            duration_ns: 0,
            identity: Identity::default(),
            name: String::new(),
            category: String::new(),
            environment: String::new(),
            perimeter: String::new(),
            job: String::new(),
            replicas: 0,
            dataset: None,
            classifications: Vec::new(),
            tags: Vec::new(),
            context: Vec::new(),
            sources: Vec::new(),
        };
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "version" => field!(WHAT, key, header.version, r.number().map(Version)),
            "identifier" => field!(WHAT, key, header.identifier, fields::mac(r)),
            "timestamp" => field!(WHAT, key, header.timestamp, r.time()),
            "duration" => field!(WHAT, key, header.duration_ns, r.number()),
            "identity" => {
                header.identity = identity(r)?;
                Ok(true)
            }
            "name" => field!(WHAT, key, header.name, fields::text(r)),
            "category" => field!(WHAT, key, header.category, fields::text(r)),
            "environment" => field!(WHAT, key, header.environment, fields::text(r)),
            "perimeter" => field!(WHAT, key, header.perimeter, fields::text(r)),
            "job" => field!(WHAT, key, header.job, fields::text(r)),
            "replicas" => field!(WHAT, key, header.replicas, r.number()),
            "dataset" => {
                field!(WHAT, key, header.dataset.get_or_insert_default().name, fields::text(r))
            }
            "data_classes" => {
                field!(
                    WHAT,
                    key,
                    header.dataset.get_or_insert_default().classes,
                    fields::list(r, fields::text)
                )
            }
            "classifications" => {
                header.classifications = fields::structs(WHAT, r, 1, classification)?;
                Ok(true)
            }
            "tags" => field!(WHAT, key, header.tags, fields::list(r, fields::text)),
            "context" => {
                header.context = pairs(r)?;
                Ok(true)
            }
            "sources" => {
                header.sources = fields::structs(WHAT, r, 1, source)?;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        Ok(header)
    }
}

impl SnapshotSource {
    fn write(&self, w: &mut Writer) {
        w.map(5);
        w.str("importer");
        w.map(3);
        w.str("type");
        w.str(&self.kind);
        w.str("origin");
        w.str(&self.origin);
        w.str("directory");
        w.str(&self.directory);
        w.str("context");
        write_pairs(w, &self.context);
        w.str("root");
        w.map(3);
        for (key, mac) in [("root", &self.root), ("xattrs", &self.xattrs), ("errors", &self.errors)] {
            w.str(key);
            w.bin(&mac.0);
        }
        w.str("indexes");
        w.array(self.indexes.len());
        for index in &self.indexes {
            w.map(3);
            w.str("name");
            w.str(&index.name);
            w.str("type");
            w.str(&index.kind);
            w.str("value");
            w.bin(&index.value.0);
        }
        w.str("summary");
        self.summary.write(w);
    }

    /// The tree of that name.
    pub fn index(&self, name: &str) -> Option<&Mac> {
        self.indexes.iter().find(|index| index.name == name).map(|index| &index.value)
    }
}

fn write_pairs(w: &mut Writer, pairs: &[(String, String)]) {
    w.array(pairs.len());
    for (key, value) in pairs {
        w.map(2);
        w.str("key");
        w.str(key);
        w.str("value");
        w.str(value);
    }
}

fn pairs(r: &mut Reader<'_>) -> Result<Vec<(String, String)>, FormatError> {
    const WHAT: &str = "snapshot header, context";
    fields::structs(WHAT, r, 1, |r| {
        let mut pair = (String::new(), String::new());
        fields::map(WHAT, r, |key, r| match key {
            "key" => field!(WHAT, key, pair.0, fields::text(r)),
            "value" => field!(WHAT, key, pair.1, fields::text(r)),
            _ => Ok(false),
        })?;
        Ok(pair)
    })
}

fn identity(r: &mut Reader<'_>) -> Result<Identity, FormatError> {
    const WHAT: &str = "snapshot header, identity";
    let mut identity = Identity::default();
    fields::map(WHAT, r, |key, r| match key {
        "identifier" => field!(WHAT, key, identity.identifier, fields::uuid(r)),
        "public_key" => {
            if !r.nil() {
                identity.public_key = Some(r.bytes().map_err(|e| named(WHAT, key, &e))?.to_vec());
            }
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(identity)
}

fn classification(r: &mut Reader<'_>) -> Result<HeaderClassification, FormatError> {
    const WHAT: &str = "snapshot header, classification";
    let mut class = HeaderClassification::default();
    fields::map(WHAT, r, |key, r| match key {
        "analyzer" => field!(WHAT, key, class.analyzer, fields::text(r)),
        "classes" => {
            class.classes = fields::structs(WHAT, r, 1, |r| {
                let mut pair = (String::new(), 0.0);
                fields::map(WHAT, r, |key, r| match key {
                    "name" => field!(WHAT, key, pair.0, fields::text(r)),
                    "probability" => field!(WHAT, key, pair.1, r.f64()),
                    _ => Ok(false),
                })?;
                Ok(pair)
            })?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(class)
}

fn source(r: &mut Reader<'_>) -> Result<SnapshotSource, FormatError> {
    const WHAT: &str = "snapshot header, source";
    let mut source = SnapshotSource::default();
    fields::map(WHAT, r, |key, r| match key {
        "importer" => {
            fields::map(WHAT, r, |key, r| match key {
                "type" => field!(WHAT, key, source.kind, fields::text(r)),
                "origin" => field!(WHAT, key, source.origin, fields::text(r)),
                "directory" => field!(WHAT, key, source.directory, r.bytes().map(<[u8]>::to_vec)),
                _ => Ok(false),
            })?;
            Ok(true)
        }
        "context" => {
            source.context = pairs(r)?;
            Ok(true)
        }
        "root" => {
            fields::map(WHAT, r, |key, r| match key {
                "root" => field!(WHAT, key, source.root, fields::mac(r)),
                "xattrs" => field!(WHAT, key, source.xattrs, fields::mac(r)),
                "errors" => field!(WHAT, key, source.errors, fields::mac(r)),
                _ => Ok(false),
            })?;
            Ok(true)
        }
        "indexes" => {
            source.indexes = fields::structs(WHAT, r, 1, |r| {
                let mut index = Index { name: String::new(), kind: String::new(), value: Mac::ZERO };
                fields::map(WHAT, r, |key, r| match key {
                    "name" => field!(WHAT, key, index.name, fields::text(r)),
                    "type" => field!(WHAT, key, index.kind, fields::text(r)),
                    "value" => field!(WHAT, key, index.value, fields::mac(r)),
                    _ => Ok(false),
                })?;
                Ok(index)
            })?;
            Ok(true)
        }
        "summary" => {
            source.summary = Summary::read(r)?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(source)
}
