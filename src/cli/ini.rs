//! The little of INI that `show -ini` writes and `import` reads.

use std::collections::BTreeMap;

/// One section, keys sorted and aligned, and an empty line.
pub fn write_section(out: &mut String, name: &str, options: &BTreeMap<String, String>) {
    *out += &format!("[{name}]\n");
    let width = options.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    for (key, value) in options {
        let quoted = if value.contains([';', '#']) { format!("`{value}`") } else { value.clone() };
        *out += &format!("{key:width$} = {quoted}\n");
    }
    out.push('\n');
}

/// Names of sections and their keys, in order.
pub type Sections = Vec<(String, BTreeMap<String, String>)>;

/// Reads the sections.
///
/// # Errors
/// A line that is neither a section, a pair nor a comment.
pub fn read(text: &str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    for (number, line) in (1..).zip(text.lines()) {
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
        options.insert(key.trim().to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(sections)
}

fn unquoted(value: &str) -> &str {
    for quote in ['`', '"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
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
    fn lines_that_are_no_ini_are_named() {
        assert_eq!(read("x = 1").unwrap_err(), "line 1: a key before the first section");
        assert_eq!(read("[a]\n\nwhat").unwrap_err(), "line 3: neither a section nor a key and a value");
        assert_eq!(read("; c\n# d\n").unwrap(), []);
    }
}
