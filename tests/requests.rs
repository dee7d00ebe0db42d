//! What each command asks of the server, request by request: these numbers do not vary, and on a
//! real line each of them is a round trip.

use crate::kit::command::Home;
use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::trees;
use std::collections::BTreeMap;
use std::fs;

/// A home, a server, and a store on it.
struct Counted {
    home: Home,
    server: S3Server,
}

impl Counted {
    fn new(name: &str, create: &[&str]) -> Counted {
        let (home, server) = (Home::new(name), S3Server::start());
        home.env("PLAKAR_PASSPHRASE", "requests are counted");
        let location = format!("s3://{}/store", server.address());
        let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
        home.plakar(&["store", "add", "s", &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
        let counted = Counted { home, server };
        assert_eq!(counted.asked(), "", "settings are nobody's business");
        counted.home.plakar(&[&["at", "@s", "create"], create].concat()).succeeds();
        assert_eq!(
            counted.asked(),
            "HEAD CONFIG 1, PUT CONFIG 3, PUT bucket 1",
            "the bucket is made when missing"
        );
        counted
    }

    fn run(&self, words: &[&str]) -> String {
        self.home.plakar(&[&["at", "@s"], words].concat()).succeeds();
        self.asked()
    }

    /// What was asked since the last look: `GET packfile 3, LIST locks 1, …`
    fn asked(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.server.requests() {
            *counts.entry(kind(&line)).or_default() += 1;
        }
        let shown = counts.iter().map(|(kind, count)| format!("{kind} {count}"));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The verb, and what it is about.
fn kind(line: &str) -> String {
    let (verb, target) = line.split_once(' ').unwrap();
    let target = target.split(' ').next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let folder = |text: &str| {
        ["packfiles", "states", "locks"].into_iter().find(|folder| text.contains(folder)).map(str::to_owned)
    };
    if query.contains("list-type=2") {
        return format!("LIST {}", folder(query).unwrap());
    }
    let what = match path.strip_prefix("/store").unwrap().trim_matches('/') {
        "" => "bucket".to_owned(),
        "CONFIG" => "CONFIG".to_owned(),
        key => folder(key).unwrap().trim_end_matches('s').to_owned(),
    };
    format!("{verb} {what}")
}

/// 280 small files in ten directories, and 25 MiB of noise in one: four packfiles. One worker fills them,
/// so that the same lies where it lay.
fn tree(home: &Home) -> String {
    let root = home.dir().join("tree");
    for directory in 0..10 {
        let directory = root.join(format!("d{directory}"));
        fs::create_dir_all(&directory).unwrap();
        for file in 0..28 {
            fs::write(
                directory.join(format!("f{file}")),
                format!("file {file} of {}\n", directory.display()),
            )
            .unwrap();
        }
    }
    fs::write(root.join("noise"), trees::noise(5, 25 << 20)).unwrap();
    root.to_str().unwrap().to_owned()
}

#[test]
fn each_command_asks_for_so_much_and_no_more() {
    let mut faults = Vec::new();
    for (case, create) in [("plaintext", &["-plaintext"][..]), ("encrypted", &[])] {
        let store = Counted::new(&format!("requests-{case}"), create);
        let tree = tree(&store.home);
        let out = store.home.path("out");
        // The states are listed anew once the lock is held, and once more when all is written.
        let lock = "LIST locks 1, LIST states 3, PUT lock 1";
        let commands: &[(&str, &[&str], &str)] = &[
            ("nothing to list", &["ls"], "GET CONFIG 1, LIST states 1"),
            (
                "three packfiles of content, one of structure",
                &["backup", "-quiet", "-concurrency", "1", &tree],
                &format!("DELETE lock 1, GET CONFIG 1, {lock}, PUT packfile 4, PUT state 1"),
            ),
            (
                "unchanged: the structure before is read, one packfile of it written",
                &["backup", "-quiet", "-concurrency", "1", &tree],
                &format!(
                    "DELETE lock 1, GET CONFIG 1, GET packfile 2, GET state 1, {lock}, PUT packfile 1, PUT state 1"
                ),
            ),
            (
                "one block a header, and the state that has no copy yet",
                &["ls"],
                "GET CONFIG 1, GET packfile 2, GET state 1, LIST states 1",
            ),
            (
                "no header but the two, no state but by its name",
                &["ls"],
                "GET CONFIG 1, GET packfile 2, LIST states 1",
            ),
            (
                "every packfile once, and the structure in blocks",
                &["check", "-quiet"],
                "GET CONFIG 1, GET packfile 9, GET state 2, LIST locks 1, LIST packfiles 1, LIST states 1",
            ),
            (
                "no content",
                &["check", "-quiet", "-fast"],
                "GET CONFIG 1, GET packfile 4, LIST locks 1, LIST packfiles 1, LIST states 1",
            ),
            (
                "at most two for each packfile; two who want the same block at once may both ask for it",
                &["restore", "-quiet", "-to", &out],
                "GET CONFIG 1, GET packfile 8, LIST states 1 | GET CONFIG 1, GET packfile 9, LIST states 1",
            ),
        ];
        for (why, words, wanted) in commands {
            let asked = store.run(words);
            if !wanted.split(" | ").any(|wanted| asked == wanted) {
                faults.push(format!("{case}: {why}\n  {asked}, not\n  {wanted}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
