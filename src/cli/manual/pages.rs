//! What the manual says of each command beyond its row in the table. `ROLE` stands for the first
//! word of a command that exists for stores, sources and destinations.

use crate::cli::manual::Page;

/// The page of a command by its name; `store add` and its likes by the second word.
pub const PAGES: &[Page] = &[
    page(
        "create",
        "Makes an empty store in the place that 'at' names: a directory, a bucket, or a prefix of one. A bucket \
         that does not exist is created. Unless -plaintext is given the store is encrypted: the passphrase comes \
         from -keyfile, from the store's passphrase or passphrase_cmd option, from PLAKAR_PASSPHRASE, or is asked \
         for. Nobody can open the store without it.",
        &[
            ("plakar at @minio create", "an encrypted store"),
            (
                "plakar at /var/backups create -plaintext",
                "one that everybody can read who can read its files",
            ),
        ],
    ),
    page(
        "backup",
        "Reads a directory, a bucket or a named source and stores what the store does not have yet. Files that are \
         as they were in the newest snapshot of the same source are not read again. Entries that cannot be read \
         are named, the rest is backed up, and the exit code is 3. Interrupted, it leaves no snapshot.",
        &[
            ("plakar at @minio backup /etc", "a directory"),
            ("plakar at @minio backup @my_source", "a source of the settings"),
            (
                "plakar at @minio backup -tag daily,web -ignore '*.log' -check /srv",
                "tagged, without logs, and checked",
            ),
            ("plakar at @minio backup -scan /srv", "only lists what would be backed up"),
        ],
    ),
    page(
        "ptar",
        "Writes one file that is a whole store: the snapshots of other stores (-k), and new snapshots of paths. It \
         appears when it is complete.",
        &[
            ("plakar ptar -o ./export.ptar -k @minio_store", "every snapshot of a store"),
            ("plakar ptar -plaintext -o etc.ptar /etc", "a directory"),
        ],
    ),
    page(
        "sync",
        "Copies the snapshots that the other store does not have, oldest first: 'to' it, 'from' it, or both ways \
         'with' it. A snapshot arrives whole, under its id, or not at all. Each store has its own passphrase: give \
         the other one's as an option of its entry.",
        &[
            ("plakar at @minio_prod sync to @minio_backup", "all snapshots"),
            ("plakar at @minio_prod sync 8cbb1a3f to @minio_backup", "one"),
            ("plakar at @minio_prod sync -tag daily from @minio_backup", "those with a tag, the other way"),
        ],
    ),
    page(
        "ls",
        "Without a snapshot, lists those of the store, newest first: time, id, size, duration, directory. With one, \
         lists what is in it.",
        &[
            ("plakar at @minio ls", "all snapshots"),
            ("plakar at @minio ls -since 7d -tags", "those of a week, with their tags"),
            ("plakar at @minio ls -recursive 8cbb:/etc/ssl", "what is below a directory"),
        ],
    ),
    page(
        "check",
        "Reads everything that the snapshots need and verifies that it is what was stored; names what is not. With \
         -fast only verifies that everything is there. Without a snapshot, checks all that the filters choose.",
        &[
            ("plakar at @minio check", "every snapshot"),
            ("plakar at @minio check -fast 8cbb", "one, without reading content"),
            ("plakar at @minio check -quiet -latest", "the newest, telling only what is wrong"),
        ],
    ),
    page(
        "restore",
        "Writes a snapshot, or what is below a path of it, to a directory, a bucket or a named destination; without \
         -to into a new directory here. Every piece is verified before it is written. What cannot be restored is \
         named; the rest arrives. Options come before the snapshot.",
        &[
            ("plakar at @minio restore -to /tmp/out", "the newest snapshot"),
            ("plakar at @minio restore -to @minio_dst 8cbb1a3f", "one, into a bucket"),
            ("plakar at ./export.ptar restore -to /tmp/out :/etc/ssl", "a part of an archive's newest"),
        ],
    ),
    page(
        "cat",
        "Prints files of snapshots, each verified before a byte of it is printed.",
        &[("plakar at @minio cat 8cbb:/etc/hosts", "one file")],
    ),
    page(
        "locate",
        "Looks for names in all snapshots that the filters choose. A pattern is a name with *, ? and [a-z], matched \
         against the last part of a path.",
        &[
            ("plakar at @minio locate '*.conf' hosts", "two patterns"),
            ("plakar at @minio locate -since 30d id_rsa", "in a month"),
        ],
    ),
    page(
        "digest",
        "Reads files of snapshots, verified, and prints a checksum of each.",
        &[("plakar at @minio digest 8cbb:/etc", "all files below a directory")],
    ),
    page(
        "diff",
        "Tells in what two files or directories differ: of two snapshots, or of one and this machine. Files of text \
         as a unified diff.",
        &[
            ("plakar at @minio diff 8cbb:/etc 91d0:/etc", "two snapshots"),
            ("plakar at @minio diff -recursive 8cbb:/etc", "a snapshot and this machine"),
        ],
    ),
    page(
        "dup",
        "Makes a snapshot anew under another id; content is shared.",
        &[("plakar at @minio dup 8cbb", "one snapshot")],
    ),
    page(
        "clone",
        "Copies every file of the store into an empty place, verified. The copy has the same id and passphrase; use \
         sync to keep two stores alike afterwards.",
        &[("plakar at @minio clone to /mnt/disk/kloset", "a bucket onto a disk")],
    ),
    page(
        "archive",
        "Writes a snapshot, or what is below a path of it, into a file other programs read: tarball (the default), \
         tar or zip. '-output -' writes to standard output.",
        &[
            ("plakar at @minio archive -output etc.tar.gz 8cbb:/etc", "a compressed tar file"),
            (
                "plakar at @minio archive -format zip -output etc.zip -rebase 8cbb:/etc",
                "a zip file, names from /etc on",
            ),
        ],
    ),
    page(
        "info",
        "Without a snapshot, tells the settings and the size of the store. With one, its facts; with -errors, what \
         could not be read when it was made.",
        &[("plakar at @minio info", "the store"), ("plakar at @minio info -errors 8cbb", "what is missing")],
    ),
    page(
        "rm",
        "Lists the snapshots that the ids and filters choose, and with -apply removes them. Their space is given \
         back by maintenance.",
        &[
            ("plakar at @minio rm 8cbb", "what would go"),
            ("plakar at @minio rm -apply -before 90d", "older ones, gone"),
        ],
    ),
    page(
        "prune",
        "Lists which snapshots the periods keep and which not, and with -apply removes the others. A period keeps \
         the newest snapshots of so many minutes, hours, days, weeks, months, years or days of the week.",
        &[
            ("plakar at @minio prune -days 7 -weeks 4", "what would stay and go"),
            ("plakar at @minio prune -apply -policy nightly", "by a kept policy"),
        ],
    ),
    page(
        "maintenance",
        "Hides packfiles that no snapshot needs, and removes them when the grace period has passed \
         (PLAKAR_GRACEPERIOD, 720h): a second run then frees the space. Nothing is removed with \
         PLAKAR_NODELETION=true; else what writes broken off more than a day ago left in the store is removed \
         too: temporary files, uploads in parts. Nobody may back up meanwhile.",
        &[("plakar at @minio maintenance", "run it now and then")],
    ),
    page(
        "repair",
        "Tells which states are lost or damaged and what packfiles could bring back; with -apply does it. After a lost \
         packfile, the next backup stores anew what its source still has of it.",
        &[("plakar at @minio repair", "looks"), ("plakar at @minio repair -apply", "rebuilds")],
    ),
    page(
        "doctor",
        "Tries a place of the settings step by step: name, connection, TLS, clock, keys, each right that its role \
         needs, conditional writes, speed. Prints what is wrong, the command that mends it, and the least IAM \
         policy for the role, ready for 'mc admin policy create'. A small object is written and removed again \
         where the role writes. Without a name, tries all places.",
        &[("plakar doctor @minio", "a store, source or destination by its name")],
    ),
    page(
        "help",
        "Explains a command, or a topic: json, exit-codes, environment, errors. With -style man the page is in the \
         language of man.",
        &[("plakar help backup", "a command"), ("plakar help json", "the schema of -json")],
    ),
    page(
        "version",
        "Prints the version of this program and of the stores it writes.",
        &[("plakar version", "")],
    ),
    page(
        "completion",
        "Prints a script that teaches a shell to complete commands, options, names of the settings and ids of \
         snapshots. Ids only where no passphrase has to be asked for.",
        &[
            ("plakar completion bash", "for ~/.bashrc: eval \"$(plakar completion bash)\""),
            ("plakar completion zsh", "for ~/.zshrc, behind compinit: eval \"$(plakar completion zsh)\""),
            ("plakar completion fish", "for ~/.config/fish/completions/plakar.fish"),
        ],
    ),
    page(
        "pkg",
        "The connectors are part of this program: nothing has to be fetched.",
        &[("plakar pkg list", "")],
    ),
    page(
        "pkg add",
        "Confirms that the connector is there; anything else is refused.",
        &[("plakar pkg add s3", "")],
    ),
    page("pkg list", "Lists connectors.", &[("plakar pkg list", "")]),
    page("pkg show", "Lists connectors.", &[("plakar pkg show", "")]),
    page("pkg rm", "Refuses: what is built in stays.", &[("plakar pkg rm s3", "")]),
    page(
        "policy",
        "A policy is a named set of filters and periods for prune, kept beside the settings.",
        &[("plakar policy add nightly days=7 weeks=4", "")],
    ),
    page(
        "policy add",
        "Keeps a new policy. Keys are the names of prune's options.",
        &[("plakar policy add nightly days=7 weeks=4", "")],
    ),
    page("policy rm", "Removes a policy; no snapshot is touched.", &[("plakar policy rm nightly", "")]),
    page("policy set", "Changes parts of a policy.", &[("plakar policy set nightly days=14", "")]),
    page(
        "policy show",
        "Prints policies.",
        &[("plakar policy show", ""), ("plakar policy show -json nightly", "")],
    ),
    page("policy unset", "Takes parts out of a policy.", &[("plakar policy unset nightly weeks", "")]),
    page(
        "ROLE",
        "Names places, so that @NAME stands for a location, its keys and options. They are kept in files that only \
         you can read, in ~/.config/plakar.",
        &[("plakar ROLE show", "")],
    ),
    page(
        "ROLE add",
        "Keeps a location and its options under a name. 'plakar help options' tells which options there are; an \
         unknown one is refused when the entry is used.",
        &[(
            "plakar ROLE add minio s3://localhost:9000/mybucket access_key=minioadmin secret_access_key=minioadmin use_tls=false",
            "a bucket",
        )],
    ),
    page(
        "ROLE check",
        "Judges the options of an entry without connecting.",
        &[("plakar ROLE check minio", "")],
    ),
    page(
        "ROLE doctor",
        "The same as 'plakar doctor @NAME', for this role alone.",
        &[("plakar ROLE doctor minio", "")],
    ),
    page(
        "ROLE import",
        "Reads entries from standard input or a file: what 'show' prints, or with -rclone an rclone configuration. \
         SECTION:NEWNAME renames.",
        &[
            ("plakar ROLE import -config minio.yml", ""),
            ("plakar ROLE import -rclone -config rclone.conf minio:backup", ""),
        ],
    ),
    page(
        "ROLE ping",
        "Connects and says whether the place answers; doctor tells more.",
        &[("plakar ROLE ping minio", "")],
    ),
    page("ROLE rm", "Forgets an entry; what it names stays.", &[("plakar ROLE rm minio", "")]),
    page("ROLE set", "Changes options of an entry.", &[("plakar ROLE set minio use_tls=false", "")]),
    page(
        "ROLE show",
        "Prints entries as YAML. Keys and passwords are masked, unless -secrets is given.",
        &[("plakar ROLE show", ""), ("plakar ROLE show -json -secrets minio", "")],
    ),
    page("ROLE unset", "Takes options out of an entry.", &[("plakar ROLE unset minio region", "")]),
];

const fn page(
    name: &'static str,
    text: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Page {
    Page { name, text, examples }
}
