//! The little of INI that `show -ini` writes and `import` reads.

use std::collections::BTreeMap;

/// One section, keys sorted and aligned, and an empty line.
pub fn write_section(out: &mut String, name: &str, options: &BTreeMap<String, String>) {
    *out += &format!("[{name}]\n");
    let width = options.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    for (key, value) in options {
        let shown = if needs_quotes(key, value) { quoted(value) } else { value.clone() };
        *out += &format!("{key:width$} = {shown}\n");
    }
    out.push('\n');
}

fn needs_quotes(key: &str, value: &str) -> bool {
    value.contains([';', '#', '\n'])
        || value.trim() != value
        || value.starts_with(LONG)
        || unquoted(value) != value
        // Together they would look like the name of a section.
        || (key.starts_with('[') && value.ends_with(']'))
}

/// What holds a value that other quotes, or the end of a line, would end too early.
const LONG: &str = "\"\"\"";

fn quoted(value: &str) -> String {
    let short = ['`', '"', '\''].into_iter().find(|quote| !value.contains([*quote, '\n']));
    match short {
        Some(quote) => format!("{quote}{value}{quote}"),
        None if !value.contains(LONG) && !value.ends_with('"') => format!("{LONG}{value}{LONG}"),
        // The notation has no form for it.
        None => value.to_owned(),
    }
}

/// Names of sections and their keys, in order.
pub type Sections = Vec<(String, BTreeMap<String, String>)>;

/// Reads the sections.
///
/// # Errors
/// A line that is neither a section, a pair nor a comment; a long value that does not end.
pub fn read(text: &str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.trim().to_owned(), BTreeMap::new()));
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return Err(format!("line {number}: neither a section nor a key and a value"));
        };
        let Some((_, options)) = sections.last_mut() else {
            return Err(format!("line {number}: a key before the first section"));
        };
        let value = match value.trim().strip_prefix(LONG) {
            None => unquoted(value.trim()).to_owned(),
            Some(first) => long(first, &mut lines).ok_or_else(|| {
                format!("line {number}: a value that begins with {LONG} does not end with it")
            })?,
        };
        options.insert(key.trim().to_owned(), value);
    }
    Ok(sections)
}

/// A value over several lines, `first` being what stands on the line that opens it.
fn long<'a>(first: &'a str, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Option<String> {
    let (mut value, mut line) = (String::new(), first);
    loop {
        if let Some((inner, behind)) = line.split_once(LONG) {
            value.push_str(inner);
            return behind.trim().is_empty().then_some(value);
        }
        value.push_str(line);
        value.push('\n');
        line = lines.next()?.1;
    }
}

/// Without the quotes around it; quotes of the same kind inside mean that it is not quoted.
fn unquoted(value: &str) -> &str {
    for quote in ['`', '"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_read_back_as_written() {
        let options = BTreeMap::from([
            ("access_key".to_owned(), "a;b".to_owned()),
            ("location".to_owned(), "s3://h:9000/b".to_owned()),
        ]);
        let mut text = String::new();
        write_section(&mut text, "minio", &options);
        assert_eq!(text, "[minio]\naccess_key = `a;b`\nlocation   = s3://h:9000/b\n\n");
        assert_eq!(read(&text).unwrap(), [("minio".to_owned(), options)]);
    }

    #[test]
    fn every_value_survives() {
        for value in [
            "",
            " x ",
            "`",
            "\"q\"",
            "'`x`'",
            "a#b`c",
            "`\"'",
            "a;`\"'b",
            "two\nlines",
            "\"\"\"x",
            "a]",
            "[a]",
        ] {
            let options = BTreeMap::from([("[k".to_owned(), value.to_owned())]);
            let mut text = String::new();
            write_section(&mut text, "s", &options);
            assert_eq!(read(&text).unwrap(), [("s".to_owned(), options)], "{text}");
        }
    }

    #[test]
    fn lines_that_are_no_ini_are_named() {
        assert_eq!(read("x = 1").unwrap_err(), "line 1: a key before the first section");
        assert_eq!(read("[a]\n\nwhat").unwrap_err(), "line 3: neither a section nor a key and a value");
        assert!(read("[a]\nk = \"\"\"x\ny").unwrap_err().contains("line 2"));
        assert_eq!(read("; c\n# d\n").unwrap(), []);
    }
}
