//! What the word at the cursor may become: read off the table of commands, the settings, and
//! stores that open without asking.

use crate::cli::args::{Opt, Takes};
use crate::cli::cmd::policy;
use crate::cli::commands::{self, At, Command};
use crate::cli::globals;
use crate::cli::gotime;
use crate::cli::human;
use crate::cli::manual;
use crate::cli::open;
use crate::cli::session::Session;
use crate::cli::settings::Role;
use crate::connectors::options;
use crate::engine::retention::Retention;
use crate::engine::select::Filters;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// A word, and what it is in a few words.
pub type Candidate = (String, String);

/// What `words` in front of the cursor's word allow there. Options only when it begins with a dash.
pub fn candidates(session: &mut Session, words: &[OsString], current: &str) -> Vec<Candidate> {
    let all = found(session, words, current.starts_with('-'));
    all.into_iter().filter(|(word, _)| word.starts_with(current)).collect()
}

fn found(session: &mut Session, words: &[OsString], dash: bool) -> Vec<Candidate> {
    let rest = match behind_options(&[globals::OPTIONS], words) {
        Err(_) => return Vec::new(),
        Ok(rest) => rest,
    };
    let (at, rest) = match rest {
        [] if dash => return options_of(&[globals::OPTIONS]),
        [at] if at == "at" => return names(session, Role::Store),
        [at, store, rest @ ..] if at == "at" => (Some(store), rest),
        rest => (None, rest),
    };
    session.globals.at = at.cloned();
    let Some((command, behind)) = commands::find(rest) else {
        let Some(word) = rest.first() else { return first_words(at.is_some()) };
        return if rest.len() == 1 { actions(&word.to_string_lossy()) } else { Vec::new() };
    };
    match behind_options(&command.table(), behind) {
        Err(opt) => values(session, command, opt),
        Ok([]) if dash => options_of(&command.table()),
        Ok(before) => {
            let mut all = positional(session, command, before);
            if before.is_empty() && command.action.is_empty() {
                all.extend(actions(command.word));
            }
            all
        }
    }
}

/// The words behind the options at the front; the option that still waits for its value.
fn behind_options<'w>(
    table: &[&'static [Opt]],
    words: &'w [OsString],
) -> Result<&'w [OsString], &'static Opt> {
    let mut rest = words;
    while let [word, after @ ..] = rest {
        let text = word.to_string_lossy();
        let Some(name) = text.strip_prefix('-').filter(|name| !name.is_empty()) else { break };
        if name == "-" {
            return Ok(after);
        }
        let name = name.strip_prefix('-').unwrap_or(name);
        rest = after;
        let waiting =
            table.iter().copied().flatten().find(|opt| opt.name == name && opt.takes != Takes::Switch);
        if let Some(opt) = waiting {
            match rest {
                [] => return Err(opt),
                [_, after @ ..] => rest = after,
            }
        }
    }
    Ok(rest)
}

fn options_of(table: &[&'static [Opt]]) -> Vec<Candidate> {
    let all = table.iter().copied().flatten();
    all.map(|opt| (format!("-{}", opt.name), opt.help.to_owned())).collect()
}

fn first_words(at: bool) -> Vec<Candidate> {
    let rows = commands::shown().filter(|row| row.action.is_empty() && (!at || row.at == At::Store));
    let mut all: Vec<Candidate> = rows.map(|row| (row.word.to_owned(), row.about.to_owned())).collect();
    if !at {
        all.push(("at".to_owned(), "Names the store.".to_owned()));
    }
    all
}

fn actions(word: &str) -> Vec<Candidate> {
    let rows = commands::all().filter(|row| row.word == word && !row.action.is_empty());
    rows.map(|row| (row.action.to_owned(), row.about.to_owned())).collect()
}

fn plain(words: &[&str]) -> Vec<Candidate> {
    words.iter().map(|word| ((*word).to_owned(), String::new())).collect()
}

/// `@name` of every entry, with its location.
fn names(session: &Session, role: Role) -> Vec<Candidate> {
    bare_names(session, role).into_iter().map(|(name, about)| (format!("@{name}"), about)).collect()
}

fn bare_names(session: &Session, role: Role) -> Vec<Candidate> {
    let named = &session.settings.of(role).named;
    let about = |options: &std::collections::BTreeMap<String, String>| {
        options.get("location").cloned().unwrap_or_default()
    };
    named.iter().map(|(name, options)| (name.clone(), about(options))).collect()
}

fn policies(session: &Session) -> Vec<Candidate> {
    let loaded = policy::load(session);
    loaded.map(|all| all.named.into_keys().map(|name| (name, String::new())).collect()).unwrap_or_default()
}

fn values(session: &Session, command: &Command, opt: &Opt) -> Vec<Candidate> {
    match (command.word, opt.name) {
        ("restore", "to") => names(session, Role::Destination),
        ("ptar", "k" | "kloset") => names(session, Role::Store),
        ("prune", "policy") => policies(session),
        ("archive", "format") => plain(&["tarball", "tar", "zip"]),
        (_, "hashing") => plain(&["BLAKE3", "SHA256"]),
        ("help", "style") => plain(&["man"]),
        ("backup", "o") => keys(Role::Source, "s3"),
        ("restore", "o") => keys(Role::Destination, "s3"),
        _ => Vec::new(),
    }
}

/// `KEY=` of every option that a connector knows.
fn keys(role: Role, protocol: &str) -> Vec<Candidate> {
    let known = options::known(protocol, role.as_connector());
    known.into_iter().map(|key| (format!("{key}="), String::new())).collect()
}

fn positional(session: &Session, command: &Command, before: &[OsString]) -> Vec<Candidate> {
    let last = before.last().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    match (command.word, command.action) {
        ("store" | "source" | "destination", action) => entry(session, command, action, before),
        ("policy", "rm" | "set" | "show" | "unset") if before.is_empty() => policies(session),
        ("doctor", _) => {
            let all = [Role::Store, Role::Source, Role::Destination].map(|role| names(session, role));
            let mut all = all.concat();
            all.sort();
            all.dedup_by(|one, other| one.0 == other.0);
            all
        }
        ("help", _) => match before {
            [] => {
                let topics =
                    manual::TOPICS.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned()));
                let mut all = first_words(false);
                all.retain(|(word, _)| word != "at");
                all.into_iter().chain(topics).collect()
            }
            [word] => actions(&word.to_string_lossy()),
            _ => Vec::new(),
        },
        ("completion", _) if before.is_empty() => plain(SHELLS),
        ("sync", _) => match (before.len(), last.as_str()) {
            (_, "to" | "from" | "with") => names(session, Role::Store),
            (0, _) => [snapshots(session), plain(&["to", "from", "with"])].concat(),
            (1, _) => plain(&["to", "from", "with"]),
            _ => Vec::new(),
        },
        ("clone", _) if last == "to" => names(session, Role::Store),
        ("clone", _) if before.is_empty() => plain(&["to"]),
        ("backup" | "ptar", _) => names(session, Role::Source),
        _ if command.synopsis.contains("SNAPSHOT") => snapshots(session),
        _ => Vec::new(),
    }
}

/// Shells that there is a script for.
pub const SHELLS: &[&str] = &["bash", "zsh", "fish"];

fn entry(session: &Session, command: &Command, action: &str, before: &[OsString]) -> Vec<Candidate> {
    let role = super::cmd::entries::role(command);
    let named = &session.settings.of(role).named;
    match (action, before) {
        ("add" | "import" | "", _) if before.len() < 2 => Vec::new(),
        ("add", [_, location, ..]) => {
            let protocol = if location.as_bytes().starts_with(b"s3:") { "s3" } else { "fs" };
            keys(role, protocol)
        }
        (_, []) | ("show" | "doctor", _) => bare_names(session, role),
        ("set", _) => keys(role, "s3"),
        ("unset", [name, ..]) => {
            let options = named.get(&*name.to_string_lossy());
            let keys = options.into_iter().flat_map(|options| options.keys());
            keys.filter(|key| *key != "location").map(|key| (key.clone(), String::new())).collect()
        }
        _ => Vec::new(),
    }
}

/// Short ids of the store's snapshots, newest first; none when it cannot be opened without asking.
fn snapshots(session: &Session) -> Vec<Candidate> {
    let Ok(Some(opened)) = open::without_asking(session) else { return Vec::new() };
    let Ok((all, _)) = opened.select(&Filters::default(), &Retention::default()) else { return Vec::new() };
    let about = |snapshot: &crate::engine::snapshot::Snapshot| {
        let root = String::from_utf8_lossy(&snapshot.root()).into_owned();
        let at = gotime::rfc3339(snapshot.header.timestamp);
        format!("{at} {} {root}", human::bytes(snapshot.size()))
    };
    all.iter().map(|snapshot| (snapshot.id.short(), about(snapshot))).collect()
}

/// The script for a shell.
pub fn script(shell: &str) -> Option<&'static str> {
    Some(match shell {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        _ => return None,
    })
}

const BASH: &str = r#"# plakar for bash: eval "$(plakar completion bash)"
_plakar() {
    local line=${COMP_LINE:0:COMP_POINT} words current kept= breaks=${COMP_WORDBREAKS//[^@:=]/}
    local IFS=$' \t\n'
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    current=${words[${#words[@]}-1]}
    # bash replaces only what follows the last of these
    [[ $breaks ]] && kept=${current%"${current##*["$breaks"]}"}
    IFS=$'\n'
    COMPREPLY=($("$1" __complete -- "${words[@]:1}" 2>/dev/null | cut -f1))
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o bashdefault -o default -F _plakar plakar
"#;

const ZSH: &str = r#"#compdef plakar
# plakar for zsh, behind compinit: eval "$(plakar completion zsh)"
_plakar() {
    local -a found open
    local line word
    for line in "${(@f)$(plakar __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        word=${${line%%$'\t'*}//:/\\:}
        if [[ $word == *= ]]; then
            open+=("$word:${line#*$'\t'}")
        else
            found+=("$word:${line#*$'\t'}")
        fi
    done
    (( $#open )) && _describe plakar open -S ''
    (( $#found )) && _describe plakar found
    (( $#open + $#found )) || _files
}
compdef _plakar plakar
"#;

const FISH: &str = r#"# plakar for fish: plakar completion fish > ~/.config/fish/completions/plakar.fish
function __plakar_complete
    set -l words (commandline -opc) (commandline -ct)
    plakar __complete -- $words[2..-1] 2>/dev/null
end
complete -c plakar -a '(__plakar_complete)'
"#;
