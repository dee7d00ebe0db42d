//! Reads S3's XML: elements and their text, nothing else.

use crate::base::limits::{S3_XML_BYTES_MAX, S3_XML_DEPTH_MAX, S3_XML_TEXT_BYTES_MAX};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Tells `visit` every element as it closes: the local names from the root down to it, and its own
/// text. Returns the root's name.
///
/// # Errors
/// One line, when the text is not well-formed XML with one root that closes, holds a DOCTYPE or an
/// unknown entity, or is over a cap. A document that was cut is always an error.
pub fn read(body: &[u8], visit: &mut dyn FnMut(&[String], &str)) -> Result<String, String> {
    if body.len() as u64 > S3_XML_BYTES_MAX {
        return Err(format!("{} bytes of XML are over the cap of {S3_XML_BYTES_MAX}", body.len()));
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8 text".to_owned())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| format!("not well-formed XML: {error}"))?;
        match event {
            Event::Start(element) => {
                if root.is_some() {
                    return Err("a second root element".to_owned());
                }
                if open.len() >= S3_XML_DEPTH_MAX {
                    return Err(format!("elements nest deeper than {S3_XML_DEPTH_MAX}"));
                }
                open.push(element.local_name().into_inner().to_owned());
                texts.push(String::new());
            }
            Event::End(_) => {
                let text = texts.pop().unwrap_or_default();
                visit(&open, &text);
                let name = open.pop();
                if open.is_empty() {
                    root = name;
                }
            }
            Event::Text(part) => append(&mut texts, &part)?,
            Event::CData(part) => append(&mut texts, &part)?,
            Event::GeneralRef(reference) => {
                let number =
                    reference.resolve_char_ref().map_err(|error| format!("bad reference: {error}"))?;
                let known = match (number, &*reference) {
                    (Some(c), _) => c,
                    (None, "amp") => '&',
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "quot") => '"',
                    (None, "apos") => '\'',
                    (None, other) => return Err(format!("unknown entity &{};", shorten(other))),
                };
                append(&mut texts, known.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err("a DOCTYPE has no place in an S3 reply".to_owned()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    // A cut document ends in a plain end of file: only a closed root proves that all was there.
    root.ok_or_else(|| "the XML ends before its root element closes".to_owned())
}

fn append(texts: &mut [String], part: &str) -> Result<(), String> {
    match texts.last_mut() {
        Some(text) if text.len() + part.len() > S3_XML_TEXT_BYTES_MAX => {
            Err(format!("an element's text is longer than {S3_XML_TEXT_BYTES_MAX} bytes"))
        }
        Some(text) => {
            text.push_str(part);
            Ok(())
        }
        None if part.trim().is_empty() => Ok(()),
        None => Err("text outside the root element".to_owned()),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// `text` as it may stand between two tags. What XML 1.0 has no form for is left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::read;

    fn texts(body: &str) -> Result<Vec<(String, String)>, String> {
        let mut seen = Vec::new();
        read(body.as_bytes(), &mut |path, text| seen.push((path.join("/"), text.to_owned())))?;
        Ok(seen)
    }

    #[test]
    fn references_and_cdata_are_part_of_the_text() {
        let seen = texts(
            "<?xml version=\"1.0\"?>\n<r xmlns=\"x\"><k>a&amp;b&#x1;<![CDATA[<c>]]>&quot;&#34;</k><s3:e/></r>\n",
        );
        let expected = [("r/k", "a&b\u{1}<c>\"\""), ("r/e", ""), ("r", "")];
        assert_eq!(seen.unwrap(), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_is_not_a_whole_s3_reply_is_refused() {
        let deep = "<a>".repeat(17) + &"</a>".repeat(17);
        let long = format!("<a>{}</a>", "x".repeat(70_000));
        for (body, why) in [
            ("", "root"),
            ("<r><k>a</k>", "root"),
            ("<r><k>a", "root"),
            ("<r><k>a</r>", "well-formed"),
            ("<r>a & b</r>", "well-formed"),
            ("<r/><r/>", "second root"),
            ("<r/>trailing", "outside"),
            ("<!DOCTYPE r [<!ENTITY b \"bbbb\">]><r>&b;</r>", "DOCTYPE"),
            ("<r>&b;</r>", "unknown entity"),
            ("<r>&#0;</r>", "reference"),
            ("<r>&#xD800;</r>", "reference"),
            ("not xml", "outside"),
            (&deep, "deeper"),
            (&long, "longer"),
        ] {
            let error = texts(body).unwrap_err();
            assert!(error.contains(why), "{error:?} for {:?}", &body[..body.len().min(40)]);
        }
        assert!(read(b"<r>\xff</r>", &mut |_, _| ()).is_err());
    }
}
