//! Reads JSON: members and their text, nothing else.

use crate::base::limits::{S3_JSON_BYTES_MAX, S3_JSON_DEPTH_MAX};
use zeroize::Zeroizing;

/// Tells `visit` every string, number, `true` and `false`: the names from the root down to it, and
/// its text. Elements of an array have the empty name; `null` is not told.
///
/// # Errors
/// One line without a part of the text, which may be a secret, when it is not one whole JSON value
/// in UTF-8, or is over a cap.
pub fn read(body: &[u8], visit: &mut dyn FnMut(&[String], &str)) -> Result<(), String> {
    if body.len() > S3_JSON_BYTES_MAX {
        return Err(format!("{} bytes of JSON are over the cap of {S3_JSON_BYTES_MAX}", body.len()));
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8 text".to_owned())?;
    let mut reader = Reader { rest: text.trim_start_matches('\u{feff}'), whole: text.len() };
    let told = reader.value(&mut Vec::new(), visit);
    reader.blank();
    match told {
        Ok(()) if reader.rest.is_empty() => Ok(()),
        Ok(()) => Err(reader.fault("more text after the value")),
        Err(why) => Err(reader.fault(why)),
    }
}

struct Reader<'a> {
    rest: &'a str,
    whole: usize,
}

type Told = Result<(), &'static str>;

impl Reader<'_> {
    fn fault(&self, why: &str) -> String {
        format!("not JSON at byte {}: {why}", self.whole - self.rest.len())
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Whether this came next, after blanks, and was taken.
    fn took(&mut self, word: &str) -> bool {
        self.blank();
        let behind = self.rest.strip_prefix(word);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &str)) -> Told {
        if path.len() > S3_JSON_DEPTH_MAX {
            return Err("it nests too deep");
        }
        if self.took("{") {
            return self.items("}", path, visit, true);
        }
        if self.took("[") {
            return self.items("]", path, visit, false);
        }
        if self.took("null") {
            return Ok(());
        }
        for word in ["true", "false"] {
            if self.took(word) {
                visit(path, word);
                return Ok(());
            }
        }
        if self.rest.starts_with('"') {
            visit(path, &self.string()?);
            return Ok(());
        }
        let number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = self.rest.find(|c| !number(c)).unwrap_or(self.rest.len());
        let (digits, behind) = self.rest.split_at(end);
        if digits.parse::<f64>().is_err() {
            return Err("no value");
        }
        visit(path, digits);
        self.rest = behind;
        Ok(())
    }

    fn items(
        &mut self,
        end: &str,
        path: &mut Vec<String>,
        visit: &mut dyn FnMut(&[String], &str),
        named: bool,
    ) -> Told {
        if self.took(end) {
            return Ok(());
        }
        loop {
            let mut name = String::new();
            if named {
                self.blank();
                name = self.string()?.to_string();
                if !self.took(":") {
                    return Err("a name without a colon");
                }
            }
            path.push(name);
            let told = self.value(path, visit);
            path.pop();
            told?;
            if self.took(end) {
                return Ok(());
            }
            if !self.took(",") {
                return Err("neither a comma nor the end after a value");
            }
        }
    }

    fn string(&mut self) -> Result<Zeroizing<String>, &'static str> {
        let mut text = Zeroizing::new(String::new());
        let mut chars = self.rest.strip_prefix('"').ok_or("no string")?.chars();
        loop {
            match chars.next() {
                None => return Err("a string does not end"),
                Some('"') => break,
                Some('\\') => {
                    let c = match chars.next() {
                        Some(c @ ('"' | '\\' | '/')) => c,
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('u') => escaped(&mut chars).ok_or("a bad \\u in a string")?,
                        _ => return Err("a bad escape in a string"),
                    };
                    text.push(c);
                }
                Some(c) if c < ' ' => return Err("a control character in a string"),
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

/// The character behind `\u`, which may be two halves.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let four = |chars: &mut std::str::Chars<'_>| {
        (0..4).try_fold(0, |number, _| Some(number * 16 + chars.next()?.to_digit(16)?))
    };
    let first = four(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let low = (chars.next() == Some('\\') && chars.next() == Some('u')).then(|| four(chars))??;
    (0xdc00..0xe000)
        .contains(&low)
        .then(|| 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00))
        .and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::read;

    fn texts(body: &str) -> Result<String, String> {
        let mut seen = String::new();
        read(body.as_bytes(), &mut |path, text| seen += &format!("{}={text};", path.join("/")))?;
        Ok(seen)
    }

    #[test]
    fn every_kind_of_value_is_told_with_its_path() {
        for (body, told) in [
            ("\"x\"", "=x;"),
            (
                " {\"a\" : {\"b\":\"c\", \"d\": [1, -2.5e3, {\"e\":true}]}, \"n\":null} \n",
                "a/b=c;a/d/=1;a/d/=-2.5e3;a/d//e=true;",
            ),
            ("{}", ""),
            ("[]", ""),
            (
                r#"{"k":"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"}"#,
                "k=\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600};",
            ),
        ] {
            assert_eq!(texts(body).as_deref(), Ok(told));
        }
    }

    #[test]
    fn what_is_no_json_is_refused_without_repeating_it() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        for body in [
            "",
            "hush",
            "{\"k\":\"hush\"",
            "{\"k\":\"hush",
            "{\"k\" \"hush\"}",
            "{\"k\":\"hush\",}",
            "{k:\"hush\"}",
            "\"hush\" x",
            "\"\\q\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"a\nb\"",
            "[1 2]",
            "--",
            &deep,
        ] {
            let error = texts(body).unwrap_err();
            assert!(error.starts_with("not JSON at byte ") && !error.contains("hush"), "{body}: {error}");
        }
        assert!(read(b"\"\xff\"", &mut |_, _| ()).is_err());
    }
}
