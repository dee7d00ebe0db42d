//! Facts in sections: lines of `info` for people, one flat object for scripts.

use crate::cli::human;

/// Facts in the order they are shown.
#[derive(Default)]
pub struct Sheet {
    section: &'static str,
    rows: Vec<Row>,
}

struct Row {
    section: &'static str,
    label: &'static str,
    shown: String,
    value: String,
    depth: usize,
}

impl Sheet {
    /// What follows belongs to this section; its name is a line of its own, with what follows it.
    pub fn section(&mut self, label: &'static str, text: &str) {
        self.section = "";
        self.row(label, 0, text.to_owned(), text.to_owned());
        self.section = label;
    }

    /// A fact.
    pub fn text(&mut self, label: &'static str, text: impl ToString) {
        let text = text.to_string();
        self.row(label, usize::from(!self.section.is_empty()), text.clone(), text);
    }

    /// A fact below a fact.
    pub fn below(&mut self, label: &'static str, text: impl ToString) {
        let text = text.to_string();
        self.row(label, 2, text.clone(), text);
    }

    /// A size in bytes.
    pub fn size(&mut self, label: &'static str, bytes: u64) {
        let shown = format!("{} ({bytes} bytes)", human::bytes(bytes));
        self.row(label, usize::from(!self.section.is_empty()), shown, bytes.to_string());
    }

    /// No section from here on.
    pub fn end_section(&mut self) {
        self.section = "";
    }

    fn row(&mut self, label: &'static str, depth: usize, shown: String, value: String) {
        self.rows.push(Row { section: self.section, label, shown, value, depth });
    }

    /// `Packfile:`, ` - MaxSize: 20 MiB (20971520 bytes)`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| {
            let indent = match row.depth {
                0 => "",
                1 => " - ",
                _ => "   - ",
            };
            match (row.depth, row.shown.as_str()) {
                (0, "") => format!("{}:", row.label),
                (_, shown) => format!("{indent}{}: {shown}", row.label),
            }
        })
    }

    /// `Packfile.MaxSize` and `20971520`; sections without text of their own are no fact.
    pub fn facts(&self) -> impl Iterator<Item = (String, &str)> {
        self.rows.iter().filter(|row| row.depth > 0 || !row.value.is_empty()).map(|row| {
            let name = match row.section {
                "" => row.label.to_owned(),
                section => format!("{section}.{}", row.label),
            };
            (name, row.value.as_str())
        })
    }
}
