//! The page that this program answers to: its 21 command lines, word for word, and its two
//! policies, on a real MinIO.
//!
//! Three things of a line are this machine's: port 9000, when that is taken, `/var/backups`, which
//! lies in the test's folder, and what the page writes in angle brackets.

use crate::kit::command::{Home, Ran};
use crate::kit::minio::Minio;
use crate::kit::{say, trees};
use std::cell::RefCell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A reader of the page.
struct Reader {
    minio: Minio,
    home: Home,
    /// What `<snapshot_id>` stands for.
    snapshot: RefCell<String>,
}

/// What the page shows, and what must have come of it.
type Row = (&'static str, fn(&Reader, &str));

const ROWS: [Row; 21] = [
    ("plakar pkg add s3", |reader, line| {
        reader.types(line).succeeds();
    }),
    ("plakar pkg list", |reader, line| {
        let listed = reader.types(line).succeeds();
        assert!(listed.stdout.starts_with("s3@v") && listed.stdout.lines().count() == 1, "{listed}");
    }),
    (
        "plakar store add minio \\
            s3://localhost:9000/plakar-kloset \\
            access_key=minioadmin \\
            secret_access_key=minioadmin \\
            use_tls=false",
        |reader, line| {
            reader.types(line).succeeds().prints_nothing();
            reader.types(line).exits(1).says("store \"minio\" already exists");
        },
    ),
    ("plakar at @minio create", |reader, line| {
        reader.types("plakar at @minio ls").exits(1).says("bucket does not exist");
        reader.types(line).succeeds().prints_nothing();
        assert_eq!(reader.minio.keys("plakar-kloset"), ["CONFIG"]);
        reader.types(line).exits(1).says("bucket already initialized");
    }),
    ("plakar at @minio ls", |reader, line| {
        reader.types(line).succeeds().prints_nothing();
    }),
    ("plakar at @minio check", |reader, line| {
        reader.types(line).succeeds();
    }),
    ("plakar at @minio backup /etc", |reader, line| {
        let ran = reader.types(line);
        // Who is not root cannot read all of it.
        if ran.code != Some(0) {
            let failed: Vec<_> = ran.stderr.lines().filter(|line| line.contains("KO ✘ ")).collect();
            assert!(ran.code == Some(3) && !failed.is_empty(), "{ran}");
            assert!(failed.iter().all(|line| line.contains("permission denied")), "{ran}");
        }
        assert!(ran.stdout.contains(": OK ✓ /etc/passwd\n"), "{ran}");
        assert!(ran.stdout.contains("info: backup: created unsigned snapshot "), "{ran}");
        let passwd = reader.types("plakar at @minio cat :/etc/passwd").succeeds();
        assert_eq!(passwd.bytes, fs::read("/etc/passwd").unwrap());
    }),
    ("plakar at @minio backup @my_source", |reader, line| {
        trees::awkward(&reader.home.dir().join("mysrc"), trees::Bulk { large: 2 << 20, tiny: 40 });
        let entry = format!("plakar source add my_source {}", reader.home.path("mysrc"));
        reader.types(&entry).succeeds();
        reader.types(line).succeeds();
        let listed = reader.types("plakar at @minio ls").succeeds();
        let roots: Vec<_> = listed.stdout.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(roots, [&reader.home.path("mysrc"), "/etc"], "{listed}");
        reader.types("plakar at @minio check -quiet").succeeds();
    }),
    (
        "plakar source add minio_src s3://localhost:9000/mybucket \\
            access_key=minioadmin \\
            secret_access_key=minioadmin \\
            use_tls=false",
        |reader, line| {
            reader.types(line).succeeds().prints_nothing();
            reader.minio.mc(&["mb", "myminio/mybucket"]).succeeds();
            for (key, body) in objects() {
                reader.minio.put(&format!("mybucket/{key}"), body);
            }
        },
    ),
    ("plakar at /var/backups backup @minio_src", |reader, line| {
        reader.types("plakar at /var/backups create").succeeds();
        let ran = reader.types(line).succeeds().complains("");
        for (key, _) in objects() {
            assert!(ran.stdout.contains(&format!(": OK ✓ /{key}\n")), "{key}: {ran}");
        }
        assert!(ran.stdout.contains("info: backup: created unsigned snapshot "), "{ran}");
    }),
    ("plakar at @minio backup @minio_src", |reader, line| {
        reader.types(line).succeeds().complains("");
        let newest = reader.newest("@minio");
        for (key, body) in &objects()[4..6] {
            let ran = reader.types(&format!("plakar at @minio cat {newest}:/{key}")).succeeds();
            assert_eq!(&ran.bytes, body, "{key}");
        }
    }),
    (
        "plakar destination add minio_dst s3://localhost:9000/mybucket \\
            access_key=minioadmin \\
            secret_access_key=minioadmin \\
            use_tls=false",
        |reader, line| {
            reader.types(line).succeeds().prints_nothing();
        },
    ),
    ("plakar at /var/backups restore -to @minio_dst <snapshot_id>", |reader, line| {
        reader.empties_the_bucket();
        reader.means(&reader.newest("/var/backups"));
        reader.types(line).succeeds().says("at @minio_dst completed successfully");
        reader.finds_all_objects();
    }),
    ("plakar at @minio restore -to @minio_dst <snapshot_id>", |reader, line| {
        reader.empties_the_bucket();
        reader.means(&reader.newest("@minio"));
        reader.types(line).succeeds().says("at @minio_dst completed successfully");
        reader.finds_all_objects();
    }),
    (
        "plakar store show
         plakar source show
         plakar destination show",
        |reader, lines| {
            for (line, entry) in lines.lines().zip(["minio", "minio_src", "minio_dst"]) {
                let shown = reader.types(line).succeeds().never_says("minioadmin");
                let wanted = format!("{entry}:\n    access_key: '********'\n    location: s3://");
                assert!(shown.stdout.contains(&wanted), "{shown}");
                assert!(shown.stdout.contains("    secret_access_key: '********'\n"), "{shown}");
                assert!(shown.stdout.contains("    use_tls: \"false\"\n"), "{shown}");
            }
        },
    ),
    ("plakar at @minio_prod sync <snapshot-id> to @minio_backup", |reader, line| {
        for (entry, bucket) in [("minio_prod", "plakar-kloset"), ("minio_backup", "plakar-backup")] {
            let location = format!("s3://localhost:9000/{bucket}");
            let keys = "access_key=minioadmin secret_access_key=minioadmin use_tls=false";
            reader.types(&format!("plakar store add {entry} {location} {keys}")).succeeds();
        }
        reader.types("plakar at @minio_backup create").succeeds();
        reader.means(&reader.newest("@minio_prod"));
        reader.types(line).succeeds().says("completed: 1 snapshots synchronized");
        assert_eq!(reader.snapshots("@minio_backup"), [reader.newest("@minio_prod")]);
        reader.types("plakar at @minio_backup check -quiet").succeeds();
    }),
    ("plakar at @minio_prod sync to @minio_backup", |reader, line| {
        reader.types(line).succeeds().says("completed: 2 snapshots synchronized");
        assert_eq!(reader.snapshots("@minio_backup"), reader.snapshots("@minio_prod"));
        reader.types("plakar at @minio_backup check -quiet").succeeds();
    }),
    (
        "plakar store set minio_store use_tls=false
         plakar source set minio_src use_tls=false
         plakar destination set minio_dst use_tls=false",
        |reader, lines| {
            let keys = "access_key=minioadmin secret_access_key=minioadmin use_tls=true";
            let location = "location=s3://localhost:9000/plakar-kloset";
            reader.types(&format!("plakar store add minio_store {location} {keys}")).succeeds();
            reader.types("plakar at @minio_store ls").exits(1).says("use_tls=false");
            for line in lines.lines() {
                reader.types(line).succeeds().prints_nothing();
            }
            let listed = reader.types("plakar at @minio_store ls").succeeds();
            assert_eq!(listed.stdout.lines().count(), 3, "{listed}");
        },
    ),
    ("plakar ptar -o ./export.ptar -k @minio_store", |reader, line| {
        reader.types(line).succeeds();
        assert_eq!(reader.snapshots("./export.ptar"), reader.snapshots("@minio_store"));
        reader.types("plakar at ./export.ptar check -quiet").succeeds();
        reader.types(line).exits(1);
    }),
    ("plakar at ./export.ptar restore -to @minio_dst", |reader, line| {
        reader.empties_the_bucket();
        reader.types(line).succeeds().says("at @minio_dst completed successfully");
        reader.finds_all_objects();
    }),
    ("location access_key secret_access_key use_tls storage_class", |reader, options| {
        let values =
            ["s3://localhost:9000/plakar-kloset", "minioadmin", "minioadmin", "false", "REDUCED_REDUNDANCY"];
        let options: Vec<_> = options.split_whitespace().zip(values).collect();
        let (of_all, _) = options.split_at(4);
        for (role, known) in [("store", &options[..]), ("source", of_all), ("destination", of_all)] {
            let words: Vec<_> = known.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let typed = format!("plakar {role} add given {}", words.join(" "));
            reader.types(&typed).succeeds().prints_nothing();
            reader.types(&format!("plakar {role} add changed s3://elsewhere/bucket {}", words[1])).succeeds();
            for word in &words {
                reader.types(&format!("plakar {role} set changed {word}")).succeeds().prints_nothing();
            }
            let json = |entry: &str| {
                let shown = reader.types(&format!("plakar {role} show -secrets -json {entry}")).succeeds();
                shown.stdout.replace(entry, "")
            };
            assert_eq!(json("given"), json("changed"), "{role}");
        }
        reader.types("plakar at @given backup mysrc").succeeds();
        let listed = reader.minio.mc(&["ls", "--recursive", "myminio/plakar-kloset"]).succeeds();
        let classes: Vec<bool> = listed
            .stdout
            .lines()
            .filter(|line| line.contains(" REDUCED_REDUNDANCY "))
            .map(|line| line.contains("packfiles/"))
            .collect();
        assert!(!classes.is_empty() && classes.iter().all(|packfile| *packfile), "{listed}");
        reader.types("plakar at @changed check -quiet").succeeds();
        reader.types("plakar at @given backup @given").succeeds();
        reader.types("plakar at @given restore -to @changed").succeeds();
    }),
];

#[test]
fn minio_the_page_word_for_word() {
    let Some(minio) = Minio::start("page") else { return };
    let reader = Reader { minio, home: Home::new("page"), snapshot: RefCell::default() };
    reader.home.env("PLAKAR_PASSPHRASE", "aZ3$kd9-Qw(x1");
    let works = |(line, check): &Row| catch_unwind(AssertUnwindSafe(|| check(&reader, line))).is_ok();
    let (working, failing): (Vec<_>, Vec<_>) = ROWS.iter().partition(|row| works(row));
    say::say(&format!("the page's command lines: {} of {}", working.len(), ROWS.len()));
    assert!(failing.is_empty(), "{:#?}", failing.iter().map(|(line, _)| line).collect::<Vec<_>>());
}

impl Reader {
    /// Types a line of the page.
    fn types(&self, line: &str) -> Ran {
        let line = line
            .replace("localhost:9000", self.minio.host())
            .replace("/var/backups", &self.home.path("var/backups"))
            .replace("<snapshot_id>", &self.snapshot.borrow())
            .replace("<snapshot-id>", &self.snapshot.borrow());
        let mut words = line.split_whitespace().filter(|word| *word != "\\");
        assert_eq!(words.next(), Some("plakar"));
        self.plakar(&words.collect::<Vec<_>>())
    }

    fn plakar(&self, words: &[&str]) -> Ran {
        self.home.plakar(words)
    }

    fn means(&self, snapshot: &str) {
        self.snapshot.replace(snapshot.to_owned());
    }

    /// Short names of a store's snapshots, the newest first.
    fn snapshots(&self, store: &str) -> Vec<String> {
        let listed = self.types(&format!("plakar at {store} ls")).succeeds();
        let names = listed.stdout.lines().filter_map(|line| line.split_whitespace().nth(1));
        names.map(str::to_owned).collect()
    }

    fn newest(&self, store: &str) -> String {
        self.snapshots(store).into_iter().next().unwrap()
    }

    fn empties_the_bucket(&self) {
        self.minio.mc(&["rm", "--recursive", "--force", "myminio/mybucket"]).succeeds();
        assert!(self.minio.keys("mybucket").is_empty());
    }

    fn finds_all_objects(&self) {
        let mut wanted: Vec<_> = objects().into_iter().map(|(key, _)| key.to_owned()).collect();
        wanted.sort();
        assert_eq!(self.minio.keys("mybucket"), wanted);
        for (key, body) in objects() {
            assert!(self.minio.get(&format!("mybucket/{key}")) == body, "{key}");
        }
    }
}

/// What is in the page's `mybucket`.
fn objects() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a+b%20c.txt", b"1\n".to_vec()),
        ("big.txt", trees::noise(6, 20 << 20)),
        ("na\u{ef}ve-\u{65e5}\u{672c}.txt", b"2\n".to_vec()),
        ("nested/deep/d.txt", b"d\n".to_vec()),
        ("nested/n.txt", b"n\n".to_vec()),
        ("root.txt", b"hello world\n".to_vec()),
        ("with space.txt", b"sp\n".to_vec()),
        ("zero", Vec::new()),
    ]
}

/// The page's policy for `plakar-kloset`, its comments removed, with these actions.
fn policy(actions: &[&str], unlocks: bool) -> String {
    let actions: Vec<_> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    let locks = r#", {
          "Effect": "Allow",
          "Action": ["s3:DeleteObject"],
          "Resource": ["arn:aws:s3:::plakar-kloset/locks*"]
        }"#;
    format!(
        r#"{{ "Version": "2012-10-17", "Statement": [ {{
          "Effect": "Allow",
          "Action": [{}],
          "Resource": ["arn:aws:s3:::plakar-kloset", "arn:aws:s3:::plakar-kloset/*"]
        }}{} ] }}"#,
        actions.join(", "),
        if unlocks { locks } else { "" }
    )
}

const READ: [&str; 2] = ["s3:GetObject", "s3:ListBucket"];
const WRITE: [&str; 3] = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"];

/// A user of the page's name, with the policy that is given last.
struct User {
    minio: Minio,
    home: Home,
}

impl User {
    fn new() -> Option<User> {
        let minio = Minio::start("page-user")?;
        minio.mc(&["mb", "myminio/plakar-kloset"]).succeeds();
        minio.mc(&["admin", "user", "add", "myminio", "plakar_user", "a-very-strong-secret"]).succeeds();
        let home = Home::new("page-user");
        let user = User { minio, home };
        let mine = ["plakar_user", "a-very-strong-secret"];
        user.adds("store", "kloset", "plakar-kloset", mine);
        user.adds("store", "owned", "plakar-kloset", ["minioadmin"; 2]);
        user.adds("source", "src", "plakar-kloset/data", mine);
        user.adds("destination", "dst", "plakar-kloset/restored", mine);
        fs::create_dir(user.home.dir().join("tree")).unwrap();
        fs::write(user.home.dir().join("tree/file"), "content\n").unwrap();
        Some(user)
    }

    fn adds(&self, role: &str, name: &str, place: &str, [key, secret]: [&str; 2]) {
        let location = format!("s3://{}/{place}", self.minio.host());
        let keys = [format!("access_key={key}"), format!("secret_access_key={secret}")];
        self.home.plakar(&[role, "add", name, &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    }

    fn may(&self, actions: &[&str], unlocks: bool) {
        fs::write(self.minio.dir().join("minio_policy"), policy(actions, unlocks)).unwrap();
        let admin = |words: &[&str]| self.minio.mc(&[&["admin", "policy"], words].concat());
        admin(&["detach", "myminio", "plakar-policy", "--user=plakar_user"]);
        admin(&["create", "myminio", "plakar-policy", "minio_policy"]).succeeds();
        admin(&["attach", "myminio", "plakar-policy", "--user=plakar_user"]).succeeds();
    }

    fn plakar(&self, words: &[&str]) -> Ran {
        self.home.plakar(words)
    }
}

const MUST_READ: &str = "needs s3:GetObject on arn:aws:s3:::plakar-kloset/*";
const MUST_LIST: &str = "needs s3:ListBucket on arn:aws:s3:::plakar-kloset";
const MUST_WRITE: &str = "needs s3:PutObject on arn:aws:s3:::plakar-kloset/*";
const MUST_UNLOCK: &str = "needs s3:DeleteObject on arn:aws:s3:::plakar-kloset/*";

#[test]
fn minio_the_pages_policies_suffice_and_a_missing_right_is_told_by_its_name() {
    let Some(user) = User::new() else { return };
    user.plakar(&["at", "here", "create", "-plaintext"]).succeeds();
    user.minio.put("plakar-kloset/data/one", "1");
    user.minio.put("plakar-kloset/data/sub/two", "22");

    user.may(&WRITE, true);
    user.plakar(&["at", "@kloset", "create", "-plaintext"]).succeeds();
    user.plakar(&["at", "@kloset", "backup", "-quiet", "tree"]).succeeds().complains("");
    user.plakar(&["at", "@kloset", "backup", "-quiet", "@src"]).succeeds().complains("");
    user.plakar(&["at", "@kloset", "restore", "-quiet", "-to", "@dst"]).succeeds().complains("");
    assert_eq!(user.minio.get("plakar-kloset/restored/data/sub/two"), b"22");
    assert!(user.minio.keys("plakar-kloset/locks/").is_empty());

    user.may(&WRITE, false);
    user.plakar(&["at", "@kloset", "backup", "-quiet", "tree"]).succeeds().says(MUST_UNLOCK);
    assert_eq!(user.minio.keys("plakar-kloset/locks/").len(), 1);

    user.may(&READ, true);
    assert_eq!(user.plakar(&["at", "@kloset", "ls"]).succeeds().stdout.lines().count(), 3);
    user.plakar(&["at", "@kloset", "check", "-quiet"]).succeeds().complains("");
    user.plakar(&["at", "@kloset", "restore", "-quiet", "-to", "out"]).succeeds().complains("");
    assert_eq!(fs::read(user.home.dir().join("out/tree/file")).unwrap(), b"content\n");
    user.plakar(&["at", "here", "backup", "-quiet", "@src"]).succeeds().complains("");
    user.plakar(&["at", "here", "check", "-quiet"]).succeeds();
    user.plakar(&["at", "@kloset", "backup", "-quiet", "tree"]).exits(1).says(MUST_WRITE);
    user.plakar(&["at", "here", "restore", "-quiet", "-to", "@dst"]).exits(1).says(MUST_WRITE);

    user.may(&["s3:GetObject"], true);
    user.plakar(&["at", "here", "backup", "-quiet", "@src"]).exits(1).says(MUST_LIST);
    user.plakar(&["at", "@kloset", "ls"]).exits(1).says(MUST_LIST);
    user.may(&["s3:ListBucket"], true);
    user.plakar(&["at", "here", "backup", "-quiet", "-force", "@src"]).exits(3).says(MUST_READ);
    user.plakar(&["at", "@kloset", "ls"]).exits(1).says(MUST_READ);
    let found = user.plakar(&["at", "here", "ls"]).succeeds();
    assert_eq!(found.stdout.lines().count(), 2, "a backup that could not list made a snapshot: {found}");
}
