//! Writing JSON strings the way Go's encoder does.

use std::collections::BTreeMap;

/// `"text"`; `<`, `>` and `&` escaped so that the text is safe inside HTML too.
pub fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            '\u{8}' => out += "\\b",
            '\u{c}' => out += "\\f",
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out += &format!("\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One object of strings, keys sorted.
pub fn object(pairs: &BTreeMap<String, String>) -> String {
    let members: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}:{}", string(key), string(value))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let pairs = BTreeMap::from([("k".to_owned(), "a\"b\\c\n<&>\u{1}é".to_owned())]);
        assert_eq!(object(&pairs), r#"{"k":"a\"b\\c\n\u003c\u0026\u003e\u0001é"}"#);
    }
}
