//! `import`: entries from another program's file.

use crate::cli::args::Parsed;
use crate::cli::exit::Failure;
use crate::cli::ini;
use crate::cli::session::Session;
use crate::cli::settings::{self, Options, Role};
use crate::cli::yaml::{self, Node};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longer input is no configuration.
const INPUT_BYTES_MAX: u64 = 4 << 20;

type Sections = Vec<(String, Options)>;

/// Merges the wanted sections into the settings; the caller saves them.
///
/// # Errors
/// When the input cannot be read or understood: nothing is merged then.
pub fn run(session: &mut Session, role: Role, parsed: &Parsed) -> Result<(), Failure> {
    let text = input(parsed.path("config").map(Path::new))?;
    let mut sections = read(role, &text).map_err(|why| failed(&why))?;
    if parsed.switch("rclone") {
        sections.iter_mut().for_each(|(_, options)| *options = from_rclone(options));
    }
    if sections.is_empty() {
        return Err(Failure::new(format!("no valid {} found in config", role.plural())));
    }
    if !sections.iter().any(|(_, options)| options.contains_key("location")) {
        return Err(failed("missing 'location' key in config data, `-rclone` import option missing ?"));
    }
    for (from, to) in wanted(parsed, &sections) {
        let Some((_, options)) = sections.iter().find(|(name, _)| *name == from) else {
            session.out.error_line(format!("{} {from:?} does not exist in config", role.word()));
            continue;
        };
        let named = &mut session.settings.of_mut(role).named;
        if named.contains_key(&to) && !parsed.switch("overwrite") {
            session.out.error_line(format!("{} {to:?} already exists, skipping", role.word()));
            continue;
        }
        named.insert(to, options.clone());
    }
    Ok(())
}

fn failed(why: &str) -> Failure {
    Failure::new(format!("failed to load config: {why}"))
}

fn input(path: Option<&Path>) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path {
        Some(path) if path.to_string_lossy().contains("://") => {
            return Err(failed("only files can be read: fetch the address first, then pipe it in"));
        }
        Some(path) => File::open(path).and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text)),
        None => io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text),
    };
    let from = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    read.map_err(|error| failed(&format!("{from}: {error}")))?;
    Ok(text)
}

/// YAML (JSON is a part of it), else INI.
fn read(role: Role, text: &str) -> Result<Sections, String> {
    let from_yaml = yaml::read(text).and_then(|node| {
        // A whole settings file, or the map of names alone.
        let inner = node.get("version").and(node.get(role.plural())).unwrap_or(&node);
        let Node::Map(pairs) = inner else { return Err(format!("expected a map, found {}", inner.kind())) };
        pairs.iter().map(|(name, node)| Ok((name.clone(), settings::options(name, node)?))).collect()
    });
    from_yaml.or_else(|yaml| {
        ini::read(text).map_err(|ini| format!("neither YAML nor JSON ({yaml}) nor INI ({ini})"))
    })
}

fn from_rclone(options: &Options) -> Options {
    let mut renamed: Options =
        options.iter().map(|(key, value)| (format!("rclone_{key}"), value.clone())).collect();
    renamed.insert("location".to_owned(), "rclone://".to_owned());
    renamed
}

fn wanted(parsed: &Parsed, sections: &Sections) -> Vec<(String, String)> {
    if parsed.rest.is_empty() {
        return sections.iter().map(|(name, _)| (name.clone(), name.clone())).collect();
    }
    parsed
        .rest
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .map(|word| match word.split_once(':') {
            Some((from, to)) => (from.to_owned(), to.to_owned()),
            None => (word.clone(), word),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_notations_give_the_same_entries() {
        let expected: Sections =
            vec![("a".to_owned(), [("location".to_owned(), "s3://h/b".to_owned())].into())];
        for text in [
            "a:\n  location: s3://h/b\n",
            "{\"a\": {\"location\": \"s3://h/b\"}}",
            "[a]\nlocation = s3://h/b\n",
            "version: v1.0.0\nstores:\n    a:\n        location: s3://h/b\n",
        ] {
            assert_eq!(read(Role::Store, text).unwrap(), expected, "{text}");
        }
        assert!(read(Role::Store, "just words").is_err());
    }
}
