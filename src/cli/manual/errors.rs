//! Messages of commands that failed, and what mends each: `help errors`. `…` stands for what differs.
//!
//! `tests/cli/errors.rs` holds the table against the sources: a message that is in none of the rows
//! fails it, and so does a row whose message nobody says.

/// Messages that the same thing mends, and that thing.
pub type Row = (&'static [&'static str], &'static str);

/// Every message that has words of its own. Those that only pass on what a server, a system or
/// another message says name it behind a colon.
pub const ERRORS: &[(&str, &[Row])] = &[
    (
        "The words",
        &[
            (
                &[
                    "a subcommand must be provided",
                    "missing command",
                    "no action specified",
                    "unknown command: …",
                ],
                "plakar help lists the commands; plakar help COMMAND explains one",
            ),
            (&["missing plakar repository"], "name a store behind at: @NAME, a path or a location"),
            (
                &["… command cannot be used with 'at' parameter"],
                "leave out at STORE: the command is not about a store",
            ),
            (
                &[
                    "too many arguments",
                    "Too many arguments",
                    "too many parameters",
                    "not enough arguments",
                    "at least one parameter is required",
                    "-o option must be specified",
                    "locate: no pattern given",
                    "need at least one snapshot ID to pull",
                    "name a shell: bash, zsh or fish",
                    "needs at least a snapshot ID and/or snapshot file to diff",
                    "usage: sync [SNAPSHOT] to|from|with REPOSITORY",
                    "invalid direction, must be to, from or with",
                    "Usage: plakar … doctor <name>",
                    "Usage: plakar … add <name> <location> [<key>=<value>...]",
                    "Usage: plakar … set <name> <key>=<value>...",
                    "usage: plakar … set <name> [<key>=<value>, ...]",
                    "Usage: plakar … unset <name> <key>...",
                    "Usage: plakar … rm <name>",
                    "Usage: plakar … … <name>",
                    "Usage: plakar policy set <name> <key>=<value>...",
                    "Usage: plakar policy unset <name> <key>...",
                    "Usage: plakar policy rm <name>",
                ],
                "plakar help COMMAND shows which words it takes, and examples",
            ),
            (
                &["multiple snapshots found, please specify one"],
                "one snapshot at a time; options come before it",
            ),
            (
                &["invalid snapshot prefix: …"],
                "an id is hexadecimal digits, from plakar ls; options come before it",
            ),
            (
                &[
                    "invalid -cpu value …",
                    "can't use more cores than available: …",
                    "invalid -concurrency value …",
                    "invalid value … for -…",
                ],
                "a whole number above zero, no more than this machine has cores",
            ),
            (&["unsupported format …"], "tarball, tar or zip"),
            (&["unknown format \"ini\""], "policies are shown as YAML or, with -json, as JSON"),
            (&["unknown hashing algorithm: …", "unsupported hashing algorithm: …"], "BLAKE3 or SHA256"),
            (&["no completion for …: bash, zsh and fish have one"], "bash, zsh or fish"),
            (
                &["locate: could not match pattern: syntax error in pattern"],
                "close the [ or put a backslash before it",
            ),
            (&["forced timestamp cannot be in the future"], "a moment that has passed, in UTC"),
            (&["unable to open excludes file: …: …"], "correct the path behind -ignore-file"),
            (
                &[
                    "no filter specified, not going to remove everything",
                    "no filter specified, not going to prune everything",
                ],
                "name snapshots, or give a filter or a period",
            ),
            (&["PLAKAR_GRACEPERIOD: invalid duration …"], "write it as 720h, 90m or 0s"),
            (
                &["no package …: the connectors of this program are fs and …"],
                "nothing has to be added: fs and s3 are built in",
            ),
            (
                &["…: …", "… (…)", "…: ……"],
                "a command that is not here says what to use instead; else what a system or a file says of the name in front",
            ),
        ],
    ),
    (
        "The settings",
        &[
            (
                &["could not resolve …: …", "no … is named …", "… … …", "one or more … do not exist"],
                "plakar store show (source, destination) lists the names; plakar store add makes one",
            ),
            (&["… … has no location"], "plakar store rm NAME, then add it with its location"),
            (&["… … already exists"], "choose another name, change it with set, or remove it first"),
            (&["cannot unset location"], "plakar store set NAME location=…"),
            (
                &[
                    "no store named, and $HOME is not defined",
                    "could not get config directory: $HOME is not defined",
                ],
                "set HOME, or give -config DIR and at STORE",
            ),
            (
                &["could not load configuration: …", "could not load policies: …"],
                "the file named is not changed: mend or remove it",
            ),
            (
                &["no valid … found in config", "failed to load config: …"],
                "YAML, JSON or INI as show prints it; -rclone for rclone's",
            ),
            (&["…: settings are kept as text, and this is not UTF-8", "…: not UTF-8"], "use text in UTF-8"),
            (
                &[
                    "policy … not found",
                    "policy … already exists",
                    "failed to set key …: …",
                    "failed to unset key …: …",
                ],
                "plakar policy show lists policies; their keys are the names of prune's options",
            ),
            (
                &["invalid … value", "invalid storage_class value"],
                "plakar store set NAME KEY=VALUE, with a value that the message lists",
            ),
            (
                &["client_key …: …", "… …: …", "…: longer than … bytes"],
                "name a readable PEM file of the right kind",
            ),
            (
                &["no credentials: …", "shared_credentials_file …: …", "mc_alias …: …"],
                "access_key and secret_access_key, or one of the places that the message names",
            ),
            (
                &["sse_customer_key would cross the line in the open"],
                "use_tls=true: keys travel over TLS only",
            ),
            (
                &["s3://…: …", "s3 location: credentials do not belong in it", "bucket …: …"],
                "s3://HOST[:PORT]/BUCKET[/PREFIX], keys as access_key and secret_access_key",
            ),
            (
                &["the environment's proxy is no HTTP proxy's URL"],
                "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY",
            ),
        ],
    ),
    (
        "The passphrase",
        &[
            (
                &[
                    "failed to unlock repository (the passphrase is wrong)",
                    "invalid passphrase",
                    "the passphrase does not open this store",
                    "the store is encrypted",
                ],
                "-keyfile FILE, the entry's passphrase or passphrase_cmd, or PLAKAR_PASSPHRASE, in this order",
            ),
            (&["cannot ask for the …: no terminal (…)"], "give it in one of the ways above"),
            (&["could not read key file …: …"], "correct the path behind -keyfile"),
            (&["passphrase_cmd …"], "the command must print one line and exit 0"),
            (&["can't encrypt the repository with an empty passphrase"], "choose one, or create -plaintext"),
            (&["too many failed attempts"], "a longer passphrase, or create -weak-passphrase"),
        ],
    ),
    (
        "The way to the server",
        &[
            (
                &["no address is known for the host"],
                "correct the host in the location, /etc/hosts or /etc/resolv.conf",
            ),
            (
                &[
                    "no connection within the time allowed",
                    "the connection failed",
                    "no address to connect to",
                ],
                "is the server up, and the port right and open? plakar doctor @NAME",
            ),
            (
                &[
                    "nothing moved on the connection for too long",
                    "the answer ended early",
                    "the answer ended after … of … bytes",
                    "the upload ended before its content did",
                ],
                "it was tried again until time was up: look at the network, then run it again",
            ),
            (
                &["no HTTP answer: …", "TLS: …", "TLS: the server said …"],
                "set use_tls as the server speaks; ca_file or tls_fingerprint for a certificate of your own",
            ),
            (&["the proxy refused: …"], "the proxy's log tells; NO_PROXY leaves it out"),
            (
                &[
                    "the answer has more headers than the 128 that are read",
                    "HTTP cannot carry the value of …",
                    "no memory for … bytes",
                ],
                "what answers is no S3 server, or its object is out of bounds",
            ),
            (
                &["this machine's clock and the server's are … seconds apart"],
                "timedatectl set-ntp true on whichever is wrong",
            ),
            (&["If-None-Match: * was passed over by the server"], "do not run create twice at once there"),
            (
                &["…: …"],
                "a request, then what the server said of it, its request id, and in brackets what helps",
            ),
        ],
    ),
    (
        "The store",
        &[
            (&["bucket does not exist", "no Kloset store at …"], "correct bucket and prefix, or run create"),
            (&["bucket already initialized"], "it is a store: use it, or choose another bucket or prefix"),
            (
                &["maintenance runs again and again", "snapshot … was removed meanwhile"],
                "somebody else works on the store: run it again when they are done",
            ),
            (
                &["the store at … is not encrypted, though … has a passphrase"],
                "somebody may have put another store in its place: look before you write; plakar store unset NAME \
                 passphrase if it is meant to be plain",
            ),
            (
                &["the store is locked by … on … (lock …)"],
                "wait until it is done; a lock of a run that died is passed over after ten minutes",
            ),
            (
                &["no snapshots found", "no snapshot has prefix: ……", "no snapshot … in store …"],
                "plakar ls lists them",
            ),
            (
                &[
                    "…: no such file",
                    "…: not a regular file",
                    "…: not in the snapshot",
                    "can't diff different file types",
                ],
                "plakar ls -recursive SNAPSHOT lists what is in it",
            ),
            (
                &["…: no … in an archive", "…: … is an archive and cannot be changed"],
                "an archive holds what it was made with: restore from it, or sync from it into a store",
            ),
            (&["failed to remove 1 snapshot"], "the line before tells why; nothing was removed"),
            (
                &["usage: clone to <repository>. See 'clone -h' or 'help clone'"],
                "plakar at STORE clone to PLACE",
            ),
        ],
    ),
    (
        "Damage",
        &[
            (
                &[
                    "check failed for …",
                    "… could not be read; check tells more",
                    "snapshot …: …",
                    "snapshot … of …: …",
                    "snapshot … …",
                    "archive: … could not be read",
                    "clone: … damaged files were left out",
                    "sync: … of … snapshots failed",
                ],
                "the lines before name what is damaged; the rest is whole. Restore the damaged files from another copy; plakar repair looks for lost states",
            ),
            (
                &[
                    "its content is not what its name says",
                    "…: not in the store",
                    "… …: in no packfile that the store's states name",
                    "its signature is not by the key it names",
                    "its error entry is another path's",
                    "its MAC does not match: altered or cut",
                    "list of …: …",
                    "…: its header names no source",
                    "…: says it is …",
                    "… …: …",
                    "nested deeper than any file system allows",
                    "gzip: …",
                    "the entry names no content",
                    "get object …/…: a range past 2^64",
                    "…: the same markers twice",
                    "…: … has … bytes, more than …",
                    "…: … ends before byte … + …",
                ],
                "a part of the store is not what was written: plakar check names every file it hits; sync or restore the rest",
            ),
            (
                &[
                    "errors occurred",
                    "failed to scan some files",
                    "restoration completed with …",
                    "doctor: … of … places are not well",
                ],
                "the lines before name each; what is not named went well",
            ),
            (
                &["a packfile does not read back as it was written: faulty memory?"],
                "nothing was stored: test this machine's memory",
            ),
            (
                &[
                    "… keys, … pointers and … values",
                    "CONFIG, Encryption",
                    "CONFIG, KDFParams",
                    "its MAC does not match: it was altered",
                    "… is out of range",
                    "a key of … bytes",
                    "record type …",
                    "a record of … bytes",
                    "ends within a record",
                    "… bytes, at least 48 are needed",
                    "does not begin with _KLOSET_",
                    "holds a …",
                    "… envelope",
                    "… items announced, … bytes left",
                    "… bytes for … records",
                    "… … reaches beyond the blobs",
                    "… bytes, 56 are expected",
                    "cut before the footer",
                    "a footer of … bytes in …",
                    "has no source",
                    "an entry of type … has … bytes",
                ],
                "a file of the store is damaged, and the message names it: put it back from a copy of the bucket, or run plakar repair",
            ),
        ],
    ),
    (
        "Writing",
        &[
            (&["archive: …", "archive: …: …"], "free space or rights where the file is to be written"),
            (
                &[
                    "make directory …: … …",
                    "…: not a path below the destination",
                    "open …: no longer a regular file",
                    "write …: more bytes than announced",
                ],
                "another program changed the place meanwhile, or the snapshot wants to leave it: an empty directory helps",
            ),
            (
                &[
                    "…: is there already",
                    "…: a bucket has no …",
                    "…: objects have no extended attributes",
                    "content for byte … came where byte … was due",
                    "… bytes of … came",
                    "the restore gave the object up",
                    "the archive is finished",
                ],
                "the object named is not there: restore it again",
            ),
            (
                &[
                    "a … of … bytes",
                    "more blobs than a packfile can count",
                    "…: …",
                    "the source left its own root",
                ],
                "the entry cannot be kept in this format, and the message names it: leave it out with -ignore",
            ),
        ],
    ),
    (
        "This machine",
        &[
            (
                &["interrupted", "…: interrupted", "put object …/…: interrupted", "enough", "stopped"],
                "Ctrl-C was pressed; nothing half-made is left",
            ),
            (
                &["cannot watch for Ctrl-C: …", "cannot tell the working directory: …"],
                "the system refused; the reason is behind the colon",
            ),
            (
                &[
                    "a worker stopped unexpectedly: this is a defect of the program",
                    "the walk stopped unexpectedly: this is a defect of the program",
                ],
                "please report it with the lines before",
            ),
        ],
    ),
];

/// The page.
pub fn page() -> String {
    let mut text = String::new();
    for (about, rows) in ERRORS {
        text += &format!("{about}:\n");
        for (messages, remedy) in *rows {
            for message in *messages {
                text += &format!("  {message}\n");
            }
            text += &super::wrapped(&format!("→ {remedy}"), 6);
        }
        text.push('\n');
    }
    text
}
