//! `-json`: every line of every command is a record of the schema, and the schema has no kind that
//! nobody prints.

use crate::cli::small;
use crate::kit::command::{Home, Ran};
use crate::kit::json::Json;
use crate::kit::small_store::SmallStore;
use plakar::cli::commands::{self, At};
use plakar::cli::record::{SCHEMA, Shape};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The records of a run, each held against the schema.
#[track_caller]
fn records(ran: &Ran) -> Vec<Json> {
    let lines: Vec<&str> = ran.stdout.lines().chain(ran.stderr.lines()).collect();
    assert!(!lines.is_empty(), "{ran}");
    let records: Vec<Json> = lines.iter().map(|line| Json::parse(line)).collect();
    for record in &records {
        let Json::Map(members) = record else { panic!("{record:?} is no object\n{ran}") };
        let kind = record.text("type").unwrap();
        let (_, _, fields) = SCHEMA
            .iter()
            .find(|(known, _, _)| *known == kind)
            .unwrap_or_else(|| panic!("{kind} is not in the schema\n{ran}"));
        for (name, shape, _) in *fields {
            let value = members.get(name.trim_end_matches('?'));
            let fits = match (value, shape) {
                (None, _) => name.ends_with('?'),
                (Some(Json::Text(_)), Shape::Text | Shape::Path)
                | (Some(Json::Number(_)), Shape::Number)
                | (Some(Json::List(_)), Shape::Texts)
                | (Some(Json::Map(_)), Shape::Map) => true,
                (Some(Json::Word(word)), Shape::Ratio) => word.parse::<f64>().is_ok(),
                (Some(Json::Word(word)), Shape::Truth) => word == "true" || word == "false",
                _ => false,
            };
            assert!(fits, "{kind}.{name} is {value:?}\n{ran}");
        }
        for member in members.keys().filter(|member| *member != "type") {
            let plain = member.trim_end_matches("_hex");
            let known = fields.iter().any(|(name, _, _)| name.trim_end_matches('?') == plain);
            assert!(known, "{kind}.{member} is not in the schema\n{ran}");
        }
    }
    let ends = records.iter().filter(|record| record.text("type") == Some("end")).count();
    assert_eq!(ends, 1, "{ran}");
    let end = records.last().unwrap();
    assert_eq!(end.number("code"), ran.code.map(i64::from), "{ran}");
    records
}

/// Text that only a person would read is in these kinds; no other command may print it.
const PROSE: [&str; 2] = ["help", "completion"];

#[test]
fn every_command_speaks_in_records_of_the_schema() {
    let home = small::home("json");
    fs::write(home.dir().join("tree").join(odd()), "x").unwrap();
    fs::write(home.dir().join("tree/big"), vec![7; 3 << 20]).unwrap();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut ran = |words: &[&str], code: i32| {
        let ran = home.plakar(words).exits(code);
        let all = records(&ran);
        let prose = all.iter().any(|record| record.text("type") == Some("text"));
        let named = PROSE.iter().any(|word| words.contains(word));
        assert_eq!(prose, named, "{ran}");
        seen.extend(all.iter().map(|record| record.text("type").unwrap().to_owned()));
        all
    };
    ran(&["-json", "at", "st", "create", "-plaintext"], 0);
    let made = ran(&["at", "st", "backup", "-json", "-check", "tree"], 0);
    let made = made.iter().find(|record| record.text("type") == Some("backup")).unwrap();
    let id = made.text("snapshot").unwrap().to_owned();
    assert_eq!(made.number("files_new"), Some(5));
    fs::write(home.dir().join("tree/a.txt"), "changed\n").unwrap();
    let again = ran(&["at", "st", "backup", "-json", "tree"], 0);
    let again = again.iter().find(|record| record.text("type") == Some("backup")).unwrap();
    let counts = ["files_new", "files_changed", "files_same"].map(|name| again.number(name).unwrap());
    assert_eq!(counts, [1, 1, 3], "the link is nothing to compare");
    let of = |path: &str| format!("{id}:{path}");
    let tree = home.path("tree");
    for words in [
        &["ls"][..],
        &["ls", "-recursive", &id],
        &["check", "-quiet"],
        &["info"],
        &["info", &id],
        &["locate", "*.txt"],
        &["digest", &of(&tree)],
        &["diff", &of(&format!("{tree}/a.txt"))],
        &["cat", &of(&format!("{tree}/big"))],
        &["archive", "-output", "-", &id],
        &["restore", "-to", "out", &id],
        &["rm", &id],
        &["prune", "-days", "1"],
        &["maintenance"],
        &["repair"],
        &["dup", &id],
        &["backup", "-scan", "tree"],
    ] {
        if ["cat", "archive"].contains(&words[0]) {
            // Content goes to standard output: the records are on the other stream.
            let ran = home.plakar(&[&["-json", "at", "st"], words].concat()).succeeds();
            assert!(ran.bytes.len() > 1000);
            records(&Ran { stdout: String::new(), ..ran });
        } else {
            let at = [&["at", "st", words[0], "-json"], &words[1..]].concat();
            ran(&at, 0);
        }
    }
    ran(&["at", "st", "rm", "-json", "-apply", &id], 0);
    ran(&["at", "copy", "create", "-json", "-plaintext"], 0);
    ran(&["at", "st", "sync", "-json", "to", "copy"], 0);
    ran(&["at", "st", "clone", "-json", "to", "clone"], 0);
    ran(&["ptar", "-json", "-plaintext", "-o", "x.ptar", "tree"], 0);
    ran(&["store", "add", "-json", "x", "/nowhere", "passphrase=s3cret"], 0);
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(home.settings("stores.yml"), open).unwrap();
    ran(&["-json", "store", "show"], 0);
    ran(&["-json", "doctor"], 0);
    ran(&["policy", "add", "-json", "p", "days=2"], 0);
    ran(&["-json", "policy", "show"], 0);
    ran(&["pkg", "list", "-json"], 0);
    ran(&["version", "-json"], 0);
    ran(&["help", "-json"], 0);
    ran(&["completion", "-json", "bash"], 0);
    // Errors too, those of the words included.
    ran(&["-json", "at", "nowhere", "ls"], 1);
    ran(&["-json", "nope"], 1);
    ran(&["-json", "-nope", "ls"], 2);
    ran(&["ls", "-json", "-nope"], 2);
    ran(&["-json", "at", "st", "ls", "ffffffff"], 1);
    ran(&["-json", "agent"], 1);
    ran(&["-json", "at", "st", "backup", "-ignore", "[", "tree"], 1);
    let not_here = ["progress", "policy_document", "damage"];
    let missing: Vec<&str> = SCHEMA
        .iter()
        .map(|(kind, _, _)| *kind)
        .filter(|kind| !seen.contains(*kind) && !not_here.contains(kind))
        .collect();
    assert_eq!(missing, [""; 0], "kinds that nothing printed");
}

#[test]
fn damage_has_a_record_that_names_its_place() {
    let small = SmallStore::new("json-damage");
    small.backup("2025-01-01", "one");
    let (states, packfiles) = (small.files("states"), small.files("packfiles"));
    fs::write(small.home.dir().join("tree/more"), "more\n").unwrap();
    small.backup("2025-01-02", "two");
    let second = small.files("packfiles").into_iter().find(|name| !packfiles.contains(name)).unwrap();
    let path = |what: &str, name: &str| match what {
        "lock" => format!("store/locks/{name}"),
        _ => format!("store/{what}s/{}/{name}", &name[..2]),
    };
    let lock = "ab".repeat(32);
    let damaged = [("lock", lock), ("packfile", second), ("state", states[0].clone())];
    for (what, name) in &damaged {
        fs::write(small.home.dir().join(path(what, name)), "no longer what it was").unwrap();
    }
    let told = records(&small.run(&["check", "-json"]).exits(1));
    let mut told: Vec<(&str, String)> = told
        .iter()
        .filter(|record| record.text("type") == Some("damage"))
        .map(|record| (record.text("what").unwrap(), record.text("id").unwrap().to_owned()))
        .collect();
    told.sort();
    assert_eq!(told, damaged);
}

/// A name that is no text.
fn odd() -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(b"odd\xff".to_vec())
}

#[test]
fn every_command_takes_json_and_says_so() {
    for row in commands::all() {
        let names: Vec<&str> = row.table().into_iter().flatten().map(|opt| opt.name).collect();
        assert!(names.contains(&"json"), "{}", row.name());
        assert!(row.at == At::Store || row.at == At::Nothing);
    }
    let home = Home::new("json-help");
    let page = home.plakar(&["help", "json"]).succeeds();
    for (kind, _, fields) in SCHEMA {
        assert!(page.stdout.contains(&format!("\n{kind}: ")), "{kind}");
        for (name, _, _) in *fields {
            assert!(page.stdout.contains(&format!("\n  {name} ")), "{kind}.{name}");
        }
    }
}
