//! Whole buckets there and back on a real MinIO: nothing of them is lost, whatever they hold, in
//! bounded memory. MinIO's own client is the judge.

use crate::kit::command::Home;
use crate::kit::json::Json;
use crate::kit::minio::Minio;
use crate::kit::{self, measure, say, trees};
use plakar::s3::bucket::{Bucket, PutOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a backup or a restore may take at most.
const PEAK_MIB_MAX: u64 = 150;

/// Objects of the large bucket.
const OBJECTS: usize = 5_000;

/// Names that trees, URLs, XML and shells have trouble with, and MinIO takes.
const NAMES: [&str; 24] = [
    "plain",
    "sp ace",
    "  two  ",
    "plus+",
    "per%2Fcent",
    "%",
    "amp&amp;<xml>",
    "quote\"'`",
    "star*?[]~#",
    "\u{fc}ml\u{e4}ut",
    "u\u{308}nf\u{307}c",
    "\u{1f980}\u{1f4be}",
    "\u{202e}rtl",
    "tab\tcontrol\x01",
    "line\nbreak",
    "back\\slash",
    "-dash",
    ".hidden",
    "...",
    ".plakar-s3-dot",
    ".plakar-s3-object=x",
    "CONFIG",
    "semi;colon=equals,comma",
    "\u{7f}del",
];

/// As many different keys as asked for: every name at every depth, names of 255 bytes, keys of 1,000,
/// and objects that look like directories.
fn awkward_keys(count: usize) -> Vec<String> {
    let mut keys = BTreeSet::new();
    keys.insert(format!("long/{}", "n".repeat(255)));
    keys.insert(["k".repeat(249).as_str(); 4].join("/"));
    keys.insert("looks/like/a/directory/".to_owned());
    let mut n = 0;
    while keys.len() < count {
        let name = |of: usize| NAMES[of % NAMES.len()];
        let directory = format!("{}{}", name(n / 24), n / 240);
        keys.insert(match n % 3 {
            0 => format!("{directory}/{}{n}", name(n)),
            1 => format!("{directory}/{}/{}{n}", name(n / 7), name(n)),
            // Not the name of a directory above: MinIO lists only the one of both.
            _ => format!("{}{n}.o", name(n)),
        });
        n += 1;
    }
    keys.into_iter().collect()
}

/// Metadata of many kinds, by number.
fn options(n: usize) -> PutOptions {
    let types = ["text/plain; charset=utf-8", "image/png", "application/x-tar", ""];
    let given = [
        ("content-type", types[n % 4].to_owned(), n % 4 < 3),
        ("cache-control", format!("max-age={n}"), n.is_multiple_of(2)),
        ("content-disposition", format!("attachment; filename=\"a {n}.txt\""), n.is_multiple_of(3)),
        ("content-encoding", "gzip".to_owned(), n.is_multiple_of(5)),
        ("content-language", "de, en".to_owned(), n.is_multiple_of(7)),
        ("expires", "Thu, 01 Dec 2033 16:00:00 GMT".to_owned(), n.is_multiple_of(11)),
        ("x-amz-meta-number", n.to_string(), n % 2 == 1),
        ("x-amz-meta-words", "two  words, \"quoted\"".to_owned(), n.is_multiple_of(13)),
    ];
    PutOptions {
        headers: given
            .into_iter()
            .filter(|(_, _, is_given)| *is_given)
            .map(|(name, value, _)| (name.to_owned(), value.into_bytes()))
            .collect(),
        tags: (n % 4 == 1).then(|| format!("number={n}&two%20words=a%2Bb").into_bytes()),
        storage_class: (n.is_multiple_of(17)).then(|| "REDUCED_REDUNDANCY".to_owned()),
        ..PutOptions::default()
    }
}

fn bucket(minio: &Minio, name: &str) -> Bucket {
    kit::bucket::bucket(minio.host(), name, "minioadmin", "minioadmin")
}

/// What `mc stat` and `mc tag list` tell of every object, but for its time; an entity tag of parts
/// depends on how they were cut.
fn facts(minio: &Minio, name: &str) -> BTreeMap<String, String> {
    let lines = |words: &[&str]| {
        let told = minio.mc(&[words, &["--recursive", "--json", &format!("myminio/{name}")]].concat());
        told.succeeds().stdout.lines().map(Json::parse).collect::<Vec<_>>()
    };
    let mut facts = BTreeMap::new();
    for told in lines(&["stat"]) {
        let key = told.text("name").unwrap().strip_prefix(&format!("{name}/")).unwrap().to_owned();
        let etag = told.text("etag").filter(|etag| !etag.contains('-')).unwrap_or_default();
        let rest = format!("{etag} {:?} {:?}", told.number("size"), told.get("metadata"));
        assert!(facts.insert(key, rest).is_none());
    }
    for told in lines(&["tag", "list"]) {
        let (_, key) = told.text("url").unwrap().split_once(&format!("/{name}/")).unwrap();
        facts.get_mut(key).unwrap().push_str(&format!(" {:?}", told.get("tagset")));
    }
    facts
}

/// Backs up bucket `bucket` into a plain store and restores it into the empty bucket `restored`.
///
/// Gives what each of both took.
fn there_and_back(minio: &Minio) -> String {
    minio.mc(&["mb", "myminio/restored"]).succeeds();
    let home = Home::new("buckets");
    // The key of an encrypted store takes 256 MiB for a moment, whatever the bucket.
    home.plakar(&["at", "store", "create", "-plaintext"]).succeeds();
    let keys = ["access_key=minioadmin", "secret_access_key=minioadmin", "use_tls=false"];
    for (role, entry) in [("source", "bucket"), ("destination", "restored")] {
        let location = format!("s3://{}/{entry}", minio.host());
        home.plakar(&[&[role, "add", entry, &location], &keys[..]].concat()).succeeds();
    }
    let mut peaks = Vec::new();
    for words in [["backup", "-quiet", "@bucket"].as_slice(), &["restore", "-quiet", "-to", "@restored"]] {
        let (ran, peak) = measure::peak_mib(&home, &[&["at", "store"], words].concat());
        ran.succeeds().complains("");
        if let Some(peak) = peak {
            assert!(peak < PEAK_MIB_MAX, "{words:?} took {peak} MiB");
            peaks.push(format!("{} {peak} MiB", words[0]));
        }
    }
    peaks.join(", ")
}

#[test]
fn minio_five_thousand_awkward_objects_come_back_the_same() {
    let Some(minio) = Minio::start("buckets") else { return };
    minio.mc(&["mb", "myminio/bucket"]).succeeds();
    let was = bucket(&minio, "bucket");
    let keys = awkward_keys(OBJECTS);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((n, key)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| keys.get(n).map(|key| (n, key)))
                {
                    // One in parts, and what looks like a directory is empty.
                    let size = match n {
                        _ if key.ends_with('/') => 0,
                        0 => 33 << 20,
                        _ => n * 7 % 9_000,
                    };
                    let body = trees::noise(n as u64, size);
                    was.put_stream(key.as_bytes(), &mut &body[..], Some(size as u64), &options(n)).unwrap();
                }
            });
        }
    });
    let facts_were = facts(&minio, "bucket");
    assert_eq!(facts_were.len(), OBJECTS);
    let peaks = there_and_back(&minio);
    let facts_are = facts(&minio, "restored");
    let differing: Vec<_> =
        facts_were.iter().filter(|(key, fact)| facts_are.get(*key) != Some(fact)).collect();
    assert!(differing.is_empty(), "{} differ, like {:?}", differing.len(), &differing[..1]);
    assert_eq!(facts_are.len(), facts_were.len());
    // MinIO's entity tags are MD5 sums, but for the one in parts.
    let large = bucket(&minio, "restored").get_object(keys[0].as_bytes(), 64 << 20);
    assert!(large.unwrap() == trees::noise(0, 33 << 20));
    say::say(&format!("a bucket of 5,000 awkward objects: no difference; peak of {peaks}"));
}

#[test]
#[ignore = "30 GB of disk and minutes of time: tests/long runs it"]
fn minio_six_gigabytes_in_a_few_objects_come_back_the_same() {
    let Some(minio) = Minio::start("gigabytes") else { return };
    minio.mc(&["mb", "myminio/bucket"]).succeeds();
    let was = bucket(&minio, "bucket");
    for (n, mib) in [(1, 3_500), (2, 1_500), (3, 999), (4, 1)] {
        let mut body = Noise { seed: n, left: mib << 20, at: 0, block: Vec::new() };
        let key = format!("large/{n}");
        was.put_stream(key.as_bytes(), &mut body, Some(mib << 20), &options(n as usize)).unwrap();
    }
    let facts_were = facts(&minio, "bucket");
    let peaks = there_and_back(&minio);
    assert_eq!(facts(&minio, "restored"), facts_were);
    for n in 1..=4 {
        let both = ["bucket", "restored"].map(|bucket| format!("mc cat myminio/{bucket}/large/{n}"));
        minio.shell(&format!("cmp <({}) <({})", both[0], both[1])).succeeds();
    }
    say::say(&format!("a bucket of 6 GB in four objects: no difference; peak of {peaks}"));
}

/// Noise without end, in blocks that are all different.
struct Noise {
    seed: u64,
    left: u64,
    at: usize,
    block: Vec<u8>,
}

impl std::io::Read for Noise {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.block = trees::noise(self.seed, 1 << 20);
            self.at = 0;
        }
        let rest = &self.block[self.at..];
        let most = rest.len().min(out.len()).min(usize::try_from(self.left).unwrap());
        out[..most].copy_from_slice(&rest[..most]);
        self.at += most;
        self.left -= most as u64;
        Ok(most)
    }
}
