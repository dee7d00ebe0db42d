//! As much JSON as the manifests beside the reference stores need.

use std::collections::BTreeMap;

/// A value. Numbers in the manifests are whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, `true`, `false`.
    Word(String),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// `[…]`
    List(Vec<Json>),
    /// `{…}`
    Map(BTreeMap<String, Json>),
}

impl Json {
    /// Reads one document.
    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { rest: text };
        let value = reader.value();
        reader.space();
        assert!(reader.rest.is_empty(), "more behind the document: {:.40}", reader.rest);
        value
    }

    /// The member, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text of a member.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of a member.
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.get(key) {
            Some(Json::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The elements of a member that is a list.
    pub fn list(&self, key: &str) -> &[Json] {
        match self.get(key) {
            Some(Json::List(list)) => list,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: char) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Json {
        if self.eat('"') {
            return Json::Text(self.text());
        }
        if self.eat('[') {
            let mut list = Vec::new();
            while !self.eat(']') {
                list.push(self.value());
                self.eat(',');
            }
            return Json::List(list);
        }
        if self.eat('{') {
            let mut map = BTreeMap::new();
            while !self.eat('}') {
                assert!(self.eat('"'), "a key at {:.40}", self.rest);
                let key = self.text();
                assert!(self.eat(':'), "a colon at {:.40}", self.rest);
                map.insert(key, self.value());
                self.eat(',');
            }
            return Json::Map(map);
        }
        let end = self.rest.find(|c: char| ",]}".contains(c) || c.is_whitespace()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        assert!(!word.is_empty(), "a value at {rest:.40}");
        self.rest = rest;
        word.parse().map_or_else(|_| Json::Word(word.to_owned()), Json::Number)
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        let mut halves: Option<u16> = None;
        loop {
            let c = self.rest.chars().next().expect("an open text");
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return text,
                '\\' => {
                    let escaped = self.rest.chars().next().expect("an open escape");
                    self.rest = &self.rest[escaped.len_utf8()..];
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'b' => text.push('\x08'),
                        'f' => text.push('\x0c'),
                        'u' => {
                            let unit = u16::from_str_radix(&self.rest[..4], 16).expect("four digits");
                            self.rest = &self.rest[4..];
                            let units: Vec<u16> = halves.take().into_iter().chain([unit]).collect();
                            match char::decode_utf16(units).next() {
                                Some(Ok(c)) => text.push(c),
                                _ => halves = Some(unit),
                            }
                        }
                        other => text.push(other),
                    }
                }
                c => text.push(c),
            }
        }
    }
}

#[test]
fn the_small_json_reader_reads_what_manifests_hold() {
    let text = r#" {"a": [1, -2, null], "b": {"c\n\"": "\u00fc\ud83e\udd80 x"}, "d": []} "#;
    let json = Json::parse(text);
    assert_eq!(json.list("a"), [Json::Number(1), Json::Number(-2), Json::Word("null".to_owned())]);
    assert_eq!(json.get("b").and_then(|b| b.text("c\n\"")), Some("ü🦀 x"));
    assert_eq!(json.list("d"), []);
}
